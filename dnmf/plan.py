"""How a source is cut into panels and groups under a memory budget: pure arithmetic, no dask.

A *panel* is what is in memory at once, a *group* of neighbouring panels is one task. Both follow from the data,
the rank and, where that is tight, the memory and the threads of one worker, never from the number of workers: any
cluster adds the same numbers in the same order.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dnmf.errors import BudgetError
from dnmf.kernels.padding import padded
from dnmf.options import format_bytes
from dnmf.sources.source import Layout

MOST_PANEL_BYTES = 64 * 2**20
LEAST_GROUP_BYTES = 8 * 2**20
MOST_GROUP_BYTES = 256 * 2**20  # at a few hundred MB/s about a second, a thousand times what a task costs
GROUPS_WISHED = 32
MOST_GROUPS = 20_000
STATISTICS_SHARE = 16  # a group reads at least this many times what its statistics take
OBJECTS_IN_GROUP = 4  # the stored object at the border of two groups is decoded for both
MOST_W_CHUNK_BYTES = 16 * 2**20
PANELS_IN_GROUP = 8  # the first is not read ahead, nor anything while the last is in work
IN_PLACE_COPIES = 2  # the panel in work and the one read ahead, where chunks are decoded straight into it
PANEL_COPIES = 4  # the panel in work, the one read ahead, its compressed bytes, a decoded chunk on its way
ROOM_OF_OFFSETS = 1.05  # times the data, for what comes with it: the offsets of sparse rows
UNEQUAL_PARTS = 1.25  # times the equal part of the data is room enough for the part of one worker
USABLE_SHARE = 0.7  # of the memory limit: from there on dask spills
KEPT_SHARE = 0.5  # at most for kept data: dask knows of it, and from 0.6 on would move results to disk to make room
BLOCK_BYTES = 4 * 2**20
MOST_BLOCK_ROWS = 2048
ROWS_OF_FACTORS = 8  # right-hand sides, starts, solutions and copies of them, for every row of a block
MOST_SAMPLE_BYTES = 128 * 2**20
SAMPLE_SHARE = 32  # the sample of a start takes at most so small a part of a worker's memory
MOST_STARTS = 8
BYTES_OF_START = 8 * 5  # of each number of H, for every start alive: its state and the sums of a pass
ALLOWANCE_BYTES = 24 * 2**20  # stacks of the reading threads, decompressors, what the allocator keeps of freed memory


@dataclass(frozen=True)
class Machine:
    """What one worker offers.

    Attributes
    ----------
    threads : int
        Tasks it runs at once.
    memory_bytes : int
        Its memory limit.
    base_bytes : int
        What the process takes before it has read anything, measured with everything imported.
    starts : bool
        Whether the start is computed in the same process as the passes.
    """

    threads: int
    memory_bytes: int
    base_bytes: int
    starts: bool = False


@dataclass(frozen=True)
class Group:
    """The rows of one task, and the panels it visits one after the other."""

    start: int
    stop: int
    panels: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Shape:
    """The sizes that decide how much a pass holds besides its panels.

    Attributes
    ----------
    n_columns, rank : int
        n and k.
    itemsize : int
        Bytes of a number in the computation, 4 or 8.
    models : int
        How many models one pass serves; a projection counts as so many as it has directions for a component.
    kept_rows : int
        Rows of W that stay in this process' memory at the end; 0 when W goes to disk.
    """

    n_columns: int
    rank: int
    itemsize: int
    models: int = 1
    kept_rows: int = 0

    @property
    def running_bytes(self) -> int:
        """Of the sums of a task while rows come in: padded, in the dtype of the computation and in float64."""
        return (8 + self.itemsize) * self.models * padded(self.rank) * self.n_columns

    @property
    def statistics_bytes(self) -> int:
        """Of one set of sums: G, P and s in float64 for every model."""
        return 8 * self.models * self.rank * (self.n_columns + self.rank + 1)


@dataclass(frozen=True)
class MemoryNeed:
    """The projected peak of one worker, as a sum anyone can read (bytes)."""

    base: int
    panels: int
    workspace: int
    statistics: int
    factors: int
    start: int = 0
    kept: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.base + self.panels + self.workspace + self.statistics + self.factors + self.start + self.kept

    def __str__(self) -> str:
        return (
            f"{format_bytes(self.total)} = {format_bytes(self.base)} process + {format_bytes(self.panels)} panels"
            f" + {format_bytes(self.workspace)} workspace + {format_bytes(self.statistics)} statistics"
            f" + {format_bytes(self.factors)} factors"
            + (f" + {format_bytes(self.start)} start" if self.start else "")
            + (f" + {format_bytes(self.kept)} kept data" if self.kept else "")
        )


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

    @property
    def n_panels(self) -> int:
        """Panels of a pass."""
        return sum(len(group.panels) for group in self.groups)

    def cuts_json(self) -> dict[str, Any]:
        """What a checkpoint keeps so that a resumed run cuts alike."""
        return {"panel_bytes": self.panel_bytes, "group_bytes": self.group_bytes, "w_rows": self.w_rows}


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
    if cuts is None:
        group_bytes = _group_bytes(layout, shape.statistics_bytes)
        w_rows = _w_rows(layout, group_bytes, shape)
        panel_bytes = min(MOST_PANEL_BYTES, max(group_bytes // PANELS_IN_GROUP, min(BLOCK_BYTES, group_bytes)))
    else:
        panel_bytes, group_bytes, w_rows = cuts["panel_bytes"], cuts["group_bytes"], cuts["w_rows"]
    spare = _spare_bytes(layout, shape, machine, w_rows, group_bytes)
    least = _least_panel(layout)
    copies = IN_PLACE_COPIES if layout.in_place else PANEL_COPIES
    affordable = max(0, spare) // (copies * machine.threads)
    if cuts is None:
        panel_bytes = max(_rounded_down(min(panel_bytes, affordable)), min(least, panel_bytes))
    groups = _cut_groups(layout, group_bytes, panel_bytes, w_rows)
    pieces = ((g.start, g.stop) for g in groups) if layout.panel_is_whole else (p for g in groups for p in g.panels)
    largest = max(_bytes_between(layout, *piece) for piece in pieces)
    need = _memory_need(shape, machine, _reading_bytes(layout, largest), w_rows, len(groups))
    need = replace(need, start=_start_bytes(layout, shape, machine))
    plan = Plan(layout.n_rows, shape.n_columns, groups, panel_bytes, group_bytes, w_rows, need, sample_bytes(machine))
    _refuse_if_too_large(plan, layout, machine, largest)
    return plan


def _group_bytes(layout: Layout, statistics: int) -> int:
    total = layout.total_bytes
    if layout.panel_is_whole:  # all blocks of a task are in memory together: no more of them than must be
        return max(LEAST_GROUP_BYTES, total // MOST_GROUPS)
    wished = min(max(total // GROUPS_WISHED, LEAST_GROUP_BYTES), MOST_GROUP_BYTES)
    return max(wished, total // MOST_GROUPS, STATISTICS_SHARE * statistics, OBJECTS_IN_GROUP * _border_bytes(layout))


def _rounded_down(count: int) -> int:
    """The power of two below: cuts shall not follow every megabyte that a process happens to take."""
    return 2 ** (count.bit_length() - 1) if count > 0 else 0


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


def _least_panel(layout: Layout) -> int:
    """Bytes of the largest piece that cannot be cut further."""
    return int(np.max(np.diff(layout.bytes_before)))


def _border_bytes(layout: Layout) -> int:
    """What is decoded besides a panel that begins and ends inside stored objects: parts of the first and the last."""
    return layout.object_bytes if _least_panel(layout) < layout.object_bytes else 0


def _reading_bytes(layout: Layout, panel: int) -> int:
    """What a thread holds of the data where its largest panel has so many bytes."""
    if layout.in_place:
        return IN_PLACE_COPIES * panel + layout.beside_bytes
    return PANEL_COPIES * (panel + _border_bytes(layout))


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
        stop = at + 1 if layout.panel_is_whole else _advance(layout, at, panel_bytes, last)
        panels.append((int(layout.cuts[at]), int(layout.cuts[stop])))
        at = stop
    return Group(panels[0][0], panels[-1][1], tuple(panels))


def _memory_need(shape: Shape, machine: Machine, reading: int, w_rows: int, n_groups: int) -> MemoryNeed:
    threads, k, n = machine.threads, shape.rank, shape.n_columns
    sets = 2 * threads + math.ceil(math.log2(max(2, n_groups)))
    block = max(BLOCK_BYTES, shape.itemsize * n) + 2 * shape.itemsize * n * k * shape.models
    block += max(ROWS_OF_FACTORS, 3 * shape.models) * shape.itemsize * padded(k) * MOST_BLOCK_ROWS
    return MemoryNeed(
        base=machine.base_bytes,
        panels=threads * reading,
        workspace=ALLOWANCE_BYTES + threads * (block + 2 * shape.itemsize * w_rows * k + shape.running_bytes),
        statistics=sets * shape.statistics_bytes,
        factors=shape.itemsize * k * (4 * n * shape.models + 2 * shape.kept_rows),
    )


def _start_bytes(layout: Layout, shape: Shape, machine: Machine) -> int:
    """The sample twice (as read, and a stage's part of it), and what is computed from it for every start alive."""
    if not machine.starts:
        return 0
    most = sample_bytes(machine)
    sums = MOST_STARTS * BYTES_OF_START * shape.rank * shape.n_columns
    return 2 * min(most, layout.total_bytes) + min(most, sums)


def keeping(plan: Plan, layout: Layout, machine: Machine, processes: int) -> tuple[Plan, int]:
    """Return the plan with the data kept in memory between passes, and how many bytes of it each process may keep.

    Nothing (0) where the data does not fit in what the plan leaves of the memory of all processes, which take
    unequal parts of it.
    """
    spare = min(int(USABLE_SHARE * machine.memory_bytes) - plan.need.total, int(KEPT_SHARE * machine.memory_bytes))
    room = ROOM_OF_OFFSETS if processes == 1 else UNEQUAL_PARTS
    part = int(room * layout.total_bytes / processes)
    if part > spare:
        return plan, 0
    return replace(plan, need=replace(plan.need, kept=part)), part


def sample_bytes(machine: Machine) -> int:
    """How large the sample of a start may be, and again everything that is computed from it."""
    return min(MOST_SAMPLE_BYTES, machine.memory_bytes // SAMPLE_SHARE)


def _spare_bytes(layout: Layout, shape: Shape, machine: Machine, w_rows: int, group_bytes: int) -> int:
    """What is left for panels when everything else has its place."""
    n_groups = layout.total_bytes // max(1, group_bytes) + 1
    fixed = _memory_need(shape, machine, _reading_bytes(layout, 0), w_rows, n_groups)
    return int(USABLE_SHARE * machine.memory_bytes) - fixed.total - _start_bytes(layout, shape, machine)


def _refuse_if_too_large(plan: Plan, layout: Layout, machine: Machine, largest: int) -> None:
    usable = int(USABLE_SHARE * machine.memory_bytes)
    if plan.need.total <= usable:
        return
    smallest = "a row" if layout.row_step == 1 else f"{layout.row_step} rows (one chunk, all columns)"
    raise BudgetError(
        f"a worker would need {plan.need}; {format_bytes(usable)} are usable of its limit of "
        f"{format_bytes(machine.memory_bytes)} with {machine.threads} thread(s). A panel takes {format_bytes(largest)} "
        f"and cannot be cut below {smallest}. Try a memory limit of "
        f"{format_bytes(math.ceil(plan.need.total / USABLE_SHARE))}{_advice(plan.need)}"
    )


def _advice(need: MemoryNeed) -> str:
    """What else would help, by the part of the sum that is largest."""
    parts = {"base": need.base, "panels": need.panels, "sums": need.statistics + need.factors}
    return {
        "base": ": most of it is the process itself",
        "panels": ", fewer threads per worker, or smaller chunks (dnmf convert)",
        "sums": ", or a lower rank; a matrix with more columns than rows is better factorized as its transpose",
    }[max(parts, key=lambda part: parts[part])]
