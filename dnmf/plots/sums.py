"""What a report says of both factors: Gram matrices, cosines, exact zeros and strongest rows, from blocks of W."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dnmf.model import Model
from dnmf.plots.figures import TEXT_POINTS
from dnmf.plots.sides import row_runs
from dnmf.tables import Table, top_entries

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ENTRIES = 50_000_000
MOST_WRITTEN = 12


@dataclass(frozen=True)
class FactorSums:
    """Sums over the entries of both factors.

    Attributes
    ----------
    gram_W, gram_H : ndarray (k, k)
        ``WᵀW``, scaled up to all rows where W was sampled, and ``HHᵀ``.
    zeros_W, zeros_H : ndarray (k,)
        The share of exact zeros in each component.
    rows_read : int
        How many rows of W these are from.
    top_rows : Table
        The strongest of these rows in each component.
    """

    gram_W: np.ndarray
    gram_H: np.ndarray
    zeros_W: np.ndarray
    zeros_H: np.ndarray
    rows_read: int
    top_rows: Table


class _Blocks:
    """The blocks of W that are read, and sums over those that were."""

    def __init__(self, model: Model) -> None:
        self.model, self.read = model, 0
        self.gram, self.zeros = np.zeros((model.rank, model.rank)), np.zeros(model.rank)

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        for start, stop in row_runs(self.model.shape[0], self.model.rank, MOST_ENTRIES):
            block = self.model.read_W(start, stop).astype(np.float64)
            self.gram += block.T @ block
            self.zeros += np.count_nonzero(block == 0, axis=0)
            self.read += stop - start
            yield start, block.T


def factor_sums(model: Model, top: int = 1) -> FactorSums:
    """Return the sums of a model; W is read block by block, a sample of it where it has over 50 million numbers."""
    blocks = _Blocks(model)
    rows = Table(tuple(top_entries(blocks, model.row_names, top)), "row")
    H, read = np.asarray(model.H, np.float64), blocks.read
    gram = blocks.gram * (model.shape[0] / read)
    return FactorSums(gram, H @ H.T, blocks.zeros / read, (H == 0).mean(axis=1), read, rows)


def cosines_of(gram: np.ndarray) -> np.ndarray:
    """Return the cosines that a Gram matrix holds; those of a zero component are 0."""
    lengths = np.sqrt(np.diag(gram))
    inverse = np.where(lengths > 0, 1 / np.where(lengths > 0, lengths, 1.0), 0.0)
    return gram * inverse[:, None] * inverse


def draw_cosines(axes: "Axes", cosine: np.ndarray, numbers: np.ndarray, title: str) -> Any:
    """Draw cosines between components as a heatmap, with their values where there are few; return the image."""
    image = axes.imshow(cosine, cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(title, fontsize=10)
    step = -(-len(numbers) // 40)
    marked = np.arange(0, len(numbers), step)
    axes.set_xticks(marked, [str(number) for number in numbers[marked]], fontsize=TEXT_POINTS)
    axes.set_yticks(marked, [str(number) for number in numbers[marked]], fontsize=TEXT_POINTS)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if len(numbers) <= MOST_WRITTEN:
        for (row, column), value in np.ndenumerate(cosine):
            ink = "black" if value > 0.5 else "white"
            axes.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=TEXT_POINTS, color=ink)
    return image
