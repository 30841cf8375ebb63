"""What a fit tells the scheduler it runs on, for those who watch; never waited for, and missed by nobody."""

import asyncio
import contextlib
import logging
import os
import socket
import threading
import uuid
from typing import Any

from dnmf.fitting.events import (
    Callback,
    Event,
    Finished,
    PassDone,
    PassProgress,
    StudyFinished,
    StudyPassDone,
)
from dnmf.options import FitOptions
from dnmf.sources.source import Source
from dnmf.watched.runs import TOPIC, as_json

log = logging.getLogger("dnmf")
EVERY_S = 0.25
LAST_WORD_S = 1.0
OFF = "dnmf.watched"  # of dask's configuration: false where a scheduler shall hear nothing


class Feed:
    """A callback that tells the scheduler of a client how far a fit is, four times a second at most.

    Everything is sent by the thread of the client: a fit goes on at once, whatever becomes of what it told. Of what
    lies behind when the thread comes to it only the newest progress is sent, and passes in one message.

    Parameters
    ----------
    client : distributed.Client or None
        Connected to the scheduler; with None nothing is told.
    facts : dict
        What is fitted: ``source``, ``rank``, ``loss``, …
    """

    def __init__(self, client: Any, facts: dict[str, Any]):
        self._client = client if client is not None and _is_wanted() else None
        self._mark = uuid.uuid4().hex
        self._waiting: list[dict[str, Any]] = []
        self._lock, self._all_said = threading.Lock(), threading.Event()
        self._is_sending = self._is_registered = self._is_closing = False
        self._hurry: asyncio.Event | None = None
        self._told_end = False
        self.say(**facts, host=socket.gethostname(), pid=os.getpid())

    @property
    def callbacks(self) -> tuple[Callback, ...]:
        """Itself, where there is somebody to tell."""
        return () if self._client is None else (self,)

    def say(self, **facts: Any) -> None:
        """Tell something of the fit that is not an event."""
        self._put({"type": "facts", **facts})

    def __call__(self, event: Event) -> None:
        """Tell of one event."""
        self._told_end = self._told_end or isinstance(event, (Finished, StudyFinished))
        self._put(told_of(event))

    def close(self, error: BaseException | None = None) -> None:
        """Tell how it ended, and wait a moment for the last words: the client may be closed right after."""
        if self._client is None:
            return
        self._is_closing = True
        if error is not None:
            self._put({"type": "failed", "error": type(error).__name__})
        elif not self._told_end:  # a study that is still measured, or a run that had nothing left to do
            self._put({"type": "finished"})
        if self._client.status == "running":
            self._client.loop.add_callback(self._wake)
            self._all_said.wait(LAST_WORD_S)
        self._client = None

    def _put(self, told: dict[str, Any]) -> None:
        client = self._client
        if client is None or client.status != "running":
            return
        with self._lock:
            if self._waiting and self._waiting[-1]["type"] == told["type"] == "progress":
                self._waiting.pop()
            self._waiting.append(as_json(told))
        client.loop.add_callback(self._wake)

    async def _wake(self) -> None:
        """Send what waits, in the thread of the client, unless that is being done; nothing waits in between."""
        if self._hurry is None:
            self._hurry = asyncio.Event()
        if self._is_closing:
            self._hurry.set()
        client = self._client
        if self._is_sending or client is None:
            return
        self._is_sending = True
        try:
            await self._send(client, self._hurry)
        except Exception:
            log.debug("the scheduler does not hear of this fit any more", exc_info=True)
            self._client = None
        finally:
            self._is_sending = False
            if self._is_closing:
                self._all_said.set()

    async def _send(self, client: Any, hurry: asyncio.Event) -> None:
        if not self._is_registered:
            self._is_registered = True
            await _register(client)
        while told := self._take():
            await client.log_event(TOPIC, {"run": self._mark, "client": client.id, "told": told})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(hurry.wait(), EVERY_S)

    def _take(self) -> list[dict[str, Any]]:
        with self._lock:
            told, self._waiting = self._waiting, []
        return told


def facts_of(source: Source, options: FitOptions, models: int | None) -> dict[str, Any]:
    """Return what those who watch are told of the work."""
    asked = options.to_json()
    names = ("rank", "loss", "solver", "max_passes", "tol")
    return {"source": source.address, **{name: asked[name] for name in names}, "models": models}


def _is_wanted() -> bool:
    import dask

    return bool(dask.config.get(OFF, True))


async def _register(client: Any) -> None:
    """Let the scheduler hear and show; one that does not know dnmf, or takes no plugins, may hear it all the same."""
    from dnmf.watched.plugin import Watch

    try:
        await client.register_plugin(Watch())
    except Exception:
        log.debug("the scheduler shows no page of this fit", exc_info=True)


def told_of(event: Event) -> dict[str, Any]:
    """Return an event as it is told: plain values with a ``type``; fields that a record gains are told as well."""
    if isinstance(event, PassDone):
        return {"type": "pass", "last": event.last, "starts": event.starts, **event.record.to_json()}
    if isinstance(event, PassProgress):
        facts = {name: getattr(event, name) for name in ("what", "number", "rows_done", "rows", "seconds", "left_s")}
        return {"type": "progress", **facts}
    kinds = {
        StudyPassDone: "pass",
        StudyFinished: "finished",
    }  # Planned, Started, Finished and others as they are called
    kind = next((name for of, name in kinds.items() if isinstance(event, of)), type(event).__name__.lower())
    return {"type": kind, **vars(event)}
