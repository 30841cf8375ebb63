"""The tasks that add up P block of columns after block, each with a tree of its own, and go on where it then lies.

A reduce-scatter: no worker, and not the process of the fit, has all of P. Its bits are those of whole sums, whose every
number is added up alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from dnmf.arithmetic import undisturbed
from dnmf.memory import FAN_IN
from dnmf.passes.ahead import Ahead
from dnmf.passes.blas import one_blas_thread
from dnmf.passes.over_columns import blocks_of
from dnmf.passes.statistics import Statistics, add, sum_in_order, tree_levels
from dnmf.passes.tasks import Ref, Tasks

LONG = 2**24  # numbers of an H that is worth it: sums of 128 MiB
FEWEST_HOSTS = 2  # of the workers: where there is one, what this process does is done on the same processors
MOST_CUTS = 16  # of the columns: with more of them tasks cost what they save
MOST_PARTS = 1024  # tasks that take columns out of sums: the scheduler is what a pass waits for where there are more


def is_long(ahead: Ahead) -> bool:
    """Whether its columns may be worth it."""
    return ahead.shape[0] * ahead.shape[1] >= LONG


def cut_for(ahead: Ahead, threads: Mapping[str, int]) -> list[slice]:
    """Return the columns each of which are added up, and gone on with, by themselves; none where that is not worth it.

    How many there are changes no bit: they are made of the blocks that H is always worked on in.

    Parameters
    ----------
    ahead : Ahead
        What can be made of them.
    threads : mapping
        Of each worker, by its address.
    """
    hosts = {urlsplit(address).hostname for address in threads}
    if not is_long(ahead) or len(hosts) < FEWEST_HOSTS:
        return []
    blocks = blocks_of(*ahead.shape)
    some = np.array_split(np.arange(len(blocks)), min(MOST_CUTS, sum(threads.values()), len(blocks)))
    return [slice(blocks[each[0]].start, blocks[each[-1]].stop) for each in some]


def whole_levels(visits: int, cuts: int) -> int:
    """Return on how many levels of the tree whole sums are added up, so that not too many are cut.

    Examples
    --------
    >>> whole_levels(64, 16), whole_levels(65, 16), whole_levels(2000, 16)
    (0, 1, 3)
    """
    levels = 0
    while visits > 1 and visits * cuts > MOST_PARTS:
        visits, levels = -(-visits // FAN_IN), levels + 1
    return levels


def sums_by_columns(tasks: Tasks, visits: Sequence[Ref], ahead: Ahead, cuts: Sequence[slice]) -> list[Ref]:
    """Add the sum of statistics without P, and what comes of it and of P for each cut; return these in this order.

    Where there are many visits, whole sums are added up on the first levels of the tree.
    """
    nodes = list(visits)
    for level in range(whole_levels(len(nodes), len(cuts))):
        nodes = _level(tasks, nodes, add, f"dnmf-add-{level}")
    bare = [tasks.call(f"dnmf-bare-{place}-{tasks.mark}", _but_for_columns, node) for place, node in enumerate(nodes)]
    rest = _tree(tasks, bare, add, "dnmf-rest")
    found = [rest]
    for number, cut in enumerate(cuts):
        parts = [
            tasks.call(f"dnmf-columns-{number}-{place}-{tasks.mark}", _columns, node, cut.start, cut.stop)
            for place, node in enumerate(nodes)
        ]
        P = _tree(tasks, parts, _add_columns, f"dnmf-add-columns-{number}")
        part = tasks.value(f"dnmf-ahead-{number}-{tasks.mark}", ahead.part(cut))
        found.append(tasks.call(f"dnmf-solve-{number}-{tasks.mark}", _of_columns, P, rest, part))
    return found


def tree_of_sums(tasks: Tasks, nodes: Sequence[Ref]) -> Ref:
    """Add the sum of statistics, associated as a binary tree over their order, and return it."""
    return _tree(tasks, nodes, add, "dnmf-add")


def _tree(tasks: Tasks, nodes: Sequence[Ref], plus: Any, name: str) -> Ref:
    nodes, depth = list(nodes), 0
    while len(nodes) > 1:
        nodes = _level(tasks, nodes, plus, f"{name}-{depth}")
        depth += 1
    return nodes[0]


def _level(tasks: Tasks, nodes: Sequence[Ref], plus: Any, name: str) -> list[Ref]:
    """The nodes of the next level of the tree."""
    return [
        nodes[some[0]]
        if len(some) == 1
        else tasks.call(f"{name}-{place}-{tasks.mark}", plus, *(nodes[i] for i in some))
        for place, some in enumerate(next(tree_levels(len(nodes))))
    ]


def _columns(statistics: Statistics, start: int, stop: int) -> np.ndarray:
    """Some columns' part of P (columns, k): no copy."""
    P: np.ndarray = statistics.models[0].P[start:stop]
    return P


def _but_for_columns(statistics: Statistics) -> Statistics:
    """All but P."""
    return replace(statistics, models=[replace(sums, P=sums.P[:0].copy()) for sums in statistics.models])


def _add_columns(*parts: np.ndarray) -> np.ndarray:
    """The sum of neighbours in the tree, as of whole statistics."""
    return sum_in_order(parts)


@undisturbed
def _of_columns(P: np.ndarray, statistics: Statistics, ahead: Ahead) -> Any:
    with one_blas_thread():
        return ahead.of(replace(statistics.models[0], P=P))
