"""How good factors are: a number of each loss, computed the same way for every program."""

from typing import Any

import numpy as np
import scipy.sparse

BLOCK_ROWS, ENTRIES_AT_ONCE = 4096, 2**18


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


def divergence(A: Any, W: np.ndarray, H: np.ndarray) -> float:
    """Return ``Σ a log(a/p) − a + p`` of a CSR array with ``p = W H``, in float64, some rows at a time.

    An entry that is not zero and for which nothing is predicted makes it infinite.
    """
    W, H = W.astype(np.float64), H.astype(np.float64)
    whole = float(W.sum(axis=0) @ H.sum(axis=1))
    for first in range(0, A.shape[0], BLOCK_ROWS):
        rows = A[first : first + BLOCK_ROWS].tocoo()
        a, p = rows.data.astype(np.float64), np.empty(rows.nnz)
        for low in range(0, rows.nnz, ENTRIES_AT_ONCE):
            some = slice(low, low + ENTRIES_AT_ONCE)
            p[some] = np.einsum("iq,iq->i", W[first + rows.row[some]], H.T[rows.col[some]])
        with np.errstate(divide="ignore"):
            whole += float(np.sum(a * np.log(a / p) - a, where=a > 0))
    return whole
