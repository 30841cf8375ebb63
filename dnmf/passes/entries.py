"""The entries of a block that a loss sees one by one."""

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np

from dnmf.kernels.entries import predict
from dnmf.kernels.padding import aligned_zeros
from dnmf.kernels.products import cross_csr
from dnmf.memory import MOST_GRAM_NUMBERS
from dnmf.passes.visitors.visitor import Block
from dnmf.sources.rows import CsrRows, Rows


class Entries(NamedTuple):
    """Some entries of rows of A, row after row.

    Attributes
    ----------
    a : ndarray (entries,)
        Their values.
    indices : ndarray (entries,)
        Their columns.
    indptr : int64 ndarray (rows + 1,)
        Where each row begins.
    weights : ndarray (entries,) or None
        What each one counts, in the dtype of the computation; None: all count one.
    """

    a: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    weights: np.ndarray | None = None

    @property
    def row_of(self) -> np.ndarray:
        """The row of each entry."""
        return np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))

    def sums_of_rows(self, values: np.ndarray) -> np.ndarray:
        """Return the weighted sums (rows,) of one value for each entry; a sum depends on its row alone."""
        values = values if self.weights is None else values * self.weights
        return np.bincount(self.row_of, weights=values, minlength=len(self.indptr) - 1)

    def weighted(self, values: np.ndarray) -> np.ndarray:
        """Return values times weights."""
        return values if self.weights is None else values * self.weights

    def between(self, low: int, high: int) -> Self:
        """Return those of rows `low` to `high`."""
        first, last = int(self.indptr[low]), int(self.indptr[high])
        weights = None if self.weights is None else self.weights[first:last]
        return type(self)(self.a[first:last], self.indices[first:last], self.indptr[low : high + 1] - first, weights)

    def some(self, which: np.ndarray) -> Self:
        """Return some of the entries of all rows; `which` (entries,) says which."""
        offsets = np.concatenate([[0], np.cumsum(which)])[self.indptr - self.indptr[0]]
        weights = None if self.weights is None else self.weights[which]
        return type(self)(self.a[which], self.indices[which], offsets, weights)

    def of_rows(self, which: np.ndarray) -> Self:
        """Return the entries of some rows; `which` (rows,) says which."""
        kept = np.repeat(which, np.diff(self.indptr))
        counts = np.diff(self.indptr)[which]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        weights = None if self.weights is None else self.weights[kept]
        return type(self)(self.a[kept], self.indices[kept], offsets, weights)


def entries_of(block: Block, dtype: np.dtype, *, zero_is_free: bool) -> Entries:
    """Return the entries of a block that are observed, in a dtype, without zeros where these cost nothing one by one.

    Of dense rows NaN is not observed, of sparse ones what is not stored, and of both what has the weight 0.
    """
    rows, weights = block.rows, block.weights
    if isinstance(rows, CsrRows):
        a = rows.data.astype(dtype, copy=False)
        if weights is None:
            return Entries(a, rows.indices, rows.indptr)
        counts, stored = weights > 0, Entries(a, rows.indices, rows.indptr, weights.astype(dtype, copy=False))
        return stored if counts.all() else stored.some(counts)
    seen = rows != 0 if zero_is_free else ~np.isnan(rows) if rows.dtype.kind == "f" else np.ones(rows.shape, bool)
    if zero_is_free and rows.dtype.kind == "f":
        seen &= ~np.isnan(rows)
    if weights is not None:
        seen &= weights > 0
    offsets = np.concatenate([[0], np.cumsum(np.count_nonzero(seen, axis=1))])
    columns = np.broadcast_to(np.arange(rows.shape[1], dtype=np.int32), rows.shape)[seen]
    return Entries(
        rows[seen].astype(dtype, copy=False), columns, offsets, None if weights is None else weights[seen].astype(dtype)
    )


def parts_of(block: Block, most: int) -> Iterator[Block]:
    """Yield the rows of a block in parts of at most so many entries, or of one row."""
    rows, first = block.rows, 0
    begins = rows.indptr if isinstance(rows, CsrRows) else np.arange(len(rows) + 1) * rows.shape[1]
    while first < len(begins) - 1:
        last = max(first + 1, int(np.searchsorted(begins, begins[first] + most, side="right")) - 1)
        yield _some_rows(block, first, last)
        first = last


def runs_of_rows(indptr: np.ndarray, of_row: int, most_entries: float = np.inf) -> Iterator[tuple[int, int]]:
    """Yield the ends of runs of rows whose Gram matrices, of so many numbers each, are in memory together.

    A run has at most so many entries, and at least one row.
    """
    low, rows, most = 0, len(indptr) - 1, max(1, MOST_GRAM_NUMBERS // of_row)
    while low < rows:
        near = int(np.searchsorted(indptr, indptr[low] + most_entries, side="right")) - 1
        high = min(low + most, max(low + 1, near), rows)
        yield low, high
        low = high


def _some_rows(block: Block, first: int, last: int) -> Block:
    rows, given, weights = block.rows, block.given, block.weights
    if isinstance(rows, CsrRows):
        low, high = int(rows.indptr[first]), int(rows.indptr[last])
        some: Rows = CsrRows(rows.data[low:high], rows.indices[low:high], rows.indptr[first : last + 1] - low)
        weights = None if weights is None else weights[low:high]
    else:
        some = rows[first:last]
        weights = None if weights is None else weights[first:last]
    return Block(some, block.at + first, None if given is None else given[first:last], weights)


def cross_of_entries(values: np.ndarray, entries: Entries, HT: np.ndarray) -> np.ndarray:
    """Return ``Σ_j v_ij h_j`` (rows, padded k) of one value for each entry, in the dtype of `HT` (n, padded k)."""
    B = aligned_zeros((len(entries.indptr) - 1, HT.shape[1]), HT.dtype)
    cross_csr(values, entries.indices, entries.indptr, HT, B)
    return B


def predictions(entries: Entries, W: np.ndarray, HT: np.ndarray) -> np.ndarray:
    """Return ``w_i·h_j`` of each entry."""
    y = np.zeros(len(entries.a), W.dtype)
    predict(entries.indices, entries.indptr, W, HT, y)
    return y
