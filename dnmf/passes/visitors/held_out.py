"""Fits of which something is held out: what they see is visited as ever, and what they do not see is predicted."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

import numpy as np

from dnmf.memory import MOST_ENTRIES
from dnmf.passes.blocks import count_rows
from dnmf.passes.held_out import Fold, HeldOutSums, SplitRows, split_rows
from dnmf.passes.rows_out import RowsOut
from dnmf.passes.visitors.score import ScoreGivenRows
from dnmf.passes.visitors.visitor import Block, Visitor
from dnmf.sources.memory import slice_rows
from dnmf.sources.picked import sums_of_powers
from dnmf.sources.rows import CsrRows, Rows, Weighted, few_at_a_time

Parts = TypeVar("Parts")


class Unsummed:
    """Sums that nothing is added to: rows of W are all that is wanted."""

    def add(self, *rows: Any, **how: Any) -> None:
        """Add nothing."""

    note = note_peaks = note_solved = note_residual = add


@dataclass
class RunningHeldOut:
    """The sums while rows come in."""

    seen: Any
    beside: Any
    scored: Any
    squares: tuple[float, float] = (0.0, 0.0)

    def finish(self) -> HeldOutSums:
        """Return the sums; nothing can be added any more."""
        beside = None if self.beside is None else self.beside.finish()
        return HeldOutSums(self.seen.finish(), beside, self.scored.finish(), self.squares)


@dataclass(frozen=True)
class HoldOut(Visitor):
    """What visits a fit of which something is held out.

    Attributes
    ----------
    fit : Visitor
        What visits the rows as the fit sees them.
    fold : Fold
        What is held out.
    first : bool
        Whether the pass is asked for sums of squares.
    """

    fit: Visitor
    fold: Fold
    first: bool

    @property
    def takes_missing(self) -> bool:  # type: ignore[override]  # of this fit, not of all
        """As what visits the fit."""
        return self.fit.takes_missing

    @property
    def rank(self) -> int:
        """k."""
        return self.fit.rank

    def aligned(self) -> Self:
        """The same with factors that lie as the kernels read them best."""
        return replace(self, fit=self.fit.aligned())

    def cut(self, block: Block, made: Callable[[Block], Parts]) -> Parts:
        """Return the parts of a block: cut once for all models of the same fold."""
        if block.parts is None:
            return made(block)
        if self.fold not in block.parts:
            block.parts[self.fold] = made(block)
        found: Parts = block.parts[self.fold]
        return found

    def rows_of_W(self, block: Block, sums: Any) -> np.ndarray:
        """Return the rows of W (rows, k) of a block as the fit sees it, added to its sums."""
        out = RowsOut(block.at)
        self.fit.visit(block, sums, out)
        return out.finish()[block.at]


@dataclass(frozen=True)
class HoldOutBlock(HoldOut):
    """Holds out some rows in some columns: the rows of W of all are found without these columns.

    Attributes
    ----------
    beside : Visitor
        What folds given rows of W with the columns that are held apart, of the rows that are not held out.
    scored : Visitor
        The same of the rows that are.
    n_columns : int
        Of all columns, n.
    """

    beside: Visitor
    scored: Visitor
    n_columns: int

    def begin(self, n_columns: int, dtype: str, *, residual: bool) -> RunningHeldOut:
        """Return the sums over no rows yet."""
        del residual  # the last pass, which asks for it, is none of a fit of which something is held out
        split = self.fold.columns(n_columns)
        return RunningHeldOut(
            self.fit.begin(len(split.others), dtype, residual=False),
            *(each.begin(len(split.those), dtype, residual=False) for each in (self.beside, self.scored)),
        )

    def visit(self, block: Block, sums: RunningHeldOut, out: RowsOut | None) -> None:
        """Have both kinds of rows visited."""
        del out  # nobody takes rows of such a fit
        others, those = self.cut(block, self._parts)
        for part, fitted, folded, of_rest in (
            (others, sums.seen, self.beside, sums.beside),
            (those, Unsummed(), self.scored, sums.scored),
        ):
            if count_rows(part.others):
                W = self.rows_of_W(Block(part.others, block.at), fitted)
                folded.visit(Block(part.those, block.at, W), of_rest, None)
        if self.first:
            sums.squares = sums.squares[0] + _squares(others.others), sums.squares[1] + _squares(those.those)

    def _parts(self, block: Block) -> tuple[SplitRows, SplitRows]:
        """The rows that are not held out, and those that are."""
        held, split = self.fold.rows(block.at, block.at + count_rows(block.rows)), self.fold.columns(self.n_columns)
        others, those = (split_rows(block.rows, np.flatnonzero(which), split) for which in (~held, held))
        return others, those

    def aligned(self) -> Self:
        """The same with factors that lie as the kernels read them best."""
        return replace(super().aligned(), beside=self.beside.aligned(), scored=self.scored.aligned())


@dataclass(frozen=True)
class HoldOutEntries(HoldOut):
    """Holds out some of the entries that were observed.

    Attributes
    ----------
    scored : ScoreGivenRows
        What tells how well they are predicted.
    """

    scored: ScoreGivenRows

    def begin(self, n_columns: int, dtype: str, *, residual: bool) -> RunningHeldOut:
        """Return the sums over no rows yet."""
        del residual
        seen, scored = (each.begin(n_columns, dtype, residual=False) for each in (self.fit, self.scored))
        return RunningHeldOut(seen, None, scored)

    def visit(self, block: Block, sums: RunningHeldOut, out: RowsOut | None) -> None:
        """Have the block visited without what is held out of it, and that scored; a few entries at a time."""
        del out
        held = Weighted(block.rows, self.cut(block, self._held))
        for low, high in few_at_a_time(block.rows, MOST_ENTRIES):
            some, weights = slice_rows(held, low, high), block.weights
            if weights is not None:
                weights = slice_rows(Weighted(block.rows, weights), low, high).weights
            seen, apart = weights_apart(some.rows, weights, some.weights)
            given = None if block.given is None else block.given[low:high]
            part = Block(some.rows, block.at + low, given, seen)
            self.scored.visit(part._replace(weights=apart, given=self.rows_of_W(part, sums.seen)), sums.scored, None)

    def _held(self, block: Block) -> np.ndarray:
        numbers = np.arange(block.at, block.at + count_rows(block.rows))
        return held_entries(block.rows, numbers, self.fold)

    def aligned(self) -> Self:
        """The same with factors that lie as the kernels read them best."""
        return replace(super().aligned(), scored=self.scored.aligned())


def held_entries(rows: Rows, numbers: np.ndarray, fold: Fold) -> np.ndarray:
    """Return which entries of rows, which have these `numbers` in the data, are held out; a byte for each."""
    found = np.empty(rows.shape if isinstance(rows, np.ndarray) else rows.indices.shape, bool)
    for low, high in few_at_a_time(rows, MOST_ENTRIES):
        some = numbers[low:high]
        if isinstance(rows, CsrRows):
            first, last = int(rows.indptr[low]), int(rows.indptr[high])
            of_entries = np.repeat(some, np.diff(rows.indptr[low : high + 1]))
            found[first:last] = fold.entries(of_entries, rows.indices[first:last])
        else:
            found[low:high] = fold.entries(some[:, None], np.arange(rows.shape[1])[None, :])
    return found


def weights_apart(rows: Rows, weights: np.ndarray | None, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of the entries of some rows that are seen, and of those that are `held` out.

    Parameters
    ----------
    rows, weights
        As in a :class:`~dnmf.passes.visitors.visitor.Block`.
    held : bool ndarray
        :func:`held_entries` of them.
    """
    if weights is None:
        missing = not isinstance(rows, CsrRows) and rows.dtype.kind == "f"
        weights = (~np.isnan(rows) if missing else np.ones(held.shape, bool)).astype(np.float32)
    return np.where(held, 0, weights), np.where(held, weights, 0)


def _squares(rows: Any) -> float:
    runs = few_at_a_time(rows, MOST_ENTRIES)
    return sum(float(sums_of_powers(slice_rows(rows, low, high), 2.0).sum()) for low, high in runs)
