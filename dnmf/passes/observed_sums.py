"""What a pass folds for weighted least squares: where not all entries were observed, or count alike."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from dnmf.kernels.folds import add_by_column, fold_columns, fold_columns_diagonal
from dnmf.kernels.padding import aligned_zeros, padded
from dnmf.kernels.products import fold_dense
from dnmf.passes.column_sums import ColumnSums, RunningColumnSums
from dnmf.passes.weighing import Weighing


@dataclass(kw_only=True)
class ObservedSums(ColumnSums):
    """Sums of which N is ``Σ_i ω_ij a_ij w_i`` of each column; on the diagonal, less ``Σ c_ij (w_i·h_j) w_i``.

    Q is what entries that were looked at add to the Gram matrices of columns, or ``Σ_i c_ij |w_i| (Σ_l |w_il|)``, and
    `whole` is ``Σ ω a²``.

    Attributes
    ----------
    based : ndarray (k, k)
        ``Σ w_i w_iᵀ`` of the rows whose entries all count one before that: every column has it.
    bound : ndarray (k,)
        ``Σ |w_i| (Σ_l |w_il|)`` of the same rows.
    counts : ndarray (n,)
        ``Σ_i ω_ij`` of each column.
    squares : ndarray (k,)
        ``Σ_i (Σ_j ω_ij) w_i²``.
    curved : float
        ``Σ c (w·h)²`` of what was looked at, where Q is a diagonal.
    """

    unreached: ClassVar[int] = 0
    based: np.ndarray
    bound: np.ndarray
    counts: np.ndarray
    squares: np.ndarray
    curved: float = 0.0

    def without(self, unused: np.ndarray) -> Self:
        """Return the sums as a penalty sees them without the columns of W that are `unused` (k,)."""
        return replace(super().without(unused), squares=np.where(unused, 0.0, self.squares))


class RunningObservedSums(RunningColumnSums):
    """The same while rows come in."""

    def __init__(self, rank: int, n_columns: int, *, diagonal: bool = False):
        super().__init__(rank, n_columns, diagonal=diagonal)
        width = padded(rank)
        self._based, self._squares, self._counts = np.zeros((width, width)), np.zeros(width), np.zeros(n_columns)
        self._bound = np.zeros(width)
        self._rows_based, self._curved = 0, 0.0

    def add(self, weighing: Weighing, W: np.ndarray, y: np.ndarray | None, unsolved: int) -> None:
        """Add rows of W (rows, padded rank); on the diagonal with the predictions y of the entries looked at."""
        wide, entries, c = self._add_rows(W), weighing.entries, weighing.c
        based = wide[weighing.based]
        self._based += based.T @ based
        self._bound += np.abs(based).sum(axis=1) @ np.abs(based)
        self._rows_based += len(based)
        self._squares += weighing.counts @ np.square(wide)
        add_by_column(c, entries.indices, self._counts)
        self._whole, self._unsolved = self._whole + weighing.whole, self._unsolved + unsolved
        r = self._weights_of_products(weighing, W)
        if y is not None:
            r = r - c * y
            self._curved += float((c * np.square(y, dtype=np.float64)).sum())
        fold = fold_columns_diagonal if self._diagonal else fold_columns
        if len(c) and c.min() < 0:  # of a column that few rows have, next to nothing is left of what all of them add
            W, r, c = wide, r.astype(np.float64), c.astype(np.float64)
        fold(r, c, entries.indices, entries.indptr, W, self._N, self._Q)

    def _weights_of_products(self, weighing: Weighing, W: np.ndarray) -> np.ndarray:
        """What entries are folded with: all there are of sparse rows; the products of dense ones are added at once."""
        products = weighing.products
        if not isinstance(products, np.ndarray):
            return products.data
        some = aligned_zeros(self._N.shape, W.dtype)
        fold_dense(products, W, some)
        self._N += some
        return np.zeros_like(weighing.c)

    def finish(self) -> ObservedSums:
        """Return the sums; nothing can be added any more."""
        k, counts = self._rank, self._counts + self._rows_based
        based, bound, squares = self._based[:k, :k].copy(), self._bound[:k].copy(), self._squares[:k].copy()
        return ObservedSums(
            **self._common(), based=based, bound=bound, counts=counts, squares=squares, curved=self._curved
        )
