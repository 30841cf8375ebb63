"""Where words go: people's text and programs' JSON, never mixed on one stream."""

import json
import sys
from collections.abc import Callable
from typing import Any, TextIO

import click

AS_JSON, DEBUG = "dnmf.json", "dnmf.debug"


class Output:
    """What a command has to say.

    Parameters
    ----------
    as_json : bool
        One JSON object a line on standard output; text for people goes to standard error then.
    """

    def __init__(self, as_json: bool):
        self.as_json = as_json

    @property
    def human(self) -> TextIO:
        """The stream for people."""
        return sys.stderr if self.as_json else sys.stdout

    @property
    def progress(self) -> TextIO:
        """The stream for what only matters while it goes on."""
        return sys.stderr

    def say(self, *lines: str) -> None:
        """Print lines for people."""
        if self.human is not None:  # else click would take the stream of programs
            for line in lines:
                click.echo(line, file=self.human)

    def event(self, record: dict[str, Any]) -> None:
        """Print a JSON object, if JSON was asked for."""
        if self.as_json:
            click.echo(json.dumps(record, allow_nan=False))

    def result(self, command: str, record: dict[str, Any], *lines: str) -> None:
        """Print how a command ended: lines for people, and the final JSON object."""
        self.say(*lines)
        self.event({"type": "result", "command": command, **record})


def output_of(ctx: click.Context) -> Output:
    """Return the output that the options of a command ask for."""
    return Output(bool(ctx.meta.get(AS_JSON)))


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
    """Add ``--json`` and ``--debug``, which every command has."""
    for name, key, text in (
        ("--debug", DEBUG, "Show tracebacks, and what other packages log."),
        ("--json", AS_JSON, "One JSON object a line on stdout; text goes to stderr."),
    ):
        option = click.option(name, is_flag=True, is_eager=True, expose_value=False, callback=_remember(key), help=text)
        command = option(command)
    return command
