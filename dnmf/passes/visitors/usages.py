"""Rows of other data against a given W: products with it, as it is and with rows that sum to one, and moments."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from dnmf.kernels.padding import pad_columns
from dnmf.passes.rows_out import RowsOut
from dnmf.passes.statistics import ModelSums
from dnmf.passes.sums import RunningSums
from dnmf.passes.visitors.moments import Moments, RunningMoments
from dnmf.passes.visitors.visitor import Block, Visitor


@dataclass
class OfUsages:
    """Over some rows; ``a + b`` is that of both.

    Attributes
    ----------
    products : ModelSums
        Of ``[U, N]`` (rows, 2k): usages, and the same with rows that sum to one.
    moments : Moments
        Of the columns of the data.
    kept : dict
        Nothing: no row is written out.
    """

    products: ModelSums
    moments: Moments
    kept: dict[int, np.ndarray] = field(default_factory=dict)

    def __add__(self, other: "OfUsages") -> "OfUsages":
        return OfUsages(self.products + other.products, self.moments + other.moments)


class RunningUsages:
    """The same while rows come in.

    Parameters
    ----------
    rank, n_columns : int
        2k and n.
    dtype : str
        Of the products.
    """

    def __init__(self, rank: int, n_columns: int, dtype: str):
        self.products = RunningSums(rank, n_columns, dtype)
        self.moments = RunningMoments(n_columns, stored_only=False)

    def finish(self) -> OfUsages:
        """Return the sums; nothing can be added any more."""
        return OfUsages(self.products.finish(), self.moments.finish())


@dataclass(frozen=True)
class FoldUsages(Visitor):
    """Adds up rows against their rows of W, which are given.

    Attributes
    ----------
    weights : ndarray (k,)
        What the columns of W are multiplied by to become usages.
    order : ndarray of int (k,) or None
        Which column of the given ones each component is, where it is not in the same place.
    """

    weights: np.ndarray
    order: np.ndarray | None = None
    takes_missing: ClassVar[bool] = False

    @property
    def rank(self) -> int:
        """Two columns for each component."""
        return 2 * len(self.weights)

    def begin(self, n_columns: int, dtype: str, *, residual: bool) -> RunningUsages:
        """Return the sums over no rows yet."""
        del residual
        return RunningUsages(self.rank, n_columns, dtype)

    def visit(self, block: Block, sums: RunningUsages, out: RowsOut | None) -> None:
        """Add the block and its rows of W."""
        del out  # whoever gave them has them
        assert block.given is not None, "no rows of W were given"
        rows = block.given if self.order is None else block.given[:, self.order]
        sums.products.add(block.rows, pad_columns(self._both(rows * self.weights)))
        sums.moments.add(block.rows, None)

    def _both(self, usages: np.ndarray) -> np.ndarray:
        """Usages, and the same with rows that sum to one; rows of zeros stay so."""
        total = usages.sum(axis=1, keepdims=True)
        shares = np.divide(usages, total, out=np.zeros_like(usages), where=total > 0)
        return np.concatenate([usages, shares], axis=1)
