"""Entries that have to stay above zero: for predictions that do, and for updates that leave a zero where it is."""

import numpy as np

FLOOR = 0.1  # of what the plain update has: an extrapolated H is not below it
KEPT = 0.9  # of that where the solver multiplies: what extrapolation takes from an entry it gets back slowly
FLOOR_OF_START = 1e-2  # of the mean of its row, alike for all components: neutral to W, and no entry stays at zero


def above_zero(H: np.ndarray) -> np.ndarray:
    """Return H (k, n) with nothing below a small share of the mean of its row; a row of zeros stays one."""
    return np.maximum(H, (FLOOR_OF_START * H.mean(axis=1, keepdims=True)).astype(H.dtype))
