"""Rows of A projected on directions: for a small stand-in of all rows."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from dnmf.kernels.padding import aligned
from dnmf.passes.drawn import scattered
from dnmf.passes.products import cross
from dnmf.passes.rows_out import RowsOut
from dnmf.passes.sums import RunningSums
from dnmf.passes.visitors.visitor import Block, Visitor


@dataclass(frozen=True)
class ProjectRows(Visitor):
    """Adds up ``Y = A V`` in the place of W, and writes out some rows of it.

    Attributes
    ----------
    V : ndarray (n, padded r)
        The directions, of any sign; rows end with zeros.
    directions : int
        r.
    one_in : int
        Of so many neighbouring rows of Y one is written out, drawn from the seed: the same ones however the rows
        are cut into blocks and tasks, and no period of the data can hide from them.
    seed : int
        Of the fit.
    """

    V: np.ndarray
    directions: int
    one_in: int = 1
    seed: int = 0

    @property
    def rank(self) -> int:
        """r."""
        return self.directions

    def visit(self, block: Block, sums: RunningSums, out: RowsOut | None) -> None:
        """Add the block and its projection; the rows that are drawn are written out."""
        Y = cross(block.rows, self.V)
        sums.add(block.rows, Y)
        if out is not None:
            out.write(block.at, Y[self.drawn_rows(block.at, len(Y)), : self.rank])

    def drawn_rows(self, first: int, count: int) -> np.ndarray:
        """Return which of the rows `first` to `first + count` are written out, counted from `first`."""
        parts = np.arange(first // self.one_in, (first + count - 1) // self.one_in + 1, dtype=np.uint64)
        rows = (parts * np.uint64(self.one_in) + scattered(parts, self.seed) % np.uint64(self.one_in)).astype(np.int64)
        return rows[(rows >= first) & (rows < first + count)] - first

    def aligned(self) -> Self:
        """The same with directions that lie as the kernels read them best."""
        return replace(self, V=aligned(self.V))
