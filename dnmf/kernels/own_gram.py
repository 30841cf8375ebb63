"""Many small quadratic problems between bounds, each with a Gram matrix of its own.

Problems lie along the lanes of registers, as many as PLACES at once; one that is done makes room for the next.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, inner, read_only
from dnmf.kernels.lane_math import smaller, times
from dnmf.kernels.lanes import (
    larger,
    load,
    lowest_bit,
    minus,
    not_above,
    plus,
    plus_product,
    plus_times,
    store,
    strips,
    zeros,
)
from dnmf.kernels.nnls import COUNTABLE
from dnmf.kernels.packed import pack, packed_size

Array = NDArray[Any]

LEAST_PIVOT = 1e-6  # of its diagonal
LOOSE = 10.0  # times its tolerance, a solution counts as not found
PLACES = 32  # problems in work: two vectors of HALF
HALF = strips(PLACES // 2)[0]


class _Work(NamedTuple):
    """The problems in work, along the last axis: packed ``-Q`` without its diagonal, that and its inverse, and so on.

    Of each problem there are also the sweeps left, its last change and max|b|.
    """

    others: Array
    diagonal: Array
    inverse: Array
    b: Array
    x: Array
    low: Array
    high: Array
    left: Array
    change: Array
    size: Array


def solve_own_rows(Q: Array, B: Array, start: Array, lower: Array | None, upper: Array | None, tolerance: float,
                   max_sweeps: int, G0: Array | None = None) -> tuple[Array, Array, int]:  # fmt: skip
    """Return, for each packed matrix of `Q` and row b of `B`, the x that minimizes ``x'(Q + G0)x / 2 - b'x``.

    Cyclic coordinate descent between bounds. The violation of a problem in a sweep is
    ``max_j |Q_jj dx_j| / max_j |b_j|``; it ends with the first sweep in which that is at most `tolerance`. A solution
    is a function of its problem and its start alone, to the last bit, whatever the other problems are.

    Parameters
    ----------
    Q : array (rows, k (k + 1) / 2)
        Positive semidefinite, packed as :mod:`dnmf.kernels.packed` says; float32 or float64, like all that follow.
        A coordinate whose ``Q_jj`` (with that of G0) is not above 0, or too small to have an inverse, stays at its
        lower bound.
    B, start : array (rows, k)
        Right-hand sides and where to begin; what is not finite in `start` counts as the lower bound.
    lower, upper : array (rows, k) or None
        Bounds of every coordinate, 0 and infinity where there are none. Equal ones hold a coordinate.
    tolerance : float
        Near the rounding of the dtype (1e-6 in float32, 1e-14 in float64) it may never be met.
    max_sweeps : int
        Most sweeps for a problem; the first is always done.
    G0 : array (k, k), optional
        What all problems have in common.

    Returns
    -------
    X : array (rows, k)
        A problem that is not finite is NaN.
    violations : array (rows,)
        In float64; infinite where the problem was not finite.
    sweeps : int
        Summed over the problems.

    Raises
    ------
    ValueError
        If shapes or dtypes do not agree, which compiled code would not notice.
    """
    k = B.shape[1]
    common = np.zeros(packed_size(k), B.dtype) if G0 is None else pack(np.asarray(G0, B.dtype))
    lower = np.zeros((1, k), B.dtype) if lower is None else lower
    upper = np.full((1, k), np.inf, B.dtype) if upper is None else upper
    _check(B, k, {"Q": Q, "start": start, "G0": common, "lower": lower, "upper": upper})
    room = _new_work(B, packed_size(k)), np.zeros(PLACES, np.int64)
    X, violations = np.zeros(B.shape, B.dtype), np.zeros(len(B))
    most = min(max(1, int(max_sweeps)), COUNTABLE)
    problems = read_only(Q), read_only(common), read_only(B), read_only(start), read_only(lower), read_only(upper)
    sweeps = _solve(*problems, float(tolerance), most, *room, X, violations)
    return X, violations, int(sweeps)


def solve_unbounded(Q: Array, B: Array, G0: Array | None = None) -> Array:
    """Return, for each packed matrix of `Q` and row b of `B`, the x with ``(Q + G0) x = b``, for starts.

    By Cholesky's decomposition, with so much added to a pivot that none is below 1e-6 of its diagonal; a coordinate
    whose diagonal is 0 is 0. Arguments as in :func:`solve_own_rows`; a solution depends on its problem alone.
    """
    k = B.shape[1]
    common = np.zeros(packed_size(k), B.dtype) if G0 is None else pack(np.asarray(G0, B.dtype))
    _check(B, k, {"Q": Q, "G0": common})
    X, L = np.zeros(B.shape, B.dtype), np.zeros((k, k), B.dtype)
    _solve_unbounded(read_only(Q), read_only(common), read_only(B), L, X)
    return X


@compiled
def _solve_unbounded(Q: Array, common: Array, B: Array, L: Array, X: Array) -> None:
    k, zero, least = B.shape[1], B.dtype.type(0), B.dtype.type(LEAST_PIVOT)
    for row in range(B.shape[0]):
        at = 0
        for i in range(k):
            diagonal = Q[row, at + i] + common[at + i]
            for j in range(i + 1):
                value = Q[row, at + j] + common[at + j]
                for q in range(j):
                    value -= L[i, q] * L[j, q]
                if i > j:
                    L[i, j] = value * L[j, j]
                else:  # the inverse of the pivot's root
                    pivot = max(value, least * diagonal)
                    L[i, i] = B.dtype.type(1) / np.sqrt(pivot) if pivot > zero else zero
            at += i + 1
        for i in range(k):
            value = B[row, i]
            for q in range(i):
                value -= L[i, q] * X[row, q]
            X[row, i] = value * L[i, i]
        for i in range(k - 1, -1, -1):
            value = X[row, i]
            for q in range(i + 1, k):
                value -= L[q, i] * X[row, q]
            X[row, i] = value * L[i, i]


def _check(B: Array, k: int, arrays: dict[str, Array]) -> None:
    size, shared = packed_size(k), ((1, k), B.shape)
    shapes = {"Q": ((len(B), size),), "start": (B.shape,), "G0": ((size,),), "lower": shared, "upper": shared}
    for name, array in arrays.items():
        if array.shape not in shapes[name] or array.dtype != B.dtype:
            raise ValueError(f"{name} is {array.dtype} {array.shape} for B {B.dtype} {B.shape}")


@compiled
def _solve(Q: Array, common: Array, B: Array, start: Array, lower: Array, upper: Array, tolerance: float,
           max_sweeps: int, work: _Work, row_of: Array, X: Array, violations: Array) -> int:  # fmt: skip
    busy: Any = np.int64(0)
    upcoming: Any = np.int64(0)
    sweeps: Any = np.int64(0)
    every = (np.int64(1) << PLACES) - 1
    while True:
        free = ~busy & every
        while free != 0 and upcoming < len(B):
            place = lowest_bit(free)
            _load_problem(work, place, Q, common, B, start, lower, upper, upcoming)
            work.left[place], row_of[place] = max_sweeps, upcoming
            busy |= np.int64(1) << place
            free &= free - 1
            upcoming += 1
        if busy == 0:
            return sweeps
        done = _sweep(work, B.dtype.type(tolerance)) & busy
        busy ^= done
        while done != 0:
            place = lowest_bit(done)
            row = row_of[place]
            violations[row] = _unload_solution(work, place, X, row)
            sweeps += max_sweeps - int(work.left[place])
            done &= done - 1


def _new_work(B: Array, size: int) -> _Work:
    of, each = np.zeros((6, B.shape[1], PLACES), B.dtype), np.zeros((3, PLACES), B.dtype)
    others = np.zeros((size, PLACES), B.dtype)
    return _Work(others, of[0], of[1], of[2], of[3], of[4], of[5], each[0], each[1], each[2])


@inner
def _load_problem(work: _Work, place: int, Q: Array, common: Array, B: Array, start: Array, lower: Array,
                  upper: Array, row: int) -> None:  # fmt: skip
    """Write a problem to its place; what is not finite in it spoils its size."""
    zero, at, k = Q.dtype.type(0), 0, B.shape[1]
    spoilt, size = zero, zero
    for j in range(k):
        for i in range(at, at + j):
            value = Q[row, i] + common[i]
            work.others[i, place] = -value
            spoilt += zero * value
        diagonal = Q[row, at + j] + common[at + j]
        at += j + 1
        inverse = Q.dtype.type(1) / diagonal if diagonal > 0 else zero
        usable = zero < inverse < np.inf
        work.diagonal[j, place], work.inverse[j, place] = diagonal, inverse if usable else zero
        low, high = lower[row if len(lower) > 1 else 0, j], upper[row if len(upper) > 1 else 0, j]
        least = low if low > -np.inf or usable else zero
        most = high if usable else least
        x = start[row, j] if -np.inf < start[row, j] < np.inf else least
        work.low[j, place], work.high[j, place], work.x[j, place] = least, most, min(max(x, least), most)
        b = B[row, j]
        work.b[j, place] = b
        size = max(size, abs(b))
        spoilt += zero * b + zero * diagonal
    work.size[place] = size + spoilt


@inner
def _unload_solution(work: _Work, place: int, X: Array, row: int) -> float:
    change, size = np.float64(work.change[place]), np.float64(work.size[place])
    for j in range(X.shape[1]):
        X[row, j] = np.nan if np.isnan(size) else work.x[j, place]
    if np.isnan(size):
        return np.inf
    return change / size if size > 0 else change


@inner
def _sweep(work: _Work, tolerance: float) -> int:
    """Visit every coordinate of every problem once and return a bit for each that is done, or not finite."""
    done: Any = np.int64(0)
    for first in range(0, PLACES, PLACES // 2):
        done |= _sweep_half(work, first, tolerance) << first
    return done


@inner
def _sweep_half(work: _Work, first: int, tolerance: float) -> int:
    """What is before a coordinate and what is after it are two sums, since an addition waits for the one before."""
    x, k = work.x, len(work.x)
    nothing = zeros(x, HALF)
    change, row = nothing, 0
    for j in range(k):
        before, after = load(work.b, PLACES * j + first, HALF), nothing
        for i in range(j):
            before = plus_product(
                before, load(work.others, PLACES * (row + i) + first, HALF), load(x, PLACES * i + first, HALF)
            )
        place = row + j + 1 + j
        for i in range(j + 1, k):
            after = plus_product(
                after, load(work.others, PLACES * place + first, HALF), load(x, PLACES * i + first, HALF)
            )
            place += i + 1
        row += j + 1
        at = PLACES * j + first
        new = times(plus(before, after), load(work.inverse, at, HALF))
        new = smaller(larger(new, load(work.low, at, HALF)), load(work.high, at, HALF))
        step = times(load(work.diagonal, at, HALF), minus(new, load(x, at, HALF)))
        store(x, at, new)
        change = larger(larger(step, minus(nothing, step)), change)
    return _note_sweep(work, first, change, tolerance)


@inner
def _note_sweep(work: _Work, first: int, change: Any, tolerance: float) -> int:
    nothing, size = zeros(work.b, HALF), load(work.size, first, HALF)
    for place in range(first, first + PLACES // 2):
        work.left[place] -= 1
    store(work.change, first, change)
    return not_above(change, plus_times(nothing, tolerance, size)) | not_above(load(work.left, first, HALF), nothing)
