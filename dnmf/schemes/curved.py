"""Losses whose curvature is their own in every entry: what the columns of H make of the sums of a pass."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.kernels.bounds import keep_below, pinned
from dnmf.kernels.packed import times_packed
from dnmf.losses import Loss
from dnmf.passes.methods import OwnProblem
from dnmf.passes.own_sums import OwnSums
from dnmf.passes.statistics import Statistics
from dnmf.passes.terms import Terms
from dnmf.passes.visitors.curved import SolveCurvedRows
from dnmf.passes.visitors.visitor import Visitor
from dnmf.passes.work import Demands
from dnmf.schemes.above_zero import FLOOR, above_zero
from dnmf.schemes.least_squares import LeastSquares
from dnmf.schemes.observed import ObservedLeastSquares
from dnmf.schemes.own_curvature import OwnCurvature
from dnmf.schemes.scheme import Measured, Scheme, SolvedColumns

LEFT = 0.1  # of a column whose every entry a step would take away
SAMPLE_PASSES = 6
LEAST_SHARE = 0.02  # of the mean of its column: what an entry at zero that should rise counts as
COLUMN_SWEEPS, COLUMN_TOLERANCE = 50, 1e-4  # of a problem that is itself but a model


@dataclass(frozen=True, eq=False)
class Divergence(OwnCurvature):
    """A loss of its own curvature, L1, L2 and angular penalties in the objective, bounds and given parts.

    Attributes
    ----------
    loss : Loss
        Of an entry.
    observed : bool
        Whether entries that are not seen are unknown; else they are zero.
    """

    loss: Loss = field(kw_only=True)
    observed: bool = field(default=False, kw_only=True)

    @property
    def exact(self) -> bool:
        """Not so: an update is a step of Newton's method, and rows of a loss that is not convex may have two minima."""
        return False

    @property
    def loss_name(self) -> str:
        """As the loss has it."""
        return self.loss.name

    @property
    def first_extrapolated(self) -> int:
        """At once: a start has gone this way for some passes already."""
        return 1

    @property
    def demands(self) -> Demands:
        """No values below zero, or none there either: the loss has it so."""
        return Demands(
            above_zero=self.loss.above_zero,
            not_negative=f"values that are not negative where loss={self.loss.name!r}: leave negative ones out of "
            "account with a mask= of the others, or use loss='frobenius' with Constraints(free='W'), --free W",
        )

    @property
    def zeros_are_linear(self) -> bool:
        """Whether zeros cost what is linear in their predictions, so that none is looked at."""
        return self.loss.zeros_are_linear(observed=self.observed)

    @property
    def stand_in(self) -> Scheme:
        """What starts are raced for: least squares of scaled data, this itself where not all is observed."""
        own = self.unhindered
        return own if self.observed else LeastSquares(limits=own.limits, guides=own.guides)

    @property
    def power(self) -> float:
        """As the loss has it; 0 where not all is observed."""
        return 0.0 if self.observed else self.loss.power

    @property
    def degree(self) -> float:
        """What the power of a likelihood leaves of least squares; 0 for other losses, of which it is not known."""
        return max(0.0, 2.0 - self.loss.power) if self.loss.power else 0.0

    @property
    def power_damps(self) -> bool:
        """Whether columns with little in them are to count for less than their variance says."""
        return self.loss.zero_is_free

    @property
    def sample_passes(self) -> int:
        """Some, where least squares stood in."""
        return 0 if self.observed else SAMPLE_PASSES

    @property
    def sample_times(self) -> int:
        """Four times as large: a pass over all rows costs many times what one of least squares does."""
        return 4

    @property
    def cost(self) -> float:
        """Rows and columns take Gram matrices of their own, several times over."""
        return 15.0

    @property
    def _squares(self) -> LeastSquares | ObservedLeastSquares:
        """Least squares of the same entries, for a guess."""
        return ObservedLeastSquares() if self.observed else LeastSquares()

    def visitor_of_given(self, columns: int, n_columns: int, dtype: str) -> Visitor:
        """That of least squares."""
        return self._squares.visitor_of_given(columns, n_columns, dtype)

    def guess(self, sums: Any, H: np.ndarray) -> np.ndarray:
        """The start that is best for the W behind these sums of least squares."""
        return self.enter(self._squares.update(sums, H).H)

    def rows_of_given(self, sums: Any, H: np.ndarray) -> np.ndarray:
        """The best rows of H for given columns of W alone, by least squares, none of them at zero."""
        return above_zero(self._squares.rows_of_given(sums, H))

    def loss_of_rows(self, statistics: Statistics, H: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
        """The loss of rows that were solved for with H, and that of the means of rows."""
        del H, weights
        return float(statistics.models[0].value), self.of_data(statistics)

    def _rows_under(
        self, terms: Terms, H: np.ndarray, held: int, tolerance: float | None, *, first: bool
    ) -> SolveCurvedRows:
        return SolveCurvedRows.for_factor(
            self.loss, H, terms, held=held, observed=self.observed, diagonal=self.diagonal_curvature,
            tolerance=tolerance, first=first,
        )  # fmt: skip

    def measure(self, sums: OwnSums, H: np.ndarray, whole: float) -> Measured:
        """Return loss, objective and projected gradient; the loss is that of the pass itself.

        Raises
        ------
        InputError
            The loss is below zero: it is none of which shares can be explained. Or it is infinite whatever the rest of
            the model is.
        """
        _refuse_negative(self.loss, min(sums.value, whole))
        _refuse_unreached(self.loss, sums.unreached)
        HT, sums = np.ascontiguousarray(H.T, dtype=np.float64), usable_sums(sums)[0]
        of_H = self._scale_of_given(sums, H)[1]
        slope = -self._pulls(sums)
        if self.penalty.active:
            l1, G0 = self._side_terms(of_H)
            slope += l1 + HT @ G0
        slope[pinned(HT, slope, self.limits.upper[1], H.dtype)] = 0
        slope[:, self.given_rows] = 0
        slope[:, of_H == 0] = 0
        alive = int(np.count_nonzero((sums.s > 0) & H.any(axis=1)))
        gradient = _violation(slope, HT, self._mass(sums, HT))
        return Measured(sums.value, sums.value + self._value_of_penalty(sums, H), gradient, alive, 0.0, whole)

    def _mass(self, sums: OwnSums, HT: np.ndarray) -> np.ndarray:
        """What keeps each entry where it is (n, k): the curvature times H, for counts the mass that is explained."""
        return sums.N if self.diagonal_curvature else times_packed(sums.Q, HT)

    def _pulls(self, sums: OwnSums) -> np.ndarray:
        """``Σ_i r_ij w_i`` of each column (n, k), that of the linear part included."""
        return sums.N if self.observed else sums.N - self.loss.linear * sums.s

    def update(self, sums: OwnSums, H: np.ndarray, tolerance: float | None = None) -> SolvedColumns:
        """Return the next H: each column at the best multiple of itself, then a step of Newton's method from there."""
        del tolerance  # what is near enough follows from the curvature
        return SolvedColumns(self._normalized(self._moved(sums, H)))

    def columns_beside(self, seen: OwnSums, beside: OwnSums, start: np.ndarray) -> np.ndarray:
        """Return H in other columns of the data a step on from `start`, for W as it is in the sums of both.

        Where predictions have to be above zero, none of it is below a small share of what its column has.
        """
        del seen
        return self._above_least(self._moved(beside, start))

    def _above_least(self, found: np.ndarray) -> np.ndarray:
        """H with a small share of what its columns have wherever predictions have to be above zero."""
        if not self.loss.positive:
            return found
        least = LEAST_SHARE * found.mean(axis=0)
        return np.maximum(found, np.maximum(least, LEAST_SHARE * least.mean())).astype(found.dtype)

    def folds_given(self, H: np.ndarray) -> Visitor:
        """Return what folds rows of W that are given, all of their components, with the columns of `H`."""
        return self._rows_under(Terms(), H, len(H), None, first=False)

    def _moved(self, sums: OwnSums, H: np.ndarray) -> np.ndarray:
        """The next H on the scale of W."""
        h, (sums, usable) = np.ascontiguousarray(H.T, dtype=np.float64), usable_sums(sums)
        of_H, upper = self._scale_of_given(sums, H)[1], self.limits.upper[1]
        t, N, shrunk = self._on_ray(sums, self._pulls(sums), h)
        h *= t[:, None]
        l1, G0 = self._side_terms(of_H)
        bounds = (1 - self.loss.most_shrink) * h, np.full_like(h, upper)
        self._hold(bounds, h, of_H)
        found = self._stepped(sums.Q * shrunk[:, None], h, l1 + h @ G0 - N, bounds, G0)
        self._keep_alive(found, h, sums)
        found[~usable] = H.T[~usable]
        return keep_below(found.T.astype(H.dtype), upper)

    def _stepped(
        self, Q: np.ndarray, h: np.ndarray, slope: np.ndarray, bounds: tuple[np.ndarray, np.ndarray], G0: np.ndarray
    ) -> np.ndarray:
        """Where the quadratic models of columns at `h` with these slopes are least, on the diagonal a bound of them."""
        if self.diagonal_curvature:
            V = Q + G0.sum(axis=1)
            return np.clip(h - np.divide(slope, V, out=np.zeros_like(h), where=V > 0), *bounds)
        B = times_packed(Q, h) + h @ G0 - slope
        return self.solver.own(OwnProblem(Q, B, h, *bounds, G0), COLUMN_TOLERANCE, COLUMN_SWEEPS)[0]

    def _keep_alive(self, found: np.ndarray, h: np.ndarray, sums: OwnSums) -> None:
        """Leave a little of columns that would be zero where none may be, and nothing of those without data."""
        if self.loss.positive and self.loss.forbids_zero:
            gone = ~found.any(axis=1)
            found[gone] = LEFT * h[gone]
        free = np.ones(h.shape[1], bool)
        free[self.given_rows] = False
        found[np.ix_(self._empty(sums, h), free)] = 0

    def _empty(self, sums: OwnSums, h: np.ndarray) -> np.ndarray:
        """The columns (n,) of which nothing was observed, or whose data is zeros that are linear."""
        if self.observed:
            return ~np.logical_or(sums.N.any(axis=1), sums.Q.any(axis=1))
        if self.zeros_are_linear and self.loss.positive:
            return ~(np.einsum("jq,jq->j", sums.N, h) > 0)
        return np.zeros(len(h), bool)

    def _on_ray(self, sums: OwnSums, N: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where columns are best on the ray through themselves, if that is known and nothing else holds them."""
        ones = np.ones(len(h))
        if self.penalty.active or self.limits.bounded or self.limits.held[1]:
            return ones, N, ones
        if not self.diagonal_curvature:
            return self.loss.on_ray(N, times_packed(sums.Q, h), h)
        if not self.zeros_are_linear:
            return ones, N, ones
        return self.loss.on_ray(N, sums.N, h)  # the linear part is known apart

    def _least_of(self, plain: np.ndarray) -> np.ndarray | float:
        """Some of the plain update, where predictions have to be above zero."""
        least = super()._least_of(plain)
        return np.maximum(least, FLOOR * plain) if self.loss.positive else least

    def enter(self, H: np.ndarray) -> np.ndarray:
        """Return a start with its given rows, nothing of it at zero where predictions must be positive."""
        H = self._normalized(H)
        return super().enter(above_zero(H) if self.loss.positive else H)


def _refuse_negative(loss: Loss, total: float) -> None:
    if total < 0:
        raise InputError(
            f"loss={loss.name!r} comes to {total:.6g} over all entries, below zero, so that no share of it can be "
            "explained; add to its value what does not depend on the prediction, for 0 where that is the entry"
        )


def _refuse_unreached(loss: Loss, rows: int) -> None:
    if rows:
        raise InputError(
            f"loss={loss.name!r}: {rows:,} rows have values in columns where H is 0 in every component, as given "
            "rows of H (fixed_H) have it, so that the loss is infinite; leave these columns out of the data, give H a "
            "little there, or add a component that is free"
        )


def usable_sums(sums: OwnSums) -> tuple[OwnSums, np.ndarray]:
    """Return sums with nothing in columns whose curvature is infinite in the dtype of the fit; which are others (n,).

    That of a value which a model of all but zeros is to predict is; what is said of its column then is all lost.
    """
    usable = np.isfinite(sums.Q).all(axis=1) & np.isfinite(sums.N).all(axis=1)
    if usable.all():
        return sums, usable
    N, Q = (np.where(usable[:, None], each, 0.0) for each in (sums.N, sums.Q))
    return replace(sums, N=N, Q=Q), usable


def _violation(slope: np.ndarray, HT: np.ndarray, mass: np.ndarray) -> float:
    """How far H is from stationary: the slope along each entry in proportion to its size, relative to its mass.

    An entry that should rise counts as if it had a small share of its column.
    """
    least = LEAST_SHARE * HT.mean(axis=1, keepdims=True)
    size = float(np.linalg.norm(mass * HT))
    moved = slope * np.where(slope < 0, np.maximum(HT, least), HT)
    return float(np.linalg.norm(moved)) / size if size else 0.0
