"""Passes whose tasks sleep: what the scheduler and the client cost, measured without any data.

``python -m benchmarks.simulated_cluster`` prints a few sizes. The graph is that of the engine, and so are the client
and the scheduler; only the rows are not there: a source sleeps where it would read, and returns rows without
entries. The scheduler and the client live in this process, so its CPU seconds are theirs. Workers are real ones,
processes of this machine, or simulated ones (:mod:`benchmarks.sleeping_workers`), of which there can be a thousand.
"""

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scaling_model import additions
from dnmf.passes.executor import Job
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.work import Work
from dnmf.plan import Group
from dnmf.sources.rows import CsrRows
from dnmf.sources.source import Layout, Source

COLUMNS, RANK = 100, 5  # of the statistics; how long large ones travel is another term
CLOCK_STEP_S = 0.01
CONNECT_S = 120
SETTLE_S = 0.5
LONGEST_S = 600
HANG_UP_S = 10


class SleepingSource(Source):
    """A sparse matrix without entries whose rows take their time.

    Parameters
    ----------
    rows, columns : int
        Of the matrix.
    sleep_s : float
        What reading takes, however many rows are read.
    """

    sparse = True
    address = "a matrix that sleeps"

    def __init__(self, rows: int, columns: int, sleep_s: float):
        self.shape, self.dtype, self.sleep_s = (rows, columns), np.dtype(np.float32), sleep_s

    def layout(self) -> Layout:
        """Cuts at every row."""
        cuts = np.arange(self.shape[0] + 1)
        return Layout(cuts, cuts * 8)

    def read(self, start: int, stop: int) -> CsrRows:
        """Return rows without entries, later."""
        time.sleep(self.sleep_s)
        return CsrRows(np.empty(0, np.float32), np.empty(0, np.int32), np.zeros(stop - start + 1, np.int64))

    def fingerprint(self) -> dict[str, Any]:
        """Of nothing."""
        return {}


@dataclass(frozen=True)
class Simulated:
    """One pass of sleeping tasks.

    Attributes
    ----------
    workers, threads : int
        How many there were, and threads of each.
    visits : int
        Groups of the pass.
    sleep_s : float
        Of a visit.
    wall_s : float
        From the call to the sum.
    start_s, start_cpu_s : float
        Until the first visit began: building the graph, sending it, taking it in.
    run_cpu_s : float
        From there on: handing out tasks and hearing of their ends.
    tail_s : float
        From the end of the last visit on: the last additions.
    """

    workers: int
    threads: int
    visits: int
    sleep_s: float
    wall_s: float
    start_s: float
    start_cpu_s: float
    run_cpu_s: float
    tail_s: float

    @property
    def tasks(self) -> int:
        """Visits and additions."""
        return self.visits + additions(self.visits)

    @property
    def slots(self) -> int:
        """How many tasks can sleep at once."""
        return self.workers * self.threads


class CpuClock:
    """Remembers how many CPU seconds a process had used at any moment of a stretch of time.

    Parameters
    ----------
    used : callable
        What it has used by now: this process, unless another is asked for.
    """

    def __init__(self, used: Callable[[], float] = time.process_time):
        self._used = used
        self._at: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.is_set():
            self._at.append((time.time(), self._used()))
            self._over.wait(CLOCK_STEP_S)
        self._at.append((time.time(), self._used()))

    def __enter__(self) -> "CpuClock":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def between(self, start: float, stop: float) -> float:
        """CPU seconds between two moments (of `time.time`)."""
        moments, seconds = zip(*self._at, strict=True)
        first, last = np.interp([start, stop], moments, seconds)
        return float(last - first)


@contextmanager
def real_workers(workers: int, threads: int) -> Iterator[Any]:
    """Yield the client of a scheduler in this process with so many worker processes, which do visit empty rows."""
    import dask
    from distributed import Client, LocalCluster

    from dnmf.cluster import SAFE_DEFAULTS

    with (
        dask.config.set({**SAFE_DEFAULTS, "distributed.scheduler.worker-ttl": None}),  # none of these ever freezes
        LocalCluster(
            n_workers=workers, threads_per_worker=threads, memory_limit=0, dashboard_address=":0", protocol="tcp"
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def simulated_workers(workers: int, threads: int) -> Iterator[Any]:
    """Yield the client of a scheduler whose workers live together in one other process and only sleep."""
    children: list[subprocess.Popen] = []
    with ExitStack() as last:
        last.callback(lambda: [_end(child) for child in children])  # when the scheduler has hung up
        client = last.enter_context(real_workers(0, 1))
        command = [sys.executable, "-m", "benchmarks.sleeping_workers", client.scheduler.address]
        folder = Path(__file__).resolve().parents[1]
        children.append(subprocess.Popen([*command, str(workers), str(threads)], cwd=folder))
        client.wait_for_workers(workers, timeout=CONNECT_S)
        yield client


def _end(child: subprocess.Popen) -> None:
    try:
        child.wait(HANG_UP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def measure(client: Any, visits: int, sleep_s: float) -> Simulated:
    """Return what one pass of so many sleeping visits took.

    Parameters
    ----------
    client : distributed.Client
        From :func:`real_workers` or :func:`simulated_workers`.
    visits : int
        Groups of the pass; there is an addition for about three of them.
    sleep_s : float
        Of a visit.
    """
    from distributed import get_task_stream, wait

    from dnmf.passes.graph import pass_graph
    from dnmf.passes.workers import TASK_RETRIES

    source = SleepingSource(visits, COLUMNS, sleep_s)
    jobs = [Job(source.for_rows(i, i + 1), Group(i, i + 1, ((i, i + 1),))) for i in range(visits)]
    work = Work((solve_for_rows(np.full((RANK, COLUMNS), 0.5, np.float32)),), "float32")
    threads = list(client.nthreads().values())
    with get_task_stream(client) as stream, CpuClock() as clock:
        began = time.time()
        roots = pass_graph(jobs, work)
        (total,) = client.get(roots.graph, roots.results, sync=False, retries=TASK_RETRIES)
        with client.as_current():
            wait(total, timeout=LONGEST_S)
        ended = time.time()
    status = total.status
    total.release()
    if status != "finished":
        raise RuntimeError(f"a pass of {visits} sleeping visits ended as {status!r}")
    time.sleep(SETTLE_S)  # what was released is forgotten before the next pass begins
    first, last = _first_and_last(stream.data)
    return Simulated(
        len(threads), max(threads), visits, sleep_s, ended - began, first - began,
        clock.between(began, first), clock.between(first, ended), ended - last,
    )  # fmt: skip


def _first_and_last(records: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """When the first visit began and the last one ended."""
    spans = [
        (step["start"], step["stop"])
        for record in records if "dnmf-visit" in str(record["key"])
        for step in record["startstops"] if step["action"] == "compute"
    ]  # fmt: skip
    return min(start for start, _ in spans), max(stop for _, stop in spans)


def main(arguments: list[str] | None = None) -> None:
    """Print what passes of sleeping tasks take."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulated_cluster", description=__doc__)
    parser.add_argument("--workers", type=int, default=128, help="simulated workers (%(default)s)")
    parser.add_argument("--threads", type=int, default=8, help="of each (%(default)s)")
    parser.add_argument("--real", action="store_true", help="worker processes instead")
    parser.add_argument("--visits", type=int, action="append", help="groups of a pass (repeatable; 2500)")
    parser.add_argument("--sleep", type=float, default=0.5, metavar="S", help="of a visit (%(default)s)")
    chosen = parser.parse_args(arguments)
    with (real_workers if chosen.real else simulated_workers)(chosen.workers, chosen.threads) as client:
        measure(client, 2 * chosen.workers, 0.0)
        for visits in chosen.visits or (2500,):
            print(describe(measure(client, visits, chosen.sleep)))


def describe(one: Simulated) -> str:
    """Return a line for people."""
    per_task = [1e3 * seconds / one.tasks for seconds in (one.start_cpu_s, one.run_cpu_s)]
    return (
        f"{one.workers} × {one.threads} threads, {one.tasks:,} tasks, {one.sleep_s:g} s a visit: {one.wall_s:.2f} s, "
        f"{one.start_s:.2f} s of it before the first visit and {one.tail_s:.2f} s after the last; scheduler and client "
        f"{per_task[0]:.2f} + {per_task[1]:.2f} ms CPU a task"
    )


if __name__ == "__main__":
    from benchmarks.simulated_cluster import main as main_of_the_module  # whose classes workers can import

    main_of_the_module()
