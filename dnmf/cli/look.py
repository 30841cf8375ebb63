"""The commands that need no workers: inspect, status, convert."""

import shlex
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from dnmf.amounts import format_bytes
from dnmf.cli.amounts import MEMORY
from dnmf.cli.data import IMPLICIT, LAYER, Seen, entries_options, in_layer, seen_options, split_axes
from dnmf.cli.exits import report
from dnmf.cli.fits import RESTARTS, plan_options
from dnmf.cli.groups import Grouped
from dnmf.cli.output import current_output, output_options
from dnmf.cli.texts import in_words, run_lines, source_lines, status_lines, table_lines
from dnmf.errors import DnmfError
from dnmf.progress import PartDone, labelled

if TYPE_CHECKING:
    from dnmf.conversion import ConversionReport

MOST_LISTED = 8
OF_RUNS = ("places", "top", "side")
DTYPES = ("uint8", "uint16", "uint32", "int32", "int64", "float32", "float64")


@click.command(cls=Grouped, short_help="Describe a matrix and its plan, or a run.")
@click.argument("places", metavar="SOURCE|RUN...", nargs=-1, required=True)
@click.option("--rank", type=click.IntRange(1), help="Components k.  [default: 20]")
@plan_options
@RESTARTS
@click.option("--memory-limit", type=MEMORY, help="Of a worker.  [default: what is free]")
@seen_options
@entries_options
@IMPLICIT
@click.option("--top", type=click.IntRange(1), help="Columns to name in a finished run.  [default: 8]")
@click.option("--side", type=click.Choice(["W", "H"]), help="Name its rows (W) or its columns (H).  [default: H]")
@output_options
def inspect(places: tuple[str, ...], **given: Any) -> None:
    """Say what a matrix is and how a fit with these options would cut it, or what a finished run found.

    Of several, one after the other.
    """
    from dnmf.inspection import is_run

    output, after = current_output(), [""] if len(places) > 1 else []

    def look(place: str) -> None:
        found, lines = _of_run(place, **given) if is_run(place) else _of_source(place, **given)
        output.result("inspect", found, *lines, *after)

    for_each("inspect", places, look)


def _of_run(place: str, top: int | None, side: str | None, **_: Any) -> tuple[dict[str, Any], list[str]]:
    from dnmf.inspection import TOP_COLUMNS, inspect_run

    if asked := _asked_of_plans(click.get_current_context()):
        verb = "is" if len(asked) == 1 else "are"
        raise click.UsageError(f"{', '.join(asked)} {verb} for the plan of a matrix; {place} is a run")
    found = inspect_run(place, top or TOP_COLUMNS, side or "H")
    return found, run_lines(found)


def _asked_of_plans(ctx: click.Context) -> list[str]:
    """The options that were given and say nothing of a run."""
    others = [each for each in ctx.command.params if each.expose_value and each.name not in OF_RUNS]
    by_default = ParameterSource.DEFAULT
    return [each.opts[-1] for each in others if ctx.get_parameter_source(str(each.name)) is not by_default]


def _of_source(place: str, seen: Seen, entries: dict[str, Any], **given: Any) -> tuple[dict[str, Any], list[str]]:
    from dnmf.matrix_inspection import inspect_source

    source = seen.open(place, **entries)  # what is not there is neither a run nor a matrix
    for name in ("top", "side"):
        if given.pop(name) is not None:
            raise click.UsageError(f"--{name} is for a finished run; {place} is a matrix")
    found = inspect_source(source, **given)
    return found, source_lines(found)


def for_each(command: str, places: tuple[str, ...], look: Callable[[str], None]) -> None:
    """Look at each of some places; where there are several, one that cannot be looked at does not hide the others.

    It is told of in a line, with ``--json`` an object of type ``error`` that names it, and the command ends with
    exit code 1.
    """
    if len(places) == 1:
        look(places[0])
        return
    context, code = click.get_current_context(), 0
    for place in places:
        try:
            look(place)
        except (DnmfError, OSError) as error:
            code = report(error, context, command=command, place=place)
    if code:
        context.exit(code)


@click.command(short_help="Say how far a fit is.")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("--watch", "watched", is_flag=True, help="Look again every second, until the run is done or stopped.")
@output_options
def status(runs: tuple[str, ...], watched: bool) -> None:
    """Say how far the fit in the store RUN is, who writes it, and how to go on; of several, a table."""
    from dnmf.inspection import run_status

    if watched:
        from dnmf.cli.watching import watch

        click.get_current_context().exit(watch(runs, current_output()))
    output, several = current_output(), len(runs) > 1
    table: dict[str, Any] = dict.fromkeys(runs)

    def look(run: str) -> None:
        table[run] = run_status(run)
        output.result("status", table[run], *([] if several else status_lines(table[run])))

    with ExitStack() as after:
        if several:
            after.callback(lambda: output.show(*table_lines(table)))
        for_each("status", runs, look)


@click.command(short_help="Write a matrix file as Zarr.")
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option(
    "--dtype", type=click.Choice(DTYPES), help="Of the values.  [default: as stored; for .mtx what holds them]"
)
@LAYER
@click.option("--transpose", is_flag=True, help="Write columns as rows (10x .mtx files are genes × cells).")
@click.option("--rows", "row_names", metavar="FILE", help="Names for the rows of OUT, one a line.")
@click.option("--columns", "column_names", metavar="FILE", help="Names for the columns of OUT, one a line.")
@click.option("--feature-type", metavar="TYPE", help='Of a 10x matrix these features alone: "Gene Expression".')
@click.option(
    "--long", metavar="COLUMNS",
    help="Of a table with a line for each entry: user,item,rating, by name, or number from 0; without rating ones. "
         "More columns make an array: user,item,month,plays.",
)  # fmt: skip
@click.option(
    "--duplicates", type=click.Choice(["refuse", "sum"]),
    help="Of several lines of such a table for one entry.  [default: refuse]",
)  # fmt: skip
@click.option("--row-axes", metavar="AXES", help="Of an array of more axes: those of the rows, as time or 0,1.")
@click.option("--zarr-format", type=click.Choice(["3", "2"]), default="3", show_default=True, help="Of the target.")
@click.option(
    "--chunk-size", "chunk_bytes", type=MEMORY, default="16MiB", show_default=True, help="Of a decoded chunk."
)
@click.option("--memory-limit", "memory_bytes", type=MEMORY, default="1GiB", show_default=True, help="Of the work.")
@click.option(
    "--missing-chunks", type=click.Choice(["error", "zeros"]), default="error", show_default=True,
    help="What an absent chunk of a Zarr array means.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace what this command wrote at OUT, once the new one is complete.")
@output_options
def convert(source: str, target: str, layer: str | None, zarr_format: str, **settings: Any) -> None:
    """Write IN as a Zarr store that a fit reads well.

    IN is .mtx, .mtx.gz, .npz, .npy, .h5ad, a 10x .h5 or directory, .zarr, or a table of entries: .csv, .tsv, .parquet.
    An array of more axes (.zarr, .npy, .tns, a table) becomes a matrix that knows them; dnmf cp takes it too.

    Names and annotations of rows and columns (obs, var, barcodes.tsv, features.tsv) are carried over.
    """
    from dnmf.conversion import convert as convert_file

    output = current_output()
    with PartDone("converting", output.progress, output.event) as progress:
        place, settings["zarr_format"] = in_layer(source, layer), int(zarr_format)
        axes = settings.pop("row_axes")
        settings["row_axes"] = None if axes is None else split_axes(axes)
        written = convert_file(place, target, progress=progress, **settings)
    record = {**asdict(written), "target": str(written.target), "shape": list(written.shape), "source": source}
    rows, columns = written.shape
    entries = "" if written.nonzeros is None else f", {written.nonzeros:,} non-zeros"
    output.result(
        "convert",
        record,
        labelled("done", f"{written.target}: {written.kind}, {rows:,} × {columns:,}{entries}, {written.dtype}"),
        *([labelled("axes", " × ".join(f"{n:,} {name}" for name, n in written.axes.items()))] if written.axes else []),
        *_carried_lines(written),
        labelled("size", f"{format_bytes(written.bytes_written)} on disk"),
        labelled("look", f"dnmf inspect {shlex.quote(target)}"),
    )


def _carried_lines(written: "ConversionReport") -> list[str]:
    """What came along with the values."""
    named = ((written.row_names, "rows"), (written.column_names, "columns"))
    names = in_words(written.labelled) if written.axes else " and ".join(what for there, what in named if there)
    frames = (("obs", written.obs), ("var", written.var))
    return [labelled("names", names or "none"), *(labelled(what, _listed(some)) for what, some in frames if some)]


def _listed(columns: tuple[str, ...]) -> str:
    more = f" and {len(columns) - MOST_LISTED} more" if len(columns) > MOST_LISTED else ""
    return ", ".join(columns[:MOST_LISTED]) + more
