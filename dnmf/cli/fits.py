"""What is asked of a fit on the command line: by which its plan is made, and by which it goes on and ends."""

import functools
from collections.abc import Callable
from typing import Any

import click

from dnmf.cli.amounts import INITS, LEAST_SQUARES, LOSS, SOLVERS
from dnmf.cli.data import MISSING_CHUNKS
from dnmf.cli.regularization import regularization_options

KEEP = click.option(
    "--keep",
    type=click.Choice(["auto", "memory", "stream"]),
    default="auto",
    show_default=True,
    help="Whether data stays in the workers' memory after the first pass.",
)
RESTARTS = click.option(
    "--restarts", type=click.IntRange(1), default=1, show_default=True,
    help="How many starts, fitted in the same reads; the best one is kept.",
)  # fmt: skip
MAX_SECONDS = click.option(
    "--max-seconds", type=click.FloatRange(0, min_open=True),
    help="End in time for the last pass to be over after so many seconds; dnmf resume RUN --max-seconds N goes on "
    "(inf: without a limit).",
)  # fmt: skip
RESUME = click.option(
    "--resume", is_flag=True, callback=lambda _, __, given: "auto" if given else "never",
    help="Go on with what the store holds of this, or say that it is done: one line for a job.",
)  # fmt: skip
OF_PLANS = (
    click.option("--loss", type=LOSS, default=LEAST_SQUARES, show_default=True,
                 help="What is minimized; kullback-leibler is for counts."),
    click.option("--init", type=click.Choice(INITS), default="auto", show_default=True,
                 help="The first H, of a CP the first short factors."),
    click.option("--solver", type=click.Choice(SOLVERS), default="cd", show_default=True,
                 help="How H, of a CP the short factors, is found; cd and bpp are exact."),
    click.option("--sweeps", type=click.IntRange(1), default=1, show_default=True,
                 help="Of a solver that is not exact, in an update."),
    click.option("--truncated-rows", is_flag=True, help="Rows of W are as many sweeps too, not exact."),
    click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True,
                 help="Of the computation."),
    click.option("--no-extrapolate", is_flag=True, help="Do not carry factors along their last change."),
    KEEP,
)  # fmt: skip
OF_FITS = (
    click.option("--tol", type=click.FloatRange(0), default=1e-4, show_default=True,
                 help="Stop when a pass lowers the objective by no more than this, and turns no component by more."),
    click.option("--max-passes", type=click.IntRange(1), default=100, show_default=True,
                 help="Most passes over the data."),
    click.option("--prune", type=click.Choice(["rule", "refit", "off"]), default="rule", show_default=True,
                 help="What happens to components that a penalty in the objective makes worse than nothing."),
    MISSING_CHUNKS,
)  # fmt: skip


def fit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that decide how a model is fitted, those of penalties and constraints among them."""
    return plan_options(ending_options(command))


def plan_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add those of them by which the plan of a fit is made."""
    return solving_options(regularization_options(command))


def solving_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add those of a plan that are no penalties and no constraints."""

    @functools.wraps(command)
    def packed(*, no_extrapolate: bool, truncated_rows: bool, **given: Any) -> Any:
        return command(extrapolate=not no_extrapolate, exact_rows=not truncated_rows, **given)

    whole: Callable[..., Any] = packed
    for option in reversed(OF_PLANS):
        whole = option(whole)
    return whole


def ending_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add those that say when a fit ends, and what it drops on the way."""
    for option in reversed(OF_FITS):
        command = option(command)
    return command
