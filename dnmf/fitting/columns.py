"""The half step for H in memory: exact least squares from the sums of a pass, under what is asked of H."""

from typing import Any, NamedTuple

import numpy as np

from dnmf.constraints import NO_GUIDES, NO_LIMITS, Guides, Limits
from dnmf.fitting.balance import on_scale
from dnmf.fitting.terms import Pulls, pulls_of, terms_of
from dnmf.kernels.bounds import keep_below
from dnmf.kernels.nnls import solve_rows
from dnmf.kernels.padding import aligned_zeros, padded
from dnmf.passes.exact import FEW_SWEEPS, Finish, finish_rows, least_eigenvalue, tolerance_at
from dnmf.passes.problem import RIDGE_SHARE
from dnmf.passes.row_solvers import keep_largest
from dnmf.passes.statistics import ModelSums
from dnmf.passes.terms import Terms, add_to_diagonal, in_units_of, unit_diagonal
from dnmf.penalty import Penalty

UPDATE_TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
UPDATE_SWEEPS = 500
SMOOTHING_TURNS, SMOOTHING_TOLERANCE = 5000, 1e-9  # each turn is a small part of the way where smoothing is strong
STIFF = 0.02  # of the largest eigenvalue of the Gram matrix


class Aim(NamedTuple):
    """How near columns are solved: by coordinate descent to a tolerance; exactly also those that it leaves above it."""

    dtype: str
    tolerance: float
    exactly: bool


class SolvedColumns(NamedTuple):
    """Columns of H that were solved for, and how they came about.

    Attributes
    ----------
    H : ndarray (k, n)
        In the dtype of the computation.
    finished : int
        How many were above the tolerance after coordinate descent and solved with an active set.
    unsolved : int
        How many are above it still.
    """

    H: np.ndarray
    finished: int = 0
    unsolved: int = 0


def column_scale(sums: ModelSums, penalty: Penalty) -> np.ndarray:
    """Return what the columns of W are divided by before H is solved for (k,): ones where scale is not free."""
    if not penalty.diagonal or penalty.in_objective:
        return np.ones(len(sums.s))
    return np.where(sums.s > 0, sums.s, 1.0)


def terms_for_H(sums: ModelSums, penalty: Penalty, scale: np.ndarray, limits: Limits = NO_LIMITS) -> Terms:
    """Return the terms of the update of H for a W whose columns are divided by `scale` (k,)."""
    measured = penalty.scale == "relative" and penalty.l1[1] > 0
    peak = float((sums.P.max(axis=0, initial=0) / scale).max(initial=0)) if measured else 0.0
    return terms_of(penalty, "H", np.diag(sums.G) / scale**2, peak, limits)


def solve_H(
    sums: ModelSums, H: np.ndarray, penalty: Penalty, *, limits: Limits = NO_LIMITS, guides: Guides = NO_GUIDES,
    scaled: bool = True, tolerance: float | None = None,
) -> SolvedColumns:  # fmt: skip
    """Return the H (k, n) for the W behind `sums`: exact non-negative least squares, columns independent.

    Where the scale of the factors is no part of the problem the columns of W are first brought to sum one (``D``
    from `s`: ``G → D⁻¹GD⁻¹``, ``P → D⁻¹P``): the diagonal, applied once per pass, touches no panel.

    Parameters
    ----------
    sums : ModelSums
        Of a whole pass.
    H : ndarray (k, n)
        Where the solver starts; its dtype is that of the result.
    penalty : Penalty
        What acts on H.
    limits, guides
        What H must be, and what it is pulled to.
    scaled : bool
        False leaves the columns of W as they came: for a W given by the caller, as RcppML does.
    tolerance : float, optional
        To which coordinate descent solves, and nothing else; by default columns are solved exactly.
    """
    if limits.held[0] and penalty.in_objective:
        t, _, there, near, free = on_scale(penalty, sums, H, limits, guides)
        found = solve_H(there, near, penalty, limits=free, guides=guides, scaled=scaled, tolerance=tolerance)
        return found._replace(H=keep_below((found.H * t[:, None]).astype(H.dtype), limits.upper[1]))
    scale = column_scale(sums, penalty) if scaled else np.ones(len(sums.s))
    terms = terms_for_H(sums, penalty, scale, limits)
    aim = Aim(str(H.dtype), UPDATE_TOLERANCE[str(H.dtype)] if tolerance is None else tolerance, tolerance is None)
    G = sums.G / (scale[:, None] * scale)
    if limits.held[1] or penalty.smooth or penalty.target:
        degree = 0.0 if guides.laplacian is None else float(guides.laplacian.diagonal().mean())
        pulls = pulls_of(penalty, np.diag(G), degree)
        guided = _Guided(G, sums.P / scale, H * scale[:, None], terms, aim)
        found = guided.solved(pulls, limits.held[1], guides, is_shape=not penalty.in_objective)
        return found._replace(H=keep_below(found.H.astype(H.dtype), limits.upper[1]))
    if terms.all_zero:
        return SolvedColumns(np.zeros_like(H))
    return _solve(terms.edit_gram(G), sums.P, H, terms, aim, scale)


def _solve(  # noqa: PLR0917  the parts of one formula
    Q: np.ndarray, P: np.ndarray, H: np.ndarray, terms: Terms, aim: Aim, scale: np.ndarray | float = 1.0
) -> SolvedColumns:
    """Return the solution (k, n) for the right-hand sides ``P / scale − l1``, in the dtype of `H`, where it begins."""
    Q, unit = unit_diagonal(Q)
    problem = _ColumnProblem(Q, P, unit / scale, terms.l1 * unit)
    B = problem.right_hand_sides(H.dtype)
    solved = SolvedColumns(H)
    if terms.one_entry:
        X = keep_largest(B, len(H))
    elif terms.free:
        X = B[:, : len(H)] @ np.linalg.pinv(Q, rcond=RIDGE_SHARE[str(H.dtype)], hermitian=True).astype(H.dtype)
    else:
        start = _scaled(H.T, scale / np.where(unit > 0, unit, 1.0), H.dtype)
        X, counts = problem.solved(B, start, in_units_of(terms.upper, unit, H.dtype), aim)
        solved = SolvedColumns(H, *counts)
    updated = np.empty_like(H)
    np.multiply(X[:, : len(H)].T, unit.astype(H.dtype)[:, None], out=updated)
    return solved._replace(H=keep_below(updated, terms.upper))


class _ColumnProblem(NamedTuple):
    """The problems of the columns: their Gram matrix, ``P`` (n, k), what it is multiplied by and what is subtracted."""

    Q: np.ndarray
    P: np.ndarray
    factors: np.ndarray
    l1: np.ndarray

    def right_hand_sides(self, dtype: Any, which: Any = slice(None)) -> np.ndarray:
        """Those of the columns `which`, with padding for the solver."""
        B = _scaled(self.P[which], self.factors, dtype)
        if self.l1.any():
            B[:, : len(self.Q)] -= self.l1.astype(dtype)
        return B

    def solved(
        self, B: np.ndarray, start: np.ndarray, upper: np.ndarray | None, aim: Aim
    ) -> tuple[np.ndarray, tuple[int, int]]:
        """Return the solutions (n, padded k), and how many were finished and how many are not solved."""
        tolerance = tolerance_at(aim.tolerance, least_eigenvalue(self.Q), aim.dtype) if aim.exactly else aim.tolerance
        sweeps = UPDATE_SWEEPS if tolerance > 0 else FEW_SWEEPS
        X, violations, _ = solve_rows(self.Q.astype(B.dtype), B, start, tolerance, sweeps, upper)
        if not aim.exactly:
            return X, (0, 0)
        finish = Finish(self.Q, aim.tolerance, upper)
        which = finish.concerns(X, violations, tolerance)
        return X, (len(which), finish_rows(X, B, which, finish, wide=self.right_hand_sides(np.float64, which)))


def _scaled(rows: np.ndarray, factors: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return ``rows * factors``, computed in float64, with padding for the solver."""
    wide = aligned_zeros((len(rows), padded(len(factors))), dtype)
    np.multiply(rows, factors, out=wide[:, : len(factors)], casting="same_kind")
    return wide


class _Guided:
    """The half step where rows of H are given, or H is pulled to something.

    Parameters
    ----------
    G : ndarray (k, k)
        Gram matrix of W.
    P : ndarray (n, k)
        ``AᵀW``.
    X : ndarray (k, n)
        H as it is, on the scale of this W.
    terms : Terms
        Of the penalty.
    aim : Aim
        How near.
    """

    def __init__(self, G: np.ndarray, P: np.ndarray, X: np.ndarray, terms: Terms, aim: Aim):
        self.G, self.P, self.X, self.terms, self.aim = G, P, X, terms, aim

    def solved(self, pulls: Pulls, held: int, guides: Guides, *, is_shape: bool) -> SolvedColumns:
        """Return H (k, n); the first `held` rows of X stay. `is_shape`: only the direction of a target counts."""
        Q, P, X = self.terms.edit_gram(self.G.copy()), self.P.copy(), self.X.copy()
        stays = np.arange(len(X)) < held
        if guides.target is not None and pulls.target:
            pulled = ~np.isnan(guides.target).any(axis=1) & ~stays
            target = self._on_scale(guides.target[pulled], X[pulled]) if is_shape else guides.target[pulled]
            if pulls.target == np.inf:
                X[pulled], stays = target, stays | pulled
            else:
                Q[pulled, pulled] += pulls.target
                P[:, pulled] += pulls.target * target.T
        moves = ~stays
        P = P[:, moves] - X[stays].T @ Q[np.ix_(stays, moves)]
        moved = self._solve_moving(Q[np.ix_(moves, moves)], P, X[moves], pulls.smooth, guides)
        X[moves] = moved.H
        return moved._replace(H=X)

    @staticmethod
    def _on_scale(target: np.ndarray, X: np.ndarray) -> np.ndarray:
        """The target with rows that have the sums of those of X."""
        sums = np.abs(target).sum(axis=1, keepdims=True)
        return target * (np.abs(X).sum(axis=1, keepdims=True) / np.where(sums > 0, sums, 1.0))

    def _solve_moving(
        self, Q: np.ndarray, P: np.ndarray, X: np.ndarray, smooth: float, guides: Guides
    ) -> SolvedColumns:
        if self.terms.all_zero or not len(X):
            return SolvedColumns(np.zeros_like(X))
        if not smooth or guides.laplacian is None:
            return _solve(Q, P, X, self.terms, self.aim)
        return SolvedColumns(self._smoothed(Q, P, X, smooth * guides.laplacian))

    def _smoothed(self, Q: np.ndarray, P: np.ndarray, X: np.ndarray, laplacian: Any) -> np.ndarray:
        """Minimize with ``½ tr(X L Xᵀ)``, whose columns are coupled: bounded from above by one whose are not, again.

        ``L ≤ ρ I`` gives ``½ ρ ‖X − Y‖² + ⟨L Y, X − Y⟩`` at Y, a ridge. Where ρ is not small beside Q, Q is bounded
        too: projected gradient steps are a little shorter and much cheaper. Either with momentum that begins anew where
        it points uphill (O'Donoghue & Candès 2015, doi:10.1007/s10208-013-9150-3).
        """
        rho, most = 2 * float(laplacian.diagonal().max()), float(np.linalg.norm(Q, 2))
        tolerance = min(self.aim.tolerance, SMOOTHING_TOLERANCE)
        aim = Aim(self.aim.dtype, tolerance, exactly=False)  # each turn goes but a part of the way
        lowest, upper = (-np.inf if self.terms.free else 0.0), self.terms.upper
        wide, Y, momentum = add_to_diagonal(Q.copy(), rho), X, 1.0
        for _ in range(SMOOTHING_TURNS):
            rough = (laplacian @ Y.T).T
            if rho > STIFF * most and not self.terms.one_entry:
                slope = Q @ Y + rough - P.T + self.terms.l1
                after = np.clip(Y - slope / (rho + most), lowest, upper)
            else:
                after = _solve(wide, P + (rho * Y - rough).T, Y, self.terms, aim).H
            step = after - X
            momentum = 1.0 if np.vdot(Y - after, step) > 0 else momentum
            grown = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            Y, X, momentum = after + (momentum - 1) / grown * step, after, grown
            if np.abs(step).max() <= tolerance * np.abs(after).max(initial=0):
                break
        return X
