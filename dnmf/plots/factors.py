"""The components of a model: as bars, as profiles, as images, or as a heatmap of their largest entries."""

from typing import TYPE_CHECKING, Any

import numpy as np

from dnmf.arguments import choice, whole
from dnmf.arithmetic import undisturbed
from dnmf.colours import PALETTE
from dnmf.labelled import Pixels
from dnmf.model import Model
from dnmf.plots.bars import draw_bars
from dnmf.plots.figures import TEXT_POINTS, VERBATIM, axes_or_new, given_axes, panels, tidy
from dnmf.plots.labels import place_labels, text_size
from dnmf.plots.orders import is_ordered
from dnmf.plots.short_names import told_apart
from dnmf.plots.sides import Side, by_weight, share_of, take_side, thinned
from dnmf.tables import strongest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = ("bars", "profiles", "images", "heatmap")
MOST_COMPONENTS = 36
MOST_BINS = 500
MOST_NAMES = 60
TOP_OF_A_PROFILE = 2
LEAST_HIGH = 2.1  # inches of a heatmap: what stands beside it has to find room
MOST_APART = 2.0  # largest entries of components that share a scale of colours


@undisturbed
def components(
    model: Model, kind: str | None = None, *, side: str = "H", shape: tuple[int, int] | None = None,
    names: Any = None, top: int | None = None, axes: Any = None,
) -> list["Axes"]:  # fmt: skip
    """Draw the components of a model, the strongest first, and return the axes: one for each, or one heatmap.

    Components that are zero are left out; of more than 36 the strongest are drawn. The title of a component says
    its number (its row of H) and its share of the sum of d.

    Parameters
    ----------
    model : Model
        Whose.
    kind : {"bars", "profiles", "images", "heatmap"}, optional
        Bars show the largest columns (or rows) by name. A profile shows the values along all of them, more than 500
        as the largest of each run of neighbours. An image shows them as pixels, each component on its own scale,
        dark is large. The heatmap has a row for each component and the columns that are the largest of any; where
        the largest of the components differ by more than a factor of two each row has its own scale of colours.
        By default images of pixels (:meth:`dnmf.Model.with_pixels`, or `shape`), else as the names are: bars of words,
        profiles along what has an order.
    side : {"W", "H"}
        Which factor. Of a W of more than five million numbers 20,000 rows are read, and the axis says so.
    shape : (int, int), optional
        Height and width of an image; those that the model knows by default.
    names : sequence or path, optional
        Of the columns (or rows): labels, or a text file with one a line; those of the model by default.
    top : int, optional
        How many entries of each component are named: by default 10 as bars, 2 in a profile where there are names,
        and in a heatmap as many as make at most 60 in all.
    axes : matplotlib Axes, or a list or array of them, optional
        Where to draw; a new figure by default.

    Raises
    ------
    InputError
        An option does not fit the model, all components are zero, or matplotlib is not installed.

    Examples
    --------
    >>> axes = components(model, "heatmap", top=5)  # doctest: +SKIP
    >>> axes[0].figure.savefig("components.png")  # doctest: +SKIP
    """
    if kind is not None:
        choice("kind", kind, KINDS)
    top = None if top is None else whole("top", top)
    drawn = take_side(model, side, names)
    pixels, order = drawn.pixels_of(shape, side, needed=kind == "images"), by_weight(model)
    kind = kind or component_kind(drawn.names, pixels)
    if kind == "heatmap":
        return [_heatmap(model, drawn, order, top, axes)]
    order = order[:MOST_COMPONENTS]
    if kind == "images" and pixels:
        return _images(model, drawn, order, pixels, axes)
    made = draw_bars(drawn, order, top, axes) if kind == "bars" else _profiles(drawn, order, top, axes)
    _set_titles(model, made, order, own=axes is None)
    return made


def component_kind(names: np.ndarray | None, pixels: Pixels | None = None) -> str:
    """Return how components are drawn: of pixels as ``"images"``, of names without an order as ``"bars"``.

    All others as ``"profiles"``.

    Examples
    --------
    >>> component_kind(np.array(["GNLY", "NKG7"])), component_kind(np.array(["0.5", "1.0"])), component_kind(None)
    ('bars', 'profiles', 'profiles')
    """
    if pixels is not None:
        return "images"
    return "profiles" if is_ordered(names) else "bars"


def _set_titles(model: Model, axes: list["Axes"], order: np.ndarray, *, own: bool) -> None:
    for ax, number in zip(axes, order, strict=False):
        ax.set_title(_title(model, number), fontsize=TEXT_POINTS, loc="left")
    if own:
        _explain_titles(axes[0].figure, model, len(order))


def _title(model: Model, number: int) -> str:
    return f"{number} · {100 * share_of(model, number):.1f} %"


def _explain_titles(figure: Any, model: Model, drawn: int) -> None:
    """Say once, above all, what the titles mean and what is left out."""
    alive = int(np.count_nonzero(model.d > 0))
    text = "component · its share of Σd" if figure.get_size_inches()[0] > 3 else "· share of Σd"
    if drawn < alive:
        text += f" (the {drawn} strongest of {alive})"
    if alive < model.rank:
        text += f"; {model.rank - alive} of {model.rank} are zero"
    figure.suptitle(text, fontsize=TEXT_POINTS, color="0.35")


def _profiles(side: Side, order: np.ndarray, top: int | None, axes: Any) -> list["Axes"]:
    own = axes is None
    drawn = panels(len(order), 2, 4.2, 1.45, sharex=True) if own else given_axes(axes, len(order))
    values, edges = thinned(side.values[order], MOST_BINS)
    top = (TOP_OF_A_PROFILE if side.names is not None else 0) if top is None else top
    for place in range(len(order)):
        ax = tidy(drawn[place], "y") if own else drawn[place]
        # With an outline: an area narrower than a pixel may not be drawn at all.
        ax.stairs(
            values[place], edges, fill=True, facecolor=PALETTE[0], edgecolor=PALETTE[0], linewidth=0.8,
            joinstyle="bevel",
        )  # fmt: skip
        ax.set_xlim(0, edges[-1])
        ax.set_ylim(1.5 * min(0, values[place].min()), 1.5 * max(0, values[place].max()))
        ax.locator_params(axis="y", nbins=3)
    if own:
        for ax in drawn[-2:]:  # the lowest of each column
            ax.tick_params(labelbottom=True)
        drawn[-1].figure.supxlabel(side.axis_text, fontsize=10)
        drawn[-1].figure.supylabel("share of the component", fontsize=10)
    _name_peaks(drawn, side, side.values[order], top)
    return drawn


def _name_peaks(axes: list["Axes"], side: Side, profiles: np.ndarray, top: int) -> None:
    peaks = [strongest(values, side.numbers, top) if top else np.empty(0, int) for values in profiles]
    texts = told_apart(side.label(at) for some in peaks for at in some)
    for ax, values, some in zip(axes, profiles, peaks, strict=False):
        points = np.array([(at + 0.5, values[at]) for at in some]).reshape(-1, 2)
        names = [texts[side.label(at)] for at in some]
        place_labels(ax, points, names, obstacles=_bars(values), settle=ax is axes[0])


def _bars(values: np.ndarray) -> np.ndarray:
    """Points along the tallest bars of a profile, which names had better not cover."""
    tall = np.argsort(-np.abs(values), kind="stable")[:MOST_BINS]
    heights = np.linspace(0, 1, 12)[:, None] * values[tall]
    return np.column_stack([np.tile(tall + 0.5, len(heights)), heights.ravel()])


def _images(model: Model, side: Side, order: np.ndarray, shape: Pixels, axes: Any) -> list["Axes"]:
    own = axes is None
    ratio = min(2.0, max(0.5, shape[0] / shape[1]))
    drawn = panels(len(order), 6, 1.35, 1.35 * ratio + 0.3) if own else given_axes(axes, len(order))
    for place, number in enumerate(order):
        ax = drawn[place]
        ax.imshow(
            side.values[number].reshape(shape), **_colours(side.values[number], "gray_r"), interpolation="nearest"
        )
        ax.set(xticks=[], yticks=[])
        ax.set_title(_title(model, number), fontsize=TEXT_POINTS)
    if own:
        _explain_titles(drawn[0].figure, model, len(order))
    return drawn


def _colours(values: np.ndarray, from_zero: str) -> dict[str, Any]:
    """A colour map that begins at zero, or one with zero in its middle where a factor may be negative."""
    if values.min(initial=0) >= 0:
        return {"cmap": from_zero, "vmin": 0}
    most = float(np.abs(values).max())
    return {"cmap": "PuOr", "vmin": -most, "vmax": most}


def _heatmap(model: Model, side: Side, order: np.ndarray, top: int | None, axes: Any) -> "Axes":
    top = max(1, min(5, MOST_NAMES // len(order))) if top is None else max(1, top)
    scaled, meaning = _scaled(side.values[order])
    shown = largest_of_any(scaled, top)
    texts = told_apart(side.label(at) for at in shown)
    labels = [texts[side.label(at)] for at in shown]
    ax = _heatmap_axes(labels, len(order)) if axes is None else given_axes(axes, 1)[0]
    ax.grid(False)
    values = scaled[:, shown]
    image = ax.imshow(values, **_colours(values, "viridis"), aspect="auto", interpolation="nearest")
    ax.set_xticks(range(len(shown)), labels, rotation=90, fontsize=TEXT_POINTS, **VERBATIM)
    ax.set_yticks(range(len(order)), [_title(model, number) for number in order], fontsize=TEXT_POINTS)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_ylabel("component · its share of Σd")
    largest = f"the {top} largest {side.what}s of each" if top > 1 else f"the largest {side.what} of each"
    ax.set_xlabel(largest + (f", {side.axis_text}" if side.sampled else ""))
    bar = ax.figure.colorbar(image, ax=ax, pad=0.02)
    bar.set_label(meaning, fontsize=TEXT_POINTS)
    bar.outline.set_visible(False)  # type: ignore[operator]
    return ax


def _heatmap_axes(labels: list[str], rows: int) -> "Axes":
    """Axes of a new figure with room for the labels below."""
    below = max(text_size(label)[0] for label in labels) / 72
    high = 0.24 * rows
    return axes_or_new(None, 1.9 + 0.21 * len(labels), max(2.2 + high, 0.5 + below + max(high, LEAST_HIGH)))


def _scaled(values: np.ndarray) -> tuple[np.ndarray, str]:
    """Rows on a scale that shows all of them, and what it is: as they are, or each up to its largest."""
    largest = np.abs(values).max(axis=1, keepdims=True)
    if largest.max() <= MOST_APART * largest.min():
        return values, "share of the component"
    return values / largest, "share of the largest\n(each row has its own scale)"


def largest_of_any(values: np.ndarray, top: int) -> np.ndarray:
    """Return the entries that are among the largest of a component, each once, beside those of its component."""
    found: dict[int, None] = {}
    values = np.abs(values)
    for row in values:
        found.update((int(at), None) for at in strongest(row, np.arange(len(row)), top))
    every = np.array(list(found))
    home = np.argmax(values[:, every], axis=0)
    return every[np.lexsort((-values[home, every], home))]
