"""The commands that need no workers: inspect, status, convert."""

import shlex
from dataclasses import asdict
from typing import Any

import click

from dnmf.cli.amounts import MEMORY
from dnmf.cli.output import current_output, output_options
from dnmf.cli.texts import run_lines, source_lines, status_lines
from dnmf.options import format_bytes
from dnmf.progress import PartDone, labelled

DTYPES = ("uint8", "uint16", "uint32", "int32", "int64", "float32", "float64")


@click.command(short_help="Describe a matrix and its plan, or a run.")
@click.argument("source", metavar="SOURCE|RUN")
@click.option("--rank", type=click.IntRange(1), help="For the plan.  [default: 20]")
@click.option("--memory-limit", type=MEMORY, help="For the plan.  [default: what is free]")
@click.option("--top", type=click.IntRange(1), default=8, show_default=True, help="Columns to name in a finished run.")
@output_options
def inspect(source: str, rank: int | None, memory_limit: int | None, top: int) -> None:
    """Say what a matrix is and how it would be cut, or what a finished run found."""
    from dnmf.inspection import inspect_run, inspect_source, is_run
    from dnmf.sources import open_source

    output = current_output()
    if is_run(source):
        found = inspect_run(source, top)
        output.result("inspect", found, *run_lines(found))
        return
    found = inspect_source(open_source(source), rank, memory_limit)
    output.result("inspect", found, *source_lines(found))


@click.command(short_help="Say how far a fit is.")
@click.argument("run")
@output_options
def status(run: str) -> None:
    """Say how far the fit in the store RUN is, and how to go on."""
    from dnmf.inspection import run_status

    found = run_status(run)
    current_output().result("status", found, *status_lines(found))


@click.command(short_help="Write a matrix file as Zarr.")
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option(
    "--dtype", type=click.Choice(DTYPES), help="Of the values.  [default: as stored; for .mtx what holds them]"
)
@click.option("--transpose", is_flag=True, help="Write columns as rows (10x .mtx files are genes × cells).")
@click.option("--rows", "row_names", metavar="FILE", help="Names for the rows of OUT, one a line.")
@click.option("--columns", "column_names", metavar="FILE", help="Names for the columns of OUT, one a line.")
@click.option("--feature-type", metavar="TYPE", help='Of a 10x matrix these features alone: "Gene Expression".')
@click.option("--zarr-format", type=click.Choice(["3", "2"]), default="3", show_default=True, help="Of the target.")
@click.option(
    "--chunk-size", "chunk_bytes", type=MEMORY, default="16MiB", show_default=True, help="Of a decoded chunk."
)
@click.option("--memory-limit", "memory_bytes", type=MEMORY, default="1GiB", show_default=True, help="Of the work.")
@click.option(
    "--missing-chunks", type=click.Choice(["error", "zeros"]), default="error", show_default=True,
    help="What an absent chunk of a Zarr array means.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace a Zarr store at OUT, once the new one is complete.")
@output_options
def convert(source: str, target: str, zarr_format: str, **settings: Any) -> None:
    """Write IN (.mtx, .mtx.gz, .npz, .npy, .h5ad, 10x .h5 or directory, .zarr) as a Zarr store that a fit reads well.

    Names and annotations of rows and columns (obs, var, barcodes.tsv, features.tsv) are carried over.
    """
    from dnmf.conversion import convert as convert_file

    output = current_output()
    with PartDone("converting", output.progress, output.event) as progress:
        report = convert_file(source, target, zarr_format=int(zarr_format), progress=progress, **settings)
    record = {**asdict(report), "target": str(report.target), "shape": list(report.shape), "source": source}
    rows, columns = report.shape
    entries = "" if report.nonzeros is None else f", {report.nonzeros:,} non-zeros"
    output.result(
        "convert",
        record,
        labelled("done", f"{report.target}: {report.kind}, {rows:,} × {columns:,}{entries}, {report.dtype}"),
        labelled("size", f"{format_bytes(report.bytes_written)} on disk"),
        labelled("look", f"dnmf inspect {shlex.quote(target)}"),
    )
