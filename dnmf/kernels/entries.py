"""Sums over the entries of sparse rows, each with weights of its own: predictions, and a Gram matrix of each row.

Rows are given as in :mod:`dnmf.kernels.products`; every array over entries is as long as `indices`, and the entries of
row i are those from ``indptr[i]`` on. Factors are padded.

Gram matrices are packed: :mod:`dnmf.kernels.packed`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, inner, read_only
from dnmf.kernels.lane_math import strip_of, sum_of, sums_of_four
from dnmf.kernels.lanes import load, plus_product, store, strips, zeros
from dnmf.kernels.packed import packed_size, rank_of
from dnmf.kernels.padding import LANES, aligned_zeros
from dnmf.kernels.tiles import gather, gram, stride_for

Array = NDArray[Any]

EIGHT = strips(LANES)[0]


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
    check_entries(indices, indptr, W, HT, (out,))
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
    check_entries(indices, indptr, out, HT, (c,), same_width=False)
    k, width = rank_of(out.shape[1]), HT.shape[1]
    check_rank(k, width)
    scratch = scratch_for(int(np.diff(indptr).max(initial=0)), width, HT.dtype)
    operands = read_only(indices), read_only(indptr), read_only(c), read_only(HT)
    _grams_of_rows(*operands, k, out, *scratch, strip_of(HT.dtype))


def check_entries(indices: Array, indptr: Array, of_rows: Array, of_columns: Array, of_entries: tuple[Array, ...], *,
                  same_width: bool = True) -> None:  # fmt: skip
    """Raise ValueError where shapes or dtypes do not agree, which compiled code would not notice."""
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


def check_rank(k: int, width: int) -> None:
    """Raise ValueError where factors `width` wide have no Gram matrix of `k` rows."""
    if k > width:
        raise ValueError(f"there is no Gram matrix of {k} rows for factors {width} wide")


def scratch_for(entries: int, width: int, dtype: Any) -> tuple[Array, Array, Array, Array]:
    """Return room for the entries of a row, their weights, a matrix and its packed form with some more behind it."""
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
        pack_square(square, k, packed)
        for q in range(size):
            out[i, q] = packed[q]


@inner
def pack_square(square: Array, k: int, packed: Array) -> None:
    """Write what is on and below the diagonal of `square` to `packed`.

    Whole vectors: what is written beyond a row's end is overwritten by the next row.
    """
    width, place = len(square), 0
    for i in range(k):
        for j in range(0, i + 1, LANES):
            store(packed, place + j, load(square, width * i + j, EIGHT))
        place += i + 1
