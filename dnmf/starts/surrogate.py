"""The start from a surrogate: one read of the data makes a stand-in for all of it, to be alternated in memory.

The rows are projected on a few directions V (n, r) that are large in a sample, ``Y = A V``. The same read folds
``AᵀY``, from which ``C = (YᵀY)⁻¹ (AᵀY)ᵀ``: then ``Y C`` is A projected on what Y spans, a randomized range (Halko et
al. 2011, doi:10.1137/090771806). With it the right-hand side ``H a`` of a row is ``(H Cᵀ) y`` and the fold ``WᵀA`` is
``(WᵀY) C`` (Tepper & Sapiro 2016, doi:10.1109/TSP.2016.2516971). H has all its columns and is not negative; a row
costs r numbers, and some of the rows of Y are enough. Which data gains from it: docs/decisions.
"""

from dataclasses import replace

import numpy as np

from dnmf.constraints import NO_GUIDES, Guides
from dnmf.fitting.loop import Engine
from dnmf.fitting.state import Initial
from dnmf.fitting.step import first_state
from dnmf.kernels.padding import pad_columns
from dnmf.options import FitOptions
from dnmf.passes.statistics import ModelSums, Statistics
from dnmf.passes.visitors.project import ProjectRows
from dnmf.passes.visitors.solve import SolveRows
from dnmf.passes.work import Work
from dnmf.schemes.of_options import scheme_of
from dnmf.schemes.scheme import Scheme
from dnmf.sources.memory import MemorySource
from dnmf.starts.choose import count_directions
from dnmf.starts.race import (
    DENSE_COST,
    SampleProblem,
    affordable_alternations,
    affordable_starts,
    engine_in_memory,
    first_states,
    race_stages,
    run_stages,
    work_of_alternation,
)
from dnmf.starts.start import RaceResult, most_starts, patient, race_on_sample, settle_start, with_held_columns
from dnmf.starts.sweep import sweep

ROWS_PER_DIRECTION = 2  # of a sample: more directions than that say more of its rows than of the data
SAMPLE_TURNS = 2  # of the subspace iteration on the sample
LEAST_EIGENVALUE = {"float32": 1e-6, "float64": 1e-13}  # of YᵀY, relative to the largest: what is below is rounding
ROWS_AT_ONCE = 2**16
DIRECTIONS_STREAM, RESTARTS_STREAM = 2, 3


def start_from_surrogate(engine: Engine, options: FitOptions, guides: Guides = NO_GUIDES) -> Initial:
    """Return the H of a factorization of the surrogate; it takes a sample and one read of all rows.

    The reads of the surrogate itself are not counted: it lies in this process. The penalty plays no part yet, but
    for the scale.

    Parameters
    ----------
    engine : Engine
        Over the source; its plan says how many rows of Y may be kept.
    options : FitOptions
        Of the fit.
    guides : Guides
        With the rows of H that are given.
    """
    n_rows = engine.source.shape[0]
    raced = race_on_sample(engine, options, guides, as_they_weigh=False)  # all rows are read for the surrogate
    V, one_in = directions(raced, options, n_rows), -(-n_rows // engine.plan.projected_rows)
    statistics = project(engine, V, options, one_in=one_in, before=raced.bytes_read)
    bytes_read = raced.bytes_read + statistics.bytes_read
    if statistics.squares == 0:
        return Initial(raced.H, bytes_read, squares=0.0)
    C = coefficients(statistics.models[0], LEAST_EIGENVALUE[options.dtype])
    kept = statistics.models[0].kept
    Y = np.concatenate([kept.pop(start) for start in sorted(kept)])
    H = _alternated(Y, C, raced, engine, options, guides)
    H = np.where(H.any(axis=1, keepdims=True), H, raced.H)  # a component that died here may live on all of A
    begun = settle_start(H, raced.engine, engine, options, guides)
    begun = begun._replace(bytes_read=bytes_read + begun.bytes_read, squares=statistics.squares)
    return with_held_columns(begun, engine, options, guides)


def directions(raced: RaceResult, options: FitOptions, n_rows: int) -> np.ndarray:
    """Return orthonormal directions V (n, r): the H found on a sample, and what else is large in the sample.

    With H among them its right-hand sides are exact: the surrogate does not lead away from it without reason. Where
    the sample has too few rows to tell, the rest is random.

    Parameters
    ----------
    raced : RaceResult
        Of the sample.
    options : FitOptions
        Of the fit.
    n_rows : int
        Of the data.
    """
    rows, n_columns = raced.engine.source.shape
    count = count_directions(options.rank, (n_rows, n_columns)) - options.rank
    if count == 0:
        return _orthonormal(_unit_columns(raced.H.T))
    V = np.random.default_rng([options.seed, DIRECTIONS_STREAM]).standard_normal((n_columns, count))
    known = max(1, min(count, rows // ROWS_PER_DIRECTION))
    for _ in range(SAMPLE_TURNS):
        V[:, :known] = _orthonormal(project(raced.engine, V[:, :known], options, one_in=0).models[0].P)
    return _orthonormal(_unit_columns(np.hstack([raced.H.T, V])))


def _unit_columns(columns: np.ndarray) -> np.ndarray:
    sizes = np.linalg.norm(columns.astype(np.float64), axis=0)
    return columns / np.where(sizes > 0, sizes, 1.0)


def _orthonormal(columns: np.ndarray) -> np.ndarray:
    return np.linalg.qr(columns)[0]


def project(engine: Engine, V: np.ndarray, options: FitOptions, *, one_in: int, before: int = 0) -> Statistics:
    """Return what a pass folds of ``Y = A V``: ``G = YᵀY``, ``P = AᵀY``, some rows of Y and with them ``‖A‖²``.

    Parameters
    ----------
    engine : Engine
        Over the rows of A.
    V : ndarray (n, r)
        Of any sign.
    options : FitOptions
        Of the fit.
    one_in : int
        Of so many rows of Y one is kept; 0 keeps none, and the values are not checked.
    before : int
        Bytes of the data that were read for the start before.
    """
    project = ProjectRows(pad_columns(V.astype(options.dtype)), V.shape[1], max(1, one_in), options.seed)
    work = Work((project,), options.dtype, check=one_in > 0)
    return sweep(engine, work, before, targets=("",) if one_in else ())


def coefficients(sums: ModelSums, least: float) -> np.ndarray:
    """Return C (r, n) for which ``Y C`` is A projected on what Y spans, from the sums of a projection.

    Parameters
    ----------
    sums : ModelSums
        ``G = YᵀY`` and ``P = AᵀY``.
    least : float
        Eigenvalues of G below so much of the largest are taken for zero.
    """
    values, vectors = np.linalg.eigh(sums.G)
    large = values > least * values[-1]
    return (vectors[:, large] / values[large]) @ (sums.P @ vectors[:, large]).T


class SurrogateProblem(SampleProblem):
    """Rows of Y to alternate on as if they were the rows ``Y C``.

    Parameters
    ----------
    Y : ndarray (rows, r)
        In the dtype of the computation.
    C : ndarray (r, n)
        In float64.
    options : FitOptions
        Of the race.
    scheme : Scheme
        Least squares without a penalty.
    models : int
        How many starts share a read.
    """

    def __init__(self, Y: np.ndarray, C: np.ndarray, options: FitOptions, scheme: Scheme, models: int):
        held = MemorySource(Y, address="the projected data")
        super().__init__(engine_in_memory(held, options, models), scheme, float(np.vdot(_gram(Y), C @ C.T)))
        self.C = C

    def visitor(self, H: np.ndarray, *, first: bool) -> SolveRows:
        """That of ``Y C``: its Gram matrix is that of H, its right-hand sides come from Y."""
        solve = super().visitor(H, first=first)
        assert isinstance(solve, SolveRows)
        return replace(solve, HT=pad_columns((self.C @ solve.HT[:, : solve.rank]).astype(H.dtype)))

    def sums(self, sums: ModelSums) -> ModelSums:
        """With ``P = Cᵀ (YᵀW)``."""
        return replace(sums, P=self.C.T @ sums.P)


def _gram(Y: np.ndarray) -> np.ndarray:
    G = np.zeros((Y.shape[1], Y.shape[1]))
    for low in range(0, len(Y), ROWS_AT_ONCE):
        wide = Y[low : low + ROWS_AT_ONCE].astype(np.float64)
        G += wide.T @ wide
    return G


def _alternated(  # noqa: PLR0917
    Y: np.ndarray, C: np.ndarray, raced: RaceResult, engine: Engine, options: FitOptions, guides: Guides
) -> np.ndarray:
    """Return the best H of a race on the surrogate: the one from the sample, and others where they cost little."""
    starts, alternations = _affordable(Y, C, raced, engine, most_starts(engine, options))
    stages = race_stages(len(Y), engine.source.shape[0], options.rank, starts, alternations)
    free, scheme = patient(options), scheme_of(options, engine.facts, guides).unhindered
    problems = [SurrogateProblem(_thinned(Y, stage.rows), C, free, scheme, stage.alive) for stage in stages]
    others = first_states(raced.engine.source, free, scheme, starts - 1, RESTARTS_STREAM)
    return run_stages(problems, stages, [first_state(Initial(raced.H), free), *others], free)


def _affordable(Y: np.ndarray, C: np.ndarray, raced: RaceResult, engine: Engine, most: int) -> tuple[int, int]:
    """How many starts, and how many alternations of one that is alone."""
    rows, n_columns = raced.engine.source.shape
    cost = work_of_alternation(raced.engine.source.read(0, rows), n_columns)
    of_pass, of_surrogate = cost.with_rows(engine.source.shape[0] / rows), DENSE_COST * (Y.size + 2 * C.size)
    starts = affordable_starts(of_surrogate + cost.update, of_pass, most)
    return starts, affordable_alternations(DENSE_COST * 2 * C.size + cost.update, of_pass, len(raced.H))


def _thinned(Y: np.ndarray, rows: int) -> np.ndarray:
    """About so many rows, evenly from all."""
    return np.ascontiguousarray(Y[:: max(1, len(Y) // rows)])
