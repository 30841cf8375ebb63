"""Fits of which something is held out: what they see is visited as ever, and what they do not see is predicted."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

import numpy as np

from dnmf.passes.blocks import count_rows
from dnmf.passes.held_out import Fold, HeldOutSums, SplitRows, split_rows
from dnmf.passes.rows_out import RowsOut
from dnmf.passes.visitors.score import ScoreGivenRows
from dnmf.passes.visitors.visitor import Block, Visitor
from dnmf.sources.picked import sums_of_powers
from dnmf.sources.rows import CsrRows, Rows

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
        """Have the block visited without what is held out of it, and that scored."""
        del out
        seen, held = self.cut(block, self._weights)
        W = self.rows_of_W(block._replace(weights=seen), sums.seen)
        self.scored.visit(block._replace(weights=held, given=W), sums.scored, None)

    def _weights(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        numbers = np.arange(block.at, block.at + count_rows(block.rows))
        return weights_apart(block.rows, block.weights, numbers, self.fold)

    def aligned(self) -> Self:
        """The same with factors that lie as the kernels read them best."""
        return replace(super().aligned(), scored=self.scored.aligned())


def weights_apart(
    rows: Rows, weights: np.ndarray | None, numbers: np.ndarray, fold: Fold
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of the entries of some rows that are seen, and of those that are held out.

    Parameters
    ----------
    rows, weights
        As in a :class:`~dnmf.passes.visitors.visitor.Block`.
    numbers : ndarray (rows,)
        Which rows of the data they are.
    fold : Fold
        What is held out.
    """
    if isinstance(rows, CsrRows):
        held = fold.entries(np.repeat(numbers, np.diff(rows.indptr)), rows.indices)
        there = np.ones(len(held), np.float32)
    else:
        held = fold.entries(numbers[:, None], np.arange(rows.shape[1])[None, :])
        seen = ~np.isnan(rows) if rows.dtype.kind == "f" else np.ones(rows.shape, bool)
        there = seen.astype(np.float32)
    weights = there if weights is None else weights
    return np.where(held, 0, weights), np.where(held, weights, 0)


def _squares(rows: Any) -> float:
    return float(sums_of_powers(rows, 2.0).sum())
