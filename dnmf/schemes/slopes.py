"""What the sums of a pass say of H under least squares: loss and projected gradient, block of columns after block."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dnmf.constraints import Limits
from dnmf.kernels.bounds import pinned
from dnmf.passes.over_columns import Room, over_columns, sum_of
from dnmf.passes.statistics import ModelSums

Pull = Callable[[np.ndarray, np.ndarray, slice], None]
"""Adds a gradient to a slope (columns, k), in place, from the columns of H (columns, k) and which they are."""


class SideTerms(NamedTuple):
    """What is measured besides the loss of the factors as they are.

    Attributes
    ----------
    gain : float
        By how much the loss of the model is below that.
    value : float
        Of what is added to the loss.
    """

    gain: float = 0.0
    value: float = 0.0


class Slopes(NamedTuple):
    """Sums over columns, in float64.

    Attributes
    ----------
    cross, gram : float
        ``⟨P, H⟩`` and ``⟨G, HHᵀ⟩``.
    squares : float
        Of the part of the gradient that H can follow, its given rows aside.
    size : float
        ``‖P‖²``.
    along, of_given : ndarray (given,)
        The gradient of given rows of H times these rows, and their squares: they can move along themselves alone.
    """

    cross: float
    gram: float
    squares: float
    size: float
    along: np.ndarray
    of_given: np.ndarray

    def norm(self, followed: np.ndarray) -> float:
        """Return that of the gradient, with that of the given rows that are `followed` (given,)."""
        of_each = np.divide(self.along**2, self.of_given, out=np.zeros_like(self.along), where=self.of_given > 0)
        return float(np.sqrt(self.squares + float((of_each * followed).sum())))


def slopes_of(
    sums: ModelSums, H: np.ndarray, limits: Limits, pull: Pull | None = None, near_zero: np.ndarray | None = None
) -> Slopes:
    """Return what blocks of columns come to: nothing as large as H is made on the way.

    Parameters
    ----------
    sums : ModelSums
        Of a whole pass.
    H : ndarray (k, n)
        The factor the pass was made with.
    limits : Limits
        What H must be.
    pull : callable, optional
        Adds the gradient of side terms.
    near_zero : ndarray (k,), optional
        The curvature of each component, where entries never become zero: those on their way there count as what is
        left of them to go.
    """
    given, upper, free = slice(0, limits.held[1]), limits.upper[1], limits.is_free("H")

    def of_block(columns: slice, room: Room) -> Slopes:
        P = sums.P[columns]
        HT, slope = room.array("HT", P.shape), room.array("slope", P.shape)
        HT[:] = H[:, columns].T
        np.matmul(HT, sums.G, out=slope)
        cross, gram = float(np.vdot(P, HT)), float(np.vdot(slope, HT))
        slope -= P
        if pull is not None:
            pull(slope, HT, columns)
        along, of_given = (np.einsum("jq,jq->q", HT[:, given], other[:, given]) for other in (slope, HT))
        if near_zero is not None:
            np.minimum(slope, HT * near_zero, out=slope)
        if not free:
            _clear(slope, pinned(HT, slope, upper, H.dtype))
        slope[:, given] = 0
        squares, size = float(np.vdot(slope, slope)), float(np.vdot(P, P))
        return Slopes(cross, gram, squares, size, along, of_given)

    return sum_of_slopes(over_columns(of_block, *H.shape))


def sum_of_slopes(parts: list[Slopes]) -> Slopes:
    """Return the slopes of all columns from those of blocks, added up in their order."""
    if len(parts) == 1:  # of a short H, whose passes are short too
        return parts[0]
    return Slopes(*(sum_of(list(each)) for each in zip(*parts, strict=True)))


def _clear(values: np.ndarray, which: np.ndarray) -> None:
    """Set values in float64 to zero, whatever they are.

    Which ones is as good as random: a branch for each, which processors guess, takes many times as long.
    """
    numbers = values.view(np.int64)
    numbers *= ~which
