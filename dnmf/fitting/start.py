"""The first H: from a sample of rows factorized in memory, at random, or from factors that are given.

The sample start is a race: many random starts are alternated a little on few rows, the best go on with more
rows and more alternations, until one is left (successive halving). How it was chosen: docs/decisions.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dnmf.errors import InputError
from dnmf.fitting.loop import Engine
from dnmf.fitting.state import State
from dnmf.fitting.step import Clock, advance, first_state
from dnmf.fitting.update import normalize_rows, update_H
from dnmf.options import FitOptions, Penalty
from dnmf.passes.executor import run_pass
from dnmf.passes.problem import Work, make_problem
from dnmf.passes.statistics import Statistics
from dnmf.passes.threads import InProcess
from dnmf.passes.visit import check_rows
from dnmf.plan import BYTES_OF_START, MOST_STARTS, Machine, Shape, make_plan
from dnmf.sources.memory import MemorySource, slice_rows, stack_rows
from dnmf.sources.source import CsrRows, Layout, Rows

SAMPLE_SHARE = 0.4  # of the rows; restarts on fewer rows settle in worse minima
WHOLE_SHARE = 0.8  # a sample that would be larger than this is the whole matrix
ROWS_PER_COMPONENT = 100
FEWEST_ROWS_PER_COMPONENT = 25
FIRST_VALUES = 2**19  # values looked at by the first stage
MOST_COLUMNS_COUNTED = 800  # wide rows are taken for sparse: not fewer rows than this allows
REGION_BYTES = 32 * 2**20
MOST_RUNS, LEAST_RUN, MOST_RUN = 320, 16, 4096
SAMPLE_STREAM, START_STREAM = 0, 1


class Stage(NamedTuple):
    """A round of the race: so many rows, starts alive, alternations, and the solver's tolerance."""

    rows: int
    alive: int
    passes: int
    tolerance: float


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
    runs = sample_order(n_rows, options.seed)
    rows = min(FEWEST_ROWS_PER_COMPONENT * options.rank, n_rows, _affordable_rows(engine))
    parts, bytes_read = _read_runs(engine, _taken(runs, rows))
    return _balanced(H, _in_memory(_rows_of(parts, runs, rows), options, 1), options, n_rows), bytes_read


def start_from_sample(engine: Engine, options: FitOptions) -> tuple[np.ndarray, int]:
    """Return the H of a factorization of some rows, and the bytes that were read for it.

    The rows are contiguous runs (single rows of compressed chunks would read everything), drawn from the seed
    and the number of rows alone: not from the plan, the chunks or the cluster. The penalty plays no part yet.
    """
    n_rows, n_columns = engine.source.shape
    crowd = max(1, engine.plan.sample_bytes // (BYTES_OF_START * options.rank * n_columns))
    stages = race_stages(engine.source.shape, options.rank, _affordable_rows(engine), crowd)
    runs = sample_order(n_rows, options.seed)
    parts, bytes_read = _read_runs(engine, _taken(runs, stages[-1].rows))
    inner = replace(options, penalty=Penalty(), max_passes=10**6, tol=0.0)
    rng = np.random.default_rng([options.seed, START_STREAM])
    starts = [start_from_H(rng.random((options.rank, n_columns)), inner) for _ in range(stages[0].alive)]
    for stage in stages:
        sample = _in_memory(_rows_of(parts, runs, stage.rows), inner, stage.alive)
        starts = _race(sample, starts[: stage.alive], inner, stage)
        if stage is not stages[-1]:
            del sample  # its rows make room for those of the next stage
    return _balanced(starts[0], sample, options, n_rows), bytes_read


def race_stages(shape: tuple[int, int], rank: int, affordable: int, crowd: int = MOST_STARTS) -> list[Stage]:
    """Return the rounds of the race for a matrix of a shape; `affordable` rows and `crowd` starts fit in memory.

    Examples
    --------
    >>> [(stage.rows, stage.alive) for stage in race_stages((20000, 5000), 20, 20000)]
    [(2289, 8), (8000, 3), (8000, 1)]
    """
    n_rows, n_columns = shape
    most = max(ROWS_PER_COMPONENT * rank, int(SAMPLE_SHARE * n_rows))
    most = min(n_rows if most > WHOLE_SHARE * n_rows else most, affordable)
    fewest = max(FEWEST_ROWS_PER_COMPONENT * rank, FIRST_VALUES // min(n_columns, MOST_COLUMNS_COUNTED))
    fewest = min(fewest, most)
    if fewest == most:
        stages = [Stage(most, MOST_STARTS, 5, 1e-2), Stage(most, 12, 10, 1e-2), Stage(most, 4, 20, 1e-3)]
        return [stage._replace(alive=min(stage.alive, crowd)) for stage in stages]
    middle = int((fewest * most) ** 0.5)
    stages = [Stage(middle, 8, 5, 1e-2), Stage(most, 3, 10, 1e-2), Stage(most, 1, 10, 1e-3)]
    return [stage._replace(alive=min(stage.alive, crowd)) for stage in stages]


def sample_order(n_rows: int, seed: int) -> list[tuple[int, int]]:
    """Return all runs of rows in a random order: a sample is a beginning of it, so samples are nested.

    Examples
    --------
    >>> sorted(sample_order(40, seed=0))
    [(0, 16), (16, 32), (32, 40)]
    """
    run = min(max(n_rows // MOST_RUNS, LEAST_RUN), MOST_RUN)
    order = np.random.default_rng([seed, SAMPLE_STREAM, n_rows]).permutation(-(-n_rows // run))
    return [(int(i) * run, min((int(i) + 1) * run, n_rows)) for i in order]


def _affordable_rows(engine: Engine) -> int:
    row_bytes = max(1.0, engine.layout.total_bytes / engine.layout.n_rows)
    return max(1, int(engine.plan.sample_bytes / row_bytes))


def _taken(runs: list[tuple[int, int]], rows: int) -> list[tuple[int, int]]:
    """The first runs that hold `rows` rows, in the order of rows."""
    taken, count = [], 0
    for low, high in runs:
        if count >= rows:
            break
        taken.append((low, high))
        count += high - low
    return sorted(taken)


def _read_runs(engine: Engine, runs: list[tuple[int, int]]) -> tuple[dict[int, MemorySource], int]:
    """Return the runs of a sample by their first row, and the bytes that were decoded for them.

    Runs that lie so near to each other that they share stored objects are read in one go, so that no chunk is
    decoded more often than it must be.
    """
    source, regions = engine.source, _regions(engine.layout, runs)
    parts, bytes_read = {}, 0
    for low, high in regions:
        part = source.for_rows(low, high)
        values = engine.executor.read([(part, low, high)])[0]
        check_rows(source, low, values)
        bytes_read += source.touched_bytes(low, high, values)
        for first, last in _joined([run for run in runs if low <= run[0] and run[1] <= high]):
            rows = _copied(slice_rows(values, first - low, last - low)) if last - first < high - low else values
            parts[first] = MemorySource.of_rows(rows, source.shape[1], source.address)
    return parts, bytes_read


def _regions(layout: Layout, runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join runs whose gap is smaller than a stored object, up to regions of REGION_BYTES."""
    before = np.interp(np.array(runs).ravel(), layout.cuts, layout.bytes_before).reshape(-1, 2)
    regions = [runs[0]]
    first_byte = before[0, 0]
    for (low, high), (low_byte, high_byte), (_, last_byte) in zip(runs[1:], before[1:], before, strict=False):
        near = low == regions[-1][1] or low_byte - last_byte < layout.object_bytes
        if near and high_byte - first_byte <= max(REGION_BYTES, 2 * layout.object_bytes):
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


def _copied(rows: Rows) -> Rows:
    """A copy, so that a few rows do not keep a whole region in memory."""
    return rows.copy() if isinstance(rows, np.ndarray) else CsrRows(*(part.copy() for part in rows))


def _rows_of(parts: dict[int, MemorySource], runs: list[tuple[int, int]], rows: int) -> MemorySource:
    """The smaller sample of an earlier stage, taken from what was read for the last one."""
    firsts = np.array(sorted(parts))
    pieces = []
    for low, high in _taken(runs, rows):
        first = int(firsts[np.searchsorted(firsts, low, side="right") - 1])
        pieces.append(parts[first].read(low - first, high - first))
    some = parts[int(firsts[0])]
    return MemorySource.of_rows(stack_rows(pieces), some.shape[1], some.address)


def _in_memory(sample: MemorySource, options: FitOptions, models: int) -> Engine:
    layout = sample.layout()
    shape = Shape(sample.shape[1], options.rank, np.dtype(options.dtype).itemsize, models)
    return Engine(InProcess(), sample, make_plan(layout, shape, Machine(1, 2**62, 0)), layout)


def _race(engine: Engine, starts: list[np.ndarray], options: FitOptions, stage: Stage) -> list[np.ndarray]:
    """Alternate every start on the sample, all in one read each time; return them best first."""
    states = [first_state(H, options) for H in starts]
    best = [np.inf] * len(states)
    for _ in range(stage.passes):
        states = _pass_for_all(engine, states, options, stage.tolerance)
        best = [min(low, state.objective) for low, state in zip(best, states, strict=True)]
    return [states[i].plain for i in np.argsort(best, kind="stable")]


def _pass_for_all(engine: Engine, states: list[State], options: FitOptions, tolerance: float) -> list[State]:
    problems = tuple(make_problem(state.factor, tolerance=tolerance) for state in states)
    work = Work(problems, options.dtype, check=states[0].squares < 0)
    statistics = run_pass(engine.executor, engine.source, engine.plan, work)
    clock = Clock(0.0, engine.source_bytes)
    return [
        advance(state, replace(statistics, models=[sums]), options, clock, tolerance)
        for state, sums in zip(states, statistics.models, strict=True)
    ]


def _balanced(H: np.ndarray, engine: Engine, options: FitOptions, n_rows: int) -> np.ndarray:
    """Return H, for a penalty in the objective with the norms of its rows balanced against those of W."""
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
