"""What schemes share under which rows of H stay products of one vector for each axis: nonnegative CP of an N-way array.

``A ≈ Σ_q d_q w_q ∘ x_q ∘ y_q ∘ …``. Unfolded along one axis that is ``W diag(d) H`` with rows ``h_q = x_q ∘ y_q ∘ …``:
H is the Khatri–Rao product of the factors of all other axes (Kolda & Bader 2009, doi:10.1137/07070111X). A pass solves
for W and folds the sums that it folds for any H; the other factors are alternated on these.
"""

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from dnmf.passes.terms import Terms
from dnmf.passes.work import Demands
from dnmf.schemes.above_zero import FLOOR, above_zero
from dnmf.schemes.columns import Aim
from dnmf.schemes.constrained import Constrained
from dnmf.schemes.modes import nearest_products, products_of, sums_along, vectors_of, with_sum_one
from dnmf.schemes.normalized import normalize_rows
from dnmf.schemes.scheme import SolvedColumns

ALTERNATIONS = 10  # of the factors on the sums of a pass
TURNS_IN_RACE = 3  # where a pass over the rows costs as little
LEAST_IN_RACE = 0.01  # of itself that an entry keeps in a turn: of a random start components else die at once
NOT_NEGATIVE = "values that are not negative; a mask= of the others (--mask) leaves them out of account"


class Turn(NamedTuple):
    """Which factor is to be solved for, and what is beside it.

    Attributes
    ----------
    vectors : list of ndarray (k, length)
        Of all short axes, in float64.
    axis : int
        The one whose factor is solved for, from where it is.
    of_W : ndarray (k,)
        By what the columns of W are multiplied.
    """

    vectors: list[np.ndarray]
    axis: int
    of_W: np.ndarray


@dataclass(frozen=True, eq=False)
class Products(Constrained):
    """A scheme under which rows of H stay products; a subclass says what sums of a pass say of one factor.

    Attributes
    ----------
    lengths : tuple of int
        Of the axes that the columns are made of.
    """

    lengths: tuple[int, ...] = field(default=(), kw_only=True)

    @property
    def axes(self) -> tuple[int, ...]:
        """Those of the columns."""
        return self.lengths

    @property
    def demands(self) -> Demands:
        """As the loss has it; that no factor may be negative is no way out."""
        return replace(super().demands, not_negative=NOT_NEGATIVE)

    @property
    def refines(self) -> bool:
        """Steps between reads would leave the products."""
        return False

    @property
    def turns(self) -> int:
        """How often all factors are solved for on the sums of a pass."""
        return ALTERNATIONS

    def ahead(self, H: np.ndarray) -> None:
        """Nothing: the columns are not apart."""
        del H

    def vectors_at_scale(self, H: np.ndarray) -> list[np.ndarray]:
        """Return the vectors (k, length) whose products are the rows of H: here they share its scale alike."""
        sizes = H.sum(axis=1, dtype=np.float64)[:, None] ** (1 / len(self.lengths))
        return [X * sizes for X in vectors_of(H, self.lengths)]

    def balanced(self, sums: Any, of_W: np.ndarray, vectors: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return by what columns of W are multiplied beyond `of_W` (k,), and vectors on the scale to go on from."""
        del sums
        sizes = np.stack([X.sum(axis=1, keepdims=True) for X in vectors])
        alike = np.prod(sizes, axis=0) ** (1 / len(vectors)) / np.where(sizes > 0, sizes, 1.0)
        return np.ones(len(of_W)), [X * each for X, each in zip(vectors, alike, strict=True)]

    def update(self, sums: Any, H: np.ndarray, tolerance: float | None = None, *, scaled: bool = True) -> SolvedColumns:
        """Return the next H (k, n): its factors solved for in turn, some times, each with the others as they are."""
        del scaled
        of_columns, vectors, finished, unsolved = self.said_of_columns(sums, H), self.vectors_at_scale(H), 0, 0
        of_W, aim = np.ones(len(H)), Aim.at(H.dtype, tolerance)
        turns, least = (self.turns, 0.0) if tolerance is None else (min(self.turns, TURNS_IN_RACE), LEAST_IN_RACE)
        for _ in range(turns):
            for axis in range(len(vectors)):
                found = self.solved_along(of_columns, Turn(vectors, axis, of_W), aim)
                finished, unsolved = finished + found.finished, unsolved + found.unsolved
                vectors[axis] = np.maximum(found.H, least * vectors[axis], dtype=np.float64)
            t, vectors = self.balanced(sums, of_W, vectors)
            of_W = of_W * t
        vectors[0] = vectors[0] * of_W[:, None]  # W stays as it is, and H has the scale that belongs to it
        return SolvedColumns(self.product(vectors, H.dtype), finished, unsolved)

    def said_of_columns(self, sums: Any, H: np.ndarray) -> Any:
        """Return what :meth:`solved_along` takes: what the sums of a pass that was made with `H` say of any other."""
        del H
        return sums

    @abstractmethod
    def solved_along(self, of_columns: Any, turn: Turn, aim: Aim) -> SolvedColumns:
        """Return the factor (k, length) of one axis that is best beside the others."""

    @abstractmethod
    def slope_along(self, of_columns: Any, turn: Turn) -> tuple[np.ndarray, np.ndarray]:
        """Return the slope of the loss over the factor of one axis, where it is, and right-hand sides (length, k)."""

    @abstractmethod
    def terms_along(self, axis: int) -> Terms:
        """Return L1 and L2 of the factor of one short axis."""

    def gradient(self, of_columns: Any, H: np.ndarray) -> float:
        """Return the norm of the projected gradient of all factors over that of their right-hand sides."""
        vectors, ones, slope, size = self.vectors_at_scale(H), np.ones(len(H)), 0.0, 0.0
        for axis, X in enumerate(vectors):
            (down, right), terms = self.slope_along(of_columns, Turn(vectors, axis, ones)), self.terms_along(axis)
            down = down + terms.l1 + terms.l2 * X.T
            down[(X.T <= 0) & (down > 0)] = 0
            slope, size = slope + float(np.vdot(down, down)), size + float(np.vdot(right, right))
        return float(np.sqrt(slope / size)) if size > 0 else 0.0

    def between(self, H: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return the products of what is half way between the vectors of both."""
        return self.project((0.5 * (H + other)).astype(H.dtype), other)

    def project(self, H: np.ndarray, plain: np.ndarray) -> np.ndarray:
        """Return the products of the vectors of an extrapolated H: these are extrapolated as it is."""
        least, sizes = [self._least_of(X) for X in vectors_of(plain, self.lengths)], H.sum(axis=1, dtype=np.float64)
        of_one = (X / np.where(sizes > 0, sizes, 1.0)[:, None] for X in sums_along(H, self.lengths))
        vectors = [with_sum_one(np.maximum(X, floor)) for X, floor in zip(of_one, least, strict=True)]
        if not (sizes > 0).any():  # some may die on the way, as they would anyway, and come back where that was wrong
            sizes = FLOOR * plain.sum(axis=1, dtype=np.float64)
        vectors[0] *= np.maximum(sizes, 0)[:, None]
        return self.product(vectors, H.dtype)

    def raised(self, H: np.ndarray) -> np.ndarray:
        """Return a start of products of which nothing is at zero, where the solver would leave it there."""
        if not self.solver.positive:
            return H
        return self.product([above_zero(X) for X in self.vectors_at_scale(H)], H.dtype)

    def product(self, vectors: list[np.ndarray], dtype: np.dtype) -> np.ndarray:
        """Return the rows of H (k, n), with sum one where scale is free."""
        return self._normalized(products_of([X.astype(dtype) for X in vectors]))

    def _normalized(self, H: np.ndarray) -> np.ndarray:
        return normalize_rows(H, own=True)[0] if self.free_scale else H

    def enter(self, H: np.ndarray) -> np.ndarray:
        """Return a start of products."""
        return self._normalized(nearest_products(H, self.lengths))
