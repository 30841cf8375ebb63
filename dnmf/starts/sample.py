"""Rows of a source in memory: contiguous runs drawn from the seed, each stored object decoded once."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np

from dnmf.fitting.loop import Engine
from dnmf.memory import border_bytes
from dnmf.passes.visit import check_rows
from dnmf.passes.work import NOT_NEGATIVE, Demands
from dnmf.sources.memory import MemorySource, slice_rows, stack_rows
from dnmf.sources.rows import Rows, each_array
from dnmf.sources.source import Layout, Source
from dnmf.start_memory import most_region_bytes, reads_objects, rows_of_run

SAMPLE_STREAM = 0

Check = Callable[[Source, int, Rows], float]


class Nested(Protocol):
    """Rows of a source in memory, of which smaller samples are parts of larger ones; `n_rows` is that of the source."""

    n_rows: int

    def first(self, rows: int) -> MemorySource:
        """Return so many of them, in the order of the source."""


class Numbered(Nested, Protocol):
    """The same, of which it is known where they are in the source."""

    def numbers(self, rows: int) -> np.ndarray:
        """Return the row numbers of the first so many of them, in the order of the source."""


class Sample:
    """Some rows of a source, read once; smaller samples are parts of larger ones.

    The rows are contiguous runs (single rows of compressed chunks would read everything), drawn from the seed
    and the number of rows alone: not from the plan, the chunks or the cluster.

    Parameters
    ----------
    engine : Engine
        Over the source.
    rows : int
        How many to read; whole runs are taken.
    seed : int
        Of the fit.
    dtype : str
        Of the computation: what is too large for its products is refused.
    demands : Demands
        What is checked of the values.

    Attributes
    ----------
    n_rows : int
        Of the source.
    bytes_read : int
        Decoded bytes it took.
    """

    def __init__(
        self, engine: Engine, rows: int, seed: int, *, dtype: str = "float64", demands: Demands = NOT_NEGATIVE
    ):
        self.n_rows = engine.source.shape[0]
        self._runs = sample_order(self.n_rows, seed)
        self._parts, self.bytes_read = _read_runs(
            engine, _taken(self._runs, rows), partial(check_rows, dtype=dtype, demands=demands)
        )

    @property
    def parts(self) -> list[MemorySource]:
        """The rows as they were read, in the order of the source."""
        return [self._parts[first] for first in sorted(self._parts)]

    def weights(self, rows: int) -> np.ndarray:
        """Return for how many rows each of the first `rows` stands (rows of these runs,)."""
        count = sum(high - low for low, high in _taken(self._runs, rows))
        return np.full(count, self.n_rows / count)

    def numbers(self, rows: int) -> np.ndarray:
        """Return the numbers of the first `rows` of the sample (whole runs), in the order of the source."""
        return np.concatenate([np.arange(low, high) for low, high in _taken(self._runs, rows)])

    def first(self, rows: int) -> MemorySource:
        """Return the first `rows` of the sample (whole runs), in the order of the source."""
        firsts = np.array(sorted(self._parts))
        pieces = []
        for low, high in _joined(_taken(self._runs, rows)):
            at = low
            while at < high:  # a run may lie in several parts
                first = int(firsts[np.searchsorted(firsts, at, side="right") - 1])
                stop = min(high, first + self._parts[first].shape[0])
                pieces.append(self._parts[first].read(at - first, stop - first))
                at = stop
        some = self._parts[int(firsts[0])]
        return MemorySource.of_rows(stack_rows(pieces), some.shape[1], some.address, like=some)


def affordable_rows(engine: Engine) -> int:
    """Return how many rows of average size a sample may have."""
    row_bytes = max(1.0, engine.layout.total_bytes / engine.layout.n_rows)
    return max(1, int(engine.plan.sample_bytes / row_bytes))


def sample_order(n_rows: int, seed: int) -> list[tuple[int, int]]:
    """Return all runs of rows in a random order: a sample is a beginning of it, so samples are nested.

    Examples
    --------
    >>> sorted(sample_order(40, seed=0))
    [(0, 16), (16, 32), (32, 40)]
    """
    run = rows_of_run(n_rows)
    order = np.random.default_rng([seed, SAMPLE_STREAM, n_rows]).permutation(-(-n_rows // run))
    return [(int(i) * run, min((int(i) + 1) * run, n_rows)) for i in order]


def _taken(runs: list[tuple[int, int]], rows: int) -> list[tuple[int, int]]:
    """The first runs that hold `rows` rows, in the order of rows."""
    taken, count = [], 0
    for low, high in runs:
        if count >= rows:
            break
        taken.append((low, high))
        count += high - low
    return sorted(taken)


def _read_runs(engine: Engine, runs: list[tuple[int, int]], check: Check) -> tuple[dict[int, MemorySource], int]:
    """Return the runs of a sample by their first row, and the bytes that were decoded for them.

    Runs that lie so near to each other that they share stored objects are read in one go, so that no chunk is
    decoded more often than it must be.
    """
    parts: dict[int, MemorySource] = {}
    bytes_read, regions, whole = 0, _regions(engine.layout, runs, _most_region_bytes(engine)), None
    if _most_decoded(engine, regions) > engine.layout.total_bytes:  # what lies at their ends is most of it
        regions = [panel for group in engine.plan.groups for panel in group.panels]
        whole = engine.source.for_rows(0, engine.source.shape[0])  # keeps what a panel ends in for the next one
    rows_back = engine.meter.begin("sample", sum(high - low for low, high in regions))
    for low, high in regions:
        of_region = [(max(low, first), min(high, last)) for first, last in runs if first < high and last > low]
        found, count = _read_region(engine, (low, high), _joined(of_region), check, whole)
        parts.update(found)
        bytes_read += count
        rows_back(high - low)
    return parts, bytes_read


def _most_decoded(engine: Engine, regions: list[tuple[int, int]]) -> int:
    """How many bytes are decoded at most for regions, with the stored objects that these begin and end inside of."""
    before = np.interp(np.array(regions), engine.layout.cuts, engine.layout.bytes_before)
    return int(np.diff(before).sum()) + 2 * torn_bytes(engine) * len(regions)


def torn_bytes(engine: Engine) -> int:
    """Return the bytes of the largest stored object that a cut may fall inside of: rows of sparse data end anywhere."""
    anywhere = engine.source.sparse and not engine.layout.comes_with_task
    return engine.layout.object_bytes if anywhere else border_bytes(engine.layout)


def _read_region(
    engine: Engine, region: tuple[int, int], spans: list[tuple[int, int]], check: Check, whole: Source | None
) -> tuple[dict[int, MemorySource], int]:
    """The spans of rows of a region by their first row, and the bytes decoded for it; the rest of it is let go of.

    Regions that are all of the data, one after the other, are read from the `whole` of it.
    """
    (low, high), source = region, engine.source
    part = source.for_rows(low, high) if whole is None else whole
    values = engine.executor.read([(part, low, high)])[0]
    parts = {}
    for first, last in spans:
        rows = slice_rows(values, first - low, last - low) if last - first < high - low else values
        check(source, first, rows)
        kept = rows if rows is values else each_array(rows, np.ndarray.copy)
        parts[first] = MemorySource.of_rows(kept, source.shape[1], source.address, like=source)
    return parts, (source if whole is None else whole).touched_bytes(low, high, values)


def _most_region_bytes(engine: Engine) -> int:
    """How much is read in one go: no more than the plan has room for, when no pass takes it."""
    return most_region_bytes(engine.layout, engine.plan.need.panels, gives_back=engine.plan.gives_back)


def _regions(layout: Layout, runs: list[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """What to read in one go, up to `most` bytes: whole stored objects, or runs that share some.

    Objects that rows cannot be cut within are read whole: a part of one takes the memory of the whole one beside.
    """
    if not reads_objects(layout):
        return _regions_of_runs(layout, runs, most)
    spans = [np.searchsorted(layout.cuts, [low + 1, high]) for low, high in runs]
    pieces = np.unique(np.concatenate([np.arange(low - 1, high) for low, high in spans]))
    regions: list[tuple[int, int]] = []
    for piece in map(int, pieces):
        begins = regions[-1][0] if regions and regions[-1][1] == piece else piece
        if begins < piece and layout.bytes_before[piece + 1] - layout.bytes_before[begins] <= most:
            regions[-1] = (begins, piece + 1)
        else:
            regions.append((piece, piece + 1))
    return [(int(layout.cuts[low]), int(layout.cuts[high])) for low, high in regions]


def _regions_of_runs(layout: Layout, runs: list[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """Join runs whose gap is smaller than a stored object."""
    before = np.interp(np.array(runs).ravel(), layout.cuts, layout.bytes_before).reshape(-1, 2)
    regions = [runs[0]]
    first_byte = before[0, 0]
    for (low, high), (low_byte, high_byte), (_, last_byte) in zip(runs[1:], before[1:], before, strict=False):
        near = low == regions[-1][1] or low_byte - last_byte < layout.object_bytes
        if near and high_byte - first_byte <= most:
            regions[-1] = (regions[-1][0], high)
        else:
            regions.append((low, high))
            first_byte = low_byte
    return regions


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for low, high in spans:
        if joined and joined[-1][1] == low:
            joined[-1] = (joined[-1][0], high)
        else:
            joined.append((low, high))
    return joined
