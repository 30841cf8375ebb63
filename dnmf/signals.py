"""SIGTERM and SIGINT as a request: finish the pass in hand, commit it, and stop where a resume goes on."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from dnmf.advice import WayOn
from dnmf.errors import CheckpointError, DnmfError, Interrupted
from dnmf.fitting.events import Event, PassDone, Standing, Started, StudyPassDone

EXIT_RESUMABLE = 75
"""EX_TEMPFAIL: a batch system may start the job again."""
EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""
EXIT_TERMINATED = 128 + int(signal.SIGTERM)
"""As shells report it."""
SAME_S = 1.0  # batch systems send SIGTERM to the job and to each of its processes, scripts hand it on
Handler = Any


class StopAfterPass:
    """A callback that ends a fit after the pass in which the first signal came, and a handler for its signals.

    The first SIGTERM or SIGINT is noted; the fit stops with :class:`~dnmf.errors.Interrupted` as soon as its pass
    is committed, and not at all if that pass was the last one. Where no worker is left to finish the pass, it stops
    then and there, and so where there is nothing to finish yet: before the first event, as while the first worker of a
    cluster is waited for. A second signal stops at once: KeyboardInterrupt for SIGINT, SystemExit for SIGTERM (75 when
    something is committed, else 143); a second SIGTERM within a second is taken for the first one, sent twice. Use it
    as a context manager; outside the main thread, where Python allows no handlers, it only listens to the events.

    Parameters
    ----------
    store : path
        The store of the run.
    notify : callable, optional
        Takes a line that says what the signal does. It is called inside the handler: it must not print through
        Python's buffered streams, which may be in the middle of a write.
    go_on : str, optional
        What to type or to call to go on, as it is said; by default the call in Python with nothing but the store.
    """

    def __init__(self, store: str | Path, notify: Callable[[str], None] | None = None, go_on: str | None = None):
        self.store = store
        self._go_on = WayOn(str(store)).call if go_on is None else go_on
        self.signum: int | None = None
        self._came = -SAME_S
        self._begun = self._committed = False
        self._notify = notify or _write_to_stderr
        self._previous: dict[int, Handler] = {}

    def __enter__(self) -> Self:
        from dnmf import checkpoint

        with suppress(DnmfError):  # which the fit itself will meet
            self._committed = checkpoint.exists(self.store)
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGTERM, signal.SIGINT):
                self._previous[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler or signal.SIG_DFL)

    def __call__(self, event: Event) -> None:
        """Stop the fit if a signal came and this event says that the state is on disk.

        Raises
        ------
        Interrupted
            With the signal, and how to go on.
        """
        self._begun = True
        if isinstance(event, Standing):
            if self.signum is not None and not event.workers:
                self._stop_at_once(self.signum, ": no worker is left")
            return
        committed = isinstance(event, Started) or (isinstance(event, (PassDone, StudyPassDone)) and event.committed)
        self._committed = self._committed or committed
        if self.signum is None or not committed or self._is_done():
            return
        number = event.record.number if isinstance(event, PassDone) else getattr(event, "number", 0)
        what = f"pass {number}" if number else "the start"
        name = signal.Signals(self.signum).name
        raise Interrupted(self.signum, f"stopped by {name} after {what}, which is committed; {self._how_to_go_on()}")

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        del frame
        name = signal.Signals(signum).name
        now = time.monotonic()
        if self.signum is None:
            self.signum, self._came = signum, now
            if not self._begun:
                self._stop_at_once(signum, ": nothing has begun")
            self._notify(f"{name}: stopping when the pass in hand is committed; a second signal stops at once")
        elif signum != signal.SIGTERM or self.signum != signum or now - self._came >= SAME_S:
            self._stop_at_once(signum)

    def _stop_at_once(self, signum: int, why: str = "") -> None:
        """Raise what ends the fit; the store is not asked, which may be what does not answer."""
        go_on = self._how_to_go_on() if self._committed else "nothing is committed, run it again"
        self._notify(f"{signal.Signals(signum).name}: stopped at once{why}; {go_on}")
        if signum == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(EXIT_RESUMABLE if self._committed else EXIT_TERMINATED)

    def _how_to_go_on(self) -> str:
        return f"resume with: {self._go_on}"

    def _is_done(self) -> bool:
        """Whether the store says that the run is finished."""
        from dnmf import checkpoint

        with suppress(CheckpointError):
            return str(checkpoint.read_latest(self.store).record.get("status", "")) == "done"
        return False


def _write_to_stderr(line: str) -> None:
    if sys.__stderr__ is not None:  # else the number may be that of a file
        with suppress(OSError):
            os.write(2, f"\ndnmf: {line}\n".encode())


@contextmanager
def unwinding() -> Iterator[None]:
    """Let SIGTERM end the block as an exception does, so that what was begun is cleaned up; exit code 143."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        raise SystemExit(EXIT_TERMINATED)

    previous = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous or signal.SIG_DFL)


@contextmanager
def children_ignore_ctrl_c() -> Iterator[None]:
    """Let processes that are started in the block ignore SIGINT.

    A terminal sends Ctrl-C to every process of the job: without this the workers would die of it in the middle of
    the pass that is to be finished. This process ignores it too while the block lasts.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous or signal.SIG_DFL)
