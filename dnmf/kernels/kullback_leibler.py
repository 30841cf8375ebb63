"""Rows of W for counts: each minimizes ``lin·w + ½ wᵀ G0 w − Σ a_j log(w·h_j)`` over its entries, 0 <= w <= upper.

The linear part of the loss, ``Σ_j w·h_j`` over *all* columns, is ``(H 1)·w`` and belongs into `lin`: zeros that are not
stored then cost nothing, and the weights of an entry are those of ``−a log y`` alone, ``r = a / y`` and ``c = a / y²``.

A row is found by Newton's method: a quadratic problem of the coordinates that may move, solved by coordinate descent,
and an exact search along its solution. Its entries are gathered once (see :mod:`dnmf.kernels.tiles`).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.counts import Entries, along, lost, new_entries, take_values, weigh
from dnmf.kernels.jit import compiled, inner, read_only
from dnmf.kernels.lane_math import everywhere, plus_wide, strip_of, sum_of
from dnmf.kernels.lanes import (
    larger,
    load,
    load_as,
    not_above,
    number,
    plus_times,
    store,
    zeros,
)
from dnmf.kernels.newton import (
    Newton,
    add_curvature,
    find_free,
    linear_part,
    minimize_quadratic,
    new_newton,
    prepare_quadratic,
    scale_row,
)
from dnmf.kernels.padding import LANES
from dnmf.kernels.tiles import gather, gram, predictions, stride_for, sums

Array = NDArray[Any]

LEAST = 1e-15
"""Times the mass of a row: no prediction is less, so that weights are finite in float32 too."""

TINIEST = {"float32": 1e-30, "float64": 1e-150}  # prediction of any row

SEARCHES, SEARCH_TOLERANCE = 12, 1e-2  # along a line


def solve_rows(data: Array, indices: Array, indptr: Array, HT: Array, lin: Array, G0: Array | None, W: Array, y: Array,
               *, tolerance: float, max_steps: int, upper: Array | None = None, held: int = 0,
               masses: Array | None = None) -> tuple[float, int, int]:  # fmt: skip
    """Write the minimizer for every row to `W` and return ``Σ a log(a / y) − a`` over the entries.

    A row depends on its entries and on what all rows share, to the last bit, whatever the other rows are.

    Parameters
    ----------
    data, indices, indptr
        Rows of A, not negative, as in :func:`dnmf.kernels.products.cross_csr`.
    HT : array (n, width)
        H transposed, not negative, float32 or float64, padded.
    lin : array (k,) or (rows, k)
        The linear part; it must be positive where a coordinate is to leave 0.
    G0 : array (k, k) or None
        Added to the curvature of every row; symmetric, without negative numbers.
    W : array (rows, width)
        In the dtype of `HT`; overwritten, but for the first `held` columns, which are given.
    y : array (entries,)
        As long as `data`: the predictions ``w·h_j`` of these rows are written to where their values are in `data`.
        None is less than LEAST times the mass of its row, as one would be that meets only zeros of H.
    tolerance : float
        A row ends when no coordinate violates the conditions of a minimum by more than so much of its sum.
    max_steps : int
        Most Newton steps of a row; the first is always done.
    upper : array (k,), optional
        The largest value of each coordinate.
    held : int
        How many coordinates are given.
    masses : array (rows,), optional
        What the predictions of each row add up to, about, where that is not the sum of its data: beside weights.

    Returns
    -------
    divergence : float
        Without its linear part; 0 for entries that are 0.
    unconverged : int
        Rows that did not come to the tolerance, or have a positive entry that meets only zeros of H.
    steps : int
        Newton steps, summed over the rows.

    Raises
    ------
    ValueError
        If shapes or dtypes do not agree, which compiled code would not notice.
    """
    lin, width = np.atleast_2d(lin), W.shape[1]
    k = lin.shape[1]
    G0 = np.zeros((0, 0)) if G0 is None else G0
    upper = np.full(k, np.inf) if upper is None else upper
    masses = np.zeros(0) if masses is None else masses
    sizes = len(lin) in (1, len(W)) and held <= k <= width and G0.shape in ((0, 0), (k, k)) and upper.shape == (k,)
    sizes = sizes and masses.shape in ((0,), (len(W),))
    _check(data, indices, HT, W, y, sizes and len(W) == len(indptr) - 1)
    operands = read_only(data), read_only(indices), read_only(indptr), read_only(HT)
    lin, G0, upper = (read_only(np.asarray(each, HT.dtype)) for each in (lin, G0, upper))
    masses = read_only(np.asarray(masses, np.float64))
    scratch = new_entries(int(np.diff(indptr).max(initial=0)), width, HT.dtype), new_newton(G0, upper, width)
    found = _solve_rows(*operands, lin, masses, W, y, *scratch, float(tolerance), TINIEST[str(HT.dtype)],
                        max(1, int(max_steps)), held, strip_of(HT.dtype))  # fmt: skip
    return float(found[0]), int(found[1]), int(found[2])


def solve_bytes(entries: int, width: int, dtype: Any) -> int:
    """Return the bytes :func:`solve_rows` takes for itself where the longest row has so many entries."""
    return (width + 5) * stride_for(entries) * np.dtype(dtype).itemsize


def weights(a: Array, y: Array, r: Array, c: Array) -> None:
    """Write ``r = a / y`` and ``c = a / y²`` for every entry; the linear part of the loss is not in r.

    Parameters
    ----------
    a : array (entries,)
        Values of any dtype.
    y, r, c : array (entries,)
        Positive predictions, and what is written, all of one dtype, float32 or float64.
    """
    if not a.shape == y.shape == r.shape == c.shape or not y.dtype == r.dtype == c.dtype:
        raise ValueError(f"a {a.shape}, y {y.dtype} {y.shape}, r {r.dtype} {r.shape}, c {c.dtype} {c.shape} differ")
    _weights(read_only(a), read_only(y), r, c)


def value(a: Array, y: Array) -> float:
    """Return ``Σ a log(a / y) − a + y`` over the entries given, in float64; an entry that is 0 counts y."""
    if a.shape != y.shape:
        raise ValueError(f"there are {a.size} values for {y.size} predictions")
    return float(_value(read_only(a), read_only(y), strip_of(y.dtype)))


def _check(data: Array, indices: Array, HT: Array, W: Array, y: Array, agree: bool) -> None:
    same = data.shape == indices.shape == y.shape and W.dtype == HT.dtype == y.dtype and W.shape[1] == HT.shape[1]
    if not agree or not same or HT.shape[1] % LANES:
        raise ValueError(
            f"{len(data)} values, {len(indices)} columns, {y.dtype} {y.shape} predictions, W {W.dtype} {W.shape} and "
            f"HT {HT.dtype} {HT.shape} must agree with each other, lin, G0, upper and held, and be padded to {LANES}"
        )


@compiled
def _weights(a: Array, y: Array, r: Array, c: Array) -> None:
    for p in range(len(y)):
        inverse = y.dtype.type(1) / y[p]
        r[p] = y.dtype.type(a[p]) * inverse
        c[p] = r[p] * inverse


@compiled
def _value(a: Array, y: Array, strip: Any) -> float:
    group = LANES * len(strip)
    values, predicted, total = np.zeros(group, y.dtype), np.ones(group, y.dtype), 0.0
    whole = len(y) - len(y) % group
    sums_wide = zeros(np.zeros(1), strip)
    for p in range(0, whole, group):
        at, of = load(y, p, strip), load_as(y, a, p, strip)
        sums_wide = plus_wide(plus_wide(sums_wide, lost(of, at)), at)
    for p in range(whole, len(y)):
        values[p - whole], predicted[p - whole] = number(y, a, p), y[p]
        total += np.float64(y[p])
    sums_wide = plus_wide(sums_wide, lost(load(values, 0, strip), load(predicted, 0, strip)))
    return total + sum_of(sums_wide)


@compiled
def _solve_rows(data: Array, indices: Array, indptr: Array, HT: Array, lin: Array, masses: Array, W: Array, y: Array,
                row: Entries, newton: Newton, tolerance: float, tiniest: float, max_steps: int, held: int,
                strip: Any) -> tuple[float, int, int]:  # fmt: skip
    k = lin.shape[1]
    divergence, unconverged, steps = 0.0, 0, 0
    for i in range(len(W)):
        first, entries = indptr[i], indptr[i + 1] - indptr[i]
        for q in range(len(newton.w)):
            newton.lin[q] = lin[i if len(lin) > 1 else 0, q] if q < k else 0
            newton.w[q] = W[i, q] if q < held else 0
        total = take_values(data, first, entries, row, strip)
        gather(HT, indices, first, entries, row.across)
        floor = HT.dtype.type(max(LEAST * (masses[i] if len(masses) else total), tiniest))
        done = True
        if not total <= 0:  # what is not finite stays seen
            _start(row, entries, newton, k, held, total, floor, strip)
            done, taken = _descend(row, entries, newton, k, held, total, tolerance, max_steps, floor, strip)
            steps += taken
            if held == 0:
                scale_row(newton, k, total)
        for q in range(len(newton.w)):
            W[i, q] = newton.w[q]
        loss, reached = _finish(row, entries, newton, k, floor, y, first, strip)
        divergence += loss
        unconverged += not (done and reached)
    return divergence, unconverged, steps


@inner
def _start(row: Entries, entries: int, newton: Newton, k: int, held: int, total: float, floor: float,
           strip: Any) -> None:  # fmt: skip
    """The same share of the sum for each coordinate, and one step of expectation maximization."""
    w, lin, slope, upper, G0 = newton.w, newton.lin, newton.slope, newton.upper, newton.G0
    for q in range(held, k):
        share = w.dtype.type(total / k) / lin[q] if lin[q] > 0 else w.dtype.type(0)
        w[q] = min(share if share < np.inf else w.dtype.type(0), upper[q])
    if len(G0) and held == 0:
        scale_row(newton, k, total)
    predictions(row.across, entries, w, newton.every, k, row.y, strip)
    weigh(row, entries, floor, strip)
    sums(row.across, entries, row.r, len(w), slope, strip)
    for q in range(k):
        newton.d[q] = lin[q]
    add_curvature(G0, w, newton.d)
    for q in range(held, k):
        if newton.d[q] > 0:
            w[q] = min(w[q] * slope[q] / newton.d[q], upper[q])
    predictions(row.across, entries, w, newton.every, k, row.y, strip)
    weigh(row, entries, floor, strip)


@inner
def _descend(row: Entries, entries: int, newton: Newton, k: int, held: int, total: float, tolerance: float,
             max_steps: int, floor: float, strip: Any) -> tuple[bool, int]:  # fmt: skip
    """Newton steps until no coordinate violates the conditions of a minimum; whether that was so, and how many.

    The Gram matrix is made anew in each: after the first it is that of the few coordinates that may still move.
    """
    w, y = newton.w, row.y
    for taken in range(max_steps + 1):
        sums(row.across, entries, row.r, len(w), newton.slope, strip)
        worst, count = find_free(newton, k, held, total)
        if count == 0 or (taken > 0 and worst <= tolerance * total):
            return True, taken
        if taken == max_steps:
            break
        gram(row.across, entries, row.c, newton.free, count, newton.Q, strip)
        prepare_quadratic(newton, count)
        minimize_quadratic(newton, count)
        _predict_step(row, entries, newton, count, strip)
        t = _search(row, entries, newton, count, strip)
        for i in range(count):
            q = newton.free[i]
            w[q] = min(max(w[q] + t * newton.d[i], w.dtype.type(0)), newton.upper[q])
        for at in range(0, entries, LANES * len(strip)):
            store(y, at, plus_times(load(y, at, strip), t, load(row.step, at, strip)))
        weigh(row, entries, floor, strip)
    return False, max_steps


@inner
def _predict_step(row: Entries, entries: int, newton: Newton, count: int, strip: Any) -> None:
    for q in range(len(newton.spread)):
        newton.spread[q] = 0
    for i in range(count):
        newton.spread[newton.free[i]] = newton.d[i]
    predictions(row.across, entries, newton.spread, newton.free, count, row.step, strip)


@inner
def _search(row: Entries, entries: int, newton: Newton, count: int, strip: Any) -> float:
    """The t in (0, 1] with the least objective along the step, by Newton's method between two bounds."""
    slope = 0.0
    for i in range(count):
        slope += np.float64(newton.slope[newton.free[i]]) * np.float64(newton.d[i])
    linear, curved = linear_part(newton, count)
    low, high, t = 0.0, 1.0, 1.0
    for _ in range(SEARCHES):
        first, second, blocked = along(row, entries, t, strip)
        g, h = linear + t * curved - first, curved + second
        if not blocked and g <= 0:
            if t >= 1:
                return row.y.dtype.type(1)
            low = t
        else:
            high = t
        if not blocked and abs(g) <= SEARCH_TOLERANCE * abs(slope):
            break
        new = t - g / h if h > 0 else 0.0
        if blocked or not low < new < high:
            new = (low + high) / 2
        close = abs(new - t) < SEARCH_TOLERANCE * t
        t = new
        if close:
            break
    return row.y.dtype.type(t)


@inner
def _finish(row: Entries, entries: int, newton: Newton, k: int, floor: float, y: Array, first: int,
            strip: Any) -> tuple[float, bool]:  # fmt: skip
    """Write the predictions, and return what the row lost and whether every positive entry can be predicted."""
    used: Any = np.int64(0)
    for q in range(k):
        if newton.w[q] != 0:
            newton.free[used] = q
            used += 1
    predictions(row.across, entries, newton.w, newton.free, used, row.y, strip)
    group, total, floored = LANES * len(strip), zeros(np.zeros(1), strip), np.int64(0)
    least, nothing = everywhere(floor, strip), zeros(row.y, strip)
    for t in range(0, entries, group):
        a, there = load(row.a, t, strip), load(row.y, t, strip)
        floored |= not_above(there, least) & ~not_above(a, nothing)
        there = larger(there, least)
        store(row.y, t, there)
        total = plus_wide(total, lost(a, there))
    for t in range(entries):
        y[first + t] = row.y[t]
    return sum_of(total), floored == 0
