"""How a command ends: one line on standard error and an exit code, whatever was raised."""

import errno
import logging
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from dnmf.cli.again import command_again
from dnmf.cli.output import DEBUG, QUIET, output_of, warn
from dnmf.cli.streams import output_lost
from dnmf.cli.words import in_options
from dnmf.errors import DnmfError, Interrupted
from dnmf.refusals import in_words
from dnmf.signals import EXIT_INTERRUPTED, EXIT_RESUMABLE, unwinding

EXIT_ERROR = 1
NOISY_LOGGERS = ("distributed", "tornado", "asyncio", "bokeh")


class Commands(click.Group):
    """A group of commands whose exit codes also pass through a group of another program, such as ``dask``."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named; leave with its exit code when it fails."""
        _print_whatever_comes()
        with unwinding(), plain_messages(ctx.meta):
            try:
                done = super().invoke(ctx)
                say_what_is_lost(as_json=output_of(ctx).as_json)
                return done
            except (click.ClickException, click.exceptions.Exit, click.Abort, SystemExit):
                raise
            except BaseException as error:
                if isinstance(error, OSError) and error.errno == errno.EPIPE:
                    raise  # whoever read the output has left; click ends quietly
                ctx.exit(report(error, ctx))


def _print_whatever_comes() -> None:
    """Names and signs that a terminal's encoding lacks are no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def say_what_is_lost(*, as_json: bool) -> None:
    """Warn of text that could not be written to standard output, where the command is done all the same.

    Raises
    ------
    DnmfError
        It was JSON, which is asked for in order to be read.
    """
    lost = output_lost()
    if lost is not None:
        message = f"standard output is not complete: {lost.strerror}. The command itself is done"
        if as_json:
            raise DnmfError(message)
        warn(message)


def report(error: BaseException, ctx: click.Context, **about: str) -> int:
    """Say what happened, in one line and with ``--debug`` a traceback before it; return the exit code."""
    if ctx.meta.get(DEBUG):
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    code, line = explain(error)
    click.echo(f"dnmf: {line}", err=True)
    kind = "interrupted" if code in (EXIT_RESUMABLE, EXIT_INTERRUPTED) else "error"
    output_of(ctx).ended({"type": kind, "error": type(error).__name__, "message": line, "exit_code": code, **about})
    return code


def explain(error: BaseException) -> tuple[int, str]:
    """Return the exit code of an exception and the one line that says what happened.

    Examples
    --------
    >>> explain(FileNotFoundError(2, "No such file or directory", "a.npy"))
    (1, 'error: a.npy: No such file or directory; check the path')
    """
    text = _in_commands(error)
    if isinstance(error, Interrupted):
        return (EXIT_RESUMABLE if error.signum == signal.SIGTERM else EXIT_INTERRUPTED), text
    if isinstance(error, KeyboardInterrupt):
        return EXIT_INTERRUPTED, "interrupted"
    if isinstance(error, MemoryError):
        text = f"out of memory ({text or 'no more could be had'}); set a lower --memory-limit or close other programs"
    elif _is_of_another_package(error):
        name = getattr(error, "name", None)
        text = f"{text}; it is optional: pip install {name}" if name else text
    elif isinstance(error, OSError):
        text = " ".join(in_words(error).split())
    elif not isinstance(error, DnmfError):
        text = f"this is a bug in dnmf: {type(error).__name__}: {text}; --debug shows where"
    return EXIT_ERROR, f"error: {text or type(error).__name__}"


def _in_commands(error: BaseException) -> str:
    """What an error says, with options in place of arguments, and a command in place of the call that goes on."""
    text, way = _on_one_line(str(error)), getattr(error, "way_on", None)
    if way is None:
        return in_options(text)
    before, _, after = text.partition(_on_one_line(way.call))
    return f"{in_options(before)}{command_again(way.store)}{in_options(after)}"


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _is_of_another_package(error: BaseException) -> bool:
    return isinstance(error, ImportError) and not (error.name or "").startswith("dnmf")


@contextmanager
def plain_messages(asked: Mapping[str, Any]) -> Iterator[None]:
    """Show dnmf's warnings and log records as one line each; what other packages say, only when debugging.

    `asked` has the options of the command once they are known; with ``--quiet`` only errors are shown.
    """
    handler = _OneLine(asked)
    log = logging.getLogger("dnmf")
    log.addHandler(handler)
    levels = {name: logging.getLogger(name).level for name in NOISY_LOGGERS}
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(message: Any, category: Any, *place: Any) -> None:
            if category.__module__.startswith("dnmf"):
                if not asked.get(QUIET):
                    warn(in_options(str(message)))
            elif asked.get(DEBUG):
                shown(message, category, *place)

        warnings.showwarning = show  # type: ignore[assignment]
        try:
            yield
        finally:
            log.removeHandler(handler)
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


class _OneLine(logging.Handler):
    """Log records as the other messages of the command line look; found anew each time: tests replace stderr."""

    def __init__(self, asked: Mapping[str, Any]):
        super().__init__()
        self._asked = asked

    def emit(self, record: logging.LogRecord) -> None:
        """Show one."""
        if record.levelno < logging.ERROR and self._asked.get(QUIET):
            return
        warn(record.getMessage(), record.levelname.lower())


def silence_other_loggers() -> None:
    """Let dask say nothing of its own: what matters to the user becomes an error of dnmf."""
    children = [name for name in logging.root.manager.loggerDict if name.startswith(NOISY_LOGGERS)]
    for name in {*NOISY_LOGGERS, *children}:  # dask gives some of the children levels of their own
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
