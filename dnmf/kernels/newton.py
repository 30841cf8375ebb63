"""Newton's method for one row between bounds: which coordinates may move, and the quadratic problem of those.

The objective is ``lin·w + ½ wᵀ G0 w`` and a loss of the predictions, whose gradient and Gram matrix are made elsewhere.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import inner
from dnmf.kernels.lanes import load, plus_times, store, strips
from dnmf.kernels.padding import LANES

Array = NDArray[Any]

SWEEPS, SWEEP_TOLERANCE = 30, 1e-2  # of the quadratic problems
RIDGE = 1e-6  # of the diagonal, against quadratic problems without a single solution
BARELY = 0.02  # of the sum of a row: what a coordinate at 0 is thought to become when its gradient is measured
EIGHT = strips(LANES)[0]


class Newton(NamedTuple):
    """What is known of the coordinates of a row; from `d` on, of those that may move, in the order of `free`."""

    w: Array
    lin: Array
    slope: Array
    upper: Array
    G0: Array
    every: Array
    free: Array
    d: Array
    best: Array
    low: Array
    high: Array
    diagonal: Array
    inverse: Array
    spread: Array
    Q: Array
    pull: Array


def new_newton(G0: Array, upper: Array, width: int) -> Newton:
    """Return room for a row, and what all rows share."""
    of, of_pairs = np.zeros((10, width), upper.dtype), np.zeros((2, width, width), upper.dtype)
    every, free = np.arange(width), np.zeros(width, np.int64)
    return Newton(of[0], of[1], of[2], upper, G0, every, free, *of[3:], *of_pairs)


@inner
def add_curvature(G0: Array, x: Array, out: Array) -> None:
    """Add ``G0 x`` to `out`."""
    for q in range(len(G0)):
        for j in range(len(G0)):
            out[q] += G0[q, j] * x[j]


@inner
def find_free(newton: Newton, k: int, held: int, total: float) -> tuple[float, int]:
    """Turn the sums into the gradient, name the coordinates that may move, and return the largest violation."""
    w, lin, slope, upper, free = newton.w, newton.lin, newton.slope, newton.upper, newton.free
    for q in range(k):
        slope[q] = lin[q] - slope[q]
    add_curvature(newton.G0, w, slope)
    count: Any = np.int64(0)
    worst = w.dtype.type(0)
    for q in range(held, k):
        room = w[q] if slope[q] >= 0 else upper[q] - w[q]
        if not room > 0:
            continue
        free[count] = q
        count += 1
        if slope[q] < 0:
            share = w.dtype.type(BARELY * total) / lin[q] if lin[q] > 0 else room
            room = min(room, max(w[q], share))
        worst = max(worst, abs(slope[q]) * room)
    for i in range(count, min(count + 3, len(free))):
        free[i] = 0
    return worst, count


@inner
def prepare_quadratic(newton: Newton, count: int) -> None:
    """What coordinate descent reads: bounds, each coordinate's own minimizer `best`, and what changes do to those."""
    Q, free, G0, pull = newton.Q, newton.free, newton.G0, newton.pull
    for i in range(count):
        for j in range(i + 1 if len(G0) else 0):
            Q[i, j] += G0[free[i], free[j]]
        q, diagonal = free[i], Q[i, i] * Q.dtype.type(1 + RIDGE)
        inverse = Q.dtype.type(1) / diagonal if diagonal > 0 else Q.dtype.type(0)
        newton.diagonal[i], newton.inverse[i] = diagonal, inverse if inverse < np.inf else 0
        newton.low[i], newton.high[i] = -newton.w[q], newton.upper[q] - newton.w[q]
        newton.d[i], newton.best[i] = 0, -newton.slope[q] * newton.inverse[i]
    for i in range(count):
        for j in range(i):
            pull[i, j] = -Q[i, j] * newton.inverse[j]
            pull[j, i] = -Q[i, j] * newton.inverse[i]
        pull[i, i] = 0


@inner
def minimize_quadratic(newton: Newton, count: int) -> None:
    """``min slope·d + ½ dᵀQd`` between the bounds, by coordinate descent that carries the minimizers along.

    The next coordinate's is known before the others', which then have time.
    """
    pull, d, best, width = newton.pull, newton.d, newton.best, len(newton.Q)
    size = d.dtype.type(0)
    for i in range(count):
        size = max(size, abs(newton.slope[newton.free[i]]))
    for _ in range(SWEEPS):
        worst, here = d.dtype.type(0), best[0]
        for i in range(count):
            new = min(max(here, newton.low[i]), newton.high[i])
            change = new - d[i]
            after = i + 1 if i + 1 < count else 0
            here = best[after] + change * pull[i, after]
            d[i] = new
            worst = max(worst, abs(change) * newton.diagonal[i])
            for j in range(0, count, LANES):
                store(best, j, plus_times(load(best, j, EIGHT), change, load(pull, width * i + j, EIGHT)))
        if worst <= d.dtype.type(SWEEP_TOLERANCE) * size:
            break


@inner
def linear_part(newton: Newton, count: int) -> tuple[float, float]:
    """``(lin + G0 w)·d`` and ``d·G0 d``."""
    w, G0, linear, curved = newton.w, newton.G0, 0.0, 0.0
    for i in range(count):
        q, d = newton.free[i], np.float64(newton.d[i])
        linear += np.float64(newton.lin[q]) * d
        for j in range(len(G0)):
            linear += np.float64(G0[q, j]) * np.float64(w[j]) * d
            curved += np.float64(G0[q, j]) * np.float64(newton.spread[j]) * d
    return linear, curved


@inner
def scale_row(newton: Newton, k: int, total: float) -> None:
    """The best multiple of w: the positive root of ``t² w·G0 w + t lin·w = total``; none where a bound is met."""
    w, linear, curved = newton.w, 0.0, 0.0
    for q in range(k):
        if w[q] >= newton.upper[q]:
            return
        linear += np.float64(newton.lin[q]) * np.float64(w[q])
        for j in range(len(newton.G0)):
            curved += np.float64(newton.G0[q, j]) * np.float64(w[q]) * np.float64(w[j])
    root = linear + np.sqrt(linear * linear + 4 * curved * total)
    if root > 0:
        t = w.dtype.type(2 * total / root)
        for q in range(k):
            w[q] = min(w[q] * t, newton.upper[q])
