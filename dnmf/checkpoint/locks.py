"""A lock file that one process at a time can hold, and that says who holds it."""

import json
import os
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol

from dnmf.errors import CheckpointError
from dnmf.places import Place

LOCK = "LOCK"  # of a store
LOOKS_S = (0.02, 0.05)


class Lock(Protocol):
    """The lock of a store, held by this process until it is closed."""

    @property
    def closed(self) -> bool:
        """Whether it was given back."""

    def close(self) -> None:
        """Give it back; twice is harmless."""

    def refuse_lost(self) -> None:
        """Raise CheckpointError where another process has taken it."""


class FileLock:
    """A lock file that is open and locked: the kernel takes care that nobody else has it.

    Parameters
    ----------
    file : file
        As :func:`take_lock` returns it.
    """

    def __init__(self, file: IO[str]):
        self._file = file

    @property
    def closed(self) -> bool:
        """Whether it was given back."""
        return self._file.closed

    def close(self) -> None:
        """Give it back; twice is harmless."""
        self._file.close()

    def refuse_lost(self) -> None:
        """Nothing to look at."""


def _lock_soon(lock: IO[str]) -> None:
    """Lock the file; one who only looks whether it is locked holds it for a moment, and is waited for."""
    import fcntl  # not on every platform, and reading a store goes without it

    for wait_s in LOOKS_S:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(wait_s)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def take_lock(path: Path, guarded: Path, sync: Callable[[int], None]) -> IO[str]:
    """Return the lock file, open and locked; closing it, or the death of the process, frees it.

    The file is never removed: a writer that waits for one inode and a writer that makes another would
    both believe they hold the lock.

    Parameters
    ----------
    path : Path
        The lock file, made when it is not there.
    guarded : Path
        What it guards, for the message.
    sync : callable
        Brings the note of the holder to the disk, where processes on other hosts look for it.

    Raises
    ------
    CheckpointError
        When another process, or another open file of this one, holds it; names the holder.
    OSError
        When the file system refuses, or knows no locks.
    """
    lock = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - stays open for as long as the lock is held
    try:
        _lock_soon(lock)
        _note_holder(lock, sync)
    except BlockingIOError as error:
        lock.close()
        raise CheckpointError(held_by_another(guarded, noted_holder(path))) from error
    except OSError:
        lock.close()
        raise
    return lock


def noted_holder(path: Place) -> dict[str, Any]:
    """Return the pid, host and start that the last writer noted; empty when missing or not dnmf's."""
    try:
        noted = json.loads(path.read_bytes())
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError):
        return {}
    return noted if isinstance(noted, dict) and noted.get("writer") == "dnmf" else {}


def this_holder() -> dict[str, Any]:
    """Return what a lock notes of this process."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"writer": "dnmf", "pid": os.getpid(), "host": socket.gethostname(), "since": since}


def _note_holder(lock: IO[str], sync: Callable[[int], None]) -> None:
    lock.truncate(0)
    lock.write(json.dumps(this_holder()))
    lock.flush()
    sync(lock.fileno())


def holder_of_file(path: Path) -> dict[str, Any] | None:
    """Return what is noted of who holds a lock file now; None when nobody does."""
    try:
        with open(path, encoding="utf-8") as file:
            return noted_holder(path) if _is_locked(file.fileno()) else None
    except OSError:
        return None


def _is_locked(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:  # no advisory locks on this platform
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def held_by_another(guarded: Path, noted: dict[str, Any]) -> str:
    """Return that somebody else writes `guarded`, and what to do about it."""
    holder = {"pid": "unknown", "host": "unknown", "since": "unknown", **noted}
    return (
        f"{guarded} is being written by process {holder['pid']} on host {holder['host']} since "
        f"{holder['since']}: wait for it to end, stop it, or choose another store"
    )
