"""How good factors are: one number, computed the same way for every program."""

from typing import Any

import numpy as np
import scipy.sparse

BLOCK_ROWS = 4096


def relative_error(A: Any, W: np.ndarray, H: np.ndarray) -> float:
    """Return ``‖A − WH‖ / ‖A‖`` of an ndarray or CSR array, in float64, without forming ``WH``.

    ``‖A − WH‖² = ‖A‖² − 2⟨AHᵀ, W⟩ + ⟨WᵀW, HHᵀ⟩``, some rows at a time.
    """
    W, H = W.astype(np.float64), H.astype(np.float64)
    squares = cross = 0.0
    for first in range(0, A.shape[0], BLOCK_ROWS):
        rows = A[first : first + BLOCK_ROWS].astype(np.float64)
        values = rows.data if scipy.sparse.issparse(rows) else rows.ravel()
        squares += float(values @ values)
        cross += float(np.vdot(rows @ H.T, W[first : first + BLOCK_ROWS]))
    rest = squares - 2 * cross + float(np.vdot(W.T @ W, H @ H.T))
    return float(np.sqrt(max(0.0, rest) / squares))
