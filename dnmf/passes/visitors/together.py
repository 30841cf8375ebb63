"""How many rows of A have a value in each of some columns, and in each two of them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse

from dnmf.passes.rows_out import RowsOut
from dnmf.passes.visitors.visitor import Block, Visitor
from dnmf.sources.rows import Rows


@dataclass
class PairCounts:
    """Counts over some rows; ``a + b`` is that of both.

    Attributes
    ----------
    counts : ndarray of int64 (t, t)
        In how many rows both columns have a value; on the diagonal those of each.
    kept : dict
        Nothing: no row is written out.
    """

    counts: np.ndarray
    kept: dict[int, np.ndarray] = field(default_factory=dict)

    def __add__(self, other: "PairCounts") -> "PairCounts":
        return PairCounts(self.counts + other.counts)


class CountingTogether:
    """The same while rows come in.

    Parameters
    ----------
    columns : int
        t.
    """

    def __init__(self, columns: int):
        self._counts = np.zeros((columns, columns), np.int64)

    def add(self, there: scipy.sparse.csr_array) -> None:
        """Add rows (rows, t) of ones where there is a value."""
        both = (there.T @ there).tocoo()
        self._counts[both.coords] += both.data

    def finish(self) -> PairCounts:
        """Return the counts; nothing can be added any more."""
        return PairCounts(self._counts)


@dataclass(frozen=True)
class CountTogether(Visitor):
    """Counts the rows in which columns have a value, and those in which two of them have.

    Attributes
    ----------
    columns : ndarray of int (t,)
        Which of A, rising.
    """

    columns: np.ndarray

    @property
    def rank(self) -> int:
        """t."""
        return len(self.columns)

    def begin(self, n_columns: int, dtype: str, *, residual: bool) -> CountingTogether:
        """Return the counts over no rows yet: whole numbers, whatever the computation is in."""
        del n_columns, dtype, residual
        return CountingTogether(self.rank)

    def visit(self, block: Block, sums: CountingTogether, out: RowsOut | None) -> None:
        """Count the rows of the block."""
        del out  # there are no rows of W
        sums.add(self._there(block.rows))

    def _there(self, rows: Rows) -> scipy.sparse.csr_array:
        """Ones where the rows have a value in the columns (rows, t)."""
        if isinstance(rows, np.ndarray):
            return scipy.sparse.csr_array(rows[:, self.columns] != 0, dtype=np.int64)
        place = np.searchsorted(self.columns, rows.indices)
        place[place == self.rank] = 0  # whatever is there is another column
        wanted = (self.columns[place] == rows.indices) & (rows.data != 0)
        ends = np.append(0, np.cumsum(wanted))[rows.indptr]
        parts: Any = (np.ones(int(ends[-1]), np.int64), place[wanted], ends)
        return scipy.sparse.csr_array(parts, shape=(rows.n_rows, self.rank))
