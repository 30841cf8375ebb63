"""Sums, means and variances of the rows and columns of A, in one visit to each entry."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from dnmf.passes.rows_out import RowsOut
from dnmf.passes.visitors.visitor import Block, Visitor
from dnmf.sources.memory import slice_rows
from dnmf.sources.rows import CsrRows, Rows, Weighted, few_at_a_time

ENTRIES_AT_ONCE = 2**18  # that are looked at in float64, at least those of a row


@dataclass(frozen=True, eq=False)
class Along:
    """What is known of each of several rows or columns, float64.

    Attributes
    ----------
    count : ndarray
        How many entries were observed, or what their weights add up to.
    total : ndarray
        Their sum.
    squares : ndarray
        The sum of the squares of their distances from the mean.
    """

    count: np.ndarray
    total: np.ndarray
    squares: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Total over count; 0 where nothing was observed."""
        return np.divide(self.total, self.count, out=np.zeros_like(self.total), where=self.count > 0)

    def variance(self, less: float = 0.0) -> np.ndarray:
        """Return squares over count, `less` so many degrees of freedom; 0 where there are no more entries than that."""
        count = self.count - less
        return np.divide(self.squares, count, out=np.zeros_like(self.squares), where=count > 0)

    def __add__(self, other: "Along") -> "Along":
        """Those of both (Chan, Golub & LeVeque 1983): no difference of large squares is taken."""
        count, apart = self.count + other.count, self.mean - other.mean
        share = np.divide(self.count * other.count, count, out=np.zeros_like(count), where=count > 0)
        return Along(count, self.total + other.total, self.squares + other.squares + share * apart**2)


@dataclass
class Moments:
    """Of the columns of some rows; ``a + b`` is that of both.

    Attributes
    ----------
    columns : Along
        Of each column.
    kept : dict
        What is known of rows, where somebody takes it: count, total and squares (rows, 3), by the first of them.
    """

    columns: Along
    kept: dict[int, np.ndarray] = field(default_factory=dict)

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.columns + other.columns, {**self.kept, **other.kept})


class RunningMoments:
    """The same while rows come in.

    Parameters
    ----------
    n_columns : int
        n.
    stored_only : bool
        Whether what sparse rows do not store was not observed.
    """

    def __init__(self, n_columns: int, *, stored_only: bool):
        self._columns = Along(*(np.zeros(n_columns) for _ in range(3)))
        self._stored_only = stored_only

    def add(self, rows: Rows, weights: np.ndarray | None) -> Along:
        """Add rows, and return what is known of each of them."""
        if isinstance(rows, np.ndarray):
            of_columns, of_rows = _of_dense(rows, weights)
        else:
            of_columns, of_rows = self._of_sparse(rows, weights)
        self._columns = self._columns + of_columns
        return of_rows

    def _of_sparse(self, rows: CsrRows, weights: np.ndarray | None) -> tuple[Along, Along]:
        """Zeros that count are a value of their own, all of one line alike."""
        values = rows.data.astype(np.float64)
        n_columns, of_row = len(self._columns.count), np.repeat(np.arange(rows.n_rows), np.diff(rows.indptr))
        zeros_count = weights is None and not self._stored_only
        of_each = np.ones(len(values)) if weights is None else weights.astype(np.float64)
        return (
            _of_entries(values, of_each, rows.indices, n_columns, rows.n_rows if zeros_count else None),
            _of_entries(values, of_each, of_row, rows.n_rows, n_columns if zeros_count else None),
        )

    def finish(self) -> Moments:
        """Return the sums; nothing can be added any more."""
        return Moments(self._columns)


@dataclass(frozen=True)
class MeasureMoments(Visitor):
    """Adds up entries and the squares of their distances from the mean, by columns and by rows.

    Attributes
    ----------
    stored_only : bool
        Whether what sparse rows do not store was not observed, rather than zero.
    """

    stored_only: bool = False
    takes_missing: ClassVar[bool] = True

    @property
    def rank(self) -> int:
        """Three numbers of each row."""
        return 3

    def begin(self, n_columns: int, dtype: str, *, residual: bool) -> RunningMoments:
        """Return the sums over no rows yet, float64 whatever the computation is in."""
        del dtype, residual
        return RunningMoments(n_columns, stored_only=self.stored_only)

    def visit(self, block: Block, sums: RunningMoments, out: RowsOut | None) -> None:
        """Add the block, some rows after others, and write out what is known of its rows."""
        panel = block.rows if block.weights is None else Weighted(block.rows, block.weights)
        for low, high in few_at_a_time(block.rows, ENTRIES_AT_ONCE):
            some = slice_rows(panel, low, high)
            rows, weights = some if isinstance(some, Weighted) else (some, None)
            of_rows = sums.add(rows, weights)
            if out is not None:
                out.write(block.at + low, np.column_stack([of_rows.count, of_rows.total, of_rows.squares]))


def _of_dense(rows: np.ndarray, weights: np.ndarray | None) -> tuple[Along, Along]:
    values = rows.astype(np.float64)
    if weights is None:
        weights = ~np.isnan(values)
    of_each = weights.astype(np.float64)
    values[of_each == 0] = 0  # a NaN, or whatever nobody observed
    return _along(values, of_each, 0), _along(values, of_each, 1)


def _along(values: np.ndarray, weights: np.ndarray, axis: int) -> Along:
    """What is known of the lines of a dense matrix along an axis."""
    count, total = weights.sum(axis=axis), (weights * values).sum(axis=axis)
    found = Along(count, total, total)
    apart = values - np.expand_dims(found.mean, axis)
    return replace(found, squares=(weights * apart**2).sum(axis=axis))


def _of_entries(values: np.ndarray, weights: np.ndarray, lines: np.ndarray, n_lines: int, of_line: int | None) -> Along:
    """What is known of lines from stored entries; of each `of_line` were observed, zeros too (None: those stored)."""
    stored = np.bincount(lines, weights, n_lines)
    total = np.bincount(lines, weights * values, n_lines)
    found = Along(stored if of_line is None else np.full(n_lines, float(of_line)), total, total)
    mean = found.mean
    squares = np.bincount(lines, weights * (values - mean[lines]) ** 2, n_lines) + (found.count - stored) * mean**2
    return replace(found, squares=squares)
