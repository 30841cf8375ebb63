"""Clusters for the command line: none, one on this machine, or a running scheduler by its address."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dnmf.arguments import is_finite, shown, whole
from dnmf.connections.certificates import Certificates
from dnmf.errors import BudgetError, ClusterError, InputError
from dnmf.locations import refuse_lost_directory
from dnmf.options import format_bytes, parse_bytes
from dnmf.refusals import told

__all__ = ["SAFE_DEFAULTS", "WORKERS_COME_BACK", "Certificates", "connect"]

MOST_LOCAL = 4096  # workers, or threads of one
FILES_OPEN, FILES_OF_A_WORKER = 26, 12  # most at once in the process that starts them: 38, 49, 72 for 1, 2, 4
LEAST_WORKER_BYTES = 256 * 2**20  # dask stops a worker at 0.95 of its limit

SAFE_DEFAULTS = {
    "distributed.scheduler.allowed-failures": 10,
    "distributed.scheduler.worker-ttl": "60s",
    "distributed.scheduler.no-workers-timeout": "10 minutes",
    "distributed.admin.log-length": 1000,
    "distributed.admin.low-level-log-length": 100,
    "distributed.admin.system-monitor.log-length": 1000,
    "distributed.diagnostics.computations.max-history": 10,
    "distributed.worker.memory.target": 0.6,
    "distributed.worker.memory.spill": 0.7,
    "distributed.worker.memory.pause": 0.85,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.nanny.pre-spawn-environ.OMP_NUM_THREADS": 1,
    "distributed.nanny.pre-spawn-environ.MKL_NUM_THREADS": 1,
    "distributed.nanny.pre-spawn-environ.OPENBLAS_NUM_THREADS": 1,
    "distributed.nanny.pre-spawn-environ.NUMBA_NUM_THREADS": 1,
    "distributed.nanny.pre-spawn-environ.NUMBA_THREADING_LAYER": "omp",
    "distributed.nanny.pre-spawn-environ.MALLOC_ARENA_MAX": 1,
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 32 * 2**20,
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 256 * 2**20,
}
"""Dask settings a fit is safe under; deploy/dask.yaml says the same for clusters started elsewhere."""

WORKERS_COME_BACK = {"distributed.deploy.lost-worker-timeout": "1 day"}
"""For worker processes of this machine alone. Dask looks 15 s after a death whether the worker is back, and stops its
nanny for good if not: one that died again meanwhile, and is on its way, would be lost. (Where workers are jobs of a
batch system that look is what replaces them.)"""


@contextmanager
def connect(scheduler: str | None, *, workers: int | None = None, threads: int = 1,
            memory_limit: Any = None, certificates: Certificates | None = None,
            workers_timeout: float | None = None) -> Iterator[Any]:  # fmt: skip
    """Yield a client for what the command line calls a scheduler, and close what was started for it.

    Parameters
    ----------
    scheduler : str or None
        None: no client, the work runs in process. ``"local"``: a cluster on this machine. A file: a dask
        scheduler file. Anything else: an address such as ``tcp://host:8786``.
    workers, threads, memory_limit
        Of a local cluster: worker processes (default: one per processor), threads and memory of each.
    certificates : Certificates, optional
        For a scheduler that speaks TLS (``tls://``); else those of dask's configuration, if it has any.
    workers_timeout : float, optional
        For how many seconds the first worker of a running scheduler is waited for before anything begins; a fit
        waits for a minute by itself.

    Raises
    ------
    InputError
        The numbers of workers or threads are none for one machine, the seconds are none to wait for, there is no
        current directory to start in, or a file of a certificate is of no use.
    ClusterError
        No scheduler answers or it has no worker in time, it is not trusted or does not trust this process, or
        workers on this machine do not start.
    BudgetError
        Workers of a local cluster could not even start in so little memory.
    """
    if scheduler is None:
        yield None
        return
    _refuse_odd_numbers(workers, threads, workers_timeout)
    import dask
    from distributed import Client

    with dask.config.set(SAFE_DEFAULTS):
        if scheduler == "local":
            limit = parse_bytes(memory_limit)
            if limit and limit < LEAST_WORKER_BYTES:
                raise BudgetError(
                    "a worker process takes about 200 MiB before it reads anything; with a memory limit of "
                    f"{format_bytes(limit)} it would be stopped at once. Try 512MiB, or work in process"
                )
            with (
                dask.config.set(WORKERS_COME_BACK),
                _workers_here(workers, threads, limit or "auto") as cluster,
                Client(cluster) as client,
            ):
                yield client
            return
        from dnmf.connections.clients import client_at, wait_for_a_worker

        with client_at(scheduler, certificates) as client:
            if workers_timeout is not None:
                wait_for_a_worker(client, workers_timeout)
            yield client


def _refuse_odd_numbers(workers: int | None, threads: int, workers_timeout: float | None) -> None:
    for name, count in (("workers", workers), ("threads", threads)):
        if count is not None:
            whole(name, count, least=1, most=MOST_LOCAL)
    if workers_timeout is not None and not (is_finite(workers_timeout) and workers_timeout > 0):
        raise InputError(f"workers_timeout={shown(workers_timeout)}: a finite number of seconds above 0")


def _workers_here(workers: int | None, threads: int, memory_limit: Any) -> Any:
    from dask.system import CPU_COUNT
    from distributed import LocalCluster

    refuse_lost_directory("workers on this machine start in the directory of this process")
    _refuse_script_without_file()
    _refuse_few_files(workers or max(1, CPU_COUNT // threads))
    try:
        return LocalCluster(
            n_workers=workers, threads_per_worker=threads, memory_limit=memory_limit, dashboard_address=None
        )
    except (OSError, RuntimeError) as error:
        raise ClusterError(
            f"workers on this machine do not start ({told(error)}); try fewer, or work in process, without them"
        ) from error


def _refuse_script_without_file() -> None:
    """Refuse a script that comes through a pipe: each worker would look for its file, to run what it defines."""
    from multiprocessing import process

    import dask

    main, begun_in = sys.modules.get("__main__"), process.ORIGINAL_DIR  # type: ignore[attr-defined]
    script = getattr(main, "__file__", None)
    if script is None or getattr(main, "__spec__", None) is not None or getattr(sys, "frozen", False):
        return
    is_copied = dask.config.get("distributed.worker.multiprocessing-method", "spawn") == "fork"
    if not is_copied and not os.path.isfile(os.path.join(begun_in or "", script)):
        raise ClusterError(
            f"workers on this machine cannot start from a script that is no file ({script}); save it to one and run "
            "that, or work in process, without them"
        )


def _refuse_few_files(workers: int) -> None:
    """Refuse more workers than may have their files open here: they would be waited for without an end."""
    limit = files_allowed()
    needed = FILES_OPEN + FILES_OF_A_WORKER * workers
    if limit is not None and limit < needed:
        raise ClusterError(
            f"only {limit} files may be open here, and workers={workers} on this machine take {needed}; "
            f"raise the limit (ulimit -n {needed}), try fewer, or work in process, without them"
        )


def files_allowed() -> int | None:
    """Return how many files this process may have open; None where there is no limit, or none that can be known."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
    except ImportError:  # not on this system
        return None
    limit = getrlimit(RLIMIT_NOFILE)[0]
    return None if limit == RLIM_INFINITY else limit
