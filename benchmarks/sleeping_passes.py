"""Passes of sleeping visits through the engine's own door, in a process of their own.

``python -P sleeping_passes.py SCHEDULER_FILE VISITS PASSES``, a child of :mod:`benchmarks.scheduler_cpu`. dnmf and the
other modules here are imported from where PYTHONPATH says, which may be an older version: nothing but what that one has
too is used. It prints when each pass began, when its first visit did, and when it ended, and stays until its input is
closed.
"""

import json
import sys
import time

import numpy as np

from benchmarks.simulated_cluster import COLUMNS, RANK, SleepingSource
from dnmf.passes.executor import Job
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.work import Work
from dnmf.passes.workers import OnCluster
from dnmf.plan import Group

SLEEP_S = 0.005
SETTLE_S = 0.5
WARM_UP_VISITS = 50


def jobs_of(visits: int) -> list[Job]:
    """Return so many visits."""
    source = SleepingSource(visits, COLUMNS, SLEEP_S)
    return [Job(source.for_rows(i, i + 1), Group(i, i + 1, ((i, i + 1),))) for i in range(visits)]


def moments(executor: OnCluster, jobs: list[Job], work: Work) -> tuple[float, float, float]:
    """Run a pass, and return when it began, when its first visit did, and when it ended."""
    from distributed import get_task_stream

    with get_task_stream(executor.client) as stream:
        began = time.time()
        executor.add_up(jobs, work)
        ended = time.time()
    first = min(
        step["start"] for record in stream.data if "dnmf-visit" in str(record["key"])
        for step in record["startstops"] if step["action"] == "compute"
    )  # fmt: skip
    time.sleep(SETTLE_S)  # what was released is forgotten before the next pass begins
    return began, first, ended


def main(scheduler_file: str, visits: str, passes: str) -> None:
    """Run the passes, print their moments, and wait."""
    from distributed import Client

    work = Work((solve_for_rows(np.full((RANK, COLUMNS), 0.5, np.float32)),), "float32")
    with Client(scheduler_file=scheduler_file, set_as_default=False) as client:
        executor = OnCluster(client)
        moments(executor, jobs_of(WARM_UP_VISITS), work)
        print(json.dumps([moments(executor, jobs_of(int(visits)), work) for _ in range(int(passes))]), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
