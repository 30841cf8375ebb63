"""``python -m benchmarks.solver_picture``: draw how solvers come down, the picture of docs/algorithms.md."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.problems import Problem
from benchmarks.regularization.pictures import few_colours
from benchmarks.solvers import BEST_PASSES, PASSES, SEEDS, Way, course, least, of_solvers
from dnmf.colours import PALETTE
from dnmf.plots.figures import DASHES, MARKERS, TEXT_POINTS, new_figure, tidy, write_legend, write_whole
from dnmf.schemes.updates import UPDATES

TARGET = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "solvers.png"
SHOWN = tuple(name for name in UPDATES if name != "bpp")  # its line is that of "cd"
ROWS = {True: "rows of W exact", False: "rows of W: one sweep"}
LEAST = 0.05  # per cent
COLOURS = (PALETTE[-1], *PALETTE[:-1], "#8C8C8C")  # the exact one black


def picture(problems: list[Problem] | None = None, passes: int = PASSES) -> Any:
    """Return a figure of the error over the reads, one sweep of each solver: matrices side by side, rows below."""
    problems = problems or of_solvers()
    figure = new_figure(9.2, 6.8)
    grid = figure.subplots(len(ROWS), len(problems), sharex=True, sharey="col", squeeze=False)
    for column, problem in enumerate(problems):
        matrix = problem.load()
        best = min(least(course(matrix, problem.rank, Way("cd"), seed, BEST_PASSES)) for seed in range(SEEDS))
        for axes, (exact_rows, told) in zip(grid[:, column], ROWS.items(), strict=True):
            for number, name in enumerate(SHOWN):
                way = Way(name, exact_rows=exact_rows or UPDATES[name].exact)
                _draw(axes, name, number, _above(matrix, problem.rank, way, best, passes))
            _label(axes, f"{problem.name}, rank {problem.rank}: {told}", passes)
    for axes in grid[-1]:
        axes.set_xlabel("reads of the data")
    figure.supylabel("error above the best known, per cent of it", fontsize=TEXT_POINTS + 1)
    write_legend(figure, *grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(SHOWN))
    return figure


def _above(matrix: Any, rank: int, way: Way, best: float, passes: int) -> np.ndarray:
    """By how many per cent the lowest error so far is above the best one after each pass, the median over seeds."""
    errors = [[step.error for step in course(matrix, rank, way, seed, passes)] for seed in range(SEEDS)]
    whole = [np.minimum.accumulate(run + run[-1:] * (passes - len(run))) for run in errors]
    return 100 * (np.median(whole, axis=0) / best - 1)


def _draw(axes: Any, name: str, number: int, above: np.ndarray) -> None:
    """Draw one line, its marks beside those of the others."""
    axes.plot(
        np.arange(1, len(above) + 1), np.maximum(above, LEAST), label=name, color=COLOURS[number],
        linestyle=DASHES[number % len(DASHES)], marker=MARKERS[number % len(MARKERS)], markevery=(number % 4, 4),
        markersize=4, linewidth=1.3,
    )  # fmt: skip


def _label(axes: Any, title: str, passes: int) -> None:
    """Name what is drawn, and draw both axes."""
    tidy(axes)
    axes.set_title(title, fontsize=TEXT_POINTS + 1, loc="left")
    axes.set_yscale("log")
    axes.set_ylim(bottom=LEAST)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlim(0, passes + 1)


if __name__ == "__main__":
    print(write_whole(TARGET, few_colours(picture())))
