"""The first H: from a sample of rows factorized in memory, at random, or from factors that are given."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dnmf.constraints import NO_GUIDES, NO_LIMITS, Guides, Limits, without_bounds
from dnmf.errors import InputError
from dnmf.fitting.balance import balances, start_scale
from dnmf.fitting.columns import solve_H
from dnmf.fitting.loop import Engine
from dnmf.fitting.race import FEWEST_ROWS_PER_COMPONENT, engine_in_memory, race, sample_rows, with_given_rows
from dnmf.fitting.sample import Sample, affordable_rows
from dnmf.fitting.state import Begun
from dnmf.fitting.strongest import strongest
from dnmf.fitting.update import normalize_rows, update_H
from dnmf.kernels.bounds import keep_below
from dnmf.options import FitOptions
from dnmf.passes.executor import run_pass
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.statistics import ModelSums
from dnmf.passes.terms import Terms
from dnmf.passes.visitors.given import UseGivenRows
from dnmf.passes.work import Work
from dnmf.penalty import Penalty
from dnmf.start_memory import BYTES_OF_START


class FewRows(NamedTuple):
    """An engine over a few rows for each component, and the bytes that were read for them."""

    engine: Engine
    bytes_read: int


def start_from_H(
    engine: Engine, H: np.ndarray, options: FitOptions, guides: Guides = NO_GUIDES, rows: FewRows | None = None
) -> Begun:
    """Return a given H (k, n), rows brought to sum one where scale is free, else balanced.

    The rows that this may take (:func:`needs_sample`) are those of :func:`few_rows`, read where they are not given.
    """
    H = with_given_rows(np.asarray(H, dtype=options.dtype), guides)
    if options.penalty.diagonal and not options.penalty.in_objective:
        H = normalize_rows(H, options.limits.held[0])[0]
    if not needs_sample(options):
        return Begun(H)
    rows = rows or few_rows(engine, options)
    begun = settled(H, rows.engine, engine, options, guides)
    return begun._replace(bytes_read=rows.bytes_read + begun.bytes_read)


def start_from_W(engine: Engine, W: np.ndarray, options: FitOptions, guides: Guides = NO_GUIDES) -> Begun:
    """Return the H that is best for a given W (m, k), which takes one read."""
    W = np.array(W, dtype=options.dtype)
    if guides.W is not None:
        W[:, : guides.W.shape[1]] = guides.W
    work = Work((UseGivenRows(options.rank),), options.dtype, check=True, signed=bool(options.limits.free))
    statistics = run_pass(engine.executor, engine.source, engine.plan, work, given=W, rows_back=engine.watch("start"))
    sums, bytes_read = statistics.models[0], statistics.bytes_read
    limits, begun = options.limits, None
    H = with_given_rows(np.zeros((options.rank, engine.source.shape[1]), options.dtype), guides)
    if needs_sample(options):
        rows, of_sample = few_rows(engine, options)
        begun = settled(update_H(sums, H, Penalty(), limits=limits).H, rows, engine, options, guides)
        options, bytes_read = in_units(options, begun.units), bytes_read + of_sample + begun.bytes_read
    penalty = options.penalty
    if balances(penalty):
        H = update_H(sums, H, Penalty(scale="objective"), limits=without_bounds(limits)).H
        of_W, of_H = start_scale(penalty, sums, H, guides)
        of_W[: limits.held[0]] = of_H[: limits.held[0]] = 1.0
        sums, H = sums.scaled(of_W), (H * of_H[:, None]).astype(H.dtype)
    H = update_H(sums, H, penalty, limits=limits, guides=guides, scaled=penalty.scale != "absolute").H
    known = Begun(H, bytes_read, statistics.squares)
    return known if begun is None else known._replace(peak=begun.peak, units=begun.units, strongest=begun.strongest)


def start_at_random(engine: Engine, options: FitOptions, guides: Guides = NO_GUIDES) -> Begun:
    """Return H (k, n) uniform in [0, 1)."""
    H = np.random.default_rng(options.seed).random((options.rank, engine.source.shape[1]))
    return with_held_columns(start_from_H(engine, H, options, guides), engine, options, guides)


def start_from_sample(engine: Engine, options: FitOptions, guides: Guides = NO_GUIDES) -> Begun:
    """Return the H of a factorization of some rows.

    The penalty plays no part yet, but for the scale.
    """
    raced = race_on_sample(engine, options, guides)
    begun = settled(raced.H, raced.engine, engine, options, guides)
    return with_held_columns(begun._replace(bytes_read=raced.bytes_read + begun.bytes_read), engine, options, guides)


def with_held_columns(begun: Begun, engine: Engine, options: FitOptions, guides: Guides) -> Begun:
    """Return a start whose first rows of H are the best for the columns of W that are given, which takes a read."""
    if guides.W is None:
        return begun
    held = guides.W.shape[1]
    work = Work((UseGivenRows(held),), options.dtype, check=begun.squares < 0, signed=bool(options.limits.free))
    watch = engine.watch("start")
    statistics = run_pass(engine.executor, engine.source, engine.plan, work, given=guides.W, rows_back=watch)
    limits = replace(NO_LIMITS, free=options.limits.free)
    of_held = solve_H(statistics.models[0], begun.H[:held], Penalty(scale="objective"), limits=limits).H
    squares = statistics.squares if begun.squares < 0 else begun.squares
    H = np.concatenate([of_held, begun.H[held:]])
    return begun._replace(H=H, bytes_read=begun.bytes_read + statistics.bytes_read, squares=squares)


class Raced(NamedTuple):
    """The H (k, n) that won on a sample, the engine of the sample, and the bytes that were read for it."""

    H: np.ndarray
    engine: Engine
    bytes_read: int


def race_on_sample(engine: Engine, options: FitOptions, guides: Guides = NO_GUIDES) -> Raced:
    """Return what a race on a sample of the rows found."""
    rows = sample_rows(engine.source.shape[0], options.rank, affordable_rows(engine))
    sample = Sample(engine, rows, options.seed, dtype=options.dtype, signed=bool(options.limits.free))
    H, last = race(sample, rows, unhindered(options), most_starts(engine, options), guides)
    return Raced(H, last, sample.bytes_read)


def unhindered(options: FitOptions) -> FitOptions:
    """Return the options without a penalty and without bounds, and with a patience that ends no race."""
    limits = replace(without_bounds(options.limits), held=(0, options.limits.held[1]))
    return replace(options, penalty=Penalty(), limits=limits, max_passes=10**6, tol=0.0)


def most_starts(engine: Engine, options: FitOptions) -> int:
    """Return how many starts fit in the memory that is meant for them, at least 1."""
    return max(1, engine.plan.sample_bytes // (BYTES_OF_START * options.rank * engine.source.shape[1]))


def in_units(options: FitOptions, units: tuple[float, float]) -> FitOptions:
    """Return the options with the strengths of their penalty as they are, where they were given as fractions."""
    if options.penalty.scale != "fraction":
        return options
    return replace(options, penalty=options.penalty.times(units))


def last_resort(options: FitOptions, h: np.ndarray) -> np.ndarray | None:
    """Return the component that a penalty kills last, where the fractions of `options` let it live."""
    return h if max(*options.penalty.l1, *options.penalty.l2) < 1 else None


def needs_sample(options: FitOptions) -> bool:
    """Whether a start has to know something of the data for the sake of the penalty, or of bounds."""
    penalty = options.penalty
    return balances(penalty) or penalty.needs_peak or penalty.scale == "fraction" or options.limits.bounded


def settled(H: np.ndarray, rows: Engine, engine: Engine, options: FitOptions, guides: Guides = NO_GUIDES) -> Begun:
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
    guides : Guides
        With the graph that H follows.
    """
    begun = Begun(H)
    if options.penalty.scale == "fraction" and options.penalty.active:
        found = strongest(rows, engine, options)
        begun = Begun(H, found.bytes_read, found.squares, units=found.units, strongest=last_resort(options, found.h))
        options = in_units(options, found.units)
    penalty, limits = options.penalty, options.limits
    if not (balances(penalty) or penalty.needs_peak or limits.bounded):
        return begun
    visitor = solve_for_rows(H, Terms(free=limits.is_free("W")), signed=limits.is_free("H"), peaks=penalty.needs_peak)
    sums = run_pass(rows.executor, rows.source, rows.plan, Work((visitor,), options.dtype)).models[0]
    if penalty.needs_peak:
        return begun._replace(peak=float(sums.peaks[limits.held[0] :].max(initial=0)))
    of_H = np.ones(len(H))
    if balances(penalty):
        _, of_H = start_scale(penalty, sums.times(engine.source.shape[0] / rows.source.shape[0]), H, guides)
    if limits.bounded:
        of_H = _within_bounds(of_H, sums, H, limits, rows.source.shape[0])
    if not np.isfinite(of_H).all():
        raise InputError(f"{engine.source.address}: the sample has no finite scale")
    of_H[: limits.held[0]] = 1.0  # their W is on a scale already
    return begun._replace(H=keep_below((H * of_H[:, None]).astype(H.dtype), limits.upper[1]))


def _within_bounds(of_H: np.ndarray, sums: ModelSums, H: np.ndarray, limits: Limits, n_rows: int) -> np.ndarray:
    """Return the scale of H at which an entry of W, in the root mean square, is at most half its bound.

    Without a bound on W, the scale at which H is within its own.
    """
    of_W, most = limits.upper
    if of_W < np.inf:
        return np.maximum(of_H, 2 / of_W * np.sqrt(np.diag(sums.G) / n_rows))
    largest = H.max(axis=1, initial=0)
    return np.minimum(of_H, most / np.where(largest > 0, largest, 1.0))


def few_rows(engine: Engine, options: FitOptions) -> FewRows:
    """Return a small sample of the rows, which depends on the rank and the seed alone."""
    rows = min(FEWEST_ROWS_PER_COMPONENT * options.rank, engine.source.shape[0], affordable_rows(engine))
    sample = Sample(engine, rows, options.seed, dtype=options.dtype, signed=bool(options.limits.free))
    return FewRows(engine_in_memory(sample.first(rows), options), sample.bytes_read)
