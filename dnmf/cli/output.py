"""Where words go: people's text and programs' JSON, never mixed on one stream."""

import json
import sys
from collections.abc import Callable
from typing import Any, TextIO

import click

from dnmf.streams import Forgiving

AS_JSON, DEBUG, QUIET = "dnmf.json", "dnmf.debug", "dnmf.quiet"


class Output:
    """What a command has to say.

    Parameters
    ----------
    as_json : bool
        One JSON object a line on standard output; text for people goes to standard error then.
    quiet : bool
        No text for people but results, and with JSON not these either: then there is one object, how it ended.
    """

    def __init__(self, as_json: bool, quiet: bool = False):
        self.as_json, self.quiet = as_json, quiet

    @property
    def human(self) -> TextIO:
        """The stream for people."""
        return sys.stderr if self.as_json else sys.stdout

    @property
    def progress(self) -> Any:
        """The stream for what only matters while it goes on."""
        return Forgiving(None) if self.quiet else sys.stderr

    def say(self, *lines: str) -> None:
        """Print lines for people on what goes on."""
        if not self.quiet:
            self.show(*lines)

    def show(self, *lines: str) -> None:
        """Print lines for people that were asked for: results."""
        if self.human is not None and not (self.quiet and self.as_json):  # else click would take the stream of programs
            for line in lines:
                click.echo(line, file=self.human)

    def event(self, record: dict[str, Any]) -> None:
        """Print what happens on the way as a JSON object, if JSON was asked for and not to be quiet."""
        if not self.quiet:
            self.ended(record)

    def ended(self, record: dict[str, Any]) -> None:
        """Print how a command ended as a JSON object, if JSON was asked for."""
        if self.as_json:
            click.echo(json.dumps(record, allow_nan=False))

    def result(self, command: str, record: dict[str, Any], *lines: str) -> None:
        """Print how a command ended: lines for people, and the final JSON object."""
        self.show(*lines)
        self.ended({"type": "result", "command": command, **record})


def output_of(ctx: click.Context) -> Output:
    """Return the output that the options of a command ask for."""
    return Output(bool(ctx.meta.get(AS_JSON)), bool(ctx.meta.get(QUIET)))


def current_output() -> Output:
    """Return the output of the command that is running."""
    return output_of(click.get_current_context())


def warn(message: str, level: str = "warning") -> None:
    """Print one line of warning on standard error."""
    click.echo(f"dnmf: {level}: {' '.join(message.split())}", err=True)


def _remember(key: str) -> Callable[[click.Context, click.Parameter, bool], bool]:
    def callback(ctx: click.Context, parameter: click.Parameter, value: bool) -> bool:
        del parameter
        ctx.meta[key] = value
        return value

    return callback


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--json``, ``--quiet`` and ``--debug``, which every command has."""
    for names, key, text in (
        (("--debug",), DEBUG, "Show tracebacks, and what other packages log."),
        (("-q", "--quiet"), QUIET, "Say nothing but results and errors: no progress, no events, no warnings."),
        (("--json", "as_json"), AS_JSON, "One JSON object a line on stdout; text goes to stderr."),
    ):
        remember = _remember(key)
        option = click.option(*names, is_flag=True, is_eager=True, expose_value=False, callback=remember, help=text)
        command = option(command)
    return command
