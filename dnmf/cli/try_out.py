"""The command that shows the main job on real data."""

import os
import shlex
from dataclasses import asdict
from typing import Any

import click

from dnmf.cli.component_lines import terminal_columns
from dnmf.cli.output import current_output, output_options
from dnmf.cli.where import Where
from dnmf.locations import local_path
from dnmf.progress import labelled


@click.command(short_help="Run the main job on real data, beside scikit-learn.")
@click.option("--dir", "folder", default="dnmf-demo", show_default=True, help="Where to put the data and the model.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Worker processes.")
@output_options
def demo(folder: str, workers: int) -> None:
    """Factorize 1,797 handwritten digits through Zarr and a local cluster, beside scikit-learn."""
    from dnmf.api import fit
    from dnmf.cli.work import watched
    from dnmf.demo import RANK, fit_with_sklearn, load_digits, prepare_folder
    from dnmf.inspection import components, finished_run

    output = current_output()
    digits = load_digits()
    data, store = (str(path) for path in prepare_folder(local_path(folder, "--dir"), digits))
    output.say(
        f"{digits.values.shape[0]:,} handwritten digits of 8 × 8 pixels, as a Zarr store on disk.",
        "The first run on a machine compiles the kernels, which takes a while.",
        "",
    )
    with watched(store, Where("local", workers), output, every_s=0.0) as (client, callbacks):
        model = fit(os.path.abspath(data), RANK, store=store, client=client, callbacks=callbacks)
    reference = fit_with_sklearn(digits.values)
    found = finished_run(store)
    table = components(model, top=5)
    record = {**found, "data": data, "components": table, "sklearn": asdict(reference)}
    output.result("demo", record, *_comparison(found, reference), *_components(table, model.H), *_next(data, store))


def _comparison(found: dict[str, Any], reference: Any) -> list[str]:
    row = "{:<36} {:>14} {:>18}"
    theirs = f"scikit-learn NMF, {reference.iterations} iterations"
    return [
        "",
        row.format("", "relative error", "reads of the data"),
        row.format(f"dnmf, {found['passes']} passes", f"{found['relative_error']:.4f}", f"{found['reads']:.1f}"),
        row.format(theirs, f"{reference.relative_error:.4f}", f"{reference.reads:.1f}"),
    ]


def _components(table: list[dict[str, Any]], H: Any) -> list[str]:
    from dnmf.demo import thumbnails

    return [
        "",
        "The components (rows of H as images; their share of the sum of d):",
        "",
        *thumbnails(table, H, terminal_columns()),
    ]


def _next(data: str, store: str) -> list[str]:
    return [
        "",
        labelled("model", store),
        labelled("next", f"dnmf inspect {shlex.quote(data)}"),
        labelled("", f"dnmf inspect {shlex.quote(store)}"),
        labelled("", f"dnmf status {shlex.quote(store)}"),
        labelled("python", f"import dnmf; model = dnmf.load({store!r})"),
    ]
