"""A picture of a consensus: how alike the components of all models are, and which of them were left out."""

from typing import TYPE_CHECKING, Any

import numpy as np

from dnmf.arithmetic import undisturbed
from dnmf.colours import FAINT, PALETTE
from dnmf.errors import InputError
from dnmf.plots.figures import TEXT_POINTS, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 9.6, 5.4
BINS = 50
ROOM_FOR_WORDS = 0.15  # of a bar from 0 to 1
LEFT_OUT = -1


@undisturbed
def clustergram(found: Any) -> "Figure":
    """Draw how alike the components of all models of a consensus are, and return the figure.

    Left: the distance on unit length between each two components that were kept, cluster after cluster as they are in
    the model, those of a cluster by their silhouette. Right: how far each component of each model is from its nearest
    others, with the distance from which on they were left out, and the silhouette of each component of the model.

    Parameters
    ----------
    found : Consensus
        What :func:`dnmf.consensus` returned.

    Raises
    ------
    InputError
        `found` is something else, or matplotlib is not installed.
    """
    if not hasattr(found, "agreement"):
        raise InputError(f"found: a {type(found).__name__} is no consensus; give what dnmf.consensus returned")
    figure = new_figure(WIDTH, HEIGHT)
    grid = figure.add_gridspec(2, 2, width_ratios=[1.25, 1])
    _draw_distances(figure.add_subplot(grid[:, 0]), found)
    _draw_loneliness(figure.add_subplot(grid[0, 1]), found)
    _draw_stability(figure.add_subplot(grid[1, 1]), found)
    return figure


def _draw_distances(axes: "Axes", found: Any) -> None:
    agreement = found.agreement
    order = np.lexsort((-agreement.silhouettes, agreement.labels))
    units = found.spectra[agreement.kept][order]
    apart = np.sqrt(np.maximum(2 - 2 * units @ units.T, 0.0))
    image = axes.imshow(apart, cmap="magma", vmin=0, vmax=np.sqrt(2), interpolation="nearest", aspect="equal")
    borders = np.cumsum(agreement.sizes)
    middles = borders - agreement.sizes / 2 - 0.5
    for border in borders[:-1]:
        axes.axhline(border - 0.5, color="white", linewidth=0.5)
        axes.axvline(border - 0.5, color="white", linewidth=0.5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(middles, [str(q) for q in range(found.rank)])
    axes.tick_params(labelsize=TEXT_POINTS, length=0)
    axes.set_xlabel("component")
    axes.set_title(
        f"{agreement.kept.sum()} components of {len(found.counted)} models, silhouette {found.silhouette:.2f}",
        fontsize=TEXT_POINTS, color="0.25", loc="left",
    )  # fmt: skip
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.6, location="bottom", pad=0.02)
    bar.set_label("distance on unit length: 0 the same, 1.41 nothing in common", fontsize=TEXT_POINTS)


def _draw_loneliness(axes: "Axes", found: Any) -> None:
    density = found.asked.density
    most = max(float(found.distances.max()), density) * 1.05
    kept, others = found.distances[found.agreement.kept], found.distances[~found.agreement.kept]
    axes.hist([kept, others], bins=BINS, range=(0, most), stacked=True, color=[PALETTE[0], PALETTE[1]])
    axes.axvline(density, color=FAINT, linewidth=1, linestyle=(0, (4, 2)))
    tidy(axes, "y")
    axes.set_xlabel("distance to the nearest others")
    axes.set_ylabel("components")
    axes.set_title(
        f"{100 * found.share_kept:.0f} % are nearer than {density:g} and were kept",
        fontsize=TEXT_POINTS, color="0.25", loc="left",
    )  # fmt: skip


def _draw_stability(axes: "Axes", found: Any) -> None:
    axes.bar(range(found.rank), found.stability, color=PALETTE[2], width=0.7)
    tidy(axes, "y")
    axes.set_ylim(min(0.0, float(found.stability.min())), 1.02)
    axes.set_xlabel("component")
    axes.set_ylabel("silhouette")
    if found.rank <= 30:
        axes.set_xticks(range(found.rank))
    for q in np.flatnonzero(found.found_in < len(found.counted)):
        at, words = max(0.0, float(found.stability[q])), f"{found.found_in[q]}/{len(found.counted)}"
        inside = at > ROOM_FOR_WORDS
        axes.annotate(words, (q, at), (0, -2 if inside else 2), textcoords="offset points", fontsize=TEXT_POINTS - 1,
                      color="white" if inside else "0.25", ha="center", va="top" if inside else "bottom")  # fmt: skip
