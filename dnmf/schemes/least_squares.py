"""Least squares: ``½‖A − WH‖²`` from the sums of a pass that all rows and all columns share."""

from dataclasses import dataclass, replace

import numpy as np

from dnmf.arithmetic import at_least_zero
from dnmf.constraints import Guides, Limits
from dnmf.kernels.bounds import keep_below
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.statistics import ModelSums, Statistics
from dnmf.passes.terms import Terms
from dnmf.passes.visitors.solve import SolveRows
from dnmf.penalty import Penalty
from dnmf.schemes.column_blocks import SharedProblem
from dnmf.schemes.columns import Aim
from dnmf.schemes.constrained import Constrained
from dnmf.schemes.diagonal import gain_of_diagonal
from dnmf.schemes.given import in_targets_order, with_given, with_given_rows
from dnmf.schemes.guided import GuidedColumns
from dnmf.schemes.normalized import living_rows, normalize_rows, within
from dnmf.schemes.scheme import Factors, Measured, SolvedColumns
from dnmf.schemes.slopes import Pull, SideTerms, Slopes, slopes_of
from dnmf.schemes.solved_ahead import SolvedAhead
from dnmf.schemes.terms import mean_of_living, pulls_of, terms_of


@dataclass(frozen=True, eq=False)
class LeastSquares(Constrained):
    """Least squares without a penalty: the scale between the factors is free, and rows of H sum to one."""

    @property
    def descends(self) -> bool:
        """The loss."""
        return True

    @property
    def refines(self) -> bool:
        """Where nothing but the loss is minimized, exactly, and nothing of W is given."""
        return self.descends and self.exact_rows and self.solver.exact and self.free_scale and self.given is None

    @property
    def free_scale(self) -> bool:
        """Whether the scale between the factors means nothing, and is shared out after each half step."""
        return self.penalty.diagonal

    @property
    def needs_rows(self) -> bool:
        """Only penalties are measured by the data."""
        return self.penalty.needs_peak

    @property
    def unhindered(self) -> "LeastSquares":
        """Without penalties, bounds, targets and given columns of W."""
        limits = Limits(free=self.limits.free, held=(0, self.limits.held[1]))
        return LeastSquares(limits=limits, guides=Guides(H=self.guides.H))

    @property
    def stand_in(self) -> "LeastSquares":
        """The same."""
        return self.unhindered

    def visitor(
        self, H: np.ndarray, peak: float = 0.0, tolerance: float | None = None, *, first: bool = False
    ) -> SolveRows:
        """Solve for rows exactly, or to a `tolerance`."""
        del first  # every pass that checks the data says it
        signed, held, peaks = self.limits.is_free("H"), self.limits.held[0], self.penalty.needs_peak
        method = self.method_of_rows
        return solve_for_rows(
            H, self.terms_for_W(H, peak), tolerance, signed=signed, held=held, peaks=peaks, method=method
        )

    def rows_of_model(self, H: np.ndarray, terms: Terms, held: int) -> SolveRows:
        """Solve for rows under the terms of a finished model, beside `held` columns of W."""
        return solve_for_rows(H, terms, signed=self.limits.is_free("H"), held=held)

    def probe(self, H: np.ndarray) -> SolveRows:
        """Solve for rows without a penalty and as if none were given."""
        terms, peaks = Terms(free=self.limits.is_free("W")), self.penalty.needs_peak
        return solve_for_rows(H, terms, signed=self.limits.is_free("H"), peaks=peaks)

    def peak(self, sums: ModelSums) -> float:
        """The largest right-hand side of the rows."""
        return float(sums.peaks.max(initial=0))

    def terms_for_W(self, H: np.ndarray, peak: float) -> Terms:
        """Return the terms of the pass that is made with `H` (k, n); `peak` is what the pass before noted."""
        if not self.penalty.measured_by_data:
            return terms_of(self.penalty, "W", self.limits)
        wide = H[self.limits.held[0] :].astype(np.float64, copy=False)  # nothing is solved for the others
        unit = mean_of_living(np.einsum("ij,ij->i", wide, wide))
        return terms_of(self.penalty, "W", self.limits, peak=peak, unit=unit)

    def terms_for_H(self, sums: ModelSums, scale: np.ndarray) -> Terms:
        """Return the terms of the update of H for a W whose columns are divided by `scale` (k,)."""
        if not self.penalty.measured_by_data:
            return terms_of(self.penalty, "H", self.limits)
        peak = float((sums.P.max(axis=0, initial=0) / scale).max(initial=0)) if self.penalty.l1[1] > 0 else 0.0
        return terms_of(self.penalty, "H", self.limits, peak=peak, unit=mean_of_living(np.diag(sums.G) / scale**2))

    def column_scale(self, sums: ModelSums) -> np.ndarray:
        """Return what the columns of W are divided by before H is solved for (k,): ones where scale is not free."""
        return np.where(sums.s > 0, sums.s, 1.0) if self.free_scale else np.ones(len(sums.s))

    def solve(
        self, sums: ModelSums, H: np.ndarray, tolerance: float | None = None, *, scaled: bool = True
    ) -> SolvedColumns:
        """Return the H (k, n) for the W behind `sums`: exact non-negative least squares, columns independent.

        Where the scale of the factors is no part of the problem the columns of W are first brought to sum one (``D``
        from `s`: ``G → D⁻¹GD⁻¹``, ``P → D⁻¹P``): the diagonal, applied once per pass, touches no panel.

        Parameters
        ----------
        sums : ModelSums
            Of a whole pass.
        H : ndarray (k, n)
            Where the solver starts; its dtype is that of the result.
        tolerance : float, optional
            To which coordinate descent solves, and nothing else; by default columns are solved exactly.
        scaled : bool
            False leaves the columns of W as they came.
        """
        scale = self.column_scale(sums) if scaled else np.ones(len(sums.s))
        terms, aim = self.terms_for_H(sums, scale), Aim.at(H.dtype, tolerance)
        G = sums.G / (scale[:, None] * scale)
        if self.limits.held[1] or self.penalty.smooth or self.penalty.target:
            degree = 0.0 if self.guides.laplacian is None else float(self.guides.laplacian.diagonal().mean())
            pulls = pulls_of(self.penalty, np.diag(G), degree)
            problem = SharedProblem(G, sums.P / scale, H * scale[:, None], terms)
            columns = GuidedColumns(problem, aim, self.solver)
            found = columns.solved(pulls, self.limits.held[1], self.guides, is_shape=self.target_is_shape)
            return found._replace(H=keep_below(found.H.astype(H.dtype), self.limits.upper[1]))
        if terms.all_zero:
            return SolvedColumns(np.zeros_like(H))
        return self.solver.shared(SharedProblem(terms.edit_gram(G), sums.P, H, terms, scale), aim)

    def columns_beside(self, seen: ModelSums, beside: ModelSums, start: np.ndarray) -> np.ndarray:
        """Return the best H for other columns of the data, and W as it is in the sums of both.

        Parameters
        ----------
        seen, beside : ModelSums
            Of the columns of the fit, which penalties are measured by, and of those others.
        start : ndarray (k, columns)
            Where the solver starts.
        """
        scale = self.column_scale(seen)
        terms = self.terms_for_H(seen, scale)
        if terms.all_zero:
            return np.zeros_like(start)
        G = terms.edit_gram(seen.G / (scale[:, None] * scale))
        problem = SharedProblem(G, beside.P, start * scale[:, None].astype(start.dtype), terms, scale)
        return self.exactly.solver.shared(problem, Aim.at(start.dtype, None)).H / scale[:, None]

    def loss_beside(self, sums: ModelSums, H: np.ndarray, squares: float) -> float:
        """Return ``½‖A − WH‖²`` of rows whose sums these are, and whose ``‖A‖²`` is `squares`."""
        return LeastSquares(limits=self.limits).measure(sums, H, squares).loss

    @property
    def target_is_shape(self) -> bool:
        """Whether only the direction of a target counts."""
        return True

    def update(
        self, sums: ModelSums, H: np.ndarray, tolerance: float | None = None, *, scaled: bool = True
    ) -> SolvedColumns:
        """Return the next H (k, n): that of :meth:`solve`, its rows brought to sum one where scale is free."""
        updated = self.solve(sums, H, tolerance, scaled=scaled) if sums.ahead is None else sums.ahead.solved
        if not self.free_scale:
            return updated
        return updated._replace(H=normalize_rows(updated.H, self.limits.held[0], own=True)[0])

    def project(self, H: np.ndarray, plain: np.ndarray) -> np.ndarray:
        """Cut off what is negative or above a bound, and bring rows to sum one where scale is free, in place."""
        H = H if self.limits.is_free("H") else within(H, self.limits.upper[1], self._least_of(plain))
        return normalize_rows(H, self.limits.held[0], own=True)[0] if self.free_scale else H

    def counted(self, sums: ModelSums, H: np.ndarray) -> tuple[ModelSums, np.ndarray]:
        """Without components that are dead in W, and without given ones that no row or no column has."""
        H = self.without_dead(H, sums)
        unused = (np.arange(len(H)) < self.given_components) & ~((sums.s > 0) & H.any(axis=1))
        if not unused.any():
            return sums, H
        return sums.scaled((~unused).astype(np.float64)), np.where(unused[:, None], 0, H).astype(H.dtype)

    def without_dead(self, H: np.ndarray, sums: ModelSums) -> np.ndarray:
        """Return H with zeros for the components that are dead in W, unless they are given or pulled to a target."""
        if self.penalty.target:
            return H
        kept = (sums.s > 0) | (np.arange(len(H)) < self.limits.held[1])
        return H if kept.all() else np.where(kept[:, None], H, 0).astype(H.dtype)

    def of_data(self, statistics: Statistics) -> float:
        """``‖A‖²``."""
        return statistics.squares

    def of_check(self, squares: float) -> float:
        """``‖A‖²``."""
        return squares

    def measure(self, sums: ModelSums, H: np.ndarray, of_data: float) -> Measured:
        """Return loss, objective and projected gradient of (W, H) from the sums alone, in float64.

        ``½‖A‖² − ⟨P, H⟩ + ½⟨G, HHᵀ⟩`` is exact up to the rounding of its terms, about 1e-8 of ``½‖A‖²`` when the
        products of a dense matrix were formed in float32 (those of a sparse one are float64). The last pass over a
        dense matrix therefore brings the residual itself.

        Parameters
        ----------
        sums : ModelSums
            Of a whole pass.
        H : ndarray (k, n)
            The factor the pass was made with.
        of_data : float
            ``‖A‖²``.
        """
        squares, side = of_data, self._side_terms(sums, H)
        found = self.slopes(sums, H) if sums.ahead is None else sums.ahead.slopes
        summed = 0.5 * squares - found.cross + 0.5 * found.gram
        below = at_least_zero(-summed) / (0.5 * squares) if squares > 0 else 0.0
        loss = at_least_zero((at_least_zero(summed) if sums.residual is None else 0.5 * sums.residual) - side.gain)
        size, held = float(np.sqrt(found.size)), self.limits.held[1]
        gradient = found.norm((sums.s[:held] > 0) & self.balances) / size if size else 0.0
        alive = int(np.count_nonzero((sums.s > 0) & living_rows(H)))
        return Measured(loss, loss + side.value, gradient, alive, below, 0.5 * squares)

    def slopes(self, sums: ModelSums, H: np.ndarray) -> Slopes:
        """Return what is measured of columns of H, from the sums whose P is theirs."""
        near_zero = np.diag(sums.G) if self.solver.positive else None
        return slopes_of(sums, H, self.limits, self._pull(sums, H), near_zero)

    def ahead(self, H: np.ndarray) -> SolvedAhead | None:
        """Slopes and solutions, where nothing but sums of W decides what is asked of a column."""
        columns_apart = not (any(self.limits.held) or self.penalty.smooth or self.penalty.target)
        return SolvedAhead(self, H) if columns_apart and not self.penalty.measured_by_data else None

    def _side_terms(self, sums: ModelSums, H: np.ndarray) -> SideTerms:
        """Return what is measured besides the loss."""
        del self, sums, H
        return SideTerms()

    def _pull(self, sums: ModelSums, H: np.ndarray) -> Pull | None:
        """Return what adds the gradient of that to slopes; None where nothing does."""
        del self, sums, H
        return None

    @property
    def balances(self) -> bool:
        """Whether the scale between W and H is for us to choose, and a part of the problem."""
        return False

    def factors(self, sums: ModelSums, H: np.ndarray, peak: float, *, transposed: bool) -> Factors:
        """The factors but for W."""
        of_H, h_scale = normalize_rows(self.without_dead(H, sums))
        d = sums.s * h_scale * self.diagonal(sums, H)
        w_scale = with_given(sums.s, self.guides.W_sums)
        found = Factors(None, d, of_H, h_scale, w_scale, self.terms_for_W(H, peak))
        return self._seen_from_H(found, sums, H) if transposed else found

    def diagonal(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """By what the diagonal of the model differs from the scale of its factors (k,)."""
        del sums
        return np.ones(len(H))

    def _seen_from_H(self, factors: Factors, sums: ModelSums, H: np.ndarray) -> Factors:
        """The same factors for one whose rows are our columns: rows are solved as the update of H does it."""
        scale = self.column_scale(sums)
        _, of_rows = normalize_rows(self.half_step(sums, H))
        terms = self.terms_for_H(sums, scale)
        h_scale = sums.s / scale
        if self.guides.H is not None:  # rows of the others come with their scale, those that are given without
            of_rows = with_given(of_rows, np.abs(self.guides.H).sum(axis=1, dtype=np.float64))
            given = np.abs(H[: self.limits.held[1]]).sum(axis=1, dtype=np.float64)
            h_scale = with_given(h_scale, sums.s[: self.limits.held[1]] * given)
        return replace(factors, h_scale=h_scale, w_scale=of_rows, terms=terms)

    def half_step(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """The H whose rows have the scale with which the columns of a model are solved: under a rule, of its step."""
        return self.exactly.solve(sums, H).H

    def enter(self, H: np.ndarray) -> np.ndarray:
        """Return a start with its given rows, rows brought to sum one where scale is free."""
        H = with_given_rows(H, self.guides)
        return normalize_rows(H, self.limits.held[0])[0] if self.free_scale else H

    def ordered(self, H: np.ndarray) -> np.ndarray:
        """Return the rows of a start in the order in which they are most like those of a target, where there is one."""
        if self.guides.target is None:
            return H
        return in_targets_order(H, self.guides.target, self.given_components)

    def settle(self, sums: ModelSums, H: np.ndarray, rows: int, all_rows: int) -> tuple[np.ndarray, float]:
        """Return the start as it is."""
        del rows, all_rows
        return H, float(sums.peaks[self.limits.held[0] :].max(initial=0))

    def loss_of_rows(self, statistics: Statistics, H: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
        """``½‖A − X diag(weights) H‖²`` and ``½‖A‖²``."""
        sums, squares = statistics.models[0], statistics.squares
        loss = LeastSquares(limits=self.limits).measure(sums, H, squares).loss
        return at_least_zero(loss - gain_of_diagonal(sums, H, weights)), 0.5 * squares

    def guess(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """The update without a penalty."""
        return LeastSquares(limits=self.limits).update(sums, H).H

    def start_for(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """Return the start (k, n) for a W that was given, with these `sums`; `H` has the rows that are given."""
        return self.exactly.update(sums, H).H

    def rows_of_given(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """Return the best H for the given columns of W alone, with these `sums`."""
        alone = LeastSquares(Penalty(diagonal=False), Limits(free=self.limits.free))
        return alone.solve(sums, H).H
