"""What rows of W add to the sums of columns: ``Σ_i r_ij w_i`` and the Gram matrices ``Σ_i c_ij w_i w_iᵀ``.

Entries are given as in :mod:`dnmf.kernels.entries`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.entries import EIGHT, check_entries, check_rank, pack_square, scratch_for
from dnmf.kernels.jit import compiled, read_only
from dnmf.kernels.lane_math import plus_wide, strip_of
from dnmf.kernels.lanes import load, plus_times, store, zeros
from dnmf.kernels.packed import packed_size, rank_of
from dnmf.kernels.padding import LANES, aligned_zeros, padded
from dnmf.kernels.tiles import FEW, gather, gram, stride_for, sums, sums_of_few

Array = NDArray[Any]

NUMBERS_NEAR, BYTES_NEAR = 80, 4 * 2**20
"""Of the sums of a column, and of those of all: so small they are added to one by one, in the order of rows."""


def fold_columns(r: Array, c: Array, indices: Array, indptr: Array, W: Array, N: Array, Q: Array) -> None:
    """Add ``Σ_i r_ij w_i`` to `N` and ``Σ_i c_ij w_i w_iᵀ`` to `Q` for every column j of a block.

    The sums of a block are made in the dtype of `W`, and added to the totals in float64. Where they are small they are
    made entry after entry; elsewhere the entries of the block are copied in the order of columns meanwhile. All of `Q`
    is read and written, so that a block should have many more entries than columns.

    Parameters
    ----------
    r, c : array (entries,)
        In the dtype of `W`.
    indices, indptr
        Where the entries are.
    W : array (rows, width)
        Float32 or float64.
    N : float64 array (n, width)
        Added to.
    Q : float64 array (n, k (k + 1) / 2)
        Packed; added to.

    Raises
    ------
    ValueError
        If shapes or dtypes do not agree.
    """
    check_entries(indices, indptr, W, W, (r, c))
    k = rank_of(Q.shape[1])
    check_rank(k, W.shape[1])
    _check_totals(W, N, Q, len(N))
    operands = read_only(r), read_only(c), read_only(indices), read_only(indptr)
    of_column = W.shape[1] + padded(packed_size(k))
    if of_column <= NUMBERS_NEAR and of_column * len(N) * W.itemsize <= BYTES_NEAR:
        some = aligned_zeros((len(N), of_column), W.dtype)
        _fold_by_rows(*operands, read_only(W), k, some, N, Q)
        return
    entries, begins = int(indptr[-1] - indptr[0]), np.zeros(len(N) + 1, np.int64)
    weights, rows = np.empty((entries, 2), W.dtype), np.empty(entries, np.int32)
    most = _by_columns(*operands, begins, weights, rows)
    across, of_r, square, packed = scratch_for(most, W.shape[1], W.dtype)
    operands = read_only(begins), read_only(weights), read_only(rows), read_only(W)
    _fold_columns(*operands, k, N, Q, across, of_r, np.zeros_like(of_r), square, packed, strip_of(W.dtype))


def add_by_column(values: Array, indices: Array, totals: Array) -> None:
    """Add the value of each entry to the total of its column, one after the other, in float64.

    Parameters
    ----------
    values : array (entries,)
        Float32 or float64.
    indices : integer array (entries,)
        The column of each.
    totals : float64 array (n,)
        Added to.

    Raises
    ------
    ValueError
        If shapes or dtypes do not agree.
    """
    if values.shape != indices.shape or totals.dtype != np.float64 or totals.ndim != 1:
        raise ValueError(f"{values.shape} values in {indices.shape} columns and {totals.dtype} totals {totals.shape}")
    _add_by_column(read_only(values), read_only(indices), totals)


def fold_columns_diagonal(r: Array, c: Array, indices: Array, indptr: Array, W: Array, N: Array, V: Array) -> None:
    """Add ``Σ_i r_ij w_i`` to `N` and ``V_jq += Σ_i c_ij |w_iq| Σ_l |w_il|``: the separable bound of what Q would be.

    Arguments as in :func:`fold_columns`, but for V, a float64 array (n, width). Rows are added one after the other,
    in float64: the same bits however they are cut into blocks.
    """
    check_entries(indices, indptr, W, W, (r, c))
    _check_totals(W, N, V, len(N))
    if N.shape != V.shape:
        raise ValueError(f"V is {V.shape}; it must be {N.shape}, like N")
    _fold_diagonal(read_only(r), read_only(c), read_only(indices), read_only(indptr), read_only(W), N, V)


def _check_totals(W: Array, N: Array, other: Array, columns: int) -> None:
    if N.dtype != np.float64 or other.dtype != np.float64 or N.shape[1] != W.shape[1] or len(other) != columns:
        raise ValueError(f"totals are {N.dtype} {N.shape} and {other.dtype} {other.shape} for W {W.shape}")
    if not (N.flags.c_contiguous and other.flags.c_contiguous):
        raise ValueError("totals must be C-contiguous")


@compiled
def _fold_by_rows(r: Array, c: Array, indices: Array, indptr: Array, W: Array, k: int, some: Array, N: Array,
                  Q: Array) -> None:  # fmt: skip
    """Add w and its products with itself, side by side, to what is of each column in `some`, and this to the totals."""
    width, of_column, size = W.shape[1], some.shape[1], Q.shape[1]
    row = np.zeros(of_column, W.dtype)
    for i in range(len(W)):
        place = width
        for q in range(k):
            row[q] = W[i, q]
            for p in range(q + 1):
                row[place + p] = W[i, q] * W[i, p]
            place += q + 1
        for entry in range(indptr[i], indptr[i + 1]):
            at = of_column * np.int64(indices[entry])
            for q in range(0, width, LANES):
                store(some, at + q, plus_times(load(some, at + q, EIGHT), r[entry], load(row, q, EIGHT)))
            for q in range(width, of_column, LANES):
                store(some, at + q, plus_times(load(some, at + q, EIGHT), c[entry], load(row, q, EIGHT)))
    for j in range(len(N)):
        for q in range(width):
            N[j, q] += np.float64(some[j, q])
        for q in range(size):
            Q[j, q] += np.float64(some[j, width + q])


@compiled
def _fold_columns(begins: Array, weights: Array, rows: Array, W: Array, k: int, N: Array, Q: Array, across: Array,
                  r: Array, c: Array, square: Array, packed: Array, strip: Any) -> None:  # fmt: skip
    width, every, size = W.shape[1], np.arange(W.shape[1]), Q.shape[1]
    total, zero = np.zeros(width, W.dtype), W.dtype.type(0)
    for j in range(len(N)):
        first, entries = begins[j], begins[j + 1] - begins[j]
        if entries == 0:
            continue
        for t in range(stride_for(entries)):
            r[t], c[t] = (weights[first + t, 0], weights[first + t, 1]) if t < entries else (zero, zero)
        if entries <= FEW:
            sums_of_few(W, rows, first, entries, r, c, k, total, square)
        else:
            gather(W, rows, first, entries, across)
            sums(across, entries, r, width, total, strip)
            gram(across, entries, c, every, k, square, strip)
        pack_square(square, k, packed)
        for q in range(0, width, LANES):
            store(N, width * j + q, plus_wide(load(N, width * j + q, EIGHT), load(total, q, EIGHT)))
        for q in range(size):
            Q[j, q] += np.float64(packed[q])


@compiled
def _by_columns(r: Array, c: Array, indices: Array, indptr: Array, begins: Array, weights: Array,
                rows: Array) -> int:  # fmt: skip
    """Write r and c of each entry and its row, column after column, and where columns begin; the longest one.

    Weights and rows of a column are in the order of rows.
    """
    for p in range(indptr[0], indptr[-1]):
        begins[np.int64(indices[p]) + 1] += 1
    most = 0
    for j in range(1, len(begins)):
        most = max(most, begins[j])
        begins[j] += begins[j - 1]
    for i in range(len(indptr) - 1):
        for p in range(indptr[i], indptr[i + 1]):
            of = np.int64(indices[p])
            place = begins[of]
            begins[of] = place + 1
            weights[place, 0], weights[place, 1], rows[place] = r[p], c[p], i
    for j in range(len(begins) - 1, 0, -1):
        begins[j] = begins[j - 1]
    begins[0] = 0
    return most


@compiled
def _add_by_column(values: Array, indices: Array, totals: Array) -> None:
    for p in range(len(indices)):
        totals[np.int64(indices[p])] += np.float64(values[p])


@compiled
def _fold_diagonal(r: Array, c: Array, indices: Array, indptr: Array, W: Array, N: Array, V: Array) -> None:
    width, nothing = W.shape[1], zeros(W, EIGHT)
    bound = np.zeros(width, W.dtype)
    for i in range(len(W)):
        total = W.dtype.type(0)
        for q in range(width):
            total += abs(W[i, q])
        for q in range(width):
            bound[q] = total * abs(W[i, q])
        for p in range(indptr[i], indptr[i + 1]):
            at = width * np.int64(indices[p])
            for q in range(0, width, LANES):
                first = plus_times(nothing, r[p], load(W, width * i + q, EIGHT))
                second = plus_times(nothing, c[p], load(bound, q, EIGHT))
                store(N, at + q, plus_wide(load(N, at + q, EIGHT), first))
                store(V, at + q, plus_wide(load(V, at + q, EIGHT), second))
