"""Passes on the workers of a dask cluster."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any

from distributed import Client, KilledWorker, wait
from distributed.client import Future
from distributed.comm import CommClosedError

from dnmf.connections.clients import wait_for_a_worker
from dnmf.connections.departures import Departures, host_of
from dnmf.errors import ClusterError, DnmfError
from dnmf.memory import Machine
from dnmf.passes.asked import (
    aside,
    compiles_first,
    drop_rows,
    forget_rows,
    least_of,
    opening_trouble,
    store_trouble,
    worker_facts,
)
from dnmf.passes.column_graph import cut_for, is_long
from dnmf.passes.executor import Done, Executor, Job, ignore
from dnmf.passes.graph import Roots, calls_graph, pass_graph, place_of, reads_graph
from dnmf.passes.losses import NOTHING, Losses, some_of
from dnmf.passes.patience import Patience
from dnmf.passes.returns import Address, Returns
from dnmf.passes.statistics import Statistics
from dnmf.passes.warm import Loadable
from dnmf.passes.work import Work
from dnmf.places import Place, Sink
from dnmf.sources.kept import KeptSource
from dnmf.sources.rows import Rows
from dnmf.sources.source import Source

log = logging.getLogger("dnmf")
TASK_RETRIES = 2
PASS_TRIES = 3
ASK_TRIES = 3
ASK_PAUSE_S = 1.0
POLL_S = 2.0
ALIKE = "Every worker needs the same path, or for a bucket the same keys in its environment"
LOOK_S = 0.25  # where somebody wants to know how far a pass is
LOST = (CancelledError, asyncio.CancelledError, CommClosedError, TimeoutError, ConnectionError)


def _is_of_dask(error: BaseException) -> bool:
    """Whether an error says that something on the way to the workers is lost, rather than what a task met."""
    return isinstance(error, LOST) or type(error).__module__.partition(".")[0] == "distributed"


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
    owned : bool
        Whether the client is closed with the executor.
    """

    remote = True

    def __init__(self, client: Client, *, wait_s: float = 60.0, stall_timeout_s: float = 120.0, owned: bool = False):
        self._owned = owned
        self.client, self.wait_s, self.stall_timeout_s = client, wait_s, stall_timeout_s
        self._homes: dict[str, tuple[frozenset[str], list[Future]]] = {}
        self._mark = uuid.uuid4().hex[:8]  # of the tasks of this fit
        self._said_who_compiles = False
        self._returns, self._departures = Returns(client), Departures(client, self._mark)
        self.name = f"cluster {client.scheduler.address if client.scheduler else ''}"
        try:
            self._wait_for_a_worker()
        except BaseException:
            self.close()
            raise

    def machine(self, memory_bytes: int | None, kernels: Loadable) -> Machine:
        """The least any worker offers.

        Raises
        ------
        ClusterError
            The workers cannot import dnmf, have another version of it, or do not know the loss.
        """
        self._say_who_compiles(kernels)
        return least_of(self._ask(worker_facts, kernels), memory_bytes)

    def _say_who_compiles(self, kernels: Loadable) -> None:
        if self._said_who_compiles:
            return
        self._said_who_compiles = True
        try:
            waiting = sum(self._ask(compiles_first, kernels).values())
        except AttributeError:  # of another version, which is refused when it is known
            return
        if waiting:
            self.compiling(waiting)

    @contextlib.contextmanager
    def _in_words(self, when: str) -> Iterator[None]:
        """Turn what dask says of a client that is closed, or of a scheduler that is gone, into a ClusterError.

        Of a closed client everything fails, each call with an error of its own kind.
        """
        try:
            yield
        except (Exception, asyncio.CancelledError) as error:
            is_closed = self.client.status != "running"
            if isinstance(error, (DnmfError, KilledWorker)) or not (is_closed or _is_of_dask(error)):
                raise
            found = "the connection is closed or broken" if is_closed else type(error).__name__
            raise ClusterError(
                f"{self.name} was lost {when} ({found}); connect to a scheduler that runs, the same or another. "
                "What was committed to a store is not affected"
            ) from error

    def count_processes(self) -> int:
        """The workers there are now."""
        with self._in_words("before a pass"):
            return max(1, len(self._workers()))

    def forget(self, mark: str) -> None:
        """Let go of the rows the workers keep; what cannot be reached any more forgets by itself."""
        super().forget(mark)  # workers may be threads of this process, of a cluster that is closed by now
        self._leave_homes(mark)
        self._tell_workers(forget_rows, mark)

    def close(self) -> None:
        """Close the client, if it was opened for this executor."""
        self._returns.close()
        self._departures.end()
        if self._owned:
            self.client.close()

    def read(self, parts: Sequence[tuple[Source, int, int]]) -> list[Rows]:
        """Return rows in this process; blocks of a dask array are computed, or already are, on the workers."""
        if not any(source.blocks_are_tasks for source, _, _ in parts):
            return super().read(parts)
        self._expect(ignore, len(parts), counts=False)
        rows: list[Rows] = self._compute(lambda: reads_graph(parts, of=self._mark), ())[0][0]
        return rows

    def preflight(self, source: Source) -> None:
        """Let every worker open the source by its path."""
        if source.in_memory or source.blocks_are_tasks:
            return
        for address, trouble in self._ask(opening_trouble, source.without_names()).items():
            if trouble:
                raise ClusterError(f"worker {address} cannot read the data: {trouble}. {ALIKE}")

    def check_store(self, store: Place) -> None:
        """Let every worker look whether it could write into a store."""
        for address, trouble in self._ask(store_trouble, store).items():
            if trouble:
                raise ClusterError(f"worker {address} cannot write W into {store}: {trouble}. {ALIKE}")

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Return what `function` returns on every worker; one that dies meanwhile is asked again when it is back."""
        trouble: BaseException = ConnectionError("it has no worker")
        for attempt in range(ASK_TRIES):
            if attempt:
                time.sleep(ASK_PAUSE_S)
            try:
                answers: dict[str, Any] = self.client.run(aside, function, *arguments)
                if answers:
                    return answers
                self._wait_for_a_worker()
            except ModuleNotFoundError as error:
                raise ClusterError(
                    f"{self.name}: a worker cannot import {error.name}; install dnmf on the workers"
                ) from error
            except LOST as error:
                trouble = error
            except Exception:
                if self.client.status != "running":  # each call says so with an error of its own kind
                    trouble = ConnectionError(f"the client is {self.client.status}")
                    break
                raise
        raise ClusterError(f"{self.name} does not answer ({type(trouble).__name__}: {trouble})")

    def _wait_for_a_worker(self) -> None:
        with self._in_words("while it was waited for"):
            wait_for_a_worker(self.client, self.wait_s)

    def add_up(self, jobs: Sequence[Job], work: Work, targets: Sequence[Sink] = (), done: Done = ignore) -> Statistics:
        """Return the sum over all jobs; a pass that loses its workers is run again.

        The first pass that may keep rows leaves a mark of each group with the worker that has them; the passes after
        it depend on these, so dask sends each visit to where its rows are. A mark that is lost with its worker is
        made again, as dask makes any result again: by the visit it came from, which reads and keeps the rows anew.
        """
        mark = jobs[0].source.keep.mark if isinstance(jobs[0].source, KeptSource) else ""
        with self._in_words("before a pass"):
            self._departures.begin()
        homes = self._homes.get(mark, (frozenset(), []))[1]
        to = self._expect(done, len(jobs), counts=not any(job.source.blocks_are_tasks for job in jobs))
        cuts = self._cuts_of(work)
        keeps = bool(mark and not (homes or targets))
        kept = [home.key for home in homes]
        found, left = self._compute(
            lambda: pass_graph(jobs, work, targets, kept, to, cuts=cuts, keeps=keeps, of=self._mark), jobs
        )
        if keeps:
            self._homes[mark] = self._addresses(), left
        else:
            self._look_for_changes(mark)
        total: Statistics = found[0]
        total.lost = total.lost.beside(self._lost())
        if work.ahead is not None and cuts:
            total.models[0].ahead = work.ahead.joined(found[1:])
        return total

    def _lost(self) -> Losses:
        """What was lost since that was asked last, told once."""
        left = self._departures.taken()
        if not left:
            return NOTHING
        here = {host_of(address) for address in self._addresses()}
        gone = dict.fromkeys(one.host for one in left if one.host not in here)
        lost = Losses(len(left), tuple(gone), sum(one.tasks for one in left))
        names = some_of([one.worker for one in left])
        log.warning("%s: %s (%s); nothing of it is in the result", self.name, lost.told, names)
        return lost

    def _cuts_of(self, work: Work) -> list[slice]:
        """The columns that are added up each by itself, and gone on with there; none where all sums come here."""
        if work.ahead is None or not is_long(work.ahead):
            return []
        with self._in_words("before a pass"):
            return cut_for(work.ahead, self.client.nthreads())

    def _look_for_changes(self, mark: str) -> None:
        """Leave the homes of kept rows when workers came or went: the next pass shares out all rows anew.

        After a pass, when the scheduler has just answered: one that is gone would be waited for.
        """
        if mark in self._homes and self._homes[mark][0] != self._addresses():
            self._leave_homes(mark)
            self._tell_workers(drop_rows, mark)

    def _leave_homes(self, mark: str) -> None:
        for home in self._homes.pop(mark, (frozenset(), []))[1]:
            home.release()

    def _addresses(self) -> frozenset[str]:
        """The workers there are; none where the scheduler is gone, which the next pass will say."""
        if self.client.status == "running":
            with contextlib.suppress(OSError, *LOST):
                return frozenset(self.client.nthreads())
        return frozenset()

    def _tell_workers(self, function: Callable[[str], None], mark: str) -> None:
        """Call a function on the workers that can be reached; what is lost needs no telling."""
        if self.client.status == "running":  # else it would wait for a scheduler that may be gone
            with contextlib.suppress(OSError, *LOST):
                self.client.run(function, mark)

    def call_each(
        self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], done: Done = ignore
    ) -> list[Any]:
        """Return ``function(*a)`` for each ``a``, as tasks."""
        calls = list(arguments)
        to = self._expect(done, len(calls))
        results: list[Any] = self._compute(lambda: calls_graph(function, calls, to, of=self._mark), ())[0][0]
        return results

    def _expect(self, done: Done, tasks: int, *, counts: bool = True) -> Address | None:
        with self._in_words("before a pass"):
            return self._returns.expect(done, tasks, counts=counts)

    def _compute(self, make_graph: Callable[[], Roots], jobs: Sequence[Job]) -> tuple[list[Any], list[Future]]:
        """Return the results of a graph and the futures of what stays; run again when workers died over it.

        Dask blames every task a dying worker had been given, so the one it names may be innocent; the one it names
        twice is not.
        """
        blamed: set[str] = set()
        while True:
            try:
                return self._result(make_graph())
            except KilledWorker as error:
                place = place_of(error.task, jobs)
                if place in blamed or len(blamed) + 1 == PASS_TRIES:
                    raise ClusterError(
                        f"{self.name}: workers died again and again while they worked on {place}, or on what they were "
                        f"given with it ({error}). Look at the workers' logs and their memory, then resume from the "
                        "last checkpoint"
                    ) from error
                blamed.add(place)
                self._returns.begin_again()
                log.warning("%s: workers died while they worked on %s; running the pass again", self.name, place)

    def _result(self, roots: Roots) -> tuple[list[Any], list[Future]]:
        futures: list[Future] = []
        with self._in_words("during a pass"):
            try:
                keys = [*roots.results, *roots.staying]
                futures = self.client.get(roots.graph, keys, sync=False, retries=TASK_RETRIES)
                coming = futures[: len(roots.results)]
                with self.client.as_current():
                    self._wait(coming)
                results = self.client.gather(coming)
                for future in coming:
                    future.release()
                return results, futures[len(coming) :]
            except BaseException:
                for future in futures:
                    future.release()
                raise

    def _workers(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.scheduler_info(n_workers=-1).get("workers", {})
        return found

    def _wait(self, futures: list[Future]) -> None:
        """Return when all `futures` are done; raise when there is no hope that they will be."""
        patience, looked_at = Patience(self.name, self.stall_timeout_s, self.standing), time.monotonic()
        while True:
            if self.client.status != "running":  # what is asked of it now would wait for its own, longer timeouts
                raise ConnectionError(f"the connection to the scheduler is {self.client.status}")
            try:
                wait(futures, timeout=LOOK_S if self._returns.expected else POLL_S)
                return
            except TimeoutError:
                self._returns.tell()
                if time.monotonic() - looked_at >= POLL_S:
                    patience.look(self._workers(), len(self._departures.untold), self._returns.count)
                    looked_at = time.monotonic()
