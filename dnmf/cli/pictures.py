"""The commands that draw finished runs: plot, report."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from dnmf.amounts import format_bytes
from dnmf.cli.amounts import HEIGHT_BY_WIDTH
from dnmf.cli.output import current_output, output_options
from dnmf.progress import labelled

OF_COMPONENTS = ("components", "bars", "profiles", "images", "heatmap")
OF_PATHS = ("path", "slider")
OF_STUDIES = {"path": "path", "ranks": "ranks", "consensus": "clustergram"}  # what is drawn of each kind
KINDS = (*OF_COMPONENTS, "modes", "convergence", "biplot", *OF_PATHS, "ranks", "clustergram")
MOST_RUNS = {**dict.fromkeys(OF_COMPONENTS, 1), "modes": 1, "biplot": 2, "slider": 1, "ranks": 1, "clustergram": 1}
BY_DEFAULT = ("components", "images", "convergence", "biplot")  # the first that takes the runs and the options
TAKEN_BY = {
    "side": (*OF_COMPONENTS, "biplot", "slider"),
    "top": ("components", "bars", "profiles", "heatmap", "biplot"),
    "shape": ("images", "slider"),
    "component": ("biplot",),
    "against": ("convergence",),
    "value": ("convergence",),
    "measure": ("path",),
    "seed": ("slider",),
}
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace a file at --out.")
KIND_HELP = (
    "What to draw.  [default: components, as bars, profiles or images; of runs, convergence; of a study, its own]"
)
SHAPE_HELP = "Height and width, where the entries of a component are pixels."


@click.command(short_help="Draw a run as a picture.")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("--kind", type=click.Choice(KINDS), help=KIND_HELP)
@click.option(
    "--out", required=True, metavar="FILE", help="The picture to write: .png, .svg or .pdf; .html for a slider."
)
@click.option(
    "--side", type=click.Choice(["W", "H"]), help="Which factor's components.  [default: H; a slider of CP: all axes]"
)
@click.option("--top", type=click.IntRange(0), help="Entries to name: of a component, in all of a biplot.")
@click.option("--shape", type=HEIGHT_BY_WIDTH, help=SHAPE_HELP)
@click.option("--component", type=click.IntRange(0), help="Of a biplot.  [default: the strongest]")
@click.option(
    "--against", type=click.Choice(["reads", "passes", "seconds"]), help="Below a convergence.  [default: reads]"
)
@click.option("--value", type=click.Choice(["objective", "relative_error", "gradient", "change"]),
              help="Beside a convergence.  [default: objective]")  # fmt: skip
@click.option("--measure", help="Along a path, such as sparsity_H.  [default: an overview]")
@click.option("--seed", type=click.IntRange(0), help="Of a slider.  [default: the first]")
@OVERWRITE
@output_options
def plot(runs: tuple[str, ...], kind: str | None, out: str, overwrite: bool, **given: Any) -> None:
    """Draw a RUN: its components, its convergence, or two components against each other.

    Of a fit that is not finished there is the convergence so far.

    Components are bars of the largest columns where these have names without an order, such as words, and profiles
    along the columns elsewhere; those of dnmf cp are drawn along all axes side by side. Of regularization paths, the
    measures along the penalty, or a page with a slider over the strengths of one. A convergence may show several runs.
    A biplot of two runs shows a component of the first against the one of the second that it matches; of one run, two
    of its components.
    """
    from dnmf.plots.figures import check_free, picture, picture_kind, require, write_whole

    wanted = {name: value for name, value in given.items() if value is not None}
    kind = kind or OF_STUDIES.get(_study(runs[0])) or _usual_kind(runs, wanted)
    _refuse_what_does_not_belong(kind, runs, wanted)
    if kind == "slider":
        _say("plot", _slider(runs[0], out, wanted, overwrite=overwrite), {"runs": list(runs), "kind": kind})
        return
    file_kind, target = picture_kind(out), check_free(out, overwrite)
    require("matplotlib")
    drawn = _of_study(kind, runs, wanted) if kind in OF_STUDIES.values() else _axes(kind, runs, wanted).figure
    content = picture(drawn, file_kind)
    _say("plot", write_whole(target, content), {"runs": list(runs), "kind": kind})


def _study(run: str) -> str:
    """The kind of study that a run is; empty for a single fit."""
    from dnmf.inspection import run_status

    return str(run_status(run).get("kind", ""))


def _of_study(kind: str, runs: tuple[str, ...], wanted: dict[str, Any]) -> Any:
    import dnmf
    from dnmf import plots

    if kind == "path":
        return _along_paths(runs, wanted)
    return plots.ranks(dnmf.load_ranks(runs[0])) if kind == "ranks" else plots.clustergram(dnmf.load_consensus(runs[0]))


def _is_finished(run: str) -> bool:
    from dnmf.inspection import run_status

    return bool(run_status(run)["status"] == "done")


def _usual_kind(runs: tuple[str, ...], wanted: dict[str, Any]) -> str:
    """What is drawn of runs when no kind is asked for: their components, or what the options belong to."""
    if not wanted and not all(map(_is_finished, runs)):
        return "convergence"
    of_as_many = [kind for kind in BY_DEFAULT if MOST_RUNS.get(kind, len(runs)) >= len(runs)]
    return next((kind for kind in of_as_many if all(kind in TAKEN_BY[name] for name in wanted)), of_as_many[0])


def _refuse_what_does_not_belong(kind: str, runs: tuple[str, ...], wanted: dict[str, Any]) -> None:
    for name in wanted:
        if kind not in TAKEN_BY[name]:
            raise click.UsageError(f"--{name} is for --kind {' or '.join(TAKEN_BY[name])}, not {kind}")
    most = MOST_RUNS.get(kind, len(runs))
    if len(runs) > most:
        raise click.UsageError(f"--kind {kind} draws {'one run' if most == 1 else 'one or two runs'}, not {len(runs)}")


def load_runs(runs: tuple[str, ...], load: Callable[[str], Any]) -> dict[str, Any]:
    """Return what `load` makes of runs by their shortest names that differ."""
    return {name: load(run) for name, run in zip(_names(runs), runs, strict=True)}


def _names(runs: tuple[str, ...]) -> list[str]:
    names = [Path(run).stem for run in runs]
    return list(runs) if len(set(names)) < len(names) else names


def _along_paths(runs: tuple[str, ...], wanted: dict[str, Any]) -> Any:
    from dnmf import plots
    from dnmf.paths import load_path

    paths = load_runs(runs, load_path)
    table = paths if len(runs) > 1 else next(iter(paths.values()))
    return plots.path(table, **wanted).figure if wanted else plots.path_overview(table)


def _slider(run: str, out: str, wanted: dict[str, Any], *, overwrite: bool) -> Path:
    from dnmf import plots
    from dnmf.paths import load_path

    models = load_path(run).of_seed(wanted.pop("seed", None))
    return plots.slider_page(models, out, overwrite=overwrite, **wanted)


def _axes(kind: str, runs: tuple[str, ...], wanted: dict[str, Any]) -> Any:
    from dnmf import api, plots
    from dnmf.cp_model import CPModel
    from dnmf.unfinished import so_far

    if kind == "convergence":
        return plots.convergence(load_runs(runs, so_far), **wanted)
    first, *others = load_runs(runs, api.load).values()
    if kind == "biplot":
        return plots.biplot(first, *others, **wanted)
    if kind == "modes" or (kind == "components" and isinstance(first, CPModel) and not wanted):
        return plots.modes(first)[0]
    return plots.components(first, None if kind == "components" else kind, **wanted)[0]


def _say(command: str, target: Path, record: dict[str, Any]) -> None:
    size = target.stat().st_size
    current_output().result(
        command,
        {**record, "out": os.path.abspath(target), "bytes": size},
        labelled("done", f"{target} ({format_bytes(size)})"),
    )


@click.command(short_help="Write a page about a run.")
@click.argument("run")
@click.option("--out", required=True, metavar="FILE.html", help="The page to write.")
@click.option("--title", help="Of the page.  [default: the name of the store]")
@click.option("--shape", type=HEIGHT_BY_WIDTH, help=SHAPE_HELP)
@click.option(
    "--top", type=click.IntRange(1), default=8, show_default=True, help="Columns and rows to name of a component."
)
@OVERWRITE
@output_options
def report(run: str, out: str, overwrite: bool, **given: Any) -> None:
    """Write a page about a RUN: what was factorized, how it went, what was found.

    The page holds its pictures and opens from a file. Of a fit that is not finished it says how far it is. Of a
    regularization path it describes the model of the smallest strength, then the measures along the penalty, with a
    slider over the strengths.
    """
    from dnmf.plots.figures import check_free

    check_free(out, overwrite)
    write = _report_of_path if _study(run) == "path" else _report_of_run
    _say("report", write(run, out, overwrite=overwrite, **given), {"run": run})


def _report_of_run(run: str, out: str, **given: Any) -> Path:
    from dnmf.plots import report as write_report
    from dnmf.unfinished import so_far

    return write_report(so_far(run), out, **given)


def _report_of_path(run: str, out: str, **given: Any) -> Path:
    from dnmf.paths import load_path
    from dnmf.plots import report as write_report

    return write_report(load_path(run), out, **given)
