"""Rows of H that carry no scale."""

import numpy as np


def normalize_rows(H: np.ndarray, held: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return `H` with rows whose absolute values sum to one (or zero), and the sums it was divided by.

    The first rows stay as they are where the columns of W that belong to them are `held`: they carry the scale.
    """
    sums = np.abs(H).sum(axis=1, dtype=np.float64)
    sums[:held] = 1.0
    return H / np.where(sums > 0, sums, 1.0).astype(H.dtype)[:, None], sums
