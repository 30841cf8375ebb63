"""The first H: from a sample of rows factorized in memory, at random, or from factors that are given."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dnmf.errors import InputError
from dnmf.fitting.loop import Engine
from dnmf.fitting.race import FEWEST_ROWS_PER_COMPONENT, engine_in_memory, race, sample_rows
from dnmf.fitting.sample import Sample, affordable_rows
from dnmf.fitting.update import normalize_rows, update_H
from dnmf.memory import BYTES_OF_START
from dnmf.options import FitOptions, Penalty
from dnmf.passes.executor import run_pass
from dnmf.passes.problem import Work, make_problem
from dnmf.passes.statistics import Statistics


def start_from_H(H: np.ndarray, options: FitOptions) -> np.ndarray:
    """Return a given H (k, n) in the dtype of the computation, rows brought to sum one where scale is free."""
    H = np.asarray(H, dtype=options.dtype)
    return H if options.penalty.scale == "objective" else normalize_rows(H)[0]


def start_from_W(engine: Engine, W: np.ndarray, options: FitOptions) -> tuple[np.ndarray, Statistics]:
    """Return the H that is best for a given W (m, k), and the sums of the one read it takes."""
    W = np.ascontiguousarray(W, dtype=options.dtype)
    work = Work((), options.dtype, check=True, rank=options.rank)
    statistics = run_pass(engine.executor, engine.source, engine.plan, work, given=W)
    nothing = np.zeros((options.rank, engine.source.shape[1]), options.dtype)
    return update_H(statistics.models[0], nothing, options.penalty, scaled=False), statistics


def start_at_random(engine: Engine, options: FitOptions) -> tuple[np.ndarray, int]:
    """Return H (k, n) uniform in [0, 1), and the bytes read for it: none where scale is free.

    With a penalty in the objective the scale of H decides what survives; it is balanced against that of W on a
    small sample of rows.
    """
    n_rows, n_columns = engine.source.shape
    H = start_from_H(np.random.default_rng(options.seed).random((options.rank, n_columns)), options)
    if options.penalty.scale != "objective":
        return H, 0
    rows = min(FEWEST_ROWS_PER_COMPONENT * options.rank, n_rows, affordable_rows(engine))
    sample = Sample(engine, rows, options.seed)
    return balanced(H, engine_in_memory(sample.first(rows), options), options, n_rows), sample.bytes_read


def start_from_sample(engine: Engine, options: FitOptions) -> tuple[np.ndarray, int]:
    """Return the H of a factorization of some rows, and the bytes that were read for it.

    The penalty plays no part yet, but for the scale.
    """
    raced = race_on_sample(engine, options)
    return balanced(raced.H, raced.engine, options, engine.source.shape[0]), raced.bytes_read


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


def balanced(H: np.ndarray, engine: Engine, options: FitOptions, n_rows: int) -> np.ndarray:
    """Return H, for a penalty in the objective with the norms of its rows balanced against those of W.

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
    if options.penalty.scale != "objective":
        return H
    work = Work((make_problem(H),), options.dtype)
    sums = run_pass(engine.executor, engine.source, engine.plan, work).models[0]
    of_W = np.sqrt(np.diag(sums.G) * n_rows / engine.source.shape[0])
    of_H = np.linalg.norm(H.astype(np.float64), axis=1)
    scale = np.sqrt(of_W / np.where(of_H > 0, of_H, 1.0))
    if not np.isfinite(scale).all():
        raise InputError(f"{engine.source.address}: the sample has no finite scale")
    return (H * scale[:, None]).astype(H.dtype)
