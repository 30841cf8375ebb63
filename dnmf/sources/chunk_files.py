"""Chunks of a Zarr array on a file system, decoded straight into place.

Zarr takes new memory for the stored bytes of each chunk, again for the decoded ones, and copies them from there. To
touch memory that is new to a process costs more than decoding does, all the more on a worker whose allocator gives
back at once what is freed (dask's default). Here stored bytes go through one buffer and are decoded where they belong.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dnmf.sources.encodings import CHECKSUM_BYTES, Encoding, encoding_of_codecs, encoding_of_compressor
from dnmf.sources.presence import is_hdf5, object_shape

ZARRS_OWN_PIPELINE = "zarr.core.codec_pipeline.BatchedCodecPipeline"
NOWHERE = 2**64 - 1  # in the index of a shard: a chunk that was not written

Place = tuple[int, ...]
Slices = tuple[slice, ...]


class AbsentObject(LookupError):
    """A stored object is missing or empty; the argument is its key."""


@dataclass(frozen=True)
class Shard:
    """How chunks lie in a shard.

    Attributes
    ----------
    grid : tuple of int
        How many chunks it has along each axis.
    index : Encoding
        Of the table of their offsets and lengths.
    index_at_end : bool
        Where the table is.
    """

    grid: Place
    index: Encoding
    index_at_end: bool


class ChunkFiles:
    """The chunks of one array; :func:`chunk_files_of` makes it where that is possible.

    Parameters
    ----------
    node : zarr.Array
        Opened, on a file system.
    encoding : Encoding
        Of a chunk.
    chunk : tuple of int
        Its shape.
    shard : Shard or None
        How chunks are kept in shards, if they are.
    """

    def __init__(self, node: Any, encoding: Encoding, chunk: Place, shard: Shard | None = None):
        self._folder, self._key_of = Path(node.store.root) / node.path, node.metadata.encode_chunk_key
        self._encoding, self._chunk, self._shard = encoding, chunk, shard
        self._shape, self._object = tuple(int(n) for n in node.shape), object_shape(node)
        self._fill = 0 if node.fill_value is None else node.fill_value
        self._chunk_bytes = int(np.prod(chunk)) * node.dtype.itemsize
        self._stored_bytes: int | None = None

    @property
    def decoding_bytes(self) -> int:
        """What a read takes beside its target for stored bytes; as much again if a chunk does not go there whole."""
        return 0 if self._is_flat else _decoding_threads() * self._chunk_bytes

    def stored_bytes(self) -> int:
        """Return what a read takes for stored bytes, from the largest file (a shard holds more than a chunk).

        Nothing where values lie in files as they are and go straight into rows. Files are looked at once.
        """
        if self._is_flat:
            return 0
        if self._stored_bytes is None:
            largest = _largest_file(self._folder)
            self._stored_bytes = largest if self._shard is None else min(largest, self._chunk_bytes)
        return _decoding_threads() * self._stored_bytes

    @property
    def goes_whole(self) -> bool:
        """Whether every chunk goes whole into rows that begin and end at chunks: none is narrower or at an edge."""
        return self._is_flat or (self._chunk[1:] == self._shape[1:] and self._shape[0] % self._chunk[0] == 0)

    @property
    def least_rows(self) -> int:
        """How few rows can be read without decoding others: one where values lie in files as they are."""
        return 1 if self._is_flat else self._chunk[0]

    @property
    def _is_flat(self) -> bool:
        """Whether the rows of a chunk lie in a file one after the other, as they are in memory."""
        return self._encoding.is_plain and self._chunk[1:] == self._shape[1:]

    def read(self, target: np.ndarray, start: int, *, absent_is_fill: bool = False) -> None:
        """Fill `target` (rows of the whole width, contiguous, as stored) with the rows from `start` on.

        Raises
        ------
        AbsentObject
            An object is missing (unless `absent_is_fill`: then it holds nothing but the fill value) or empty.
        ValueError
            It is damaged; the message begins with its key.
        OSError
            The storage does not answer.
        """
        places = self._places(start, start + len(target))
        threads = min(_decoding_threads(), len(places))

        def read_some(number: int) -> None:
            self._read_objects(places[number::threads], _Panel(target, start, self._chunk), absent_is_fill)

        if threads == 1:
            read_some(0)
            return
        with ThreadPoolExecutor(threads, thread_name_prefix="dnmf-decode") as pool:
            list(pool.map(read_some, range(threads)))

    def _places(self, start: int, stop: int) -> list[Place]:
        """Positions in the grid of all objects that hold rows `start:stop`."""
        grid = [range(start // self._object[0], -(-stop // self._object[0]))]
        grid += [range(-(-n // step)) for n, step in zip(self._shape[1:], self._object[1:], strict=True)]
        return list(product(*grid))

    def _read_objects(self, places: Sequence[Place], panel: "_Panel", absent_is_fill: bool) -> None:
        keys = [self._key_of(place) for place in places]
        for place, key, following in zip(places, keys, [*keys[1:], None], strict=True):
            if following is not None:
                _expect(self._folder / following)
            corner = tuple(i * n for i, n in zip(place, self._object, strict=True))
            try:
                with open(self._folder / key, "rb", buffering=0) as file:
                    self._read_object(file, corner, panel)
            except (FileNotFoundError, NotADirectoryError):
                if not absent_is_fill:
                    raise AbsentObject(key) from None
                panel.fill(corner, self._object, self._fill)
            except EOFError:
                raise AbsentObject(key) from None
            except (ValueError, RuntimeError) as error:
                raise ValueError(f"{key}: {error}") from error

    def _read_object(self, file: BinaryIO, corner: Place, panel: "_Panel") -> None:
        size = file.seek(0, 2)
        if size == 0:
            raise EOFError
        chunks = [(corner, 0, size)] if self._shard is None else self._chunks_of_shard(file, size, corner)
        for at, offset, length in chunks:
            if offset == NOWHERE:
                panel.fill(at, self._chunk, self._fill)
            elif offset + length > size:
                raise ValueError(f"{size} bytes, but a chunk should end at {offset + length}")
            elif panel.holds(at):
                file.seek(offset)
                self._read_chunk(file, length, at, panel)

    def _chunks_of_shard(self, file: BinaryIO, size: int, corner: Place) -> Iterator[tuple[Place, int, int]]:
        """Yield the first element, the offset and the length of each chunk."""
        shard: Any = self._shard
        table = np.empty((int(np.prod(shard.grid)), 2), "<u8")
        stored = np.empty(table.nbytes + CHECKSUM_BYTES * shard.index.checked, np.uint8)
        file.seek(max(0, size - stored.nbytes) if shard.index_at_end else 0)
        _read_exactly(file, stored)
        shard.index.decode(stored, _octets(table))
        for inner, (offset, length) in zip(np.ndindex(*shard.grid), table.tolist(), strict=True):
            yield tuple(c + i * n for c, i, n in zip(corner, inner, self._chunk, strict=True)), offset, length

    def _read_chunk(self, file: BinaryIO, length: int, at: Place, panel: "_Panel") -> None:
        if self._is_flat:
            if length != self._chunk_bytes:
                raise ValueError(f"{length} bytes where {self._chunk_bytes} belong")
            first, rows = panel.rows_of(at)
            file.seek(first * (self._chunk_bytes // self._chunk[0]), os.SEEK_CUR)
            _read_exactly(file, rows)
            return
        whole, stored = panel.whole(at), panel.buffer(length)
        _read_exactly(file, stored)
        if whole is not None:
            self._encoding.decode(stored, whole)
        else:
            self._encoding.decode(stored, _octets(panel.beside))
            panel.take(at)


class _Panel:
    """Where rows go, a buffer for stored bytes, and room for a chunk that does not go there whole."""

    def __init__(self, target: np.ndarray, start: int, chunk: Place):
        self._target, self._chunk = target, chunk
        self._bounds = [(start, start + len(target)), *((0, n) for n in target.shape[1:])]
        self._buffer = np.empty(0, np.uint8)
        self._beside: np.ndarray | None = None

    def _overlap(self, corner: Place, shape: Place) -> tuple[Slices, Slices]:
        """What a box of the array and the rows have in common, as slices of the rows and of the box."""
        common = [
            (max(c, low), max(c, low, min(c + n, high)))
            for c, n, (low, high) in zip(corner, shape, self._bounds, strict=True)
        ]
        in_rows = tuple(slice(a - low, b - low) for (a, b), (low, _) in zip(common, self._bounds, strict=True))
        return in_rows, tuple(slice(a - c, b - c) for (a, b), c in zip(common, corner, strict=True))

    def holds(self, corner: Place) -> bool:
        """Whether anything of the chunk at `corner` belongs to the rows."""
        return self._target[self._overlap(corner, self._chunk)[0]].size > 0

    def fill(self, corner: Place, shape: Place, value: Any) -> None:
        """Put `value` wherever a box of the array overlaps the rows."""
        self._target[self._overlap(corner, shape)[0]] = value

    def whole(self, corner: Place) -> np.ndarray | None:
        """The bytes of the rows where the chunk at `corner` belongs; None unless all of it does, in one piece."""
        view = self._target[self._overlap(corner, self._chunk)[0]]
        return _octets(view) if view.shape == self._chunk and view.flags.c_contiguous else None

    def rows_of(self, corner: Place) -> tuple[int, np.ndarray]:
        """The first row of the chunk at `corner`, as wide as the array, that belongs to the rows, and their bytes."""
        in_rows, in_chunk = self._overlap(corner, self._chunk)
        return in_chunk[0].start, _octets(self._target[in_rows])

    def buffer(self, length: int) -> np.ndarray:
        """Room for `length` stored bytes."""
        if len(self._buffer) < length:
            self._buffer = np.empty(length, np.uint8)
        return self._buffer[:length]

    @property
    def beside(self) -> np.ndarray:
        """Room for a chunk."""
        if self._beside is None:
            self._beside = np.empty(self._chunk, self._target.dtype)
        return self._beside

    def take(self, corner: Place) -> None:
        """Copy from the chunk beside, which belongs at `corner`, what belongs to the rows."""
        in_rows, in_chunk = self._overlap(corner, self._chunk)
        self._target[in_rows] = self.beside[in_chunk]


def _octets(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1).view(np.uint8)


def _read_exactly(file: BinaryIO, target: np.ndarray) -> None:
    at = 0
    while at < len(target):
        got = file.readinto(target[at:])  # type: ignore[attr-defined]
        if not got:
            raise ValueError(f"ends {len(target) - at} bytes too early")
        at += got


def _expect(path: Path) -> None:
    """Let the file system fetch a file while something else is decoded."""
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError), open(path, "rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


def _largest_file(folder: Path) -> int:
    largest = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            largest = max(largest, _largest_file(Path(entry)) if entry.is_dir() else entry.stat().st_size)
    return largest


def _decoding_threads() -> int:
    """One for each read, as every thread that computes has one that reads ahead; more where Zarr is told so."""
    import zarr

    return zarr.config.get("threading.max_workers", None) or 1


def chunk_files_of(node: Any) -> ChunkFiles | None:
    """Return how to read an opened array without Zarr; None where Zarr has to, and where the user chose how it does.

    That is everything but arrays on a file system in row-major order, in the byte order of this machine, with or
    without Blosc or Zstandard, a CRC-32C, shards.
    """
    import zarr

    if is_hdf5(node) or node.ndim == 0 or not isinstance(getattr(node.store, "root", None), Path):
        return None
    if zarr.config.get("codec_pipeline.path") != ZARRS_OWN_PIPELINE:
        return None
    metadata = node.metadata.to_dict()
    return _of_format_2(node, metadata) if metadata["zarr_format"] == 2 else _of_format_3(node, metadata)


def _of_format_2(node: Any, metadata: dict[str, Any]) -> ChunkFiles | None:
    if metadata["filters"] or not node.dtype.isnative or (metadata["order"] != "C" and node.ndim > 1):
        return None
    encoding = encoding_of_compressor(metadata["compressor"])
    return None if encoding is None else ChunkFiles(node, encoding, object_shape(node))


def _of_format_3(node: Any, metadata: dict[str, Any]) -> ChunkFiles | None:
    if metadata["chunk_grid"]["name"] != "regular":
        return None
    codecs, itemsize = metadata["codecs"], node.dtype.itemsize
    if len(codecs) != 1 or codecs[0]["name"] != "sharding_indexed":
        encoding = encoding_of_codecs(codecs, itemsize)
        return None if encoding is None else ChunkFiles(node, encoding, object_shape(node))
    how = codecs[0]["configuration"]
    encoding, index = encoding_of_codecs(how["codecs"], itemsize), encoding_of_codecs(how["index_codecs"], 8)
    if encoding is None or index is None or index.compressor is not None:
        return None
    chunk = tuple(int(n) for n in how["chunk_shape"])
    grid = tuple(n // c for n, c in zip(object_shape(node), chunk, strict=True))
    return ChunkFiles(node, encoding, chunk, Shard(grid, index, how["index_location"] == "end"))
