"""What a report says of both factors: Gram matrices, cosines and exact zeros, from blocks of W."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dnmf.model import Model
from dnmf.plots.figures import TEXT_POINTS
from dnmf.plots.sides import row_runs

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
    """

    gram_W: np.ndarray
    gram_H: np.ndarray
    zeros_W: np.ndarray
    zeros_H: np.ndarray
    rows_read: int


def factor_sums(model: Model) -> FactorSums:
    """Return the sums of a model; W is read block by block, a sample of it where it has over 50 million numbers."""
    rows, rank = model.shape[0], model.rank
    gram, zeros, read = np.zeros((rank, rank)), np.zeros(rank), 0
    for start, stop in row_runs(rows, rank, MOST_ENTRIES):
        block = model.read_W(start, stop).astype(np.float64)
        gram += block.T @ block
        zeros += np.count_nonzero(block == 0, axis=0)
        read += stop - start
    H = np.asarray(model.H, np.float64)
    return FactorSums(gram * (rows / read), H @ H.T, zeros / read, (H == 0).mean(axis=1), read)


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
