"""What a pass does with the rows of A for one model."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from dnmf.passes.rows_out import RowsOut
from dnmf.passes.sums import RunningSums
from dnmf.sources.rows import Rows


class Block(NamedTuple):
    """Some rows of A, and what is known of them.

    Attributes
    ----------
    rows : Rows
        Of A, dense or CSR.
    at : int
        The first of them.
    given : ndarray (rows, k or fewer) or None
        What is given of their rows of W, in the dtype of the computation.
    weights : ndarray of float32 or float64, or None
        Where entries have weights: of the shape of dense rows, or one for each stored entry; 0 where nothing was
        observed.
    parts : dict or None
        What visitors have cut the rows into, for others that want them so: by fold.
    """

    rows: Rows
    at: int
    given: np.ndarray | None = None
    weights: np.ndarray | None = None
    parts: dict[Any, Any] | None = None


class Visitor(ABC):
    """Visits the blocks of rows of a task, one after the other, and adds them to sums of its model.

    Small, frozen, and sent to each worker once a pass. What it makes of a row depends on that row alone.

    Attributes
    ----------
    takes_missing : bool
        Whether it knows what was not observed (NaN in dense rows, weights of 0, or what sparse rows do not store), so
        that data of which something was not may be visited.
    """

    takes_missing: ClassVar[bool] = False

    @property
    @abstractmethod
    def rank(self) -> int:
        """Columns of the W whose sums it makes."""

    def begin(self, n_columns: int, dtype: str, *, residual: bool) -> Any:
        """Return the sums over no rows yet; with the `residual` of dense rows where that is wanted."""
        return RunningSums(self.rank, n_columns, dtype, residual=residual)

    @abstractmethod
    def visit(self, block: Block, sums: Any, out: RowsOut | None) -> None:
        """Add a block to the sums that this visitor began, and write its rows of W out where somebody takes them."""

    def aligned(self) -> Self:
        """The same with arrays that lie as the kernels read them best: for the worker they came to."""
        return self
