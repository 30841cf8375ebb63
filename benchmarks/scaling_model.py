"""A model of what a pass costs on many nodes; the number of tasks is that of :func:`dnmf.plan.make_plan`.

    T = start + max(storage, cpu, scheduler, exchange) + spread + tail + update

``docs/scaling.md`` says what the terms are.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from benchmarks.scaling_given import GB, WORKER, Cluster, Constants, Matrix
from dnmf.memory import FAN_IN, Shape
from dnmf.passes.column_graph import LONG, MOST_CUTS, whole_levels
from dnmf.passes.over_columns import cut_columns
from dnmf.passes.statistics import tree_levels
from dnmf.plan import Plan, make_plan

COPIES_AT_A_TIME = 10  # distributed.worker.connections.incoming: a worker serves so many others at once
ASK_AGAIN_S = 0.15  # a worker that was refused waits so long (distributed.Worker.retry_busy_worker_later)
OVERLAPPING = ("storage", "cpu", "scheduler", "exchange")
ONE_AFTER_ANOTHER = ("start", "spread", "tail", "update")


@dataclass(frozen=True)
class PassCost:
    """The terms of a pass in seconds, and what follows from them.

    Attributes
    ----------
    groups : int
        Visits.
    group_gb : float
        Decoded size of one, on average.
    storage, cpu, scheduler, exchange : float
        What goes on at the same time: reading, computing, handing out tasks, sending statistics to be added.
    start, spread, tail, update : float
        What comes one after another: the graph, H on its way to the workers, the last additions, the next H.
    """

    groups: int
    group_gb: float
    storage: float
    cpu: float
    scheduler: float
    exchange: float
    start: float
    spread: float
    tail: float
    update: float

    @property
    def seconds(self) -> float:
        """Of the pass."""
        return max(getattr(self, name) for name in OVERLAPPING) + sum(getattr(self, name) for name in ONE_AFTER_ANOTHER)

    @property
    def decided_by(self) -> str:
        """The largest term."""
        return max(OVERLAPPING + ONE_AFTER_ANOTHER, key=lambda name: getattr(self, name))


@dataclass(frozen=True)
class Changed:
    """What the engine does not do, to see what it would give.

    Attributes
    ----------
    group_bytes : int or None
        Groups of this size instead of the plan's.
    sums_stay : bool
        Each worker adds up its own visits; one set of sums leaves it. (The bits would depend on who visited what.)
    graph_ahead : bool
        The graph is built, sent and taken in while the pass before it runs.
    in_client : bool
        All sums come to the client, which solves for H, also where H is long.
    """

    group_bytes: int | None = None
    sums_stay: bool = False
    graph_ahead: bool = False
    in_client: bool = False


AS_IT_IS = Changed()


@lru_cache
def plan_of(matrix: Matrix, rank: int, group_bytes: int | None = None, memory_bytes: int = WORKER.memory_bytes) -> Plan:
    """Return the engine's own plan, or the one it makes when told how large a group shall be."""
    shape, worker = Shape(matrix.columns, rank, 4), replace(WORKER, memory_bytes=memory_bytes)
    plan = make_plan(matrix.layout(), shape, worker)
    if group_bytes is None:
        return plan
    return make_plan(matrix.layout(), shape, worker, {**plan.cuts_json(), "group_bytes": group_bytes})


def pass_cost(matrix: Matrix, rank: int, cluster: Cluster, constants: Constants,
              changed: Changed = AS_IT_IS) -> PassCost:  # fmt: skip
    """Return what one pass over a matrix costs.

    Parameters
    ----------
    matrix : Matrix
        The data.
    rank : int
        Components.
    cluster : Cluster
        Where it runs.
    constants : Constants
        What was measured.
    changed : Changed
        What would be different.
    """
    nodes = cluster.nodes
    groups = len(plan_of(matrix, rank, changed.group_bytes, cluster.memory_bytes).groups)
    group_gb = matrix.total_gb / groups
    travelling = min(nodes, groups) if changed.sums_stay else groups  # sets of sums that leave a worker
    cuts = 0 if changed.in_client else column_cuts(rank, matrix.columns, cluster)
    whole = whole_levels(travelling, cuts)
    tasks = groups + (tasks_by_columns(travelling, whole, cuts) if cuts else additions(travelling))
    sums_gb, h_gb = 8 * matrix.columns * rank / GB, 4 * matrix.columns * rank / GB
    of_whole, shares = levels(travelling) if not cuts else whole, min(cuts, nodes) or 1
    return PassCost(
        groups, group_gb,
        storage=_storage(groups, group_gb * constants.stored[matrix.kind][matrix.codec], cluster),
        cpu=_cpu(groups, group_gb, sums_gb, cluster, _CpuOf.a_gb(matrix, rank, constants)),
        scheduler=(constants.run_s + constants.run_s_per_worker * nodes) * tasks,
        exchange=(travelling - 1) * sums_gb / (nodes * cluster.network_gb_s) if nodes > 1 else 0.0,
        start=0.0 if changed.graph_ahead else constants.start_s * tasks,
        spread=_spread(h_gb, cluster) + (h_gb / cluster.network_gb_s if cuts else 0.0),  # parts of H, to start from
        tail=_tail(of_whole, sums_gb, cluster, constants)
        + _tail(levels(travelling) - of_whole, sums_gb / shares, cluster, constants)
        + 2 * (h_gb if cuts else sums_gb) / cluster.network_gb_s,  # by way of the scheduler
        update=constants.update_s * matrix.columns * rank**2 / shares,
    )  # fmt: skip


def column_cuts(rank: int, columns: int, cluster: Cluster) -> int:
    """Return of how many parts of the columns sums are added up, and solved for, by themselves; 0: not by parts."""
    if cluster.nodes == 1 or rank * columns < LONG:
        return 0
    return min(MOST_CUTS, cluster.slots, len(cut_columns(rank, columns)))


def tasks_by_columns(visits: int, whole: int, cuts: int) -> int:
    """Return the tasks that add and solve: of whole sums on so many levels of the tree, then of parts of columns."""
    left = visits
    for _ in range(whole):
        left = -(-left // FAN_IN)
    return additions(visits) - additions(left) + (cuts + 1) * (left + additions(left)) + cuts


def _tail(levels: int, sums_gb: float, cluster: Cluster, constants: Constants) -> float:
    """So many additions of sums of this size, one after the other."""
    return levels * (
        constants.level_s + (FAN_IN - 1) * sums_gb * (1 / cluster.network_gb_s + constants.add_s)
    )  # fmt: skip


def additions(visits: int) -> int:
    """Return the tasks of a pass that add."""
    return sum(len(node) > 1 for level in tree_levels(visits) for node in level)


def levels(visits: int) -> int:
    """Return how many additions the sums of a visit go through."""
    return len(list(tree_levels(visits)))


def _storage(groups: int, group_gb: float, cluster: Cluster) -> float:
    """The busiest node's reading, or what the store gives all of them."""
    busiest = math.ceil(groups / cluster.nodes) * group_gb / cluster.store_gb_s
    return max(busiest, groups * group_gb / cluster.shared_gb_s)


@dataclass(frozen=True)
class _CpuOf:
    """CPU seconds of a GB: decoding and computing of data, adding and sending of statistics."""

    decode: float
    compute: float
    add: float

    @classmethod
    def a_gb(cls, matrix: Matrix, rank: int, constants: Constants) -> "_CpuOf":
        """For this matrix."""
        return cls(constants.decode[matrix.kind][matrix.codec], constants.compute_s(matrix.kind, rank),
                   constants.add_s + constants.wire_s)  # fmt: skip


def _cpu(groups: int, group_gb: float, sums_gb: float, cluster: Cluster, of: _CpuOf) -> float:
    """All the work on all the cores, or, where cores are many, the longest chain of visits on one thread.

    A visit reads ahead: with cores to spare it takes the longer of decoding and computing, not their sum.
    """
    work = groups * (group_gb * (of.decode + of.compute) + sums_gb * of.add)
    return max(work / cluster.slots, rounds(groups, cluster.slots) * group_gb * max(of.decode, of.compute))


def rounds(visits: int, slots: int) -> int:
    """Return how many visits the busiest thread works through.

    Dask gives a worker a tenth more tasks than it has threads, so that the last ones wait while others have none.
    """
    return 1 if visits <= slots else math.ceil(visits / slots) + 1


def _spread(h_gb: float, cluster: Cluster) -> float:
    """H from the client to the scheduler and the first worker, then from those that have it to those that ask."""
    first = 2 * h_gb / cluster.network_gb_s
    if cluster.nodes == 1:
        return first
    rounds = math.ceil(math.log(cluster.nodes, 1 + COPIES_AT_A_TIME))
    copies = min(COPIES_AT_A_TIME, cluster.nodes - 1)
    return first + rounds * copies * h_gb / cluster.network_gb_s + (rounds - 1) * ASK_AGAIN_S


def bend(matrix: Matrix, rank: int, constants: Constants, most: int = 4096) -> tuple[int, PassCost]:
    """Return the first number of nodes (a power of two) that twice as many do not speed up 1.5 times, and its cost."""
    nodes = 1
    while nodes < most:
        one, two = (pass_cost(matrix, rank, Cluster(n), constants) for n in (nodes, 2 * nodes))
        if one.seconds < 1.5 * two.seconds:
            break
        nodes *= 2
    return nodes, pass_cost(matrix, rank, Cluster(nodes), constants)
