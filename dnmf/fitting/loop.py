"""The only loop: pass after pass until the state says that the next one is the last."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from dnmf.fitting.state import State
from dnmf.fitting.step import Clock, advance
from dnmf.fitting.terms import terms_for_W
from dnmf.options import FitOptions
from dnmf.passes.executor import Executor, run_pass
from dnmf.passes.problem import Work, make_problem
from dnmf.passes.statistics import Statistics
from dnmf.plan import Plan
from dnmf.sources.kept import Keep
from dnmf.sources.source import Layout, Source


@dataclass(frozen=True)
class Engine:
    """What a pass runs on: where, over what, cut how, and whether the data is kept between passes."""

    executor: Executor
    source: Source
    plan: Plan
    layout: Layout
    keep: Keep | None = None

    @property
    def source_bytes(self) -> int:
        """Decoded bytes of one read of the data, at least 1."""
        return max(1, self.layout.total_bytes)


def run_until_last(engine: Engine, state: State, options: FitOptions, after_pass: Callable[[State], None]) -> State:
    """Return the state whose next pass is the last one; `after_pass` sees every state on the way.

    Nothing but the state goes from one pass to the next, so a fit may stop after any `after_pass` and go on from
    the state it was given.
    """
    while not state.reason:
        state, _ = one_pass(engine, state, options, target=None)
        after_pass(state)
    return state


def one_pass(engine: Engine, state: State, options: FitOptions, target: str | None) -> tuple[State, Statistics]:
    """Return the state after one pass with ``state.factor``, and what the pass folded.

    Parameters
    ----------
    engine, state, options
        What, from where, how.
    target : str or None
        Where the rows of W go; see :func:`dnmf.passes.executor.run_pass`.
    """
    began = time.perf_counter()
    terms = terms_for_W(options.penalty, state.factor, state.peak, options.limits)
    signed = options.limits.is_free("H")
    held = options.limits.held[0]
    problem = make_problem(state.factor, terms, signed=signed, held=held, peaks=options.penalty.needs_peak)
    work = Work(
        (problem,), options.dtype, check=state.squares < 0, residual=target is not None,
        signed=bool(options.limits.free),
    )  # fmt: skip
    statistics = run_pass(
        engine.executor, engine.source, engine.plan, work, given=state.guides.W, target=target, keep=engine.keep
    )
    clock = Clock(time.perf_counter() - began, engine.source_bytes)
    return advance(state, statistics, options, clock), statistics
