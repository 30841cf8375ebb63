"""k-means of the rows of a matrix that does not fit in memory: each Lloyd iteration is a pass of the engine.

A row that is given its nearest centre is a row of W with a single one. What a pass folds for a factorization is then
what k-means needs: ``WᵀA`` the sums of the rows of each centre, the column sums of W how many they are, and from these
and ``‖A‖²`` the inertia. They are added in the fixed order of every pass, so the bits depend on no worker.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from dnmf.arguments import whole
from dnmf.arithmetic import at_least_zero, undisturbed
from dnmf.errors import InputError
from dnmf.fitting.apply import by_rows
from dnmf.fitting.events import Callback
from dnmf.fitting.loop import Engine
from dnmf.fitting.meter import Meter, as_part
from dnmf.kernels.padding import pad_columns
from dnmf.memory import Shape
from dnmf.options import FitOptions, parse_bytes
from dnmf.passes.blocks import cut_blocks
from dnmf.passes.choose import choose_executor
from dnmf.passes.executor import run_pass
from dnmf.passes.products import cross
from dnmf.passes.statistics import ModelSums
from dnmf.passes.visitors.assign import AssignToNearest
from dnmf.passes.work import Work
from dnmf.plan import make_plan
from dnmf.planned import choose_keep
from dnmf.resources import checked_callbacks
from dnmf.schemes.rehearsal import Kernels
from dnmf.sources import Rows, Source, open_source
from dnmf.sources.guard import guard_source, guarded
from dnmf.sources.memory import MemorySource
from dnmf.starts.race import engine_in_memory, sample_rows
from dnmf.starts.sample import Sample, affordable_rows

DTYPE = "float64"
RESTARTS = 8
SAMPLE_PASSES = 50
KMEANS_STREAM = 2


@undisturbed
def kmeans_centres(
    source: Any, k: int, seed: int = 0, *, max_passes: int = 20, tol: float = 1e-4, client: Any = None,
    memory_limit: Any = None, callbacks: Sequence[Callback] = (),
) -> np.ndarray:  # fmt: skip
    """Return centres (k, n) of a k-means clustering of the rows in float64, those of most rows first.

    Minimizes the inertia ``Σ_a min_q ‖a − c_q‖²`` over the rows a by Lloyd's iterations, each an exact one that reads
    the data once. They start from the best of a few k-means++ starts, themselves iterated, on a sample of the rows in
    memory. A centre that loses all its rows stays where it is. Rows are taken as they are, not normalized.

    Parameters
    ----------
    source : anything :func:`dnmf.open_source` takes
        The rows (m, n); not negative. One stored by columns (CSC) is turned in memory if it is small, else refused.
    k : int
        How many centres, at most m.
    seed : int
        Decides the sample and the starts; with the same seed the result is the same bits on any number of workers.
    max_passes : int
        Most reads of the data besides the sample.
    tol : float
        Stop when a pass lowers the inertia by less than this share of it; always when no centre moves.
    client, memory_limit
        As in :func:`dnmf.fit`.
    callbacks : sequence of callables
        Each is handed every :class:`~dnmf.fitting.events.PassProgress`: how far a read is.

    Raises
    ------
    InputError
        The data or an option cannot be used.
    BudgetError
        A worker's memory cannot hold what the work needs.

    References
    ----------
    Arthur & Vassilvitskii 2007, k-means++: the advantages of careful seeding (SODA).
    """
    opened = by_rows(open_source(source))
    if opened.has_missing:
        raise InputError(
            f"{opened.address}: has missing entries or weights, and distances between rows need all of them; there are "
            "no k-means centres of such data"
        )
    options = FitOptions(
        whole("k", k, least=1, most=opened.shape[0]), dtype=DTYPE, seed=seed, tol=tol, max_passes=max_passes
    )
    told = checked_callbacks(callbacks)
    with _engine_over(opened, options, client, memory_limit) as silent:
        engine = replace(silent, meter=Meter(as_part(told, "measure")))
        start = _centres_of_sample(engine, options)
        found = _iterate(engine, start, options.max_passes, options.tol)
    return found.centres[np.argsort(-found.counts, kind="stable")]


@contextmanager
def _engine_over(source: Source, options: FitOptions, client: Any, memory_limit: Any) -> Iterator[Engine]:
    """What passes over the source run on, with rows kept in memory from pass to pass where there is room."""
    with ExitStack() as held, guarded(guard_source(source)):
        executor = choose_executor(client, source)
        held.callback(executor.close)
        layout = source.layout()
        machine = executor.machine(parse_bytes(memory_limit), Kernels.of(source, options))
        plan = make_plan(layout, Shape(source.shape[1], options.rank, np.dtype(DTYPE).itemsize), machine)
        plan, keep = choose_keep("auto", source, plan, machine, executor.count_processes())
        if keep is not None:
            held.callback(executor.forget, keep.mark)
        executor.preflight(source)
        held.enter_context(executor.giving_back(plan))
        yield Engine(executor, source, plan, layout.cut_for(in_parts=plan.in_parts), keep)


class Clustered(NamedTuple):
    """Centres (k, n), how many rows were given to each (k,), and the sum of squared distances of the rows to theirs."""

    centres: np.ndarray
    counts: np.ndarray
    inertia: float


def _iterate(engine: Engine, centres: np.ndarray, max_passes: int, tol: float) -> Clustered:
    """Return what Lloyd's iterations lead to from `centres`; they have moved since the rows were given to them."""
    squares, inertia, counts = 0.0, np.inf, np.zeros(len(centres))
    for number in range(max_passes):
        work = Work((AssignToNearest.of(centres),), DTYPE, check=number == 0)
        statistics = run_pass(engine.executor, engine.source, engine.plan, work, keep=engine.keep,
                              rows_back=engine.watch("measure"))  # fmt: skip
        sums, before, at = statistics.models[0], inertia, centres
        squares = statistics.squares if number == 0 else squares
        centres, counts = _means(sums, at), sums.s
        inertia = _inertia(sums, centres, squares)
        if before - inertia <= tol * inertia or np.array_equal(centres, at):
            break
    return Clustered(centres, counts, inertia)


def _means(sums: ModelSums, centres: np.ndarray) -> np.ndarray:
    count = sums.s[:, None]
    return np.where(count > 0, sums.P.T / np.where(count > 0, count, 1.0), centres)


def _inertia(sums: ModelSums, centres: np.ndarray, squares: float) -> float:
    """``Σ ‖a − c‖²`` of the rows a with their centres c."""
    of_centres = float(sums.s @ np.einsum("qj,qj->q", centres, centres))
    return at_least_zero(squares - 2 * float(np.vdot(sums.P, centres.T)) + of_centres)


def _centres_of_sample(engine: Engine, options: FitOptions) -> np.ndarray:
    """Return the best of a few clusterings of some rows in memory."""
    n_rows, k = engine.source.shape[0], options.rank
    rows = max(k, sample_rows(n_rows, k, affordable_rows(engine)))
    held = Sample(engine, rows, options.seed).first(rows)
    small, rng = engine_in_memory(held, options), np.random.default_rng([options.seed, KMEANS_STREAM])
    starts = (spread_centres(held, k, rng) for _ in range(RESTARTS))
    found = (_iterate(small, start, SAMPLE_PASSES, options.tol) for start in starts)
    return min(found, key=lambda clustered: clustered.inertia).centres


def spread_centres(held: MemorySource, k: int, rng: np.random.Generator) -> np.ndarray:
    """Return k of the rows (k, n), far from each other: greedy k-means++.

    Each is drawn with probability proportional to its squared distance to the nearest one drawn before, and is the best
    of a few that are drawn so.

    Parameters
    ----------
    held : MemorySource
        Rows in memory, sparse or dense; only those that are drawn are ever dense.
    k : int
        How many.
    rng : numpy Generator
        What draws.
    """
    n_rows, trials = held.shape[0], 2 + int(np.log(k))
    values = held.read(0, n_rows)
    squares = _squared_rows(values)
    chosen = [int(rng.integers(n_rows))]
    nearest = _squared_distances(held, values, squares, chosen)[:, 0]
    while len(chosen) < k:
        total = nearest.sum()
        drawn = rng.choice(n_rows, size=trials, p=nearest / total if total > 0 else None)
        reached = np.minimum(nearest[:, None], _squared_distances(held, values, squares, drawn))
        best = int(reached.sum(axis=0).argmin())
        chosen.append(int(drawn[best]))
        nearest = reached[:, best]
    return _dense_rows(held, chosen)


def _squared_distances(held: MemorySource, values: Rows, squares: np.ndarray, points: Any) -> np.ndarray:
    """``‖a − p‖²`` (rows, points) of all rows to some of them; rounding leaves none below zero."""
    PT = pad_columns(_dense_rows(held, points).T)
    products = np.concatenate([cross(block, PT)[:, : len(points)] for _, block in cut_blocks(values)])
    return np.maximum(squares[:, None] - 2 * products + squares[np.asarray(points)], 0.0)


def _squared_rows(values: Rows) -> np.ndarray:
    """``‖a‖²`` of each row in float64."""
    if isinstance(values, np.ndarray):
        wide = (block.astype(np.float64) for _, block in cut_blocks(values))  # type: ignore[union-attr]
        return np.concatenate([np.einsum("ij,ij->i", block, block) for block in wide])
    row_of = np.repeat(np.arange(values.n_rows), np.diff(values.indptr))
    return np.bincount(row_of, weights=values.data.astype(np.float64) ** 2, minlength=values.n_rows)


def _dense_rows(held: MemorySource, numbers: Any) -> np.ndarray:
    rows = np.zeros((len(numbers), held.shape[1]))
    for row, number in zip(rows, numbers, strict=True):
        values = held.read(int(number), int(number) + 1)
        if isinstance(values, np.ndarray):
            row[:] = values[0]
        else:
            row[values.indices] = values.data
    return rows
