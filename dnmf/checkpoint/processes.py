"""Which process of which machine has noted itself, and whether it is certain that it is not there any more.

Where that cannot be said it is not dead. Clocks play no part in it: they are set while a process runs.
"""

import os
import socket
from pathlib import Path
from typing import Any

PROC = Path("/proc")
GONE = ("Z", "X")  # the states of a process that has ended


def this_process() -> dict[str, Any]:
    """Return what tells this process from all others, on whatever machine: `machine`, and since when it runs."""
    return {"machine": this_machine(), "started": _state_of(os.getpid())[1] if this_machine() else None}


def this_machine() -> str:
    """Return what tells this host since it was booted, or this container, from all others; empty where nothing does.

    The name of a host is not enough, for it may be copied, and its first space of process numbers has one name on all.
    """
    try:
        if os.readlink(PROC / "self") != str(os.getpid()):  # of another space of process numbers
            return ""
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()} {boot} {os.readlink(PROC / 'self/ns/pid')}"
    except OSError:  # not Linux
        return ""


def runs_here(noted: dict[str, Any]) -> bool:
    """Whether the process that is noted is, or was, one of this machine."""
    return bool(this_machine()) and noted.get("machine") == this_machine()


def is_dead(noted: dict[str, Any]) -> bool:
    """Whether the process that is noted ran on this machine and does not any more."""
    if not runs_here(noted):
        return False
    try:
        state, started = _state_of(noted["pid"])
    except (FileNotFoundError, ProcessLookupError):
        return not _is_there(noted["pid"])
    except (OSError, LookupError, ValueError):
        return False
    return state in GONE or noted.get("started") not in (None, started)


def _state_of(pid: int) -> tuple[str, int]:
    """The state of a process, and when it began, in ticks since the machine was booted."""
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()  # a name may have anything in it
    return fields[0], int(fields[19])


def _is_there(pid: int) -> bool:
    """Whether there is such a process; those of other users may be hidden in /proc."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # of another user
        return True
    return True
