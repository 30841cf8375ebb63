"""The first H: from a sample of rows factorized in memory, at random, or from factors that are given."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dnmf.errors import InputError
from dnmf.fitting.balance import balances, start_scale
from dnmf.fitting.loop import Engine
from dnmf.fitting.race import FEWEST_ROWS_PER_COMPONENT, engine_in_memory, race, sample_rows
from dnmf.fitting.sample import Sample, affordable_rows
from dnmf.fitting.update import normalize_rows, update_H
from dnmf.memory import BYTES_OF_START
from dnmf.options import FitOptions
from dnmf.passes.executor import run_pass
from dnmf.passes.problem import Work, make_problem
from dnmf.penalty import Penalty


class Begun(NamedTuple):
    """What the first pass needs: the first H (k, n), the bytes read for it, and what is known of the data by then.

    ``squares`` is ``‖A‖²``, negative where it is not known; ``peak`` the largest right-hand side, where the penalty is
    measured by it.
    """

    H: np.ndarray
    bytes_read: int = 0
    squares: float = -1.0
    peak: float = 0.0


def start_from_H(engine: Engine, H: np.ndarray, options: FitOptions) -> Begun:
    """Return a given H (k, n), rows brought to sum one where scale is free, else balanced."""
    H = np.asarray(H, dtype=options.dtype)
    penalty = options.penalty
    free = penalty.diagonal and not penalty.in_objective
    return _settled_on_sample(engine, normalize_rows(H)[0] if free else H, options)


def start_from_W(engine: Engine, W: np.ndarray, options: FitOptions) -> Begun:
    """Return the H that is best for a given W (m, k), which takes one read."""
    W = np.ascontiguousarray(W, dtype=options.dtype)
    work = Work((), options.dtype, check=True, rank=options.rank)
    statistics = run_pass(engine.executor, engine.source, engine.plan, work, given=W)
    sums, penalty = statistics.models[0], options.penalty
    H = np.zeros((options.rank, engine.source.shape[1]), options.dtype)
    if balances(penalty):
        H = update_H(sums, H, Penalty(scale="objective"))
        of_W, of_H = start_scale(penalty, sums, H)
        sums, H = sums.scaled(of_W), (H * of_H[:, None]).astype(H.dtype)
    H = update_H(sums, H, penalty, scaled=penalty.scale != "absolute")
    peak = _settled_on_sample(engine, H, options) if penalty.needs_peak else Begun(H)
    return Begun(H, statistics.bytes_read + peak.bytes_read, statistics.squares, peak.peak)


def start_at_random(engine: Engine, options: FitOptions) -> Begun:
    """Return H (k, n) uniform in [0, 1), and the bytes read for it: none where scale is free."""
    H = np.random.default_rng(options.seed).random((options.rank, engine.source.shape[1]))
    return start_from_H(engine, H, options)


def start_from_sample(engine: Engine, options: FitOptions) -> Begun:
    """Return the H of a factorization of some rows, and the bytes that were read for it.

    The penalty plays no part yet, but for the scale.
    """
    raced = race_on_sample(engine, options)
    return settled(raced.H, raced.engine, options, engine.source.shape[0])._replace(bytes_read=raced.bytes_read)


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


def settled(H: np.ndarray, engine: Engine, options: FitOptions, n_rows: int) -> Begun:
    """Return H on the scale that its penalty wants, or the peak that its penalty is measured by.

    Both follow from the W that belongs to H, estimated on a sample. A penalty in the objective decides what survives
    by the scale of H; see :func:`dnmf.fitting.balance.start_scale`.

    Parameters
    ----------
    H : ndarray (k, n)
        Of a start.
    engine : Engine
        Over a sample of the rows.
    options : FitOptions
        Of the fit.
    n_rows : int
        Of the data.
    """
    penalty = options.penalty
    if not (balances(penalty) or penalty.needs_peak):
        return Begun(H)
    work = Work((make_problem(H, peaks=penalty.needs_peak),), options.dtype)
    sums = run_pass(engine.executor, engine.source, engine.plan, work).models[0]
    if penalty.needs_peak:
        return Begun(H, peak=float(sums.peaks.max()))
    _, of_H = start_scale(penalty, sums.times(n_rows / engine.source.shape[0]), H)
    if not np.isfinite(of_H).all():
        raise InputError(f"{engine.source.address}: the sample has no finite scale")
    return Begun((H * of_H[:, None]).astype(H.dtype))


def _settled_on_sample(engine: Engine, H: np.ndarray, options: FitOptions) -> Begun:
    if not (balances(options.penalty) or options.penalty.needs_peak):
        return Begun(H)
    n_rows = engine.source.shape[0]
    rows = min(FEWEST_ROWS_PER_COMPONENT * options.rank, n_rows, affordable_rows(engine))
    sample = Sample(engine, rows, options.seed)
    begun = settled(H, engine_in_memory(sample.first(rows), options), options, n_rows)
    return begun._replace(bytes_read=sample.bytes_read)
