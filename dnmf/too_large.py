"""What is said where no plan fits: the numbers, and what would help."""

import math
from collections.abc import Callable

import numpy as np

from dnmf.errors import BudgetError
from dnmf.memory import LEAST_PANEL_BYTES, USABLE_SHARE, Machine, MemoryNeed
from dnmf.options import format_bytes
from dnmf.sources.source import Layout

ROOM_TO_GROW = 1.02  # of a limit that is proposed


def too_large(
    need: MemoryNeed, layout: Layout, machine: Machine, largest: int, need_within: Callable[[int], MemoryNeed]
) -> BudgetError:
    """Return the error of a plan that does not fit.

    Parameters
    ----------
    need : MemoryNeed
        The least that is needed.
    layout : Layout
        Of the source.
    machine : Machine
        One worker.
    largest : int
        Bytes of the largest panel.
    need_within : callable
        Returns what is needed with another limit, which decides how large a sample is.
    """
    usable = int(USABLE_SHARE * machine.memory_bytes)
    rows = int(np.max(np.diff(layout.cuts)))
    what = "one chunk, all columns" if rows >= layout.row_step else "a part of a chunk"
    smallest = f"{rows} rows ({what})" if layout.row_step > 1 else "a row"
    if largest <= 2 * LEAST_PANEL_BYTES and layout.row_step == 1:
        smallest = format_bytes(LEAST_PANEL_BYTES)
    enough = _limit_that_is_enough(need_within, machine.memory_bytes)
    return BudgetError(
        f"a worker would need {need}; {format_bytes(usable)} are usable of its limit of "
        f"{format_bytes(machine.memory_bytes)} with {machine.threads} thread(s). A panel takes {format_bytes(largest)} "
        f"and cannot be cut below {smallest}. Try a memory limit of {format_bytes(enough)}"
        f"{_advice(need, usable, layout)}"
    )


def _limit_that_is_enough(need_within: Callable[[int], MemoryNeed], limit: int) -> int:
    """The limit that leaves room for the same needs, for the larger sample that it allows, and for a process that
    takes a little more the next time."""
    while True:
        enough = math.ceil(ROOM_TO_GROW * need_within(limit).total / USABLE_SHARE)
        if enough <= limit:
            step = 2**20 if limit < 2**30 else 2**30 / 10  # what is printed of it
            return math.ceil(math.ceil(limit / step) * step)
        limit = enough


def _advice(need: MemoryNeed, usable: int, layout: Layout) -> str:
    """What else would help: less of the part that can be made smaller, where that is enough or most of all."""
    sums = need.statistics + need.factors
    most = max(need.panels, sums, need.names)
    if need.total - most > usable and need.base > most:
        return ": most of it is the process itself"
    if need.names == most:
        return ", or data without names of its rows: of what can be made smaller they are most"
    if sums > need.panels:
        return (
            ", or a lower rank; a matrix with more columns than rows is better factorized as its transpose, an array "
            "with its longest axis as the rows (row_axes=)"
        )
    if layout.panel_is_whole:
        return ", fewer threads per worker, or smaller chunks (rechunk)"
    return f", or {layout.smaller}"
