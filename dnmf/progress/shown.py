"""What a person sees of a fit while it runs: what was planned, a line for a pass, and how far the one in hand is."""

import math
import time
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TextIO

from dnmf.fitting.events import (
    Event,
    Finished,
    PassDone,
    PassProgress,
    Standing,
    Started,
    StudyFinished,
    StudyPassDone,
)
from dnmf.progress.lines import event_lines, progress_label, share_text, standing_text
from dnmf.progress.places import place_for

EVERY_S = 2.0
LOG_EVERY_S = 60.0


class _Shown(AbstractContextManager[Any]):
    """Something on a place for progress, that is left when the block ends."""

    def __exit__(self, *error: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Take back what does not stay."""


class Progress(_Shown):
    """A callback that shows what was planned and then the passes, the first and the last one always.

    Passes that come faster than `every_s` are not all shown. On a terminal and in a notebook a bar below them says how
    far the pass in hand is and how long it will take; elsewhere every line has the time, and a line a minute says it.
    Use it as a context manager: leaving it removes the bar and prints the last pass.

    Parameters
    ----------
    stream : text stream, optional
        Where to; by default the output of the cell in a notebook, standard error elsewhere.
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
        self._lines = place_for(stream)
        self._every_s, self._clock = every_s, clock
        self._printed_at = -math.inf
        self._waiting = ""

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, (Finished, StudyFinished)):
            self._show_end(event)
        elif isinstance(event, PassProgress):
            self._show_progress(event)
        elif isinstance(event, Standing):
            self._show_standing(event)
        elif isinstance(event, (PassDone, StudyPassDone)):
            self._show_pass(event)
        else:
            for line in event_lines(event):
                self._lines.print(line)
            self._lines.doing("first pass" if isinstance(event, Started) else "starting")

    def close(self) -> None:
        """Print the last pass if it was not, and remove the bar; doing so twice is harmless."""
        if self._waiting:
            self._print()
        self._lines.close()

    def _show_end(self, event: Finished | StudyFinished) -> None:
        self.close()
        if self._lines.alone:
            self._lines.print(event_lines(event)[0])

    def _show_progress(self, event: PassProgress) -> None:
        if self._lines.live:
            self._lines.doing(progress_label(event), event.share, event.left_s)
        elif event.is_due(LOG_EVERY_S):
            if self._waiting:
                self._print()
            self._lines.print(event_lines(event)[0])

    def _show_standing(self, event: Standing) -> None:
        if self._lines.live:
            self._lines.doing(standing_text(event))
        elif not event.seconds:  # once, when it begins
            self._lines.print(event_lines(event)[0])

    def _show_pass(self, event: PassDone | StudyPassDone) -> None:
        (self._waiting,) = event_lines(event)
        if self._clock() - self._printed_at >= self._every_s:
            self._print()
        if isinstance(event, StudyPassDone):
            self._lines.doing(_pass(event.number + 1) if event.done < event.total else "measuring the models")
        elif not event.last:
            self._lines.doing(_pass(event.record.number + 1))

    def _print(self) -> None:
        self._lines.print(self._waiting)
        self._printed_at, self._waiting = self._clock(), ""


def _pass(number: int) -> str:
    return progress_label(PassProgress("pass", number, 0, 1, 0.0))


class PartDone(_Shown):
    """A callback ``(done, total)`` that shows how far something is: a bar on a terminal, else a line a minute.

    Use it as a context manager.

    Parameters
    ----------
    what : str
        What is being done.
    stream : text stream
        For people.
    tell : callable
        Takes a JSON record ``{"type": "progress", "done", "total"}`` every two seconds.
    clock : callable
        Seconds, rising.
    """

    def __init__(
        self,
        what: str,
        stream: TextIO | None,
        tell: Callable[[dict[str, Any]], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        self._what, self._tell, self._clock = what, tell, clock
        self._lines = place_for(stream)
        self._began = clock()
        self._before = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Take note of how far it is."""
        before, self._before = self._before, self._clock() - self._began
        now = PassProgress(self._what, 0, done, total, self._before, before)
        if self._lines.live:
            self._lines.doing(self._what, now.share, now.left_s)
        elif now.is_due(LOG_EVERY_S):
            self._lines.print(f"{self._what}   {share_text(now.share, now.seconds)}")
        if now.is_due(EVERY_S):
            self._tell({"type": "progress", "done": done, "total": total})

    def close(self) -> None:
        """Remove the bar."""
        self._lines.close()
