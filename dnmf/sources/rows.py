"""Some rows of a matrix as they are read: dense or CSR, with the weights of their entries where they have some."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np


class CsrRows(NamedTuple):
    """Some rows of a sparse matrix: the non-zeros of row i are at ``indptr[i]:indptr[i + 1]``."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray

    @property
    def n_rows(self) -> int:
        """How many rows these are."""
        return len(self.indptr) - 1

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.data.nbytes + self.indices.nbytes + self.indptr.nbytes


Rows = np.ndarray | CsrRows


class Weighted(NamedTuple):
    """Some rows of a matrix whose entries have weights.

    Attributes
    ----------
    rows : Rows
        The values; 0 where the weight is 0.
    weights : ndarray of float32 or float64
        Of the shape of dense values, or one for each stored entry of sparse ones; 0 where nothing was observed.
    """

    rows: Rows
    weights: np.ndarray

    @property
    def n_rows(self) -> int:
        """How many rows these are."""
        return len(self.rows) if isinstance(self.rows, np.ndarray) else self.rows.n_rows

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.rows.nbytes + self.weights.nbytes


Panel = Rows | Weighted
SomeRows = TypeVar("SomeRows", np.ndarray, CsrRows, Weighted, Rows, Panel)


def each_array(rows: SomeRows, change: Callable[[np.ndarray], np.ndarray]) -> SomeRows:
    """Return rows with every array they are made of changed: copied, made read-only."""
    if isinstance(rows, np.ndarray):
        return change(rows)
    if isinstance(rows, Weighted):
        return Weighted(each_array(rows.rows, change), change(rows.weights))
    return CsrRows(*map(change, rows))


def few_at_a_time(rows: Rows, most: int) -> Iterator[tuple[int, int]]:
    """Yield the ends of runs of rows that have at most so many entries together, or are one row."""
    low, n_rows = 0, len(rows) if isinstance(rows, np.ndarray) else rows.n_rows
    while low < n_rows:
        if isinstance(rows, np.ndarray):
            reach = low + most // max(1, rows.shape[1])
        else:
            reach = int(np.searchsorted(rows.indptr, rows.indptr[low] + most, side="right")) - 1
        high = min(n_rows, max(low + 1, reach))
        yield low, high
        low = high
