"""The pictures of docs/regularization.md."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.regularization.grid import Row, from_table
from benchmarks.regularization.objectives import PATH, PRUNES, STEP, warm_path
from benchmarks.regularization.verdicts import chosen
from dnmf import plots
from dnmf.plots.curves import MEASURES
from dnmf.plots.figures import TEXT_POINTS, new_figure, picture, tidy, write_legend, write_whole

SHOWN = ("sparsity_W", "relative_error", "cosine_off", "robustness")
COLOURS = 128
MOST_OF_TOY = 6.0
TOY = (0.0, 0.3, 0.6, 0.75, 1.2, 2.0)


def draw(record: dict[str, Any], folder: Path) -> list[Path]:
    """Write the pictures for which there are figures into `folder` and return where they are."""
    figures = {
        "regularization_toy": toy_components(),
        "regularization_pruning": pruning(record["path"], record["deaths"]),
    }
    if "fits" in record["absolute"]:
        loose = chosen(from_table(record["absolute"]["fits"]), fit="loose")
        figures["regularization_absolute"] = along(with_and_without(loose))
    studies = {name: from_table(part["fits"]) for name, part in record["relative"].items() if "fits" in part}
    if studies:
        figures["regularization_relative"] = on_all_data(studies)
    folder.mkdir(parents=True, exist_ok=True)
    return [write_whole(folder / f"{name}.png", few_colours(figure)) for name, figure in figures.items()]


def few_colours(figure: Any) -> bytes:
    """Return a figure as a small PNG: a palette is enough for lines and bands."""
    from PIL import Image

    content = BytesIO()
    image = Image.open(BytesIO(picture(figure, "png"))).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(content, "png", optimize=True)
    return content.getvalue()


def with_and_without(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the tables of L1 and L2 with the diagonal and without it."""
    return {
        f"{kind.upper()}{'' if diagonal else ', no diagonal'}": chosen(rows, kind=kind, diagonal=diagonal)
        for diagonal in (True, False)
        for kind in ("l1", "l2")
    }


def by_data(studies: dict[str, list[Row]], kind: str) -> dict[str, list[Row]]:
    """Return the tables of a kind of penalty for each data set, with the diagonal."""
    return {f"{kind.upper()}, {name}": chosen(rows, kind=kind, diagonal=True) for name, rows in studies.items()}


def along(tables: dict[str, list[Row]]) -> Any:
    """Return a figure of four measures along the strengths."""
    figure = new_figure(8.6, 6.6)
    for axes, measure in zip(figure.subplots(2, 2).ravel(), SHOWN, strict=True):
        plots.path(tables, measure, tidy(axes))
        axes.get_legend().remove()
        axes.set_ylabel("")
        axes.set_title(MEASURES[measure], fontsize=10, loc="left")
    for axes in figure.axes[:2]:
        axes.set_xlabel("")
    _explain(figure, tables)
    write_legend(figure, *figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _explain(figure: Any, tables: dict[str, list[Row]]) -> None:
    """Say what lines and bands are."""
    seeds = min(len({row.seed for row in rows}) for rows in tables.values())
    text = f"mean of {seeds} seeds, band: its 95 % interval" if seeds > 1 else "one seed"
    figure.suptitle(text, fontsize=TEXT_POINTS, color="0.35")


def on_all_data(studies: dict[str, list[Row]]) -> Any:
    """Return a figure of four measures on all data, under L1 in the upper row and under L2 in the lower."""
    figure = new_figure(12, 6.2)
    for axes_of_row, kind in zip(figure.subplots(2, 4, sharex=True), ("l1", "l2"), strict=True):
        for axes, measure in zip(axes_of_row, SHOWN, strict=True):
            plots.path(by_data(studies, kind), measure, tidy(axes))
            axes.get_legend().remove()
            axes.set_ylabel("")
            axes.set_title(f"{kind.upper()}: {MEASURES[measure].partition(' (')[0]}", fontsize=10, loc="left")
            axes.set_xlabel("strength of the penalty" if kind == "l2" else "")
    _explain(figure, studies)
    handles, _ = figure.axes[0].get_legend_handles_labels()
    write_legend(figure, handles, list(studies), loc="outside lower center", ncols=3)
    return figure


def pruning(path: Sequence[dict[str, Any]], deaths: dict[str, list[float]]) -> Any:
    """Return a figure of the toy's components and objective along the path, for each way of pruning."""
    tables = {}
    for prune in PRUNES:
        points = [(row["strength"], row[f"alive_{prune}"], row[f"objective_{prune}"]) for row in path]
        for left, at in zip((2, 1, 0), deaths.get(prune, ()), strict=False):
            points += [(at - STEP, left + 1, np.nan), (at, left, np.nan)]
        tables[f'prune="{prune}"'] = [
            SimpleNamespace(strength=strength, seed=0, alive=alive, objective=objective)
            for strength, alive, objective in points
            if strength <= MOST_OF_TOY
        ]
    figure = new_figure(8.6, 3.6)
    for axes, measure in zip(figure.subplots(1, 2), ("alive", "objective"), strict=True):
        plots.path(tables, measure, tidy(axes), scale="linear")
        axes.get_legend().remove()
        axes.set_ylabel("")
        axes.set_title(MEASURES[measure], fontsize=10, loc="left")
        axes.set_xlabel("L1 on both factors")
    write_legend(figure, *figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def toy_components() -> Any:
    """Return a figure of the rows of H of the toy along the path, a column for each strength."""
    strengths = [strength for strength in PATH if strength <= max(TOY)]
    found = warm_path(strengths, "refit", {"dtype": "float64", "tol": 1e-12, "max_passes": 5000})
    models = [model for strength, model in zip(strengths, found, strict=True) if strength in TOY]
    figure = new_figure(10.5, 4.4)
    grid = figure.subplots(3, len(TOY), sharex=True)
    for column, (strength, model) in enumerate(zip(TOY, models, strict=True)):
        alive = int((model.d > 0).sum())
        drawn = [tidy(axes, "y") for axes in grid[:alive, column]]
        plots.components(model, axes=drawn)
        drawn[-1].tick_params(labelbottom=True)
        for axes in grid[alive:, column]:
            axes.set_axis_off()
        top = grid[0, column]
        top.annotate(f"λ = {strength:g}", (0, 1.38), xycoords="axes fraction", fontsize=10)
    figure.suptitle('component · its share of Σd, prune="refit"', fontsize=TEXT_POINTS, color="0.35")
    figure.supxlabel("column of the image", fontsize=10)
    figure.supylabel("share of the component", fontsize=10)
    return figure
