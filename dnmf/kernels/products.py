"""Products of a block of rows, dense or CSR, with thin factors: for each value of A, one padded row of `k` numbers.

Values and columns are taken as they are stored, whatever integers or floats they are (bool and float16, which the
compiler does not know, are for the caller to widen). Factors are C-contiguous, rows padded with zeros to a multiple
of :data:`dnmf.kernels.padding.LANES`. A block of CSR rows may be the whole ``data`` and ``indices`` of its panel and a
view of ``indptr``: ``indptr[0]`` may be above 0.
Columns are checked once, by :mod:`dnmf.kernels.scan`, not here: one out of range would touch foreign memory.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, read_only
from dnmf.kernels.lanes import (
    MOST_STRIP,
    load,
    load_as,
    load_in_halves,
    number,
    plus,
    plus_product,
    plus_times,
    store,
    strips,
    zeros,
    zeros_in_halves,
)
from dnmf.kernels.padding import LANES

Array = NDArray[Any]

TILE = 2048  # columns of dense rows whose part of a factor stays in the second-level cache
RESIDUAL_TILE = 256  # of H: it stays in the first-level cache


def cross_csr(data: Array, indices: Array, indptr: Array, HT: Array, out: Array) -> None:
    """Write ``B = A Hᵀ`` to `out`; a row of it depends on that row of A alone, to the last bit.

    Parameters
    ----------
    data, indices : array (non-zeros,)
        Values; columns in any order (one that repeats adds up).
    indptr : int64 array (rows + 1,)
        Where each row of the block begins in `data` and `indices`.
    HT : array (n, width)
        H transposed, float32 or float64: a non-zero reads one contiguous row of it.
    out : array (rows, width)
        In the dtype of `HT`; overwritten.

    Raises
    ------
    ValueError
        If shapes or dtypes do not agree, which compiled code would not notice.
    """
    _check_factors(len(indptr) - 1, HT, out)
    if data.shape != indices.shape:
        raise ValueError(f"there are {data.size} values for {indices.size} columns")
    operands = read_only(data), read_only(indices), read_only(indptr), read_only(HT)
    for strip in strips(HT.shape[1]):
        _cross_csr(*operands, out, strip)


def fold_csr(data: Array, indices: Array, indptr: Array, W: Array, PT: Array) -> None:
    """Add ``Aᵀ W`` to `PT`, row after row: the same bits however the rows are cut into blocks.

    Parameters
    ----------
    data, indices, indptr
        Rows of A, as in :func:`cross_csr`.
    W : array (rows, width)
        Float32 or float64.
    PT : array (n, width)
        P transposed, in the dtype of `W`, in which the sums are made; added to.

    Raises
    ------
    ValueError
        If shapes or dtypes do not agree.
    """
    _check_factors(len(indptr) - 1, PT, W)
    if data.shape != indices.shape:
        raise ValueError(f"there are {data.size} values for {indices.size} columns")
    operands = read_only(data), read_only(indices), read_only(indptr), read_only(W)
    for strip in strips(W.shape[1]):
        _fold_csr(*operands, PT, strip)


def cross_dense(A: Array, HT: Array, out: Array) -> None:
    """Write ``B = A Hᵀ`` to `out` for a dense `A` (rows, n); arguments and promises as in :func:`cross_csr`."""
    _check_factors(A.shape[0], HT, out)
    _check_columns(A, HT)
    operands = read_only(A), read_only(HT)
    for strip in strips(HT.shape[1]):
        _cross_dense(*operands, out, strip)


def fold_dense(A: Array, W: Array, PT: Array) -> None:
    """Add ``Aᵀ W`` to `PT` for a dense `A` (rows, n).

    Arguments as in :func:`fold_csr`. Eight rows are added up before they are added to `PT`: blocks that begin at
    multiples of 8 rows give the same bits as all rows at once.
    """
    _check_factors(A.shape[0], PT, W)
    _check_columns(A, PT)
    operands = read_only(A), read_only(W)
    for strip in strips(W.shape[1]):
        _fold_dense(*operands, PT, strip)


def residual_dense(A: Array, W: Array, H: Array) -> float:
    """Return ``‖A − WH‖²`` of dense rows, right to the rounding of the residual however small that is.

    Parameters
    ----------
    A : array (rows, n)
        Any integers or floats.
    W : array (rows, width)
        Float32 or float64.
    H : array (width, n)
        In the dtype of `W`; the width needs no padding here.
    """
    if W.dtype != H.dtype or A.shape != (W.shape[0], H.shape[1]) or W.shape[1] != H.shape[0]:
        raise ValueError(f"A {A.shape}, W {W.dtype} {W.shape} and H {H.dtype} {H.shape} do not agree")
    row = np.zeros(LANES * MOST_STRIP, H.dtype)
    return float(_residual_dense(read_only(A), read_only(W), read_only(H), row, strips(len(row))[0]))


def _check_factors(rows: int, of_columns: Array, of_rows: Array) -> None:
    width = of_columns.shape[1]
    if of_rows.shape != (rows, width) or of_rows.dtype != of_columns.dtype or width % LANES:
        raise ValueError(
            f"{rows} rows with factors {of_rows.dtype} {of_rows.shape} and {of_columns.dtype} {of_columns.shape}: "
            f"they must agree, with a width that is a multiple of {LANES}"
        )


def _check_columns(A: Array, of_columns: Array) -> None:
    if A.shape[1] != of_columns.shape[0]:
        raise ValueError(f"A has {A.shape[1]} columns, its factor {of_columns.shape[0]} rows")


@compiled
def _cross_csr(data: Array, indices: Array, indptr: Array, HT: Array, out: Array, strip: tuple[int, ...]) -> None:
    width, first = HT.shape[1], strip[0]
    for i in range(out.shape[0]):
        p, end = indptr[i], indptr[i + 1]
        even, odd = zeros_in_halves(HT, strip), zeros_in_halves(HT, strip)  # an addition waits for the one before it
        while p + 2 <= end:
            h0 = load_in_halves(HT, width * np.int64(indices[p]) + first, strip)
            h1 = load_in_halves(HT, width * np.int64(indices[p + 1]) + first, strip)
            even = plus_times(even, number(HT, data, p), h0)
            odd = plus_times(odd, number(HT, data, p + 1), h1)
            p += 2
        if p < end:
            h0 = load_in_halves(HT, width * np.int64(indices[p]) + first, strip)
            even = plus_times(even, number(HT, data, p), h0)
        store(out, width * i + first, plus(even, odd))


@compiled
def _fold_csr(data: Array, indices: Array, indptr: Array, W: Array, PT: Array, strip: tuple[int, ...]) -> None:
    width, first = PT.shape[1], strip[0]
    for i in range(W.shape[0]):
        w = load_in_halves(W, width * i + first, strip)
        for p in range(indptr[i], indptr[i + 1]):
            place = width * np.int64(indices[p]) + first
            store(PT, place, plus_times(load_in_halves(PT, place, strip), number(W, data, p), w))


@compiled
def _cross_dense(A: Array, HT: Array, out: Array, strip: tuple[int, ...]) -> None:
    """Eight rows at once, so that a row of HT is loaded once for them; tile after tile of columns."""
    (m, n), width, first = A.shape, HT.shape[1], strip[0]
    for low in range(0, n, TILE):
        high = min(low + TILE, n)
        i = 0
        while i + 8 <= m:
            at, to = i * n, i * width + first
            x0, x1, x2, x3 = zeros(HT, strip), zeros(HT, strip), zeros(HT, strip), zeros(HT, strip)
            x4, x5, x6, x7 = zeros(HT, strip), zeros(HT, strip), zeros(HT, strip), zeros(HT, strip)
            for j in range(low, high):
                h = load(HT, j * width + first, strip)
                x0 = plus_times(x0, number(HT, A, at + j), h)
                x1 = plus_times(x1, number(HT, A, at + n + j), h)
                x2 = plus_times(x2, number(HT, A, at + 2 * n + j), h)
                x3 = plus_times(x3, number(HT, A, at + 3 * n + j), h)
                x4 = plus_times(x4, number(HT, A, at + 4 * n + j), h)
                x5 = plus_times(x5, number(HT, A, at + 5 * n + j), h)
                x6 = plus_times(x6, number(HT, A, at + 6 * n + j), h)
                x7 = plus_times(x7, number(HT, A, at + 7 * n + j), h)
            for r, x in enumerate((x0, x1, x2, x3, x4, x5, x6, x7)):
                place = to + r * width
                store(out, place, plus(load(out, place, strip), x) if low > 0 else x)
            i += 8
        while i < m:
            x0, place = zeros(HT, strip), i * width + first
            for j in range(low, high):
                x0 = plus_times(x0, number(HT, A, i * n + j), load(HT, j * width + first, strip))
            store(out, place, plus(load(out, place, strip), x0) if low > 0 else x0)
            i += 1


@compiled
def _fold_dense(A: Array, W: Array, PT: Array, strip: tuple[int, ...]) -> None:
    """Eight rows at once, so that a row of PT is loaded and stored once for them."""
    (m, n), width, first = A.shape, PT.shape[1], strip[0]
    for low in range(0, n, TILE):
        high = min(low + TILE, n)
        i = 0
        while i + 8 <= m:
            at, of = i * n, i * width + first
            w0, w1 = load(W, of, strip), load(W, of + width, strip)
            w2, w3 = load(W, of + 2 * width, strip), load(W, of + 3 * width, strip)
            w4, w5 = load(W, of + 4 * width, strip), load(W, of + 5 * width, strip)
            w6, w7 = load(W, of + 6 * width, strip), load(W, of + 7 * width, strip)
            for j in range(low, high):
                even, odd, place = zeros(W, strip), zeros(W, strip), j * width + first
                even = plus_times(even, number(W, A, at + j), w0)
                odd = plus_times(odd, number(W, A, at + n + j), w1)
                even = plus_times(even, number(W, A, at + 2 * n + j), w2)
                odd = plus_times(odd, number(W, A, at + 3 * n + j), w3)
                even = plus_times(even, number(W, A, at + 4 * n + j), w4)
                odd = plus_times(odd, number(W, A, at + 5 * n + j), w5)
                even = plus_times(even, number(W, A, at + 6 * n + j), w6)
                odd = plus_times(odd, number(W, A, at + 7 * n + j), w7)
                store(PT, place, plus(load(PT, place, strip), plus(even, odd)))
            i += 8
        while i < m:
            w0 = load(W, i * width + first, strip)
            for j in range(low, high):
                place = j * width + first
                store(PT, place, plus_times(load(PT, place, strip), number(W, A, i * n + j), w0))
            i += 1


@compiled
def _residual_dense(A: Array, W: Array, H: Array, row: Array, strip: tuple[int, ...]) -> float:
    """Four rows at once, tile after tile; `row` takes the squares of a tile on their way to float64."""
    (m, n), k, total = A.shape, W.shape[1], 0.0
    whole = n - n % len(row)
    for low in range(0, whole, RESIDUAL_TILE):
        for i in range(0, m, 4):
            # The last rows are visited with the one before them in the empty places, and count once.
            i1, i2, i3 = min(i + 1, m - 1), min(i + 2, m - 1), min(i + 3, m - 1)
            squares, none = zeros(H, strip), zeros(H, strip)
            for j in range(low, min(low + RESIDUAL_TILE, whole), len(row)):
                x0, x1 = load_as(H, A, i * n + j, strip), load_as(H, A, i1 * n + j, strip)
                x2, x3 = load_as(H, A, i2 * n + j, strip), load_as(H, A, i3 * n + j, strip)
                for q in range(k):
                    h = load(H, q * n + j, strip)
                    x0 = plus_times(x0, -number(H, W, i * k + q), h)
                    x1 = plus_times(x1, -number(H, W, i1 * k + q), h)
                    x2 = plus_times(x2, -number(H, W, i2 * k + q), h)
                    x3 = plus_times(x3, -number(H, W, i3 * k + q), h)
                squares = plus_product(squares, x0, x0)
                squares = plus_product(squares, x1 if i + 1 < m else none, x1)
                squares = plus_product(squares, x2 if i + 2 < m else none, x2)
                squares = plus_product(squares, x3 if i + 3 < m else none, x3)
            store(row, 0, squares)
            for lane in range(len(row)):
                total += np.float64(row[lane])
    for i in range(m):
        for j in range(whole, n):
            difference = H.dtype.type(A[i, j])
            for q in range(k):
                difference -= W[i, q] * H[q, j]
            total += np.float64(difference) * np.float64(difference)
    return total
