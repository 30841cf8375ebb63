"""The last pass: the same as any other, but W is kept, brought to columns that sum to one, and stored."""

import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dnmf.callers import warn_caller
from dnmf.checkpoint.others import OF_AN_ATTEMPT, in_array
from dnmf.errors import CheckpointError, UnsolvedWarning
from dnmf.fitting.balance import on_scale
from dnmf.fitting.columns import column_scale, solve_H, terms_for_H
from dnmf.fitting.diagonal import fit_diagonal, fits_diagonal
from dnmf.fitting.loop import Engine, Fit, one_pass
from dnmf.fitting.state import State
from dnmf.fitting.terms import terms_for_W
from dnmf.fitting.update import normalize_rows, without_dead
from dnmf.options import FitOptions
from dnmf.passes.executor import in_rows
from dnmf.passes.rows_out import Columns, create_rows_array, missing_chunks, rescale_rows
from dnmf.passes.statistics import ModelSums
from dnmf.passes.terms import Terms
from dnmf.sources.stored_factor import StoredFactor

LOST = 1e-4  # of ½‖A‖²: what rounding that is under control never comes to


@dataclass(frozen=True)
class Factors:
    """A finished factorization ``A ≈ W diag(d) H``.

    Attributes
    ----------
    W : ndarray or StoredFactor (m, k)
        The rows in memory or in the store; columns sum to one.
    d : ndarray (k,)
        The diagonal, float64.
    H : ndarray (k, n)
        Rows sum to one.
    h_scale : ndarray (k,)
        Rows are solved with ``diag(h_scale) H``.
    w_scale : ndarray (k,)
        What a solution is divided by to become a row of W.
    terms : Terms
        What the penalty does to the normal equations of a row.
    """

    W: Any
    d: np.ndarray
    H: np.ndarray
    h_scale: np.ndarray
    w_scale: np.ndarray
    terms: Terms

    def taken(self, order: np.ndarray, W: Any) -> "Factors":
        """The components in another order, W in that order already."""
        return Factors(W, self.d[order], self.H[order], self.h_scale[order], self.w_scale[order], self.terms)


class Ended(NamedTuple):
    """A fit after its last pass.

    Attributes
    ----------
    state : State
        After it.
    factor : ndarray (k, n)
        The H it was made with.
    factors : Factors
        What it found, the strongest component first.
    order : ndarray (k,)
        Which component of the state each of the factors is.
    """

    state: State
    factor: np.ndarray
    factors: Factors
    order: np.ndarray


def finish(engine: Engine, fits: Sequence[Fit], stores: Sequence[Path]) -> tuple[list[Ended], int]:
    """Return the ends of fits whose next pass is the last one, which they share, and the bytes that were read.

    Raises
    ------
    CheckpointError
        W cannot be written, or is not complete.
    """
    ends, bytes_read = last_pass(engine, fits, stores)
    rose = [number for number, end in enumerate(ends) if not end.state.history[-1].accepted]
    if rose:  # the plain update rose after all: its solver was not exact enough
        again = [replace(fits[i], state=replace(ends[i].state, plain=fits[i].state.best)) for i in rose]
        found, more = last_pass(engine, again, [stores[i] for i in rose] if stores else ())
        bytes_read += more
        for number, end in zip(rose, found, strict=True):
            ends[number] = end
    _warn_of_unsolved(ends)
    _warn_of_lost_digits(ends)
    return ends, bytes_read


def _warn_of_lost_digits(ends: Sequence[Ended]) -> None:
    """Warn once where a pass came out as exact numbers could not."""
    found = [record for end in ends for record in end.state.history if record.off > LOST]
    if found:
        worst = max(found, key=lambda record: record.off)
        warn_caller(
            f"pass {worst.number} came out {worst.off:.2g} of ½‖A‖² beyond what is possible: components are so much "
            "alike that the digits of this dtype were lost in their products, or the data is not what it was; use "
            "dtype='float64', a lower rank or an l2 penalty",
            UnsolvedWarning,
        )


def _warn_of_unsolved(ends: Sequence[Ended]) -> None:
    """Warn once of what was not solved in any pass of the fits."""
    found = [record for end in ends for record in end.state.history if record.unsolved]
    if found:
        warn_caller(
            f"{found[-1].unsolved} of pass {found[-1].number} are not solved to their tolerance, as in {len(found)} "
            "passes in all: components are too much alike for this dtype; use dtype='float64', a lower rank or an l2 "
            "penalty",
            UnsolvedWarning,
        )


def last_pass(engine: Engine, fits: Sequence[Fit], stores: Sequence[Path]) -> tuple[list[Ended], int]:
    """Return the final state and the factors of each fit, and the bytes that were read.

    With stores, the workers write the W of each fit into its own; without, it stays in this process. W is written as it
    is solved, and copied once its column sums are known: both arrays have names of their own, so that a pass that is
    killed, or a worker that is late, never touches a committed W.

    Raises
    ------
    CheckpointError
        W cannot be written, or is not complete; nothing of it is left.
    ChangedError
        The data is not what it was; looked at before the pass and after it, so that W is of one state of the data.
    """
    try:
        return _last_pass(engine, fits, stores)
    except Exception:  # what is half made is of no use, and the disk may be full
        for store in stores:
            remove_other_arrays(store, keep="")
        raise


def _last_pass(engine: Engine, fits: Sequence[Fit], stores: Sequence[Path]) -> tuple[list[Ended], int]:
    raws, paths = _empty_arrays(engine, fits, stores)
    engine.guard.check()
    after, statistics = one_pass(engine, fits, raws or [""] * len(fits))
    engine.guard.check()
    ends = []
    for number, (before, fit, sums) in enumerate(zip(fits, after, statistics.models, strict=True)):
        factors = _factors(sums, before.state, before.options)
        if engine.source.transposed:
            factors = _seen_from_H(factors, sums, before.state, before.options)
        order = by_weight(factors.d, before.options.limits.held, before.state.guides.target)
        columns = Columns(order, sums.s[order])
        W: Any
        if stores:
            W = _copied(engine, raws[number], paths[number], columns)
        else:
            W = _collected(sums, statistics.rows, columns)
        ends.append(Ended(fit.state, before.state.factor, factors.taken(order, W), order))
    return ends, statistics.bytes_read


def by_weight(d: np.ndarray, held: tuple[int, int], target: np.ndarray | None) -> np.ndarray:
    """Return the components (k,) by falling weight; those that are given, or pulled to a target, keep their place.

    Examples
    --------
    >>> by_weight(np.array([1.0, 0.0, 3.0, 2.0]), (0, 0), None).tolist()
    [2, 3, 0, 1]
    >>> by_weight(np.array([1.0, 0.0, 3.0, 2.0]), (1, 0), None).tolist()
    [0, 2, 3, 1]
    """
    own = np.arange(len(d))
    placed = own < max(held)
    if target is not None:
        placed |= ~np.isnan(target).all(axis=1)
    free = own[~placed]
    order = own.copy()
    order[free] = free[np.argsort(-d[free], kind="stable")]
    return order


def _factors(sums: ModelSums, before: State, options: FitOptions) -> Factors:
    """The factors but for W, the components in the order of the engine."""
    H, h_scale = normalize_rows(without_dead(before.factor, sums, options))
    d = sums.s * h_scale
    w_scale = with_given(sums.s, before.guides.W_sums)
    if fits_diagonal(options.penalty):
        d = d * fit_diagonal(sums, before.factor)[0]
    terms = terms_for_W(options.penalty, before.factor, before.peak, options.limits)
    return Factors(None, d, H, h_scale, w_scale, terms)


def _seen_from_H(factors: Factors, sums: ModelSums, before: State, options: FitOptions) -> Factors:
    """The same factors for one whose rows are our columns: rows are solved as the update of H does it."""
    penalty, limits, factor = options.penalty, options.limits, before.factor
    if penalty.in_objective:
        _, _, sums, factor, limits = on_scale(penalty, sums, factor, limits, before.guides)
    scale = column_scale(sums, penalty)
    # An objective fixes the scale of its factors; under a rule it is that of the half step alone.
    solved = factor if penalty.in_objective else solve_H(sums, factor, penalty, limits=limits, guides=before.guides).H
    _, of_rows = normalize_rows(solved)
    terms = terms_for_H(sums, penalty, scale, limits)
    h_scale = sums.s / scale
    if before.guides.H is not None:  # rows of the others come with their scale, those that are given without
        of_rows = with_given(of_rows, np.abs(before.guides.H).sum(axis=1, dtype=np.float64))
        given = np.abs(factor[: limits.held[1]]).sum(axis=1, dtype=np.float64)
        h_scale = with_given(h_scale, sums.s[: limits.held[1]] * given)
    return replace(factors, h_scale=h_scale, w_scale=of_rows, terms=terms)


def with_given(scale: np.ndarray, given: np.ndarray | None) -> np.ndarray:
    """Return a scale (k,) with that of the components that are given in its place."""
    return scale if given is None else np.concatenate([given, scale[len(given) :]])


def _collected(sums: ModelSums, n_rows: int, columns: Columns) -> np.ndarray:
    """W from the rows that were kept, each part let go of as soon as it is in its place."""
    kept = sums.kept
    first = next(iter(kept.values()))
    W = np.empty((n_rows, first.shape[1]), first.dtype)
    for start in sorted(kept):
        part = kept.pop(start)
        W[start : start + len(part)] = columns.of(part)
    return W


def _empty_arrays(engine: Engine, fits: Sequence[Fit], stores: Sequence[Path]) -> tuple[list[str], list[str]]:
    """Make arrays for W as it is solved and as it is kept, in each store, and return their paths."""
    raws: list[str] = []
    paths: list[str] = []
    for fit, store in zip(fits, stores, strict=bool(stores)):
        remove_other_arrays(store, keep="")
        mark = uuid.uuid4().hex[:12]
        raws.append(str(store / f"raw-{mark}.zarr"))
        paths.append(str(store / f"W-{mark}.zarr"))
        for place in (raws[-1], paths[-1]):
            shape = (engine.plan.n_rows, fit.options.rank)
            create_rows_array(place, shape, engine.plan.w_rows, fit.options.dtype)
    return raws, paths


def _copied(engine: Engine, raw: str, path: str, columns: Columns) -> StoredFactor:
    spans = [(raw, path, columns, group.start, group.stop) for group in engine.plan.groups]
    done = in_rows(engine.plan.groups, engine.watch("copy"))
    written, rows = sum(engine.executor.call_each(rescale_rows, spans, done)), engine.plan.n_rows
    lost = missing_chunks(path)
    if written != rows or lost:
        raise CheckpointError(f"{path}: {written} of {rows} rows of W were written, {lost} chunks are missing")
    return StoredFactor(path)


def remove_other_arrays(store: Path, keep: str) -> None:
    """Remove arrays of earlier attempts from the store."""
    for path in store.glob("*.zarr"):
        own = OF_AN_ATTEMPT.fullmatch(path.name) and in_array(path) is None  # not what somebody else put there
        if path.name != keep and own:
            shutil.rmtree(path, ignore_errors=True)
