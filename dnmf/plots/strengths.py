"""Pictures of a regularization path: a measure over the strengths, with its interval over the seeds."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dnmf.arguments import choice
from dnmf.arithmetic import undisturbed
from dnmf.errors import InputError
from dnmf.plots.curves import MEASURES, Curve, labelled_tables, summarize, tables_of
from dnmf.plots.figures import TEXT_POINTS, axes_or_new, labelled, new_figure, style_of, tidy, write_legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCALES = ("auto", "linear", "log", "symlog")
COUNTS = ("alive", "passes")
INCHES_OF_MARK = 0.36


@undisturbed
def path(
    table: Any, measure: str = "sparsity_H", ax: "Axes | None" = None, *, confidence: float = 0.95, scale: str = "auto"
) -> "Axes":
    """Draw a measure along a regularization path and return the axes.

    The line is the mean over the seeds; the band is its confidence interval, where there is more than one seed, as
    far as the measure can go: a share from 0 to 1, components alive up to the rank of a path.

    Parameters
    ----------
    table : Path or sequence of rows, or dict of label to such
        A regularization path, or rows each with the attributes ``strength``, ``seed`` and the measure; several give a
        line each.
    measure : str
        ``"objective"``, ``"relative_error"``, ``"alive"``, ``"sparsity_W"``, ``"sparsity_H"``, ``"robustness"``,
        ``"cosine"``, ``"cosine_off"``, ``"kmeans"``, ``"singular"`` or ``"passes"``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.
    confidence : float
        Of the interval of the mean, by Student's t.
    scale : {"auto", "linear", "log", "symlog"}
        Of the strengths. ``"auto"`` is logarithmic where they span a factor of ten, in a way that shows 0 if
        there is one, and linear otherwise.

    Raises
    ------
    InputError
        The measure is unknown or was not measured, or matplotlib is not installed.

    Examples
    --------
    >>> axes = path({"L1": l1_rows, "L2": l2_rows}, "robustness")  # doctest: +SKIP
    """
    choice("scale", scale, SCALES)
    curves = {label: summarize(rows, measure, confidence) for label, rows in labelled_tables(table).items()}
    curves = {label: curve for label, curve in curves.items() if len(curve.strengths)}
    if not curves:
        raise InputError(f"{measure} was not measured in any row of this path")
    axes = axes_or_new(ax)
    for number, (label, curve) in enumerate(curves.items()):
        _draw(axes, curve, label, number)
    _set_strengths(axes, np.concatenate([curve.strengths for curve in curves.values()]), scale)
    axes.set_ylabel(MEASURES[measure])
    if measure in COUNTS:
        _count_by_wholes(axes)
    if ax is None:
        _explain(axes, list(curves.values()), confidence, several=isinstance(table, dict))
    elif isinstance(table, dict):
        write_legend(axes, *labelled(axes))
    return axes


def _draw(axes: "Axes", curve: Curve, label: str, number: int) -> None:
    style = style_of(number)
    axes.plot(curve.strengths, curve.mean, label=label, markersize=4.5, linewidth=1.5, **style)
    if np.isfinite(curve.half_width).any():
        axes.fill_between(curve.strengths, *curve.band, color=style["color"], alpha=0.2, linewidth=0)


def _set_strengths(axes: "Axes", strengths: np.ndarray, scale: str) -> None:
    positive = strengths[strengths > 0]
    wide = len(positive) and positive.max() >= 10 * positive.min()
    if scale == "auto":
        scale = ("log" if len(positive) == len(strengths) else "symlog") if wide else "linear"
    if scale == "symlog" and len(positive):
        axes.set_xscale("symlog", linthresh=positive.min(), linscale=0.5)
    else:
        axes.set_xscale("linear" if scale == "symlog" else scale)
    if axes.get_xscale() != "linear":
        _mark_decades(axes, positive, zero=scale == "symlog")
    axes.set_xlabel("strength of the penalty")


def _mark_decades(axes: "Axes", positive: np.ndarray, *, zero: bool) -> None:
    """Mark powers of ten among the strengths, and 2 and 5 times them where there is room, as plain numbers."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    width = axes.get_window_extent().width / axes.figure.dpi
    most = int(width / INCHES_OF_MARK) - zero
    marks = marks_that_fit(positive.min(), positive.max(), most)
    if not np.isclose(positive[:, None], marks).any(axis=1).all():
        marks = strengths_that_fit(positive, most) or with_ends(marks, positive)
    axes.xaxis.set_major_locator(FixedLocator(([0.0] if zero else []) + marks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda mark, _: f"{mark:g}"))


def strengths_that_fit(strengths: np.ndarray, most: int) -> list[float]:
    """Return the strengths themselves where `most` marks at even distances would leave room for each, else none.

    Examples
    --------
    >>> strengths_that_fit(np.array([0.01, 0.03, 0.1, 0.3]), most=6), strengths_that_fit(np.array([0.01, 0.011, 1]), 6)
    ([0.01, 0.03, 0.1, 0.3], [])
    """
    marks = sorted({float(strength) for strength in strengths})
    places = np.log10(marks)
    apart = np.diff(places).min(initial=np.inf)
    return marks if apart * most >= places[-1] - places[0] else []


def marks_that_fit(low: float, high: float, most: int) -> list[float]:
    """Return round numbers between `low` and `high`, at most so many: 1, 2, 5 of each decade, 1 of each, or of some.

    Examples
    --------
    >>> marks_that_fit(0.01, 0.5, most=6), marks_that_fit(0.001, 1.0, most=6)
    ([0.01, 0.02, 0.05, 0.1, 0.2, 0.5], [0.001, 0.01, 0.1, 1.0])
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps, every in (((1, 2, 5), 1), ((1,), 1), ((1,), 2), ((1,), 3)):
        marks = [float(f"{step}e{power}") for power in range(first, last + 1, every) for step in steps]
        marks = [mark for mark in marks if 0.999 * low <= mark <= 1.001 * high]
        if len(marks) <= most:
            break
    return marks


def with_ends(marks: list[float], strengths: np.ndarray) -> list[float]:
    """Return marks with the smallest and the largest strength, where the nearest mark is a factor of 1.5 away.

    Such an end takes the place of marks nearer than a factor of 2.5: their numbers would touch.

    Examples
    --------
    >>> with_ends([0.01, 0.1, 0.5], np.array([0.009, 0.3, 0.9]))
    [0.01, 0.1, 0.9]
    """
    ends = (float(strengths.min()), float(strengths.max()))
    added = [end for end in ends if all(_factor(end, mark) > 1.5 for mark in marks)]
    return [mark for mark in marks if all(_factor(end, mark) > 2.5 for end in added)] + added


def _factor(a: float, b: float) -> float:
    return max(a / b, b / a)


def _count_by_wholes(axes: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    top = max(1.0, axes.get_ylim()[1])
    axes.set_ylim(-0.03 * top, 1.04 * top)


def _explain(axes: "Axes", curves: list[Curve], confidence: float, *, several: bool) -> None:
    """Say what the lines and the band are."""
    if several:
        write_legend(axes, *labelled(axes))
    axes.set_title(_band_text(curves, confidence), fontsize=TEXT_POINTS, color="0.35", loc="left")


def _band_text(curves: list[Curve], confidence: float) -> str:
    counts = {int(curve.seeds.max()) for curve in curves}
    if max(counts) < 2:
        return "one seed"
    seeds = f"{max(counts)} seeds" if len(counts) == 1 else "the seeds"
    return f"mean of {seeds}, band: its {100 * confidence:g} % interval"


@undisturbed
def path_overview(table: Any, *, confidence: float = 0.95) -> "Figure":
    """Return a figure of a regularization path: error, sparsity, angle, robustness, and components alive.

    Parameters
    ----------
    table : Path or sequence of rows, or dict of label to such
        As for :func:`path`.
    confidence : float
        Of the intervals.

    Raises
    ------
    InputError
        There are no rows, or matplotlib is not installed.

    Examples
    --------
    >>> path_overview(rows).savefig("path.pdf")  # doctest: +SKIP
    """
    tables = labelled_tables(table)
    angle = "cosine_off" if _is_measured(tables, "cosine_off") else "cosine"
    measures = ("relative_error", "sparsity_H", "sparsity_W", angle, "robustness", "alive")
    figure = new_figure(10.5, 6.2)
    layout: Any = figure.get_layout_engine()
    layout.set(h_pad=0.1)
    for axes, measure in zip(figure.subplots(2, 3).ravel(), measures, strict=True):
        tidy(axes)
        if _is_measured(tables, measure):
            path(tables, measure, axes, confidence=confidence)
            if axes.get_legend():
                axes.get_legend().remove()
            axes.set_ylabel("")
        else:
            axes.set(xticks=[], yticks=[])
            axes.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axes.transAxes, color="0.35")
        axes.set_title(MEASURES[measure], fontsize=10, loc="left")
    for axes in figure.axes[:3]:
        axes.set_xlabel("")
    curves = [summarize(rows, "relative_error", confidence) for rows in tables_of(tables).values() if rows]
    figure.suptitle(_band_text(curves, confidence), fontsize=TEXT_POINTS, color="0.35")
    if isinstance(table, dict):
        write_legend(figure, *labelled(figure.axes[0]), loc="outside lower center", ncols=4)
    return figure


def _is_measured(tables: dict[str, Any], measure: str) -> bool:
    return any(len(summarize(rows, measure).strengths) for rows in tables.values())
