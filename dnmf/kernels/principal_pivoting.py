"""Block principal pivoting: non-negative least squares from a Gram matrix, rows grouped by what is not zero in them.

Kim & Park 2011, doi:10.1137/110821172. A row's *passive set* is what may be other than zero in it. With it the row is
one linear solve; what comes out negative leaves the set and what has a negative slope outside enters it: all at once as
long as fewer are wrong each time, and from then on one by one, which ends.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, inner, read_only

Array = NDArray[Any]

AT_ONCE = 3  # times that all are exchanged without fewer being wrong
MOST_TURNS = 5  # for each coordinate
ROUNDINGS = 32 * float(np.finfo(np.float64).eps)  # of the terms of a slope: below it a slope is none
LEAST_PIVOT = 1e-14  # of its diagonal: below it a column is a combination of others


def pivot_rows(Q: Array, B: Array, start: Array) -> tuple[Array, Array]:
    """Return, for every right-hand side b of `B`, the x >= 0 that minimizes ``x'Qx / 2 - b'x``.

    Parameters
    ----------
    Q : array (k, k)
        Symmetric, positive semidefinite, float64, its diagonal ones or zeros. A coordinate with zero there is zero.
    B : array (rows, k)
        Right-hand sides, float64.
    start : array (rows, k)
        What is above zero in it is the first passive set.

    Returns
    -------
    X : array (rows, k)
        The solutions; a row is a function of its own numbers alone, to the last bit.
    ended : array (rows,) of bool
        Whether a row came to its end: not where columns of Q that matter to it are combinations of others.
    """
    rows, k = B.shape
    Q, B, X, Y = read_only(Q), read_only(B), np.zeros((rows, k)), np.zeros((rows, k))
    passive, ended, alive = start > 0, np.zeros(rows, bool), np.diag(Q) > 0
    passive &= alive
    counts = np.tile(np.array([k + 1, AT_ONCE]), (rows, 1))
    active = np.arange(rows)
    for _ in range(MOST_TURNS * (k + 1)):
        if not len(active):
            break
        order = active[_by_set(passive[active])]
        _solve_in_order(Q, B, passive, order, X, Y, ended)
        _exchange(read_only(alive), order, passive, counts, X, Y, ended)
        active = active[counts[active, 0] > 0]
    return X, ended


def _by_set(passive: Array) -> Array:
    """The order in which rows with one passive set are neighbours."""
    return np.lexsort(np.packbits(passive, axis=1).T)


@compiled
def _solve_in_order(Q: Array, B: Array, passive: Array, order: Array, X: Array, Y: Array, ended: Array) -> None:
    """Solve on the passive set of each row, slopes elsewhere; the decomposition is that of the row before if it can be.

    `ended` tells whether the matrix of the set could be decomposed.
    """
    k, last, sound = len(Q), -1, True
    L, places, x = np.zeros((k, k)), np.zeros(k, np.int64), np.zeros(k)
    size = 0
    for row in order:
        same = last >= 0
        for j in range(k):
            same = same and passive[row, j] == passive[last, j]
        if not same:
            size = 0
            for j in range(k):
                if passive[row, j]:
                    places[size] = j
                    size += 1
            sound = _decompose(Q, places[:size], L)
            last = row
        ended[row] = sound
        if sound:
            _solve(L, places[:size], B[row], x)
            _write(Q, B[row], places[:size], x, X[row], Y[row])


@compiled
def _decompose(Q: Array, places: Array, L: Array) -> bool:
    """Cholesky's decomposition of the part of Q at these places; False where it has none."""
    for i in range(len(places)):
        for j in range(i + 1):
            value = Q[places[i], places[j]]
            for q in range(j):
                value -= L[i, q] * L[j, q]
            if i > j:
                L[i, j] = value * L[j, j]
            elif value > LEAST_PIVOT:
                L[i, i] = 1 / np.sqrt(value)
            else:
                return False
    return True


@compiled
def _solve(L: Array, places: Array, b: Array, x: Array) -> None:
    size = len(places)
    for i in range(size):
        value = b[places[i]]
        for q in range(i):
            value -= L[i, q] * x[q]
        x[i] = value * L[i, i]
    for i in range(size - 1, -1, -1):
        value = x[i]
        for q in range(i + 1, size):
            value -= L[q, i] * x[q]
        x[i] = value * L[i, i]


@compiled
def _write(Q: Array, b: Array, places: Array, found: Array, x: Array, y: Array) -> None:
    """Write the row and its slopes: zero on the passive set, and where they are rounding."""
    k, terms = len(Q), 0.0
    for j in range(k):
        x[j], y[j] = 0.0, -b[j]
        terms = max(terms, abs(b[j]))
    for i in range(len(places)):
        x[places[i]] = found[i]
        terms += abs(found[i])
        for j in range(k):
            y[j] += found[i] * Q[places[i], j]
    for i in range(len(places)):
        y[places[i]] = 0.0
    for j in range(k):
        if abs(y[j]) <= ROUNDINGS * terms:
            y[j] = 0.0


@compiled
def _exchange(alive: Array, order: Array, passive: Array, counts: Array, X: Array, Y: Array, ended: Array) -> None:
    """Exchange what is wrong in each row; nothing is left to do (a first count of zero) where nothing is.

    `counts`: of each row the least number of wrong coordinates so far, and how often all may still be exchanged.
    """
    k = X.shape[1]
    for row in order:
        if not ended[row]:
            counts[row, 0] = 0
            continue
        wrong, last = 0, -1
        for j in range(k):
            if _is_wrong(passive[row, j], alive[j], X[row, j], Y[row, j]):
                wrong, last = wrong + 1, j
        ended[row] = wrong == 0
        all_at_once = wrong < counts[row, 0] or counts[row, 1] > 0
        if wrong < counts[row, 0]:
            counts[row, 0], counts[row, 1] = wrong, AT_ONCE
        elif all_at_once:
            counts[row, 1] -= 1
        for j in range(k):
            if (j == last or all_at_once) and _is_wrong(passive[row, j], alive[j], X[row, j], Y[row, j]):
                passive[row, j] = not passive[row, j]


@inner
def _is_wrong(passive: bool, alive: bool, value: float, slope: float) -> bool:
    return value < 0 if passive else (slope < 0 and alive)
