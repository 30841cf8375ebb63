"""Columns with a Gram matrix of their own."""

import numpy as np

from dnmf.kernels.entries import unpack

COLUMNS_AT_ONCE = 1024


def gram_times(Q: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Return ``Q_j h_j`` (n, k) of packed matrices."""
    return np.concatenate([
        np.einsum("jql,jl->jq", unpack(Q[low : low + COLUMNS_AT_ONCE]), h[low : low + COLUMNS_AT_ONCE])
        for low in range(0, len(h), COLUMNS_AT_ONCE)
    ])  # fmt: skip
