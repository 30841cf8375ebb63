"""Non-negative least squares from a Gram matrix: many right-hand sides at once, each as if it were alone."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, read_only
from dnmf.kernels.lanes import (
    at_most,
    larger,
    load,
    load_column,
    lowest_bit,
    minus,
    not_above,
    number,
    plus,
    plus_times,
    store,
    store_column,
    strips,
    zeros,
)
from dnmf.kernels.padding import LANES, aligned_zeros, pad_columns

Array = NDArray[Any]

ROWS = 64
"""Rows in work at once, one for each bit of an int64: some vector registers wide, while x and b of all of them
(k, ROWS) stay in cache."""

HALF = strips(ROWS // 2)[0]
STEP = strips(LANES)[0]
COUNTABLE = 2**24  # in float32


class _Gram(NamedTuple):
    """Q as a sweep reads it, for an even number of coordinates (the one more, where there is one, stays at 0).

    ``-Q`` without its diagonal and, in odd rows, without the entry before it; those entries; the diagonal; and its
    inverse (0: the coordinate stays at 0).
    """

    others: Array
    before: Array
    diagonal: Array
    inverse: Array


class _Batch(NamedTuple):
    """The rows in work: their x and b (k, ROWS) and, of each, the sweeps left, the last change and max|b|."""

    x: Array
    b: Array
    left: Array
    change: Array
    size: Array


def solve_rows(Q: Array, B: Array, start: Array, tolerance: float, max_sweeps: int,
               upper: Array | None = None) -> tuple[Array, Array, int]:  # fmt: skip
    """Return, for every row b of `B`, the x >= 0 that minimizes ``x'Qx / 2 - b'x``.

    Cyclic coordinate descent: ``x_j <- max(0, (b_j - sum_{l != j} Q_jl x_l) / Q_jj)``, at most its upper bound, for
    j = 0 ... k-1, and again. The violation of a row in a sweep is ``max_j |Q_jj dx_j| / max_j |b_j|``; a row ends with
    the first sweep in which that is at most `tolerance`. Its solution is a function of (Q, b, start) alone, to the
    last bit, whatever the other rows are.

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
    upper : array (k,), optional
        The largest value of each coordinate; infinite where it has no bound.

    Returns
    -------
    X : array (rows, k or more)
        The solutions, as wide as `B`, padding 0. A row whose problem is not finite, in `B` or in `Q`, is NaN; one
        whose solution overflows means nothing, and its violation is infinite.
    violations : array (rows,)
        With which each row ended, in float64: infinite where its problem or its solution was not finite.
    sweeps : int
        Sweeps summed over the rows.

    Raises
    ------
    ValueError
        If shapes or dtypes do not agree, which compiled code would not notice.
    """
    k, width = len(Q), B.shape[1]
    if k > width:
        raise ValueError(f"B has {width} columns for a Q of {k} rows")
    _check_operand("Q", Q, (k, k), B.dtype)
    _check_operand("start", start, B.shape, B.dtype)
    if width % LANES:
        B, start = pad_columns(B), pad_columns(start)
    X = aligned_zeros(B.shape, B.dtype)
    if not np.isfinite(Q).all():
        X[:, :k] = np.nan
        return X[:, :width], np.full(len(B), np.inf), 0
    limits, violations = (float(tolerance), min(max(1, int(max_sweeps)), COUNTABLE)), np.zeros(len(B))
    operands = read_only(Q), read_only(B), read_only(start)
    sweeps = _solve_rows(*operands, *limits, _even(upper, B.dtype), X, violations)
    return X[:, :width], violations, int(sweeps)


def _even(upper: Array | None, dtype: np.dtype) -> Array | None:
    """The bounds as a sweep reads them, for an even number of coordinates."""
    return None if upper is None else read_only(np.append(upper, [np.inf] * (len(upper) % 2)).astype(dtype))


def _check_operand(name: str, array: Array, shape: tuple[int, ...], dtype: np.dtype) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{name} is {array.dtype} {array.shape}; with this B it must be {dtype} {shape}")


@compiled
def _solve_rows(Q: Array, B: Array, start: Array, tolerance: float, max_sweeps: int, upper: Array | None,
                X: Array, violations: Array) -> int:  # fmt: skip
    """Keep every place of the batch busy: a row that is done makes room for the next, so none waits for another.

    X holds the starts of the rows to come and the solutions of those that are done. Returns the sweeps of all.
    """
    _clean_starts(B, start, len(Q), X)
    gram = _split_gram(Q)
    batch = _new_batch(B)
    row_of = np.zeros(ROWS, np.int64)
    busy, upcoming, sweeps = 0, 0, 0
    while True:
        free = ~busy
        while free != 0 and upcoming < len(B):
            place = lowest_bit(free)
            _load_row(B, X, upcoming, batch, place, len(Q))
            batch.left[place], row_of[place] = max_sweeps, upcoming
            busy |= 1 << place
            free &= free - 1
            upcoming += 1
        if busy == 0:
            return sweeps
        done = _sweep(gram, batch, B.dtype.type(tolerance), upper) & busy
        busy ^= done
        while done != 0:
            place = lowest_bit(done)
            violations[row_of[place]] = _unload_row(batch, place, len(Q), X, row_of[place])
            sweeps += max_sweeps - int(batch.left[place])
            done &= done - 1


@compiled
def _clean_starts(B: Array, start: Array, k: int, X: Array) -> None:
    """Write the starts to `X`: 0 for what is negative or not finite, and for rows whose solution is 0."""
    zero, infinity = B.dtype.type(0), B.dtype.type(np.inf)
    for i in range(len(X)):
        some_positive = False
        for j in range(k):
            some_positive |= not B[i, j] <= zero
        limit = infinity if some_positive else zero
        for j in range(k):
            value = start[i, j]
            X[i, j] = value if zero < value < limit else zero


@compiled
def _split_gram(Q: Array) -> _Gram:
    k = len(Q) + len(Q) % 2
    others, before = np.zeros((k, k), Q.dtype), np.zeros(k, Q.dtype)
    diagonal, inverse = np.zeros(k, Q.dtype), np.zeros(k, Q.dtype)
    for j in range(len(Q)):
        others[j, : len(Q)] = -Q[j]
        others[j, j], diagonal[j] = 0, Q[j, j]
        if j % 2 == 1:
            others[j, j - 1], before[j] = 0, -Q[j, j - 1]
        if Q[j, j] > 0:
            inverse[j] = 1 / Q[j, j]
            inverse[j] = inverse[j] if inverse[j] < np.inf else 0
    return _Gram(others, before, diagonal, inverse)


@compiled
def _new_batch(B: Array) -> _Batch:
    shape, of_each = (B.shape[1], ROWS), np.zeros((3, ROWS), B.dtype)
    return _Batch(np.zeros(shape, B.dtype), np.zeros(shape, B.dtype), of_each[0], of_each[1], of_each[2])


@compiled
def _load_row(B: Array, X: Array, row: int, batch: _Batch, place: int, k: int) -> None:
    width = B.shape[1]
    for j in range(0, width, LANES):
        store_column(batch.b, ROWS * j + place, load(B, width * row + j, STEP))
        store_column(batch.x, ROWS * j + place, load(X, width * row + j, STEP))
    batch.b[k:, place] = 0


@compiled
def _unload_row(batch: _Batch, place: int, k: int, X: Array, row: int) -> float:
    """Write a solution to X and return its violation; a row that is not finite becomes NaN, its violation infinite."""
    width = X.shape[1]
    for j in range(0, width, LANES):
        store(X, width * row + j, load_column(batch.x, ROWS * j + place, STEP))
    change, size = np.float64(batch.change[place]), np.float64(batch.size[place])
    if np.isnan(size):
        X[row, :k] = np.nan
        return np.inf
    return change / size if size > 0 else change


@compiled
def _sweep(gram: _Gram, batch: _Batch, tolerance: float, upper: Array | None) -> int:
    """Visit every coordinate of every row once and return a bit for each row that is done, or not finite.

    What is left of b is summed afresh for each coordinate: as fast as carrying the gradient along, and without
    its drift. Two coordinates, u and v, are summed together, since each x is then loaded once for both; only then
    does the second take in what the first became. Rows are in two halves, since an addition waits for the one
    before it.
    """
    x, b, k, half = batch.x, batch.b, len(gram.inverse), ROWS // 2
    nothing = zeros(x, HALF)
    change0, change1 = nothing, nothing
    for j in range(0, k, 2):
        at, row = ROWS * j, k * j
        u0, u1 = load(b, at, HALF), load(b, at + half, HALF)
        v0, v1 = load(b, at + ROWS, HALF), load(b, at + ROWS + half, HALF)
        for i in range(k):
            x0, x1 = load(x, ROWS * i, HALF), load(x, ROWS * i + half, HALF)
            p, q = number(x, gram.others, row + i), number(x, gram.others, row + k + i)
            u0, u1 = plus_times(u0, p, x0), plus_times(u1, p, x1)
            v0, v1 = plus_times(v0, q, x0), plus_times(v1, q, x1)
        u0 = _allowed(u0, gram.inverse[j], nothing, upper, j)
        u1 = _allowed(u1, gram.inverse[j], nothing, upper, j)
        v0, v1 = plus_times(v0, gram.before[j + 1], u0), plus_times(v1, gram.before[j + 1], u1)
        v0 = _allowed(v0, gram.inverse[j + 1], nothing, upper, j + 1)
        v1 = _allowed(v1, gram.inverse[j + 1], nothing, upper, j + 1)
        change0 = _replace(x, at, u0, gram.diagonal[j], change0)
        change1 = _replace(x, at + half, u1, gram.diagonal[j], change1)
        change0 = _replace(x, at + ROWS, v0, gram.diagonal[j + 1], change0)
        change1 = _replace(x, at + ROWS + half, v1, gram.diagonal[j + 1], change1)
    return _note_sweep(batch, 0, change0, tolerance) | _note_sweep(batch, half, change1, tolerance) << half


@compiled
def _allowed(rest: Any, inverse: float, nothing: Any, upper: Array | None, j: int) -> Any:
    """What coordinate j becomes: ``max(0, inverse * rest)``, and no more than its bound."""
    value = larger(plus_times(nothing, inverse, rest), nothing)
    if upper is None:
        return value
    return at_most(value, upper[j])


@compiled
def _replace(x: Array, at: int, new: Any, diagonal: float, change: Any) -> Any:
    """Write a coordinate and return the largest change so far, that of this one included."""
    nothing = zeros(x, HALF)
    step = plus_times(nothing, diagonal, minus(new, load(x, at, HALF)))
    store(x, at, new)
    return larger(larger(step, minus(nothing, step)), change)


@compiled
def _note_sweep(batch: _Batch, at: int, change: Any, tolerance: float) -> int:
    """Count a sweep of the rows from `at` on and return a bit for each that ends with it."""
    nothing = zeros(batch.b, HALF)
    size, spoilt = nothing, nothing
    for j in range(len(batch.b)):
        some = load(batch.b, ROWS * j + at, HALF)
        size = larger(larger(some, minus(nothing, some)), size)
        spoilt = plus_times(spoilt, batch.b.dtype.type(0), some)  # NaN once there is something infinite
    size = plus(size, spoilt)
    for place in range(at, at + ROWS // 2):
        batch.left[place] -= 1
    store(batch.change, at, change)
    store(batch.size, at, size)
    return not_above(change, plus_times(nothing, tolerance, size)) | not_above(load(batch.left, at, HALF), nothing)
