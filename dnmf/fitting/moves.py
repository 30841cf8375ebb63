"""How H moves from pass to pass: beyond an update, and how far it came, block of columns after block."""

import numpy as np

from dnmf.arithmetic import at_least_zero
from dnmf.passes.over_columns import Room, over_columns, sum_of


def extrapolated(plain: np.ndarray, before: np.ndarray, beta: float) -> np.ndarray:
    """Return ``plain + beta (plain − before)``, in the dtype of `plain` (k, n)."""
    H = np.empty_like(plain)

    def move(columns: slice, _: Room) -> None:
        some, update = H[:, columns], plain[:, columns]
        np.subtract(update, before[:, columns], out=some)
        some *= beta
        some += update

    over_columns(move, *H.shape)
    return H


def change_of(before: np.ndarray, after: np.ndarray) -> float:
    """Return one less the cosine between two H (k, n) as a whole; 0 where both are zero."""

    def of_block(columns: slice, room: Room) -> tuple[float, float, float]:
        x, y = (room.array(name, H[:, columns].shape) for name, H in (("before", before), ("after", after)))
        x[:], y[:] = before[:, columns], after[:, columns]
        return float(np.vdot(x, y)), float(np.vdot(x, x)), float(np.vdot(y, y))

    cross, *squares = (sum(parts) for parts in zip(*over_columns(of_block, *after.shape), strict=True))
    sizes = float(np.sqrt(squares[0]) * np.sqrt(squares[1]))
    return at_least_zero(1.0 - cross / sizes) if sizes > 0 else float(before.any() or after.any())


def moved_most(before: np.ndarray, after: np.ndarray) -> float:
    """Return how far the component that turned most has turned: one less the cosine between its rows of two H (k, n).

    0 where none turned; one that died, or came to life, counts as 1.

    Examples
    --------
    >>> moved_most(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[2.0, 0.0], [0.0, 1.0]])).round(3)
    0.293
    """

    def of_block(columns: slice, room: Room) -> np.ndarray:
        x, y = (room.array(name, H[:, columns].shape) for name, H in (("before", before), ("after", after)))
        x[:], y[:] = before[:, columns], after[:, columns]
        found = np.empty((3, len(x)))
        for sums, pair in zip(found, ((x, y), (x, x), (y, y)), strict=True):
            np.einsum("qj,qj->q", *pair, out=sums)
        return found

    cross, left, right = sum_of(over_columns(of_block, *after.shape))
    sizes = np.sqrt(left) * np.sqrt(right)
    alike = np.divide(cross, sizes, out=np.zeros(len(cross)), where=sizes > 0)
    alike[(left == 0) & (right == 0)] = 1.0
    return float((1.0 - alike).max(initial=0.0))
