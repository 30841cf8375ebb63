"""The rows that a start is found on: drawn alike, or as they weigh where few of them have most of the data."""

from typing import NamedTuple

import numpy as np

from dnmf.fitting.loop import Engine
from dnmf.options import FitOptions
from dnmf.passes.visitors.take import Room, TakeRows
from dnmf.schemes.of_options import scheme_of
from dnmf.sources.memory import MemorySource
from dnmf.starts.heavy_rows import (
    HeavyRows,
    importance_of,
    rows_that_count,
    take_rows,
    threshold_for,
)
from dnmf.starts.race import FEWEST_ROWS_PER_COMPONENT, engine_in_memory, own_sample, sample_rows
from dnmf.starts.sample import Numbered, Sample, affordable_rows
from dnmf.starts.sweep import may_sweep

SPARE_ROWS = 1.2  # times those that are wanted are expected above the threshold; what is too many is let go of
ALIKE_SHARE = 4  # of the rows drawn alike so many stay beside those that are drawn as they weigh


class Drawn(NamedTuple):
    """Rows in memory that stand for all of them.

    Attributes
    ----------
    sample : Numbered
        ``first(size)`` are the rows, each multiplied as it is to count where they are drawn as they weigh, and
        ``weights(size)`` for how many rows each of them stands.
    size : int
        How many there are to be had.
    alike : MemorySource or None
        Some rows drawn alike, where the sample is not: what is estimated of W wants such.
    bytes_read : int
        Decoded bytes it took.
    squares : float
        ``‖A‖²``, where all rows were read and checked; else negative.
    numbers_alike : ndarray or None
        Which rows those drawn alike are.
    """

    sample: Numbered
    size: int
    alike: MemorySource | None
    bytes_read: int
    squares: float = -1.0
    numbers_alike: np.ndarray | None = None


def draw_rows(engine: Engine, options: FitOptions, *, as_they_weigh: bool = True) -> Drawn:
    """Return the rows a start of these options is found on, which follow from the data and the seed alone.

    First some are drawn alike, of small data all. Where few of them have most of what the loss is made of, others are
    drawn as they weigh, in one read of all rows (of small data in memory): unless that is one read too many, or is not
    wanted.

    Parameters
    ----------
    engine : Engine
        Over all rows; its plan says how many bytes a sample may have.
    options : FitOptions
        Of the fit.
    as_they_weigh : bool
        Whether rows may be drawn so.
    """
    scheme, n_rows = scheme_of(options, engine.facts), engine.source.shape[0]
    affordable = affordable_rows(engine)
    some = sample_rows(n_rows, options.rank, affordable, scheme.sample_times)
    rows = own_sample(n_rows, some, affordable, engine.layout.total_bytes)
    sample = Sample(engine, rows, options.seed, dtype=options.dtype, demands=scheme.demands)
    bytes_read, is_all = sample.bytes_read, rows == n_rows
    if not (as_they_weigh and scheme.degree and some < n_rows and (is_all or may_sweep(engine, bytes_read))):
        return Drawn(sample, rows, None, bytes_read)
    take = _taking(sample, scheme.degree, Room(some, engine.plan.sample_bytes), options)
    if take is None:
        return Drawn(sample, rows, None, bytes_read)
    few = max(FEWEST_ROWS_PER_COMPONENT * options.rank, some // ALIKE_SHARE)
    few = rows if is_all else min(some, few)
    alike, numbers_alike = sample.first(few), sample.numbers(few)
    del sample  # before others are read
    over = engine_in_memory(alike, options) if is_all else engine
    found = take_rows(over, take, options, scheme.demands, bytes_read)
    heavy = HeavyRows(found.models[0], scheme.degree, alike, n_rows, options.dtype)
    bytes_read += 0 if is_all else found.bytes_read
    return Drawn(heavy, heavy.size, alike, bytes_read, scheme.of_check(found.squares), numbers_alike)


def _taking(sample: Sample, degree: float, room: Room, options: FitOptions) -> TakeRows | None:
    """What takes rows as they weigh; None where enough rows of a sample have their part of what it weighs."""
    importance = importance_of(sample.parts, degree)
    if rows_that_count(importance) >= FEWEST_ROWS_PER_COMPONENT * options.rank:
        return None
    expected = SPARE_ROWS * room.rows * len(importance) / sample.n_rows  # of these rows
    return TakeRows(degree, threshold_for(importance, expected), room, options.seed)
