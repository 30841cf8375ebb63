"""How far a read is, told while it goes on: from the rows that are back, a few times a second at most."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from dnmf.fitting.events import Callback, Event, PassDone, PassProgress, Started, StudyPassDone, emit
from dnmf.passes.executor import Done, ignore

EVERY_S = 0.25


def as_part(callbacks: Sequence[Callback], what: str) -> tuple[Callback, ...]:
    """Return callbacks for a part of something larger: they hear how far its reads are, all called `what`, no more."""

    def hand_on(event: Event) -> None:
        if isinstance(event, PassProgress):
            emit(tuple(callbacks), replace(event, what=what))

    return (hand_on,) if callbacks else ()


class Meter:
    """Counts the rows that come back and tells callbacks; a callback itself, which learns from events how far a fit is.

    Parameters
    ----------
    callbacks : sequence of callables
        Each is handed every :class:`~dnmf.fitting.events.PassProgress`.
    every_s : float
        Least seconds between two of them; what is over sooner is not spoken of.
    clock : callable
        Seconds, rising.
    """

    def __init__(
        self,
        callbacks: Sequence[Callback] = (),
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._callbacks, self._every_s, self._clock = tuple(callbacks), every_s, clock
        self._passes = 0

    def listen(self, callback: Callback) -> None:
        """Tell one more, before the others."""
        self._callbacks = (callback, *self._callbacks)

    def __call__(self, event: Event) -> None:
        """Take note of passes that are over."""
        if isinstance(event, PassDone):
            self._passes = event.record.number
        elif isinstance(event, StudyPassDone):
            self._passes = event.number
        elif isinstance(event, Started):
            self._passes = event.resumed_at

    def begin(self, what: str, rows: int) -> Done:
        """Return what is to be called with the number of rows that are back, each time that some are."""
        return _Count(self, what, rows).add if self._callbacks else ignore

    def tell(self, what: str, rows_done: int, rows: int, began: float, told: float) -> float:
        """Tell where a read is, if it is time; return when it was told last."""
        now = self._clock()
        if now - told < self._every_s:
            return told
        emit(self._callbacks, PassProgress(what, self._passes + 1, rows_done, rows, now - began, told - began))
        return now

    def now(self) -> float:
        """The seconds of its clock."""
        return self._clock()


class _Count:
    """The rows of one read."""

    def __init__(self, meter: Meter, what: str, rows: int):
        self._meter, self._what, self._rows, self._done = meter, what, rows, 0
        self._began = self._told = meter.now()

    def add(self, rows: int) -> None:
        """Count some more."""
        self._done += rows
        self._told = self._meter.tell(self._what, self._done, self._rows, self._began, self._told)
