"""Sums over the entries of sparse rows, each entry with weights of its own: predictions, and a Gram matrix of each row
and of each column.

Rows are given as in :mod:`dnmf.kernels.products`; every array over entries is as long as `indices`, and the entries of
row i are those from ``indptr[i]`` on. Factors are padded.

A symmetric matrix of k rows is kept as the ``k (k + 1) / 2`` numbers on and below its diagonal, row after row:
``packed[i (i + 1) / 2 + j] = Q[i, j]``, j <= i.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, inner, read_only
from dnmf.kernels.lane_math import plus_wide, strip_of, sum_of, sums_of_four
from dnmf.kernels.lanes import load, plus_product, plus_times, store, strips, zeros
from dnmf.kernels.padding import LANES, aligned_zeros
from dnmf.kernels.tiles import FEW, gather, gram, stride_for, sums, sums_of_few

Array = NDArray[Any]

EIGHT = strips(LANES)[0]


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


def predict(indices: Array, indptr: Array, W: Array, HT: Array, out: Array) -> None:
    """Write ``w_i·h_j`` at every entry (i, j) of the rows to `out`.

    Parameters
    ----------
    indices, indptr
        Where the entries are, as in :func:`dnmf.kernels.products.cross_csr`.
    W : array (rows, width)
        Float32 or float64.
    HT : array (n, width)
        H transposed, in the dtype of `W`.
    out : array (entries,)
        In the dtype of `W`; what belongs to other rows is left as it is.

    Raises
    ------
    ValueError
        If shapes or dtypes do not agree.
    """
    _check(indices, indptr, W, HT, (out,))
    _predict(read_only(indices), read_only(indptr), read_only(W), read_only(HT), out)


def grams_of_rows(indices: Array, indptr: Array, c: Array, HT: Array, out: Array) -> None:
    """Write ``Σ_j c_ij h_j h_jᵀ`` of each row, packed, to `out`; it depends on that row alone, to the last bit.

    Parameters
    ----------
    indices, indptr
        Where the entries are.
    c : array (entries,)
        In the dtype of `HT`.
    HT : array (n, width)
        H transposed, float32 or float64.
    out : array (rows, k (k + 1) / 2)
        In the dtype of `HT`.

    Raises
    ------
    ValueError
        If shapes or dtypes do not agree.
    """
    _check(indices, indptr, out, HT, (c,), same_width=False)
    k, width = rank_of(out.shape[1]), HT.shape[1]
    _check_rank(k, width)
    scratch = _scratch(int(np.diff(indptr).max(initial=0)), width, HT.dtype)
    operands = read_only(indices), read_only(indptr), read_only(c), read_only(HT)
    _grams_of_rows(*operands, k, out, *scratch, strip_of(HT.dtype))


def fold_columns(r: Array, c: Array, indices: Array, indptr: Array, W: Array, N: Array, Q: Array) -> None:
    """Add ``Σ_i r_ij w_i`` to `N` and ``Σ_i c_ij w_i w_iᵀ`` to `Q` for every column j of a block.

    The sums of a block are made in the dtype of `W`, and added to the totals in float64. The entries of the block are
    copied in the order of columns meanwhile: :func:`fold_bytes`. All of `Q` is read and written where a column has an
    entry, so that a block should have many more entries than columns.

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
    _check(indices, indptr, W, W, (r, c))
    k = rank_of(Q.shape[1])
    _check_rank(k, W.shape[1])
    _check_totals(W, N, Q, len(N))
    entries, begins = int(indptr[-1] - indptr[0]), np.zeros(len(N) + 1, np.int64)
    weights, rows = np.empty((entries, 2), W.dtype), np.empty(entries, np.int32)
    operands = read_only(r), read_only(c), read_only(indices), read_only(indptr)
    most = _by_columns(*operands, begins, weights, rows)
    across, of_r, square, packed = _scratch(most, W.shape[1], W.dtype)
    operands = read_only(begins), read_only(weights), read_only(rows), read_only(W)
    _fold_columns(*operands, k, N, Q, across, of_r, np.zeros_like(of_r), square, packed, strip_of(W.dtype))


def fold_columns_diagonal(r: Array, c: Array, indices: Array, indptr: Array, W: Array, N: Array, V: Array) -> None:
    """Add ``Σ_i r_ij w_i`` to `N` and ``V_jq += Σ_i c_ij w_iq Σ_l w_il``: the separable bound of what is added to Q.

    Arguments as in :func:`fold_columns`, but for V, a float64 array (n, width). Rows are added one after the other,
    in float64: the same bits however they are cut into blocks.
    """
    _check(indices, indptr, W, W, (r, c))
    _check_totals(W, N, V, len(N))
    if N.shape != V.shape:
        raise ValueError(f"V is {V.shape}; it must be {N.shape}, like N")
    _fold_diagonal(read_only(r), read_only(c), read_only(indices), read_only(indptr), read_only(W), N, V)


def fold_bytes(entries: int, shape: tuple[int, int], width: int, dtype: Any) -> int:
    """Return the most bytes :func:`fold_columns` takes for itself.

    A copy of the entries of a block of this shape in the order of columns, and what a column is gathered in.
    """
    (rows, columns), itemsize = shape, np.dtype(dtype).itemsize
    return entries * (2 * itemsize + 4) + 8 * (columns + 1) + (width + 2) * stride_for(rows) * itemsize


def _check(indices: Array, indptr: Array, of_rows: Array, of_columns: Array, of_entries: tuple[Array, ...], *,
           same_width: bool = True) -> None:  # fmt: skip
    dtype, width = of_columns.dtype, of_columns.shape[1]
    if len(of_rows) != len(indptr) - 1 or of_rows.dtype != dtype or width % LANES:
        raise ValueError(
            f"{len(indptr) - 1} rows, {of_rows.dtype} {of_rows.shape} and {dtype} {of_columns.shape} differ"
        )
    if same_width and of_rows.shape[1] != width:
        raise ValueError(f"factors are {of_rows.shape[1]} and {width} wide")
    for each in of_entries:
        if each.shape != indices.shape or each.dtype != dtype or not each.flags.c_contiguous:
            raise ValueError(
                f"{each.dtype} {each.shape} is not one piece for {indices.size} entries and {dtype} factors"
            )


def _check_rank(k: int, width: int) -> None:
    if k > width:
        raise ValueError(f"there is no Gram matrix of {k} rows for factors {width} wide")


def _check_totals(W: Array, N: Array, other: Array, columns: int) -> None:
    if N.dtype != np.float64 or other.dtype != np.float64 or N.shape[1] != W.shape[1] or len(other) != columns:
        raise ValueError(f"totals are {N.dtype} {N.shape} and {other.dtype} {other.shape} for W {W.shape}")
    if not (N.flags.c_contiguous and other.flags.c_contiguous):
        raise ValueError("totals must be C-contiguous")


def _scratch(entries: int, width: int, dtype: Any) -> tuple[Array, Array, Array, Array]:
    """Room for the entries of a row, their weights, a matrix and its packed form with some more behind it."""
    stride = stride_for(entries)
    shapes = (width * stride,), (stride,), (width, width), (packed_size(width) + LANES,)
    across, weights, square, packed = (aligned_zeros(shape, dtype) for shape in shapes)
    return across, weights, square, packed


@compiled
def _predict(indices: Array, indptr: Array, W: Array, HT: Array, out: Array) -> None:
    """Four entries at once: their sums across lanes are made together."""
    width = W.shape[1]
    for i in range(len(W)):
        p, end = indptr[i], indptr[i + 1]
        while p + 4 <= end:
            a0, a1 = width * np.int64(indices[p]), width * np.int64(indices[p + 1])
            a2, a3 = width * np.int64(indices[p + 2]), width * np.int64(indices[p + 3])
            s0, s1, s2, s3 = zeros(W, EIGHT), zeros(W, EIGHT), zeros(W, EIGHT), zeros(W, EIGHT)
            for q in range(0, width, LANES):
                w = load(W, width * i + q, EIGHT)
                s0 = plus_product(s0, w, load(HT, a0 + q, EIGHT))
                s1 = plus_product(s1, w, load(HT, a1 + q, EIGHT))
                s2 = plus_product(s2, w, load(HT, a2 + q, EIGHT))
                s3 = plus_product(s3, w, load(HT, a3 + q, EIGHT))
            store(out, p, sums_of_four(s0, s1, s2, s3))
            p += 4
        while p < end:
            at, s0 = width * np.int64(indices[p]), zeros(W, EIGHT)
            for q in range(0, width, LANES):
                s0 = plus_product(s0, load(W, width * i + q, EIGHT), load(HT, at + q, EIGHT))
            out[p] = sum_of(s0)
            p += 1


@compiled
def _grams_of_rows(indices: Array, indptr: Array, c: Array, HT: Array, k: int, out: Array, across: Array,
                   weights: Array, square: Array, packed: Array, strip: Any) -> None:  # fmt: skip
    every, size = np.arange(HT.shape[1]), out.shape[1]
    for i in range(len(out)):
        first, entries = indptr[i], indptr[i + 1] - indptr[i]
        gather(HT, indices, first, entries, across)
        for t in range(stride_for(entries)):
            weights[t] = c[first + t] if t < entries else 0
        gram(across, entries, weights, every, k, square, strip)
        _pack(square, k, packed)
        for q in range(size):
            out[i, q] = packed[q]


@inner
def _pack(square: Array, k: int, packed: Array) -> None:
    """Whole vectors: what is written beyond a row's end is overwritten by the next row."""
    width, place = len(square), 0
    for i in range(k):
        for j in range(0, i + 1, LANES):
            store(packed, place + j, load(square, width * i + j, EIGHT))
        place += i + 1


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
        _pack(square, k, packed)
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
def _fold_diagonal(r: Array, c: Array, indices: Array, indptr: Array, W: Array, N: Array, V: Array) -> None:
    width, nothing = W.shape[1], zeros(W, EIGHT)
    bound = np.zeros(width, W.dtype)
    for i in range(len(W)):
        total = W.dtype.type(0)
        for q in range(width):
            total += W[i, q]
        for q in range(width):
            bound[q] = total * W[i, q]
        for p in range(indptr[i], indptr[i + 1]):
            at = width * np.int64(indices[p])
            for q in range(0, width, LANES):
                first = plus_times(nothing, r[p], load(W, width * i + q, EIGHT))
                second = plus_times(nothing, c[p], load(bound, q, EIGHT))
                store(N, at + q, plus_wide(load(N, at + q, EIGHT), first))
                store(V, at + q, plus_wide(load(V, at + q, EIGHT), second))
