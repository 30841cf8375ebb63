"""What is held out of a fit, to see how well it predicts what it has not seen.

A block of some rows in some columns: rows of W are found without these columns, and the columns of H without these
rows, so that nothing of the block is seen by either (bi-cross-validation, doi:10.1214/08-AOAS227). Or, where entries
may be missing anyway, some of those that were observed.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from dnmf.passes.drawn import scattered, uniform
from dnmf.sources.picked import pick_rows
from dnmf.sources.rows import CsrRows, Rows

STREAMS = 3  # of numbers drawn for a fold: for rows, for columns, for entries
OF_FOLDS = 0x464F4C44  # streams of their own: a sample of rows is drawn by the seed alone, and would be those of a fold


class ColumnSplit(NamedTuple):
    """Which columns of A are held apart.

    Attributes
    ----------
    apart : bool ndarray (n,)
        Those that are.
    others, those : ndarray of int
        The numbers of the others, and of those.
    within : int32 ndarray (n,)
        Which of its kind each column is.
    """

    apart: np.ndarray
    others: np.ndarray
    those: np.ndarray
    within: np.ndarray


@dataclass(frozen=True)
class Fold:
    """One of the parts that are held out, each once.

    Which rows, columns and entries are in it follows from their numbers and the seed alone: no list is kept, and it is
    the same however the data is cut.

    Attributes
    ----------
    number, count : int
        Which of how many.
    seed : int
        Of what is drawn.
    lengths : tuple of int
        Of the axes that columns are made of, where rows of H are products: then columns are held apart by their place
        along the longest axis, so that those of both kinds are products too.
    """

    number: int
    count: int
    seed: int = 0
    lengths: tuple[int, ...] = ()

    def _stream(self, which: int) -> int:
        return OF_FOLDS + STREAMS * self.seed + which

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Return which of the rows `start:stop` are in it (rows,)."""
        drawn = uniform(np.arange(start, stop), self._stream(0))
        return np.floor(drawn * self.count) == self.number

    def columns(self, n_columns: int) -> ColumnSplit:
        """Return the columns that are in it: of each fold as many, or one more."""
        return _split(self.number, self.count, self._stream(1), self.lengths or (n_columns,))

    @property
    def axis(self) -> int:
        """The axis whose places are held apart."""
        return self.lengths.index(max(self.lengths))

    @property
    def lengths_seen(self) -> tuple[int, ...]:
        """Of the axes, without the places that are held apart."""
        if not self.lengths:
            return ()
        apart = len(range(self.number, self.lengths[self.axis], self.count))
        return tuple(length - apart * (at == self.axis) for at, length in enumerate(self.lengths))

    def entries(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return which entries are in it, from their row and column numbers, which are broadcast."""
        of_rows = scattered(rows.astype(np.uint64), self._stream(2))
        return scattered(of_rows ^ columns.astype(np.uint64), self._stream(2)) % np.uint64(self.count) == self.number


@lru_cache(maxsize=64)
def _split(number: int, count: int, stream: int, lengths: tuple[int, ...]) -> ColumnSplit:
    """Columns split by their place along the longest axis."""
    axis, n_columns = lengths.index(max(lengths)), math.prod(lengths)
    order = np.argsort(uniform(np.arange(lengths[axis]), stream), kind="stable")
    places = np.zeros(lengths[axis], bool)
    places[order[number::count]] = True
    sides = [-1 if at == axis else 1 for at in range(len(lengths))]
    apart = np.ascontiguousarray(np.broadcast_to(places.reshape(sides), lengths)).reshape(-1)
    others, those = np.flatnonzero(~apart), np.flatnonzero(apart)
    within = np.empty(n_columns, np.int32)
    within[others], within[those] = np.arange(len(others)), np.arange(len(those))
    return ColumnSplit(apart, others, those, within)


class SplitRows(NamedTuple):
    """Rows in two parts: what they have in the columns that are held apart (`those`), and in the `others`."""

    others: Any
    those: Any


def split_rows(rows: Rows, which: np.ndarray, split: ColumnSplit) -> SplitRows:
    """Return some rows, in rising order, in two parts."""
    if isinstance(rows, np.ndarray):
        return SplitRows(*(rows[np.ix_(which, columns)] for columns in (split.others, split.those)))
    some = pick_rows(rows, which)
    there = split.apart[some.indices]
    return SplitRows(*(_in_columns(some, chosen, split.within) for chosen in (~there, there)))


def in_other_columns(rows: Rows, split: ColumnSplit) -> Rows:
    """Return what rows have in the columns that are not held apart."""
    if isinstance(rows, np.ndarray):
        return rows[:, split.others]
    return _in_columns(rows, ~split.apart[rows.indices], split.within)


def _in_columns(rows: CsrRows, chosen: np.ndarray, within: np.ndarray) -> CsrRows:
    offsets = np.concatenate([[0], np.cumsum(chosen)])[rows.indptr - rows.indptr[0]]
    first, last = int(rows.indptr[0]), int(rows.indptr[-1])
    data, indices = rows.data[first:last][chosen], rows.indices[first:last][chosen]
    return CsrRows(data, within[indices].astype(rows.indices.dtype, copy=False), offsets)


@dataclass
class HeldOutSums:
    """What a pass folds of a fit of which something is held out; a record that adds.

    Attributes
    ----------
    seen : Any
        The sums of the fit, over what it sees.
    beside : Any
        Those of the columns that are held apart, over rows that are not; None where no columns are.
    scored : Any
        What is folded of what is held out.
    squares : (float, float)
        ``‖·‖²`` of what is seen and of what is held out, where the pass is asked for it.
    """

    seen: Any
    beside: Any
    scored: Any
    squares: tuple[float, float] = (0.0, 0.0)
    kept: dict[int, np.ndarray] = field(default_factory=dict)

    def __add__(self, other: "HeldOutSums") -> "HeldOutSums":
        return self._with(other, operator.add)

    def __iadd__(self, other: "HeldOutSums") -> "HeldOutSums":
        return self._with(other, operator.iadd)  # the sums of the fit take no more memory

    def _with(self, other: "HeldOutSums", add: Callable[[Any, Any], Any]) -> "HeldOutSums":
        beside = None if self.beside is None else add(self.beside, other.beside)
        squares = self.squares[0] + other.squares[0], self.squares[1] + other.squares[1]
        return HeldOutSums(add(self.seen, other.seen), beside, add(self.scored, other.scored), squares)
