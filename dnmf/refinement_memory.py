"""The sample that stays in memory between passes: how many rows it has, and that there is room for it."""

from dataclasses import replace
from typing import Any

from dnmf.memory import USABLE_SHARE, Machine, Shape
from dnmf.plan import Plan
from dnmf.sources.source import Layout

MOST_BYTES = 256 * 2**20
MEMORY_SHARE = 8  # the sample takes at most so small a part of a worker's memory
MOST_SHARE = 1 / 3  # of the rows: steps on more of them cost as much as passes do
LEAST_DATA = 2  # times that room: where data is hardly larger, reads cost little
LEAST_ROWS_PER_COMPONENT = 200  # with fewer it misleads (docs/decisions)
SUMS_AT_ONCE = 6  # of all rows, of the sample where it began and where it is, estimated, on their way


def with_refinement(
    plan: Plan, layout: Layout, shape: Shape, machine: Machine, cuts: dict[str, Any] | None = None
) -> Plan:
    """Return the plan with a sample between passes, where data is large enough for one, and its room in the need.

    How the data is cut stays as it is. An earlier plan decides with its `cuts`.
    """
    rows = _rows(layout, shape, machine) if cuts is None else int(cuts.get("refining_rows", 0))
    held = layout.held_bytes(int(rows / layout.n_rows * layout.total_bytes))
    while_read = max(0, held - plan.need.panels)  # a second copy, and no panels
    taken = held + while_read + SUMS_AT_ONCE * 8 * shape.rank * shape.n_columns
    need = replace(plan.need, start=plan.need.start + (taken if rows and machine.starts else 0))
    if cuts is None and need.total > int(USABLE_SHARE * machine.memory_bytes):
        return plan
    return replace(plan, refining_rows=rows, need=need)


def _rows(layout: Layout, shape: Shape, machine: Machine) -> int:
    """How many rows the sample has; 0 where there is none."""
    room = min(MOST_BYTES, _rounded_down(machine.memory_bytes // MEMORY_SHARE))
    if layout.total_bytes < LEAST_DATA * room:
        return 0
    rows = int(min(room / layout.total_bytes, MOST_SHARE) * layout.n_rows)
    return rows if rows >= LEAST_ROWS_PER_COMPONENT * shape.rank else 0


def _rounded_down(count: int) -> int:
    """The power of two below: what is refined shall not follow every megabyte that happens to be free."""
    return 2 ** (count.bit_length() - 1)
