"""Rows of W solved for with H fixed, for a loss whose curvature is its own in every entry."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from dnmf.kernels.padding import aligned, aligned_zeros, pad_columns
from dnmf.losses import Loss
from dnmf.memory import MOST_ENTRIES
from dnmf.passes.entries import Entries, cross_of_entries, entries_of, parts_of, predictions
from dnmf.passes.newton import TOLERANCE, RowProblem, solve_rows
from dnmf.passes.own_sums import RunningOwnSums
from dnmf.passes.rows_out import RowsOut
from dnmf.passes.terms import Terms, shared_curvature
from dnmf.passes.visitors.visitor import Block, Visitor

FUSED_STEPS = 30  # of Newton's method, by a compiled solver
BELOW_ZERO = {"float32": 1e-5, "float64": 1e-11}  # of the values, by which the sum of a loss may be below zero


@dataclass(frozen=True)
class SolveCurvedRows(Visitor):
    """Solves for the rows of W that are best for a fixed H, and adds them up with the weights of their entries.

    Attributes
    ----------
    loss : Loss
        Of an entry.
    HT : ndarray (n, padded k)
        H transposed.
    column_sums : ndarray (k,)
        Of HT, in float64.
    l1 : float
        Subtracted from right-hand sides.
    G0 : ndarray (k, k) or None
        Added to the Gram matrix of every row.
    upper : float
        The largest value of an entry of w.
    held : int
        How many of the first columns of W are given.
    observed : bool
        Whether only entries that are seen count; else those that are not seen are zeros.
    diagonal : bool
        Whether the curvature of columns is folded on its diagonal.
    tolerance : float
        Of a row.
    first : bool
        Whether the pass is to say what a model of the means of rows leaves.
    dark : bool ndarray (n,) or None
        The columns of which no component has anything, where there are some and predictions must be above zero.
    """

    takes_missing: ClassVar[bool] = True
    loss: Loss
    HT: np.ndarray
    column_sums: np.ndarray
    l1: float
    G0: np.ndarray | None
    upper: float
    held: int
    observed: bool
    diagonal: bool
    tolerance: float
    first: bool
    dark: np.ndarray | None = None

    @classmethod
    def for_factor(
        cls, loss: Loss, H: np.ndarray, terms: Terms, *, held: int = 0, observed: bool = False, diagonal: bool = False,
        tolerance: float | None = None, first: bool = False,
    ) -> Self:  # fmt: skip
        """Return what solves for rows under `terms` with `H` (k, n) fixed, to the tolerance of its dtype by default."""
        HT, column_sums = pad_columns(np.ascontiguousarray(H.T)), H.sum(axis=1, dtype=np.float64)
        tolerance = TOLERANCE[str(H.dtype)] if tolerance is None else tolerance
        G0 = shared_curvature(terms, len(H))
        dark = np.all(H == 0, axis=0)
        return cls(
            loss, HT, column_sums, terms.l1, G0, terms.upper, held, observed, diagonal, tolerance, first,
            dark if loss.positive and dark.any() else None,
        )  # fmt: skip

    @property
    def zeros_are_linear(self) -> bool:
        """Whether zeros cost what is linear in their predictions, so that none is looked at."""
        return self.loss.zeros_are_linear(observed=self.observed)

    @property
    def rank(self) -> int:
        """k."""
        return len(self.column_sums)

    def begin(self, n_columns: int, dtype: str, *, residual: bool) -> RunningOwnSums:
        """Return the sums over no rows yet: the loss is summed as it is, so there is no residual beside it."""
        del dtype, residual
        return RunningOwnSums(self.rank, n_columns, diagonal=self.diagonal)

    def visit(self, block: Block, sums: RunningOwnSums, out: RowsOut | None) -> None:
        """Solve for the rows of the block and add them."""
        for part in parts_of(block, MOST_ENTRIES):
            self._visit(part, sums, out)

    def _visit(self, block: Block, sums: RunningOwnSums, out: RowsOut | None) -> None:
        entries = entries_of(block, self.HT.dtype, zero_is_free=self.zeros_are_linear)
        whole = self._of_means(entries) if self.first else 0.0
        entries, beyond = self._within_reach(entries, block.given)
        lin = self._linear_part(entries)
        problem = RowProblem(self.loss, self.HT, lin + self.l1, self.G0, self.upper, self.held)
        W = aligned_zeros((len(entries.indptr) - 1, self.HT.shape[1]), self.HT.dtype)
        if block.given is not None:
            W[:, : self.held] = block.given
        unsolved, y = self._solve(problem, entries, W)
        linear = float(np.vdot(np.broadcast_to(lin, (len(W), self.rank)), W[:, : self.rank].astype(np.float64)))
        value = self._loss_of(entries, y, linear) + float(beyond.sum())
        sums.note(value, whole, unsolved=unsolved, unreached=int(np.count_nonzero(np.isinf(beyond))))
        sums.add(entries, W, *self._weights(entries, y))
        if out is not None:
            out.write(block.at, W[:, : self.rank].copy())

    def _within_reach(self, entries: Entries, given: np.ndarray | None) -> tuple[Entries, np.ndarray]:
        """The entries that W can do something about, and what the others of each row cost (rows,): no W changes that.

        A count where nothing is predicted costs infinitely much, and says nothing of how the others are explained.
        """
        there = self._unpredicted(entries, given)
        if there is None or not there.any():
            return entries, np.zeros(1)
        beyond = entries.some(there)
        costs = self.loss.entire(beyond.a, np.zeros(len(beyond.a), self.HT.dtype))
        return entries.some(~there), beyond.sums_of_rows(costs)

    def _unpredicted(self, entries: Entries, given: np.ndarray | None) -> np.ndarray | None:
        """Which entries (entries,) are predicted to be zero: in columns without H, and in rows of which all are zero.

        None where there are none. A compiled solver has its own way with such rows.
        """
        there = None if self.dark is None else self.dark[entries.indices]
        if not self.loss.positive or self.loss.fused is not None or not self.loss.spares_zeros:
            return there
        bare = entries.sums_of_rows(entries.a) == 0
        if given is not None:
            bare &= ~given.any(axis=1)
        if not bare.any():
            return there
        of_rows = bare[entries.row_of]
        return of_rows if there is None else there | of_rows

    def _linear_part(self, entries: Entries) -> np.ndarray:
        """The linear part of the loss, (k,) for all rows or (rows, k)."""
        if not (self.observed and self.loss.linear):
            return self.loss.linear * self.column_sums
        ones = np.ones(len(entries.a), self.HT.dtype) if entries.weights is None else entries.weights
        return self.loss.linear * cross_of_entries(ones, entries, self.HT)[:, : self.rank].astype(np.float64)

    def _solve(self, problem: RowProblem, entries: Entries, W: np.ndarray) -> tuple[int, np.ndarray]:
        if self.loss.fused is None:
            W[:, self.held : self.rank] = self._start(entries, problem)[:, None]
            return solve_rows(problem, entries, W, self.tolerance), predictions(entries, W, self.HT)
        y, upper = np.zeros(len(entries.a), W.dtype), None
        if self.upper < np.inf:
            upper = np.full(self.rank, self.upper, W.dtype)
        values, masses = entries.a, None
        if entries.weights is not None:
            values = entries.weighted(entries.a.astype(W.dtype))
            masses = entries._replace(weights=None).sums_of_rows(entries.a)
        _, unsolved, _ = self.loss.fused(
            values, entries.indices, entries.indptr, self.HT, problem.lin.astype(W.dtype), self.G0, W, y,
            tolerance=self.tolerance, max_steps=FUSED_STEPS, upper=upper, held=self.held, masses=masses,
        )  # fmt: skip
        return unsolved, y

    def _start(self, entries: Entries, problem: RowProblem) -> np.ndarray:
        """A multiple of ones for each row (rows,) that has the mass of the row."""
        mass = entries.sums_of_rows(entries.a.astype(np.float64))
        every = self.HT[:, self.held : self.rank].sum(axis=1, dtype=np.float64)
        predicted = every.sum() if self.zeros_are_linear else entries.sums_of_rows(every[entries.indices])
        start = np.divide(mass, predicted, out=np.zeros(len(mass)), where=np.broadcast_to(predicted > 0, mass.shape))
        return np.clip(start, 0, problem.upper)

    def _weights(self, entries: Entries, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The weights that are folded; where every entry is seen the linear part is one of them."""
        r, c = self.loss.weights(entries.a, y)
        if self.observed and self.loss.linear:
            r = r - y.dtype.type(self.loss.linear)
        return entries.weighted(r), entries.weighted(c)

    def _of_means(self, entries: Entries) -> float:
        """The loss of a model that predicts the mean of its row everywhere."""
        ones = np.ones(len(entries.a))
        rows, columns = len(entries.indptr) - 1, float(len(self.HT))
        count = np.full(rows, columns) if self.zeros_are_linear else entries.sums_of_rows(ones)
        mass = entries.sums_of_rows(entries.a.astype(np.float64))
        mean = np.divide(mass, count, out=np.zeros(len(mass)), where=count > 0)
        spread = np.repeat(mean, np.diff(entries.indptr))
        if self.loss.positive and not spread.all():  # rows of zeros are explained by nothing
            entries, spread = entries.some(spread > 0), spread[spread > 0]
        return self._loss_of(entries, spread, self.loss.linear * float(mean @ count))

    def _loss_of(self, entries: Entries, y: np.ndarray, linear: float) -> float:
        """The loss of entries with the linear part of all; 0 where rounding alone puts it below."""
        total = self.loss.total(entries.a, y, entries.weights) + linear
        if total >= 0:
            return total
        mass = float(np.abs(entries.weighted(entries.a)).sum(dtype=np.float64))
        return 0.0 if -total <= BELOW_ZERO[str(self.HT.dtype)] * mass else total

    def aligned(self) -> Self:
        """The same with a factor that lies as the kernels read it best."""
        return replace(self, HT=aligned(self.HT))
