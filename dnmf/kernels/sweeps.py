"""A few sweeps of textbook methods for least squares between bounds: many right-hand sides, each as if it were alone.

All change `X` in place and look for the x that minimizes ``½ x'Qx − b'x``. Columns beyond the k of Q are padding.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, inner, read_only
from dnmf.kernels.packed import pack, packed_size

Array = NDArray[Any]

LEAST = 1e-16  # of a row's largest right-hand side: what is above it does not come below it, so that no entry is lost
WITHIN = 0.99  # of the way to the first zero
MORE = 100  # sweeps of a row that would else end above where it began
ROUNDINGS = 4.0  # of the dtype, times the square of all that a way moves: what a curvature may be off


def multiply_rows(Q: Array, B: Array, X: Array, upper: Array, sweeps: int) -> None:
    """Multiplicative updates: ``x ← x · max(0, b) / (Qx)``, at most `upper`; none raises the objective where Q ≥ 0.

    Parameters
    ----------
    Q : array (k, k)
        Symmetric, no entry negative; float32 or float64, like `B` and `X`.
    B, X : array (rows, k or more)
        Right-hand sides, and where to begin: an entry that is zero stays so, no other becomes zero.
    upper : array (k,)
        The largest values, infinite where there is none.
    sweeps : int
        How many.
    """
    _check(Q, B, X, {"upper": upper})
    _multiply_rows(read_only(Q), read_only(B), read_only(upper), int(sweeps), X)


def descend_rows(Q: Array, B: Array, X: Array, steps: Array, lower: Array, upper: Array, sweeps: int) -> None:
    """Projected gradients: ``x ← x − steps · (Qx − b)``, between the bounds.

    None raises the objective where ``diag(1 / steps) − Q`` is positive semidefinite. `steps`, `lower` and `upper` are
    arrays (k,); the others as for :func:`multiply_rows`.
    """
    _check(Q, B, X, {"steps": steps, "lower": lower, "upper": upper})
    _descend_rows(read_only(Q), read_only(B), read_only(steps), read_only(lower), read_only(upper), int(sweeps), X)


def move_within_rows(Q: Array, B: Array, X: Array, sweeps: int) -> None:
    """Interior point gradients: along ``−x / (Qx) · (Qx − b)`` to the minimum on the way, or to near the first zero.

    None raises the objective where Q ≥ 0. Arguments as for :func:`multiply_rows`.
    """
    _check(Q, B, X, {})
    off = B.dtype.type(ROUNDINGS * np.finfo(B.dtype).eps)
    _move_within_rows(read_only(Q), read_only(B), off, int(sweeps), X)


def split_rows(
    Q: Array, B: Array, X: Array, inverse: Array, weight: float, lower: Array, upper: Array, sweeps: int
) -> None:
    """Alternating directions: an unconstrained copy y of x, pulled to it, and x what of it is between the bounds.

    ``y ← (Q + ρI)⁻¹ (b + ρ(x − u))``, ``x ← y + u`` between the bounds, ``u ← u + y − x``. The duals u begin as what
    the slope at a bound is of ρ where it holds x there, so that a solution is left as it is. A row whose sweeps end
    above where it began goes on until it is below, or stays as it was.

    Parameters
    ----------
    Q, B, X
        As for :func:`multiply_rows`; entries of Q may be negative.
    inverse : array (k, k)
        ``(Q + ρI)⁻¹``.
    weight : float
        ρ.
    lower, upper : array (k,)
        Bounds.
    sweeps : int
        How many.
    """
    _check(Q, B, X, {"lower": lower, "upper": upper})
    bounds = read_only(lower), read_only(upper)
    _split_rows(read_only(Q), read_only(B), read_only(inverse), B.dtype.type(weight), *bounds, int(sweeps), X)


def multiply_own_rows(Q: Array, B: Array, X: Array, G0: Array, lower: Array, upper: Array, sweeps: int) -> None:
    """Multiplicative updates where each row has a packed matrix of its own, `Q` (rows, k (k + 1) / 2), and G0.

    `lower` and `upper` (rows, k) are bounds; equal ones hold an entry.
    """
    _check_own(Q, B, X, G0, {"lower": lower, "upper": upper})
    problems = read_only(Q), read_only(pack(G0)), read_only(B), read_only(lower), read_only(upper)
    _multiply_own_rows(*problems, int(sweeps), X)


def descend_own_rows(Q: Array, B: Array, X: Array, G0: Array, lower: Array, upper: Array, sweeps: int) -> None:
    """Projected gradients there, with steps of one over the sums of the absolute rows of each matrix."""
    _check_own(Q, B, X, G0, {"lower": lower, "upper": upper})
    problems = read_only(Q), read_only(pack(G0)), read_only(B), read_only(lower), read_only(upper)
    _descend_own_rows(*problems, int(sweeps), X)


def _check(Q: Array, B: Array, X: Array, of_k: dict[str, Array]) -> None:
    k = len(Q)
    _agree(B.dtype, {"Q": (Q, (k, k)), "X": (X, B.shape), **{name: (each, (k,)) for name, each in of_k.items()}})
    if k > B.shape[1]:
        raise ValueError(f"B has {B.shape[1]} columns for a Q of {k} rows")


def _check_own(Q: Array, B: Array, X: Array, G0: Array, bounds: dict[str, Array]) -> None:
    rows, k = B.shape
    of_rows = {name: (each, B.shape) for name, each in {"X": X, **bounds}.items()}
    _agree(B.dtype, {"Q": (Q, (rows, packed_size(k))), "G0": (G0, (k, k)), **of_rows})


def _agree(dtype: np.dtype, arrays: dict[str, tuple[Array, tuple[int, ...]]]) -> None:
    for name, (array, shape) in arrays.items():
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(f"{name} is {array.dtype} {array.shape}; with this B it must be {dtype} {shape}")


@compiled
def _multiply_rows(Q: Array, B: Array, upper: Array, sweeps: int, X: Array) -> None:
    room, nothing = np.zeros(len(Q), B.dtype), np.zeros(len(Q), B.dtype)
    for row in range(len(B)):
        for _ in range(sweeps):
            _multiply(Q, B[row], nothing, upper, room, X[row])


@compiled
def _descend_rows(Q: Array, B: Array, steps: Array, lower: Array, upper: Array, sweeps: int, X: Array) -> None:
    room = np.zeros(len(Q), B.dtype)
    for row in range(len(B)):
        for _ in range(sweeps):
            _descend(Q, B[row], steps, lower, upper, room, X[row])


@compiled
def _move_within_rows(Q: Array, B: Array, off: Any, sweeps: int, X: Array) -> None:
    room = np.zeros((3, len(Q)), B.dtype)
    for row in range(len(B)):
        for _ in range(sweeps):
            _move_within(Q, B[row], off, room, X[row])


@compiled
def _multiply_own_rows(Q: Array, common: Array, B: Array, lower: Array, upper: Array, sweeps: int, X: Array) -> None:
    k = B.shape[1]
    whole, room = np.zeros((k, k), B.dtype), np.zeros(k, B.dtype)
    for row in range(len(B)):
        _unpack(Q[row], common, whole)
        for _ in range(sweeps):
            _multiply(whole, B[row], lower[row], upper[row], room, X[row])


@compiled
def _descend_own_rows(Q: Array, common: Array, B: Array, lower: Array, upper: Array, sweeps: int, X: Array) -> None:
    k = B.shape[1]
    whole, room = np.zeros((k, k), B.dtype), np.zeros((2, k), B.dtype)
    one, zero = B.dtype.type(1), B.dtype.type(0)
    for row in range(len(B)):
        _unpack(Q[row], common, whole)
        for j in range(k):
            total = zero
            for q in range(k):
                total += abs(whole[j, q])
            room[1, j] = one / total if total > zero else zero
        for _ in range(sweeps):
            _descend(whole, B[row], room[1], lower[row], upper[row], room[0], X[row])


@inner
def _unpack(packed: Array, common: Array, whole: Array) -> None:
    at = 0
    for i in range(len(whole)):
        for j in range(i + 1):
            whole[i, j] = whole[j, i] = packed[at] + common[at]
            at += 1


@inner
def _times(Q: Array, x: Array, product: Array) -> None:
    """Write Qx: added row by row, the numbers of a row side by side."""
    k, zero = len(Q), product.dtype.type(0)
    for q in range(k):
        product[q] = zero
    for j in range(k):
        value = x[j]
        if value != zero:
            for q in range(k):
                product[q] += value * Q[j, q]


@inner
def _size_of(b: Array, k: int) -> Any:
    """The size of a row's largest right-hand side."""
    most = b.dtype.type(0)
    for j in range(k):
        most = max(most, abs(b[j]))
    return most


@inner
def _multiply(Q: Array, b: Array, lower: Array, upper: Array, product: Array, x: Array) -> None:
    _times(Q, x, product)
    least, zero = _size_of(b, len(Q)) * b.dtype.type(LEAST), b.dtype.type(0)
    for j in range(len(Q)):
        if x[j] > zero and product[j] > zero:
            value = x[j] * (max(b[j], zero) / product[j])
            x[j] = min(max(value, min(x[j], least), lower[j]), upper[j])


@inner
def _descend(Q: Array, b: Array, steps: Array, lower: Array, upper: Array, product: Array, x: Array) -> None:
    _times(Q, x, product)
    for j in range(len(Q)):
        x[j] = min(max(x[j] - steps[j] * (product[j] - b[j]), lower[j]), upper[j])


@inner
def _move_within(Q: Array, b: Array, off: Any, room: Array, x: Array) -> None:
    """One step; what it is measured by is in units of the largest right-hand side, so that no square is too small."""
    product, way, bent = room[0], room[1], room[2]
    _times(Q, x, product)
    k, zero, furthest, size = len(Q), b.dtype.type(0), b.dtype.type(np.inf), _size_of(b, len(Q))
    if not size > zero:
        for j in range(k):
            x[j] = zero
        return
    along = curved = moved = zero
    for j in range(k):
        slope = (product[j] - b[j]) / size
        way[j] = -x[j] / product[j] * slope if x[j] > zero and product[j] > zero else zero
        along -= way[j] * slope
        moved += abs(way[j])
        if way[j] < zero:
            furthest = min(furthest, -x[j] / size / way[j])
    _times(Q, way, bent)
    for j in range(k):
        curved += way[j] * bent[j]
    curved = max(curved, zero) + off * moved * moved  # in a direction without curvature rounding would decide
    share = b.dtype.type(WITHIN) * furthest
    if curved > zero:
        share = min(share, along / curved)
    if share < b.dtype.type(np.inf):
        least = size * b.dtype.type(LEAST)
        for j in range(k):
            x[j] = max(x[j] + share * way[j] * size, min(x[j], least))


@compiled
def _split_rows(Q: Array, B: Array, inverse: Array, weight: Any, lower: Array, upper: Array, sweeps: int,
                X: Array) -> None:  # fmt: skip
    k = len(Q)
    room = np.zeros((5, k), B.dtype)
    duals, start = room[3], room[4]
    for row in range(len(B)):
        x, b = X[row], B[row]
        _times(Q, x, room[0])
        for j in range(k):
            start[j], share = x[j], (b[j] - room[0, j]) / weight
            held = (x[j] <= lower[j] and share < 0) or (x[j] >= upper[j] and share > 0)
            duals[j] = share if held else B.dtype.type(0)
        for _ in range(sweeps):
            _split(b, inverse, weight, lower, upper, room[:3], duals, x)
        for _ in range(MORE):
            if not _rises(Q, b, start, x, room[:3]):
                break
            _split(b, inverse, weight, lower, upper, room[:3], duals, x)
        if _rises(Q, b, start, x, room[:3]):
            for j in range(k):
                x[j] = start[j]


@inner
def _split(b: Array, inverse: Array, weight: Any, lower: Array, upper: Array, room: Array, duals: Array,
           x: Array) -> None:  # fmt: skip
    for j in range(len(inverse)):
        room[0, j] = b[j] + weight * (x[j] - duals[j])
    _times(inverse, room[0], room[1])
    for j in range(len(inverse)):
        wanted = room[1, j] + duals[j]
        x[j] = min(max(wanted, lower[j]), upper[j])
        duals[j] = wanted - x[j]


@inner
def _rises(Q: Array, b: Array, before: Array, after: Array, room: Array) -> bool:
    """Whether the objective is higher after than before: from the change, which rounding does not hide."""
    k, total = len(Q), 0.0
    for j in range(k):
        room[0, j], room[1, j] = after[j] - before[j], after[j] + before[j]
    _times(Q, room[1], room[2])
    for j in range(k):
        total += np.float64(room[0, j]) * (0.5 * np.float64(room[2, j]) - np.float64(b[j]))
    return total > 0
