"""From one pass to the next: accept or take back, extrapolate, decide whether to stop. No data, no dask."""

from dataclasses import replace
from typing import Any

import numpy as np

from dnmf.constraints import NO_GUIDES, Guides
from dnmf.fitting.balance import balance, balances, sizes_of
from dnmf.fitting.events import PassRecord
from dnmf.fitting.prune import begin_again, consider_pruning, prunes, worth
from dnmf.fitting.state import Begun, State
from dnmf.fitting.update import Measured, measure, normalize_rows, update_H, without_dead, without_unused
from dnmf.kernels.bounds import keep_below
from dnmf.options import FitOptions
from dnmf.passes.statistics import ModelSums, Statistics

FIRST_BETA = 0.7
BETA_GROWTH = 1.1
MOST_BETA_GROWTH = 1.05
BETA_SHRINK = 2.0
RESOLUTION = {"float32": 5e-7, "float64": 1e-14}  # of ½‖A‖²: a smaller rise of the objective is rounding
GRADIENT_SHARE = 0.1  # of tol: a projected gradient below it ends the fit too


def first_state(begun: Begun, options: FitOptions, guides: Guides = NO_GUIDES) -> State:
    """Return the state before the first pass."""
    H, bytes_read, squares, peak, units, strongest = begun
    reason = "max_passes" if options.max_passes == 1 else ""
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
        bytes_read=bytes_read,
        reason=reason,
        guides=guides,
    )


def advance(state: State, statistics: Statistics, options: FitOptions, source_bytes: int,
            tolerance: float | None = None) -> State:  # fmt: skip
    """Return the state after a pass made with ``state.factor``; its last history entry describes the pass.

    An extrapolated pass whose objective rose is taken back: the next pass uses the plain update of the last
    accepted one, whose objective cannot rise (it minimizes over H, then over W).

    Parameters
    ----------
    state : State
        Before the pass.
    statistics : Statistics
        What it folded; the first model's sums count.
    options : FitOptions
        Of the fit.
    source_bytes : int
        Decoded bytes of one read of the data.
    tolerance : float, optional
        Of the update of H; by default that of the dtype.
    """
    known = state if state.squares >= 0 else replace(state, squares=statistics.squares)
    sums = statistics.models[0]
    limits, guides = options.limits, state.guides
    H, counted = state.factor, sums
    if state.reason:  # as the model has it
        counted, H = without_unused(sums, without_dead(H, sums, options), limits)
    measured = measure(counted, H, known.squares, options.penalty, sums.residual, limits=limits, guides=guides)
    accepted = _is_accepted(known, measured, options)
    record = _record(known, statistics, measured, accepted, source_bytes)
    if state.reason:
        return _noted(known, record, objective=min(measured.objective, state.objective))
    if not accepted:
        return consider_pruning(_with_end(_take_back(_noted(known, record)), options), options)
    updated = update_H(sums, state.factor, options.penalty, limits=limits, guides=guides, tolerance=tolerance)
    record = replace(record, columns_finished=updated.finished, columns_unsolved=updated.unsolved)
    plain, before = _balanced(updated.H, known, sums, options)
    if options.penalty.is_rule:
        record = replace(record, change=_change(state.factor, plain))
    peak = float(sums.peaks.max(initial=0))
    moved = _noted(known, record, plain=before, best=state.factor, objective=measured.objective, peak=peak)
    judged = _judged(moved, worth(sums, state.factor, options.penalty, guides)) if prunes(options) else moved
    return consider_pruning(_with_end(begin_again(_extrapolate(judged, plain, options), options), options), options)


def _judged(state: State, value: np.ndarray) -> State:
    """The state with its weakest component, and without the H of before a drop that has proved right."""
    weakest = int(np.argmin(value))
    state = replace(state, weakest=weakest, least_worth=float(value[weakest]))
    if state.objective < state.spare_objective:
        return replace(state, spare=None, spare_objective=float("inf"))
    return state


def _noted(state: State, record: PassRecord, **changes: Any) -> State:
    """The state with one more pass in its history, and what else has changed."""
    history = (*state.history, record)
    return replace(state, passes=record.number, bytes_read=record.bytes_read, history=history, **changes)


def _balanced(plain: np.ndarray, state: State, sums: ModelSums, options: FitOptions) -> tuple[np.ndarray, np.ndarray]:
    """Return the update of H and the one before it, which momentum is taken from, on the scale of least penalty.

    W needs no touch: the next pass solves for it. This removes the scaling swamp, in which alternating updates move
    weight between the factors in ever smaller steps. Where a factor has a bound, it may shrink but not grow.
    """
    if not balances(options.penalty):
        return plain, state.plain
    t = balance(sizes_of(options.penalty, sums, plain, state.guides))
    t[: options.limits.held[0]] = 1.0
    of_W, of_H = options.limits.upper
    t = t if of_W == np.inf else np.minimum(t, 1.0)
    t = t if of_H == np.inf else np.maximum(t, plain.max(axis=1, initial=0) / of_H)
    scale = (1 / t)[:, None]
    after = keep_below((plain * scale).astype(plain.dtype), of_H)
    return after, (state.plain * scale).astype(plain.dtype)


def _change(before: np.ndarray, after: np.ndarray) -> float:
    """Return one less the cosine between two H as a whole; 0 where both are zero."""
    x, y = before.astype(np.float64).ravel(), after.astype(np.float64).ravel()
    sizes = float(np.linalg.norm(x) * np.linalg.norm(y))
    return max(0.0, 1.0 - float(x @ y) / sizes) if sizes > 0 else float(x.any() or y.any())


def _is_accepted(state: State, measured: Measured, options: FitOptions) -> bool:
    """Whether the objective fell, or where nothing was tried at least did not rise beyond rounding.

    A rule has no objective that falls; every step of it is taken.
    """
    if state.tries:
        return measured.objective < state.objective
    slack = RESOLUTION[options.dtype] * 0.5 * state.squares
    return options.penalty.is_rule or not measured.objective > state.objective + slack


def reconsider(state: State, options: FitOptions) -> State:
    """Return a restored state under limits (`tol`, `max_passes`) that may have changed since it was committed."""
    if not state.history:
        return replace(state, reason="max_passes" if options.max_passes == 1 else "")
    return consider_pruning(_with_end(replace(state, reason=""), options), options)


def _record(state: State, statistics: Statistics, measured: Measured, accepted: bool, source_bytes: int) -> PassRecord:
    bytes_read = state.bytes_read + statistics.bytes_read
    return PassRecord(
        number=state.passes + 1,
        objective=measured.objective,
        loss=measured.loss,
        relative_error=float(np.sqrt(2 * measured.loss / state.squares)) if state.squares > 0 else 0.0,
        decrease=_decrease(state.objective, measured.objective),
        gradient=measured.gradient,
        accepted=accepted,
        extrapolated=state.tries,
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
        off=max(measured.below, 0.0 if accepted or state.tries or state.spare is not None else _rise(state, measured)),
    )


def _rise(state: State, measured: Measured) -> float:
    """The share of ``½‖A‖²`` by which the objective rose."""
    return (measured.objective - state.objective) / (0.5 * state.squares) if state.squares > 0 else 0.0


def _decrease(before: float, after: float) -> float:
    """Return the share by which the objective fell: inf where none was known, 0 where nothing is left to fall."""
    if not np.isfinite(before):
        return float("inf")
    return (before - after) / before if before > 0 else 0.0


def _take_back(state: State) -> State:
    """Go back: from an extrapolated H to the plain one, from a plain one to the last that was accepted."""
    if not state.tries:
        return replace(state, H=state.best, plain=state.best)
    return replace(state, H=state.plain, extrapolated=False, beta=state.beta / BETA_SHRINK, most_beta=state.beta)


def _extrapolate(state: State, plain: np.ndarray, options: FitOptions) -> State:
    """Move on to the plain update and, beyond it, along the last change: ``max(0, H + β (H − H_before))``.

    β grows by a tenth with every accepted step, up to a bound that a step taken back lowers to the β it failed
    with and that recovers slowly (Ang & Gillis 2019, doi:10.1162/neco_a_01157). The first update is not
    extrapolated: the way from the start to it points nowhere yet.
    """
    if not options.extrapolate or options.penalty.is_rule or state.passes == 1:
        return replace(state, H=plain, plain=plain, extrapolated=False)
    H = (plain + state.beta * (plain - state.plain)).astype(plain.dtype)
    H = H if options.limits.is_free("H") else keep_below(np.maximum(H, 0), options.limits.upper[1])
    return replace(
        state,
        plain=plain,
        H=H if options.penalty.in_objective else normalize_rows(H, options.limits.held[0])[0],
        extrapolated=True,
        beta=min(state.most_beta, state.beta * BETA_GROWTH),
        most_beta=min(1.0, state.most_beta * MOST_BETA_GROWTH),
    )


def _with_end(state: State, options: FitOptions) -> State:
    """Mark the next pass as the last one when it is time."""
    record, reason = state.history[-1], ""
    if state.passes + 1 >= options.max_passes:
        reason = "max_passes"
    elif record.number == state.again:
        pass  # what this pass came to says nothing of the new beginning
    elif options.penalty.is_rule:
        if record.change <= options.tol:
            reason = "tol: H hardly changes" if options.tol > 0 else "H no longer changes"
    elif not record.accepted and not record.extrapolated:
        reason = "the objective no longer falls"
    elif record.accepted and record.decrease <= options.tol:
        reason = "tol: the objective hardly falls" if options.tol > 0 else "the objective no longer falls"
    elif record.accepted and record.gradient <= GRADIENT_SHARE * options.tol:
        reason = "tol: the projected gradient is small" if options.tol > 0 else "the objective no longer falls"
    return replace(state, reason=reason) if reason != state.reason else state
