"""The strongest entries of each component as bars beside their names, where there is no order to draw them along."""

from typing import TYPE_CHECKING, Any

import numpy as np

from dnmf.colours import FAINT, PALETTE
from dnmf.plots.figures import TEXT_POINTS, VERBATIM, given_axes, panels, tidy
from dnmf.plots.labels import text_size
from dnmf.plots.short_names import told_apart
from dnmf.plots.sides import Side
from dnmf.tables import strongest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOP = 10
LEAST_WIDTH, MOST_WIDTH = 4.4, 11.6  # inches of a figure
BAR_WIDTH, BAR_HEIGHT = 1.3, 0.185  # inches of the longest bar, and from bar to bar
AROUND, ABOVE_AND_BELOW = 0.62, 0.45  # inches for the title and the axis of a panel, and for those of the figure
LEAST_BARS = 3


def draw_bars(side: Side, order: np.ndarray, top: int | None, axes: Any) -> "list[Axes]":
    """Draw the largest entries of the components in `order`, and return the axes, one for each.

    Parameters
    ----------
    side : Side
        The factor.
    order : ndarray of int
        Components, none of them zero.
    top : int or None
        Bars of each, at most; 10 by default.
    axes : matplotlib Axes, or several
        Where to draw; None for a new figure.
    """
    shown = [strongest(side.values[number], side.numbers, max(1, TOP if top is None else top)) for number in order]
    texts = told_apart(side.label(at) for some in shown for at in some)
    names = [[texts[side.label(at)] for at in some] for some in shown]
    own = axes is None
    drawn = _new_panels(names) if own else given_axes(axes, len(order))
    for ax, number, some, beside in zip(drawn, order, shown, names, strict=True):
        _draw(tidy(ax, "x") if own else ax, 100 * side.values[number][some], beside, _places(names))
    if own:
        figure: Any = drawn[0].figure
        sample = f" · {side.axis_text}" if side.sampled else ""
        figure.supxlabel(f"share of the component in %, each on its own scale{sample}", fontsize=10)
    return drawn


def _new_panels(names: list[list[str]]) -> "list[Axes]":
    beside = max(text_size(text)[0] for texts in names for text in texts) / 72 + 0.25
    width = beside + BAR_WIDTH
    columns = min(5, max(1, int(MOST_WIDTH // width)))
    columns = -(-len(names) // -(-len(names) // columns))  # rows as full as they can be
    rows = -(-len(names) // columns)
    height = AROUND + ABOVE_AND_BELOW / rows + BAR_HEIGHT * _places(names)
    return panels(len(names), columns, max(width, LEAST_WIDTH / columns), height)


def _places(names: list[list[str]]) -> int:
    return max(LEAST_BARS, *map(len, names))


def _draw(ax: "Axes", values: np.ndarray, names: list[str], places: int) -> None:
    at = np.arange(len(values))
    colors = [PALETTE[0] if value > 0 else PALETTE[1] for value in values]
    ax.barh(at, values, height=0.72, color=colors, linewidth=0)
    ax.set_yticks(at, names, fontsize=TEXT_POINTS, **VERBATIM)
    ax.set_ylim(places - 0.4, -0.6)  # the strongest on top; bars as thick in every panel
    ax.tick_params(axis="y", length=0)
    ax.locator_params(axis="x", nbins=2)
    ax.xaxis.set_major_formatter(lambda mark, _: f"{mark:g}")
    if values.min() < 0:
        ax.axvline(0, color=FAINT, linewidth=0.8)
