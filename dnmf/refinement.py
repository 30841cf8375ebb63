"""Steps between two reads: H goes on, on a sample of the rows, from what the last pass knows of all of them.

A pass over data on a disk takes long, and components settle slowly. The sums of a pass are estimated from a sample that
stays in memory, corrected by the last pass (:mod:`dnmf.schemes.estimated`); the next pass says what came of it, and
takes H back where the objective rose. Where that happens often the sample is too small, and is no longer asked
(:mod:`dnmf.fitting.damping`). What it saves: docs/decisions.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dnmf.fitting.damping import MOST
from dnmf.fitting.fit import Fit
from dnmf.fitting.loop import Engine
from dnmf.fitting.state import Initial, State
from dnmf.fitting.step import advance, first_state
from dnmf.passes.executor import run_pass
from dnmf.passes.statistics import ModelSums, Statistics
from dnmf.passes.work import Work
from dnmf.refinement_memory import LEAST_ROWS_PER_COMPONENT
from dnmf.schemes.estimated import EstimatedSums
from dnmf.starts.heavy_rows import importance_of, rows_that_count
from dnmf.starts.race import TOLERANCE, engine_in_memory
from dnmf.starts.sample import Sample
from dnmf.starts.start import patient

STEPS = 8
SEED = 0  # of the sample: the same one for all fits that share a pass


class SampledRows(NamedTuple):
    """Rows that stay in memory.

    Attributes
    ----------
    engine : Engine
        Over them.
    times : float
        How many times as many all rows are.
    counting : float
        How many of them count: few where few have most of the data, of which they then tell little.
    """

    engine: Engine
    times: float
    counting: float

    def sums(self, fit: Fit, H: np.ndarray) -> ModelSums:
        """Return what a pass over them folds of one model, made with `H` (k, n)."""
        visitor = fit.visitor_for(H, tolerance=TOLERANCE)
        work = Work((visitor,), fit.options.dtype, demands=fit.scheme.demands, sample=True)
        statistics = run_pass(self.engine.executor, self.engine.source, self.engine.plan, work)
        found: ModelSums = fit.part_of(statistics, 0).models[0]
        return found


class Refinement:
    """Refines the H of fits between two passes; handed to an :class:`~dnmf.fitting.loop.Engine`.

    Nothing goes from pass to pass in it but the sample, which depends on the data and the plan alone: a fit that is
    resumed reads the same one again.
    """

    def __init__(self) -> None:
        self._rows: SampledRows | None = None

    def __call__(self, engine: Engine, fits: list[Fit], statistics: Statistics) -> tuple[list[Fit], Statistics]:
        """Return the fits after steps on the sample, those that take any, and the pass with what was read for them.

        Also a fit that ends takes them: with other limits it goes on from there.
        """
        going = [number for number, fit in enumerate(fits) if _may_go_on(fit)]
        if not going:
            return fits, statistics
        bytes_read = 0
        if self._rows is None:
            self._rows, bytes_read = _read_sample(engine, fits[going[0]])
        fits = list(fits)
        if all(fits[number].state.sampled for number in going):  # before it was resumed
            bytes_read = 0
        for number in going:
            fit = _counted(fits[number], bytes_read)
            fits[number] = _refined(self._rows, fit, fit.part_of(statistics, number).models[0])
        return fits, replace(statistics, bytes_read=statistics.bytes_read + bytes_read)


def _read_sample(engine: Engine, fit: Fit) -> tuple[SampledRows, int]:
    """Return the sample that the plan has room for, and the bytes that were read for it."""
    count, options, scheme = engine.plan.refining_rows, fit.options, fit.scheme
    sample = Sample(engine, count, SEED, dtype=options.dtype, demands=scheme.demands)
    counting = rows_that_count(importance_of(sample.parts, scheme.degree))
    rows = engine_in_memory(sample.first(count), options)
    return SampledRows(rows, engine.source.shape[0] / rows.source.shape[0], counting), sample.bytes_read


def _counted(fit: Fit, bytes_read: int) -> Fit:
    """The fit with the sample on its account, once."""
    state = fit.state
    return fit if state.sampled else fit.at(replace(state, sampled=True, bytes_read=state.bytes_read + bytes_read))


def _may_go_on(fit: Fit) -> bool:
    """Whether a fit may go beyond its plain update, and its sample has not proved too small."""
    state, scheme = fit.state, fit.scheme
    wanted = fit.options.extrapolate and scheme.refines and state.damping <= MOST
    return wanted and state.history[-1].accepted and state.passes >= scheme.first_extrapolated


def _refined(rows: SampledRows, fit: Fit, sums: ModelSums) -> Fit:
    """The fit whose H has gone on from its plain update, as far as that promises to lower the objective."""
    if rows.counting < LEAST_ROWS_PER_COMPONENT * fit.options.rank:
        return fit
    state = fit.state
    estimated = EstimatedSums(sums, rows.sums(fit, state.best), rows.times, state.best, state.damping)
    after = _after_steps(rows, fit, estimated)
    promised = after.objective - estimated.distance(after.best)
    lives = np.array_equal(after.best.any(axis=1), state.plain.any(axis=1))  # what has died would stay dead
    if not (0 <= promised < state.objective and lives):
        return fit
    return fit.at(replace(state, H=after.best, refined=True, extrapolated=False, promised=promised))


def _after_steps(rows: SampledRows, fit: Fit, estimated: EstimatedSums) -> State:
    """The state after steps from the plain update, as many as the sample can tell."""
    begun = Initial(fit.state.plain, squares=estimated.squares(fit.state.squares))
    options = patient(fit.options)
    inner = replace(fit, state=first_state(begun, options), options=options)
    for _ in range(STEPS):
        sums = estimated.at(rows.sums(inner, inner.state.factor))
        if inner.state.reason or not estimated.means_something(sums):
            break
        inner = advance(inner, Statistics([sums]), 1, TOLERANCE)
    return inner.state
