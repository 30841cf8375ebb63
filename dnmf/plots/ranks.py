"""A picture of what was found of several ranks: how well each predicts, and how much of it is found again."""

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from dnmf.arithmetic import undisturbed
from dnmf.colours import FAINT
from dnmf.errors import InputError
from dnmf.plots.figures import TEXT_POINTS, VERBATIM, given_axes, labelled, panels, style_of, tidy, write_legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 6.8, 2.9  # of each panel, in inches
LETTERS_OF_TITLE = 96
WORSE_THAN_NOTHING = 1.02  # of a relative error, and a little room


@undisturbed
def ranks(found: Any, axes: Any = None) -> "Figure":
    """Draw the held-out error of each rank, and how stable its components are, and return the figure.

    Above: the error in what was held out, in the mean over the folds with its standard error as a band, and that of the
    best model of all of the data. Below, both from 0 to 1: the stability of the components over the seeds, and the
    share of them that every fold finds again. A line marks the rank that is suggested.

    Parameters
    ----------
    found : Ranks
        What :func:`dnmf.ranks` returned.
    axes : two matplotlib Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    InputError
        `found` is something else, or matplotlib is not installed.
    """
    if not hasattr(found, "suggested"):
        raise InputError(f"found: a {type(found).__name__} has no ranks; give what dnmf.ranks returned")
    above, below = panels(2, 1, WIDTH, HEIGHT, sharex=True) if axes is None else given_axes(axes, 2)
    _draw_errors(tidy(above), found)
    _draw_likeness(tidy(below), found)
    for each in (above, below):
        _mark(each, found)
        write_legend(each, *labelled(each))
    below.set_xlabel("rank")
    if axes is None:
        text = "\n".join(textwrap.wrap(found.verdict, LETTERS_OF_TITLE))
        above.set_title(text, fontsize=TEXT_POINTS, color="0.25", loc="left", **VERBATIM)
    figure: Figure = above.figure  # type: ignore[assignment]
    return figure


def _draw_errors(axes: "Axes", found: Any) -> None:
    x, table = np.array(found.ranks), found.table
    mean, se = np.array(table["held_out"]), np.array(table["held_out_se"])
    if np.isfinite(mean).any():
        style = style_of(0)
        axes.plot(x, mean, label="held out ± standard error", markersize=4.5, linewidth=1.5,
                  **style)  # fmt: skip
        if np.isfinite(se).any():
            axes.fill_between(x, mean - se, mean + se, color=style["color"], alpha=0.2, linewidth=0)
    axes.plot(x, table["error"], label="all of the data", markersize=3.5, linewidth=1.2, **style_of(1))
    axes.set_ylabel("relative error")
    _leave_out_what_explodes(axes, found, mean)


def _leave_out_what_explodes(axes: "Axes", found: Any, mean: np.ndarray) -> None:
    """End the axis at 1, the error of a model that predicts zeros, and write the numbers of what is beyond it."""
    beyond = np.isfinite(mean) & (mean > WORSE_THAN_NOTHING)
    if beyond.all() or not beyond.any():
        return
    shown = np.concatenate([mean[~beyond], found.table["error"]])
    axes.set_ylim(0.9 * float(np.nanmin(shown)), WORSE_THAN_NOTHING)
    for rank, error in zip(np.array(found.ranks)[beyond], mean[beyond], strict=True):
        axes.annotate(f"{error:.2g}", (rank, WORSE_THAN_NOTHING), (0, -2), textcoords="offset points",
                      fontsize=TEXT_POINTS, ha="center", va="top")  # fmt: skip


def _draw_likeness(axes: "Axes", found: Any) -> None:
    x, table = np.array(found.ranks), found.table
    stability, again = np.array(table["stability"]), np.array(table["found"], float) / x
    if np.isfinite(stability).any():
        axes.plot(x, stability, label="stability over the seeds", markersize=4.5, linewidth=1.5, **style_of(2))
    if (again >= 0).any():
        axes.plot(x, again, label="found again by every fold", markersize=3.5, linewidth=1.2, **style_of(3))
    axes.set_ylim(min(0.0, float(np.nanmin([0.0, *stability]))) - 0.03, 1.04)
    axes.set_ylabel("share, silhouette")


def _mark(axes: "Axes", found: Any) -> None:
    """Mark the rank that is suggested, and whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if len(found.ranks) == 1:
        axes.set_xlim(found.ranks[0] - 1, found.ranks[0] + 1)
    if found.suggested is not None:
        axes.axvline(found.suggested, color=FAINT, linewidth=1, linestyle=(0, (4, 2)), zorder=0)
