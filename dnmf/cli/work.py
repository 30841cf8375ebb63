"""The commands that read data with workers: fit, resume, transform."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import click

from dnmf.cli.again import command_again
from dnmf.cli.data import (
    IMPLICIT,
    MISSING_CHUNKS,
    NOTHING_SAID,
    Seen,
    absolute,
    entries_of_run,
    entries_options,
    known_entries_options,
    names_options,
    seen_options,
)
from dnmf.cli.fits import KEEP, MAX_SECONDS, RESTARTS, RESUME, fit_options
from dnmf.cli.groups import Grouped
from dnmf.cli.output import Output, current_output, output_options
from dnmf.cli.regularization import read_matrix
from dnmf.cli.study_texts import study_lines
from dnmf.cli.texts import model_lines
from dnmf.cli.where import Where, work_options
from dnmf.fitting.events import Callback, Event, PassProgress
from dnmf.progress import EVERY_S, Progress, counted, event_record, labelled
from dnmf.resources import Connecting
from dnmf.signals import StopAfterPass


@contextmanager
def watched(
    store: str, where: Where, output: Output, every_s: float = EVERY_S
) -> Iterator[tuple[Any, tuple[Callback, ...]]]:
    """Yield a client and the callbacks of a fit into a store: progress, JSON events, and stopping on a signal.

    The client is connected when there is something to do.
    """
    with (
        StopAfterPass(store, _say_nothing if output.quiet else None, command_again(store)) as stop,
        ExitStack() as connected,
        Progress(output.progress, every_s) as progress,
    ):
        client = Connecting(lambda: connected.enter_context(where.client(output)))
        yield client, (progress, partial(tell_program, output), stop)


def _say_nothing(line: str) -> None:
    """The error that ends the command will say it."""


def tell_program(output: Output, event: Event) -> None:
    """Print an event as JSON, if JSON was asked for; how far a pass is every two seconds."""
    if not isinstance(event, PassProgress) or event.is_due(EVERY_S):
        output.event(event_record(event))


LIMITS = ("max_passes", "tol", "max_seconds")  # that a run may go on under


@click.command(cls=Grouped, short_help="Factorize a matrix into a store.")
@click.argument("source")
@click.option("--rank", type=click.IntRange(1), required=True, help="Components k.")
@click.option("--store", required=True, metavar="RUN", help="For checkpoints and W: run.dnmf, s3://BUCKET/run.dnmf.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all that is drawn at random.")
@RESTARTS
@click.option("--overwrite", is_flag=True, help="Replace a run in the store, once this one has begun.")
@RESUME
@seen_options
@names_options
@entries_options
@IMPLICIT
@fit_options
@MAX_SECONDS
@work_options
@output_options
def fit(source: str, store: str, where: Where, seen: Seen, entries: dict[str, Any], **given: Any) -> None:
    """Factorize SOURCE, a Zarr array or AnnData, into a store.

    Every pass is committed to the store: a fit that was stopped goes on with `dnmf resume`. SIGTERM and Ctrl-C stop
    it after the pass in hand.
    """
    from dnmf.api import fit as fit_model

    output = current_output()
    opened = seen.open(absolute(source), **entries, **taken(given))
    with watched(store, where, output) as (client, callbacks):
        fit_model(opened, store=store, client=client, memory_limit=where.memory_limit, callbacks=callbacks, **given)
    say_model("fit", store, output)


OF_ALL = ("missing_chunks", "row_names", "column_names")  # what is said of data when it is opened, of all of it


def taken(given: dict[str, Any]) -> dict[str, Any]:
    """Take what is said of all of the data out of the options of a command."""
    return {name: given.pop(name) for name in OF_ALL}


def say_model(command: str, store: str, output: Output) -> None:
    """Print how the run in a store ended."""
    from dnmf.inspection import finished_run

    found = finished_run(store)
    output.result(command, found, *model_lines(found))


def say_study(command: str, store: str, output: Output) -> None:
    """Print what the study in a store came to."""
    from dnmf.inspection import inspect_run

    found = inspect_run(store)
    output.result(command, found, *study_lines(found))


@click.command(cls=Grouped, short_help="Go on with what was stopped.")
@click.argument("run")
@click.option("--max-passes", type=click.IntRange(1), help="Another limit than the fit had.")
@click.option("--tol", type=click.FloatRange(0), help="Another tolerance than the fit had.")
@MAX_SECONDS
@click.option("--source", help="Where the data is now, if it was moved.")
@known_entries_options
@click.option("--force", is_flag=True, help="Go on although the data has changed.")
@KEEP
@work_options
@output_options
def resume(run: str, source: str | None, where: Where, entries: dict[str, Any], **given: Any) -> None:
    """Go on with the fit or the study in the store RUN from its last committed pass; same bits as without the stop.

    What was said of the entries is known; where a mask or weights were moved, say where they are.
    """
    from dnmf.inspection import run_status

    output, status = current_output(), run_status(run)
    known = entries_of_run(entries, status.get("observed"))
    limits = [name for name in LIMITS if given[name] is not None]
    kind = status.get("kind")
    if kind:
        if limits:
            named = ", ".join(f"--{name.replace('_', '-')}" for name in LIMITS)
            raise click.UsageError(f"{named} are for a single fit: each of these models has its own end")
        given = {name: value for name, value in given.items() if name not in LIMITS}
    if status["status"] == "done" and not limits:
        under = " under the limits it has" if status.get("go_on_with") else ""
        output.say(labelled("resume", f"nothing to do: this is finished{under}"))
    else:
        moved = any(entries[name] for name in NOTHING_SAID if name != "missing")
        given["source"] = _moved(source, known if moved else None, status)
        with watched(run, where, output) as (client, callbacks):
            go_on = _resume_function(status)
            go_on(run, client=client, memory_limit=where.memory_limit, callbacks=callbacks, **given)
        if status["status"] == "done" and run_status(run)["passes"] == status["passes"]:
            output.say(labelled("resume", "nothing to do: under these limits too it ends where it ended"))
    (say_study if kind else say_model)("resume", run, output)


def _moved(source: str | None, entries: dict[str, Any] | None, status: dict[str, Any]) -> Any:
    """The data of a run where it, or what lies beside it, is said to be now; None where all is in its place."""
    from dnmf.sources import open_source

    if entries is None:
        return None if source is None else absolute(source)
    from dnmf.sources.unfolded import Unfolding

    axes = Unfolding.from_json(status["unfolding"])
    return open_source(absolute(source or status["source"]), row_axes=axes, **entries)


def _resume_function(status: dict[str, Any]) -> Callable[..., Any]:
    import dnmf

    kind = status.get("kind")
    function: Callable[..., Any] = getattr(dnmf, f"resume_{kind}") if kind else dnmf.resume
    return function


@click.command(cls=Grouped, short_help="Write the rows of W for other rows of data.")
@click.argument("run")
@click.argument("source")
@click.option("--out", required=True, metavar="W.zarr", help="The Zarr array to write, s3://BUCKET/W.zarr too.")
@click.option(
    "--fixed-w", metavar="FILE", help="The first columns of W of these rows, where the fit was given its own."
)
@click.option("--columns-match", is_flag=True,
              help="Find the columns of the fit by name, among others or in another order.")  # fmt: skip
@seen_options
@names_options
@known_entries_options
@click.option("--overwrite", is_flag=True, help="Replace an earlier result at --out, once the new one is whole.")
@MISSING_CHUNKS
@work_options
@output_options
def transform(run: str, source: str, out: str, where: Where, seen: Seen, *, overwrite: bool, **given: Any) -> None:
    """Write the rows of W for the rows of SOURCE, with H and d of the finished RUN kept.

    What of them was observed is as the fit was told where that says it; a mask and weights are asked for again.
    """
    from dnmf.api import load
    from dnmf.applied import free_place
    from dnmf.sources.as_fitted import Said
    from dnmf.sources.names import names_to_show
    from dnmf.sources.opening import opened_beside
    from dnmf.sources.unfolded import WhereMore

    output, model = current_output(), load(run)
    free = free_place(out, overwrite=overwrite)
    opened = seen.open(absolute(source), model.unfolding, **{name: given[name] for name in OF_ALL})
    rows = WhereMore(opened.unfolding.rows) if opened.unfolding else None
    about: dict[str, Any] = {
        "said": Said(**opened_beside(given["entries"], given["missing_chunks"], rows)),
        "columns": "match" if given["columns_match"] else "same", "memory_limit": where.memory_limit,
        "fixed_W": None if given["fixed_w"] is None else read_matrix(given["fixed_w"]),
    }  # fmt: skip
    with where.client(output) as client, Progress(output.progress) as progress:
        callbacks = (progress, partial(tell_program, output))
        found = model.solve(opened, out=out, overwrite=overwrite, client=client, callbacks=callbacks, **about)
    has_names = names_to_show(found.row_names()) is not None
    record = {"run": run, "source": opened.address, "out": str(free),
              "shape": list(found.shape), "row_names": has_names}  # fmt: skip
    output.result(
        "transform",
        record,
        labelled("done", f"{out}: {counted(found.shape[0], 'row')} × {counted(found.shape[1], 'component')}"),
        labelled("columns", f"as those of W, without the weights: d is in {run}"),
        labelled("rows", f"in the order of {source}, {'with their names' if has_names else 'without names'}"),
    )
