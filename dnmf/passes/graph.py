"""The tasks of a pass and what they wait for: a visit for each group of panels, a fixed tree of sums above them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from dnmf.passes.column_graph import sums_by_columns, tree_of_sums
from dnmf.passes.executor import Job
from dnmf.passes.returns import Address
from dnmf.passes.statistics import Statistics
from dnmf.passes.tasks import Ref, Tasks, listed
from dnmf.passes.visit import visit_group
from dnmf.passes.work import Work
from dnmf.places import Sink
from dnmf.plan import Group
from dnmf.sources.kept import KEPT, KeptSource
from dnmf.sources.rows import Rows
from dnmf.sources.source import Source

VISIT = "dnmf-visit"
LEAST_HOME_BYTES = 8 * 2**20  # less would move for a worker that is free a moment sooner


class Home:
    """A mark of the rows of a group that a worker keeps: small where it travels, as large as the rows to dask.

    Whatever depends on it is sent to the worker that has it, unless that one is far busier than others.
    """

    def __init__(self, nbytes: int):
        self.nbytes = nbytes

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.nbytes


class Roots(NamedTuple):
    """A graph, and the keys it is made for: of results that come to this process, and of others that stay."""

    graph: Any
    results: list[Any]
    staying: list[Any]


def pass_graph(
    jobs: Sequence[Job], work: Work, targets: Sequence[Sink] = (), homes: Sequence[Any] = (), to: Address | None = None,
    *, cuts: Sequence[slice] = (), keeps: bool = False, of: str = "",
) -> Roots:  # fmt: skip
    """Return the graph of the sum over `jobs`; each visit goes to its home, where the keys of these are given.

    The fixed factors are one node: they travel to each worker once. With `cuts` of the columns P stays where it is,
    and what comes of each cut is a result of its own. The homes of rows that are kept (`keeps`) stay. Marks begin with
    `of`, as in the other graphs.
    """
    tasks = Tasks(of)
    visits = _visits(tasks, jobs, work, targets, homes=homes, to=to)
    ahead = work.ahead if cuts else None
    results = [tree_of_sums(tasks, visits)] if ahead is None else sums_by_columns(tasks, visits, ahead, cuts)
    staying = _homes(tasks, visits, jobs) if keeps else []
    return Roots(tasks.graph(), [each.key for each in results], [each.key for each in staying])


def _homes(tasks: Tasks, visits: Sequence[Ref], jobs: Sequence[Job]) -> list[Ref]:
    return [
        tasks.call(f"dnmf-home-{number}-{tasks.mark}", _home, visit, job.source, job.group)
        for number, (visit, job) in enumerate(zip(visits, jobs, strict=True))
    ]


def calls_graph(
    function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], to: Address | None = None, *, of: str = ""
) -> Roots:
    """Return the graph of the list of the results of all calls."""
    tasks = Tasks(of)
    called = [
        tasks.call(f"dnmf-call-{number}-{tasks.mark}", call_on_worker, function, to, number, *arguments)
        for number, arguments in enumerate(calls)
    ]
    return Roots(tasks.graph(), [tasks.call(f"dnmf-calls-0-{tasks.mark}", listed, *called).key], [])


def reads_graph(parts: Sequence[tuple[Any, int, int]], *, of: str = "") -> Roots:
    """Return the graph of the list of rows `start:stop` of each (source of dask blocks, start, stop)."""
    tasks = Tasks(of)
    read = [
        tasks.call(
            f"dnmf-read-{number}-{tasks.mark}",
            read_on_worker,
            source.with_blocks([]),
            tasks.blocks(source.blocks()),
            *span,
        )
        for number, (source, *span) in enumerate(parts)
    ]
    return Roots(tasks.graph(), [tasks.call(f"dnmf-reads-0-{tasks.mark}", listed, *read).key], [])


def call_on_worker(function: Callable[..., Any], to: Address | None, number: int, *arguments: Any) -> Any:
    """Return ``function(*arguments)``, and say that the call is done."""
    result = function(*arguments)
    if to is not None:
        to.say(number)
    return result


def place_of(key: Any, jobs: Sequence[Job]) -> str:
    """Return what a task works on, in words: the rows of the data where its name tells."""
    name, _, rest = str(key).rpartition(f"{VISIT}-")
    if name or not rest.split("-")[0].isdigit() or not jobs:
        return f"the task {key}"
    job = jobs[int(rest.split("-")[0])]
    return f"rows {job.group.start}:{job.group.stop} of {job.source.address}"


def visit_on_worker(source: Source, blocks: list[Any], group: Group, work: Work, **where: Any) -> Statistics:
    """Return the statistics of a group; `blocks` are the dask blocks the scheduler computed for it, if any."""
    where.pop("home", None)  # it has done its work by lying here
    to, number = where.pop("to", None), where.pop("number", 0)
    if blocks:
        source = source.with_blocks(blocks)  # type: ignore[attr-defined]
    found = visit_group(source, group, work, **where)
    if to is not None:
        to.say(number)
    return found


def read_on_worker(source: Source, blocks: list[Any], start: int, stop: int) -> Rows:
    """Return rows `start:stop` of the dask blocks the scheduler computed."""
    return source.with_blocks(blocks).read(start, stop)  # type: ignore[attr-defined]


def _home(_visited: Statistics, source: KeptSource, group: Group) -> Home:
    """The home of a group: this worker, where it was visited just now."""
    kept = KEPT.bytes_kept(source.keep.mark, group.start, group.stop)
    return Home(max(kept, LEAST_HOME_BYTES) if kept else 0)


def _visits(
    tasks: Tasks, jobs: Sequence[Job], work: Work, targets: Sequence[Sink], *, homes: Sequence[Any], to: Address | None
) -> list[Ref]:
    """The statistics of each job.

    The names matter: dask groups tasks by what comes before the first number, and gives a worker no more tasks of
    a large group than it can run, which spreads them evenly and exposes few of them to its death.
    """
    visits = []
    shared = tasks.value(f"dnmf-work-0-{tasks.mark}", replace(work, ahead=None))
    for number, job in enumerate(jobs):
        blocks = job.source.blocks()
        source = job.source.with_blocks([]) if blocks else job.source  # type: ignore[attr-defined]
        where: dict[str, Any] = {"given": job.given, "targets": tuple(targets)}
        if homes:
            where["home"] = Ref(homes[number])
        if to is not None:
            where |= {"to": to, "number": number}
        key, computed = f"{VISIT}-{number}-{tasks.mark}", tasks.blocks(blocks) if blocks else []
        visits.append(tasks.call(key, visit_on_worker, source, computed, job.group, shared, reads=not homes, **where))
    return visits
