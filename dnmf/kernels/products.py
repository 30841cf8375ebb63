"""Products of CSR rows with thin dense factors: a non-zero costs one row of `k` numbers, read or added to.

A block of rows is passed as the whole ``data`` and ``indices`` of its panel and a view of ``indptr``:
``indptr[i]:indptr[i + 1]`` addresses them as it stands, so ``indptr[0]`` may be above 0.
Columns are checked once, by :mod:`dnmf.kernels.scan`, not here: one out of range would touch foreign memory.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, read_only

Array = NDArray[Any]


def cross_csr(data: Array, indices: Array, indptr: Array, HT: Array, out: Array) -> None:
    """Write ``B = A Hᵀ`` to `out`; a row of it depends on that row of A alone, to the last bit.

    Parameters
    ----------
    data, indices : array (non-zeros,)
        Values in the dtype of `HT`; columns as int32 or int64, in any order (one that repeats adds up).
    indptr : int64 array (rows + 1,)
        Where each row of the block begins in `data` and `indices`.
    HT : array (n, k)
        H transposed, float32 or float64: a non-zero reads one contiguous row of it.
    out : array (rows, k)
        C-contiguous, in the dtype of `HT`; overwritten.

    Raises
    ------
    ValueError
        If shapes or dtypes do not agree, which compiled code would not notice.
    """
    _check_factor("out", out, (len(indptr) - 1, HT.shape[1]), HT.dtype)
    _check_factor("data", data, indices.shape, HT.dtype)
    _cross_csr(read_only(data), read_only(indices), read_only(indptr), read_only(HT), out)


def fold_csr(data: Array, indices: Array, indptr: Array, W: Array, PT: Array) -> None:
    """Add ``Aᵀ W`` to `PT` in float64, row after row: the same bits however the rows are cut into blocks.

    Parameters
    ----------
    data, indices, indptr
        Rows of A, as in :func:`cross_csr`.
    W : array (rows, k)
        Float32 or float64, like `data`. Products of float32 numbers are exact in float64.
    PT : float64 array (n, k)
        P transposed, C-contiguous; added to.

    Raises
    ------
    ValueError
        If shapes or dtypes do not agree.
    """
    _check_factor("W", W, (len(indptr) - 1, PT.shape[1]), data.dtype)
    _check_factor("PT", PT, PT.shape, np.dtype(np.float64))
    _fold_csr(read_only(data), read_only(indices), read_only(indptr), read_only(W), PT)


def _check_factor(name: str, array: Array, shape: tuple[int, ...], dtype: np.dtype) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{name} is {array.dtype} {array.shape}; the other operands need {dtype} {shape}")


@compiled
def _cross_csr(data: Array, indices: Array, indptr: Array, HT: Array, out: Array) -> None:
    k = HT.shape[1]
    for i in range(out.shape[0]):
        row = out[i]
        for q in range(k):
            row[q] = 0
        p, end = indptr[i], indptr[i + 1]
        while p + 4 <= end:  # four non-zeros at a time: the row is loaded and stored once for them
            a0, a1, a2, a3 = data[p], data[p + 1], data[p + 2], data[p + 3]
            h0, h1, h2, h3 = HT[indices[p]], HT[indices[p + 1]], HT[indices[p + 2]], HT[indices[p + 3]]
            for q in range(k):
                row[q] += (a0 * h0[q] + a1 * h1[q]) + (a2 * h2[q] + a3 * h3[q])
            p += 4
        while p < end:
            a0, h0 = data[p], HT[indices[p]]
            for q in range(k):
                row[q] += a0 * h0[q]
            p += 1


@compiled
def _fold_csr(data: Array, indices: Array, indptr: Array, W: Array, PT: Array) -> None:
    rows, k = W.shape
    w = np.empty(k)  # float64: converted once for a row, not once for a non-zero
    for i in range(rows):
        for q in range(k):
            w[q] = W[i, q]
        p, end = indptr[i], indptr[i + 1]
        while p + 2 <= end:  # two at a time: w is loaded once for both
            a0, a1 = np.float64(data[p]), np.float64(data[p + 1])
            P0, P1 = PT[indices[p]], PT[indices[p + 1]]
            for q in range(k):
                P0[q] += a0 * w[q]
                P1[q] += a1 * w[q]
            p += 2
        if p < end:
            a0, P0 = np.float64(data[p]), PT[indices[p]]
            for q in range(k):
                P0[q] += a0 * w[q]
