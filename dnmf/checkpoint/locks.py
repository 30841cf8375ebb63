"""A lock file that one process at a time can hold, and that says who holds it."""

import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from dnmf.checkpoint.files import Files
from dnmf.errors import CheckpointError

LOCK = "LOCK"  # of a store
LOOKS_S = (0.02, 0.05)


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


def take_lock(path: Path, guarded: Path, files: Files) -> IO[str]:
    """Return the lock file, open and locked; closing it, or the death of the process, frees it.

    The file is never removed: a writer that waits for one inode and a writer that makes another would
    both believe they hold the lock.

    Parameters
    ----------
    path : Path
        The lock file, made when it is not there.
    guarded : Path
        What it guards, for the message.
    files : Files
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
        _note_holder(lock, files)
    except BlockingIOError as error:
        lock.close()
        raise CheckpointError(held_by_another(guarded, noted_holder(path))) from error
    except OSError:
        lock.close()
        raise
    return lock


def noted_holder(path: Path) -> dict[str, Any]:
    """Return the pid, host and start that the last writer noted; empty when missing or not dnmf's."""
    try:
        noted = json.loads(path.read_bytes())
    except (FileNotFoundError, IsADirectoryError, ValueError):
        return {}
    return noted if isinstance(noted, dict) and noted.get("writer") == "dnmf" else {}


def _note_holder(lock: IO[str], files: Files) -> None:
    holder = {
        "writer": "dnmf",
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    lock.truncate(0)
    lock.write(json.dumps(holder))
    lock.flush()
    files.sync(lock.fileno())


def writer_of(store: Path) -> dict[str, Any] | None:
    """Return who holds the lock of a store now: pid, host, since; None when nobody does."""
    try:
        with open(store / LOCK, encoding="utf-8") as file:
            return noted_holder(store / LOCK) if _is_locked(file.fileno()) else None
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
