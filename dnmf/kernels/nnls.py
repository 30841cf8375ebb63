"""Non-negative least squares from a Gram matrix: many right-hand sides at once, each as if it were alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, read_only

Array = NDArray[Any]

LANES = 64
"""Rows in work at once: some vector registers wide, while x and b of all of them (k, LANES) stay in cache."""

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
    B : array (rows, k)
        Right-hand sides. One without a positive entry has the solution 0, whatever its start.
    start : array (rows, k)
        Where to begin; what is negative or not finite in it counts as 0.
    tolerance : float
        Near the rounding of the dtype (1e-6 in float32, 1e-14 in float64) it may never be met.
    max_sweeps : int
        Most sweeps for a row; the first is always done.

    Returns
    -------
    X : array (rows, k)
        The solutions. A row whose problem is not finite, in `B` or in `Q`, is NaN.
    violation : float
        The worst with which a row ended: 0 without rows, infinite if a problem or a solution was not finite.
    sweeps : int
        Sweeps summed over the rows.

    Raises
    ------
    ValueError
        If shapes or dtypes do not agree, which compiled code would not notice.
    """
    _check_operand("Q", Q, (B.shape[1], B.shape[1]), B.dtype)
    _check_operand("start", start, B.shape, B.dtype)
    X = np.full(B.shape, np.nan, B.dtype)
    if not np.isfinite(Q).all():
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
    rows, k = B.shape
    coupling, inverse = _split_gram(Q)
    x, b = np.zeros((k, LANES), B.dtype), np.zeros((k, LANES), B.dtype)
    rest, change = np.zeros(LANES, B.dtype), np.zeros(LANES, B.dtype)
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
                    worst = np.inf
                upcoming += 1
        if busy == 0:
            return worst, sweeps
        _sweep(Q, coupling, inverse, b, x, rest, change)


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
    for j in range(len(right)):
        value = right[j]
        b[j, lane] = value
        finite &= abs(value) < np.inf
        some_positive |= value > zero
        largest = max(largest, abs(value))
    limit = right.dtype.type(np.inf if some_positive else 0.0)
    for j in range(len(start)):
        value = start[j] if zero < start[j] < limit else zero
        x[j, lane] = value if inverse[j] > zero else zero
    if not finite:
        return np.inf
    return np.float64(largest) if largest > zero else 1.0


@compiled
def _unload(x: Array, lane: int, solution: Array) -> None:
    for j in range(len(solution)):
        solution[j] = x[j, lane]


@compiled
def _sweep(Q: Array, coupling: Array, inverse: Array, b: Array, x: Array, rest: Array, change: Array) -> None:
    """Visit every coordinate of every lane once; `change` receives ``max_j |Q_jj dx_j|`` of each lane.

    What is left of b is summed afresh for each coordinate: as fast as carrying the gradient along, and
    without its drift. The fixed trip count over lanes is what makes the inner loops vector code.
    """
    k, zero = len(x), rest.dtype.type(0)
    for lane in range(LANES):
        change[lane] = 0
    for j in range(k):
        for lane in range(LANES):
            rest[lane] = b[j, lane]
        for i in range(0, k - 3, 4):
            q0, q1, q2, q3 = coupling[j, i], coupling[j, i + 1], coupling[j, i + 2], coupling[j, i + 3]
            for lane in range(LANES):
                first_two = q0 * x[i, lane] + q1 * x[i + 1, lane]
                rest[lane] -= first_two + (q2 * x[i + 2, lane] + q3 * x[i + 3, lane])
        for i in range(k - k % 4, k):
            q0 = coupling[j, i]
            for lane in range(LANES):
                rest[lane] -= q0 * x[i, lane]
        scale, diagonal = inverse[j], Q[j, j]
        for lane in range(LANES):
            value = rest[lane] * scale
            value = value if value > zero else zero
            step = abs(value - x[j, lane]) * diagonal
            change[lane] = step if step > change[lane] else change[lane]
            x[j, lane] = value
