"""How well rows of W that are known predict entries they were not found from."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from dnmf.kernels.padding import aligned, pad_columns
from dnmf.losses import Loss
from dnmf.passes.entries import Entries, entries_of, predictions
from dnmf.passes.rows_out import RowsOut
from dnmf.passes.visitors.visitor import Block, Visitor

LEAST = 1e-3  # of the mean of its row does a prediction count at least, where it has to be above zero


@dataclass
class Score:
    """The loss of predictions, and that of a model that explains nothing; a record that adds."""

    value: float = 0.0
    whole: float = 0.0
    kept: dict[int, np.ndarray] = field(default_factory=dict)

    def __add__(self, other: "Score") -> "Score":
        return Score(self.value + other.value, self.whole + other.whole)

    def finish(self) -> "Score":
        """Return it; it is its own running sum."""
        return self


@dataclass(frozen=True)
class ScoreGivenRows(Visitor):
    """Adds up the loss of rows of W that are given, as predictions of the entries of a block.

    Of a model that explains nothing the loss is, for least squares, that of zeros, else that of the means of rows.

    Attributes
    ----------
    loss : Loss
        Of an entry.
    HT : ndarray (n, padded k)
        H transposed.
    columns : int
        k.
    observed : bool
        Whether only entries that are seen count; else those that are not seen are zeros.
    """

    takes_missing: ClassVar[bool] = True
    loss: Loss
    HT: np.ndarray
    columns: int
    observed: bool

    @classmethod
    def of(cls, loss: Loss, H: np.ndarray, *, observed: bool) -> Self:
        """Return what scores with `H` (k, n)."""
        return cls(loss, pad_columns(np.ascontiguousarray(H.T)), len(H), observed)

    @property
    def rank(self) -> int:
        """k."""
        return self.columns

    def begin(self, n_columns: int, dtype: str, *, residual: bool) -> Score:
        """Return the score of no rows yet."""
        del n_columns, dtype, residual
        return Score()

    def visit(self, block: Block, sums: Any, out: RowsOut | None) -> None:
        """Add the block with its given rows."""
        del out
        assert block.given is not None, "no rows of W were given"
        linear = self.loss.zeros_are_linear(observed=self.observed)
        entries = entries_of(block, self.HT.dtype, zero_is_free=linear)
        W = pad_columns(block.given.astype(self.HT.dtype, copy=False))
        y = predictions(entries, W, self.HT)
        mean, mass = self._means(entries, linear=linear)
        predicted = y
        if self.loss.positive:
            y = np.maximum(y, (LEAST * mean).astype(y.dtype)[entries.row_of])
        if linear:  # of all entries, those among them that were lifted as they are now
            every = W @ self.HT.sum(axis=0, dtype=np.float64) + entries.sums_of_rows(y.astype(np.float64) - predicted)
        else:
            every = entries.sums_of_rows(y)
        sums.value += self._loss_of(entries, y, float(every.sum()))
        if self.loss.shared_curvature:
            mean = np.zeros_like(mean)
        spread = mean[entries.row_of]
        sums.whole += self._loss_of(entries, spread, float(mass.sum()))

    def _means(self, entries: Entries, *, linear: bool) -> tuple[np.ndarray, np.ndarray]:
        """The mean of the entries of each row (rows,), and their sums: what a model of means predicts in all."""
        mass = entries.sums_of_rows(entries.a.astype(np.float64))
        count = np.full(len(mass), float(len(self.HT))) if linear else entries.sums_of_rows(np.ones(len(entries.a)))
        return np.divide(mass, count, out=np.zeros(len(mass)), where=count > 0), mass

    def _loss_of(self, entries: Entries, y: np.ndarray, every: float) -> float:
        if self.loss.positive and not y.all():  # rows of zeros are explained by nothing
            entries, y = entries.some(y > 0), y[y > 0]
        return self.loss.total(entries.a, y, entries.weights) + self.loss.linear * every

    def aligned(self) -> Self:
        """The same with a factor that lies as the kernels read it best."""
        return replace(self, HT=aligned(self.HT))
