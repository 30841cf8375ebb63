"""The first H: from a sample of rows factorized in memory, at random, or from factors that are given."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dnmf.errors import InputError
from dnmf.fitting.balance import balances, start_scale
from dnmf.fitting.loop import Engine
from dnmf.fitting.race import FEWEST_ROWS_PER_COMPONENT, engine_in_memory, race, sample_rows
from dnmf.fitting.sample import Sample, affordable_rows
from dnmf.fitting.state import Begun
from dnmf.fitting.strongest import strongest
from dnmf.fitting.update import normalize_rows, update_H
from dnmf.memory import BYTES_OF_START
from dnmf.options import FitOptions
from dnmf.passes.executor import run_pass
from dnmf.passes.problem import Work, make_problem
from dnmf.penalty import Penalty


class FewRows(NamedTuple):
    """An engine over a few rows for each component, and the bytes that were read for them."""

    engine: Engine
    bytes_read: int


def start_from_H(engine: Engine, H: np.ndarray, options: FitOptions, rows: FewRows | None = None) -> Begun:
    """Return a given H (k, n), rows brought to sum one where scale is free, else balanced.

    The rows that this may take (:func:`needs_sample`) are those of :func:`few_rows`, read where they are not given.
    """
    H = np.asarray(H, dtype=options.dtype)
    if options.penalty.diagonal and not options.penalty.in_objective:
        H = normalize_rows(H)[0]
    if not needs_sample(options.penalty):
        return Begun(H)
    rows = rows or few_rows(engine, options)
    begun = settled(H, rows.engine, engine, options)
    return begun._replace(bytes_read=rows.bytes_read + begun.bytes_read)


def start_from_W(engine: Engine, W: np.ndarray, options: FitOptions) -> Begun:
    """Return the H that is best for a given W (m, k), which takes one read."""
    W = np.ascontiguousarray(W, dtype=options.dtype)
    work = Work((), options.dtype, check=True, rank=options.rank)
    statistics = run_pass(engine.executor, engine.source, engine.plan, work, given=W)
    sums, bytes_read = statistics.models[0], statistics.bytes_read
    H, begun = np.zeros((options.rank, engine.source.shape[1]), options.dtype), None
    if needs_sample(options.penalty):
        rows, of_sample = few_rows(engine, options)
        begun = settled(update_H(sums, H, Penalty()), rows, engine, options)
        options, bytes_read = in_units(options, begun.units), bytes_read + of_sample + begun.bytes_read
    penalty = options.penalty
    if balances(penalty):
        H = update_H(sums, H, Penalty(scale="objective"))
        of_W, of_H = start_scale(penalty, sums, H)
        sums, H = sums.scaled(of_W), (H * of_H[:, None]).astype(H.dtype)
    H = update_H(sums, H, penalty, scaled=penalty.scale != "absolute")
    known = Begun(H, bytes_read, statistics.squares)
    return known if begun is None else known._replace(peak=begun.peak, units=begun.units)


def start_at_random(engine: Engine, options: FitOptions) -> Begun:
    """Return H (k, n) uniform in [0, 1)."""
    H = np.random.default_rng(options.seed).random((options.rank, engine.source.shape[1]))
    return start_from_H(engine, H, options)


def start_from_sample(engine: Engine, options: FitOptions) -> Begun:
    """Return the H of a factorization of some rows.

    The penalty plays no part yet, but for the scale.
    """
    raced = race_on_sample(engine, options)
    begun = settled(raced.H, raced.engine, engine, options)
    return begun._replace(bytes_read=raced.bytes_read + begun.bytes_read)


class Raced(NamedTuple):
    """The H (k, n) that won on a sample, the engine of the sample, and the bytes that were read for it."""

    H: np.ndarray
    engine: Engine
    bytes_read: int


def race_on_sample(engine: Engine, options: FitOptions) -> Raced:
    """Return what a race on a sample of the rows found."""
    rows = sample_rows(engine.source.shape[0], options.rank, affordable_rows(engine))
    sample = Sample(engine, rows, options.seed)
    H, last = race(sample, rows, unhindered(options), most_starts(engine, options))
    return Raced(H, last, sample.bytes_read)


def unhindered(options: FitOptions) -> FitOptions:
    """Return the options without a penalty, and with limits that end no race."""
    return replace(options, penalty=Penalty(), max_passes=10**6, tol=0.0)


def most_starts(engine: Engine, options: FitOptions) -> int:
    """Return how many starts fit in the memory that is meant for them, at least 1."""
    return max(1, engine.plan.sample_bytes // (BYTES_OF_START * options.rank * engine.source.shape[1]))


def in_units(options: FitOptions, units: tuple[float, float]) -> FitOptions:
    """Return the options with the strengths of their penalty as they are, where they were given as fractions."""
    if options.penalty.scale != "fraction":
        return options
    return replace(options, penalty=options.penalty.times(units))


def needs_sample(penalty: Penalty) -> bool:
    """Whether a start has to know something of the data for the sake of the penalty."""
    return balances(penalty) or penalty.needs_peak or penalty.scale == "fraction"


def settled(H: np.ndarray, rows: Engine, engine: Engine, options: FitOptions) -> Begun:
    """Return H on the scale that its penalty wants, and what its penalty is measured by.

    Both follow from the W that belongs to H, estimated on a sample. A penalty in the objective decides what survives
    by the scale of H; see :func:`dnmf.fitting.balance.start_scale`. The bytes are those of the units of a fraction.

    Parameters
    ----------
    H : ndarray (k, n)
        Of a start.
    rows : Engine
        Over a sample of the rows.
    engine : Engine
        Over all rows.
    options : FitOptions
        Of the fit.
    """
    begun = Begun(H)
    if options.penalty.scale == "fraction" and options.penalty.active:
        units, bytes_read, squares = strongest(rows, engine, options)
        begun, options = Begun(H, bytes_read, squares, units=units), in_units(options, units)
    penalty = options.penalty
    if not (balances(penalty) or penalty.needs_peak):
        return begun
    work = Work((make_problem(H, peaks=penalty.needs_peak),), options.dtype)
    sums = run_pass(rows.executor, rows.source, rows.plan, work).models[0]
    if penalty.needs_peak:
        return begun._replace(peak=float(sums.peaks.max()))
    _, of_H = start_scale(penalty, sums.times(engine.source.shape[0] / rows.source.shape[0]), H)
    if not np.isfinite(of_H).all():
        raise InputError(f"{engine.source.address}: the sample has no finite scale")
    return begun._replace(H=(H * of_H[:, None]).astype(H.dtype))


def few_rows(engine: Engine, options: FitOptions) -> FewRows:
    """Return a small sample of the rows, which depends on the rank and the seed alone."""
    rows = min(FEWEST_ROWS_PER_COMPONENT * options.rank, engine.source.shape[0], affordable_rows(engine))
    sample = Sample(engine, rows, options.seed)
    return FewRows(engine_in_memory(sample.first(rows), options), sample.bytes_read)
