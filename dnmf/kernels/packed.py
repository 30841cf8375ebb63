"""Symmetric matrices, each kept as the numbers on and below its diagonal.

A matrix of k rows is ``k (k + 1) / 2`` numbers, row after row: ``packed[i (i + 1) / 2 + j] = Q[i, j]``, j <= i.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, inner, read_only

Array = NDArray[Any]


def packed_size(k: int) -> int:
    """Return how many numbers a packed matrix of `k` rows has.

    Examples
    --------
    >>> packed_size(20)
    210
    """
    return k * (k + 1) // 2


def unpack(packed: Array) -> Array:
    """Return the symmetric matrices (..., k, k) of packed ones (..., k (k + 1) / 2).

    Examples
    --------
    >>> unpack(np.array([1, 2, 3])).tolist()
    [[1, 2], [2, 3]]
    """
    k = rank_of(packed.shape[-1])
    rows, columns = np.tril_indices(k)
    whole = np.empty((*packed.shape[:-1], k, k), packed.dtype)
    whole[..., rows, columns] = whole[..., columns, rows] = packed
    return whole


def pack(whole: Array) -> Array:
    """Return the packed form of symmetric matrices (..., k, k): see :func:`unpack`."""
    rows, columns = np.tril_indices(whole.shape[-1])
    return np.ascontiguousarray(whole[..., rows, columns])


def rank_of(size: int) -> int:
    """Return the k of a packed matrix of so many numbers.

    Raises
    ------
    ValueError
        If no matrix has so many.
    """
    k = (math.isqrt(8 * size + 1) - 1) // 2
    if packed_size(k) != size:
        raise ValueError(f"no packed matrix has {size} numbers")
    return k


def diagonal_places(k: int) -> np.ndarray:
    """Return where the diagonal is in packed matrices of k rows.

    Examples
    --------
    >>> diagonal_places(3).tolist()
    [0, 2, 5]
    """
    return np.arange(k) * (np.arange(k) + 3) // 2


def times_packed(Q: Array, X: Array, G0: Array | None = None) -> Array:
    """Return ``(Q_i + G0) x_i`` of each packed matrix of `Q` (rows, T) and row of `X` (rows, k), in float64.

    `G0` (k, k) is what all matrices have in common, nothing by default.
    """
    common = _common(Q, X.shape, G0)
    product = np.zeros(X.shape)
    _times_packed(read_only(Q), common, read_only(X), product)
    return product


def completed(Q: Array, G0: Array, diagonal: Array, dtype: Any) -> Array:
    """Return the packed matrices ``Q_i + G0 + diag(d_i)``, added in float64 and rounded to `dtype` once.

    Parameters
    ----------
    Q : array (rows, k (k + 1) / 2)
        Packed, float32 or float64.
    G0 : array (k, k)
        What all have in common: where `Q` takes most of it away, rounding before the sum would be what is left.
    diagonal : array (rows, k)
        What each has on its diagonal beside.
    dtype
        Float32 or float64.
    """
    common, out = _common(Q, diagonal.shape, G0), np.empty(Q.shape, dtype)
    _complete(read_only(Q), common, read_only(np.asarray(diagonal, np.float64)), out)
    return out


def have_minimum(Q: Array, moving: Array, G0: Array | None = None, ridge: float = 0.0) -> Array:
    """Return which matrices ``Q_i + G0`` are positive among some of their coordinates: where a form has a minimum.

    Parameters
    ----------
    Q : array (rows, k (k + 1) / 2)
        Packed, float32 or float64.
    moving : bool array (rows, k)
        The coordinates of each that count.
    G0 : array (k, k), optional
        What all have in common.
    ridge : float
        The share of its size that is added to each number on the diagonal.

    Returns
    -------
    bool array (rows,)
        False also where a number that counts is not finite.
    """
    common, k, found = _common(Q, moving.shape, G0), moving.shape[1], np.zeros(len(Q), np.bool_)
    _have_minimum(read_only(Q), common, read_only(moving), float(ridge), np.zeros((k, k)), found)
    return found


def _common(Q: Array, shape: tuple[int, ...], G0: Array | None) -> Array:
    rows, k = shape
    common = np.zeros(packed_size(k)) if G0 is None else pack(np.asarray(G0, np.float64))
    if Q.shape != (rows, packed_size(k)) or common.shape != (packed_size(k),):
        raise ValueError(f"{Q.shape} with {common.shape} in common are no packed matrices for {shape}")
    return read_only(common)


@compiled
def _times_packed(Q: Array, common: Array, X: Array, product: Array) -> None:
    for row in range(X.shape[0]):
        at = 0
        for i in range(X.shape[1]):
            x, total = np.float64(X[row, i]), 0.0
            for j in range(i):
                q = np.float64(Q[row, at + j]) + common[at + j]
                total += q * X[row, j]
                product[row, j] += q * x
            product[row, i] += total + (Q[row, at + i] + common[at + i]) * x
            at += i + 1


@compiled
def _have_minimum(Q: Array, common: Array, moving: Array, ridge: float, M: Array, found: Array) -> None:
    for row in range(Q.shape[0]):
        count = _gather(Q[row], common, moving[row], M)
        good = True
        for q in range(count):
            pivot = M[q, q] + ridge * abs(M[q, q])
            if not 0 < pivot < np.inf:
                good = False
                break
            for i in range(q + 1, count):
                factor = M[i, q] / pivot
                for j in range(q + 1, i + 1):
                    M[i, j] -= factor * M[j, q]
        found[row] = good


@inner
def _gather(packed: Array, common: Array, moving: Array, M: Array) -> int:
    """Write the rows and columns that move to `M`, on and below its diagonal, and return how many there are."""
    count: Any = np.int64(0)
    for i in range(len(moving)):
        if moving[i]:
            at, column = i * (i + 1) // 2, 0
            for j in range(i + 1):
                if moving[j]:
                    M[count, column] = np.float64(packed[at + j]) + common[at + j]
                    column += 1
            count += 1
    return count


@compiled
def _complete(Q: Array, common: Array, diagonal: Array, out: Array) -> None:
    for row in range(Q.shape[0]):
        for i in range(Q.shape[1]):
            out[row, i] = Q[row, i] + common[i]
        at = 0
        for i in range(diagonal.shape[1]):
            out[row, at] = Q[row, at] + common[at] + diagonal[row, i]
            at += i + 2
