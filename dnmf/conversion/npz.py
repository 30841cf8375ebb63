"""Sparse matrices saved by save_npz of scipy.sparse or of sparse, streamed from the members of the zip archive."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dnmf.conversion.compressed import CompressedParts
from dnmf.conversion.reading import reading
from dnmf.conversion.streams import CompressedStream, Lines, Triplets, TripletStream
from dnmf.conversion.values import cast_values, check_values, target_dtype
from dnmf.errors import InputError

NUMBERS = "biuf"
MEMBERS = ("indptr", "indices", "data")
SKIPPED_AT_ONCE = 2**20


class ZippedVector:
    """A one-dimensional array in a zip archive, read front to back, never whole, never unpickled."""

    def __init__(self, archive: zipfile.ZipFile, name: str, address: str):
        self._address = f"{address}::{name}"
        with reading(self._address):
            self._file = archive.open(name + ".npy")
            shape, _, self.dtype = _header(self._file)
        if len(shape) != 1 or self.dtype.kind not in NUMBERS + "c":
            raise InputError(f"{self._address}: a vector of numbers was expected, not {self.dtype} of shape {shape}")
        self.length = int(shape[0])

    def read(self, count: int) -> NDArray[Any]:
        """Return the next `count` values."""
        return _values(self._file, count, self.dtype, self._address)


class ZippedCoordinates:
    """The rows and columns of a COO matrix of the package sparse: one array of two rows, in either order."""

    def __init__(self, archive: zipfile.ZipFile, address: str):
        self._address = f"{address}::coords"
        with reading(self._address):
            self._file, self._second = archive.open("coords.npy"), archive.open("coords.npy")
            shape, self._in_pairs, self._dtype = _header(self._file)
        if len(shape) != 2 or shape[0] != 2 or self._dtype.kind not in "iu":
            raise InputError(f"{self._address}: two rows of indices were expected, not {self._dtype} of shape {shape}")
        self.length = int(shape[1])
        if not self._in_pairs:
            with reading(self._address):
                _skip(self._second, self._file.tell() + self.length * self._dtype.itemsize)

    def read(self, count: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the next `count` rows and columns."""
        if self._in_pairs:
            pairs = _values(self._file, 2 * count, self._dtype, self._address)
            return pairs[::2], pairs[1::2]
        rows = _values(self._file, count, self._dtype, self._address)
        return rows, _values(self._second, count, self._dtype, self._address)


def _skip(file: IO[bytes], count: int) -> None:
    """Read past so many bytes: to seek in one of two members of an archive goes wrong in Python 3.12 and 3.13."""
    while count > 0 and (piece := file.read(min(count, SKIPPED_AT_ONCE))):
        count -= len(piece)


@dataclass(frozen=True)
class _Saved:
    """What an archive holds: csr, csc or coo, of scipy or of the package sparse."""

    kind: str
    of_sparse: bool
    shape: tuple[int, ...]


def open_npz(path: Path) -> CompressedStream | TripletStream:
    """Return the matrix in a file of ``scipy.sparse.save_npz`` (csr, csc or coo) or of ``sparse.save_npz``.

    Raises
    ------
    InputError
        Another archive, another sparse format, or a damaged file; later, from the stream: arrays that do
        not fit together, an index out of range, a value that is not finite and ≥ 0 (with its row and
        column).
    """
    with reading(path), zipfile.ZipFile(path) as archive:
        saved = _saved(path, archive)
        data = ZippedVector(archive, "data", str(path))
    if len(saved.shape) != 2 or 0 in saved.shape:
        more = f"; dnmf.cp(sparse.load_npz({str(path)!r}), rank) takes it in memory" if saved.of_sparse else ""
        raise InputError(f"{path}: a matrix has two dimensions above zero, this has shape {saved.shape}{more}")
    rows, columns = saved.shape
    kept = target_dtype(data.dtype, str(path))
    about: dict[str, Any] = {
        "address": str(path),
        "shape": (rows, columns),
        "dtype": kept,
        "target_dtype": kept,
        "stored": data.length,
    }
    if saved.kind == "coo":
        return TripletStream(**about, blocks=lambda limit: _coordinates(path, saved, kept, limit))
    by_rows = saved.kind == "csr"
    majors, minors = (rows, columns) if by_rows else (columns, rows)

    def lines(limit: int) -> Iterator[Lines]:
        with zipfile.ZipFile(path) as archive:
            indptr, indices, values = (ZippedVector(archive, name, str(path)) for name in MEMBERS)
            parts = CompressedParts(str(path), indptr, indices, values, majors, minors, by_rows, kept)
            yield from parts.lines(limit)

    return CompressedStream(**about, by_rows=by_rows, lines=lines)


def _saved(path: Path, archive: zipfile.ZipFile) -> _Saved:
    names = {name.removesuffix(".npy") for name in archive.namelist()}
    shape = tuple(int(n) for n in _small(archive, "shape").reshape(-1))
    if "fill_value" not in names:
        kind = _small(archive, "format").item()
        return _Saved(kind.decode() if isinstance(kind, bytes) else str(kind), False, shape)
    fill = _small(archive, "fill_value").item()
    if fill != 0:
        raise InputError(
            f"{path}: its cells that are not stored are {fill}, not 0; save it as what it is, a dense matrix: "
            f"numpy.save('matrix.npy', sparse.load_npz({str(path)!r}).todense())"
        )
    by_rows = "coords" not in names and _small(archive, "compressed_axes").reshape(-1).tolist() == [0]
    return _Saved("coo" if "coords" in names else "csr" if by_rows else "csc", True, shape)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return the shape, whether columns come first, and the dtype of an array whose values come next."""
    is_first = np.lib.format.read_magic(file) == (1, 0)
    return (np.lib.format.read_array_header_1_0 if is_first else np.lib.format.read_array_header_2_0)(file)


def _values(file: IO[bytes], count: int, dtype: np.dtype, address: str) -> NDArray[Any]:
    with reading(address):
        data = file.read(count * dtype.itemsize)
        if len(data) != count * dtype.itemsize:
            raise EOFError("fewer values than its header promises")
    return np.frombuffer(data, dtype)


def _small(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(name + ".npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


class _RowAndColumn:
    """The rows and columns of a COO matrix of scipy: two vectors."""

    def __init__(self, archive: zipfile.ZipFile, address: str):
        self._row, self._column = (ZippedVector(archive, name, address) for name in ("row", "col"))
        self.length = self._row.length
        if self.length != self._column.length:
            raise InputError(f"{address}: {self.length} rows, but {self._column.length} columns")

    def read(self, count: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the next `count` rows and columns."""
        return self._row.read(count), self._column.read(count)


def _coordinates(path: Path, saved: _Saved, dtype: np.dtype, limit: int) -> Iterator[Triplets]:
    with zipfile.ZipFile(path) as archive:
        places = (ZippedCoordinates if saved.of_sparse else _RowAndColumn)(archive, str(path))
        data = ZippedVector(archive, "data", str(path))
        if places.length != data.length:
            raise InputError(f"{path}: {data.length} values, but {places.length} rows and columns")
        for start in range(0, data.length, limit):
            count = min(limit, data.length - start)
            block = Triplets(*places.read(count), data.read(count))
            yield _checked_block(path, saved.shape, start, block, dtype)


def _checked_block(path: Path, shape: tuple[int, ...], start: int, block: Triplets, dtype: np.dtype) -> Triplets:
    for name, index, size in zip(("row", "column"), block[:2], shape, strict=True):
        if not (index.min() >= 0 and index.max() < size):
            at = int(np.argmax((index < 0) | (index >= size)))
            raise InputError(f"{path}: entry {start + at} has {name} {index[at]}, outside 0…{size - 1}")

    def place(at: int) -> str:
        return f"{path}: entry {start + at}, row {block.rows[at]}, column {block.columns[at]}"

    check_values(block.values, place)
    return block._replace(values=cast_values(block.values, dtype, place))
