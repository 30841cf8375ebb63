"""What a person, or a program, sees of a fit while it runs: a line for a pass, a live line on a terminal."""

import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self, TextIO

from dnmf.fitting.events import (
    Event,
    Finished,
    PassDone,
    PassRecord,
    PathFinished,
    PathPassDone,
    Planned,
    Started,
)
from dnmf.options import format_bytes

log = logging.getLogger("dnmf")
EVERY_S = 2.0
LABEL_WIDTH = 9
ORIGINS = {
    "sample": "from a sample of rows",
    "surrogate": "from a surrogate of all rows",
    "random": "at random",
    "given": "from given factors",
}


class Progress:
    """A callback that prints what was planned and then the passes, the first and the last one always.

    Passes that come faster than `every_s` are not all printed. On a terminal a live line below them says what
    is being done. Use it as a context manager: leaving it removes that line and prints the last pass.

    Parameters
    ----------
    stream : text stream, optional
        Where to; standard error by default.
    every_s : float
        Least seconds between two lines for passes; 0 prints all.
    clock : callable
        Seconds, rising.

    Examples
    --------
    >>> with Progress(sys.stdout) as progress:  # doctest: +SKIP
    ...     dnmf.fit("counts.zarr", rank=20, callbacks=[progress])
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ):
        stream = sys.stderr if stream is None else stream
        self._lines: _PlainLines = _LiveLines(stream) if stream.isatty() else _PlainLines(stream)
        self._every_s, self._clock = every_s, clock
        self._printed_at = -math.inf
        self._waiting = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, PassDone):
            self._show_pass(pass_line(event.record), f"pass {event.record.number + 1}")
        elif isinstance(event, PathPassDone):
            upcoming = f"pass {event.number + 1}" if event.done < event.total else "measuring the models"
            self._show_pass(path_pass_line(event), upcoming)
        elif isinstance(event, (Finished, PathFinished)):
            self.close()
        else:
            for line in planned_lines(event) if isinstance(event, Planned) else [started_line(event)]:
                self._lines.print(line)
            self._lines.doing("starting" if isinstance(event, Planned) else "first pass")

    def close(self) -> None:
        """Print the last pass if it was not, and remove the live line; doing so twice is harmless."""
        if self._waiting:
            self._print()
        self._lines.close()

    def _show_pass(self, line: str, upcoming: str) -> None:
        self._waiting = line
        if self._clock() - self._printed_at >= self._every_s:
            self._print()
        self._lines.doing(upcoming)

    def _print(self) -> None:
        self._lines.print(self._waiting)
        self._printed_at, self._waiting = self._clock(), ""


class _PlainLines:
    """Lines of text, one after the other: logs, pipes and files."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def print(self, line: str) -> None:
        print(line, file=self._stream, flush=True)

    def doing(self, what: str) -> None:
        """Only a terminal shows what has no result yet."""

    def close(self) -> None:
        """Nothing to take back."""


class _LiveLines(_PlainLines):
    """The same above a line that moves, on a terminal."""

    def __init__(self, stream: TextIO):
        super().__init__(stream)
        self._bar: Any = None
        self._task: Any = None

    def print(self, line: str) -> None:
        if self._bar is None:
            super().print(line)
        else:
            self._bar.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def doing(self, what: str) -> None:
        if self._bar is None:
            self._start()
        self._bar.update(self._task, description=what)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import Progress as Bar
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bar = Bar(*columns, console=Console(file=self._stream), transient=True)
        self._task = self._bar.add_task("", total=None)
        self._bar.start()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class PartDone:
    """A callback ``(done, total)`` that shows how far something is: on a terminal in place, else in lines.

    Use it as a context manager. Work shorter than `every_s` passes without a word.

    Parameters
    ----------
    what : str
        What is being done.
    stream : text stream
        For people.
    tell : callable
        Takes a JSON record ``{"type": "progress", "done", "total"}`` as often as a line is printed.
    every_s : float
        Least seconds between two lines.
    clock : callable
        Seconds, rising.
    """

    def __init__(
        self,
        what: str,
        stream: TextIO,
        tell: Callable[[dict[str, Any]], None],
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._what, self._tell = what, tell
        self._live = stream.isatty()
        self._lines: _PlainLines = _LiveLines(stream) if self._live else _PlainLines(stream)
        self._every_s, self._clock = every_s, clock
        self._told_at = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()

    def __call__(self, done: int, total: int) -> None:
        """Take note of how far it is."""
        line = f"{self._what} {100 * done / max(1, total):5.1f} %"
        if self._live:
            self._lines.doing(line)
        if self._clock() - self._told_at >= self._every_s:
            self._told_at = self._clock()
            self._tell({"type": "progress", "done": done, "total": total})
            if not self._live:
                self._lines.print(line)


def log_events(event: Event) -> None:
    """Write every event of a fit to the logger ``dnmf``, one line each, at level INFO: a callback.

    Examples
    --------
    >>> import dnmf, numpy as np
    >>> model = dnmf.fit(np.eye(4), rank=2, max_passes=1, callbacks=[log_events])
    """
    if isinstance(event, Planned):
        for line in planned_lines(event):
            log.info("%s", line)
    elif isinstance(event, Started):
        log.info("%s", started_line(event))
    elif isinstance(event, PassDone):
        log.info("%s", pass_line(event.record))
    elif isinstance(event, PathPassDone):
        log.info("%s", path_pass_line(event))
    elif isinstance(event, PathFinished):
        log.info("%s", labelled("done", f"{counted(event.models, 'model')}, {event.reads:.1f} reads of the data"))
    else:
        log.info("%s", labelled("done", f"{event.reason}, relative error {event.relative_error:.4f}"))


def planned_lines(event: Planned) -> list[str]:
    """Return what is going to be done, in lines."""
    rows, columns = event.shape
    return [
        labelled("data", f"{event.source}: {rows:,} × {columns:,}, {format_bytes(event.total_bytes)} in one read"),
        labelled("where", event.where),
        labelled(
            "plan",
            f"{counted(event.tasks, 'task')}, {counted(event.panels, 'panel')} in a pass; a worker needs "
            f"{format_bytes(event.projected_bytes)} of its {format_bytes(event.limit_bytes)}"
            + (", the data kept after the first pass among it" if event.keeps else ""),
        ),
    ]


def started_line(event: Started) -> str:
    """Return where the first H came from, or where a run goes on."""
    if event.resumed_at:
        return labelled("resume", f"after pass {event.resumed_at}, {event.reads:.1f} reads so far")
    origin = ORIGINS.get(event.init, event.init)
    return labelled("start", f"{origin}, {event.reads:.1f} reads")


def pass_line(record: PassRecord) -> str:
    """Return one pass as a line whose numbers stand below those of other passes.

    Examples
    --------
    >>> pass_line(model.history[2])  # doctest: +SKIP
    'pass   3   error 0.3481   fell 2.1e-04   reads   2.2    1.3 s'
    """
    return (
        f"pass {record.number:>3}   error {record.relative_error:.4f}   {_change(record):<12}   "
        f"reads {record.reads:>5.1f}   {format_seconds(record.seconds):>6}"
    )


def path_pass_line(event: PathPassDone) -> str:
    """Return a pass of a path as a line like those of :func:`pass_line`.

    Examples
    --------
    >>> path_pass_line(PathPassDone(4, 30, 6, 36, 5.25, 1.3, True))
    'pass   4   30 models in it, 6 of 36 done   reads   5.2    1.3 s'
    """
    return (
        f"pass {event.number:>3}   {counted(event.models, 'model')} in it, {event.done} of {event.total} done   "
        f"reads {event.reads:>5.1f}   {format_seconds(event.seconds):>6}"
    )


def _change(record: PassRecord) -> str:
    if not record.accepted:
        return "rose, undone"
    if not math.isfinite(record.decrease):
        return ""
    return f"fell {record.decrease:.1e}" if record.decrease >= 0 else "fell 0"


def format_seconds(seconds: float) -> str:
    """Return a duration in the unit that suits it.

    Examples
    --------
    >>> [format_seconds(s) for s in (0.0042, 1.34, 125, 9000)]
    ['4 ms', '1.3 s', '2.1 min', '2.5 h']
    """
    if seconds < 0.0995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def labelled(label: str, text: str) -> str:
    """Return `text` behind its label, in the column all texts stand in."""
    return f"{label:<{LABEL_WIDTH}} {text}".rstrip()


def counted(count: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "task"), counted(2000, "task")
    ('1 task', '2,000 tasks')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def event_record(event: Event) -> dict[str, Any]:
    """Return an event as JSON values with its ``type``: planned, started, pass or finished (of a path: path_…)."""
    if isinstance(event, PassDone):
        return {"type": "pass", "committed": event.committed, **event.record.to_json()}
    if isinstance(event, (PathPassDone, PathFinished)):
        return {"type": "path_pass" if isinstance(event, PathPassDone) else "path_finished", **asdict(event)}
    record = asdict(event)
    if isinstance(event, Planned):
        record["shape"] = list(event.shape)
    return {"type": type(event).__name__.lower(), **record}
