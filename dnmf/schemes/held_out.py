"""How well a fit predicts what is held out of it: known after every pass, from its sums and without another read."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from dnmf.losses import Loss, loss_named
from dnmf.passes.held_out import Fold, HeldOutSums, in_other_columns
from dnmf.passes.statistics import Statistics
from dnmf.passes.visitors.given import UseGivenRows
from dnmf.passes.visitors.held_out import HoldOut, HoldOutBlock, HoldOutEntries, held_entries, weights_apart
from dnmf.passes.visitors.score import ScoreGivenRows
from dnmf.passes.visitors.visitor import Visitor
from dnmf.schemes.facts import Facts
from dnmf.schemes.scheme import Scheme
from dnmf.sources.rows import Panel, Weighted


@dataclass(frozen=True)
class HeldOut(ABC):
    """What is held out of a fit, and how well it is predicted; a part of the state of the fit.

    Attributes
    ----------
    fold : Fold
        What is held out.
    n_columns : int
        Of the data.
    loss : float
        Of what is held out, in the last accepted pass; infinity before the first.
    whole : float
        That of a model that explains nothing; negative until it is known.
    """

    fold: Fold
    n_columns: int
    loss: float = np.inf
    whole: float = -1.0

    @property
    def share(self) -> float:
        """The share of the loss that is left: 0 where all is predicted, 1 for a model that explains nothing."""
        return self.loss / self.whole if self.whole > 0 else np.nan

    @property
    def lengths(self) -> tuple[int, ...]:
        """Of the axes that the columns of the fit are made of, where rows of H are products."""
        return self.fold.lengths_seen

    def columns_of(self, H: np.ndarray) -> np.ndarray:
        """Return of an H (k, n) the columns that the fit sees something of."""
        return H

    def entire(self, H: np.ndarray) -> np.ndarray:
        """Return H (k, n) in all columns, those included that the fit does not see."""
        return H

    @abstractmethod
    def seen_of(self, panel: Panel, numbers: np.ndarray) -> tuple[Panel, int]:
        """Return what the fit sees of some rows when it begins, by their numbers, and of how many columns."""

    @abstractmethod
    def visitor(self, scheme: Scheme, fit: Visitor, H: np.ndarray, *, first: bool) -> HoldOut:
        """Return what visits the rows, made of what would visit them if the fit saw all, with `H` fixed."""

    def seen(self, statistics: Statistics) -> Statistics:
        """Return what a pass that served this fit alone says of what it sees."""
        sums: HeldOutSums = statistics.models[0]
        return replace(statistics, models=[sums.seen], squares=sums.squares[0])

    @abstractmethod
    def after(self, scheme: Scheme, sums: HeldOutSums, H: np.ndarray) -> Self:
        """Return the same after a pass that was accepted and made with `H`."""

    def scalars(self) -> dict[str, Any]:
        """What is known, as JSON values."""
        return {"loss": None if np.isinf(self.loss) else self.loss, "whole": self.whole}

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that the next pass needs, by name."""
        return {}

    def restored(self, scalars: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Return the same as :meth:`scalars` and :meth:`arrays` described it."""
        del arrays
        return replace(self, loss=np.inf if scalars["loss"] is None else scalars["loss"], whole=scalars["whole"])


@dataclass(frozen=True)
class HeldOutBlock(HeldOut):
    """Some rows in some columns: the fit is that of the other columns, of rows that are not held out.

    Attributes
    ----------
    beside : ndarray (k, columns apart) or None
        H there, after the last accepted pass; None before the first.
    """

    beside: np.ndarray | None = None

    def entire(self, H: np.ndarray) -> np.ndarray:
        """Return H in all columns."""
        split = self.fold.columns(self.n_columns)
        found = np.zeros((len(H), self.n_columns), H.dtype)
        found[:, split.others] = H
        if self.beside is not None:
            found[:, split.those] = self.beside
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        """H in the columns apart."""
        return {} if self.beside is None else {"beside": self.beside}

    def restored(self, scalars: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Return the same as it was described."""
        return replace(super().restored(scalars, arrays), beside=arrays.get("beside"))

    def columns_of(self, H: np.ndarray) -> np.ndarray:
        """Return the columns that are not held apart."""
        return np.ascontiguousarray(H[:, self.fold.columns(self.n_columns).others])

    def seen_of(self, panel: Panel, numbers: np.ndarray) -> tuple[Panel, int]:
        """Return all rows: of those that are held out these columns tell nothing of the others."""
        del numbers
        split = self.fold.columns(self.n_columns)
        assert not isinstance(panel, Weighted), "where entries have weights, entries are held out"
        return in_other_columns(panel, split), len(split.others)


@dataclass(frozen=True)
class BlockOfSquares(HeldOutBlock):
    """A block under least squares: predicted with the best columns of H for the W of a pass, exactly."""

    def visitor(self, scheme: Scheme, fit: Visitor, H: np.ndarray, *, first: bool) -> HoldOutBlock:
        """Fold what the columns apart have with rows of W: of those that are held out, and of the others."""
        del scheme
        folds = UseGivenRows(len(H))
        return HoldOutBlock(fit, self.fold, first or self.whole < 0, folds, folds, self.n_columns)

    def after(self, scheme: Any, sums: HeldOutSums, H: np.ndarray) -> Self:
        """Solve for the columns, and measure the block."""
        whole = 0.5 * sums.squares[1] if self.whole < 0 else self.whole
        nowhere = np.zeros((len(H), len(sums.beside.P)), H.dtype)
        beside = scheme.columns_beside(sums.seen, sums.beside, nowhere)
        return replace(self, loss=scheme.loss_beside(sums.scored, beside, 2 * whole), whole=whole, beside=beside)


@dataclass(frozen=True)
class BlockOfProducts(BlockOfSquares):
    """A block of an array, at some places along its long axis and one other: predicted with the best vectors there."""

    def after(self, scheme: Any, sums: HeldOutSums, H: np.ndarray) -> Self:
        """Solve for the vectors at these places, and measure the block."""
        whole = 0.5 * sums.squares[1] if self.whole < 0 else self.whole
        beside = scheme.products_beside(sums.seen, sums.beside, H, self.fold.axis)
        return replace(self, loss=scheme.loss_beside(sums.scored, beside, 2 * whole), whole=whole, beside=beside)


@dataclass(frozen=True)
class BlockOfLoss(HeldOutBlock):
    """A block under another loss: columns of H move once a pass, as those of the fit do."""

    def visitor(self, scheme: Any, fit: Visitor, H: np.ndarray, *, first: bool) -> HoldOutBlock:
        """Fold and score with what H has come to there; at first it is what it is elsewhere, in all columns alike."""
        del first
        beside = self._beside(H)
        scored = ScoreGivenRows.of(scheme.loss, beside, observed=False)
        return HoldOutBlock(fit, self.fold, False, scheme.folds_given(beside), scored, self.n_columns)

    def _beside(self, H: np.ndarray) -> np.ndarray:
        if self.beside is not None:
            return self.beside
        those = len(self.fold.columns(self.n_columns).those)
        return np.repeat(H.mean(axis=1, keepdims=True), those, axis=1).astype(H.dtype)

    def after(self, scheme: Any, sums: HeldOutSums, H: np.ndarray) -> Self:
        """Move the columns a step, and note the score."""
        beside = scheme.columns_beside(sums.seen, sums.beside, self._beside(H))
        return replace(self, loss=sums.scored.value, whole=sums.scored.whole, beside=beside)


@dataclass(frozen=True)
class BlockOfLossAndProducts(BlockOfLoss):
    """A block of an array under another loss: vectors at these places move once a pass."""

    def _beside(self, H: np.ndarray) -> np.ndarray:
        """What H has come to there; at first the mean along the axis whose places are held apart."""
        if self.beside is not None:
            return self.beside
        axis, lengths = self.fold.axis, self.fold.lengths_seen
        places = self.fold.lengths[axis] - lengths[axis]
        mean = H.reshape(len(H), *lengths).mean(axis=axis + 1, keepdims=True)
        return np.repeat(mean, places, axis=axis + 1).reshape(len(H), -1).astype(H.dtype)

    def after(self, scheme: Any, sums: HeldOutSums, H: np.ndarray) -> Self:
        """Move the vectors at these places a step, and note the score."""
        beside = scheme.products_beside(sums.beside, H, self.fold.axis, self._beside(H))
        return replace(self, loss=sums.scored.value, whole=sums.scored.whole, beside=beside)


@dataclass(frozen=True)
class SomeEntries(HeldOut):
    """Some of the entries that were observed."""

    def seen_of(self, panel: Panel, numbers: np.ndarray) -> tuple[Panel, int]:
        """Return the rows with no weight on what is held out."""
        rows, weights = panel if isinstance(panel, Weighted) else (panel, None)
        seen, _ = weights_apart(rows, weights, held_entries(rows, numbers, self.fold))
        if isinstance(rows, np.ndarray):
            rows = np.where(seen > 0, rows, rows.dtype.type(0))
        return Weighted(rows, seen), self.n_columns

    def visitor(self, scheme: Scheme, fit: Visitor, H: np.ndarray, *, first: bool) -> HoldOutEntries:
        """Leave them out of what the fit sees, and score them."""
        return HoldOutEntries(fit, self.fold, first, ScoreGivenRows.of(_loss_of(scheme), H, observed=True))

    def after(self, scheme: Scheme, sums: HeldOutSums, H: np.ndarray) -> Self:
        """Note the score."""
        del scheme, H
        return replace(self, loss=sums.scored.value, whole=sums.scored.whole)


def held_out(scheme: Scheme, fold: Fold, n_columns: int, facts: Facts) -> HeldOut:
    """Return what a fold holds out of a fit: entries where not all were observed, else a block."""
    if facts.observed:
        return SomeEntries(fold, n_columns)
    squares = _loss_of(scheme).shared_curvature
    if scheme.axes:
        of_products = BlockOfProducts if squares else BlockOfLossAndProducts
        return of_products(replace(fold, lengths=scheme.axes), n_columns)
    return (BlockOfSquares if squares else BlockOfLoss)(fold, n_columns)


def _loss_of(scheme: Scheme) -> Loss:
    return loss_named(scheme.loss_name)
