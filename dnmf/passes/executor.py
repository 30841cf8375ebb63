"""Where a pass runs: one interface for threads in this process and for a dask cluster."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnmf.errors import ClusterError, InputError
from dnmf.memory import Machine
from dnmf.passes.allocator import GIVING_BACK, keep_freed
from dnmf.passes.check import nothing_observed
from dnmf.passes.losses import NOTHING, Losses
from dnmf.passes.statistics import Statistics
from dnmf.passes.warm import Loadable
from dnmf.passes.work import SQUARES, Work
from dnmf.places import Place, Sink
from dnmf.plan import Group, Plan
from dnmf.sources.kept import KEPT, Keep, KeptSource
from dnmf.sources.rows import Rows
from dnmf.sources.source import Source

Done = Callable[[int], None]


Standing = Callable[[int, float, float], None]


def ignore(what: int) -> None:
    """Take no note of a task that is done, of rows that are back, or of workers that compile."""


def unheard(workers: int, seconds: float, limit_s: float) -> None:
    """Take no note of a pass that stands still."""


@dataclass(frozen=True)
class Job:
    """One task of a pass: a part of the source, its group, and what is particular to it."""

    source: Source
    group: Group
    given: np.ndarray | None = None


class Executor(ABC):
    """Runs the tasks of a pass and adds their statistics in the fixed order.

    Attributes
    ----------
    name : str
        For messages.
    remote : bool
        Whether results have to travel to this process.
    standing : callable
        Called, in the thread that waits, while no worker can move a pass: with how many are left (paused, all of
        them), for how many seconds it has been so, and after how many the pass is given up. It may raise.
    compiling : callable
        Called with how many workers have kernels to compile, before they do; not where they are those of this process.
    client : distributed.Client or None
        Through which the passes go, where there is one.
    lost : Losses
        What was lost and made good in all passes since somebody took note of it.
    """

    name: str
    remote: bool = False
    standing: Standing = staticmethod(unheard)
    compiling: Done = staticmethod(ignore)
    client: Any = None
    lost: Losses = NOTHING

    @abstractmethod
    def machine(self, memory_bytes: int | None, kernels: Loadable) -> Machine:
        """What one worker offers, with the process' base memory measured.

        Parameters
        ----------
        memory_bytes : int or None
            A limit that replaces the worker's own.
        kernels : Loadable
            What is loaded before the measurement.
        """

    @abstractmethod
    def add_up(self, jobs: Sequence[Job], work: Work, targets: Sequence[Sink] = (), done: Done = ignore) -> Statistics:
        """Return the sum of the statistics of all jobs, associated as a binary tree over their order.

        `done` is called in this thread with the number of each job, once, soon after it is done.
        """

    @abstractmethod
    def call_each(
        self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], done: Done = ignore
    ) -> list[Any]:
        """Return ``function(*a)`` for each ``a``, in order; `done` as in :meth:`add_up`."""

    def read(self, parts: Sequence[tuple[Source, int, int]]) -> list[Rows]:
        """Return the rows `start:stop` of each (source, start, stop) in this process."""
        return [source.read(start, stop) for source, start, stop in parts]

    def count_processes(self) -> int:
        """How many processes share the work, each with a memory of its own."""
        return 1

    def giving_back(self, plan: Plan) -> AbstractContextManager[None]:
        """Give freed memory of this process back at once, or keep it, as the plan counts on where passes run in it.

        That is for what lies between tasks, the start above all: each task sees to what it frees itself.
        """
        if not (plan.gives_back or self.remote):
            keep_freed()
        return GIVING_BACK.during(wanted=plan.gives_back and not self.remote)

    def forget(self, mark: str) -> None:
        """Let every process let go of the rows it keeps under a mark."""
        KEPT.forget(mark)

    def close(self) -> None:  # noqa: B027  most have nothing to let go of
        """Let go of what the executor opened itself."""

    @abstractmethod
    def preflight(self, source: Source) -> None:
        """Make sure that every worker can open the source.

        Raises
        ------
        ClusterError
            A worker cannot; the message names it.
        """

    def check_store(self, store: Place) -> None:  # noqa: B027  in this process it was looked at already
        """Make sure that every worker can write W into a store, before anything is computed.

        Raises
        ------
        ClusterError
            A worker cannot; the message names it.
        """


def run_pass(
    executor: Executor, source: Source, plan: Plan, work: Work, *, given: np.ndarray | None = None,
    targets: Sequence[Sink] = (), keep: Keep | None = None, rows_back: Done = ignore,
) -> Statistics:  # fmt: skip
    """Visit every panel of `source` once and return the sums over all rows.

    Parameters
    ----------
    executor : Executor
        Where to run.
    source : Source
        The data.
    plan : Plan
        How it is cut.
    work : Work
        What to do with the rows.
    given : ndarray (m, k), optional
        Rows of W to use as they are.
    targets : sequence of str or Place
        Where the rows of W of each model go: the path of a Zarr array, or ``""`` for memory. Empty: nowhere.
    keep : Keep, optional
        Lets the processes keep the rows they read, and take them from there in the next pass.
    rows_back : callable
        Called with the number of rows of each task that is back.

    Raises
    ------
    InputError
        The data cannot be read or used.
    NothingObservedError
        A pass that checks found no entry that was observed.
    ClusterError
        The workers were lost, or the rows that came back are not the rows that were sent for.
    """
    jobs = [Job(_part(source, g, keep), g, None if given is None else given[g.start : g.stop]) for g in plan.groups]
    statistics = executor.add_up(jobs, work, targets, in_rows(plan.groups, rows_back))
    executor.lost = executor.lost.beside(statistics.lost)
    if statistics.rows != plan.n_rows:
        raise ClusterError(
            f"a pass over {plan.n_rows} rows of {source.address} added up {statistics.rows}: a panel was lost or "
            "counted twice. The last checkpoint is not affected"
        )
    if work.check and source.has_missing and not (work.sample or statistics.observed):
        raise nothing_observed(source)
    if work.check and work.columns is None and 0 < statistics.squares < SQUARES[work.dtype][0]:
        raise InputError(
            f"{source.address}: the squares of its values add up to {statistics.squares:.3g}, so small that products "
            f"in {work.dtype} vanish; rescale the values"
        )
    return statistics


def in_rows(groups: Sequence[Group], rows_back: Done) -> Done:
    """Return what is to be called with the numbers of groups that are done, for one who counts rows."""
    if rows_back is ignore:
        return ignore
    return lambda number: rows_back(groups[number].stop - groups[number].start)


def _part(source: Source, group: Group, keep: Keep | None) -> Source:
    part = source.for_rows(group.start, group.stop)
    if keep is None:
        return part
    if keep.borders:
        return part.keeping_borders(keep)  # type: ignore[attr-defined]
    return part.keeping_rows(keep) if hasattr(part, "keeping_rows") else KeptSource(part, keep)
