"""Least squares with an H whose rows are products: all that they need is in ``G = WᵀW`` and ``P = AᵀW``."""

from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from dnmf.passes.statistics import ModelSums
from dnmf.passes.terms import NO_TERMS, Terms
from dnmf.schemes.column_blocks import SharedProblem
from dnmf.schemes.columns import Aim
from dnmf.schemes.least_squares import LeastSquares
from dnmf.schemes.modes import contracted, products_of
from dnmf.schemes.products import Products, Turn
from dnmf.schemes.scheme import Measured, SolvedColumns


@dataclass(frozen=True, eq=False)
class KhatriRao(Products, LeastSquares):
    """Least squares without a penalty under which rows of H stay products."""

    @property
    def unhindered(self) -> "KhatriRao":
        """Without a penalty, solved exactly."""
        return KhatriRao(lengths=self.lengths)

    @property
    def stand_in(self) -> "KhatriRao":
        """The same."""
        return self.unhindered

    def terms_along(self, axis: int) -> Terms:
        """Return what is asked of the factor of one short axis: nothing."""
        del axis
        return NO_TERMS

    def solved_along(self, of_columns: ModelSums, turn: Turn, aim: Aim) -> SolvedColumns:
        """Return the factor (k, length) of one axis that is best beside the others."""
        (vectors, axis, of_W), terms = turn, self.terms_along(turn.axis)
        Q, M = normal_equations(of_columns, vectors, axis)
        Q = terms.edit_gram(Q * (of_W[:, None] * of_W))
        return self.solver.shared(SharedProblem(Q, M * of_W, vectors[axis].astype(aim.dtype), terms), aim)

    def slope_along(self, of_columns: ModelSums, turn: Turn) -> tuple[np.ndarray, np.ndarray]:
        """Return the slope over the factor of one axis, where it is, and right-hand sides (length, k)."""
        Q, M = normal_equations(of_columns, turn.vectors, turn.axis)
        return turn.vectors[turn.axis].T @ Q - M, M

    def products_beside(self, seen: ModelSums, beside: ModelSums, H: np.ndarray, axis: int) -> np.ndarray:
        """Return the best H at other places along one axis, vectors along all others as they are.

        Parameters
        ----------
        seen, beside : ModelSums
            Of the columns of the fit, and of those others.
        H : ndarray (k, n)
            In the columns of the fit.
        axis : int
            The one that has other places.
        """
        vectors = self.vectors_at_scale(H)
        vectors[axis] = np.zeros((len(H), beside.P.shape[0] // (H.shape[1] // self.lengths[axis])))
        turn, aim = Turn(vectors, axis, np.ones(len(H))), Aim.at(H.dtype, None)
        vectors[axis] = self.exactly.solved_along(replace(seen, P=beside.P), turn, aim).H
        return products_of([X.astype(H.dtype) for X in vectors])

    def start_for(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """Return the start for a given W: products near to the H that is best for it, updated."""
        return self.exactly.update(sums, self.enter(super().solve(sums, H).H)).H

    def guess(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """The same."""
        return self.start_for(sums, H)

    def measure(self, sums: ModelSums, H: np.ndarray, of_data: float) -> Measured:
        """Return what :meth:`LeastSquares.measure` does, with the gradient of the factors."""
        return replace(super().measure(sums, H, of_data), gradient=self.gradient(sums, H))


def normal_equations(sums: ModelSums, vectors: list[np.ndarray], axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Gram matrix (k, k) and right-hand sides (length, k) of the factor of one axis beside the others."""
    others = (X @ X.T for other, X in enumerate(vectors) if other != axis)
    return reduce(np.multiply, others, sums.G), contracted(sums.P, vectors, axis)
