"""Many starts on a sample in memory: each is alternated a little, the best go on, until one is left.

How many starts, how many rows and how many alternations: docs/decisions.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dnmf.fitting.fit import Fit
from dnmf.fitting.loop import Engine
from dnmf.fitting.state import Initial, State
from dnmf.fitting.step import advance, first_state
from dnmf.memory import Machine, Shape
from dnmf.options import FitOptions
from dnmf.passes.blocks import count_rows
from dnmf.passes.executor import run_pass
from dnmf.passes.statistics import ModelSums
from dnmf.passes.threads import InProcess
from dnmf.passes.visitors.visitor import Visitor
from dnmf.passes.work import Work
from dnmf.plan import make_plan
from dnmf.schemes.scheme import Scheme
from dnmf.sources.memory import MemorySource
from dnmf.sources.rows import Panel, Rows, Weighted
from dnmf.sources.source import Source
from dnmf.start_memory import MOST_STARTS
from dnmf.starts.sample import Nested

SAMPLE_SHARE = 0.15  # of the rows
WHOLE_SHARE = 0.5  # a sample that would be larger than this is the whole matrix
SMALL_BYTES = 16 * 2**20  # of data that is its own sample
ROWS_PER_COMPONENT = 100
FEWEST_ROWS_PER_COMPONENT = 25
CHEAP_WORK = 2**25  # products of a non-zero with a k-vector that a race may always spend: a tenth of a second
LONG_WORK = 2**31  # products of two numbers that the updates of one start may always take: about a second
PASSES_WORTH = 4  # or so many times the work of a pass over all rows
ALTERNATIONS = 20  # of a start that is alone
STARTS_ON_ALL = 2  # at most, where the rows of the race are all there are
DENSE_COST = 0.2  # of a value in a dense product, where that of a non-zero in a sparse one is 1
UPDATE_COST = 100  # of a column of H
TOLERANCE = 1e-3  # of the solver: looser ones are hardly cheaper, and slow the descent
START_STREAM = 1
ROWS_IN_MEAN = 5


class Stage(NamedTuple):
    """A round of the race: so many rows, starts alive, alternations."""

    rows: int
    alive: int
    passes: int


def sample_rows(n_rows: int, rank: int, affordable: int, times: int = 1) -> int:
    """Return how many rows a sample has: a share of them, enough for the rank, all where that is most of them.

    So many `times` as many where a pass over all rows is dear.

    Examples
    --------
    >>> sample_rows(20000, 20, affordable=20000), sample_rows(2000, 20, affordable=20000)
    (3000, 2000)
    """
    rows = times * max(ROWS_PER_COMPONENT * rank, int(SAMPLE_SHARE * n_rows))
    return min(n_rows if rows > WHOLE_SHARE * n_rows else rows, affordable)


def own_sample(n_rows: int, rows: int, affordable: int, total_bytes: float) -> int:
    """Return how many rows drawn alike a start is found on, of so many `rows` in a sample: of small data all.

    Components that are found on a part of it are less those of all, and that saves nothing.

    Examples
    --------
    >>> own_sample(20000, 3000, affordable=20000, total_bytes=10e6)
    20000
    """
    return min(n_rows, affordable) if total_bytes <= SMALL_BYTES else rows


class Cost(NamedTuple):
    """What an alternation costs, in products of a non-zero with a k-vector.

    Attributes
    ----------
    values : float
        Of the values of the rows.
    update : float
        Of the columns of H, however many rows there are.
    """

    values: float
    update: float

    def with_rows(self, times: float) -> float:
        """Return what it costs on so many times the rows."""
        return times * self.values + self.update


def work_of_alternation(rows: Rows, n_columns: int) -> Cost:
    """Return what an alternation costs; the same however A is held."""
    values = rows if isinstance(rows, np.ndarray) else rows.data
    of_values = min(float(np.count_nonzero(values)), DENSE_COST * count_rows(rows) * n_columns)
    return Cost(of_values, UPDATE_COST * n_columns)


def race_stages(rows: int, n_rows: int, rank: int, starts: int, alternations: int = ALTERNATIONS) -> list[Stage]:
    """Return the rounds of a race that begins with so many starts, on at most `rows` of `n_rows` rows.

    One start alone makes one short round where it can afford few `alternations`.

    Examples
    --------
    >>> [tuple(stage) for stage in race_stages(5000, 20000, 20, starts=1)]
    [(1250, 1, 8), (5000, 1, 12)]
    >>> [tuple(stage) for stage in race_stages(600, 4000, 5, starts=8)]
    [(250, 8, 12), (600, 3, 15), (600, 1, 15)]
    >>> [tuple(stage) for stage in race_stages(600, 600, 10, starts=2)]
    [(600, 2, 10), (600, 1, 16)]
    >>> [tuple(stage) for stage in race_stages(5000, 20000, 20, starts=1, alternations=3)]
    [(5000, 1, 3)]
    """
    if starts == 1 and alternations < ALTERNATIONS:
        return [Stage(rows, 1, alternations)]
    few = rows if rows == n_rows else min(rows, max(rows // 4, ROWS_PER_COMPONENT * rank // 2))
    if starts == 1:
        return [Stage(few, 1, 8), Stage(rows, 1, 12)]
    if rows == n_rows and starts == 2:
        return [Stage(few, 2, 10), Stage(rows, 1, 16)]
    return [Stage(few, starts, 12), Stage(rows, -(-starts // 3), 15), Stage(rows, 1, 15)]


class SampleProblem:
    """Rows in memory that starts are alternated on.

    Parameters
    ----------
    engine : Engine
        Over the rows.
    scheme : Scheme
        What is minimized; there are no bounds in a race, whose factors are on a scale of their own.
    squares : float, optional
        ``‖A‖²`` of the rows; by default the first pass measures it.
    """

    def __init__(self, engine: Engine, scheme: Scheme, squares: float | None = None):
        self.engine, self.scheme, self.squares = engine, scheme, squares

    def visitor(self, H: np.ndarray, *, first: bool) -> Visitor:
        """What solves for the rows, with H (k, n) fixed."""
        return self.scheme.visitor(H, tolerance=TOLERANCE, first=first)

    def sums(self, sums: ModelSums) -> ModelSums:
        """The sums of A from those of the rows."""
        return sums


def race(sample: Nested, rows: int, options: FitOptions, scheme: Scheme, most: int) -> tuple[np.ndarray, Engine]:
    """Return the H (k, n) that won, and the engine of the largest sample.

    Parameters
    ----------
    sample : Nested
        Of at least `rows` rows.
    options : FitOptions
        With limits that end no race.
    scheme : Scheme
        Without a penalty.
    most : int
        How many starts fit in memory at once.
    """
    largest = sample.first(rows)
    values = seen_values(largest.read(0, largest.shape[0]))
    cost, n_rows = work_of_alternation(values, largest.shape[1]), sample.n_rows
    of_pass = scheme.cost * cost.with_rows(n_rows / rows)
    starts = affordable_starts(scheme.cost * cost.with_rows(1), of_pass, most)
    alternations = affordable_alternations(scheme.cost * cost.update, of_pass, options.rank)
    stages = race_stages(rows, n_rows, options.rank, starts, alternations)
    held = [largest if stage.rows == rows else sample.first(stage.rows) for stage in stages]
    problems = [
        SampleProblem(engine_in_memory(part, options, stage.alive), scheme)
        for part, stage in zip(held, stages, strict=True)
    ]  # fmt: skip
    near_to_all = rows == n_rows  # components of such starts are more alike than those that began as some rows
    states = first_states(held[0], options, scheme, starts, START_STREAM, near_to_all=near_to_all)
    return run_stages(problems, stages, states, options), problems[-1].engine


def affordable_starts(work: float, work_of_pass: float, most: int) -> int:
    """Return how many starts a race may begin with.

    On all rows of the data an alternation is what a pass is, and a race that takes many times those of a random start
    is worth none: there are two starts at most, however small the data.

    Parameters
    ----------
    work, work_of_pass : float
        What an alternation costs on the rows of the race, and on all rows of the data.
    most : int
        How many starts fit in memory at once.

    Examples
    --------
    >>> affordable_starts(1e4, 6e4, most=8), affordable_starts(1e4, 1e4, most=8), affordable_starts(4e6, 4e6, most=8)
    (8, 2, 1)
    """
    affordable = max(CHEAP_WORK, PASSES_WORTH * work_of_pass) / work / ALTERNATIONS
    at_once = MOST_STARTS if work < work_of_pass else STARTS_ON_ALL
    return int(min(max(affordable, 1), at_once, most))


def affordable_alternations(update: float, work_of_pass: float, rank: int) -> int:
    """Return how many alternations a start that is alone may have, at least one.

    Where H is long an alternation costs about as much as a pass, however few rows it is made on: passes are then worth
    more. Updates of H may take about a second, or the work of so many passes, but for one that the rest of a start is
    worth.

    Parameters
    ----------
    update, work_of_pass : float
        What an update of H costs, and a pass over all rows of the data.
    rank : int
        k.

    Examples
    --------
    >>> affordable_alternations(update=1e6, work_of_pass=5e7, rank=20)
    20
    >>> affordable_alternations(update=1e8, work_of_pass=1.05e8, rank=50)
    3
    """
    affordable = max(LONG_WORK / rank, (PASSES_WORTH - 1) * work_of_pass) / update
    return int(min(max(affordable, 1), ALTERNATIONS))


def run_stages(
    problems: Sequence[SampleProblem], stages: Sequence[Stage], states: list[State], options: FitOptions
) -> np.ndarray:
    """Return the H (k, n) that is left of `states` after all rounds, each on its problem."""
    for problem, stage in zip(problems, stages, strict=True):
        living = states = [_on_other_rows(state) for state in states[: stage.alive]]
        for _ in range(stage.passes):
            states = _pass_for_all(problem, states, options)
            # Rows of zeros, or of which nothing was observed, say nothing of where to begin.
            living = [now if now.plain.any() else last for now, last in zip(states, living, strict=True)]
        states = [living[i] for i in np.argsort([state.objective for state in states], kind="stable")]
    return states[0].plain


def engine_in_memory(held: MemorySource, options: FitOptions, models: int = 1) -> Engine:
    """Return an engine over rows in memory, in this process."""
    layout = held.layout()
    shape = Shape(held.shape[1], options.rank, np.dtype(options.dtype).itemsize, models)
    return Engine(InProcess(), held, make_plan(layout, shape, Machine(1, 2**62, 0)), layout)


def first_states(
    held: Source, options: FitOptions, scheme: Scheme, count: int, stream: int, *, near_to_all: bool = False
) -> list[State]:
    """Return starts drawn from the seed and the stream.

    Every other one is made of rows of the data, and near to some; the others are uniform, or all of them where they
    shall be: near to all.
    """
    rng = np.random.default_rng([options.seed, stream])
    rows = seen_values(held.read(0, held.shape[0]))
    makers = [_uniform] if near_to_all else [_means_of_rows, _uniform]
    starts = [makers[i % len(makers)](rows, (options.rank, held.shape[1]), rng) for i in range(count)]
    if not scheme.is_signed("H"):
        starts = [np.abs(H, out=H) for H in starts]  # the data may be negative where W is free
    return [first_state(Initial(scheme.enter(H.astype(options.dtype))), options) for H in starts]


def seen_values(panel: Panel) -> Rows:
    """Return the values of rows, zeros where nothing was observed."""
    rows = panel.rows if isinstance(panel, Weighted) else panel
    if isinstance(rows, np.ndarray) and rows.dtype.kind == "f" and np.isnan(rows).any():
        return np.nan_to_num(rows, nan=0.0)
    return rows


def _uniform(rows: Rows, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:  # noqa: ARG001
    return rng.random(shape)


def _means_of_rows(rows: Rows, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Means of a few rows each, and a little noise that tells apart what would otherwise be the same."""
    count = count_rows(rows)
    H = np.zeros(shape)
    for q in range(len(H)):
        for i in rng.choice(count, min(ROWS_IN_MEAN, count), replace=False):
            if isinstance(rows, np.ndarray):
                H[q] += rows[i]
            else:
                here = slice(rows.indptr[i], rows.indptr[i + 1])
                H[q, rows.indices[here]] += rows.data[here]  # a column is there once
    scale = 0.01 * H.mean() or 1.0
    for q in range(len(H)):
        H[q] += scale * rng.random(H.shape[1])
    return H


def _on_other_rows(state: State) -> State:
    """The same, but for what was measured on the rows before."""
    return replace(state, squares=-1.0, objective=float("inf"), history=())


def _pass_for_all(problem: SampleProblem, states: list[State], options: FitOptions) -> list[State]:
    """Alternate every start once, all in one read."""
    check, engine = problem.squares is None and states[0].squares < 0, problem.engine
    visitors = tuple(problem.visitor(state.factor, first=check) for state in states)
    work = Work(visitors, options.dtype, check=check, demands=problem.scheme.demands, sample=True)
    statistics = run_pass(engine.executor, engine.source, engine.plan, work)
    squares = statistics.squares if problem.squares is None else problem.squares
    statistics = replace(statistics, models=[problem.sums(sums) for sums in statistics.models], squares=squares)
    fits = [Fit(state, options, problem.scheme) for state in states]
    return [
        advance(fit, statistics.of(number), engine.source_bytes, TOLERANCE).state for number, fit in enumerate(fits)
    ]
