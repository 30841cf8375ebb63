"""Matrices written as Zarr groups that anndata opens: one writer, whole chunks, in order.

Compression
-----------
Format 3: blosc (lz4, byte shuffle) under a crc32c of each chunk. Decoding took 0.4-0.6 CPU seconds a GB of
column indices, counts or float32 values, zstd 0.9-1.1 (a pass reads everything, so decoding is what it
waits for), at two thirds of zstd's compression for counts and the same for indices. The checksum is there
because neither blosc nor zstd as Zarr configures it notices most flipped bits, and crc32c notices every
single one. Format 2 has no place for a checksum outside the compressor: there zstd with its own checksum is
used.

Every chunk is written, zeros too: then a chunk that is not there is damage, and never means zeros.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import zarr
from numpy.typing import NDArray

from dnmf.conversion.streams import MatrixStream, Names

NAMES_PER_CHUNK = 16384
OFFSETS_PER_CHUNK = 2**17  # at most: a task reads those of its rows, by whole chunks
ENCODINGS = {
    "anndata": "0.1.0", "csr_matrix": "0.1.0", "array": "0.2.0",
    "dataframe": "0.2.0", "string-array": "0.2.0", "dict": "0.1.0",
}  # fmt: skip
EMPTY_GROUPS = ("layers", "obsm", "varm", "obsp", "varp", "uns")


def create_root(path: Path, stream: MatrixStream, zarr_format: int) -> zarr.Group:
    """Return a new AnnData group at `path` with everything but ``X``: names of rows (obs) and columns (var).

    Where the stream has no names, the row and column numbers are written as text.
    """
    version = cast(Literal[2, 3], zarr_format)
    root = zarr.open_group(path, mode="w-", zarr_format=version, attributes=_encoding("anndata"))
    for name in EMPTY_GROUPS:
        root.create_group(name, attributes=_encoding("dict"))
    for axis, names, length in zip(("obs", "var"), (stream.row_names, stream.column_names), stream.shape, strict=True):
        frame = root.create_group(axis, attributes=_encoding("dataframe", _index="_index", **{"column-order": []}))
        _write_names(frame, names, length)
    return root


def _encoding(kind: str, **attributes: Any) -> dict[str, Any]:
    return {"encoding-type": kind, "encoding-version": ENCODINGS[kind], **attributes}


def _write_names(frame: zarr.Group, names: Names | None, length: int) -> None:
    array = create_array(frame, "_index", (length,), (min(length, NAMES_PER_CHUNK),), str, **_encoding("string-array"))
    for start in range(0, length, NAMES_PER_CHUNK):
        stop = min(start + NAMES_PER_CHUNK, length)
        some = np.arange(start, stop).astype(str) if names is None else names[start:stop]
        array[start:stop] = some.astype(np.dtypes.StringDType())


def create_array(
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    dtype: Any,
    **attributes: Any,
) -> zarr.Array:
    """Return a new array: chunks compressed, with checksums, and all of them written."""
    return group.create_array(
        name,
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        fill_value="" if dtype is str else 0,
        compressors=_compressors(group.metadata.zarr_format, numeric=dtype is not str),
        attributes=attributes,
        config={"write_empty_chunks": True},
    )


def _compressors(zarr_format: int, *, numeric: bool) -> list[Any]:
    if zarr_format == 2:
        from numcodecs import Zstd

        return [Zstd(level=1, checksum=True)]
    from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

    if not numeric:
        return [ZstdCodec(level=1, checksum=True)]
    return [BloscCodec(cname="lz4", clevel=5, shuffle="shuffle"), Crc32cCodec()]


class _Appended:
    """A one-dimensional array that grows by whole chunks; `most` is the length it may reach."""

    def __init__(self, group: zarr.Group, name: str, most: int, chunk: int, dtype: np.dtype):
        chunk = min(chunk, max(most, 1))
        self._array = create_array(group, name, (most,), (chunk,), dtype)
        self._buffer = np.empty(chunk, dtype)
        self._filled = 0
        self.length = 0

    def append(self, values: NDArray[Any]) -> None:
        """Add values at the end."""
        while len(values):
            part = values[: len(self._buffer) - self._filled]
            self._buffer[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            values = values[len(part) :]
            if self._filled == len(self._buffer):
                self._flush()

    def _flush(self) -> None:
        self._array[self.length : self.length + self._filled] = self._buffer[: self._filled]
        self.length += self._filled
        self._filled = 0

    def finish(self) -> None:
        """Write the last, incomplete chunk and let the array end there."""
        self._array.resize((self.length + self._filled,))
        if self._filled:
            self._flush()


class CsrWriter:
    """``X`` as a CSR matrix; `data` and `indices` are cut into chunks of the same number of entries.

    Parameters
    ----------
    root : zarr.Group
        From :func:`create_root`.
    shape : (int, int)
        Of the matrix.
    most : int
        The most entries that will be appended.
    dtype : numpy dtype
        Of the values.
    chunk_bytes : int
        Decoded size of a chunk of the wider of `data` and `indices`.
    """

    def __init__(self, root: zarr.Group, shape: tuple[int, int], most: int, dtype: np.dtype, chunk_bytes: int):
        group = root.create_group("X", overwrite=True, attributes=_encoding("csr_matrix", shape=list(shape)))
        index = np.dtype("int32" if shape[1] < 2**31 else "int64")
        chunk = max(chunk_bytes // max(index.itemsize, dtype.itemsize), 1)
        self._data = _Appended(group, "data", most, chunk, dtype)
        self._indices = _Appended(group, "indices", most, chunk, index)
        offsets = min(max(chunk_bytes // 8, 1), OFFSETS_PER_CHUNK)
        self._indptr = _Appended(group, "indptr", shape[0] + 1, offsets, np.dtype("int64"))
        self._indptr.append(np.zeros(1, "int64"))
        self._nonzeros = 0

    def append(self, indptr: NDArray[Any], indices: NDArray[Any], values: NDArray[Any]) -> None:
        """Add rows: the entries of the i-th of them are ``indptr[i]:indptr[i + 1]``, ``indptr[0]`` is 0."""
        self._data.append(values)
        self._indices.append(indices)
        self._indptr.append(indptr[1:].astype("int64") + self._nonzeros)
        self._nonzeros += len(values)

    def finish(self) -> int:
        """Write what is left; returns the number of entries."""
        for array in (self._data, self._indices, self._indptr):
            array.finish()
        return self._nonzeros


def dense_chunk_rows(shape: tuple[int, int], dtype: np.dtype, chunk_bytes: int) -> int:
    """Return how many rows (over all columns) make a chunk of about `chunk_bytes`; at least one."""
    return min(max(chunk_bytes // (shape[1] * dtype.itemsize), 1), shape[0])


def write_dense(
    root: zarr.Group,
    shape: tuple[int, int],
    dtype: np.dtype,
    chunk_rows: int,
    blocks: Iterator[NDArray[Any]],
) -> Iterator[int]:
    """Write ``X`` from blocks of whole chunks of rows; yields the entries of each when it is written."""
    array = create_array(root, "X", shape, (chunk_rows, shape[1]), dtype, **_encoding("array"))
    start = 0
    for block in blocks:
        array[start : start + len(block)] = block
        start += len(block)
        yield block.size
