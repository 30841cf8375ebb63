"""Workers as Slurm jobs, as many as there is work for: python cluster.py SCHEDULER_FILE LEAST_JOBS MOST_JOBS.

Writes SCHEDULER_FILE, submits and ends jobs, and replaces those that were killed or preempted, until it gets SIGTERM.
What a job is says jobqueue.yaml, and what is safe dask.yaml, both in the folder that DASK_CONFIG names. The jobs read
no settings of this process: they are told the folder, and TLS where it asks for that.
"""

import json
import os
import shlex
import signal
import sys
import threading
from pathlib import Path

import dask
from dask_jobqueue import SLURMCluster
from distributed import Security


def start(least: int, most: int) -> SLURMCluster:
    """Return a cluster that keeps between `least` and `most` jobs."""
    encrypted = dask.config.get("distributed.comm.require-encryption")
    told = [f"export {name}={shlex.quote(os.environ[name])}" for name in ("DASK_CONFIG", "PATH")]
    prologue = [*(dask.config.get("jobqueue.slurm.job-script-prologue") or []), *told]
    cluster = SLURMCluster(security=Security() if encrypted else None, job_script_prologue=prologue)
    cluster.adapt(minimum_jobs=least, maximum_jobs=most, interval="2s", wait_count=30)  # a minute without work
    return cluster


def main(file: str, least: str, most: str) -> None:
    """Keep a cluster until SIGTERM or Ctrl-C."""
    ended = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: ended.set())
    with start(int(least), int(most)) as cluster:
        print(cluster.job_script())
        written = Path(f"{file}.part")
        written.write_text(json.dumps({"address": cluster.scheduler_address}))
        written.replace(file)
        ended.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
