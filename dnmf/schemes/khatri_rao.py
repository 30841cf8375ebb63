"""Least squares with an H whose rows are products of one vector for each axis: nonnegative CP of an N-way array.

``A ≈ Σ_q d_q w_q ∘ x_q ∘ y_q ∘ …``. Unfolded along one axis that is ``W diag(d) H`` with rows ``h_q = x_q ∘ y_q ∘ …``:
H is the Khatri–Rao product of the factors of all other axes (Kolda & Bader 2009, doi:10.1137/07070111X). A pass solves
for W and folds ``G = WᵀW`` and ``P = AᵀW`` as it does for any H; the other factors are alternated on these sums.
"""

from dataclasses import dataclass, field, replace
from functools import reduce

import numpy as np

from dnmf.passes.statistics import ModelSums
from dnmf.passes.terms import NO_TERMS, Terms
from dnmf.passes.work import Demands
from dnmf.schemes.above_zero import above_zero
from dnmf.schemes.column_blocks import SharedProblem
from dnmf.schemes.columns import Aim
from dnmf.schemes.least_squares import LeastSquares
from dnmf.schemes.modes import contracted, nearest_products, products_of, sums_along, vectors_of, with_sum_one
from dnmf.schemes.normalized import normalize_rows
from dnmf.schemes.scheme import Measured, SolvedColumns

ALTERNATIONS = 10  # of the factors on the sums of a pass
ALTERNATIONS_IN_RACE = 3  # where a pass over the rows costs as little


@dataclass(frozen=True, eq=False)
class KhatriRao(LeastSquares):
    """Least squares without a penalty under which rows of H stay products.

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
        """Values that are there and not negative: there is no way round either yet."""
        return Demands(
            not_negative="values that are not negative", not_nan="finite values (CP takes no missing entries yet)"
        )

    @property
    def refines(self) -> bool:
        """Steps between reads would leave the products."""
        return False

    @property
    def starts_on_all(self) -> int:
        """More than of a matrix: there are more local minima, and components die on the way to some."""
        return 8

    @property
    def starts_among_many(self) -> int:
        """As many: of the right number of components most starts miss one."""
        return 8

    @property
    def unhindered(self) -> "KhatriRao":
        """Without a penalty, solved exactly."""
        return KhatriRao(lengths=self.lengths)

    @property
    def stand_in(self) -> "KhatriRao":
        """The same."""
        return self.unhindered

    def ahead(self, H: np.ndarray) -> None:
        """Nothing: the columns are not apart."""
        del H

    @property
    def terms_of_short(self) -> Terms:
        """What is asked of the factors of the short axes."""
        return NO_TERMS

    def vectors_at_scale(self, H: np.ndarray) -> list[np.ndarray]:
        """Return the vectors (k, length) whose products are the rows of H: here they share its scale alike."""
        sizes = H.sum(axis=1, dtype=np.float64)[:, None] ** (1 / len(self.lengths))
        return [X * sizes for X in vectors_of(H, self.lengths)]

    def balanced(
        self, sums: ModelSums, of_W: np.ndarray, vectors: list[np.ndarray]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return by what columns of W are multiplied beyond `of_W` (k,), and vectors on the scale to go on from."""
        del sums
        sizes = np.stack([X.sum(axis=1, keepdims=True) for X in vectors])
        alike = np.prod(sizes, axis=0) ** (1 / len(vectors)) / np.where(sizes > 0, sizes, 1.0)
        return np.ones(len(of_W)), [X * each for X, each in zip(vectors, alike, strict=True)]

    def update(
        self, sums: ModelSums, H: np.ndarray, tolerance: float | None = None, *, scaled: bool = True
    ) -> SolvedColumns:
        """Return the next H (k, n): its factors solved for in turn, some times, each with the others as they are."""
        del scaled
        aim, vectors, finished, unsolved = Aim.at(H.dtype, tolerance), self.vectors_at_scale(H), 0, 0
        of_W = np.ones(len(H))
        for _ in range(ALTERNATIONS if tolerance is None else ALTERNATIONS_IN_RACE):
            for axis in range(len(vectors)):
                found = self._solved(sums, vectors, axis, aim, of_W)
                finished, unsolved = finished + found.finished, unsolved + found.unsolved
                vectors[axis] = found.H.astype(np.float64)
            t, vectors = self.balanced(sums, of_W, vectors)
            of_W = of_W * t
        vectors[0] = vectors[0] * of_W[:, None]  # W stays as it is, and H has the scale that belongs to it
        return SolvedColumns(self._product(vectors, H.dtype), finished, unsolved)

    def _solved(
        self, sums: ModelSums, vectors: list[np.ndarray], axis: int, aim: Aim, of_W: np.ndarray
    ) -> SolvedColumns:
        """The factor (k, length) of one axis that is best beside the others, W multiplied by `of_W`."""
        Q, M = normal_equations(sums, vectors, axis)
        terms, Q = self.terms_of_short, Q * (of_W[:, None] * of_W)
        return self.solver.shared(
            SharedProblem(terms.edit_gram(Q), M * of_W, vectors[axis].astype(aim.dtype), terms), aim
        )

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
        aim, other = Aim.at(H.dtype, None), replace(seen, P=beside.P)
        vectors[axis] = self.exactly._solved(other, vectors, axis, aim, np.ones(len(H))).H
        return products_of([X.astype(H.dtype) for X in vectors])

    def project(self, H: np.ndarray, plain: np.ndarray) -> np.ndarray:
        """Return the products of the vectors of an extrapolated H: these are extrapolated as it is."""
        least = [self._least_of(X) for X in vectors_of(plain, self.lengths)]
        beyond = zip(sums_along(H, self.lengths), least, strict=True)
        vectors = [with_sum_one(np.maximum(X, floor)) for X, floor in beyond]
        vectors[0] *= np.maximum(H.sum(axis=1, dtype=np.float64), 0)[:, None]
        return self._product(vectors, H.dtype)

    def raised(self, H: np.ndarray) -> np.ndarray:
        """Return a start of products of which nothing is at zero, where the solver would leave it there."""
        if not self.solver.positive:
            return H
        return self._product([above_zero(X) for X in self.vectors_at_scale(H)], H.dtype)

    def _product(self, vectors: list[np.ndarray], dtype: np.dtype) -> np.ndarray:
        """The rows of H, with sum one where scale is free."""
        H = products_of([X.astype(dtype) for X in vectors])
        return normalize_rows(H, own=True)[0] if self.free_scale else H

    def enter(self, H: np.ndarray) -> np.ndarray:
        """Return a start of products."""
        return super().enter(nearest_products(H, self.lengths))

    def start_for(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """Return the start for a given W: products near to the H that is best for it, updated."""
        return self.exactly.update(sums, self.enter(super().solve(sums, H).H)).H

    def guess(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """The same."""
        return self.start_for(sums, H)

    def measure(self, sums: ModelSums, H: np.ndarray, of_data: float) -> Measured:
        """Return what :meth:`LeastSquares.measure` does, with the gradient of the factors."""
        return replace(super().measure(sums, H, of_data), gradient=self._gradient(sums, H))

    def _gradient(self, sums: ModelSums, H: np.ndarray) -> float:
        """The norm of the projected gradient of all factors over that of their right-hand sides."""
        vectors, terms, slope, size = self.vectors_at_scale(H), self.terms_of_short, 0.0, 0.0
        for axis, X in enumerate(vectors):
            Q, M = normal_equations(sums, vectors, axis)
            down = X.T @ Q - M + terms.l1 + terms.l2 * X.T
            down[(X.T <= 0) & (down > 0)] = 0
            slope, size = slope + float(np.vdot(down, down)), size + float(np.vdot(M, M))
        return float(np.sqrt(slope / size)) if size > 0 else 0.0


def normal_equations(sums: ModelSums, vectors: list[np.ndarray], axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Gram matrix (k, k) and right-hand sides (length, k) of the factor of one axis beside the others."""
    others = (X @ X.T for other, X in enumerate(vectors) if other != axis)
    return reduce(np.multiply, others, sums.G), contracted(sums.P, vectors, axis)
