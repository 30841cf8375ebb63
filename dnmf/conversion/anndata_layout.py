"""Matrices written as Zarr groups that anndata opens: one writer, whole chunks, in order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import zarr
from numpy.typing import NDArray

from dnmf.conversion.streams import MatrixStream
from dnmf.conversion.target_arrays import create_array, encoding

OFFSETS_PER_CHUNK = 2**17  # at most: a task reads those of its rows, by whole chunks
EMPTY_GROUPS = ("layers", "obsm", "varm", "obsp", "varp", "uns")


def create_root(path: Path, stream: MatrixStream, zarr_format: int) -> zarr.Group:
    """Return a new AnnData group at `path` with everything but ``X``: what is known of rows (obs) and columns (var)."""
    version = cast(Literal[2, 3], zarr_format)
    root = zarr.open_group(path, mode="w-", zarr_format=version, attributes=encoding("anndata"))
    for name in EMPTY_GROUPS:
        root.create_group(name, attributes=encoding("dict"))
    stream.rows.write(root, "obs", stream.shape[0])
    stream.columns.write(root, "var", stream.shape[1])
    return root


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
    stream : MatrixStream
        The matrix.
    most : int
        The most entries that will be appended.
    dtype : numpy dtype
        Of the values.
    chunk_bytes : int
        Decoded size of a chunk of the wider of `data` and `indices`.
    """

    def __init__(self, root: zarr.Group, stream: MatrixStream, most: int, dtype: np.dtype, chunk_bytes: int):
        shape = stream.shape
        said = encoding("csr_matrix", shape=list(shape), **stream.axes)
        group = root.create_group("X", overwrite=True, attributes=said)
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
    stream: MatrixStream,
    dtype: np.dtype,
    chunk_rows: int,
    blocks: Iterator[NDArray[Any]],
) -> Iterator[int]:
    """Write ``X`` from blocks of whole chunks of rows; yields the entries of each when it is written."""
    shape, said = stream.shape, encoding("array", **stream.axes)
    array = create_array(root, "X", shape, (chunk_rows, shape[1]), dtype, **said)
    start = 0
    for block in blocks:
        array[start : start + len(block)] = block
        start += len(block)
        yield block.size
