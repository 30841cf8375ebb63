"""How fits came down: objective, error or gradient over the reads of the data."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dnmf.arguments import choice
from dnmf.arithmetic import undisturbed
from dnmf.errors import InputError
from dnmf.fitting.history import PassRecord
from dnmf.model import Model
from dnmf.plots.figures import TEXT_POINTS, VERBATIM, axes_or_new, labelled, style_of, write_legend
from dnmf.plots.labels import place_labels
from dnmf.plots.sides import as_labelled
from dnmf.progress import counted
from dnmf.unfinished import Unfinished

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AGAINST = {
    "reads": "reads of the data, the start included",
    "passes": "pass",
    "seconds": "seconds in passes, without the start",
}
VALUES = {
    "objective": "objective (lower is better)",
    "relative_error": "relative error (lower is better)",
    "gradient": "projected gradient in H (0: stationary)",
    "change": "change of H (0: it stays)",
}
MOST_MARKERS = 60
MOST_INSIDE = 8
LEAST_SPAN = 0.01  # of the value: what falls by less looks as flat as it is
NOT_FINISHED = " (not finished)"
TAKEN_BACK: dict[str, Any] = {"linestyle": "none", "marker": "x", "markersize": 6}


@dataclass(frozen=True)
class _Course:
    """One fit as a line: places of its passes, whether they counted, and where the number alive changed."""

    x: np.ndarray
    y: np.ndarray
    accepted: np.ndarray
    changes: list[tuple[int, int]]  # index of a pass, components alive since


@undisturbed
def convergence(models: Any, ax: "Axes | None" = None, against: str = "reads", value: str = "objective") -> "Axes":
    """Draw how one or several fits converged and return the axes.

    A line joins the passes that counted. A pass that was taken back, because the objective rose, is a
    cross off the line. Where components died the number left is written beside the pass.

    Parameters
    ----------
    models : Model, sequence of Model, or dict of label to Model
        Whose history is drawn; of a fit that has not ended what :func:`dnmf.unfinished.so_far` returns.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.
    against : {"reads", "passes", "seconds"}
        The horizontal axis.
    value : {"objective", "relative_error", "gradient", "change"}
        The vertical axis, as in ``model.history``; logarithmic where the values span more than a factor of ten. Of
        an objective or an error it shows one percent at least. ``"change"`` says whether the components stay; it is
        what fits under a rule have, which have no gradient that goes to zero.

    Raises
    ------
    InputError
        An option is unknown, a model has no history, or matplotlib is not installed.

    Examples
    --------
    >>> axes = convergence({"seed 0": first, "seed 1": second})  # doctest: +SKIP
    >>> axes.figure.savefig("convergence.png")  # doctest: +SKIP
    """
    choice("against", against, tuple(AGAINST))
    choice("value", value, tuple(VALUES))
    named = {_label(label, model): model for label, model in as_labelled(models, "model").items()}
    courses = {label: _course(label, model, against, value) for label, model in named.items()}
    axes = axes_or_new(ax)
    for number, (label, course) in enumerate(courses.items()):
        _draw(axes, course, label, number)
    _set_axes(axes, courses, against, value)
    _write_alive(axes, courses)
    _explain(axes, courses)
    (first, *others) = named
    if not others and first.endswith(NOT_FINISHED):
        passes = counted(len(named[first].history), "pass")
        axes.set_title(f"{first}, {passes} so far", fontsize=TEXT_POINTS, color="0.35", loc="left", **VERBATIM)
    return axes


def _label(label: str, model: Any) -> str:
    return label + NOT_FINISHED if isinstance(model, Unfinished) else label


def _course(label: str, model: Any, against: str, value: str) -> _Course:
    records: tuple[PassRecord, ...] = model.history if isinstance(model, (Model, Unfinished)) else ()
    if not records:
        raise InputError(f"{label}: has no history of passes; give a Model that dnmf.fit or dnmf.load returned")
    if against == "seconds":
        x = np.cumsum([record.seconds for record in records])
    else:
        x = np.array([record.reads if against == "reads" else record.number for record in records], float)
    changes, alive = [], model.rank
    for at, record in enumerate(records):
        if record.accepted and record.alive != alive:
            alive = record.alive
            changes.append((at, alive))
    y = np.array([getattr(record, value) for record in records], float)
    y[~np.isfinite(y)] = np.nan
    if np.isnan(y).all():
        others = ", ".join(repr(other) for other in VALUES if other != value)
        raise InputError(f"{label}: {value} was not measured in any pass; draw one of {others}")
    return _Course(x, y, np.array([record.accepted for record in records]), changes)


def _draw(axes: "Axes", course: _Course, label: str, number: int) -> None:
    style = style_of(number)
    if len(course.x) > MOST_MARKERS:
        style["markevery"] = len(course.x) // MOST_MARKERS + 1
    axes.plot(course.x[course.accepted], course.y[course.accepted], label=label, markersize=4.5, linewidth=1.5, **style)
    undone = ~course.accepted
    if undone.any():
        axes.plot(course.x[undone], course.y[undone], color=style["color"], **TAKEN_BACK)


def _set_axes(axes: "Axes", courses: dict[str, _Course], against: str, value: str) -> None:
    from matplotlib.ticker import MaxNLocator

    values = np.concatenate([course.y for course in courses.values()])
    positive = values[values > 0]
    if len(positive) and positive.max() > 10 * positive.min():
        axes.set_yscale("log")
    else:
        axes.ticklabel_format(axis="y", useOffset=False)  # numbers that differ late are read off as they are
    if against != "seconds":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(0.06, 0.1)
    if axes.get_yscale() == "linear" and value in ("objective", "relative_error"):
        _show_no_less(axes, LEAST_SPAN * float(np.nanmax(np.abs(values))))
    axes.set_xlabel(AGAINST[against])
    axes.set_ylabel(VALUES[value])


def _show_no_less(axes: "Axes", span: float) -> None:
    low, high = axes.get_ylim()
    if high - low < span:
        middle = (low + high) / 2
        axes.set_ylim(middle - span / 2, middle + span / 2)


def _write_alive(axes: "Axes", courses: dict[str, _Course]) -> None:
    points, texts, colors = [], [], []
    for number, course in enumerate(courses.values()):
        for at, alive in course.changes:
            points.append((course.x[at], course.y[at]))
            texts.append(f"{alive} alive")
            colors.append(style_of(number)["color"])
    place_labels(
        axes, np.array(points), texts, colors=colors, obstacles=np.concatenate(list(map(_ink, courses.values())))
    )


def _ink(course: _Course) -> np.ndarray:
    """Points of the page that a course covers: its passes, and the line between them."""
    x, y = course.x[course.accepted], course.y[course.accepted]
    between = np.linspace(0, max(0, len(x) - 1), 20 * len(x))
    line = np.column_stack([np.interp(between, np.arange(len(x)), values) for values in (x, y)])
    return np.concatenate([line, np.column_stack([course.x, course.y])])


def _explain(axes: "Axes", courses: dict[str, _Course]) -> None:
    """Say which line is which, and what a cross is, where that is not plain."""
    handles, labels = labelled(axes) if len(courses) > 1 else ([], [])
    if not all(course.accepted.all() for course in courses.values()):
        handles += axes.plot([], [], color="black", **TAKEN_BACK)
        labels += ["pass taken back"]
    if len(handles) > MOST_INSIDE:
        write_legend(axes, handles, labels, loc="center left", bbox_to_anchor=(1.0, 0.5))
    elif handles:
        write_legend(axes, handles, labels)
