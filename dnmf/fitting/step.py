"""From one pass to the next: accept or take back, extrapolate, decide whether to stop. No data, no dask."""

from dataclasses import replace
from typing import Any

import numpy as np

from dnmf.errors import LossError
from dnmf.fitting.damping import broke_promise, kept_promise
from dnmf.fitting.fit import Fit
from dnmf.fitting.history import PassRecord, last_gradient
from dnmf.fitting.moves import change_of, extrapolated, moved_most
from dnmf.fitting.prune import begin_again, consider_pruning
from dnmf.fitting.state import Initial, State
from dnmf.fitting.stop import PASSES, with_reason
from dnmf.options import FitOptions
from dnmf.passes.statistics import Statistics
from dnmf.schemes.scheme import Measured, Scheme

FIRST_BETA = 0.7
BETA_GROWTH = 1.1
MOST_BETA_GROWTH = 1.05
BETA_SHRINK = 2.0
SAME = 1e-14  # of the whole loss: objectives that are nearer than this are the same
RESOLUTION = {"float32": 5e-7, "float64": SAME}  # a smaller rise of the objective is rounding


def first_state(begun: Initial, options: FitOptions) -> State:
    """Return the state before the first pass."""
    H, bytes_read, squares, peak, units, strongest = begun
    reason = PASSES if options.max_passes == 1 else ""
    return State(
        H,
        H,
        H,
        FIRST_BETA,
        1.0,
        squares=squares,
        peak=peak,
        units=units,
        strongest=strongest,
        seed=options.seed,
        bytes_read=bytes_read,
        reason=reason,
    )


def advance(fit: Fit, statistics: Statistics, source_bytes: int, tolerance: float | None = None) -> Fit:
    """Return the fit after a pass made with its ``state.factor``; its last history entry describes the pass.

    An extrapolated pass whose objective rose is taken back: the next pass uses the plain update of the last
    accepted one. Under an exact scheme the objective of that cannot rise (it minimizes over H, then over W); under
    another, which steps to where a model of the loss is least, it can: the next pass then goes half as far, and so on
    until the objective falls, as it does for a step that is short enough, or the rise is below `tol`.

    Parameters
    ----------
    fit : Fit
        Before the pass.
    statistics : Statistics
        What it folded; the first model's sums count.
    source_bytes : int
        Decoded bytes of one read of the data.
    tolerance : float, optional
        Of the update of H; by default that of the dtype.

    Raises
    ------
    LossError
        The loss or the objective of the pass is not a finite number.
    """
    return fit.at(_after(fit, statistics, source_bytes, tolerance))


def _after(fit: Fit, statistics: Statistics, source_bytes: int, tolerance: float | None) -> State:
    state, scheme, options = fit.state, fit.scheme, fit.options
    known = state if state.squares >= 0 else replace(state, squares=scheme.of_data(statistics))
    sums = statistics.models[0]
    counted, H = scheme.counted(sums, state.factor) if state.reason else (sums, state.factor)  # as the model has it
    measured = scheme.measure(counted, H, known.squares)
    _refuse_what_is_no_loss(measured, state.passes + 1, scheme)
    accepted = _is_accepted(known, measured, scheme, options)
    record = _record(known, statistics, measured, accepted, source_bytes)
    if scheme.exact and not (accepted or state.tries or state.spare is not None):
        record = replace(record, off=max(record.off, _rise(known, measured)))
    if state.reason:
        return _noted(known, record, objective=min(measured.objective, state.objective))
    if not accepted:
        too_far = not scheme.exact and -record.decrease > options.tol
        back = _take_back(_noted(known, record), scheme, too_far=too_far)
        return consider_pruning(_with_end(back, scheme, options), scheme, options)
    if state.refined:
        known = kept_promise(known, measured.objective)
    updated = scheme.update(sums, state.factor, tolerance)
    plain, before = scheme.scale(updated.H, known.plain, sums)
    change = _change(state, plain, scheme)
    record = replace(record, columns_finished=updated.finished, columns_unsolved=updated.unsolved, change=change)
    best, objective = state.factor, measured.objective
    moved = _proved(_noted(known, record, plain=before, best=best, objective=objective, peak=scheme.peak(sums)))
    judged = _judged(moved, scheme.worth(sums, state.factor)) if options.prunes and scheme.prunes else moved
    went_on = begin_again(_extrapolate(judged, plain, scheme, options), scheme)
    return consider_pruning(_with_end(went_on, scheme, options), scheme, options)


def _change(state: State, plain: np.ndarray, scheme: Scheme) -> float:
    """How far H has moved with an accepted pass; of a start, which has not yet, infinity."""
    if not scheme.descends:
        return change_of(state.factor, plain)
    return moved_most(state.best, state.factor) if state.passes else np.inf


def _refuse_what_is_no_loss(measured: Measured, number: int, scheme: Scheme) -> None:
    found = {
        "loss": measured.loss,
        "objective": measured.objective,
        "loss of a model that explains nothing": measured.whole,
    }
    wrong = [f"the {name} came out as {value}" for name, value in found.items() if not np.isfinite(value)]
    if wrong:
        raise LossError(
            f"pass {number} under loss={scheme.loss_name!r}: {wrong[0]}, so that nothing can be said of the model; "
            "bring data, weights and penalties nearer to 1, use dtype='float64', and where the loss is your own, look "
            "at its values where predictions are very small or very large"
        )


def _judged(state: State, value: np.ndarray) -> State:
    """The state with its weakest component."""
    weakest = int(np.argmin(value))
    return replace(state, weakest=weakest, least_worth=float(value[weakest]))


def _proved(state: State) -> State:
    """The state after an accepted pass, without the H of before a trial that has proved right."""
    if state.objective < state.spare_objective:
        return replace(state, spare=None, spare_objective=float("inf"))
    return state


def _noted(state: State, record: PassRecord, **changes: Any) -> State:
    """The state with one more pass in its history, and what else has changed."""
    history = (*state.history, record)
    return replace(state, passes=record.number, bytes_read=record.bytes_read, history=history, **changes)


def _is_accepted(state: State, measured: Measured, scheme: Scheme, options: FitOptions) -> bool:
    """Whether the objective fell, or where nothing was tried at least did not rise beyond rounding.

    Of two objectives that are the same but for rounding the gradient tells: it has its digits where it goes to zero.
    """
    if state.tries and abs(measured.objective - state.objective) <= SAME * measured.whole:
        return measured.gradient < last_gradient(state.history)
    if state.tries:
        return measured.objective < state.objective
    slack = RESOLUTION[options.dtype] * measured.whole
    return not scheme.descends or not measured.objective > state.objective + slack


def reconsider(fit: Fit) -> Fit:
    """Return a restored fit under limits that may have changed since it was committed, or count anew."""
    state, scheme, options = fit.state, fit.scheme, fit.options
    if not state.history:
        return fit.at(replace(state, reason=PASSES if options.max_passes == 1 else ""))
    return fit.at(consider_pruning(_with_end(replace(state, reason=""), scheme, options), scheme, options))


def _record(state: State, statistics: Statistics, measured: Measured, accepted: bool, source_bytes: int) -> PassRecord:
    bytes_read = state.bytes_read + statistics.bytes_read
    return PassRecord(
        number=state.passes + 1,
        objective=measured.objective,
        loss=measured.loss,
        relative_error=measured.relative_error,
        decrease=_decrease(state.objective, measured.objective),
        gradient=measured.gradient,
        accepted=accepted,
        extrapolated=state.tries and state.extrapolated,
        refined=state.tries and state.refined,
        trial=state.spare is not None and not state.reason,
        alive=measured.alive,
        bytes_read=bytes_read,
        reads=bytes_read / source_bytes,
        seconds=0.0,
        read_s=statistics.read_s,
        compute_s=statistics.compute_s,
        from_memory=statistics.bytes_from_memory / max(1, statistics.bytes_read),
        rows_finished=statistics.models[0].finished,
        rows_unsolved=statistics.models[0].unsolved,
        off=measured.below,
        workers_lost=statistics.lost.workers,
        tasks_again=statistics.lost.again,
        retries=statistics.lost.retries,
        hosts_lost=statistics.lost.hosts,
    )


def _rise(state: State, measured: Measured) -> float:
    """The share of the loss of a model that explains nothing by which the objective rose."""
    return (measured.objective - state.objective) / measured.whole if measured.whole > 0 else 0.0


def _decrease(before: float, after: float) -> float:
    """Return the share by which the objective fell: inf where none was known, 0 where nothing is left to fall."""
    if not np.isfinite(before):
        return float("inf")
    return (before - after) / before if before > 0 else 0.0


def _take_back(state: State, scheme: Scheme, *, too_far: bool) -> State:
    """Go back: from what was tried to the plain update, from that to the last that was accepted, or half way."""
    if not state.tries:
        H = scheme.between(state.best, state.plain) if too_far else state.best
        return replace(state, H=H, plain=H)
    if state.refined:
        return broke_promise(replace(state, H=state.plain, refined=False))
    return replace(state, H=state.plain, extrapolated=False, beta=state.beta / BETA_SHRINK, most_beta=state.beta)


def _extrapolate(state: State, plain: np.ndarray, scheme: Scheme, options: FitOptions) -> State:
    """Move on to the plain update and, beyond it, along the last change: ``max(0, H + β (H − H_before))``.

    β grows by a tenth with every accepted step, up to a bound that a step taken back lowers to the β it failed
    with and that recovers slowly (Ang & Gillis 2019, doi:10.1162/neco_a_01157). The first updates are
    not, as a scheme says: the way from a start to its first one may point nowhere yet.
    """
    if not options.extrapolate or not scheme.descends or state.passes < scheme.first_extrapolated:
        return replace(state, H=plain, plain=plain, extrapolated=False, refined=False)
    return replace(
        state,
        plain=plain,
        H=scheme.project(extrapolated(plain, state.plain, state.beta), plain),
        extrapolated=True,
        refined=False,
        beta=min(state.most_beta, state.beta * BETA_GROWTH),
        most_beta=min(1.0, state.most_beta * MOST_BETA_GROWTH),
    )


def _with_end(state: State, scheme: Scheme, options: FitOptions) -> State:
    """Mark the next pass as the last one when it is time."""
    reason = with_reason(state, scheme, options)
    return replace(state, reason=reason) if reason != state.reason else state
