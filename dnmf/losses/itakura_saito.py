"""The Itakura–Saito divergence: powers and spectra, whose noise is a factor."""

import numpy as np

from dnmf.losses.loss import Loss


class ItakuraSaito(Loss):
    """``a / y − log(a / y) − 1``: the same for every multiple of a and y."""

    name = "itakura-saito"
    formula = "Σ a/p − log(a/p) − 1"
    positive = True
    above_zero = True
    most_shrink = 0.8
    power = 2.0

    def value(self, a: np.ndarray, y: np.ndarray) -> np.ndarray:
        """``a / y − log(a / y) − 1``."""
        share = a.astype(np.float64) / y
        return share - np.log(share) - 1

    def weights(self, a: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``r = a / y² − 1 / y``, and Fisher's ``c = 1 / y²``: the expected curvature, which is never negative."""
        over = 1 / y
        return (a * over - 1).astype(y.dtype) * over, over * over

    def on_ray(self, N: np.ndarray, F: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The best multiple of h: with ``F = Q h = Σ_i w_i / y_i``, ``t = ⟨N + F, h⟩ / ⟨F, h⟩``."""
        pulled = N + F
        above, below = np.einsum("jq,jq->j", pulled, h), np.einsum("jq,jq->j", F, h)
        t = np.divide(above, below, out=np.ones(len(h)), where=(above > 0) & (below > 0))
        return t, pulled / (t**2)[:, None] - F / t[:, None], 1 / t**2
