"""Bounded least squares row by row with an active set: exact where coordinate descent would go on for ever.

The method of Lawson & Hanson (1974, "Solving least squares problems", chapter 23), with upper bounds as in Stark &
Parker (1995, "Bounded-variable least squares"). Each row has a table ``[R | c]`` that is only ever turned by
orthogonal steps: the columns of the coordinates between their bounds are kept triangular, and what they leave of c
says which bounded coordinate gains most by moving. The objective falls with every exchange, so none comes back; how
many there may be is bounded.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, read_only

Array = NDArray[Any]

MOST_EXCHANGES = 10  # for each coordinate
AT_ZERO, AT_UPPER, BETWEEN = 0, 1, 2
ROUNDING = 8 * float(np.finfo(np.float64).eps)  # for each coordinate


class _Table(NamedTuple):
    """One row in work, k coordinates; whatever is a loop here could be an array expression, which compiles for long.

    `turned` (k, k + 1) is ``[R | c]``; `order` the coordinates between their bounds, as their columns were turned;
    `state` (k,) where each is; `rest` what is left of c without those at their upper bounds; `wanted` where those
    between would go; the others are room to work in.
    """

    turned: Array
    order: Array
    state: Array
    refused: Array
    rest: Array
    wanted: Array
    first: Array
    second: Array


def settle_rows(root: Array, X: Array, slopes: Array, upper: Array | None = None,
                least: float = 0.0) -> tuple[Array, Array]:  # fmt: skip
    """Return, for every row x of `X`, the y that minimizes ``½‖root (y − x)‖² + slope'(y − x)`` within its bounds.

    With ``Q = root' root`` and ``slope = Qx − b`` that is the least ``½ y'Qy − b'y``, whatever x is; where root and
    slope are only nearly these it is a step towards it. All in float64; a row is a function of its own numbers alone.

    Parameters
    ----------
    root : array (k, k)
        Rows are orthogonal, none is zero: ``diag(σ) V'``.
    X : array (rows, k)
        Where rows begin; what is out of bounds is brought to them.
    slopes : array (rows, k)
        Gradients there.
    upper : array (k,), optional
        The largest value of each coordinate; one that is 0 leaves it at 0.
    least : float
        A direction whose square in the root is not above this share of the largest says nothing: what x has of it
        stays as near as the bounds allow. So coordinates that are alike share as they did.

    Returns
    -------
    Y : array (rows, k)
        The solutions, each coordinate exactly at a bound or between.
    ended : array (rows,) of bool
        Whether the row came to its end within ``10 k`` exchanges.
    """
    Y, ended = np.array(X, np.float64), np.zeros(len(X), bool)
    most = np.full(X.shape[1], np.inf) if upper is None else np.asarray(upper, np.float64)
    squares = (root**2).sum(axis=1)
    inverse = np.divide(1.0, squares, out=np.zeros(len(root)), where=squares > least * squares.max(initial=0))
    _settle_rows(read_only(root), read_only(inverse), read_only(slopes), read_only(most), Y, ended)
    return Y, ended


def slopes_by_gram(Q: Array, B: Array, X: Array) -> Array:
    """Return ``Q'x − b`` for rows x of `X` and b of `B` (rows, width or more), `Q` (k, width), in float64."""
    slopes = -B[:, : Q.shape[1]].astype(np.float64)
    _add_by_gram(read_only(Q), read_only(X), slopes)
    return slopes


def slopes_by_data(A: Array, HT: Array, X: Array) -> Array:
    """Return ``−H (a − Hᵀx)`` for rows a of `A` (rows, n) and x of `X` (rows, width) in float64, `HT` (n, width)."""
    slopes = np.zeros(X.shape)
    _slopes_by_data(read_only(A), read_only(HT), read_only(X), slopes)
    return slopes


@compiled
def _add_by_gram(Q: Array, X: Array, slopes: Array) -> None:
    for row in range(len(X)):
        for j in range(len(Q)):
            for q in range(Q.shape[1]):
                slopes[row, q] += X[row, j] * Q[j, q]


@compiled
def _slopes_by_data(A: Array, HT: Array, X: Array, slopes: Array) -> None:
    for row in range(len(A)):
        for j in range(len(HT)):
            left = A[row, j]
            for q in range(HT.shape[1]):
                left -= X[row, q] * HT[j, q]
            for q in range(HT.shape[1]):
                slopes[row, q] -= left * HT[j, q]


@compiled
def _settle_rows(root: Array, inverse: Array, slopes: Array, upper: Array, Y: Array, ended: Array) -> None:
    k = len(root)
    numbers, places = np.zeros((4, k + 1)), np.zeros((3, k), np.int64)
    table = _Table(
        np.zeros((k, k + 1)), places[0], places[1], places[2], numbers[0], numbers[1], numbers[2], numbers[3]
    )
    for row in range(len(Y)):
        for i in range(k):
            along = total = 0.0
            for j in range(k):
                table.turned[i, j] = root[i, j]
                along += root[i, j] * Y[row, j]
                total += root[i, j] * slopes[row, j]
            table.turned[i, k] = along - total * inverse[i]
        ended[row] = _settle(table, upper, Y[row])


@compiled
def _settle(table: _Table, upper: Array, x: Array) -> bool:
    """Bring one row to its solution, if that takes no more exchanges than are allowed."""
    k, exchanges, size = len(x), 0, 0.0
    for i in range(k):
        table.refused[i] = 0
        size += table.turned[i, k] ** 2
    least, between = ROUNDING * k * np.sqrt(size), _begin(table, upper, x)
    while exchanges < MOST_EXCHANGES * k:
        blocking = _move(table, between, upper, x)
        if blocking >= 0:
            between = _leave(table, between, blocking)
            exchanges += 1
            continue
        entering = _best(table, between, upper, least)
        while entering >= 0 and not _enters(table, between, entering, upper):
            table.refused[entering] = 1
            entering = _best(table, between, upper, least)
        if entering < 0:
            return True
        between, exchanges = between + 1, exchanges + 1
        for j in range(k):
            table.refused[j] = 0
    return False


@compiled
def _begin(table: _Table, upper: Array, x: Array) -> int:
    """Bring x into its bounds and return how many coordinates are between them, their columns turned."""
    between = 0
    for j in range(len(x)):
        x[j] = min(max(x[j], 0.0), upper[j])
        table.state[j] = AT_ZERO if x[j] == 0 else AT_UPPER if x[j] == upper[j] else BETWEEN
        if table.state[j] == BETWEEN:
            if _turn(table, between, j):
                table.order[between] = j
                between += 1
            else:
                x[j], table.state[j] = 0.0, AT_ZERO
    return between


@compiled
def _turn(table: _Table, top: int, j: int) -> bool:
    """Turn the rows from `top` on so that column j ends there (Householder); False where it has nothing there."""
    turned, v, along, k = table.turned, table.first, table.second, len(table.turned)
    square = 0.0
    for i in range(top, k):
        v[i] = turned[i, j]
        square += v[i] * v[i]
    norm = np.sqrt(square)
    if not norm > ROUNDING * k:
        return False
    scale, end = 1 / (norm * (norm + abs(v[top]))), -norm if v[top] > 0 else norm
    v[top] -= end
    for column in range(k + 1):
        along[column] = 0.0
    for i in range(top, k):
        for column in range(k + 1):
            along[column] += v[i] * turned[i, column]
    for i in range(top, k):
        share = scale * v[i]
        for column in range(k + 1):
            turned[i, column] -= share * along[column]
        turned[i, j] = 0.0
    turned[top, j] = end
    return True


@compiled
def _leave(table: _Table, between: int, at: int) -> int:
    """Take a column out of the triangle and make it one again (Givens); return how many are left."""
    turned, k = table.turned, len(table.turned)
    for i in range(at, between - 1):
        j = table.order[i + 1]
        table.order[i] = j
        norm = np.hypot(turned[i, j], turned[i + 1, j])
        if norm > 0:
            cosine, sine = turned[i, j] / norm, turned[i + 1, j] / norm
            for column in range(k + 1):
                above, below = turned[i, column], turned[i + 1, column]
                turned[i, column] = cosine * above + sine * below
                turned[i + 1, column] = cosine * below - sine * above
        turned[i + 1, j] = 0.0
    return between - 1


@compiled
def _note_rest(table: _Table, upper: Array) -> None:
    turned, rest, k = table.turned, table.rest, len(table.turned)
    for i in range(k):
        rest[i] = turned[i, k]
    for j in range(k):
        if table.state[j] == AT_UPPER:
            for i in range(k):
                rest[i] -= upper[j] * turned[i, j]


@compiled
def _move(table: _Table, between: int, upper: Array, x: Array) -> int:
    """Go to the best place between the bounds, or up to the first bound on the way: return who is at it, or -1."""
    turned, order, wanted = table.turned, table.order, table.wanted
    _note_rest(table, upper)
    share, blocking = 1.0, -1
    for i in range(between - 1, -1, -1):
        total = table.rest[i]
        for other in range(i + 1, between):
            total -= turned[i, order[other]] * wanted[other]
        wanted[i] = total / turned[i, order[i]]
    for i in range(between):
        j = order[i]
        if wanted[i] <= 0 or wanted[i] >= upper[j]:
            way = abs(wanted[i] - x[j])
            possible = (x[j] if wanted[i] <= 0 else upper[j] - x[j]) / way if way > 0 else 0.0
            if blocking < 0 or possible < share:
                share, blocking = possible, i
    for i in range(between):
        j = order[i]
        x[j] = wanted[i] if blocking < 0 else min(max(x[j] + share * (wanted[i] - x[j]), 0.0), upper[j])
    if blocking >= 0:
        table.state[order[blocking]] = AT_ZERO if wanted[blocking] <= 0 else AT_UPPER
        x[order[blocking]] = 0.0 if wanted[blocking] <= 0 else upper[order[blocking]]
    return blocking


@compiled
def _best(table: _Table, between: int, upper: Array, least: float) -> int:
    """Return the bounded coordinate that takes most from the rest by moving inwards, or -1 where none does."""
    turned, gain, square, k = table.turned, table.first, table.second, len(table.turned)
    for column in range(k):
        gain[column] = square[column] = 0.0
    for i in range(between, k):
        for column in range(k):
            gain[column] += table.rest[i] * turned[i, column]
            square[column] += turned[i, column] * turned[i, column]
    best, most = -1, least
    for j in range(k):
        if table.state[j] != BETWEEN and table.refused[j] == 0 and square[j] > 0 and upper[j] > 0:
            size = (gain[j] if table.state[j] == AT_ZERO else -gain[j]) / np.sqrt(square[j])
            if size > most:
                best, most = j, size
    return best


@compiled
def _enters(table: _Table, between: int, j: int, upper: Array) -> bool:
    """Put coordinate j between its bounds, if rounding does not make it move outwards."""
    before = table.state[j]
    if not _turn(table, between, j):
        return False
    table.state[j] = BETWEEN
    _note_rest(table, upper)
    value = table.rest[between] / table.turned[between, j]
    if (before == AT_ZERO and value > 0) or (before == AT_UPPER and value < upper[j]):
        table.order[between] = j
        return True
    table.state[j] = before
    _note_rest(table, upper)
    return False
