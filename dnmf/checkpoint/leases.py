"""A lock on object storage: an object that names the writer, renewed while it lives, and taken over when it does not.

Whose lease it is depends on no clock of this machine and on no two clocks that agree: the age of the lease is a
difference of times that the server gave.
"""

import json
import logging
import threading
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

from dnmf.checkpoint.locks import held_by_another, noted_holder, this_holder
from dnmf.checkpoint.processes import is_dead, runs_here, this_process
from dnmf.errors import CheckpointError
from dnmf.places import trace_name

log = logging.getLogger("dnmf")
LEASE_S = 60.0  # after which a writer that gave no sign has lost it
RENEW_S = 10.0
LOOK_S = 2.0


class Lease:
    """The lease of one writer, renewed by a thread until it is closed.

    Parameters
    ----------
    place : ObjectPlace
        Of the lock.
    guarded : ObjectPlace
        The store, for messages.

    Raises
    ------
    CheckpointError
        Somebody else has it, or takes it at the same time; names the holder.
    OSError
        The server does not answer.
    """

    def __init__(self, place: Any, guarded: Any):
        self._place, self._guarded = place, guarded
        self._note = {**this_holder(), "claim": uuid.uuid4().hex, **this_process(), "turn": 0}
        before = wait_for_end(place, guarded)
        try:
            self._version = place.put_after(self._content(), before)
        except FileExistsError as error:
            raise CheckpointError(held_by_another(guarded, noted_holder(place))) from error
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="dnmf-lease", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether it was given back."""
        return self._closing.is_set()

    def close(self) -> None:
        """Give it back; twice is harmless, and where the server does not answer it runs out."""
        if self.closed:
            return
        self._closing.set()
        self._thread.join(RENEW_S)
        if self._thread.is_alive():  # the server does not answer
            return
        self._note["released"] = True
        with suppress(OSError):
            self._put()

    def refuse_lost(self) -> None:
        """Return while the lease is this writer's.

        Raises
        ------
        CheckpointError
            Another has taken it, as this one gave no sign for too long.
        """
        noted = noted_holder(self._place)
        if noted.get("claim") != self._note["claim"]:
            raise CheckpointError(
                f"{self._guarded} was changed by another writer, process {noted.get('pid', 'unknown')} on host "
                f"{noted.get('host', 'unknown')}, which took the lock as this process gave no sign for {LEASE_S:g} s: "
                "end one of the two runs, then resume"
            )

    def _content(self) -> bytes:
        return json.dumps(self._note).encode()

    def _put(self) -> None:
        """Write the note over the last one of this writer; FileExistsError where it is another's."""
        try:
            self._version = self._place.put_after(self._content(), self._version)
        except FileExistsError:
            version = self._place.version()  # before it is looked at: what is written after that is noticed
            if noted_holder(self._place).get("claim") != self._note["claim"]:
                raise
            # The answer to an earlier write was lost, and it was done.
            self._version = self._place.put_after(self._content(), version)

    def _renew(self) -> None:
        while not self._closing.wait(RENEW_S):
            self._note["turn"] += 1  # or the object would have the version it had
            try:
                self._put()
            except FileExistsError:
                return  # who commits next will be told
            except OSError:
                continue  # the server may answer the next time


def wait_for_end(place: Any, guarded: Any) -> Any:
    """Return the version of a lock that nobody holds any more, None where there is none.

    A lock whose holder cannot be looked at, as it is another host's, is waited for until it is given back, renewed or
    runs out. The log says so.

    Raises
    ------
    CheckpointError
        Somebody holds it.
    """
    version = place.version()
    left_s = 0.0 if version is None else seconds_left(place)
    ends = time.monotonic() + left_s
    if left_s and not runs_here(noted := noted_holder(place)):
        log.warning(
            "%s: waiting at most %.0f s for the lock of process %s on host %s, which may have died with it",
            guarded, left_s, noted.get("pid", "unknown"), noted.get("host", "unknown"),
        )  # fmt: skip
    while (left_s := ends - time.monotonic()) > 0:
        if not runs_here(noted_holder(place)):
            time.sleep(min(LOOK_S, left_s))
            if place.version() == version:
                continue
        version = place.version()  # before it is looked at: what is written after that is noticed
        if not _is_free(noted := noted_holder(place)):
            raise CheckpointError(held_by_another(guarded, noted))
        return version  # it was given back meanwhile
    return version


def seconds_left(place: Any, *, by_server: bool = True) -> float:
    """Return for how long a lock is held if nobody renews it; 0 where it is free.

    Its age is a difference of times of the server, which takes an object of one's own. For those who only look, and may
    not be allowed to write, that of this machine has to do.
    """
    noted = noted_holder(place)
    if _is_free(noted):
        return 0.0
    now = _time_of_server(place) if by_server else datetime.now(UTC)
    return max(0.0, LEASE_S - (now - place.written_at()).total_seconds())


def _is_free(noted: dict[str, Any]) -> bool:
    return not noted or bool(noted.get("released")) or is_dead(noted)


def _time_of_server(place: Any) -> datetime:
    beside = place.with_name(trace_name())
    beside.write_bytes(b"")
    try:
        return cast(datetime, beside.written_at())
    finally:
        beside.unlink()
