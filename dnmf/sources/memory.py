"""A matrix that lies in this process: numpy, scipy sparse or pydata sparse."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

from dnmf.arrays import narrowed
from dnmf.checksums import crc32c_of
from dnmf.errors import InputError
from dnmf.plain import plain
from dnmf.sources.numpy_files import NumpyFile, mapped_file
from dnmf.sources.patterns import turned
from dnmf.sources.rows import CsrRows, Panel, Rows, SomeRows, Weighted, each_array
from dnmf.sources.source import Layout, Source, check_dtype, check_shape, even_cuts

WIDE_COLUMN = 8  # bytes
SORTED_BY_COLUMNS = 2**23
"""Entries whose columns are sorted by way of CSC and back: a third of the time of sorting each row, in caches."""


def is_pydata_sparse(values: Any) -> bool:
    """Whether `values` is an array of the ``sparse`` package (COO, GCXS), without importing it."""
    return type(values).__module__.split(".")[0] == "sparse"


def type_name(values: Any) -> str:
    """Return what an object is called in messages, for example ``numpy.ndarray``."""
    package = type(values).__module__.split(".")[0]
    return type(values).__name__ if package == "builtins" else f"{package}.{type(values).__name__}"


def _as_array(values: Any, address: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{address}: cannot be read as an array ({error})") from error


def is_sparse(values: Any) -> bool:
    """Whether `values` is a sparse matrix or array of scipy or of the ``sparse`` package."""
    return scipy.sparse.issparse(values) or is_pydata_sparse(values)


def to_rows(values: Any, sparse: bool, address: str) -> Rows:
    """Return an in-memory matrix as an ndarray, or as :class:`CsrRows` with each entry once.

    Nothing is copied where the values already lie right; the input is never changed.

    Raises
    ------
    InputError
        Its parts contradict each other, its zeros are not zero, it is masked, or its values are not numbers.
    """
    values = plain(values, address)
    try:
        if is_pydata_sparse(values):
            values = values.asformat("coo").to_scipy_sparse()
        if sparse:
            return _canonical_csr(values, address)
        dense = values.toarray() if scipy.sparse.issparse(values) else np.asarray(values)
    except ValueError as error:
        raise InputError(f"{address}: cannot be used as a matrix ({error})") from error
    return narrowed(dense, check_dtype(address, dense.dtype), address)


def _canonical_csr(values: Any, address: str) -> CsrRows:
    if scipy.sparse.issparse(values) and values.format in ("csr", "csc"):
        shallow = scipy.sparse.csr_array if values.format == "csr" else scipy.sparse.csc_array
        values = shallow(values)
        values.check_format(full_check=True)
    matrix = scipy.sparse.csr_array(values)
    dtype = check_dtype(address, matrix.dtype)
    if not matrix.has_canonical_format:
        by_columns = len(matrix.data) <= SORTED_BY_COLUMNS and not matrix.has_sorted_indices
        matrix = matrix.tocsc().tocsr() if by_columns else matrix.copy()
        matrix.sum_duplicates()
    return CsrRows(narrowed(matrix.data, dtype, address), matrix.indices, matrix.indptr)


def _as_scipy(rows: CsrRows, n_columns: int) -> scipy.sparse.csr_array:
    """Rows as a matrix of scipy's; columns keep their dtype where offsets fit into it, else both are int64."""
    fits = int(rows.indptr[-1]) <= np.iinfo(rows.indices.dtype).max
    offsets = rows.indptr.astype(rows.indices.dtype) if fits else rows.indptr
    return scipy.sparse.csr_array((rows.data, rows.indices, offsets), shape=(rows.n_rows, n_columns))


def slice_rows(rows: SomeRows, start: int, stop: int) -> SomeRows:
    """Return views on rows `start:stop`; nothing is copied but the offsets of sparse rows."""
    if isinstance(rows, np.ndarray):
        return rows[start:stop]
    if isinstance(rows, Weighted):
        low, high = (start, stop) if isinstance(rows.rows, np.ndarray) else map(int, rows.rows.indptr[[start, stop]])
        return Weighted(slice_rows(rows.rows, start, stop), rows.weights[low:high])
    offsets = rows.indptr[start : stop + 1].astype(np.int64)
    low, high = int(offsets[0]), int(offsets[-1])
    return CsrRows(rows.data[low:high], rows.indices[low:high], offsets - low)


class MemorySource(Source):
    """Rows of an array in this process; a task takes only its own rows with it.

    Parameters
    ----------
    values : array
        numpy array, scipy sparse matrix or array, or an array of the ``sparse`` package.
    row_names, column_names : ndarray of str, optional
        Names to carry into the model.

    Raises
    ------
    InputError
        Wrong number of dimensions, an empty matrix, or values that are not real numbers.
    """

    in_memory = True
    _column_bytes: int | None = None  # of a column in the layout, if not those of its dtype

    def __init__(self, values: Any, row_names: np.ndarray | None = None, column_names: np.ndarray | None = None,
                 address: str | None = None):  # fmt: skip
        self.address = address or type_name(values)
        values = plain(values, self.address)
        self.sparse = is_sparse(values)
        if not (hasattr(values, "shape") and hasattr(values, "dtype")):
            values = _as_array(values, self.address)
        self.shape = check_shape(self.address, values.shape)
        self.dtype = check_dtype(self.address, values.dtype)
        self._rows: Panel = to_rows(values, self.sparse, self.address)
        if isinstance(self._rows, CsrRows):
            self.index_dtype = self._rows.indices.dtype
        self._first = 0
        self._names = (row_names, column_names)

    @classmethod
    def of_rows(cls, rows: Panel, n_columns: int, address: str, like: Source | None = None) -> "MemorySource":
        """A source of rows that were read elsewhere: from one `like` which it is in what is observed of them."""
        if isinstance(rows, Weighted):
            found = cls.of_rows(rows.rows, n_columns, address)
            found._rows, found._column_bytes = rows, None  # in the order of its weights
        elif isinstance(rows, np.ndarray):
            found = cls(rows, address=address)
        else:
            found = cls(_as_scipy(rows, n_columns), address=address)
            found._column_bytes = WIDE_COLUMN  # whatever they have: where a sample is cut decides on bits of its start
        if like is not None:
            found.take_what_is_observed(like)
        return found

    def layout(self) -> Layout:
        """Cuts at every row, or every 2^j-th of a very long matrix."""
        cuts, step = even_cuts(self.shape[0])
        held = self._rows
        rows, entry = (held.rows, held.weights.itemsize) if isinstance(held, Weighted) else (held, 0)
        if isinstance(rows, np.ndarray):
            return Layout(cuts, cuts * self.shape[1] * (self.dtype.itemsize + entry), step, comes_with_task=True)
        entry += rows.data.itemsize + (self._column_bytes or rows.indices.itemsize)
        before = rows.indptr[cuts].astype(np.int64) * entry + cuts * 8
        return Layout(cuts, before, step, comes_with_task=True)

    def for_rows(self, start: int, stop: int) -> "MemorySource":
        """A source that holds rows `start:stop` alone, under their absolute numbers."""
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__, _rows=slice_rows(self._rows, start - self._first, stop - self._first))
        part._first = start
        part._names = (None, None)
        return part

    def turned(self) -> "MemorySource":
        """The columns of the matrix as rows; sparse ones are a copy."""
        rows, n_columns = self._rows, self.shape[1]
        columns = rows.T if isinstance(rows, np.ndarray) else turned(rows, n_columns)
        found = MemorySource.of_rows(columns, self.shape[0], self.address, like=self)
        found._names = self._names[::-1]
        return found

    def read(self, start: int, stop: int) -> Any:
        """Return views on rows `start:stop`."""
        return slice_rows(self._rows, start - self._first, stop - self._first)

    def touched_bytes(self, start: int, stop: int, rows: Any) -> int:  # noqa: ARG002
        """The bytes of the rows; of their offsets the ends alone, so that all panels together are the matrix once."""
        own = slice_rows(self._rows, start - self._first, stop - self._first)
        return own.nbytes - (8 if self.sparse else 0)

    def stored_arrays(self) -> tuple[NumpyFile, ...]:
        """The files that the values, or parts of them, are mapped from."""
        return tuple(file for file in map(mapped_file, self._parts()) if file is not None)

    def _parts(self) -> list[np.ndarray]:
        parts: list[np.ndarray] = []
        each_array(self._rows, lambda part: parts.append(part) or part)  # type: ignore[func-returns-value]
        return parts

    def fingerprint(self) -> dict[str, Any]:
        """A checksum of the values."""
        return {
            "kind": "sparse" if self.sparse else "dense",
            "shape": list(self.shape),
            "dtype": str(self.dtype),
            "crc32c": [crc32c_of(np.ascontiguousarray(part)) for part in self._parts()],
        }


def stack_rows(parts: Sequence[Panel]) -> Any:
    """Return the rows of `parts`, which are all of one kind, one below the other.

    Raises
    ------
    InputError
        There are no parts.
    """
    if not parts:
        raise InputError("no rows to stack")
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], np.ndarray):
        return np.concatenate([np.asarray(part) for part in parts])
    if isinstance(parts[0], Weighted):
        weighted = [part for part in parts if isinstance(part, Weighted)]
        weights = np.concatenate([part.weights for part in weighted])
        return Weighted(stack_rows([part.rows for part in weighted]), weights)
    sparse_parts = [part for part in parts if isinstance(part, CsrRows)]
    shifts = np.cumsum([0] + [len(part.data) for part in sparse_parts])
    offsets = [part.indptr[:-1] + shift for part, shift in zip(sparse_parts, shifts, strict=False)]
    return CsrRows(
        np.concatenate([part.data for part in sparse_parts]),
        np.concatenate([part.indices for part in sparse_parts]),
        np.append(np.concatenate(offsets), shifts[-1]).astype(np.int64),
    )
