"""The only loop: pass after pass until the state says that the next one is the last."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from dnmf.fitting.fit import Fit
from dnmf.fitting.meter import Meter
from dnmf.fitting.step import advance
from dnmf.fitting.stop import SECONDS, Deadline
from dnmf.passes.ahead import Ahead
from dnmf.passes.executor import Done, Executor, run_pass
from dnmf.passes.losses import NOTHING
from dnmf.passes.statistics import Statistics
from dnmf.passes.work import Work
from dnmf.places import Sink
from dnmf.plan import Plan
from dnmf.schemes.facts import Facts
from dnmf.schemes.held_out import HeldOut
from dnmf.sources.guard import Guard
from dnmf.sources.kept import Keep
from dnmf.sources.source import Layout, Source


@dataclass(frozen=True)
class Engine:
    """What a pass runs on: where, over what, cut how, whether data is kept, who is told, who guards it, until when."""

    executor: Executor
    source: Source
    plan: Plan
    layout: Layout
    keep: Keep | None = None
    meter: Meter = field(default_factory=Meter)
    guard: Guard = field(default_factory=Guard)
    deadline: Deadline = field(default_factory=Deadline)
    refine: "Refine | None" = None
    lengths: tuple[int, ...] = ()  # of the axes of what is seen, where that is not all

    def watch(self, what: str) -> Done:
        """Return what is to be called with the rows that are back, for a read of all of them."""
        return self.meter.begin(what, self.plan.n_rows)

    @property
    def facts(self) -> Facts:
        """What data and plan decide of the models."""
        found = Facts.of(self.source, self.plan)
        return replace(found, lengths=self.lengths) if self.lengths else found

    @property
    def source_bytes(self) -> int:
        """Decoded bytes of one read of the data, at least 1."""
        return max(1, self.layout.total_bytes)


Refine = Callable[[Engine, list[Fit], Statistics], tuple[list[Fit], Statistics]]
"""What goes on with H between two passes, in memory: from fits after a pass and what it folded."""

AfterPass = Callable[[list[Fit], Statistics], None]


def seeing(engine: Engine, held: HeldOut | None) -> Engine:
    """Return the engine of a fit of which something is held out: its columns may be made of shorter axes."""
    return engine if held is None else replace(engine, lengths=held.lengths)


def run_until_last(engine: Engine, fits: Sequence[Fit], after_pass: AfterPass) -> list[Fit]:
    """Return the fits whose next pass is the last one; every pass serves all that are not so far.

    `after_pass` sees all of them after each pass. Nothing but their states goes from one pass to the next, so they may
    stop after any `after_pass` and go on from the states it was given; and no fit depends on which others there are.
    """
    fits = [in_time(fit, engine.deadline, seconds=0.0) for fit in fits]  # who goes on makes a pass at least
    while not all(fit.state.reason for fit in fits):
        fits, statistics = pass_for_running(engine, fits)
        after_pass(fits, statistics)
        del statistics  # the next pass makes its own, as large
    return fits


def pass_for_running(engine: Engine, fits: Sequence[Fit]) -> tuple[list[Fit], Statistics]:
    """Return the fits after a pass that served those whose next pass is not the last one, and what it folded."""
    fits, running = list(fits), [number for number, fit in enumerate(fits) if not fit.state.reason]
    moved, statistics = one_pass(engine, [fits[number] for number in running])
    if engine.refine is not None:
        moved, statistics = _refined(engine, engine.refine, moved, statistics)
    for number, fit in zip(running, moved, strict=True):
        fits[number] = in_time(fit, engine.deadline, fit.state.history[-1].seconds)
    return fits, statistics


def _refined(engine: Engine, refine: Refine, fits: list[Fit], statistics: Statistics) -> tuple[list[Fit], Statistics]:
    """What goes on after a pass, the time that it takes counted with that."""
    began = time.perf_counter()
    with engine.guard.explaining():
        fits, statistics = refine(engine, fits, statistics)
    seconds = time.perf_counter() - began
    return [fit.at(fit.state.timed(fit.state.history[-1].seconds + seconds)) for fit in fits], statistics


def in_time(fit: Fit, deadline: Deadline, seconds: float) -> Fit:
    """Return the fit, its next pass the last one where there is no time for more that take so many `seconds`."""
    ends = fit.state.reason or not deadline.is_near(seconds)
    return fit if ends else fit.at(replace(fit.state, reason=SECONDS))


def _ahead(fits: Sequence[Fit]) -> Ahead | None:
    """What may be made of the columns of a model that is alone, where no more is asked of its sums."""
    fit = fits[0]
    if len(fits) > 1 or fit.held_out or fit.state.reason or (fit.options.prunes and fit.scheme.prunes):
        return None
    return fit.scheme.ahead(fit.state.factor)


def one_pass(engine: Engine, fits: Sequence[Fit], targets: Sequence[Sink] = ()) -> tuple[list[Fit], Statistics]:
    """Return the fits after one pass with the ``state.factor`` of each, and what the pass folded.

    Parameters
    ----------
    engine, fits
        What, from where, how.
    targets : sequence of str or Place
        Where the rows of W of each fit go; see :func:`dnmf.passes.executor.run_pass`.

    Raises
    ------
    ChangedError
        The data is not what it was when it was first looked at.
    """
    began = time.perf_counter()
    visitors = tuple(fit.visitor for fit in fits)
    check = any(fit.state.squares < 0 for fit in fits)
    scheme, dtype = fits[0].scheme, fits[0].options.dtype  # what they all have in common
    work = Work(
        visitors, dtype, check=check, residual=bool(targets), demands=scheme.demands,
        ahead=_ahead(fits) if engine.refine is None else None,
    )  # fmt: skip
    with engine.guard.explaining():
        statistics = run_pass(
            engine.executor, engine.source, engine.plan, work, given=scheme.given, targets=targets,
            keep=engine.keep, rows_back=engine.watch("last" if targets else "pass"),
        )  # fmt: skip
    del visitors, work  # they hold H as the rows were solved with it
    statistics.lost, engine.executor.lost = engine.executor.lost, NOTHING  # those of reads before it too
    engine.guard.after_pass(time.perf_counter() - began)
    moved = [_moved(fit, statistics, number, engine.source_bytes) for number, fit in enumerate(fits)]
    seconds = time.perf_counter() - began  # the updates of H included
    return [fit.at(fit.state.timed(seconds)) for fit in moved], statistics


def _moved(fit: Fit, statistics: Statistics, number: int, source_bytes: int) -> Fit:
    """The fit after a pass, and what that says of what is held out of it."""
    after = advance(fit, fit.part_of(statistics, number), source_bytes)
    if fit.held_out is None or not after.state.history[-1].accepted:
        return after
    return replace(after, held_out=fit.held_out.after(fit.scheme, statistics.models[number], fit.state.factor))
