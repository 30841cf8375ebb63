"""Rows of A given to the nearest of some centres: a step of k-means."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from dnmf.kernels.padding import aligned, pad_columns
from dnmf.passes.products import cross
from dnmf.passes.rows_out import RowsOut
from dnmf.passes.sums import RunningSums
from dnmf.passes.visitors.visitor import Block, Visitor


@dataclass(frozen=True)
class AssignToNearest(Visitor):
    """Adds up a W that has a one at the nearest centre of each row (the first of several) and zeros elsewhere.

    ``WᵀA`` is then the sum of the rows of each centre, and the column sums of W count them.

    Attributes
    ----------
    CT : ndarray (n, padded k)
        The centres, transposed; rows end with zeros.
    half_squares : ndarray (k,)
        ``½‖c‖²`` of each: the nearest centre has the largest ``⟨a, c⟩ − ½‖c‖²``.
    """

    CT: np.ndarray
    half_squares: np.ndarray

    @classmethod
    def of(cls, centres: np.ndarray) -> "AssignToNearest":
        """Of points (k, n), in their dtype."""
        return cls(pad_columns(centres.T), 0.5 * np.einsum("qj,qj->q", centres, centres))

    @property
    def rank(self) -> int:
        """k."""
        return len(self.half_squares)

    def visit(self, block: Block, sums: RunningSums, out: RowsOut | None) -> None:
        """Add the block to the centres its rows are nearest to."""
        del out  # nobody asks for these rows
        W = cross(block.rows, self.CT)
        nearest = np.argmax(W[:, : self.rank] - self.half_squares, axis=1)
        W[:] = 0
        W[np.arange(len(W)), nearest] = 1
        sums.add(block.rows, W)

    def aligned(self) -> Self:
        """The same with centres that lie as the kernels read them best."""
        return replace(self, CT=aligned(self.CT))
