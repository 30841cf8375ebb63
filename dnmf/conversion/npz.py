"""Sparse matrices saved by scipy.sparse.save_npz, streamed from the members of the zip archive."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.conversion.compressed import CompressedParts
from dnmf.conversion.reading import reading
from dnmf.conversion.streams import CompressedStream, Lines, Triplets, TripletStream
from dnmf.conversion.values import cast_values, check_values, target_dtype
from dnmf.errors import InputError

NUMBERS = "biuf"
MEMBERS = ("indptr", "indices", "data")


class ZippedVector:
    """A one-dimensional array in a zip archive, read front to back, never whole, never unpickled."""

    def __init__(self, archive: zipfile.ZipFile, name: str, address: str):
        self._address = f"{address}::{name}"
        with reading(self._address):
            self._file = archive.open(name + ".npy")
            version = np.lib.format.read_magic(self._file)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, self.dtype = header(self._file)
        if len(shape) != 1 or self.dtype.kind not in NUMBERS + "c":
            raise InputError(f"{self._address}: a vector of numbers was expected, not {self.dtype} of shape {shape}")
        self.length = int(shape[0])

    def read(self, count: int) -> NDArray[Any]:
        """Return the next `count` values."""
        with reading(self._address):
            data = self._file.read(count * self.dtype.itemsize)
            if len(data) != count * self.dtype.itemsize:
                raise EOFError("fewer values than its header promises")
        return np.frombuffer(data, self.dtype)


def open_npz(path: Path) -> CompressedStream | TripletStream:
    """Return the matrix in a file of ``scipy.sparse.save_npz``: csr, csc or coo.

    Raises
    ------
    InputError
        Another archive, another sparse format, or a damaged file; later, from the stream: arrays that do
        not fit together, an index out of range, a value that is not finite and ≥ 0 (with its row and
        column).
    """
    with reading(path), zipfile.ZipFile(path) as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
        if not {"format", "shape", "data"} <= names:
            raise InputError(
                f"{path}: not a sparse matrix of scipy.sparse.save_npz; it holds {', '.join(sorted(names)[:12])}"
            )
        kind = _small(archive, "format").item()
        shape = tuple(int(n) for n in _small(archive, "shape"))
        data = ZippedVector(archive, "data", str(path))
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    if kind not in ("csr", "csc", "coo"):
        raise InputError(f"{path}: sparse format {kind!r}; save it as csr with save_npz(path, matrix.tocsr())")
    if len(shape) != 2 or 0 in shape:
        raise InputError(f"{path}: a matrix has two dimensions above zero, this has shape {shape}")
    rows, columns = shape
    kept = target_dtype(data.dtype, str(path))
    about: dict[str, Any] = {
        "address": str(path),
        "shape": (rows, columns),
        "dtype": kept,
        "target_dtype": kept,
        "stored": data.length,
    }
    if kind == "coo":
        return TripletStream(**about, blocks=lambda limit: _coordinates(path, (rows, columns), kept, limit))
    by_rows = kind == "csr"
    majors, minors = (rows, columns) if by_rows else (columns, rows)

    def lines(limit: int) -> Iterator[Lines]:
        with zipfile.ZipFile(path) as archive:
            indptr, indices, values = (ZippedVector(archive, name, str(path)) for name in MEMBERS)
            parts = CompressedParts(str(path), indptr, indices, values, majors, minors, by_rows, kept)
            yield from parts.lines(limit)

    return CompressedStream(**about, by_rows=by_rows, lines=lines)


def _small(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(name + ".npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _coordinates(path: Path, shape: tuple[int, int], dtype: np.dtype, limit: int) -> Iterator[Triplets]:
    with zipfile.ZipFile(path) as archive:
        row, column, data = (ZippedVector(archive, name, str(path)) for name in ("row", "col", "data"))
        if not row.length == column.length == data.length:
            raise InputError(f"{path}: {data.length} values, but {row.length} rows and {column.length} columns")
        for start in range(0, data.length, limit):
            count = min(limit, data.length - start)
            block = Triplets(row.read(count), column.read(count), data.read(count))
            yield _checked_block(path, shape, start, block, dtype)


def _checked_block(path: Path, shape: tuple[int, int], start: int, block: Triplets, dtype: np.dtype) -> Triplets:
    for name, index, size in zip(("row", "column"), block[:2], shape, strict=True):
        if not (index.min() >= 0 and index.max() < size):
            at = int(np.argmax((index < 0) | (index >= size)))
            raise InputError(f"{path}: entry {start + at} has {name} {index[at]}, outside 0…{size - 1}")

    def place(at: int) -> str:
        return f"{path}: entry {start + at}, row {block.rows[at]}, column {block.columns[at]}"

    check_values(block.values, place)
    return block._replace(values=cast_values(block.values, dtype, place))
