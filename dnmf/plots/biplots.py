"""Two components against each other: of two models, matched, or of one."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dnmf.arguments import is_whole, shown, whole
from dnmf.arithmetic import undisturbed
from dnmf.colours import FAINT, PALETTE
from dnmf.errors import InputError
from dnmf.measures.compared import compared
from dnmf.model import Model
from dnmf.plots.figures import axes_or_new
from dnmf.plots.labels import place_labels
from dnmf.plots.short_names import told_apart
from dnmf.plots.sides import Side, by_weight, matches, take_side

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_VECTOR_POINTS = 5000


@undisturbed
def biplot(
    model: Model, reference: Model | None = None, *, labels: Any = None, side: str = "H",
    component: int | tuple[int, int] | None = None, top: int = 10, ax: "Axes | None" = None,
) -> "Axes":  # fmt: skip
    """Draw a component of `model` against one of `reference`, a point for each column (or row), and return the axes.

    The most extreme points are named, as far as there is room; the title says the cosine of the two components.

    Parameters
    ----------
    model : Model
        Its component is the horizontal axis.
    reference : Model, optional
        Its component is the vertical axis: the one that the matching of all rows of H by their cosines gives. By
        default two components of `model` are drawn against each other.
    labels : sequence or path, optional
        Names of all columns (or rows), or a text file with one a line; those of the model by default.
    side : {"W", "H"}
        Whether the points are rows or columns of the data. Of a long W a sample of rows is drawn.
    component : int or (int, int), optional
        Which of `model` (and which of `reference`, or the second of `model`); by default the strongest.
    top : int
        How many points to name, at most.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    InputError
        The models are not of the same rows or columns, there is no such component, or matplotlib is missing.

    Examples
    --------
    >>> axes = biplot(penalized, plain, component=3)  # doctest: +SKIP
    """
    mine, top = take_side(model, side, labels), whole("top", top)
    theirs = mine if reference is None else _comparable(mine, take_side(reference, side, labels))
    first, second = _pair(model, reference, component)
    if mine.names is None and theirs.names is not None:
        mine = replace(mine, names=theirs.names)
    x, y = mine.values[first], theirs.values[second]
    axes = axes_or_new(ax, 5.6, 5.4)
    axes.scatter(x, y, s=14, color=PALETTE[0], alpha=0.6, linewidths=0, rasterized=len(x) > MOST_VECTOR_POINTS)
    _set_axes(axes, x, y, equal=reference is not None)
    of = "" if reference is None else " of the reference"
    axes.set_xlabel(f"component {first} (share of each {mine.what})")
    axes.set_ylabel(f"component {second}{of}")
    cosine = float(compared(x[None], y[None], "H")[0, 0])
    sample = f", {len(x):,} of {mine.total:,} rows" if mine.sampled else ""
    axes.set_title(f"cosine {cosine:.3f}{sample}", fontsize=10)
    _name_extremes(axes, mine, x, y, top)
    return axes


def _comparable(mine: Side, theirs: Side) -> Side:
    if mine.total != theirs.total:
        raise InputError(
            f"the models have {mine.total:,} and {theirs.total:,} {mine.what}s; a biplot compares models of the same"
        )
    if mine.names is not None and theirs.names is not None and not np.array_equal(mine.names, theirs.names):
        at = int(np.flatnonzero(mine.names != theirs.names)[0])
        raise InputError(
            f"{mine.what} {at} is {str(mine.names[at])!r} in one model and {str(theirs.names[at])!r} in the other"
        )
    if len(mine.numbers) != len(theirs.numbers):
        raise InputError("the models' ranks differ so much that different samples of rows are read; draw side='H'")
    return theirs


def _pair(model: Model, reference: Model | None, component: int | tuple[int, int] | None) -> tuple[int, int]:
    """Which component of the model goes against which."""
    if isinstance(component, (tuple, list)):
        if len(component) != 2:
            raise InputError(f"component={shown(component)}: give one, or two of them")
        first, second = component
    elif reference is not None:
        first = int(by_weight(model)[0]) if component is None else component
        _check_component(model, first)
        second = _match(model, reference, first)
    else:
        order = [int(number) for number in by_weight(model)]
        first = order[0] if component is None else component
        _check_component(model, first)
        others = [number for number in order if number != first]
        if not others:
            raise InputError("this model has one component that is not zero; give a reference to compare it with")
        second = others[0]
    _check_component(model, first)
    _check_component(reference or model, second)
    return int(first), int(second)


def _match(model: Model, reference: Model, first: int) -> int:
    if model.shape[1] != reference.shape[1]:
        raise InputError(
            f"the models have {model.shape[1]:,} and {reference.shape[1]:,} columns; they cannot be matched"
        )
    second = int(matches(model.H, reference.H)[first])
    if second < 0:
        raise InputError(f"component {first} has no match: the reference has only {reference.rank} components")
    return second


def _check_component(model: Model, number: Any) -> None:
    if not is_whole(number) or not 0 <= number < model.rank:
        raise InputError(f"component {shown(number)}: the components are numbered 0 to {model.rank - 1}")


def _set_axes(axes: "Axes", x: np.ndarray, y: np.ndarray, *, equal: bool) -> None:
    """Hold zero; the same scale on both axes, and a line where both are the same, when models are compared."""
    (left, right), (lower, upper) = ((min(0.0, float(v.min())), max(0.0, float(v.max()))) for v in (x, y))
    if equal:
        left, right = lower, upper = min(left, lower), max(right, upper)
        axes.plot([left, right], [lower, upper], color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        axes.set_aspect("equal", adjustable="box")
    width, height = right - left or 1.0, upper - lower or 1.0
    axes.set_xlim(left - 0.03 * width, right + 0.12 * width)
    axes.set_ylim(lower - 0.03 * height, upper + 0.08 * height)


def _name_extremes(axes: "Axes", side: Side, x: np.ndarray, y: np.ndarray, top: int) -> None:
    reach = np.hypot(x / (np.abs(x).max() or 1.0), y / (np.abs(y).max() or 1.0))
    extreme = [at for at in np.argsort(-reach, kind="stable")[:top] if reach[at] > 0]
    points, texts = np.column_stack([x, y]), told_apart(side.label(at) for at in extreme)
    names = [texts[side.label(at)] for at in extreme]
    place_labels(axes, points[extreme], names, obstacles=points[reach > 0.02])
