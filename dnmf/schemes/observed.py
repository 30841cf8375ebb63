"""Weighted least squares: where not all entries were observed, or count alike, every column has its own Gram matrix."""

from dataclasses import dataclass, field, replace

import numpy as np

from dnmf.constraints import Guides, Limits
from dnmf.kernels.bounds import keep_below, pinned
from dnmf.kernels.packed import completed, diagonal_places, pack, packed_size, times_packed
from dnmf.passes.even_units import even_units
from dnmf.passes.observed_sums import ObservedSums
from dnmf.passes.statistics import Statistics
from dnmf.passes.terms import Terms, shared_curvature
from dnmf.passes.visitors.observed import SolveObservedRows
from dnmf.schemes.balance import Sizes, balance, balances, sizes_of
from dnmf.schemes.constrained import NO_PENALTY, Constrained
from dnmf.schemes.given import with_given, with_given_rows
from dnmf.schemes.normalized import normalize_rows
from dnmf.schemes.scheme import Factors, Measured, SolvedColumns
from dnmf.schemes.terms import terms_of
from dnmf.schemes.updates import OwnProblem

COLUMN_TOLERANCE, COLUMN_SWEEPS = {"float32": 1e-4, "float64": 1e-12}, 2000
NOTHING = 1e-12  # of the weight of other columns, with which a column counts as not observed
LOOSE = 10.0  # times its tolerance, a column counts as not solved


@dataclass(frozen=True, eq=False)
class ObservedLeastSquares(Constrained):
    """``½ Σ ω_ij (a_ij − w_i·h_j)²``, with L1, L2 and angular penalties in the objective, bounds and given parts.

    Attributes
    ----------
    implicit : float
        Confidence in what is there, 0 where entries are values.
    diagonal_curvature : bool
        Whether there is room for the curvature of columns on its diagonal only.
    """

    implicit: float = field(default=0.0, kw_only=True)
    diagonal_curvature: bool = field(default=False, kw_only=True)

    @property
    def descends(self) -> bool:
        """The loss and its penalties."""
        return True

    @property
    def free_scale(self) -> bool:
        """Whether the scale between the factors means nothing."""
        return not self.penalty.in_objective

    @property
    def needs_rows(self) -> bool:
        """Where the scale of a start decides what survives a penalty."""
        return balances(self.penalty)

    @property
    def unhindered(self) -> "ObservedLeastSquares":
        """Without bounds, targets and given columns of W; ridges stay, as rows of few entries need them."""
        limits = Limits(free=self.limits.free, held=(0, self.limits.held[1]))
        penalty = replace(self.penalty, l1=0.0, angular=0.0) if self.penalty.in_objective else NO_PENALTY
        return replace(self, penalty=penalty, limits=limits, guides=Guides(H=self.guides.H))

    @property
    def stand_in(self) -> "ObservedLeastSquares":
        """The same: nothing else knows what was observed."""
        return self.unhindered

    def curvature_size(self, rank: int) -> int:
        """How many numbers a pass folds for the curvature of a column."""
        return rank if self.diagonal_curvature else packed_size(rank)

    def _ridge(self, side: str, k: int) -> np.ndarray:
        """L2 of each component (k,) for each entry that was observed, in W or in H."""
        if not self.penalty.counts:
            return np.zeros(k)
        ridge = np.full(k, self.penalty.l2["WH".index(side)])
        ridge[self._given if side == "W" else slice(self.limits.held[0])] *= self.penalty.beside_given
        return ridge * self._of_H(k) ** 2 if side == "H" else ridge

    def _terms(self, side: str) -> Terms:
        terms = terms_of(self.penalty, side, np.zeros(1), 0.0, self.limits)
        return terms._replace(l2=0.0) if self.penalty.counts else terms

    def visitor(
        self, H: np.ndarray, peak: float = 0.0, tolerance: float | None = None, *, first: bool = False
    ) -> SolveObservedRows:
        """Solve for rows exactly."""
        del peak
        return replace(self._rows_under(self._terms("W"), H, self.limits.held[0], tolerance), first=first)

    def rows_of_model(self, H: np.ndarray, terms: Terms, held: int) -> SolveObservedRows:
        """Solve for rows under the terms of a finished model, beside `held` columns of W."""
        return replace(self._rows_under(terms, H, held, None), diagonal=True, first=True)

    def probe(self, H: np.ndarray) -> SolveObservedRows:
        """Solve for rows under ridges alone and as if none were given."""
        return self.unhindered.visitor(H)

    def _rows_under(self, terms: Terms, H: np.ndarray, held: int, tolerance: float | None) -> SolveObservedRows:
        return SolveObservedRows.for_factor(
            H, terms, tolerance, ridge=self._ridge("W", len(H)), held=held, implicit=self.implicit,
            diagonal=self.diagonal_curvature,
        )  # fmt: skip

    def peak(self, sums: ObservedSums) -> float:
        """Nothing: no penalty is measured by the data."""
        del sums
        return 0.0

    def of_data(self, statistics: Statistics) -> float:
        """``Σ ω a²``."""
        return float(statistics.models[0].whole)

    def measure(self, sums: ObservedSums, H: np.ndarray, of_data: float) -> Measured:
        """Return loss, objective and projected gradient from the sums alone, over what was observed."""
        HT = np.ascontiguousarray(H.T, dtype=np.float64)
        bent = HT @ sums.based if self.diagonal_curvature else times_packed(sums.Q, HT, sums.based)
        slope, explained = bent - sums.N, float(np.vdot(sums.N, HT)) - 0.5 * float(np.vdot(bent, HT))
        if self.diagonal_curvature:
            explained += 0.5 * sums.curved
        whole = 0.5 * of_data
        loss, below = max(0.0, whole - explained), max(0.0, explained - whole) / whole if whole > 0 else 0.0
        objective = loss + (self._sizes(sums, H).total if self.penalty.active else 0.0)
        slope += self._slope_of_penalty(sums, HT)
        slope[:, self._given] = 0
        if not self.limits.is_free("H"):
            np.putmask(slope, pinned(HT, slope, self.limits.upper[1], H.dtype), 0)
        size, alive = float(np.linalg.norm(sums.N)), int(np.count_nonzero((sums.s > 0) & H.any(axis=1)))
        return Measured(loss, objective, float(np.linalg.norm(slope)) / size if size else 0.0, alive, below, whole)

    def loss_of_rows(self, statistics: Statistics, H: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
        """The loss of rows that were solved for with H, and half of what was observed, squared."""
        del weights
        measured = replace(self, penalty=NO_PENALTY, diagonal_curvature=True).measure(
            statistics.models[0], H, self.of_data(statistics)
        )
        return measured.loss, measured.whole

    @property
    def _given(self) -> slice:
        """The components whose rows of H are given: behind those whose columns of W are."""
        first, count = self.limits.held
        return slice(first, first + count)

    @property
    def given_components(self) -> int:
        """How many of the first components have a given factor."""
        return sum(self.limits.held)

    def _of_H(self, k: int) -> np.ndarray:
        """By what rows of H are multiplied where they are penalized (k,): beside given columns, as these were given."""
        scale = np.ones(k)
        if self.guides.W_sums is not None:
            scale[: len(self.guides.W_sums)] = 1 / self.guides.W_sums
        return scale

    def _sizes(self, sums: ObservedSums, H: np.ndarray) -> Sizes:
        of_H, k = self._of_H(len(H)), len(H)
        if not self.penalty.counts:
            return sizes_of(self.penalty, sums, H * of_H[:, None])
        (l1_w, _), (l1_h, _) = self.penalty.on_W, self.penalty.on_H
        sum_of_H = of_H * np.abs(H).sum(axis=1, dtype=np.float64) if l1_h else np.zeros(k)
        squares = np.square(H, dtype=np.float64) @ sums.counts
        ridge_of_W, ridge_of_H = (0.5 * self._ridge(side, k) for side in "WH")
        return Sizes(l1_w * sums.s, ridge_of_W * sums.squares, l1_h * sum_of_H, ridge_of_H * squares)

    def _slope_of_penalty(self, sums: ObservedSums, HT: np.ndarray) -> np.ndarray:
        terms, of_H = self._terms("H"), self._of_H(HT.shape[1])
        added = shared_curvature(terms, HT.shape[1])
        slope = HT * sums.counts[:, None]
        slope *= self._ridge("H", HT.shape[1])
        slope += terms.l1 * of_H
        return slope if added is None else slope + HT @ (added * np.outer(of_H, of_H))

    def counted(self, sums: ObservedSums, H: np.ndarray) -> tuple[ObservedSums, np.ndarray]:
        """Without components that are dead in W."""
        kept = sums.s > 0
        kept[self._given] = True
        return sums, H if kept.all() else np.where(kept[:, None], H, 0).astype(H.dtype)

    def update(self, sums: ObservedSums, H: np.ndarray, tolerance: float | None = None) -> SolvedColumns:
        """Return the next H: exact for each column; on the diagonal, of a bound that is separable (OPL)."""
        h, terms = np.ascontiguousarray(H.T), self._terms("H")
        between = self._between(sums, h, terms)
        if self.diagonal_curvature:
            found, unsolved = self._least_bound(sums, h, terms, between), 0
        else:
            aim = COLUMN_TOLERANCE[str(H.dtype)] if tolerance is None else tolerance
            G0, ridge = self._curvature(sums, terms)
            B = (sums.N - terms.l1 * self._of_H(len(H))).astype(H.dtype)
            Q = completed(sums.Q, G0, ridge, H.dtype)  # little may be left of what all share
            found, violations = self._solved(OwnProblem(Q, B, h, *between, np.zeros_like(G0, H.dtype)), aim)
            unsolved = int(np.count_nonzero(violations > LOOSE * aim))
        X = keep_below(np.ascontiguousarray(found.T, H.dtype), terms.upper)
        return SolvedColumns(normalize_rows(X, self.limits.held[0])[0] if self.free_scale else X, unsolved=unsolved)

    def _between(self, sums: ObservedSums, h: np.ndarray, terms: Terms) -> tuple[np.ndarray, np.ndarray]:
        """The bounds of every entry of h (n, k): what is given stays, what nothing was observed of is zero."""
        lower, upper = np.full_like(h, -np.inf if terms.free else 0.0), np.full_like(h, terms.upper)
        # What Gram matrices come to where nothing is left is rounding.
        nothing = sums.counts <= NOTHING * sums.counts.max(initial=0)
        lower[nothing] = upper[nothing] = 0
        lower[:, self._given] = upper[:, self._given] = h[:, self._given]
        return lower, upper

    def _curvature(self, sums: ObservedSums, terms: Terms) -> tuple[np.ndarray, np.ndarray]:
        """What Gram matrices of columns have in common (k, k), and the ridge of each (n, k)."""
        k = len(sums.s)
        of_H, added = self._of_H(k), shared_curvature(terms, k)
        G0 = sums.based if added is None else sums.based + added * np.outer(of_H, of_H)
        return G0, np.multiply.outer(sums.counts, self._ridge("H", k))

    def _least_bound(
        self, sums: ObservedSums, h: np.ndarray, terms: Terms, between: tuple[np.ndarray, np.ndarray]
    ) -> np.ndarray:
        """The h at which a separable bound of the objective is least."""
        h, (G0, ridge) = h.astype(np.float64), self._curvature(sums, terms)
        slope = h @ G0 + ridge * h + terms.l1 * self._of_H(h.shape[1]) - sums.N
        V = np.abs(sums.Q + sums.based.sum(axis=1)) + ridge + np.abs(G0 - sums.based).sum(axis=1)
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

    def scale(self, after: np.ndarray, before: np.ndarray, sums: ObservedSums) -> tuple[np.ndarray, np.ndarray]:
        """Return both on the scale of least penalty; what is given keeps its own."""
        if not balances(self.penalty):
            return after, before
        t = balance(self._sizes(sums, after))
        t[: self.given_components] = 1.0
        of_W, of_H = self.limits.upper
        t = t if of_W == np.inf else np.minimum(t, 1.0)
        t = t if of_H == np.inf else np.maximum(t, after.max(axis=1, initial=0) / of_H)
        scale = (1 / t)[:, None].astype(after.dtype)
        return keep_below(after * scale, of_H), before * scale

    def project(self, H: np.ndarray, plain: np.ndarray) -> np.ndarray:
        """Cut off what is negative or above a bound; given rows stay, others sum to one where scale is free."""
        H = H if self.limits.is_free("H") else keep_below(np.maximum(H, 0), self.limits.upper[1])
        H[self._given] = plain[self._given]
        return normalize_rows(H, self.limits.held[0])[0] if self.free_scale else H

    def factors(self, sums: ObservedSums, H: np.ndarray, peak: float, *, transposed: bool) -> Factors:
        """The factors but for W; rows of a transposed one are solved as the columns of H were, with the other terms."""
        del peak
        of_H, h_scale = normalize_rows(self.counted(sums, H)[1])
        w_scale, d = with_given(sums.s, self.guides.W_sums), sums.s * h_scale
        scales = (sums.s, h_scale) if transposed else (h_scale, w_scale)
        return Factors(None, d, of_H, *scales, self._terms("H" if transposed else "W"))

    def enter(self, H: np.ndarray) -> np.ndarray:
        """Return a start with its given rows, rows brought to sum one where scale is free."""
        H = self.ordered(H)
        return normalize_rows(H, self.limits.held[0])[0] if self.free_scale else H

    def ordered(self, H: np.ndarray) -> np.ndarray:
        """Return a start with its given rows behind those of given columns of W."""
        first = self.limits.held[0]
        return np.concatenate([H[:first], with_given_rows(H[first:], self.guides)])

    def settle(self, sums: ObservedSums, H: np.ndarray, rows: int, all_rows: int) -> tuple[np.ndarray, float]:
        """Return the start on the scale of least penalty."""
        times = all_rows / rows
        whole = replace(
            sums, G=sums.G * times, s=sums.s * times, squares=sums.squares * times, counts=sums.counts * times
        )
        return self.scale(H, H, whole)[0], 0.0

    @property
    def cost(self) -> float:
        """Most of a pass is Gram matrices."""
        return 10.0

    def visitor_of_given(self, columns: int, n_columns: int, dtype: str) -> SolveObservedRows:
        """What folds given columns of W with what was observed."""
        nothing = np.zeros((columns, n_columns), dtype)
        return SolveObservedRows.for_factor(nothing, Terms(), held=columns, implicit=self.implicit)

    def guess(self, sums: ObservedSums, H: np.ndarray) -> np.ndarray:
        """The update without bounds and L1."""
        return replace(self.unhindered, diagonal_curvature=False).update(sums, H).H

    def start_for(self, sums: ObservedSums, H: np.ndarray) -> np.ndarray:
        """The same: the first pass solves for rows anyway."""
        return self.guess(sums, H)

    def rows_of_given(self, sums: ObservedSums, H: np.ndarray) -> np.ndarray:
        """The best rows of H for given columns of W alone; half of that where rows of H are given too.

        Else biases of columns take what those of rows could explain, and these stay near zero for many passes.
        """
        alone = ObservedLeastSquares(limits=Limits(free=self.limits.free, held=(len(H), 0)), implicit=self.implicit)
        found = alone.update(sums, H).H
        return found / 2 if self.limits.held[1] else found
