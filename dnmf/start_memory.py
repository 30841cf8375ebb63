"""What the start of a fit takes of the process that computes it, and what of it is there while passes are made."""

from dataclasses import replace

import numpy as np

from dnmf.giving_way import Pace
from dnmf.memory import (
    LARGEST_IN_HEAP,
    PANEL_COPIES,
    Machine,
    MemoryNeed,
    Shape,
    border_bytes,
    least_panel,
    sample_bytes,
)
from dnmf.refinement_memory import REGION_BYTES, refining_bytes
from dnmf.sources.source import Layout

MOST_RUNS, LEAST_RUN, MOST_RUN = 320, 16, 4096
MOST_STARTS = 8
BYTES_OF_START = 8 * 5  # of each number of H, for every start alive: its state and the sums of a pass
HEAPS_OF_TASK = 2  # of the thread at work, and of one that decodes or reads ahead for it
SAMPLE_COPIES = 3  # the runs as they were read, all of them in a row, a part of them for the first round


def with_start(
    need: MemoryNeed, pace: Pace, layout: Layout, shape: Shape, machine: Machine, *, largest: int = 0
) -> MemoryNeed:
    """Return the need of passes, with what the start and freed memory take besides; a panel has `largest` bytes.

    What a start frees may stay in the process, so it counts in full beside a pass; where freed memory is given back,
    it counts as far as it is there at the same time, or takes more than a pass.
    """
    of_passes = refining_bytes(layout, shape, machine, need.panels)  # beside what the start has left
    if not pace.gives_back:
        freed = _freed_bytes(pace, machine, largest)
        return replace(need, start=of_passes + start_bytes(layout, shape, machine), freed=freed)
    return replace(need, start=of_passes + _beside_panels(need.panels, pace, layout, shape, machine), freed=0)


def _freed_bytes(pace: Pace, machine: Machine, largest: int) -> int:
    """Return what the C library may hold of freed memory.

    Threads that have a heap for each may leave in any of them what was freed, by the start above all, and a panel in
    those of each task and of what decodes or reads ahead for it. In the one heap of a worker, which is as large as
    what a pass holds at its peak, each task may find the place of a panel taken in part by something small, and have
    another one made.
    """
    if machine.starts:
        of_panels = HEAPS_OF_TASK * pace.at_once * min(largest, LARGEST_IN_HEAP)
        return max(machine.freed_bytes, min(of_panels, HEAPS_OF_TASK * machine.freed_bytes))
    return min(machine.freed_bytes, pace.at_once * min(largest, LARGEST_IN_HEAP))


def start_bytes(layout: Layout, shape: Shape, machine: Machine) -> int:
    """Return what the start takes: the sample twice (as read, and a part of it), and what is computed from it."""
    sample = _bytes_of_sample(layout, shape, machine)
    return 2 * sample + _computed_bytes(shape, machine) if sample else 0


def _bytes_of_sample(layout: Layout, shape: Shape, machine: Machine) -> int:
    if not machine.starts:
        return 0
    share = min(1.0, shape.start.rows / layout.n_rows)
    return layout.held_bytes(min(sample_bytes(machine), int(share * layout.total_bytes)))


def _computed_bytes(shape: Shape, machine: Machine) -> int:
    return min(sample_bytes(machine), MOST_STARTS * BYTES_OF_START * shape.rank * shape.n_columns)


def _beside_panels(panels: int, pace: Pace, layout: Layout, shape: Shape, machine: Machine) -> int:
    sample = _bytes_of_sample(layout, shape, machine)
    if not sample:
        return 0
    sample = min(sample + _longest_run(layout), layout.held_bytes(layout.total_bytes))  # whole runs are taken
    computed = _computed_bytes(shape, machine)
    read = sample + replace(pace, ahead=0).reading_bytes(layout, _largest_region(layout, panels))
    alone = max(read, SAMPLE_COPIES * sample + computed)
    return max(0, alone - panels, sample + computed if shape.start.beside else 0)


def _largest_region(layout: Layout, panels: int) -> int:
    most = most_region_bytes(layout, panels, gives_back=True)
    return min(layout.total_bytes, max(most, least_panel(layout) if reads_objects(layout) else _longest_run(layout)))


def reads_objects(layout: Layout) -> bool:
    """Whether a sample is read by whole stored objects: those that rows cannot be cut within take as much in part."""
    comes_in_part = layout.comes_with_task and not layout.panel_is_whole
    return bool(layout.object_bytes) and not comes_in_part and not border_bytes(layout)


def most_region_bytes(layout: Layout, panels: int, *, gives_back: bool) -> int:
    """Return up to how many bytes are joined to be read in one go for a sample.

    Parameters
    ----------
    layout : Layout
        Of the source.
    panels : int
        Bytes that the plan has for panels: there are none while a sample is read.
    gives_back : bool
        Whether the plan counts on freed memory being given back, so that reads have to stay within that.
    """
    within = min(REGION_BYTES, panels // PANEL_COPIES)
    if reads_objects(layout):
        return within
    return max(within if gives_back else REGION_BYTES, 2 * layout.object_bytes)


def rows_of_run(n_rows: int) -> int:
    """Return how many rows lie together in a sample: single rows of compressed chunks would read everything."""
    return min(max(n_rows // MOST_RUNS, LEAST_RUN), MOST_RUN)


def _longest_run(layout: Layout) -> int:
    """The bytes of the largest run of rows."""
    step = rows_of_run(layout.n_rows)
    borders = np.append(np.arange(0, layout.n_rows, step), layout.n_rows)
    return int(np.max(np.diff(np.interp(borders, layout.cuts, layout.bytes_before))))
