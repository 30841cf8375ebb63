"""Weighted least squares: where not all entries were observed, or count alike, every column has its own Gram matrix."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np

from dnmf.arithmetic import at_least_zero
from dnmf.constraints import Limits
from dnmf.kernels.bounds import keep_below, pinned
from dnmf.kernels.own_gram import LOOSE
from dnmf.kernels.packed import completed, diagonal_places, pack, times_packed
from dnmf.passes.even_units import even_units
from dnmf.passes.methods import OwnProblem
from dnmf.passes.observed_sums import ObservedSums
from dnmf.passes.statistics import Statistics
from dnmf.passes.terms import Terms
from dnmf.passes.visitors.observed import SolveObservedRows
from dnmf.passes.work import Demands
from dnmf.schemes.balance import Sizes
from dnmf.schemes.constrained import NO_PENALTY
from dnmf.schemes.own_curvature import OwnCurvature
from dnmf.schemes.scheme import Measured, SolvedColumns
from dnmf.strengths import SIDES

COLUMN_TOLERANCE, COLUMN_SWEEPS = {"float32": 1e-4, "float64": 1e-12}, 2000
NOTHING = 1e-12  # of the weight of other columns, with which a column counts as not observed


@dataclass(frozen=True, eq=False)
class ObservedLeastSquares(OwnCurvature):
    """``½ Σ ω_ij (a_ij − w_i·h_j)²``, with L1, L2 and angular penalties in the objective, bounds and given parts.

    Attributes
    ----------
    implicit : float
        Confidence in what is there, 0 where entries are values.
    """

    implicit: float = field(default=0.0, kw_only=True)
    penalized_sums: ClassVar[tuple[str, ...]] = ("G", "s", "squares", "counts")

    @property
    def demands(self) -> Demands:
        """As for all values; of implicit feedback, none below zero and none that is missing."""
        if not self.implicit:
            return super().demands
        return Demands(
            not_negative="values that are not negative where implicit= makes them confidences: give 0 for what is not "
            "wanted, or leave implicit= out and let a factor be negative: Constraints(free='W'), --free W",
            not_nan="finite values; where implicit= makes them confidences, give 0 for what is not there",
        )

    @property
    def _lenient(self) -> Self:
        """Ridges stay, as rows of few entries need them."""
        penalty = replace(self.penalty, l1=0.0, angular=0.0) if self.penalty.in_objective else NO_PENALTY
        return replace(super()._lenient, penalty=penalty)

    @property
    def degree(self) -> float:
        """That of least squares; 0 where values are confidences, which do not grow as the values of a row do."""
        return 0.0 if self.implicit else 2.0

    @property
    def stand_in(self) -> Self:
        """The same: nothing else knows what was observed."""
        return self.unhindered

    def _ridge(self, side: str, k: int) -> np.ndarray:
        """L2 of each component (k,) for each entry that was observed, in W or in H."""
        if not self.penalty.counts:
            return np.zeros(k)
        ridge = np.full(k, self.penalty.l2[SIDES.index(side)])
        ridge[self.given_rows if side == "W" else slice(self.given_columns)] *= self.penalty.beside_given
        return ridge

    def _terms(self, side: str) -> Terms:
        terms = super()._terms(side)
        return terms._replace(l2=0.0) if self.penalty.counts else terms

    def _rows_under(
        self, terms: Terms, H: np.ndarray, held: int, tolerance: float | None, *, first: bool
    ) -> SolveObservedRows:
        return SolveObservedRows.for_factor(
            H, terms, tolerance, ridge=self._ridge("W", len(H)), held=held, implicit=self.implicit,
            diagonal=self.diagonal_curvature, first=first,
        )  # fmt: skip

    def measure(self, sums: ObservedSums, H: np.ndarray, of_data: float) -> Measured:
        """Return loss, objective and projected gradient from the sums alone, over what was observed."""
        HT = np.ascontiguousarray(H.T, dtype=np.float64)
        bent = HT @ sums.based if self.diagonal_curvature else times_packed(sums.Q, HT, sums.based)
        slope, explained = bent - sums.N, float(np.vdot(sums.N, HT)) - 0.5 * float(np.vdot(bent, HT))
        if self.diagonal_curvature:
            explained += 0.5 * sums.curved
        whole = 0.5 * of_data
        loss, below = at_least_zero(whole - explained), at_least_zero(explained - whole) / whole if whole > 0 else 0.0
        of_H = self._scale_of_given(sums, H)[1]
        slope += self._slope_of_penalty(sums, HT, of_H)
        slope[:, self.given_rows] = 0
        slope[:, of_H == 0] = 0
        if not self.limits.is_free("H"):
            np.putmask(slope, pinned(HT, slope, self.limits.upper[1], H.dtype), 0)
            if self.solver.positive:  # entries on their way to zero count as what is left of them to go
                np.minimum(slope, HT * self._diagonal(sums), out=slope)
        size, alive = float(np.linalg.norm(sums.N)), int(np.count_nonzero((sums.s > 0) & H.any(axis=1)))
        gradient = float(np.linalg.norm(slope)) / size if size else 0.0
        return Measured(loss, loss + self._value_of_penalty(sums, H), gradient, alive, below, whole)

    def _diagonal(self, sums: ObservedSums) -> np.ndarray:
        """That of the Gram matrices of columns, or what bounds it (n, k)."""
        if self.diagonal_curvature:
            return sums.Q + sums.bound
        return sums.Q[:, diagonal_places(len(sums.s))] + np.diag(sums.based)

    def loss_of_rows(self, statistics: Statistics, H: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
        """The loss of rows that were solved for with H, and half of what was observed, squared."""
        del weights
        measured = replace(self, penalty=NO_PENALTY, diagonal_curvature=True).measure(
            statistics.models[0], H, self.of_data(statistics)
        )
        return measured.loss, measured.whole

    def _sizes(self, sums: ObservedSums, H: np.ndarray) -> Sizes:
        if not self.penalty.counts:
            return super()._sizes(sums, H)
        (l1_w, _), (l1_h, _), k = self.penalty.on_W, self.penalty.on_H, len(H)
        sum_of_H = np.abs(H).sum(axis=1, dtype=np.float64) if l1_h else np.zeros(k)
        squares = np.square(H, dtype=np.float64) @ sums.counts
        ridge_of_W, ridge_of_H = (0.5 * self._ridge(side, k) for side in SIDES)
        return Sizes(l1_w * sums.s, ridge_of_W * sums.squares, l1_h * sum_of_H, ridge_of_H * squares)

    def _slope_of_penalty(self, sums: ObservedSums, HT: np.ndarray, of_H: np.ndarray) -> np.ndarray:
        l1, G0 = self._side_terms(of_H)
        slope = HT * sums.counts[:, None]
        slope *= self._ridge("H", HT.shape[1]) * of_H**2
        slope += l1
        return slope + HT @ G0 if G0.any() else slope

    def update(self, sums: ObservedSums, H: np.ndarray, tolerance: float | None = None) -> SolvedColumns:
        """Return the next H: exact for each column; on the diagonal, of a bound that is separable (OPL)."""
        h, of_H = np.ascontiguousarray(H.T), self._scale_of_given(sums, H)[1]
        between = self._between(sums, h, of_H)
        if self.diagonal_curvature:
            found, unsolved = self._least_bound(sums, h, of_H, between), 0
        else:
            aim = COLUMN_TOLERANCE[str(H.dtype)] if tolerance is None else tolerance
            l1, G0, ridge = self._curvature(sums, of_H)
            Q = completed(sums.Q, G0, ridge, H.dtype)  # little may be left of what all share
            problem = OwnProblem(Q, (sums.N - l1).astype(H.dtype), h, *between, np.zeros_like(G0, H.dtype))
            found, violations = self._solved(problem, aim)
            unsolved = int(np.count_nonzero(violations > LOOSE * aim))
        X = keep_below(np.ascontiguousarray(found.T, H.dtype), self.limits.upper[1])
        return SolvedColumns(self._normalized(X), unsolved=unsolved)

    def _between(self, sums: ObservedSums, h: np.ndarray, of_H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The bounds of every entry of h (n, k): what is given stays, what nothing was observed of is zero."""
        lower = np.full_like(h, -np.inf if self.limits.is_free("H") else 0.0)
        upper = np.full_like(h, self.limits.upper[1])
        # What Gram matrices come to where nothing is left is rounding.
        nothing = sums.counts <= NOTHING * sums.counts.max(initial=0)
        lower[nothing] = upper[nothing] = 0
        self._hold((lower, upper), h, of_H)
        return lower, upper

    def _curvature(self, sums: ObservedSums, of_H: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """L1 of H (k,), what Gram matrices of columns have in common (k, k), and the ridge of each (n, k)."""
        l1, added = self._side_terms(of_H)
        return l1, sums.based + added, np.multiply.outer(sums.counts, self._ridge("H", len(of_H)) * of_H**2)

    def _least_bound(
        self, sums: ObservedSums, h: np.ndarray, of_H: np.ndarray, between: tuple[np.ndarray, np.ndarray]
    ) -> np.ndarray:
        """The h at which a separable bound of the objective is least."""
        h, (l1, G0, ridge) = h.astype(np.float64), self._curvature(sums, of_H)
        slope = h @ G0 + ridge * h + l1 - sums.N
        V = sums.Q + sums.bound + ridge + np.abs(G0 - sums.based).sum(axis=1)
        return np.clip(h - np.divide(slope, V, out=np.zeros_like(h), where=V > 0), *between)

    def _solved(self, problem: OwnProblem, aim: float) -> tuple[np.ndarray, np.ndarray]:
        """The solutions of all columns, and how far each is from its own."""
        if not self.limits.held[0]:
            return self.solver.own(problem, aim, COLUMN_SWEEPS)
        Q, B, start, lower, upper, shared = problem
        units = even_units(Q[:, diagonal_places(B.shape[1])].mean(axis=0, dtype=np.float64)).astype(B.dtype)
        outer = pack(np.outer(units, units))
        even = OwnProblem(Q * outer, B * units, start / units, lower / units, upper / units, shared)
        found, violations = self.solver.own(even, aim, COLUMN_SWEEPS)
        return found * units, violations

    @property
    def cost(self) -> float:
        """Most of a pass is Gram matrices."""
        return 10.0

    def visitor_of_given(self, columns: int, n_columns: int, dtype: str) -> SolveObservedRows:
        """What folds given columns of W with what was observed."""
        nothing = np.zeros((columns, n_columns), dtype)
        return SolveObservedRows.for_factor(nothing, Terms(), held=columns, implicit=self.implicit)

    def guess(self, sums: ObservedSums, H: np.ndarray) -> np.ndarray:
        """The update without bounds and L1, given columns of W on the scale of what each alone explains."""
        of_W, H = slice(self.given_columns), H.copy()
        curvature = sums.Q[:, diagonal_places(len(H))[of_W]] + np.diag(sums.based)[of_W]
        H[of_W] = np.divide(sums.N[:, of_W], curvature, out=np.zeros_like(curvature), where=curvature > 0).T
        return replace(self._lenient, diagonal_curvature=False).update(sums, H).H

    def rows_of_given(self, sums: ObservedSums, H: np.ndarray) -> np.ndarray:
        """The best rows of H for given columns of W alone; half of that where rows of H are given too.

        Else biases of columns take what those of rows could explain, and these stay near zero for many passes.
        """
        alone = ObservedLeastSquares(limits=Limits(free=self.limits.free, held=(len(H), 0)), implicit=self.implicit)
        found = alone.update(sums, H).H
        return found / 2 if self.limits.held[1] else found
