"""What is left of dense rows beside a prediction, entry by entry, added up along rows and along columns at once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, read_only

Array = NDArray[Any]

TILE = 256  # columns whose part of H stays in a near cache


def add_squares(A: Array, weights: Array | None, W: Array, HT: Array, of_rows: Array, of_columns: Array) -> None:
    """Add ``Σ c (a − w·h)²`` and ``Σ c a²`` of dense rows to the sums of their rows and of their columns.

    Row after row and column after column: a row gets the same bits whatever rows are beside it, and a column however
    the rows are cut into blocks.

    Parameters
    ----------
    A : array (rows, n)
        Any integers or floats; a NaN was not observed, and counts nowhere.
    weights : array (rows, n) or None
        How much each entry counts; all of them once where there are none.
    W : float64 array (rows, k)
        Rows of the one factor.
    HT : float64 array (n, k or more)
        The other one, transposed; what is beyond k is left alone.
    of_rows : float64 array (rows, 2)
        What is left, and what there is; added to.
    of_columns : float64 array (2, n)
        The same of the columns; added to.

    Raises
    ------
    ValueError
        If shapes do not agree, which compiled code would not notice.
    """
    (m, n), k = A.shape, W.shape[1]
    agree = len(W) == m and len(HT) == n and HT.shape[1] >= k
    if not agree or of_rows.shape != (m, 2) or of_columns.shape != (2, n):
        raise ValueError(f"A {A.shape}, W {W.shape}, HT {HT.shape} and sums {of_rows.shape}, {of_columns.shape} differ")
    if weights is not None and weights.shape != A.shape:
        raise ValueError(f"weights {weights.shape} are not those of A {A.shape}")
    counts = np.empty((0, 0)) if weights is None else weights.astype(np.float64, copy=False)
    _add_squares(read_only(A), read_only(counts), read_only(W), read_only(HT), of_rows, of_columns)


@compiled
def _add_squares(A: Array, weights: Array, W: Array, HT: Array, of_rows: Array, of_columns: Array) -> None:
    (m, n), k = A.shape, W.shape[1]
    weighted = weights.size > 0
    H, x = np.empty((k, TILE)), np.empty(TILE)
    for low in range(0, n, TILE):
        width = min(TILE, n - low)
        for j in range(width):
            for q in range(k):
                H[q, j] = HT[low + j, q]
        for i in range(m):
            for j in range(width):
                x[j] = A[i, low + j]
            for q in range(k):
                w = W[i, q]
                if w != 0:
                    for j in range(width):
                        x[j] -= w * H[q, j]
            left = there = 0.0
            for j in range(width):
                a, c = np.float64(A[i, low + j]), 1.0
                if weighted:
                    c = weights[i, low + j]
                if c == 0 or np.isnan(a):
                    continue
                of_left, of_all = c * x[j] * x[j], c * a * a
                left += of_left
                there += of_all
                of_columns[0, low + j] += of_left
                of_columns[1, low + j] += of_all
            of_rows[i, 0] += left
            of_rows[i, 1] += there
