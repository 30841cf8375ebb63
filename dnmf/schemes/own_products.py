"""Products where every column has a curvature of its own: what a quadratic model of columns says of one factor."""

from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from dnmf.kernels.own_gram import LOOSE
from dnmf.kernels.packed import pack, times_packed
from dnmf.passes.methods import OwnProblem
from dnmf.passes.terms import Terms
from dnmf.schemes.columns import Aim
from dnmf.schemes.modes import contracted
from dnmf.schemes.observed import COLUMN_SWEEPS, COLUMN_TOLERANCE, NOTHING
from dnmf.schemes.penalized_products import PenalizedProducts
from dnmf.schemes.products import Turn
from dnmf.schemes.scheme import SolvedColumns


class OfColumns(NamedTuple):
    """A model ``Σ_j ½ h_jᵀ(Q_j + G0)h_j − b_jᵀh_j`` of what is minimized over the columns of H.

    Attributes
    ----------
    Q : ndarray (n, k (k + 1) / 2) or (n, k)
        Packed (:func:`dnmf.kernels.packed.unpack`), or diagonals.
    B : ndarray (n, k)
        Right-hand sides.
    G0 : ndarray (k, k)
        What all columns have in common; zero beside diagonals.
    counts : ndarray (n,)
        How much was observed of each.
    diagonal : bool
        Whether Q are diagonals.
    """

    Q: np.ndarray
    B: np.ndarray
    G0: np.ndarray
    counts: np.ndarray
    diagonal: bool

    def along(self, turn: Turn) -> "OfColumns":
        """Return the model of one factor (length, k) beside the others, which are as they are."""
        (vectors, axis, of_W), k = turn, len(self.G0)
        left, right = (np.arange(k), np.arange(k)) if self.diagonal else np.tril_indices(k)
        Q = contracted(self.Q, [X[left] * X[right] for X in vectors], axis) * (of_W[left] * of_W[right])
        others = (X @ X.T for other, X in enumerate(vectors) if other != axis)
        G0 = reduce(np.multiply, others, self.G0 * np.outer(of_W, of_W))
        lengths = [X.shape[1] for X in vectors]
        counts = self.counts.reshape(lengths).sum(axis=tuple(at for at in range(len(lengths)) if at != axis))
        return OfColumns(Q, contracted(self.B, vectors, axis) * of_W, G0, counts, self.diagonal)

    def slope(self, x: np.ndarray) -> np.ndarray:
        """Return the slope (n, k) at columns x (n, k)."""
        return (self.Q * x if self.diagonal else times_packed(self.Q, x, self.G0)) - self.B


class Between(NamedTuple):
    """Where a factor (length, k) is, and its bounds."""

    start: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


@dataclass(frozen=True, eq=False)
class OwnProducts(PenalizedProducts):
    """Products of a loss that has its own curvature in every entry."""

    @property
    def least_of_turn(self) -> float:
        """What share of itself an entry keeps at least in every turn."""
        return 0.0

    def solved_along(self, of_columns: OfColumns, turn: Turn, aim: Aim) -> SolvedColumns:
        """Return the factor (k, length) of one axis at which the model of columns is least beside the others."""
        along, terms = of_columns.along(turn), self.terms_along(turn.axis)
        x = np.ascontiguousarray(turn.vectors[turn.axis].T)
        nothing = along.counts <= NOTHING * along.counts.max(initial=0)
        if along.diagonal:
            V, B = along.Q + terms.l2, np.maximum(along.B - terms.l1, 0)
            found = np.maximum(np.divide(B, V, out=x.copy(), where=V > 0), self.least_of_turn * x)
            found[nothing] = 0
            return SolvedColumns(np.ascontiguousarray(found.T))
        lower, upper = self.least_of_turn * x, np.full(x.shape, np.inf)
        lower[nothing] = upper[nothing] = 0
        return self._solved_whole(along, terms, Between(x, lower, upper), aim)

    def _solved_whole(self, along: OfColumns, terms: Terms, between: Between, aim: Aim) -> SolvedColumns:
        tolerance = COLUMN_TOLERANCE[aim.dtype] if aim.exactly else aim.tolerance
        Q, B = along.Q + pack(along.G0 + terms.l2 * np.eye(len(along.G0))), along.B - terms.l1
        parts = (Q, B, *between, np.zeros_like(along.G0))
        problem = OwnProblem(*(part.astype(aim.dtype) for part in parts))
        found, violations = self.solver.own(problem, tolerance, COLUMN_SWEEPS)
        return SolvedColumns(np.ascontiguousarray(found.T), unsolved=int((violations > LOOSE * tolerance).sum()))

    def slope_along(self, of_columns: OfColumns, turn: Turn) -> tuple[np.ndarray, np.ndarray]:
        """Return the slope over the factor of one axis, where it is, and right-hand sides (length, k)."""
        along = of_columns.along(turn)
        return along.slope(np.ascontiguousarray(turn.vectors[turn.axis].T)), along.B

    def _value_of_penalty(self, sums: Any, H: np.ndarray) -> float:
        return self.value_of_penalty(sums, H) if self.penalty.active else 0.0
