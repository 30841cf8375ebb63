"""The sample that stays in memory between passes: how many rows it has, and what it takes."""

from dnmf.amounts import power_of_two_below
from dnmf.memory import Machine, Shape
from dnmf.sources.source import Layout

MOST_BYTES = 256 * 2**20
MEMORY_SHARE = 8  # the sample takes at most so small a part of a worker's memory
MOST_SHARE = 1 / 3  # of the rows: steps on more of them cost as much as passes do
LEAST_DATA = 2  # times that room: where data is hardly larger, reads cost little
SAMPLE_TO_SUMS = 8  # at least so many times what sums of columns take
LEAST_ROWS_PER_COMPONENT = 200  # with fewer it misleads (docs/decisions)
REGION_BYTES = 32 * 2**20  # of the data, read in one go for a sample; the process may keep what it took
SUMS_AT_ONCE = 6  # of all rows, of the sample where it began and where it is, estimated, on their way


def count_refining_rows(layout: Layout, rank: int, n_columns: int, machine: Machine) -> int:
    """Return how many rows the sample has; 0 where there is none.

    As for data that is hardly larger than its room, and where H is long: the sums of a step would then take nearly as
    much memory as the sample.
    """
    room = min(MOST_BYTES, power_of_two_below(machine.memory_bytes // MEMORY_SHARE))
    if layout.total_bytes < LEAST_DATA * room or 8 * rank * n_columns > room / SAMPLE_TO_SUMS:
        return 0
    rows = int(min(room / layout.total_bytes, MOST_SHARE) * layout.n_rows)
    return rows if rows >= LEAST_ROWS_PER_COMPONENT * rank else 0


def refining_bytes(layout: Layout, shape: Shape, machine: Machine, panels: int) -> int:
    """Return what the sample takes beside passes: while it is read it is there twice, and no `panels` are."""
    if not (shape.refining_rows and machine.starts):
        return 0
    held = layout.held_bytes(int(shape.refining_rows / layout.n_rows * layout.total_bytes))
    return held + REGION_BYTES + max(0, held - panels) + SUMS_AT_ONCE * 8 * shape.rank * shape.n_columns
