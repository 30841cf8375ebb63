"""Products over the entries of one row (or column) of A, whose rows of the other factor are gathered and transposed.

Entries lie along the lanes of registers: `across` holds coordinate q of all of them from ``across[q * stride]`` on.
The stride is :func:`stride_for` the entries; what lies between their number and the stride is 0, and so are the
coordinates of the padding. A Gram matrix of k coordinates is then made of squares of 4 x 4 numbers that stay in
registers, which is two to three times as fast as adding each entry to a matrix in memory. A matrix here is square,
as wide as a padded row, and only what is on and below its diagonal counts.

Arguments named `strip` are :func:`dnmf.kernels.lane_math.strip_of` the dtype.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, inner
from dnmf.kernels.lane_math import store_turned, sums_of_four, times
from dnmf.kernels.lanes import load, number, plus_product, plus_times, store, strips, zeros
from dnmf.kernels.padding import LANES

Array = NDArray[Any]

GROUP = 2 * LANES  # entries go together so
FEW = 4 * GROUP
EIGHT = strips(LANES)[0]


@compiled
def stride_for(entries: int) -> int:
    """Return an odd number of groups, at least so many entries: rows of `across` begin in different cache sets."""
    groups = (entries + GROUP - 1) // GROUP
    return GROUP * (groups + 1 - groups % 2)


@inner
def gather(X: Array, ids: Array, first: int, entries: int, across: Array) -> None:
    """Write ``X[ids[first + t]]``, t = 0 ... entries - 1, to column t of `across`."""
    width, stride = X.shape[1], stride_for(entries)
    whole = entries - entries % LANES
    for t in range(0, whole, LANES):
        p = first + t
        a0, a1 = width * np.int64(ids[p]), width * np.int64(ids[p + 1])
        a2, a3 = width * np.int64(ids[p + 2]), width * np.int64(ids[p + 3])
        a4, a5 = width * np.int64(ids[p + 4]), width * np.int64(ids[p + 5])
        a6, a7 = width * np.int64(ids[p + 6]), width * np.int64(ids[p + 7])
        for q in range(0, width, LANES):
            x0, x1, x2, x3 = (
                load(X, a0 + q, EIGHT),
                load(X, a1 + q, EIGHT),
                load(X, a2 + q, EIGHT),
                load(X, a3 + q, EIGHT),
            )
            x4, x5, x6, x7 = (
                load(X, a4 + q, EIGHT),
                load(X, a5 + q, EIGHT),
                load(X, a6 + q, EIGHT),
                load(X, a7 + q, EIGHT),
            )
            store_turned(across, stride * q + t, stride, (x0, x1, x2, x3, x4, x5, x6, x7))
    nothing = zeros(X, EIGHT)
    for q in range(width):
        for t in range(whole, stride, LANES):
            store(across, stride * q + t, nothing)
    for t in range(whole, entries):
        at = width * np.int64(ids[first + t])
        for q in range(width):
            across[stride * q + t] = number(across, X, at + q)


@inner
def predictions(across: Array, entries: int, w: Array, chosen: Array, count: int, y: Array, strip: Any) -> None:
    """Write ``Σ_q w_q across_q`` over the first `count` coordinates named in `chosen` to `y`, up to the stride."""
    stride, group = stride_for(entries), LANES * len(strip)
    four = 4 * group
    t = 0
    while t + four <= stride:
        s0, s1, s2, s3 = zeros(y, strip), zeros(y, strip), zeros(y, strip), zeros(y, strip)
        for i in range(count):
            q = chosen[i]
            factor, at = w[q], stride * q + t
            s0 = plus_times(s0, factor, load(across, at, strip))
            s1 = plus_times(s1, factor, load(across, at + group, strip))
            s2 = plus_times(s2, factor, load(across, at + 2 * group, strip))
            s3 = plus_times(s3, factor, load(across, at + 3 * group, strip))
        store(y, t, s0)
        store(y, t + group, s1)
        store(y, t + 2 * group, s2)
        store(y, t + 3 * group, s3)
        t += four
    while t < stride:
        s0 = zeros(y, strip)
        for i in range(count):
            q = chosen[i]
            s0 = plus_times(s0, w[q], load(across, stride * q + t, strip))
        store(y, t, s0)
        t += group


@inner
def sums(across: Array, entries: int, r: Array, width: int, out: Array, strip: Any) -> None:
    """Write ``out_q = Σ_t r_t across_qt`` for all coordinates; r is 0 from the entries up to the stride."""
    stride, group = stride_for(entries), LANES * len(strip)
    for q in range(0, width, LANES):
        at = stride * q
        s0, s1, s2, s3 = zeros(r, strip), zeros(r, strip), zeros(r, strip), zeros(r, strip)
        s4, s5, s6, s7 = zeros(r, strip), zeros(r, strip), zeros(r, strip), zeros(r, strip)
        for t in range(0, entries, group):
            x = load(r, t, strip)
            s0 = plus_product(s0, x, load(across, at + t, strip))
            s1 = plus_product(s1, x, load(across, at + stride + t, strip))
            s2 = plus_product(s2, x, load(across, at + 2 * stride + t, strip))
            s3 = plus_product(s3, x, load(across, at + 3 * stride + t, strip))
            s4 = plus_product(s4, x, load(across, at + 4 * stride + t, strip))
            s5 = plus_product(s5, x, load(across, at + 5 * stride + t, strip))
            s6 = plus_product(s6, x, load(across, at + 6 * stride + t, strip))
            s7 = plus_product(s7, x, load(across, at + 7 * stride + t, strip))
        store(out, q, sums_of_four(s0, s1, s2, s3))
        store(out, q + 4, sums_of_four(s4, s5, s6, s7))


@inner
def gram(across: Array, entries: int, c: Array, chosen: Array, count: int, Q: Array, strip: Any) -> None:
    """Write ``Q_ij = Σ_t c_t across_it across_jt``, j <= i, for the first `count` coordinates named in `chosen`.

    ``Q.flat[width * i + j]`` is what `chosen` names i-th and j-th. Up to a multiple of 4 beyond `count` it has to name
    some coordinate too, and what is written there means nothing.
    """
    for i in range(0, count, 4):
        for j in range(0, i + 1, 4):
            _square(across, entries, c, chosen, i, j, Q, strip)


@inner
def _square(across: Array, entries: int, c: Array, chosen: Array, i: int, j: int, Q: Array,
            strip: Any) -> None:  # fmt: skip
    width, stride, group = len(Q), stride_for(entries), LANES * len(strip)
    x0, x1, x2, x3 = stride * chosen[i], stride * chosen[i + 1], stride * chosen[i + 2], stride * chosen[i + 3]
    y0, y1, y2, y3 = stride * chosen[j], stride * chosen[j + 1], stride * chosen[j + 2], stride * chosen[j + 3]
    s00, s01, s02, s03 = zeros(c, strip), zeros(c, strip), zeros(c, strip), zeros(c, strip)
    s10, s11, s12, s13 = zeros(c, strip), zeros(c, strip), zeros(c, strip), zeros(c, strip)
    s20, s21, s22, s23 = zeros(c, strip), zeros(c, strip), zeros(c, strip), zeros(c, strip)
    s30, s31, s32, s33 = zeros(c, strip), zeros(c, strip), zeros(c, strip), zeros(c, strip)
    for t in range(0, entries, group):
        of = load(c, t, strip)
        b0, b1 = load(across, y0 + t, strip), load(across, y1 + t, strip)
        b2, b3 = load(across, y2 + t, strip), load(across, y3 + t, strip)
        a = times(load(across, x0 + t, strip), of)
        s00, s01 = plus_product(s00, a, b0), plus_product(s01, a, b1)
        s02, s03 = plus_product(s02, a, b2), plus_product(s03, a, b3)
        a = times(load(across, x1 + t, strip), of)
        s10, s11 = plus_product(s10, a, b0), plus_product(s11, a, b1)
        s12, s13 = plus_product(s12, a, b2), plus_product(s13, a, b3)
        a = times(load(across, x2 + t, strip), of)
        s20, s21 = plus_product(s20, a, b0), plus_product(s21, a, b1)
        s22, s23 = plus_product(s22, a, b2), plus_product(s23, a, b3)
        a = times(load(across, x3 + t, strip), of)
        s30, s31 = plus_product(s30, a, b0), plus_product(s31, a, b1)
        s32, s33 = plus_product(s32, a, b2), plus_product(s33, a, b3)
    at = width * i + j
    store(Q, at, sums_of_four(s00, s01, s02, s03))
    store(Q, at + width, sums_of_four(s10, s11, s12, s13))
    store(Q, at + 2 * width, sums_of_four(s20, s21, s22, s23))
    store(Q, at + 3 * width, sums_of_four(s30, s31, s32, s33))


@inner
def sums_of_few(X: Array, ids: Array, first: int, entries: int, r: Array, c: Array, k: int, total: Array,
                Q: Array) -> None:  # fmt: skip
    """Write what :func:`sums` and :func:`gram` do without gathering, which is faster for up to FEW entries."""
    width, nothing = len(Q), zeros(X, EIGHT)
    for j in range(0, width, LANES):
        s0 = nothing
        for t in range(entries):
            s0 = plus_times(s0, r[t], load(X, width * np.int64(ids[first + t]) + j, EIGHT))
        store(total, j, s0)
    for i in range(0, k, 4):
        for j in range(0, i + 4, LANES):
            s0, s1, s2, s3 = nothing, nothing, nothing, nothing
            for t in range(entries):
                at = width * np.int64(ids[first + t])
                x = plus_times(nothing, c[t], load(X, at + j, EIGHT))
                s0, s1 = plus_times(s0, number(X, X, at + i), x), plus_times(s1, number(X, X, at + i + 1), x)
                s2, s3 = plus_times(s2, number(X, X, at + i + 2), x), plus_times(s3, number(X, X, at + i + 3), x)
            place = width * i + j
            store(Q, place, s0)
            store(Q, place + width, s1)
            store(Q, place + 2 * width, s2)
            store(Q, place + 3 * width, s3)
