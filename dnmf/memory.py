"""How much memory a worker takes at its peak: a sum anyone can check, before anything is read."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dnmf.kernels.packed import packed_size
from dnmf.kernels.padding import padded
from dnmf.options import format_bytes
from dnmf.sources.source import Layout

FAN_IN = 4  # sets of sums that one task adds up
PANEL_COPIES = 4  # the panel in work, the one read ahead, its compressed bytes, a decoded chunk on its way
GIVEN_COPIES = 4  # of given columns of W: as they came, brought to sum one, and what a checkpoint writes of them
DISTANCE_COPIES = 2  # of distances between components: all, and those of the ones that are kept
NAME_COPIES = 4  # of names: as they came, packed for a checkpoint, and what is written of them
ROOM_OF_OFFSETS = 1.05  # times the data, for what comes with it: the offsets of sparse rows
UNEQUAL_PARTS = 1.25  # times the equal part of the data is room enough for the part of one worker
USABLE_SHARE = 0.7  # of the memory limit: from there on dask spills
KEPT_SHARE = 0.5  # at most for kept data: dask knows of it, and from 0.6 on would move results to disk to make room
BLOCK_BYTES = 4 * 2**20
MOST_BLOCK_ROWS = 2048
MOST_ENTRIES = 2**19  # that are looked at one by one at a time
MOST_GRAM_NUMBERS, GRAM_COPIES = 2**18, 6  # of Gram matrices of rows at a time, and what is made of them on the way
ENTRY_COPIES, COLUMN_BYTES = 7, 8  # of each: values, predictions, weights, those in the order of columns; its column
LEAST_PANEL_BYTES = 2**18  # where rows may be cut: smaller ones save next to nothing and cost many times the work
ROWS_OF_FACTORS = 8  # right-hand sides, starts, solutions and copies of them, for every row of a block
MOST_SAMPLE_BYTES = 128 * 2**20
SAMPLE_SHARE = 32  # the sample of a start takes at most so small a part of a worker's memory
LARGEST_IN_HEAP = 32 * 2**20  # bytes of an array: larger ones are mapped by themselves (glibc)
ALLOWANCE_BYTES = 24 * 2**20  # stacks of the reading threads, decompressors, small pieces of freed memory


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
    freed_bytes : int
        What the process may hold of memory that was freed, beyond what is in use.
    gives_back : bool
        Whether it can be made to give such memory back at once.
    """

    threads: int
    memory_bytes: int
    base_bytes: int
    starts: bool = False
    freed_bytes: int = 0
    gives_back: bool = False


@dataclass(frozen=True)
class Start:
    """What a start has of the data in memory, where it is computed in the process of the passes.

    Attributes
    ----------
    rows : float
        Most rows of its sample; 0 where it takes none.
    beside : bool
        Whether they may still be there while all rows are read.
    """

    rows: float = math.inf
    beside: bool = True


ANY_START, NO_START = Start(), Start(0)


class Together(NamedTuple):
    """How many models there will be, all of the size of the largest one.

    Attributes
    ----------
    models : int
        That share passes, as many at a time as there is room for.
    written : int
        Of which W is made.
    waiting : float
        H of which stay in this process while others go on.
    folds : int
        For how many of which something is held out a block of rows is cut apart.
    compared : int
        Components that are compared with each other at the end, in this process.
    """

    models: int
    written: int
    waiting: float = 0.0
    folds: int = 0
    compared: int = 0

    @property
    def compared_bytes(self) -> int:
        """Of the distances of these components, and what is made of them."""
        return DISTANCE_COPIES * 8 * self.compared**2


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
        Rows of W that stay in this process' memory at the end, of all models; 0 when W goes to disk.
    given : int
        Numbers of columns of W that are given and lie in this process.
    written : int
        How many models write their W in one pass.
    name_bytes : int
        Of the names of rows and columns that lie in this process.
    start : Start
        What the start has of the data in memory.
    curvature : int
        How many numbers the curvature of a column has, where each has its own.
    refining_rows : int
        Rows that stay in memory between passes, to refine H on.
    folds : int
        For how many of them a block of rows is cut apart: each has a copy.
    """

    n_columns: int
    rank: int
    itemsize: int
    models: int = 1
    kept_rows: int = 0
    written: int = 1
    given: int = 0
    name_bytes: int = 0
    start: Start = ANY_START
    curvature: int = 0
    refining_rows: int = 0
    folds: int = 0

    @property
    def running_bytes(self) -> int:
        """Of the sums of a task while rows come in: padded, in the dtype of the computation and in float64."""
        own = 8 * self.models * self.curvature * self.n_columns
        return (8 + self.itemsize) * self.models * padded(self.rank) * self.n_columns + own

    @property
    def statistics_bytes(self) -> int:
        """Of one set of sums: G, P, s and the curvature of each column in float64 for every model."""
        own = self.curvature * self.n_columns
        return 8 * self.models * (self.rank * (self.n_columns + self.rank + 1) + own)

    @property
    def entry_bytes(self) -> int:
        """Of what a task makes for itself of every entry of a block: where columns have a curvature of their own."""
        return ENTRY_COPIES * self.itemsize + COLUMN_BYTES if self.curvature else 0

    @property
    def gram_bytes(self) -> int:
        """Of Gram matrices that a task makes of rows, where these have their own."""
        of_row = packed_size(self.rank)
        numbers = min(MOST_BLOCK_ROWS * of_row, max(MOST_GRAM_NUMBERS, of_row))
        return GRAM_COPIES * self.itemsize * numbers if self.curvature else 0


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
    names: int = 0
    freed: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        sums = self.statistics + self.factors + self.names
        return self.base + self.panels + self.workspace + sums + self.start + self.kept + self.freed

    def __str__(self) -> str:
        return (
            f"{format_bytes(self.total)} = {format_bytes(self.base)} process + {format_bytes(self.panels)} panels"
            f" + {format_bytes(self.workspace)} workspace + {format_bytes(self.statistics)} statistics"
            f" + {format_bytes(self.factors)} factors"
            + (f" + {format_bytes(self.names)} names" if self.names else "")
            + (f" + {format_bytes(self.start)} start" if self.start else "")
            + (f" + {format_bytes(self.kept)} kept data" if self.kept else "")
            + (f" + {format_bytes(self.freed)} freed" if self.freed else "")
        )


def memory_need(
    shape: Shape, machine: Machine, reading: int, w_rows: int, n_groups: int, *, at_once: int | None = None
) -> MemoryNeed:
    """Return what a pass takes of a worker; the start, kept data and what stays of freed memory aside.

    Parameters
    ----------
    shape, machine
        The problem and the worker.
    reading : int
        Bytes a task at work holds of the data (:meth:`dnmf.giving_way.Pace.reading_bytes`).
    w_rows : int
        Rows of a chunk of W.
    n_groups : int
        Tasks of a pass.
    at_once : int, optional
        How many of the threads visit data at the same time; all of them by default. The others may add up sums.
    """
    visits, k, n = min(at_once or machine.threads, n_groups), shape.rank, shape.n_columns
    sets = _sets_of_sums(n_groups, machine)
    block = (1 + shape.folds) * max(BLOCK_BYTES, shape.itemsize * n) + 2 * shape.itemsize * n * k * shape.models
    block += max(MOST_ENTRIES, n) * shape.entry_bytes
    block += shape.gram_bytes
    block += max(ROWS_OF_FACTORS, 3 * shape.models) * shape.itemsize * padded(k) * MOST_BLOCK_ROWS
    written = 2 * shape.itemsize * w_rows * k * shape.written
    return MemoryNeed(
        base=machine.base_bytes,
        panels=visits * reading,
        workspace=ALLOWANCE_BYTES + visits * (block + written + shape.running_bytes),
        statistics=sets * shape.statistics_bytes,
        factors=shape.itemsize * (k * (4 * n * shape.models + 2 * shape.kept_rows) + GIVEN_COPIES * shape.given),
        names=NAME_COPIES * shape.name_bytes,
    )


def _sets_of_sums(n_groups: int, machine: Machine) -> int:
    """Return how many sets of sums there are at a time, at most, besides those that tasks at work add to.

    In process every task makes one, to which its neighbour's is added in place; of those that were not added yet there
    are two a thread, and one on each level of the tree. On a worker a sum is a set of its own until what it was made
    of is let go, and four neighbours wait for each other on each level; whoever adds these holds no panel, no products
    of a block and no running sums meanwhile.
    """
    if machine.starts:
        return min(n_groups, 2 * machine.threads + math.ceil(math.log2(max(2, n_groups))))
    waiting, of_level = 0, n_groups
    while of_level > 1:
        waiting += min(FAN_IN, of_level) - 1
        of_level = math.ceil(of_level / FAN_IN)
    return min(2 * n_groups, 2 * machine.threads + waiting)


def sample_bytes(machine: Machine) -> int:
    """Return how large the sample of a start may be, and again everything that is computed from it."""
    return min(MOST_SAMPLE_BYTES, machine.memory_bytes // SAMPLE_SHARE)


def least_panel(layout: Layout) -> int:
    """Return the bytes of the largest piece that cannot be cut further."""
    return int(np.max(np.diff(layout.bytes_before)))


def border_bytes(layout: Layout) -> int:
    """Return what is decoded besides a panel that begins and ends inside stored objects."""
    return layout.object_bytes if least_panel(layout) < layout.object_bytes else 0
