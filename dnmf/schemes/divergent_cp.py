"""Nonnegative CP under losses with a curvature of their own, Kullback–Leibler foremost: counts along several axes."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from dnmf.kernels.packed import times_packed
from dnmf.passes.own_sums import OwnSums
from dnmf.schemes.above_zero import above_zero
from dnmf.schemes.columns import Aim
from dnmf.schemes.curved import Divergence, usable_sums
from dnmf.schemes.khatri_rao import KhatriRao
from dnmf.schemes.modes import contracted, products_of, sums_along
from dnmf.schemes.multiplied import MultipliedDivergence
from dnmf.schemes.observed_cp import ObservedProducts
from dnmf.schemes.own_products import OfColumns, OwnProducts
from dnmf.schemes.products import ALTERNATIONS, Products, Turn
from dnmf.schemes.scheme import Measured, SolvedColumns

NEWTON_TURNS = 3  # a model of the loss is good near to where it was made
LEFT_OF_TURN = 0.3  # what an entry keeps of itself at least, where predictions have to be above zero


@dataclass(frozen=True, eq=False)
class DivergentProducts(OwnProducts, Divergence):
    """A loss under which rows of H stay products: steps of Newton's method, each factor beside the others."""

    @property
    def turns(self) -> int:
        """Few."""
        return NEWTON_TURNS

    @property
    def least_of_turn(self) -> float:
        """What an entry keeps: else predictions would be zero where two factors are zero in turn."""
        kept = 1 - self.loss.most_shrink
        return max(kept, LEFT_OF_TURN) if self.loss.positive else kept

    @property
    def stand_in(self) -> Products:
        """Least squares of scaled data, this itself where not all is observed."""
        return self.unhindered if self.observed else KhatriRao(lengths=self.lengths)

    @property
    def _of_squares(self) -> Products:
        return ObservedProducts(lengths=self.lengths) if self.observed else KhatriRao(lengths=self.lengths)

    def said_of_columns(self, sums: OwnSums, H: np.ndarray) -> Any:
        """Return Newton's model of the loss at `H`, on the diagonal a bound of that."""
        return self._model_of(sums, H)

    def _model_of(self, sums: OwnSums, H: np.ndarray) -> OfColumns:
        h, (sums, usable) = np.ascontiguousarray(H.T, dtype=np.float64), usable_sums(sums)
        bent = sums.Q * h if self.diagonal_curvature else times_packed(sums.Q, h)
        there = (usable & ~self._empty(sums, h)).astype(np.float64)
        return OfColumns(sums.Q, bent + self._pulls(sums), np.zeros((len(H), len(H))), there, self.diagonal_curvature)

    def products_beside(self, beside: OwnSums, H: np.ndarray, axis: int, start: np.ndarray) -> np.ndarray:
        """Return H at other places along one axis a step on from `start`, vectors along all others as they are.

        Parameters
        ----------
        beside : OwnSums
            Of the columns at these places, made with `start`.
        H : ndarray (k, n)
            In the columns of the fit.
        axis : int
            The one that has other places.
        start : ndarray (k, columns)
            At these places.
        """
        vectors, one = self.vectors_at_scale(H), np.ones(len(H))
        rest = np.prod([X.sum(axis=1) for at, X in enumerate(vectors) if at != axis], axis=0)
        there = sums_along(start, [*self.lengths[:axis], -1, *self.lengths[axis + 1 :]])[axis]
        vectors[axis] = there / np.where(rest > 0, rest, 1.0)[:, None]
        turn = Turn(vectors, axis, one)
        vectors[axis] = self.solved_along(self._model_of(beside, start), turn, Aim.at(H.dtype, None)).H
        return self._above_least(products_of([X.astype(H.dtype) for X in vectors]))

    def measure(self, sums: OwnSums, H: np.ndarray, whole: float) -> Measured:
        """Return what :meth:`Divergence.measure` does, with the gradient of the factors."""
        return replace(super().measure(sums, H, whole), gradient=self.gradient(self._model_of(sums, H), H))

    def guess(self, sums: Any, H: np.ndarray) -> np.ndarray:
        """Return the start that is best for the W behind these sums of least squares."""
        return self.enter(self._of_squares.guess(sums, H))

    def enter(self, H: np.ndarray) -> np.ndarray:
        """Return a start of products, nothing of it at zero where predictions must be positive."""
        H = Products.enter(self, H)
        if not self.loss.positive:
            return H
        return self.product([above_zero(X) for X in self.vectors_at_scale(H)], H.dtype)


class Masses(NamedTuple):
    """What pulls factors up and down: a bound ``Σ_j d_j·h_j − c_j·log h_j`` of the loss over columns.

    Attributes
    ----------
    c, d : ndarray (n, k)
        ``h Σ_i w_i a_i / p_i`` at the h of the pass, and ``Σ_i w_i``.
    """

    c: np.ndarray
    d: np.ndarray


@dataclass(frozen=True, eq=False)
class MultipliedProducts(DivergentProducts, MultipliedDivergence):
    """Kullback–Leibler by multiplicative updates of every factor: no update raises it."""

    @property
    def turns(self) -> int:
        """Many: they end at the minimum of the bound."""
        return ALTERNATIONS

    def _multiplies(self) -> bool:
        """Whether the sums say what pulls up and what pulls down."""
        return self.solver.positive and (self.zeros_are_linear or not self.diagonal_curvature)

    def said_of_columns(self, sums: OwnSums, H: np.ndarray) -> Any:
        """Return the bound that touches the loss at `H`; Newton's model where the sums do not say it."""
        if not self._multiplies():
            return super().said_of_columns(sums, H)
        h, (sums, usable) = np.ascontiguousarray(H.T, dtype=np.float64), usable_sums(sums)
        above, below = self._ratio(sums, h)
        return Masses(np.where(usable[:, None], h * above, h * below), below)

    def solved_along(self, of_columns: Any, turn: Turn, aim: Aim) -> SolvedColumns:
        """Return the factor (k, length) of one axis at which the bound is least beside the others."""
        if not isinstance(of_columns, Masses):
            return super().solved_along(of_columns, turn, aim)
        (vectors, axis, of_W), terms = turn, self.terms_along(turn.axis)
        c = contracted(of_columns.c, [np.ones_like(X) for X in vectors], axis)
        d = contracted(of_columns.d, vectors, axis) * of_W + terms.l1
        size = d + np.sqrt(d**2 + 4 * terms.l2 * c)
        found = np.divide(2 * c, size, out=np.zeros_like(c), where=size > 0)  # zero where nothing was observed
        return SolvedColumns(np.ascontiguousarray(found.T))
