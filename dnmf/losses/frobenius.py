"""Least squares."""

import numpy as np

from dnmf.losses.loss import Loss


class Frobenius(Loss):
    """``½ (a − y)²``: the Frobenius norm of what is left."""

    name = "frobenius"
    formula = "½‖A − W diag(d) H‖²"
    error_formula = "‖A − W diag(d) H‖ / ‖A‖"
    whole = "‖A‖²"
    shared_curvature = True

    def told(self, loss: float, relative_error: float) -> str:
        """The relative error."""
        del loss
        return f"relative error {relative_error:.4f}"

    def value(self, a: np.ndarray, y: np.ndarray) -> np.ndarray:
        """``½ (a − y)²``."""
        return 0.5 * np.square(a.astype(np.float64) - y)

    def weights(self, a: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``r = a − y``, ``c = 1``."""
        return (a - y).astype(y.dtype), np.ones_like(y)
