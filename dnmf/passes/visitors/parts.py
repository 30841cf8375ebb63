"""How large rows of A are along directions: above zero, and below it."""

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from dnmf.kernels.padding import aligned
from dnmf.passes.products import cross
from dnmf.passes.rows_out import RowsOut
from dnmf.passes.visitors.visitor import Block, Visitor


@dataclass
class SumsOfParts:
    """The squares of both parts of ``Y = A V`` over some rows, in float64; ``a + b`` is that of both.

    Attributes
    ----------
    above, below : ndarray (r,)
        Of what is above zero in each column of Y, and of what is below.
    kept : dict
        Nothing: no row is written out.
    """

    above: np.ndarray
    below: np.ndarray
    kept: dict[int, np.ndarray] = field(default_factory=dict)

    def __add__(self, other: "SumsOfParts") -> "SumsOfParts":
        return SumsOfParts(self.above + other.above, self.below + other.below)


class RunningParts:
    """The same while rows come in.

    Parameters
    ----------
    directions : int
        r.
    """

    def __init__(self, directions: int):
        self._sums = SumsOfParts(np.zeros(directions), np.zeros(directions))

    def add(self, Y: np.ndarray) -> None:
        """Add rows of Y (rows, r)."""
        wide = Y.astype(np.float64)
        self._sums.above += np.square(np.maximum(wide, 0)).sum(axis=0)
        self._sums.below += np.square(np.minimum(wide, 0)).sum(axis=0)

    def finish(self) -> SumsOfParts:
        """Return the sums; nothing can be added any more."""
        return self._sums


@dataclass(frozen=True)
class MeasureParts(Visitor):
    """Adds up the squares of ``Y = A V`` above zero and below it: of left singular vectors, for right ones in V.

    Attributes
    ----------
    V : ndarray (n, padded r)
        The directions, of any sign; rows end with zeros.
    directions : int
        r.
    """

    V: np.ndarray
    directions: int

    @property
    def rank(self) -> int:
        """r."""
        return self.directions

    def begin(self, n_columns: int, dtype: str, *, residual: bool) -> RunningParts:
        """Return the sums over no rows yet: they are small, and float64 whatever the computation is in."""
        del n_columns, dtype, residual
        return RunningParts(self.directions)

    def visit(self, block: Block, sums: RunningParts, out: RowsOut | None) -> None:
        """Add the block; none of its rows is written out."""
        del out
        sums.add(cross(block.rows, self.V)[:, : self.directions])

    def aligned(self) -> Self:
        """The same with directions that lie as the kernels read them best."""
        return replace(self, V=aligned(self.V))
