"""What one process may use, and what a piece of work took of it."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ONE_THREAD = {
    name: "1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
                 "NUMBA_NUM_THREADS")
}  # fmt: skip


class Taken(NamedTuple):
    """CPU and wall seconds, and by how many bytes the process grew at its peak (None where that is not told)."""

    cpu_s: float
    wall_s: float
    added_bytes: int | None


def stay_on_one_processor() -> None:
    """Let this process and its children run on one processor, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def timed(work: Callable[[], Any]) -> tuple[Any, Taken]:
    """Return what `work` returns and what it took of this process."""
    import psutil

    start_of_peak = _forget_peak()
    before = psutil.Process().memory_info().rss
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = _peak_bytes()
    known = peak is not None and (start_of_peak or peak > before)
    return result, Taken(cpu, wall, peak - before if known else None)


def _forget_peak() -> bool:
    """Let the peak count from now on; false where it counts from the beginning of the process."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _peak_bytes() -> int | None:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return _peak_of_life()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def _peak_of_life() -> int | None:
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if os.uname().sysname == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
