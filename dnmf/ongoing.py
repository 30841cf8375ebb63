"""How far the read in hand of a run is, left in its store for ``dnmf status``, also after the run was killed."""

import os
import socket
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dnmf.checkpoint.notes import leave_note, read_note, remove_note
from dnmf.fitting.events import Event, PassProgress, Standing

EVERY_S = 5.0
FACTS = {"what": str, "number": int, "rows_done": int, "rows": int, "seconds": float}


class Ongoing:
    """A callback that leaves a note in a store every few seconds of a read, and removes it when the read is over.

    Parameters
    ----------
    store : Path
        Which this process writes; the note of a writer before it is removed.
    """

    def __init__(self, store: Path):
        self._store, self._left = store, False
        remove_note(store)

    def __call__(self, event: Event) -> None:
        """Take note of one event."""
        if isinstance(event, PassProgress):
            if event.is_due(EVERY_S):
                leave_note(self._store, self._note(event))
                self._left = True
        elif self._left and not isinstance(event, Standing):
            remove_note(self._store)
            self._left = False

    @staticmethod
    def _note(event: PassProgress) -> dict[str, Any]:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        return {**asdict(event), "at": at, "pid": os.getpid(), "host": socket.gethostname()}


def read_in_hand(store: Path, passes: int, writer: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return how far the read in hand of a run is, or was when it ended; None where nothing is known of it.

    Parameters
    ----------
    store : Path
        Of the run.
    passes : int
        That are committed: a note of one of them is none.
    writer : dict or None
        Who writes the store now: a note of another is none.

    Returns
    -------
    dict or None
        ``what``, ``number``, ``rows_done``, ``rows``, ``seconds`` as in :class:`~dnmf.fitting.events.PassProgress`,
        ``left_s`` and ``at``, the time of the note.
    """
    note = read_note(store)
    if any(not isinstance(note.get(name), kind) for name, kind in {**FACTS, "at": str}.items()):
        return None
    another = writer is not None and any(note.get(name) != writer.get(name) for name in ("pid", "host"))
    if another or note["number"] <= passes:
        return None
    event = PassProgress(**{name: note[name] for name in FACTS})
    return {**{name: note[name] for name in FACTS}, "left_s": event.left_s, "at": note["at"]}
