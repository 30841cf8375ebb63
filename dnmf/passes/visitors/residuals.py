"""What is left of the rows and the columns of A beside a given model, in one visit to each entry."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np

from dnmf.kernels.entries import predict
from dnmf.kernels.padding import aligned, pad_columns
from dnmf.kernels.residuals import add_squares
from dnmf.passes.products import cross
from dnmf.passes.rows_out import RowsOut
from dnmf.passes.visitors.visitor import Block, Visitor
from dnmf.sources.rows import CsrRows

OF_A_ROW = 2  # numbers: what is left of it, and what there is


@dataclass
class Residuals:
    """Of the columns of some rows, in float64; ``a + b`` is that of both.

    Attributes
    ----------
    columns : ndarray (2, n)
        What is left of each column, the predictions of `G` apart, and the squares of its entries.
    G : ndarray (k, k)
        ``WᵀW`` of the rows whose zeros are not stored: what is predicted for all of their entries is a product with it.
    kept : dict
        What is known of rows, where somebody takes it: left and there (rows, 2), by the first of them.
    """

    columns: np.ndarray
    G: np.ndarray
    kept: dict[int, np.ndarray] = field(default_factory=dict)

    def __add__(self, other: "Residuals") -> "Residuals":
        return Residuals(self.columns + other.columns, self.G + other.G, {**self.kept, **other.kept})

    def of_columns(self, HT: np.ndarray) -> np.ndarray:
        """Return what is left of each column and what there is (2, n), beside ``H'`` (n, k or more)."""
        predicted = np.einsum("jq,jq->j", HT[:, : len(self.G)] @ self.G, HT[:, : len(self.G)])
        return np.stack([self.columns[0] + predicted, self.columns[1]])


class RunningResiduals:
    """The same while rows come in.

    Parameters
    ----------
    n_columns, rank : int
        n and k.
    """

    def __init__(self, n_columns: int, rank: int):
        self.columns, self.G = np.zeros((2, n_columns)), np.zeros((rank, rank))

    def finish(self) -> Residuals:
        """Return the sums; nothing can be added any more."""
        return Residuals(self.columns, self.G)


@dataclass(frozen=True)
class MeasureResiduals(Visitor):
    """Adds up ``(a − w·h)²`` and ``a²`` by columns and by rows, whose W is given.

    Of dense rows each residual is made. Of sparse ones it is what they store alone that is looked at: what is predicted
    for a whole row, or for a whole column, follows from the Gram matrix of the other factor.

    Attributes
    ----------
    HT : ndarray (n, padded k)
        H transposed, the scale of the components in it, float64.
    S : ndarray (k, k)
        ``HHᵀ``.
    stored_only : bool
        Whether what sparse rows do not store was not observed, rather than zero.
    """

    HT: np.ndarray
    S: np.ndarray
    stored_only: bool = False
    takes_missing: ClassVar[bool] = True

    @classmethod
    def of(cls, H: np.ndarray, *, stored_only: bool = False) -> Self:
        """For a factor (k, n) with the scale of the components in it."""
        wide = H.astype(np.float64)
        return cls(pad_columns(wide.T), wide @ wide.T, stored_only)

    @property
    def rank(self) -> int:
        """Columns of the given W, and no fewer than are kept of a row."""
        return max(OF_A_ROW, len(self.S))

    def begin(self, n_columns: int, dtype: str, *, residual: bool) -> RunningResiduals:
        """Return the sums over no rows yet, float64 whatever the computation is in."""
        del dtype, residual
        return RunningResiduals(n_columns, len(self.S))

    def visit(self, block: Block, sums: RunningResiduals, out: RowsOut | None) -> None:
        """Add the block, and write out what is left of its rows and what there is."""
        assert block.given is not None, "no rows of W were given"
        W = np.ascontiguousarray(block.given, np.float64)
        if isinstance(block.rows, np.ndarray):
            of_rows = np.zeros((len(W), OF_A_ROW))
            add_squares(block.rows, block.weights, W, self.HT, of_rows, sums.columns)
        else:
            of_rows = self._of_sparse(block.rows, block.weights, W, sums)
        if out is not None:
            out.write(block.at, of_rows)

    def _of_sparse(
        self, rows: CsrRows, weights: np.ndarray | None, W: np.ndarray, sums: RunningResiduals
    ) -> np.ndarray:
        """What is left of each row and what there is (rows, 2); the columns are added to the sums."""
        a, p = rows.data.astype(np.float64), np.zeros(len(rows.data))
        predict(rows.indices, rows.indptr, pad_columns(W), self.HT, p)
        zeros_count = weights is None and not self.stored_only
        c = 1.0 if weights is None else weights.astype(np.float64)
        left, there = c * (a - p) ** 2, c * a**2
        of_row = np.repeat(np.arange(rows.n_rows), np.diff(rows.indptr))
        if zeros_count:
            left -= p**2  # what is predicted everywhere is added to all entries at once
            sums.G += W.T @ W
        for number, of_entries in enumerate((left, there)):
            np.add.at(sums.columns[number], rows.indices, of_entries)
        of_rows = np.stack([np.bincount(of_row, each, rows.n_rows) for each in (left, there)], axis=1)
        if zeros_count:
            of_rows[:, 0] += np.einsum("iq,iq->i", cross(W, pad_columns(self.S))[:, : len(self.S)], W)
        return of_rows

    def aligned(self) -> Self:
        """The same with a factor that lies as the kernels read it best."""
        return replace(self, HT=aligned(self.HT))
