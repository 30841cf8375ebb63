"""The last pass: the same as any other, but W is kept, brought to columns that sum to one, and stored."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dnmf.callers import warn_caller
from dnmf.checkpoint.files import explained
from dnmf.checkpoint.others import OF_AN_ATTEMPT, in_array
from dnmf.errors import CheckpointError, UnsolvedWarning
from dnmf.fitting.fit import Fit
from dnmf.fitting.loop import Engine, one_pass
from dnmf.fitting.state import State
from dnmf.passes.executor import in_rows
from dnmf.passes.rows_out import Columns, create_rows_array, missing_chunks, rescale_rows
from dnmf.passes.statistics import ModelSums
from dnmf.places import Place, remove_tree
from dnmf.schemes.scheme import Factors
from dnmf.sources.stored_factor import StoredFactor

LOST = 1e-4  # of what there is to explain: what rounding that is under control never comes to


class FinishedFit(NamedTuple):
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


def _nobody_else() -> None:
    """What a look at stores finds where nobody else can write them."""


def finish(
    engine: Engine, fits: Sequence[Fit], stores: Sequence[Path], look: Callable[[], None] = _nobody_else
) -> tuple[list[FinishedFit], int]:
    """Return the ends of fits whose next pass is the last one, which they share, and the bytes that were read.

    `look` raises where another writer has taken over the stores: nothing that may be its own is removed.

    Raises
    ------
    CheckpointError
        W cannot be written, or is not complete.
    """
    ends, bytes_read = last_pass(engine, fits, stores, look)
    rose = [number for number, end in enumerate(ends) if not end.state.history[-1].accepted]
    if rose:  # the plain update rose after all: its solver was not exact enough
        again = [replace(fits[i], state=replace(ends[i].state, plain=fits[i].state.best)) for i in rose]
        found, more = last_pass(engine, again, [stores[i] for i in rose] if stores else (), look)
        bytes_read += more
        for number, end in zip(rose, found, strict=True):
            ends[number] = end
    _warn_of_unsolved(ends)
    _warn_of_lost_digits(ends)
    return ends, bytes_read


def _warn_of_lost_digits(ends: Sequence[FinishedFit]) -> None:
    """Warn once where a pass came out as exact numbers could not."""
    found = [record for end in ends for record in end.state.history if record.off > LOST]
    if found:
        worst = max(found, key=lambda record: record.off)
        warn_caller(
            f"pass {worst.number} came out {worst.off:.2g} of all there is to explain beyond what is possible: "
            "components are so much alike that the digits of this dtype were lost in their products, or the data is "
            f"not what it was; {_what_helps(ends)}",
            UnsolvedWarning,
        )


def _warn_of_unsolved(ends: Sequence[FinishedFit]) -> None:
    """Warn once of what was not solved in any pass of the fits."""
    found = [record for end in ends for record in end.state.history if record.unsolved]
    if found:
        warn_caller(
            f"{found[-1].unsolved} of pass {found[-1].number} are not solved to their tolerance, as in {len(found)} "
            "passes in all: components are too much alike for this dtype, fewer entries were observed of a row or "
            f"column than there are components, or weights lie far apart; {_what_helps(ends)}",
            UnsolvedWarning,
        )


def _what_helps(ends: Sequence[FinishedFit]) -> str:
    """Ways out, without one that was taken."""
    wider = "" if all(end.state.H.dtype == np.float64 for end in ends) else "dtype='float64', "
    return f"use {wider}a lower rank or an l2 penalty"


def last_pass(
    engine: Engine, fits: Sequence[Fit], stores: Sequence[Path], look: Callable[[], None] = _nobody_else
) -> tuple[list[FinishedFit], int]:
    """Return the final state and the factors of each fit, and the bytes that were read.

    With stores, the workers write the W of each fit into its own; without, it stays in this process. W is written as it
    is solved, and copied once its column sums are known: both arrays have names of their own, so that a pass that is
    killed or fails, or a worker that is late, never touches a committed W.

    Raises
    ------
    CheckpointError
        W cannot be written, or is not complete, or another writer has taken over; nothing of it is left.
    ChangedError
        The data is not what it was; looked at before the pass and after it, so that W is of one state of the data.
    """
    raws, paths = _own_names(stores)
    try:
        for store in stores:
            remove_other_arrays(store, "", look)
        return _last_pass(engine, fits, raws, paths)
    except Exception:  # what is half made is of no use, and the disk may be full
        for place in (*raws, *paths):
            remove_tree(place)
        raise


def _own_names(stores: Sequence[Path]) -> tuple[list[Place], list[Place]]:
    """The places of W as it is solved and as it is kept, in each store, under names that nobody else has."""
    marks = [uuid.uuid4().hex[:12] for _ in stores]
    raws, paths = (
        [store / f"{kind}-{mark}.zarr" for store, mark in zip(stores, marks, strict=True)] for kind in ("raw", "W")
    )
    return raws, paths


def _last_pass(
    engine: Engine, fits: Sequence[Fit], raws: Sequence[Place], paths: Sequence[Place]
) -> tuple[list[FinishedFit], int]:
    for fit, *places in zip(fits, raws, paths, strict=bool(raws)):
        for place in places:
            shape = (engine.plan.n_rows, fit.options.rank)
            create_rows_array(place, shape, engine.plan.w_rows, fit.options.dtype)
    engine.guard.check()
    after, statistics = one_pass(engine, fits, raws or [""] * len(fits))
    engine.guard.check()
    ends = []
    for number, (before, fit, sums) in enumerate(zip(fits, after, statistics.models, strict=True)):
        state, transposed = before.state, engine.source.transposed
        factors = before.scheme.factors(sums, state.factor, state.peak, transposed=transposed)
        order = before.scheme.order(factors.d, transposed=transposed)
        columns = Columns(order, sums.s[order])
        W: Any
        if paths:
            W = _copied(engine, raws[number], paths[number], columns)
        else:
            W = _collected(sums, statistics.rows, columns)
        ends.append(FinishedFit(fit.state, before.state.factor, factors.taken(order, W), order))
    return ends, statistics.bytes_read


def _collected(sums: ModelSums, n_rows: int, columns: Columns) -> np.ndarray:
    """W from the rows that were kept, each part let go of as soon as it is in its place."""
    kept = sums.kept
    first = next(iter(kept.values()))
    W = np.empty((n_rows, first.shape[1]), first.dtype)
    for start in sorted(kept):
        part = kept.pop(start)
        W[start : start + len(part)] = columns.of(part)
    return W


def _copied(engine: Engine, raw: Place, path: Place, columns: Columns) -> StoredFactor:
    spans = [(raw, path, columns, group.start, group.stop) for group in engine.plan.groups]
    done = in_rows(engine.plan.groups, engine.watch("copy"))
    written, rows = sum(engine.executor.call_each(rescale_rows, spans, done)), engine.plan.n_rows
    lost = missing_chunks(path)
    if written != rows or lost:
        raise CheckpointError(f"{path}: {written} of {rows} rows of W were written, {lost} chunks are missing")
    return StoredFactor(path)


def remove_other_arrays(store: Path, keep: str, look: Callable[[], None]) -> None:
    """Remove arrays of earlier attempts from the store.

    They are listed before `look` looks whether it is still this writer's: those of one that took over since have new
    names, which are not among them.

    Raises
    ------
    CheckpointError
        It cannot be looked at, or is another writer's now.
    """
    with explained(f"{store}: what is left of earlier attempts cannot be looked at"):
        arrays = [path for path in store.glob("*.zarr") if path.name != keep and OF_AN_ATTEMPT.fullmatch(path.name)]
        others = [path for path in arrays if in_array(path) is None]  # not what somebody else put there
    look()
    for path in others:
        remove_tree(path)
