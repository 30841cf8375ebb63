"""Passes on a dask cluster: a task for each group of panels, a fixed binary tree above them."""

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import dask
from distributed import Client, KilledWorker, default_client, wait
from distributed.client import Future, FutureCancelledError
from distributed.comm import CommClosedError

import dnmf
from dnmf.errors import ClusterError, DnmfError
from dnmf.options import format_bytes
from dnmf.passes.executor import Executor, Job
from dnmf.passes.problem import Work
from dnmf.passes.statistics import Statistics, add, tree_levels
from dnmf.passes.visit import visit_group
from dnmf.plan import Group, Machine
from dnmf.sources.source import Source

log = logging.getLogger("dnmf")
CONNECT_TIMEOUT_S = 30
TASK_RETRIES = 2
PASS_TRIES = 3
POLL_S = 2.0
LOST = (FutureCancelledError, CommClosedError, TimeoutError, ConnectionError)


def client_at(address: str) -> Client:
    """Return a client of the scheduler at `address`.

    Raises
    ------
    ClusterError
        No scheduler answers there.
    """
    try:
        return Client(address, timeout=CONNECT_TIMEOUT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(f"no scheduler answers at {address} ({error}); start one with: dask scheduler") from error


def current_client() -> Client | None:
    """Return the client dask would use now, None where there is none."""
    try:
        return default_client()
    except ValueError:
        return None


def visit_on_worker(source: Source, blocks: list[Any], group: Group, work: Work, **where: Any) -> Statistics:
    """Return the statistics of a group; `blocks` are the dask blocks the scheduler computed for it, if any."""
    if blocks:
        source = source.with_blocks(blocks)  # type: ignore[attr-defined]
    return visit_group(source, group, work, **where)


def _worker_facts(dask_worker: Any = None) -> dict[str, Any]:
    """What one worker says of itself, after everything a task needs has been imported."""
    import psutil

    from dnmf import __version__
    from dnmf.passes.warm import load_kernels

    load_kernels()
    limit = dask_worker.memory_manager.memory_limit or psutil.virtual_memory().total
    return {
        "version": __version__,
        "threads": dask_worker.state.nthreads,
        "memory": int(limit),
        "base": psutil.Process().memory_info().rss,
    }


def _opening_trouble(source: Source) -> str:
    """Return why this worker cannot open the source, an empty text if it can."""
    try:
        source.read(0, 1)
    except (DnmfError, OSError) as error:
        return str(error)
    return ""


class OnCluster(Executor):
    """The workers of a dask client.

    Parameters
    ----------
    client : distributed.Client
        Connected to a scheduler.
    wait_s : float
        How long to wait for the first worker.
    stall_timeout_s : float
        For how long all workers may be paused or gone before the pass is given up.
    """

    remote = True

    def __init__(self, client: Client, wait_s: float = 60.0, stall_timeout_s: float = 120.0):
        self.client, self.stall_timeout_s = client, stall_timeout_s
        self.name = f"cluster {client.scheduler.address if client.scheduler else ''}"
        try:
            client.wait_for_workers(1, timeout=wait_s)
        except TimeoutError:
            raise ClusterError(
                f"{self.name} has no worker after {wait_s:.0f} s; start one with: dask worker ADDRESS"
            ) from None

    def machine(self, memory_bytes: int | None) -> Machine:
        """The least any worker offers.

        Raises
        ------
        ClusterError
            The workers cannot import dnmf, or have another version of it.
        """
        facts = self._ask(_worker_facts)
        for address, fact in facts.items():
            if fact["version"] != dnmf.__version__:
                raise ClusterError(
                    f"worker {address} has dnmf {fact['version']}, this process {dnmf.__version__}; install the same"
                )
        values = list(facts.values())
        memory = min(fact["memory"] for fact in values)
        return Machine(
            threads=max(fact["threads"] for fact in values),
            memory_bytes=min(memory, memory_bytes) if memory_bytes else memory,
            base_bytes=max(fact["base"] for fact in values),
            workers=len(values),
        )

    def preflight(self, source: Source) -> None:
        """Let every worker open the source by its path."""
        if source.in_memory or source.blocks_are_tasks:
            return
        for address, trouble in self._ask(_opening_trouble, source).items():
            if trouble:
                raise ClusterError(
                    f"worker {address} cannot read the data: {trouble}. Every worker needs the same path"
                )

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        try:
            return self.client.run(function, *arguments)
        except ModuleNotFoundError as error:
            raise ClusterError(
                f"{self.name}: a worker cannot import {error.name}; install dnmf on the workers"
            ) from error
        except LOST as error:
            raise ClusterError(f"{self.name} does not answer ({type(error).__name__}: {error})") from error

    def add_up(self, jobs: Sequence[Job], work: Work, target: str | None) -> Statistics:
        """Return the sum over all jobs; a pass that loses its workers is run again."""
        for attempt in range(1, PASS_TRIES + 1):
            try:
                return self._result(_pass_graph(jobs, work, target))
            except KilledWorker as error:
                if attempt == PASS_TRIES:
                    raise ClusterError(
                        f"{self.name}: workers died again and again while they worked on {error.task} ({error}). "
                        "Look at the workers' logs and their memory"
                    ) from error
                log.warning("%s: workers died (%s); running the pass again", self.name, error)
        raise AssertionError("unreachable")

    def call_each(self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Return ``function(*a)`` for each ``a``, as tasks."""
        call = dask.delayed(function, pure=False)
        return self._result(dask.delayed(list)([call(*a) for a in arguments]))

    def _result(self, root: Any) -> Any:
        future = self.client.compute(root, retries=TASK_RETRIES)
        try:
            with self.client.as_current():
                self._wait(future)
            return future.result()
        except LOST as error:
            raise ClusterError(
                f"{self.name} was lost during a pass ({type(error).__name__}: {error}). Start it again and resume "
                "from the last checkpoint"
            ) from error
        finally:
            future.release()

    def _wait(self, future: Future) -> None:
        """Return when `future` is done; raise when no worker could have moved it for too long."""
        standing_since = None
        while True:
            try:
                wait(future, timeout=POLL_S)
                return
            except TimeoutError:
                standing_since = self._standing_since(standing_since)

    def _standing_since(self, since: float | None) -> float | None:
        workers = self.client.scheduler_info(n_workers=-1)["workers"]
        if any(worker.get("status") == "running" for worker in workers.values()):
            return None
        now = time.monotonic()
        if since is not None and now - since > self.stall_timeout_s:
            found = ", ".join(
                f"{address}: {worker.get('status')}, {format_bytes(worker.get('metrics', {}).get('memory', 0))}"
                for address, worker in workers.items()
            )
            raise ClusterError(
                f"{self.name}: no worker has been running for {self.stall_timeout_s:.0f} s "
                f"({found or 'none is left'}). Give the workers more memory or start new ones, then resume from the "
                "last checkpoint"
            )
        return now if since is None else since


def _pass_graph(jobs: Sequence[Job], work: Work, target: str | None) -> Any:
    """Return the delayed sum over `jobs`. The fixed factors are one node: they travel to each worker once."""
    name = f"dnmf-{uuid.uuid4().hex[:10]}"
    shared = dask.delayed(work, name=f"{name}-work", traverse=False)
    visit, plus = dask.delayed(visit_on_worker, pure=False), dask.delayed(add, pure=False)
    nodes = []
    for number, job in enumerate(jobs):
        blocks = job.source.blocks()
        source = job.source.with_blocks([]) if blocks else job.source  # type: ignore[attr-defined]
        where = {"given": job.given, "target": target, "dask_key_name": f"{name}-visit-{number}"}
        nodes.append(visit(source, blocks, job.group, shared, **where))
    for depth, level in enumerate(tree_levels(len(nodes))):
        nodes = [
            nodes[pair[0]] if len(pair) == 1
            else plus(nodes[pair[0]], nodes[pair[1]], dask_key_name=f"{name}-add-{depth}-{place}")
            for place, pair in enumerate(level)
        ]  # fmt: skip
    return nodes[0]
