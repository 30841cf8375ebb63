"""Ridge and sparse CP of least squares: ``½‖A − Σ_q w_q ∘ x_q ∘ …‖² + Σ_factors l1 Σ X + ½ l2 ‖X‖²``."""

from dataclasses import dataclass
from functools import reduce

import numpy as np

from dnmf.passes.over_columns import cross_of, gram_of
from dnmf.passes.statistics import ModelSums
from dnmf.schemes.diagonal import diagonal_problem
from dnmf.schemes.khatri_rao import KhatriRao
from dnmf.schemes.modes import vectors_of
from dnmf.schemes.normalized import scale_rows
from dnmf.schemes.penalized_products import PenalizedProducts
from dnmf.schemes.shares import common_scale, least_shares
from dnmf.schemes.slopes import SideTerms


@dataclass(frozen=True, eq=False)
class PenalizedKhatriRao(PenalizedProducts, KhatriRao):
    """CP under L1 and L2 on the long axis, and on each short one."""

    @property
    def prunes(self) -> bool:
        """The objective says what a component is worth."""
        return True

    def _side_terms(self, sums: ModelSums, H: np.ndarray) -> SideTerms:
        return SideTerms(value=self.value_of_penalty(sums, H))

    def worth(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """Return by how much the objective rises when a component (k,) is set to zero and the others stay.

        As under two factors (:meth:`dnmf.schemes.objective.PenalizedLeastSquares.worth`), the penalty at its best scale
        among all: of N factors with L2 each a component goes where ``s/a < 2(1 − δ)/(2 − δ)`` with ``δ = 2/N``.
        """
        overlaps, crosses = diagonal_problem(sums, H)
        vectors, sizes = vectors_of(H, self.lengths), H.sum(axis=1, dtype=np.float64)
        terms = self.shares_of_all(sums, vectors)
        least = terms.scaled(least_shares(terms, sizes)).of_component
        value = crosses - overlaps.sum(axis=1) + 0.5 * np.diag(overlaps)
        return np.where(np.diag(overlaps) > 0, value - least, np.inf)

    def settle(self, sums: ModelSums, H: np.ndarray, rows: int, all_rows: int) -> tuple[np.ndarray, float]:
        """Return the start on the scale that is best for it: balanced, all factors scaled alike, balanced again."""
        return self._on_best_scale(sums.times(all_rows / rows), H)[1] if self.balances else H, 0.0

    def start_for(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """Return the update for a given W on the scale that is best for both."""
        products = self.unhindered.start_for(sums, H)
        if self.balances:
            of_W, products = self._on_best_scale(sums, products)
            sums = sums.scaled(of_W)
        return self.exactly.update(sums, products).H

    def _on_best_scale(self, sums: ModelSums, H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """By what columns of W are to be multiplied (k,), and H on the scale that belongs to that."""
        vectors, sizes = vectors_of(H, self.lengths), H.sum(axis=1, dtype=np.float64)
        terms = self.shares_of_all(sums, vectors)
        t = least_shares(terms, sizes)
        x = common_scale(cross_of(sums.P, H), float(np.vdot(sums.G, gram_of(H))), terms.scaled(t))
        again = least_shares(terms.scaled(x * t), np.ones(len(H)))
        shares = x * t * again
        of_H = reduce(np.multiply, shares[1:]) / np.where(sizes > 0, sizes, 1.0)
        return shares[0], scale_rows(H, of_H)
