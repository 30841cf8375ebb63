"""The generalized Kullback–Leibler divergence: counts, as a Poisson likelihood has them."""

import numpy as np

from dnmf.kernels import kullback_leibler
from dnmf.losses.loss import Loss


class KullbackLeibler(Loss):
    """``a log(a / y) − a + y``; the y of all entries is `linear`, so that zeros cost nothing."""

    name = "kullback-leibler"
    formula = "Σ a log(a/p) − a + p"
    linear = 1.0
    zero_is_free = True
    positive = True
    multiplies = True
    power = 1.0
    fused = staticmethod(kullback_leibler.solve_rows)

    def value(self, a: np.ndarray, y: np.ndarray) -> np.ndarray:
        """``a log(a / y) − a``, 0 where a is."""
        a = a.astype(np.float64)
        return a * np.log(np.divide(a, y, out=np.ones_like(a), where=a > 0)) - a

    def weights(self, a: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``r = a / y``, ``c = a / y²``."""
        r, c = np.empty_like(y), np.empty_like(y)
        kullback_leibler.weights(a, y, r, c)
        return r, c

    def total(self, a: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> float:
        """The sum of all values, compiled where there are no weights."""
        if weights is not None:
            return super().total(a, y, weights)
        return kullback_leibler.value(a, y) - float(y.sum(dtype=np.float64))

    def on_ray(self, N: np.ndarray, F: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The best multiple of h.

        With ``F = Q h = Σ_i a_i / y_i w_i`` the linear part is ``F − N``, and ``t = ⟨F, h⟩ / ⟨F − N, h⟩``: the mass
        of the column over what is predicted for it. There r is ``F / t`` and Q is ``Q / t²``.
        """
        rest = F - N
        mass, predicted = np.einsum("jq,jq->j", F, h), np.einsum("jq,jq->j", rest, h)
        t = np.divide(mass, predicted, out=np.ones(len(h)), where=(mass > 0) & (predicted > 0))
        return t, F / t[:, None] - rest, 1 / t**2
