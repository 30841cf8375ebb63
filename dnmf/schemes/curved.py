"""Losses whose curvature is their own in every entry: what the columns of H make of the sums of a pass."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dnmf.constraints import Guides, Limits
from dnmf.errors import InputError
from dnmf.kernels.bounds import keep_below, pinned
from dnmf.kernels.packed import packed_size, times_packed
from dnmf.losses import Loss
from dnmf.passes.own_sums import OwnSums
from dnmf.passes.statistics import Statistics
from dnmf.passes.terms import Terms, shared_curvature
from dnmf.passes.visitors.curved import SolveCurvedRows
from dnmf.passes.visitors.visitor import Visitor
from dnmf.schemes.balance import balance, balances, sizes_of
from dnmf.schemes.constrained import NO_PENALTY, Constrained
from dnmf.schemes.given import with_given, with_given_rows
from dnmf.schemes.least_squares import LeastSquares
from dnmf.schemes.normalized import normalize_rows
from dnmf.schemes.observed import ObservedLeastSquares
from dnmf.schemes.scheme import Factors, Measured, Scheme, SolvedColumns
from dnmf.schemes.terms import terms_of
from dnmf.schemes.updates import OwnProblem

LEFT = 0.1  # of a column whose every entry a step would take away
FLOOR = 0.1  # of what the plain update has: an extrapolated H is not below it
SAMPLE_PASSES = 6
BARELY = 0.02
COLUMN_SWEEPS, COLUMN_TOLERANCE = 50, 1e-4  # of a problem that is itself but a model


@dataclass(frozen=True, eq=False)
class Divergence(Constrained):
    """A loss of its own curvature, L1, L2 and angular penalties in the objective, bounds and given parts.

    Attributes
    ----------
    loss : Loss
        Of an entry.
    observed : bool
        Whether entries that are not seen are unknown; else they are zero.
    diagonal_curvature : bool
        Whether there is room for the curvature of columns on its diagonal only.
    """

    loss: Loss = field(kw_only=True)
    observed: bool = field(default=False, kw_only=True)
    diagonal_curvature: bool = field(default=False, kw_only=True)

    @property
    def descends(self) -> bool:
        """The loss and its penalties."""
        return True

    @property
    def exact(self) -> bool:
        """Not so: an update is a step of Newton's method, and rows of a loss that is not convex may have two minima."""
        return False

    @property
    def first_extrapolated(self) -> int:
        """At once: a start has gone this way for some passes already."""
        return 1

    @property
    def free_scale(self) -> bool:
        """Whether the scale between the factors means nothing."""
        return not self.penalty.in_objective

    @property
    def above_zero(self) -> bool:
        """As the loss has it."""
        return self.loss.above_zero

    @property
    def needs_rows(self) -> bool:
        """Where the scale of a start decides what survives a penalty."""
        return balances(self.penalty)

    @property
    def unhindered(self) -> "Divergence":
        """Without penalties, bounds and given columns of W."""
        limits, guides = Limits(held=(0, self.limits.held[1])), Guides(H=self.guides.H)
        return replace(self, penalty=NO_PENALTY, limits=limits, guides=guides)

    def visitor(
        self, H: np.ndarray, peak: float = 0.0, tolerance: float | None = None, *, first: bool = False
    ) -> SolveCurvedRows:
        """Solve for rows by Newton's method."""
        del peak
        terms = terms_of(self.penalty, "W", np.zeros(len(H)), 0.0, self.limits)
        return self._rows_under(terms, H, self.limits.held[0], tolerance, first=first)

    def rows_of_model(self, H: np.ndarray, terms: Terms, held: int) -> SolveCurvedRows:
        """Solve for rows under the terms of a finished model, beside `held` columns of W."""
        rows = replace(self, diagonal_curvature=True)  # nobody asks for the curvature of its columns
        return rows._rows_under(terms, H, held, None, first=True)

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

    def curvature_size(self, rank: int) -> int:
        """How many numbers a pass folds for the curvature of a column."""
        return rank if self.diagonal_curvature else packed_size(rank)

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

    def start_for(self, sums: Any, H: np.ndarray) -> np.ndarray:
        """The same: the first pass solves for rows anyway."""
        return self.guess(sums, H)

    def rows_of_given(self, sums: Any, H: np.ndarray) -> np.ndarray:
        """The best rows of H for given columns of W alone, by least squares, none of them at zero."""
        found = self._squares.rows_of_given(sums, H)
        return np.maximum(found, (FLOOR_OF_START * found.mean(axis=1, keepdims=True)).astype(found.dtype))

    def loss_of_rows(self, statistics: Statistics, H: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
        """The loss of rows that were solved for with H, and that of the means of rows."""
        del H, weights
        return float(statistics.models[0].value), self.of_data(statistics)

    def probe(self, H: np.ndarray) -> SolveCurvedRows:
        """Solve for rows without a penalty and as if none were given."""
        return self.unhindered.visitor(H)

    def _rows_under(
        self, terms: Terms, H: np.ndarray, held: int, tolerance: float | None, *, first: bool
    ) -> SolveCurvedRows:
        return SolveCurvedRows.for_factor(
            self.loss, H, terms, held=held, observed=self.observed, diagonal=self.diagonal_curvature,
            tolerance=tolerance, first=first,
        )  # fmt: skip

    def peak(self, sums: OwnSums) -> float:
        """Nothing: no penalty is measured by the data."""
        del sums
        return 0.0

    def of_data(self, statistics: Statistics) -> float:
        """The loss of a model that predicts the mean of each row."""
        return float(statistics.models[0].whole)

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
        HT, sums = np.ascontiguousarray(H.T, dtype=np.float64), _usable(sums)[0]
        slope, objective = -self._pulls(sums), sums.value
        if self.penalty.active:
            terms = self._terms_for_H()
            objective += sizes_of(self.penalty, sums, H).total
            slope += terms.l1 + HT @ self._shared(terms, len(H))
        slope[pinned(HT, slope, self.limits.upper[1], H.dtype)] = 0
        slope[:, : self.limits.held[1]] = 0
        alive = int(np.count_nonzero((sums.s > 0) & H.any(axis=1)))
        return Measured(sums.value, objective, _violation(slope, HT, self._mass(sums, HT)), alive, 0.0, whole)

    def _mass(self, sums: OwnSums, HT: np.ndarray) -> np.ndarray:
        """What keeps each entry where it is (n, k): the curvature times H, for counts the mass that is explained."""
        return sums.N if self.diagonal_curvature else times_packed(sums.Q, HT)

    def _pulls(self, sums: OwnSums) -> np.ndarray:
        """``Σ_i r_ij w_i`` of each column (n, k), that of the linear part included."""
        return sums.N if self.observed else sums.N - self.loss.linear * sums.s

    def _terms_for_H(self) -> Terms:
        return terms_of(self.penalty, "H", np.zeros(1), 0.0, self.limits)

    @staticmethod
    def _shared(terms: Terms, k: int) -> np.ndarray:
        found = shared_curvature(terms, k)
        return np.zeros((k, k)) if found is None else found

    def counted(self, sums: OwnSums, H: np.ndarray) -> tuple[OwnSums, np.ndarray]:
        """Without components that are dead in W."""
        kept = (sums.s > 0) | (np.arange(len(H)) < self.limits.held[1])
        return sums, H if kept.all() else np.where(kept[:, None], H, 0).astype(H.dtype)

    def update(self, sums: OwnSums, H: np.ndarray, tolerance: float | None = None) -> SolvedColumns:
        """Return the next H: each column at the best multiple of itself, then a step of Newton's method from there."""
        del tolerance  # what is near enough follows from the curvature
        h, (sums, usable) = np.ascontiguousarray(H.T, dtype=np.float64), _usable(sums)
        N = self._pulls(sums)
        t, N, shrunk = self._on_ray(sums, N, h)
        h *= t[:, None]
        terms, held = self._terms_for_H(), self.limits.held[1]
        G0 = self._shared(terms, len(H))
        slope = terms.l1 + h @ G0 - N
        least = (1 - self.loss.most_shrink) * h
        most = np.full_like(h, terms.upper)
        least[:, :held] = most[:, :held] = h[:, :held]
        if self.diagonal_curvature:
            V = sums.Q * shrunk[:, None] + G0.sum(axis=1)
            found = np.clip(h - np.divide(slope, V, out=np.zeros_like(h), where=V > 0), least, most)
        else:
            found = self._newton(sums.Q * shrunk[:, None], h, slope, (least, most), G0)
        if self.loss.positive:
            self._keep_alive(found, h, sums.N)
        found[~usable] = H.T[~usable]
        X = keep_below(found.T.astype(H.dtype), terms.upper)
        return SolvedColumns(normalize_rows(X, self.limits.held[0])[0] if self.free_scale else X)

    def _keep_alive(self, found: np.ndarray, h: np.ndarray, N: np.ndarray) -> None:
        """Leave a little of columns that would be zero everywhere, unless there is no data in them."""
        gone = ~found.any(axis=1)
        found[gone] = LEFT * h[gone]
        if self.loss.zero_is_free and not self.observed:
            found[~(np.einsum("jq,jq->j", N, h) > 0), self.limits.held[1] :] = 0

    def _on_ray(self, sums: OwnSums, N: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where columns are best on the ray through themselves, if that is known and nothing else holds them."""
        ones = np.ones(len(h))
        if self.penalty.active or self.limits.bounded or self.limits.held[1]:
            return ones, N, ones
        if not self.diagonal_curvature:
            return self.loss.on_ray(N, times_packed(sums.Q, h), h)
        if self.observed or not self.loss.zero_is_free:
            return ones, N, ones
        return self.loss.on_ray(N, sums.N, h)  # the linear part is known apart

    def _newton(
        self, Q: np.ndarray, h: np.ndarray, slope: np.ndarray, bounds: tuple[np.ndarray, np.ndarray], G0: np.ndarray
    ) -> np.ndarray:
        B = times_packed(Q, h) + h @ G0 - slope
        problem = OwnProblem(Q, B, h, *bounds, G0)
        return self.solver.own(problem, COLUMN_TOLERANCE, COLUMN_SWEEPS)[0]

    def scale(self, after: np.ndarray, before: np.ndarray, sums: OwnSums) -> tuple[np.ndarray, np.ndarray]:
        """Return both on the scale of least penalty."""
        if not balances(self.penalty):
            return after, before
        t = balance(sizes_of(self.penalty, sums, after))
        t[: self.limits.held[0]] = 1.0
        of_W, of_H = self.limits.upper
        t = t if of_W == np.inf else np.minimum(t, 1.0)
        t = t if of_H == np.inf else np.maximum(t, after.max(axis=1, initial=0) / of_H)
        scale = (1 / t)[:, None]
        return keep_below((after * scale).astype(after.dtype), of_H), (before * scale).astype(after.dtype)

    def project(self, H: np.ndarray, plain: np.ndarray) -> np.ndarray:
        """Keep what is positive so, and below a bound; bring rows to sum one where scale is free."""
        H = keep_below(np.maximum(H, FLOOR * plain if self.loss.positive else 0), self.limits.upper[1])
        return normalize_rows(H, self.limits.held[0])[0] if self.free_scale else H

    def factors(self, sums: OwnSums, H: np.ndarray, peak: float, *, transposed: bool) -> Factors:
        """The factors but for W; rows of a transposed one are solved as the columns of H were, with the other terms."""
        del peak
        of_H, h_scale = normalize_rows(self.counted(sums, H)[1])
        side, w_scale = "H" if transposed else "W", with_given(sums.s, self.guides.W_sums)
        terms = terms_of(self.penalty, side, np.zeros(1), 0.0, self.limits)
        d = sums.s * h_scale
        return Factors(None, d, of_H, *((sums.s, h_scale) if transposed else (h_scale, w_scale)), terms)

    def enter(self, H: np.ndarray) -> np.ndarray:
        """Return a start with its given rows, nothing of it at zero where predictions must be positive."""
        H = normalize_rows(H)[0] if self.free_scale else H
        if self.loss.positive:
            H = np.maximum(H, (FLOOR_OF_START * H.mean(axis=1, keepdims=True)).astype(H.dtype))
        H = with_given_rows(H, self.guides)
        return normalize_rows(H, self.limits.held[0])[0] if self.free_scale else H

    def ordered(self, H: np.ndarray) -> np.ndarray:
        """Return the start as it is: nothing is pulled to a target."""
        return H

    def settle(self, sums: OwnSums, H: np.ndarray, rows: int, all_rows: int) -> tuple[np.ndarray, float]:
        """Return the start on the scale of least penalty."""
        times = all_rows / rows
        whole = OwnSums(sums.G * times, sums.s * times, sums.N, sums.Q)
        return self.scale(H, H, whole)[0], 0.0


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


def _usable(sums: OwnSums) -> tuple[OwnSums, np.ndarray]:
    """The sums with nothing in columns whose curvature is infinite in the dtype of the fit; which columns are others.

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
    barely = BARELY * HT.mean(axis=1, keepdims=True)
    size = float(np.linalg.norm(mass * HT))
    moved = slope * np.where(slope < 0, np.maximum(HT, barely), HT)
    return float(np.linalg.norm(moved)) / size if size else 0.0


FLOOR_OF_START = 1e-2  # of the mean of its row, alike for all components: neutral to W, and no entry stays at zero
