"""Steps between two reads: H goes on, on a sample of the rows, from what the last pass knows of all of them.

A pass over data on a disk takes long, and components settle slowly. The sums of a pass are estimated from a sample that
stays in memory, corrected by the last pass (:mod:`dnmf.schemes.estimated`); the next pass says what came of it, and
takes H back where the objective rose. Where that happens often the sample is too small, and is no longer asked
(:mod:`dnmf.fitting.damping`). What it saves: docs/decisions.
"""

from dataclasses import replace

import numpy as np

from dnmf.fitting.damping import MOST
from dnmf.fitting.fit import Fit
from dnmf.fitting.loop import Engine
from dnmf.fitting.state import Initial, State
from dnmf.fitting.step import first_state
from dnmf.options import FitOptions
from dnmf.passes.executor import run_pass
from dnmf.passes.statistics import ModelSums, Statistics
from dnmf.passes.work import Work
from dnmf.schemes.estimated import EstimatedSums
from dnmf.starts.race import TOLERANCE, SampleProblem, engine_in_memory, pass_for_all
from dnmf.starts.sample import Sample
from dnmf.starts.start import patient

STEPS = 8
SEED = 0  # of the sample: the same one for all fits that share a pass


class EstimatedProblem(SampleProblem):
    """The rows of a sample to go on with, as if they were all rows.

    Parameters
    ----------
    rows : Engine
        Over the sample.
    fit : Fit
        After its last pass.
    sums : ModelSums
        What that folded of all rows.
    times : float
        How many times as many these are.

    Attributes
    ----------
    tells : bool
        Whether all that was estimated could be.
    """

    def __init__(self, rows: Engine, fit: Fit, sums: ModelSums, times: float):
        state = fit.state
        work = Work((fit.scheme.visitor(state.best, tolerance=TOLERANCE),), fit.options.dtype, sample=True)
        of_sample = run_pass(rows.executor, rows.source, rows.plan, work).models[0]
        self.estimated = EstimatedSums(sums, of_sample, times, state.best, state.damping)
        self.tells = True
        super().__init__(rows, fit.scheme, self.estimated.squares(state.squares))

    def sums(self, sums: ModelSums) -> ModelSums:
        """What all rows would have folded."""
        found = self.estimated.at(sums)
        self.tells = self.tells and self.estimated.means_something(found)
        return found


class Refinement:
    """Refines the H of fits between two passes; handed to an :class:`~dnmf.fitting.loop.Engine`.

    Nothing goes from pass to pass in it but the sample, which depends on the data and the plan alone: a fit that is
    resumed reads the same one again.
    """

    def __init__(self) -> None:
        self._rows: tuple[Engine, int] | None = None

    def __call__(self, engine: Engine, fits: list[Fit], statistics: Statistics) -> tuple[list[Fit], Statistics]:
        """Return the fits after steps on the sample, those that take any, and the pass with what was read for them.

        Also a fit that ends takes them: with other limits it goes on from there.
        """
        going = [number for number, fit in enumerate(fits) if _can_go_on(fit)]
        if not going:
            return fits, statistics
        rows, bytes_read = self._sample(engine, fits[going[0]])
        counted = [fits[number] for number in going if not fits[number].state.sampled]
        if counted:  # a fit that was resumed has had the sample read before
            statistics = replace(statistics, bytes_read=statistics.bytes_read + bytes_read)
        fits = list(fits)
        for number in going:
            fits[number] = _refined(engine, rows, _with_sample(fits[number], bytes_read), statistics.models[number])
        return fits, statistics

    def _sample(self, engine: Engine, fit: Fit) -> tuple[Engine, int]:
        """Return an engine over the rows of the sample, and the bytes that were read for them; they are read once."""
        if self._rows is None:
            count, options = engine.plan.refining_rows, fit.options
            sample = Sample(engine, count, SEED, dtype=options.dtype, demands=fit.scheme.demands)
            self._rows = engine_in_memory(sample.first(count), options), sample.bytes_read
        return self._rows


def _with_sample(fit: Fit, bytes_read: int) -> Fit:
    """The fit with the sample on its account."""
    state = fit.state
    return fit if state.sampled else fit.at(replace(state, sampled=True, bytes_read=state.bytes_read + bytes_read))


def _refined(engine: Engine, rows: Engine, fit: Fit, sums: ModelSums) -> Fit:
    """The fit whose H has gone on from its plain update, as far as that promises to lower the objective."""
    times = engine.source.shape[0] / rows.source.shape[0]
    problem, options = EstimatedProblem(rows, fit, sums, times), patient(fit.options)
    after = _after_steps(problem, first_state(Initial(fit.state.plain), options), options)
    promised = after.objective - problem.estimated.distance(after.best)
    lives = np.array_equal(after.best.any(axis=1), fit.state.plain.any(axis=1))  # what has died would stay dead
    if not (0 <= promised < fit.state.objective and lives):
        return fit
    return fit.at(replace(fit.state, H=after.best, refined=True, extrapolated=False, promised=promised))


def _can_go_on(fit: Fit) -> bool:
    """Whether a fit may go beyond its plain update, and its sample has not proved too small."""
    state, scheme = fit.state, fit.scheme
    wanted = fit.options.extrapolate and scheme.refines and state.damping <= MOST
    return wanted and state.history[-1].accepted and state.passes >= scheme.first_extrapolated


def _after_steps(problem: EstimatedProblem, state: State, options: FitOptions) -> State:
    """The state after steps, as many as the sample can tell."""
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(STEPS):
            before = state
            if state.reason or not np.isfinite(state.H).all():
                break
            (state,) = pass_for_all(problem, [state], options)
            if not problem.tells:
                return before
    return state
