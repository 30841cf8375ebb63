"""The components of a CP model, all axes side by side: a row for each component, a column for each axis."""

from typing import TYPE_CHECKING, Any

import numpy as np

from dnmf.arithmetic import undisturbed
from dnmf.colours import PALETTE
from dnmf.cp_model import CPModel
from dnmf.errors import InputError
from dnmf.plots.figures import TEXT_POINTS, VERBATIM, given_axes, panels, tidy
from dnmf.plots.orders import is_ordered
from dnmf.plots.short_names import told_apart
from dnmf.plots.sides import Side, by_weight, share_of, sides_of, thinned
from dnmf.plots.ticks import ticks_along
from dnmf.sources.label_values import in_short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_COMPONENTS = 16
MOST_BINS, MOST_BARS = 400, 16
TICKS, MOST_OF_A_NAME = 4, 12
WIDTH, HEIGHT = 2.7, 1.05  # inches of a panel


@undisturbed
def modes(model: CPModel, *, axes: Any = None) -> list["Axes"]:
    """Draw the vectors of every component along all axes side by side, and return the panels, row by row.

    The strongest component is the first row, with its number and its share of the sum of the weights; components that
    are zero are left out, and of more than 16 the strongest are drawn. Along an axis that has an order (numbers, dates,
    spans of time, or no labels) a vector is a profile, more than 400 entries as the largest of each run of neighbours,
    with at most five round numbers or short dates below; along names it is bars, the 16 largest of any component where
    there are more. A factor of two axes together is an image.

    Parameters
    ----------
    model : CPModel
        Whose.
    axes : list or array of matplotlib Axes, optional
        Where to draw, as many as components times axes; a new figure by default.

    Raises
    ------
    InputError
        It is no CP model, all components are zero, or matplotlib is not installed.

    Examples
    --------
    >>> modes(dnmf.load("cp.dnmf"))[0].figure.savefig("modes.png")  # doctest: +SKIP
    """
    if not isinstance(model, CPModel):
        raise InputError(f"{type(model).__name__}: modes are those of dnmf.cp; plots.components draws other models")
    order, sides = by_weight(model)[:MOST_COMPONENTS], sides_of(model)
    own, count = axes is None, len(order) * len(sides)
    drawn = panels(count, len(sides), WIDTH, HEIGHT, sharex="col") if own else given_axes(axes, count)
    for place, side in enumerate(sides):
        _draw_axis(drawn[place :: len(sides)], side, side.values[order], model.labels_along(side.what))
    for place, number in enumerate(order):
        label = f"{number}\n{100 * share_of(model, number):.1f} %"
        drawn[place * len(sides)].set_ylabel(label, fontsize=TEXT_POINTS, rotation=0, ha="right", va="center")
    if own:
        drawn[0].figure.supylabel("component, share of Σ weights", fontsize=TEXT_POINTS, color="0.35")
    return drawn


def _draw_axis(column: list["Axes"], side: Side, vectors: np.ndarray, labels: np.ndarray | None) -> None:
    """Draw the vectors of one axis, one below the other; of a long one a sample of its places."""
    if side.sampled:
        labels = side.numbers.astype(str) if labels is None else labels[side.numbers]
    image = side.pixels_of(None, side.what)
    for ax in column:
        tidy(ax, None)
        ax.set_yticks([])
    if image is not None:
        _as_images(column, vectors, image)
    elif is_ordered(labels):
        _as_profiles(column, vectors, labels)
    else:
        _as_bars(column, vectors, labels)
    column[0].set_title(side.axis_text, fontsize=TEXT_POINTS, **VERBATIM)


def _as_images(column: list["Axes"], vectors: np.ndarray, shape: tuple[int, int]) -> None:
    for ax, values in zip(column, vectors, strict=True):
        ax.imshow(values.reshape(shape), cmap="gray_r", vmin=0, interpolation="nearest", aspect="auto")
        ax.set_xticks([])


def _as_profiles(column: list["Axes"], vectors: np.ndarray, labels: np.ndarray | None) -> None:
    values, edges = thinned(vectors.astype(np.float64), MOST_BINS)
    for ax, profile in zip(column, values, strict=True):
        ax.stairs(profile, edges, fill=True, facecolor=PALETTE[0], edgecolor=PALETTE[0], linewidth=0.8)
        ax.set(xlim=(0, edges[-1]), ylim=(0, 1.1 * max(profile.max(), np.finfo(float).tiny)))
    if labels is not None:
        ticks = ticks_along(labels)
        column[-1].set_xticks(list(ticks), list(ticks.values()), **VERBATIM)
    else:
        column[-1].locator_params(axis="x", nbins=TICKS, integer=True)


def _as_bars(column: list["Axes"], vectors: np.ndarray, labels: np.ndarray | None) -> None:
    assert labels is not None
    shown = np.sort(np.argsort(-vectors.max(axis=0), kind="stable")[:MOST_BARS])
    for ax, values in zip(column, vectors, strict=True):
        ax.bar(np.arange(len(shown)), values[shown], color=PALETTE[0], width=0.8)
        ax.set_ylim(0, 1.1 * max(values.max(), np.finfo(float).tiny))
    written = [str(label) for label in in_short(labels[shown])]
    texts = told_apart(written, MOST_OF_A_NAME)
    names = [texts[text] for text in written]
    column[-1].set_xticks(np.arange(len(shown)), names, rotation=90, **VERBATIM)
