"""Non-negative least squares from a Gram matrix: many right-hand sides at once, each as if it were alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, read_only
from dnmf.kernels.lanes import aligned_zeros, larger, load, minus, number, plus, plus_times, store, strips, zeros

Array = NDArray[Any]

LANES = 64
"""Rows in work at once: some vector registers wide, while x and b of all of them (k, LANES) stay in cache."""

STRIP = strips(LANES // 2)[0]
IDLE = -1


def solve_rows(Q: Array, B: Array, start: Array, tolerance: float, max_sweeps: int) -> tuple[Array, float, int]:
    """Return, for every row b of `B`, the x >= 0 that minimizes ``x'Qx / 2 - b'x``.

    Cyclic coordinate descent: ``x_j <- max(0, (b_j - sum_{l != j} Q_jl x_l) / Q_jj)`` for j = 0 ... k-1, and
    again. The violation of a row in a sweep is ``max_j |Q_jj dx_j| / max_j |b_j|``; a row ends with the first
    sweep in which that is at most `tolerance`. Its solution is a function of (Q, b, start) alone, to the last
    bit, whatever the other rows are.

    Parameters
    ----------
    Q : array (k, k)
        Symmetric, positive semidefinite; float32 or float64, like `B` and `start`. A coordinate whose
        ``Q_jj`` is not above 0 (or too small to have an inverse) gets the value 0.
    B : array (rows, k or more)
        Right-hand sides; columns beyond k are padding. One without a positive entry has the solution 0, whatever
        its start.
    start : array (rows, k or more)
        Where to begin, as wide as `B`; what is negative or not finite in it counts as 0.
    tolerance : float
        Near the rounding of the dtype (1e-6 in float32, 1e-14 in float64) it may never be met.
    max_sweeps : int
        Most sweeps for a row; the first is always done.

    Returns
    -------
    X : array (rows, k or more)
        The solutions, as wide as `B`, padding 0. A row whose problem is not finite, in `B` or in `Q`, is NaN.
    violation : float
        The worst with which a row ended: 0 without rows, infinite if a problem or a solution was not finite.
    sweeps : int
        Sweeps summed over the rows.

    Raises
    ------
    ValueError
        If shapes or dtypes do not agree, which compiled code would not notice.
    """
    k = len(Q)
    if k > B.shape[1]:
        raise ValueError(f"B has {B.shape[1]} columns for a Q of {k} rows")
    _check_operand("Q", Q, (k, k), B.dtype)
    _check_operand("start", start, B.shape, B.dtype)
    X = aligned_zeros(B.shape, B.dtype)
    if not np.isfinite(Q).all():
        X[:, :k] = np.nan
        return X, np.inf if len(B) else 0.0, 0
    operands = read_only(Q), read_only(B), read_only(start)
    violation, sweeps = _solve_rows(*operands, float(tolerance), int(max_sweeps), X)
    return X, float(violation), int(sweeps)


def _check_operand(name: str, array: Array, shape: tuple[int, ...], dtype: np.dtype) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{name} is {array.dtype} {array.shape}; with this B it must be {dtype} {shape}")


@compiled
def _solve_rows(Q: Array, B: Array, start: Array, tolerance: float, max_sweeps: int, X: Array) -> tuple[float, int]:
    """Keep every lane busy: one that is done takes the next row, so that none waits for a slow neighbour."""
    rows, k = len(B), len(Q)
    coupling, inverse = _split_gram(Q)
    x, b = np.zeros((k, LANES), B.dtype), np.zeros((k, LANES), B.dtype)
    change = np.zeros(LANES, B.dtype)
    size, swept, row_of = np.ones(LANES), np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    row_of[:] = IDLE
    upcoming, sweeps, worst = 0, 0, 0.0
    while True:
        busy = 0
        for lane in range(LANES):
            if row_of[lane] != IDLE:
                violation = change[lane] / size[lane]
                if violation > tolerance and swept[lane] < max_sweeps:
                    swept[lane] += 1
                    busy += 1
                    continue
                _unload(x, lane, X[row_of[lane]])
                worst = max(worst, violation)
                sweeps += swept[lane]
                row_of[lane] = IDLE
            while upcoming < rows and row_of[lane] == IDLE:
                size[lane] = _load(B[upcoming], start[upcoming], inverse, lane, b, x)
                if size[lane] < np.inf:
                    row_of[lane], swept[lane] = upcoming, 1
                    busy += 1
                else:
                    X[upcoming, :k] = np.nan
                    worst = np.inf
                upcoming += 1
        if busy == 0:
            return worst, sweeps
        _sweep(Q, coupling, inverse, b, x, change)


@compiled
def _split_gram(Q: Array) -> tuple[Array, Array]:
    """Q with a zero diagonal, and the inverse of its diagonal (0: the coordinate stays at 0)."""
    coupling, inverse = Q.copy(), np.zeros(len(Q), Q.dtype)
    for j in range(len(Q)):
        coupling[j, j] = 0
        if Q[j, j] > 0:
            inverse[j] = 1 / Q[j, j]
            inverse[j] = inverse[j] if inverse[j] < np.inf else 0
    return coupling, inverse


@compiled
def _load(right: Array, start: Array, inverse: Array, lane: int, b: Array, x: Array) -> float:
    """Put a row into a lane and return its max|b|, 1 where that is 0, infinite if the row is not finite."""
    zero = right.dtype.type(0)
    largest, finite, some_positive = zero, True, False
    for j in range(len(inverse)):
        value = right[j]
        b[j, lane] = value
        finite &= abs(value) < np.inf
        some_positive |= value > zero
        largest = max(largest, abs(value))
    limit = right.dtype.type(np.inf if some_positive else 0.0)
    for j in range(len(inverse)):
        value = start[j] if zero < start[j] < limit else zero
        x[j, lane] = value if inverse[j] > zero else zero
    if not finite:
        return np.inf
    return np.float64(largest) if largest > zero else 1.0


@compiled
def _unload(x: Array, lane: int, solution: Array) -> None:
    for j in range(len(x)):
        solution[j] = x[j, lane]


@compiled
def _sweep(Q: Array, coupling: Array, inverse: Array, b: Array, x: Array, change: Array) -> None:
    """Visit every coordinate of every lane once; `change` receives ``max_j |Q_jj dx_j|`` of each lane.

    What is left of b is summed afresh for each coordinate: as fast as carrying the gradient along, and
    without its drift. Two halves and two sums each, since an addition waits for the one before it.
    """
    k, half = len(x), LANES // 2
    change0, change1, nothing = zeros(x, STRIP), zeros(x, STRIP), zeros(x, STRIP)
    for j in range(k):
        row = k * j
        rest0, rest1 = load(b, LANES * j, STRIP), load(b, LANES * j + half, STRIP)
        more0, more1 = zeros(x, STRIP), zeros(x, STRIP)
        for i in range(0, k - 1, 2):
            q, at = -number(x, coupling, row + i), LANES * i
            rest0 = plus_times(rest0, q, load(x, at, STRIP))
            rest1 = plus_times(rest1, q, load(x, at + half, STRIP))
            q = -number(x, coupling, row + i + 1)
            more0 = plus_times(more0, q, load(x, at + LANES, STRIP))
            more1 = plus_times(more1, q, load(x, at + LANES + half, STRIP))
        if k % 2 == 1:
            q, at = -number(x, coupling, row + k - 1), LANES * (k - 1)
            rest0 = plus_times(rest0, q, load(x, at, STRIP))
            rest1 = plus_times(rest1, q, load(x, at + half, STRIP))
        scale, diagonal, at = inverse[j], Q[j, j], LANES * j
        new0 = larger(plus_times(nothing, scale, plus(rest0, more0)), nothing)
        new1 = larger(plus_times(nothing, scale, plus(rest1, more1)), nothing)
        step0, step1 = minus(new0, load(x, at, STRIP)), minus(new1, load(x, at + half, STRIP))
        change0 = larger(larger(plus_times(nothing, diagonal, step0), plus_times(nothing, -diagonal, step0)), change0)
        change1 = larger(larger(plus_times(nothing, diagonal, step1), plus_times(nothing, -diagonal, step1)), change1)
        store(x, at, new0)
        store(x, at + half, new1)
    store(change, 0, change0)
    store(change, half, change1)
