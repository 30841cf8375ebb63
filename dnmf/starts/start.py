"""The first H: from a sample of rows factorized in memory, at random, or from factors that are given."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dnmf.constraints import NO_GUIDES, Guides
from dnmf.errors import InputError
from dnmf.fitting.loop import Engine
from dnmf.fitting.state import Initial
from dnmf.fitting.step import first_state
from dnmf.options import FitOptions
from dnmf.passes.executor import run_pass
from dnmf.passes.work import Work
from dnmf.schemes.of_options import in_units, last_resort, scheme_of, wants_units
from dnmf.schemes.scheme import Scheme
from dnmf.start_memory import BYTES_OF_START
from dnmf.starts.draw import Drawn, draw_rows
from dnmf.starts.even_variance import EvenSample
from dnmf.starts.lambda_max import find_lambda_max
from dnmf.starts.race import (
    FEWEST_ROWS_PER_COMPONENT,
    SampleProblem,
    Stage,
    engine_in_memory,
    race,
    run_stages,
)
from dnmf.starts.sample import Sample, affordable_rows


class FewRows(NamedTuple):
    """An engine over a few rows for each component, and the bytes that were read for them."""

    engine: Engine
    bytes_read: int


def start_from_H(
    engine: Engine, H: np.ndarray, options: FitOptions, guides: Guides = NO_GUIDES, rows: FewRows | None = None
) -> Initial:
    """Return a given H (k, n), rows brought to sum one where scale is free, else balanced.

    The rows that this may take (:attr:`Scheme.needs_rows`) are those of :func:`few_rows`, read where they are not
    given.
    """
    scheme = scheme_of(options, engine.facts, guides)
    H = scheme.enter(np.asarray(H, dtype=options.dtype))
    if not scheme.needs_rows:
        return Initial(H)
    rows = rows or few_rows(engine, options)
    begun = settle_start(H, rows.engine, engine, options, guides)
    return begun._replace(bytes_read=rows.bytes_read + begun.bytes_read)


def start_from_W(engine: Engine, W: np.ndarray, options: FitOptions, guides: Guides = NO_GUIDES) -> Initial:
    """Return the H that is best for a given W (m, k), which takes one read."""
    scheme, W = scheme_of(options, engine.facts, guides), np.array(W, dtype=options.dtype)
    if scheme.given is not None:
        W[:, : scheme.given.shape[1]] = scheme.given
    visitor = scheme.visitor_of_given(options.rank, engine.source.shape[1], options.dtype)
    work = Work((visitor,), options.dtype, check=True, demands=scheme.demands)
    statistics = run_pass(engine.executor, engine.source, engine.plan, work, given=W, rows_back=engine.watch("start"))
    sums, bytes_read = statistics.models[0], statistics.bytes_read
    H = scheme.with_given_rows(np.zeros((options.rank, engine.source.shape[1]), options.dtype))
    known = Initial(H, squares=scheme.of_check(statistics.squares))
    if scheme.needs_rows:
        rows, of_sample = few_rows(engine, options)
        begun = settle_start(scheme.guess(sums, H), rows, engine, options, guides)
        scheme = scheme_of(in_units(options, begun.units), engine.facts, guides)
        bytes_read += of_sample + begun.bytes_read
        known = known._replace(peak=begun.peak, units=begun.units, strongest=begun.strongest)
    return known._replace(H=scheme.start_for(sums, H), bytes_read=bytes_read)


def start_at_random(engine: Engine, options: FitOptions, guides: Guides = NO_GUIDES) -> Initial:
    """Return H (k, n) uniform in [0, 1)."""
    H = np.random.default_rng(options.seed).random((options.rank, engine.source.shape[1]))
    return with_held_columns(start_from_H(engine, H, options, guides), engine, options, guides)


def start_from_sample(engine: Engine, options: FitOptions, guides: Guides = NO_GUIDES) -> Initial:
    """Return the H of a factorization of some rows.

    The penalty plays no part yet, but for the scale.
    """
    raced = race_on_sample(engine, options, guides)
    begun = settle_start(raced.H, raced.engine, engine, options, guides)
    squares = begun.squares if begun.squares >= 0 else raced.squares
    begun = begun._replace(bytes_read=raced.bytes_read + begun.bytes_read, squares=squares)
    return with_held_columns(begun, engine, options, guides)


def with_held_columns(begun: Initial, engine: Engine, options: FitOptions, guides: Guides) -> Initial:
    """Return a start whose first rows of H are the best for the columns of W that are given, which takes a read."""
    scheme = scheme_of(options, engine.facts, guides)
    if scheme.given is None:
        return begun
    held = scheme.given.shape[1]
    visitor = scheme.visitor_of_given(held, engine.source.shape[1], options.dtype)
    work = Work((visitor,), options.dtype, check=begun.squares < 0, demands=scheme.demands)
    watch = engine.watch("start")
    statistics = run_pass(engine.executor, engine.source, engine.plan, work, given=scheme.given, rows_back=watch)
    of_held = scheme.rows_of_given(statistics.models[0], begun.H[:held])
    squares = scheme.of_check(statistics.squares) if begun.squares < 0 else begun.squares
    H = np.concatenate([of_held, begun.H[held:]])
    return begun._replace(H=H, bytes_read=begun.bytes_read + statistics.bytes_read, squares=squares)


class RaceResult(NamedTuple):
    """The H (k, n) that won on a sample, an engine over rows drawn alike, what was read, and ``‖A‖²`` where known."""

    H: np.ndarray
    engine: Engine
    bytes_read: int
    squares: float = -1.0


def race_on_sample(
    engine: Engine, options: FitOptions, guides: Guides = NO_GUIDES, *, as_they_weigh: bool = True
) -> RaceResult:
    """Return what a race on a sample of the rows found; arguments as in :func:`dnmf.starts.draw.draw_rows`."""
    drawn = draw_rows(engine, options, as_they_weigh=as_they_weigh)
    return race_on_drawn(engine, drawn, options, guides, most_starts(engine, options))


def race_on_drawn(engine: Engine, drawn: Drawn, options: FitOptions, guides: Guides, most: int) -> RaceResult:
    """Return what a race of at most so many starts found on rows that were drawn, on those of their columns there."""
    scheme, sample, rows = scheme_of(options, engine.facts, guides), drawn.sample, drawn.size
    if not scheme.power:
        H, last = race(sample, rows, patient(options), scheme.stand_in, most)
    else:
        even = EvenSample(sample, rows, scheme.power, damped=scheme.power_damps)
        stand_in = scheme.stand_in.of_divided_columns(even.of_columns)
        H, _ = race(even, rows, patient(options), stand_in, most)
        H, last = even.uneven(H), engine_in_memory(sample.first(rows), options)
    if scheme.sample_passes:
        H = alternated(H, last, patient(options), scheme.unhindered, scheme.sample_passes)
    alike = last if drawn.alike is None else engine_in_memory(drawn.alike, options)
    return RaceResult(scheme.from_unhindered(H), alike, drawn.bytes_read, drawn.squares)


def alternated(H: np.ndarray, rows: Engine, options: FitOptions, scheme: Scheme, passes: int) -> np.ndarray:
    """Return a start after some passes over rows in memory."""
    stage = Stage(rows.source.shape[0], 1, passes)
    begun = first_state(Initial(scheme.enter(H)), options)
    return scheme.enter(run_stages([SampleProblem(rows, scheme)], [stage], [begun], options))


def patient(options: FitOptions) -> FitOptions:
    """Return the options with limits that end no race."""
    return replace(options, max_passes=10**6, tol=0.0)


def most_starts(engine: Engine, options: FitOptions) -> int:
    """Return how many starts fit in the memory that is meant for them, at least 1."""
    return max(1, engine.plan.sample_bytes // (BYTES_OF_START * options.rank * engine.source.shape[1]))


def settle_start(
    H: np.ndarray, rows: Engine, engine: Engine, options: FitOptions, guides: Guides = NO_GUIDES
) -> Initial:
    """Return H on the scale that its penalty wants, and what its penalty is measured by.

    Both follow from the W that belongs to H, estimated on a sample. A penalty in the objective decides what survives
    by the scale of H; see :func:`dnmf.schemes.balance.start_scale`. The bytes are those of the units of a fraction.

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
    begun = Initial(H)
    if wants_units(options):
        found = find_lambda_max(rows, engine, options)
        begun = Initial(H, found.bytes_read, found.squares, units=found.units, strongest=last_resort(options, found.h))
        options = in_units(options, found.units)
    scheme = scheme_of(options, engine.facts, guides)
    if not scheme.needs_rows:
        return begun
    sums = run_pass(rows.executor, rows.source, rows.plan, Work((scheme.probe(H),), options.dtype)).models[0]
    H, peak = scheme.settle(sums, H, rows.source.shape[0], engine.source.shape[0])
    if not np.isfinite(H).all():
        raise InputError(f"{engine.source.address}: the sample has no finite scale")
    return begun._replace(H=H, peak=peak)


def few_rows(engine: Engine, options: FitOptions) -> FewRows:
    """Return a small sample of the rows, which depends on the rank and the seed alone."""
    rows = min(FEWEST_ROWS_PER_COMPONENT * options.rank, engine.source.shape[0], affordable_rows(engine))
    sample = Sample(engine, rows, options.seed, dtype=options.dtype, demands=scheme_of(options, engine.facts).demands)
    return FewRows(engine_in_memory(sample.first(rows), options), sample.bytes_read)
