"""The pictures of ridge and sparse CP in docs/tensors.md: components over the strengths, and the scaling swamp."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.regularization.pictures import few_colours
from benchmarks.ridge_arrays import RANK, TRUE_RANK
from benchmarks.ridge_cp import BALANCED, DNMF, UNBALANCED
from dnmf.colours import FAINT
from dnmf.plots.figures import TEXT_POINTS, new_figure, style_of, tidy, write_legend, write_whole

LEAST = 0.01  # per cent
APART = 0.11  # of the marks of one strength
STYLES = {name: style_of(at) for at, name in enumerate((DNMF, *BALANCED, UNBALANCED))}
OF_SPARSE = ({"color": FAINT, "linestyle": ":", "marker": "v"}, style_of(6), style_of(5))
SAME_START = "dnmf, start of tensorly"
Record = dict[str, Any]


def draw(record: Record, folder: Path) -> list[Path]:
    """Write both pictures into `folder` and return where they are."""
    figures = {"ridge_cp_swamp": swamp(record), "ridge_cp_components": components(record)}
    folder.mkdir(parents=True, exist_ok=True)
    return [write_whole(folder / f"{name}.png", few_colours(figure)) for name, figure in figures.items()]


def swamp(record: Record) -> Any:
    """Return a figure of the objective over sweeps and passes, a panel for each strength."""
    swamps = record["swamps"]
    figure = new_figure(10.2, 4.0)
    figure.get_layout_engine().set(wspace=0.05)
    grid = figure.subplots(1, len(swamps), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (strength, told) in zip(grid, swamps.items(), strict=True):
        for name, style in STYLES.items():
            above = 100 * np.array(told["ways"][name]["above"])
            axes.plot(
                told["at"][: len(above)], np.maximum(above, LEAST), label=name, markevery=5, markersize=4,
                linewidth=1.4, clip_on=False, **style,
            )  # fmt: skip
        tidy(axes).set(xscale="log", yscale="log", ylim=(LEAST, None), xlim=(1, record["effort"]["sweeps"]))
        axes.set_title(f"ridge {float(strength):g}", fontsize=TEXT_POINTS + 1, loc="left")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:,.9g}")
    figure.supxlabel("sweeps over all factors; of dnmf passes over the data", fontsize=TEXT_POINTS + 1)
    grid[0].set_ylabel("objective above the least found,\nper cent of it", fontsize=TEXT_POINTS + 1)
    write_legend(figure, *grid[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def components(record: Record) -> Any:
    """Return a figure of the components left over the strengths: ridge early and at the end, and L1."""
    effort, told = record["effort"], record["components"]
    figure = new_figure(10.2, 4.2)
    grid = figure.subplots(1, 3, sharey=True)
    for axes, name, sweeps in zip(grid, ("alive_early", "alive"), (effort["early"], effort["sweeps"]), strict=False):
        lines = {way: [one[name] for one in told[way]] for way in BALANCED}
        _over(axes, effort["strengths"], {DNMF: record["path"]["alive"], **lines}, STYLES)
        _label(axes, f"ridge; HALS after {sweeps:,} sweeps", "strength of the ridge")
    sparse = record["sparse"]
    early, late = (f"tensorly, {sweeps:,} sweeps" for sweeps in (effort["early"], effort["sweeps"]))
    ways = {early: "early", late: "late", SAME_START: "same start", DNMF: "path"}
    lines = {name: [one["alive"] for one in sparse[of]] for name, of in ways.items()}
    _over(grid[2], sparse["strengths"], lines, {**STYLES, **dict(zip(ways, OF_SPARSE, strict=False))})
    _label(grid[2], "L1", "strength of L1")
    grid[0].set_ylabel("components left", fontsize=TEXT_POINTS + 1)
    handles, labels = grid[0].get_legend_handles_labels()
    of_sparse = [pair for pair in zip(*grid[2].get_legend_handles_labels(), strict=True) if pair[1] != DNMF]
    handles, labels = [*handles, *(pair[0] for pair in of_sparse)], [*labels, *(pair[1] for pair in of_sparse)]
    write_legend(figure, handles, labels, loc="outside upper center", ncols=4)
    return figure


def _over(axes: Any, strengths: Sequence[float], lines: dict[str, list[float]], styles: Record) -> None:
    """Draw lines over the strengths, one step for each; marks of the same strength stand beside each other."""
    axes.axhline(TRUE_RANK, color=FAINT, linewidth=1, linestyle=(0, (1, 2)))
    for at, (name, alive) in enumerate(lines.items()):
        moved = np.arange(len(strengths)) + APART * (at - (len(lines) - 1) / 2)
        axes.plot(moved, alive, label=name, markersize=5, linewidth=1.2, **styles[name])
    axes.set_xticks(range(len(strengths)), [f"{strength:g}" for strength in strengths], rotation=60)


def _label(axes: Any, title: str, across: str) -> None:
    tidy(axes).set_ylim(-0.2, RANK + 0.3)
    axes.set_title(title, fontsize=TEXT_POINTS + 1, loc="left")
    axes.set_xlabel(across, fontsize=TEXT_POINTS + 1)
