"""Nonnegative CP of arrays of which not all entries were observed, or count alike: weighted least squares.

``½ Σ ω_ij (a_ij − w_i·h_j)²`` with rows of H that are products. Every column has a Gram matrix of its own; contracted
with the other factors they are those of the places along one axis, so each factor is found exactly beside the others.
"""

from dataclasses import dataclass, replace

import numpy as np

from dnmf.passes.observed_sums import ObservedSums
from dnmf.schemes.observed import ObservedLeastSquares
from dnmf.schemes.own_products import OfColumns, OwnProducts
from dnmf.schemes.scheme import Measured


@dataclass(frozen=True, eq=False)
class ObservedProducts(OwnProducts, ObservedLeastSquares):
    """Weighted least squares under which rows of H stay products, with L1 and L2 on every factor."""

    def said_of_columns(self, sums: ObservedSums, H: np.ndarray) -> OfColumns:
        """Return the loss over columns for the W of the pass; on the diagonal a bound of it that touches it at `H`."""
        if not self.diagonal_curvature:
            return OfColumns(sums.Q, sums.N, sums.based, sums.counts, False)
        h, V = H.T.astype(np.float64), sums.Q + sums.bound
        return OfColumns(V, V * h + sums.N - h @ sums.based, np.zeros_like(sums.based), sums.counts, True)

    def measure(self, sums: ObservedSums, H: np.ndarray, of_data: float) -> Measured:
        """Return what :meth:`ObservedLeastSquares.measure` does, with the gradient of the factors."""
        return replace(super().measure(sums, H, of_data), gradient=self.gradient(self.said_of_columns(sums, H), H))

    def guess(self, sums: ObservedSums, H: np.ndarray) -> np.ndarray:
        """Return the start for a given W: products near to the H that is best for it, updated."""
        apart = ObservedLeastSquares(implicit=self.implicit)
        lenient = replace(self._lenient, diagonal_curvature=False)
        return lenient.update(sums, lenient.enter(apart.update(sums, H).H)).H
