"""What a pass folds for a loss whose curvature is its own in every entry."""

from dataclasses import dataclass

import numpy as np

from dnmf.kernels.folds import fold_columns, fold_columns_diagonal
from dnmf.passes.column_sums import ColumnSums, RunningColumnSums
from dnmf.passes.entries import Entries


@dataclass(kw_only=True)
class OwnSums(ColumnSums):
    """Sums of which N is ``Σ_i r_ij w_i`` of each column, and Q ``Σ_i c_ij w_i w_iᵀ`` or ``Σ_i c_ij w_i Σ_l w_il``.

    Attributes
    ----------
    value : float
        The loss of the entries; `whole` is that of a model that knows the mean of each row.
    unreached : int
        How many rows have values where no W predicts anything.
    """

    value: float = 0.0
    unreached: int = 0


class RunningOwnSums(RunningColumnSums):
    """The same while rows come in."""

    def __init__(self, rank: int, n_columns: int, *, diagonal: bool = False):
        super().__init__(rank, n_columns, diagonal=diagonal)
        self._value, self._unreached = 0.0, 0

    def note(self, value: float, whole: float, *, unsolved: int, unreached: int) -> None:
        """Note the loss of some rows and that of a model of their means, and how many are not solved or not reached."""
        self._value, self._whole = self._value + value, self._whole + whole
        self._unsolved, self._unreached = self._unsolved + unsolved, self._unreached + unreached

    def add(self, entries: Entries, W: np.ndarray, r: np.ndarray, c: np.ndarray) -> None:
        """Add rows of W (rows, padded rank) with the weights of their entries."""
        self._add_rows(W)
        fold = fold_columns_diagonal if self._diagonal else fold_columns
        fold(r, c, entries.indices, entries.indptr, W, self._N, self._Q)

    def finish(self) -> OwnSums:
        """Return the sums; nothing can be added any more."""
        return OwnSums(**self._common(), value=self._value, unreached=self._unreached)
