"""The Kullback–Leibler divergence by multiplicative updates, from the sums of a pass."""

import numpy as np

from dnmf.kernels.bounds import keep_below
from dnmf.kernels.packed import times_packed
from dnmf.passes.own_sums import OwnSums
from dnmf.schemes.curved import Divergence, usable_sums
from dnmf.schemes.scheme import SolvedColumns


class MultipliedDivergence(Divergence):
    """A divergence whose H is multiplied by ratios that are not negative: no update raises it.

    ``h ← h · (Wᵀ(a/p)) / (s + l1)`` with s the sums of the columns of W, or the root of the quadratic equation that a
    ridge makes of it (Lee & Seung 2001, *Algorithms for non-negative matrix factorization*).
    """

    def update(self, sums: OwnSums, H: np.ndarray, tolerance: float | None = None) -> SolvedColumns:
        """Return the next H: each entry at the minimum of a bound of the objective that is separable."""
        exactly, unknown = not self.solver.positive, self.diagonal_curvature and not self.zeros_are_linear
        if exactly or unknown:
            return super().update(sums, H, tolerance)
        h, (sums, usable) = np.ascontiguousarray(H.T, dtype=np.float64), usable_sums(sums)
        of_H, upper = self._scale_of_given(sums, H)[1], self.limits.upper[1]
        above, below = self._ratio(sums, h)
        l1, G0 = self._side_terms(of_H)
        bounds = np.zeros_like(h), np.full_like(h, upper)
        self._hold(bounds, h, of_H)
        found = np.clip(multiplied(h, above, below + l1, G0), *bounds)
        self._keep_alive(found, h, sums)
        found[~usable] = H.T[~usable]
        return SolvedColumns(self._normalized(keep_below(found.T.astype(H.dtype), upper)))

    def _ratio(self, sums: OwnSums, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What pulls entries up, ``Σ_i a_i / p_i w_i``, and down, ``Σ_i w_i``, of each column (n, k)."""
        if self.zeros_are_linear:
            return sums.N, np.broadcast_to(sums.s, h.shape)
        above = times_packed(sums.Q, h)
        return above, np.maximum(above - sums.N, 0.0)


def multiplied(h: np.ndarray, above: np.ndarray, below: np.ndarray, G0: np.ndarray) -> np.ndarray:
    """Return the x (n, k) with ``ridge x² + below x = above h``, ``ridge = (G0 h) / h``: h times a ratio.

    Without a ridge that is ``above / below``. An entry of which nothing is said stays.
    """
    ridge = np.divide(h @ G0, h, out=np.zeros_like(h), where=h > 0)
    pulled = h * above
    size = below + np.sqrt(below**2 + 4 * ridge * pulled)
    return np.divide(2 * pulled, size, out=h.copy(), where=size > 0)
