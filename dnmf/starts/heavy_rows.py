"""A sample that sees heavy rows: where few rows have most of what a loss is made of, rows are drawn as they weigh.

Rows drawn alike miss the few that decide, and what they say of the others hardly counts. Where a first sample shows
that, one read of all rows takes others, each as likely as it weighs (:mod:`dnmf.passes.visitors.take`), and multiplies
them so that the loss of the sample estimates that of all rows. Which are drawn follows from the seed and the data
alone.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dnmf.fitting.loop import Engine
from dnmf.options import FitOptions
from dnmf.passes.blocks import cut_weighted
from dnmf.passes.statistics import Statistics
from dnmf.passes.visitors.take import Room, TakenRows, TakeRows
from dnmf.passes.work import Demands, Work
from dnmf.sources.memory import MemorySource, stack_rows
from dnmf.sources.picked import pick_rows, sums_of_powers, times_rows
from dnmf.starts.sweep import sweep


class HeavyRows:
    """Rows of a source drawn as they weigh; smaller samples are parts of larger ones.

    Parameters
    ----------
    taken : TakenRows
        What a pass took.
    degree : float
        With which power of the scale of a row its part of the loss grows.
    like : MemorySource
        Some rows of the source.
    n_rows : int
        Of the source.
    dtype : str
        Of the computation.

    Attributes
    ----------
    n_rows : int
        Of the source.
    size : int
        Rows there are.
    """

    def __init__(self, taken: TakenRows, degree: float, like: MemorySource, n_rows: int, dtype: str):
        self._degree, self._like, self._dtype, self.n_rows = degree, like, dtype, n_rows
        self._panel, self._taken = stack_rows([panel for panel, _ in taken.parts]), replace(taken, parts=())
        self.size = len(taken.rows)

    def first(self, rows: int) -> MemorySource:
        """Return the `rows` of highest priority, in the order of the source, each multiplied as it is to count.

        The loss of them is then an estimate of that of all rows.
        """
        which, weights = self._which(rows), self.weights(rows)
        some = self._panel if len(which) == self.size else pick_rows(self._panel, which)
        found = times_rows(some, weights ** (1 / self._degree), self._dtype)
        return MemorySource.of_rows(found, self._like.shape[1], self._like.address, like=self._like)

    def weights(self, rows: int) -> np.ndarray:
        """Return for how many rows each of the first `rows` stands (rows,), in the order of the source."""
        first = self._taken.first(Room(rows, self._taken.room.n_bytes))
        return np.maximum(1.0, first.threshold / first.importance)

    def numbers(self, rows: int) -> np.ndarray:
        """Return the numbers of the `rows` of highest priority, in the order of the source."""
        found: np.ndarray = self._taken.rows[self._which(rows)]
        return found

    def _which(self, rows: int) -> np.ndarray:
        return np.sort(self._taken.in_order()[:rows])


def rows_that_count(importance: np.ndarray) -> float:
    """Return how many rows of one importance would say as much: all where they are alike, one where one has it all.

    Examples
    --------
    >>> rows_that_count(np.ones(50)), rows_that_count(np.array([1.0, 0, 0, 0]))
    (50.0, 1.0)
    """
    squares = float(importance @ importance)
    return float(importance.sum()) ** 2 / squares if squares > 0 else float(len(importance))


def importance_of(parts: Sequence[MemorySource], degree: float) -> np.ndarray:
    """Return ``Σ ω |a|^degree`` of all rows of some sources, one below the other."""
    panels = (part.read(0, part.shape[0]) for part in parts)
    blocks = (block for panel in panels for block in cut_weighted(panel))
    return np.concatenate([sums_of_powers(rows, degree, weights) for _, rows, weights in blocks])


def threshold_for(importance: np.ndarray, rows: float) -> float:
    """Return above which priority about so many rows like these are expected; 0 where that is all of them.

    A row of importance w is above a threshold t with probability ``min(1, w / t)``.

    Examples
    --------
    >>> threshold_for(np.array([100.0, 1, 1, 1, 1]), rows=3)
    2.0
    >>> threshold_for(np.ones(5), rows=5)
    0.0
    """
    falling = -np.sort(-importance[importance > 0])
    if rows >= len(falling):
        return 0.0
    left = np.cumsum(falling[::-1])[::-1]  # of each and all smaller ones
    sure = np.arange(len(falling))
    thresholds = np.where(sure < rows, left / np.maximum(rows - sure, 1e-300), np.inf)
    return float(thresholds[np.argmax(falling <= thresholds)])


def take_rows(engine: Engine, take: TakeRows, options: FitOptions, demands: Demands, before: int) -> Statistics:
    """Return the statistics of a pass that takes rows and checks all of them; `before` it so many bytes were read."""
    work = Work((take,), options.dtype, check=True, demands=demands)
    return sweep(engine, work, before)
