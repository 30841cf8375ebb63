"""How a source is cut into panels and groups under a memory budget: pure arithmetic, no dask.

A *panel* is what is in memory at once, a *group* of neighbouring panels is one task. Both follow from the data,
the rank and, where that is tight, the memory and the threads of one worker, never from the number of workers: any
cluster adds the same numbers in the same order.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np

from dnmf.amounts import power_of_two_below
from dnmf.errors import BudgetError
from dnmf.giving_way import IN_PARTS, Pace, most_panels_ahead, slower_paces
from dnmf.memory import (
    ANY_START,
    BLOCK_BYTES,
    KEPT_SHARE,
    LEAST_PANEL_BYTES,
    MOST_SAMPLE_BYTES,
    PANEL_COPIES,
    ROOM_OF_OFFSETS,
    UNEQUAL_PARTS,
    USABLE_SHARE,
    Machine,
    MemoryNeed,
    Shape,
    border_bytes,
    least_panel,
    memory_need,
    sample_bytes,
)
from dnmf.sources.source import Layout
from dnmf.start_memory import with_start
from dnmf.too_large import too_large

MOST_PANEL_BYTES = 64 * 2**20
LEAST_GROUP_BYTES = 8 * 2**20
MOST_GROUP_BYTES = 256 * 2**20  # at a few hundred MB/s about a second, a thousand times what a task costs
GROUPS_WISHED = 32
MOST_GROUPS = 20_000
STATISTICS_SHARE = 16  # a group reads at least this many times what its statistics take
OBJECTS_IN_GROUP = 4  # the stored object at the border of two groups is decoded for both
MOST_W_CHUNK_BYTES = 16 * 2**20
LEAST_OF_BLOCK = 1 / 4  # below that, what a panel takes beside its rows is most of it
PANELS_IN_GROUP = 8  # the first is not read ahead, nor anything while the last is in work


@dataclass(frozen=True)
class Group:
    """The rows of one task and the panels it visits one after the other.

    Attributes
    ----------
    start, stop : int
        The rows.
    panels : tuple of (int, int)
        The rows of each panel.
    pace : Pace
        How it goes about them; no result depends on it.
    """

    start: int
    stop: int
    panels: tuple[tuple[int, int], ...]
    pace: Pace = field(compare=False, default=Pace())


@dataclass(frozen=True)
class Plan:
    """A source cut into groups of panels.

    Attributes
    ----------
    n_rows, n_columns : int
        Of the source.
    groups : tuple of Group
        In the order of rows; each is one task.
    panel_bytes, group_bytes : int
        The sizes that were aimed at; with `w_rows` they reproduce the cuts.
    w_rows : int
        Rows of a chunk of W; every group begins at a multiple of it, so a chunk has one writer.
    need : MemoryNeed
        Projected peak of a worker.
    sample_bytes, projected_rows : int
        How large the sample of a start may be, and how many rows it may keep of a projection (0: it makes none).
    gave_up : tuple of str
        What it does without, in words, to stay in the memory of a worker.
    in_parts : bool
        Whether panels begin and end inside stored objects, where these can be read in parts.
    gives_back : bool
        Whether freed memory has to go back to the system at once for `need` to be true.
    diagonal : bool
        Whether a pass folds no more than the diagonal of the curvature of a column, where each has its own.
    refining_rows : int
        How many rows stay in memory between passes, to refine H on; 0: none.
    """

    n_rows: int
    n_columns: int
    groups: tuple[Group, ...]
    panel_bytes: int
    group_bytes: int
    w_rows: int
    need: MemoryNeed = field(compare=False)
    sample_bytes: int = field(compare=False, default=MOST_SAMPLE_BYTES)
    projected_rows: int = field(compare=False, default=0)
    gave_up: tuple[str, ...] = field(compare=False, default=())
    in_parts: bool = False
    gives_back: bool = field(compare=False, default=False)
    diagonal: bool = False
    refining_rows: int = 0

    @property
    def n_panels(self) -> int:
        """Panels of a pass."""
        return sum(len(group.panels) for group in self.groups)

    def cuts_json(self) -> dict[str, Any]:
        """What a checkpoint keeps so that a resumed run cuts alike."""
        known = {"panel_bytes": self.panel_bytes, "group_bytes": self.group_bytes, "w_rows": self.w_rows}
        more = {
            "in_parts": self.in_parts, "diagonal": self.diagonal, "refining_rows": self.refining_rows,
            "projected_rows": self.projected_rows,
        }  # fmt: skip
        return known | {name: value for name, value in more.items() if value}


def make_plan(layout: Layout, shape: Shape, machine: Machine, cuts: dict[str, Any] | None = None) -> Plan:
    """Return how to cut a source so that a worker's peak stays under its memory.

    Parameters
    ----------
    layout : Layout
        Of the source.
    shape : Shape
        Sizes of the problem.
    machine : Machine
        One worker; the smallest where they differ.
    cuts : dict, optional
        :meth:`Plan.cuts_json` of an earlier plan, to cut exactly as it did.

    Raises
    ------
    BudgetError
        It cannot fit; the message has the numbers and what to try.
    """
    if cuts is not None:
        return _plan(layout, shape, machine, cuts, in_parts=cuts.get("in_parts", False))
    try:
        return _plan(layout, shape, machine, None, in_parts=False)
    except BudgetError:
        if layout.parts is None:
            raise
    return _plan(layout, shape, machine, None, in_parts=True)


def _plan(layout: Layout, shape: Shape, machine: Machine, cuts: dict[str, Any] | None, *, in_parts: bool) -> Plan:
    if cuts is None:
        share = 1 if shape.curvature else STATISTICS_SHARE  # rows take many times as long there
        group_bytes = _group_bytes(layout, shape.statistics_bytes, share)
        w_rows = _w_rows(layout, group_bytes, shape)
    else:
        group_bytes, w_rows = cuts["group_bytes"], cuts["w_rows"]
    layout = layout.cut_for(in_parts=in_parts)
    of_thread = _bytes_of_thread(layout, shape, machine, w_rows, group_bytes)
    panel_bytes = _panel_bytes(layout, group_bytes, of_thread) if cuts is None else cuts["panel_bytes"]
    groups = _cut_groups(layout, group_bytes, panel_bytes, w_rows)
    largest = _largest_panel(layout, groups)

    def need_at(pace: Pace, machine: Machine = machine) -> MemoryNeed:
        reading = pace.reading_bytes(layout, largest)
        need = memory_need(shape, machine, reading, w_rows, len(groups), at_once=pace.at_once)
        return with_start(need, pace, layout, shape, machine, largest=largest)

    can_read_ahead = layout.comes_with_task or any(len(group.panels) > 1 for group in groups)
    most_ahead = most_panels_ahead(layout, largest, of_thread) if can_read_ahead else 0
    wished = Pace(most_ahead, machine.threads, _beside_bytes(layout))
    paces = chain([wished], slower_paces(wished, layout, gives_back=machine.gives_back))
    pace, need = _first_that_fits(paces, need_at, int(USABLE_SHARE * machine.memory_bytes))
    if need.total > int(USABLE_SHARE * machine.memory_bytes):
        need_within = lambda limit: need_at(pace, replace(machine, memory_bytes=limit))  # noqa: E731
        raise too_large(need, layout, machine, largest, need_within)
    groups = tuple(replace(group, pace=pace) for group in groups)
    return Plan(
        layout.n_rows, shape.n_columns, groups, panel_bytes, group_bytes, w_rows, need, sample_bytes(machine),
        gave_up=(*pace.gave_up(wished), *((IN_PARTS,) if in_parts else ())), in_parts=in_parts,
        gives_back=pace.gives_back, refining_rows=shape.refining_rows,
    )  # fmt: skip


def _panel_bytes(layout: Layout, group_bytes: int, of_thread: int) -> int:
    """The size of panels that is aimed at: a part of a group, less where a thread cannot afford that.

    It is never tiny: what that would save is little, and what it costs is many times the work on the rows.
    """
    wished = min(MOST_PANEL_BYTES, max(group_bytes // PANELS_IN_GROUP, min(BLOCK_BYTES, group_bytes)))
    affordable = int(of_thread / (1 + layout.made)) // _copies(layout)
    least = max(least_panel(layout), LEAST_PANEL_BYTES)
    return max(power_of_two_below(min(wished, affordable)), min(least, wished))


def _copies(layout: Layout) -> int:
    """How many times a thread may have a panel in memory: one is read ahead, others are on their way."""
    return 2 if layout.in_place else PANEL_COPIES


def _largest_panel(layout: Layout, groups: tuple[Group, ...]) -> int:
    """The bytes of the largest panel; of the largest group, where all of that comes at once."""
    pieces = ((g.start, g.stop) for g in groups) if layout.panel_is_whole else (p for g in groups for p in g.panels)
    return max(_bytes_between(layout, *piece) for piece in pieces)


def _first_that_fits(
    paces: Iterable[Pace], need_at: Callable[[Pace], MemoryNeed], usable: int
) -> tuple[Pace, MemoryNeed]:
    """The fastest pace whose need is usable, and its need; the slowest where none is."""
    for pace in paces:
        need = need_at(pace)
        if need.total <= usable:
            break
    return pace, need


def _beside_bytes(layout: Layout) -> int:
    """What a thread holds beside its panels, no file looked at: in place what the layout says, else stored objects."""
    return layout.beside_bytes if layout.in_place else border_bytes(layout)


def _group_bytes(layout: Layout, statistics: int, share: int = STATISTICS_SHARE) -> int:
    total = layout.total_bytes
    if layout.panel_is_whole:  # all blocks of a task are in memory together: no more of them than must be
        return max(LEAST_GROUP_BYTES, total // MOST_GROUPS)
    wished = min(max(total // GROUPS_WISHED, LEAST_GROUP_BYTES), MOST_GROUP_BYTES)
    return max(wished, total // MOST_GROUPS, share * statistics, OBJECTS_IN_GROUP * border_bytes(layout))


def _w_rows(layout: Layout, group_bytes: int, shape: Shape) -> int:
    """Rows of a chunk of W: the row step doubled while two chunks still fit a group."""
    row_bytes = max(1.0, layout.total_bytes / layout.n_rows)
    rows = layout.row_step
    while (
        rows < layout.n_rows
        and 4 * rows * row_bytes <= group_bytes
        and 2 * rows * shape.rank * shape.itemsize <= MOST_W_CHUNK_BYTES
    ):
        rows *= 2
    return rows


def _bytes_between(layout: Layout, start: int, stop: int) -> int:
    low, high = np.searchsorted(layout.cuts, [start, stop])
    return int(layout.bytes_before[high] - layout.bytes_before[low])


def _advance(layout: Layout, at: int, target: int, last: int) -> int:
    """Index of the furthest cut whose rows from cut `at` on stay within `target` bytes, at least one step."""
    reach = int(np.searchsorted(layout.bytes_before, layout.bytes_before[at] + target, side="right")) - 1
    return min(max(reach, at + 1), last)


def _cut_groups(layout: Layout, group_bytes: int, panel_bytes: int, w_rows: int) -> tuple[Group, ...]:
    borders = np.unique(np.append(np.arange(0, layout.n_rows, w_rows, dtype=np.int64), layout.n_rows))
    at_cut = np.searchsorted(layout.cuts, borders)
    coarse = Layout(borders, layout.bytes_before[at_cut], w_rows)
    groups, at, last = [], 0, len(borders) - 1
    while at < last:
        stop = _advance(coarse, at, group_bytes, last)
        groups.append(_cut_group(layout, int(at_cut[at]), int(at_cut[stop]), panel_bytes))
        at = stop
    return tuple(groups)


def _cut_group(layout: Layout, first: int, last: int, panel_bytes: int) -> Group:
    panels, at = [], first
    while at < last:
        stop = at + 1 if layout.panel_is_whole else _end_of_panel(layout, at, last, panel_bytes)
        panels.append((int(layout.cuts[at]), int(layout.cuts[stop])))
        at = stop
    return Group(panels[0][0], panels[-1][1], tuple(panels))


def _end_of_panel(layout: Layout, at: int, last: int, panel_bytes: int) -> int:
    """Index of the cut that ends the panel from cut `at` on, so that those up to `last` are few and alike.

    A last one of a few rows would be over before anything is read while it is in work.
    """
    left = int(layout.bytes_before[last] - layout.bytes_before[at])
    if left <= panel_bytes:
        return last
    alike = int(layout.bytes_before[at]) + -(-left // -(-left // panel_bytes))
    reach = int(np.searchsorted(layout.bytes_before, alike))
    if layout.bytes_before[reach] > layout.bytes_before[at] + panel_bytes:
        reach -= 1
    return max(at + 1, reach)


def keeping(plan: Plan, layout: Layout, machine: Machine, processes: int) -> tuple[Plan, int]:
    """Return the plan with the data kept in memory between passes, and how many bytes of it each process may keep.

    Nothing (0) where the data does not fit in what the plan leaves of the memory of all processes, which take
    unequal parts of it. Where it fits, a process may take all the room there is: others may die.
    """
    spare = min(int(USABLE_SHARE * machine.memory_bytes) - plan.need.total, int(KEPT_SHARE * machine.memory_bytes))
    room = ROOM_OF_OFFSETS if processes == 1 else UNEQUAL_PARTS
    if int(room * layout.kept_bytes / processes) > spare:
        return plan, 0
    most = min(spare, int(ROOM_OF_OFFSETS * layout.kept_bytes))
    return replace(plan, need=replace(plan.need, kept=most)), most


def keeping_borders(plan: Plan, layout: Layout, machine: Machine) -> tuple[Plan, int]:
    """Return the plan with the stored objects kept that two tasks need, as many as there is room for, and their bytes.

    Rows of sparse data end anywhere inside a stored object; else every pass would decode those at the borders of its
    tasks twice.
    """
    shared = (len(plan.groups) - 1) * border_bytes(layout)
    spare = min(int(USABLE_SHARE * machine.memory_bytes) - plan.need.total, int(KEPT_SHARE * machine.memory_bytes))
    most = min(spare, shared)
    if most < border_bytes(layout) or not most:
        return plan, 0
    return replace(plan, need=replace(plan.need, kept=most)), most


def _bytes_of_thread(layout: Layout, shape: Shape, machine: Machine, w_rows: int, group_bytes: int) -> int:
    """What is left for the panels of a thread when everything else has its place.

    Any start counts here: how a fit begins shall not change how its data is cut. Before panels become smaller than
    what is worked on at a time, freed memory is given back; before they become tiny, one task works at a time.
    """
    n_groups = layout.total_bytes // max(1, group_bytes) + 1
    of_any_start = replace(shape, start=ANY_START)

    def left(at_once: int, *, gives_back: bool) -> int:
        pace = Pace(1, at_once, _beside_bytes(layout), gives_back)
        fixed = memory_need(shape, machine, pace.reading_bytes(layout, 0), w_rows, n_groups, at_once=at_once)
        need = with_start(fixed, pace, layout, of_any_start, machine)
        return max(0, int(USABLE_SHARE * machine.memory_bytes) - need.total) // at_once

    most, block = left(machine.threads, gives_back=False), _copies(layout) * BLOCK_BYTES
    if most < block and machine.starts and machine.gives_back:  # where the start counts in `left`, and what it freed
        most = max(most, min(block, left(machine.threads, gives_back=True)))
        if most < block * LEAST_OF_BLOCK:
            most = max(most, min(block, left(1, gives_back=True)))
    return most
