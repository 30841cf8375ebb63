"""The half step for H where rows of it are given, or it is pulled to something."""

from typing import Any

import numpy as np

from dnmf.constraints import Guides
from dnmf.passes.terms import add_to_diagonal
from dnmf.schemes.column_blocks import SharedProblem
from dnmf.schemes.columns import Aim
from dnmf.schemes.scheme import SolvedColumns
from dnmf.schemes.terms import Pulls
from dnmf.schemes.update import Update

SMOOTHING_TURNS, SMOOTHING_TOLERANCE = 5000, 1e-9  # each turn is a small part of the way where smoothing is strong
STIFF = 0.02  # of the largest eigenvalue of the Gram matrix


class GuidedColumns:
    """The half step where rows of H are given, or H is pulled to something.

    Parameters
    ----------
    problem : SharedProblem
        Without what the terms add to its Gram matrix; it begins with H as it is.
    aim : Aim
        How near.
    solver : Update
        How.
    """

    def __init__(self, problem: SharedProblem, aim: Aim, solver: Update):
        self.problem, self.aim, self.solver = problem, aim, solver

    def solved(self, pulls: Pulls, held: int, guides: Guides, *, is_shape: bool) -> SolvedColumns:
        """Return H (k, n); the first `held` rows of X stay. `is_shape`: only the direction of a target counts."""
        Q, P, X, terms, _ = self.problem
        Q, P, X = terms.edit_gram(Q.copy()), P.copy(), X.copy()
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
        if self.problem.terms.all_zero or not len(X):
            return SolvedColumns(np.zeros_like(X))
        if not smooth or guides.laplacian is None:
            return self.solver.shared(SharedProblem(Q, P, X, self.problem.terms), self.aim)
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
        terms = self.problem.terms
        lowest, upper = (-np.inf if terms.free else 0.0), terms.upper
        wide, Y, momentum = add_to_diagonal(Q.copy(), rho), X, 1.0
        for _ in range(SMOOTHING_TURNS):
            rough = (laplacian @ Y.T).T
            if rho > STIFF * most and not terms.one_entry:
                slope = Q @ Y + rough - P.T + terms.l1
                after = np.clip(Y - slope / (rho + most), lowest, upper)
            else:
                after = self.solver.shared(SharedProblem(wide, P + (rho * Y - rough).T, Y, terms), aim).H
            step = after - X
            momentum = 1.0 if np.vdot(Y - after, step) > 0 else momentum
            grown = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            Y, X, momentum = after + (momentum - 1) / grown * step, after, grown
            if np.abs(step).max() <= tolerance * np.abs(after).max(initial=0):
                break
        return X
