"""Passes in this process, on threads: no cluster, no scheduler, no copies."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psutil

from dnmf.memory import Machine
from dnmf.passes.allocator import can_give_back, give_back_freed, kept_when_freed
from dnmf.passes.blas import one_blas_thread
from dnmf.passes.executor import Done, Executor, Job, ignore
from dnmf.passes.over_columns import processors as _processors
from dnmf.passes.statistics import Statistics, sum_in_order
from dnmf.passes.visit import visit_group
from dnmf.passes.warm import Loadable, load_compiled_kernels
from dnmf.passes.work import Work
from dnmf.places import Sink
from dnmf.sources.source import Source


class InProcess(Executor):
    """Threads of this process; the kernels release the GIL.

    Parameters
    ----------
    threads : int, optional
        The processors this process may use by default. The result does not depend on it.
    """

    name = "in process"

    def __init__(self, threads: int | None = None):
        self.threads = threads or _processors()

    def machine(self, memory_bytes: int | None, kernels: Loadable) -> Machine:
        """This process: what it takes now, and what the machine has left.

        A limit is held against what the process takes with everything loaded; where none is given, loading what
        the work may not need would only cost time.
        """
        if memory_bytes:
            load_compiled_kernels(kernels)
            give_back_freed()  # what was done before may have left much
        base, freed = psutil.Process().memory_info().rss, kept_when_freed()
        limit = memory_bytes or base + freed + psutil.virtual_memory().available
        return Machine(self.threads, limit, base, starts=True, freed_bytes=freed, gives_back=can_give_back())

    def add_up(self, jobs: Sequence[Job], work: Work, targets: Sequence[Sink] = (), done: Done = ignore) -> Statistics:
        """Return the sum over all jobs."""
        with one_blas_thread():  # once, not for each task anew
            return sum_in_order(
                self._in_order(lambda job: visit_group(job.source, job.group, work, job.given, targets), jobs, done),
                own=True,
            )

    def call_each(
        self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], done: Done = ignore
    ) -> list[Any]:
        """Return ``function(*a)`` for each ``a``."""
        return list(self._in_order(lambda a: function(*a), list(arguments), done))

    def preflight(self, source: Source) -> None:
        """Nothing to do: the source was opened here."""

    def _in_order(self, function: Callable[[Any], Any], items: Sequence[Any], done: Done = ignore) -> Iterator[Any]:
        """Yield the results in order, and tell of each before."""
        with closing(self._results(function, items)) as results:  # also when `done` raises
            for number, result in enumerate(results):
                done(number)
                yield result

    def _results(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Generator[Any]:
        """Yield the results in order, with no more than twice as many started as there are threads."""
        if len(items) == 1 or self.threads == 1:
            yield from map(function, items)
            return
        with ThreadPoolExecutor(self.threads, thread_name_prefix="dnmf") as pool:
            running: deque[Future[Any]] = deque()
            try:
                for item in items:
                    running.append(pool.submit(function, item))
                    if len(running) >= 2 * self.threads:
                        yield running.popleft().result()
                while running:
                    yield running.popleft().result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
