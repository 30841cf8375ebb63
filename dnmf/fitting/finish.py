"""The last pass: the same as any other, but W is kept, brought to columns that sum to one, and stored."""

import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.errors import CheckpointError
from dnmf.fitting.loop import Engine, one_pass
from dnmf.fitting.state import State
from dnmf.fitting.terms import terms_for_W
from dnmf.fitting.update import column_scale, fit_diagonal, fits_diagonal, normalize_rows, terms_for_H
from dnmf.options import FitOptions
from dnmf.passes.problem import Terms
from dnmf.passes.rows_out import create_rows_array, missing_chunks, normalize_columns, rescale_rows
from dnmf.passes.statistics import ModelSums, Statistics
from dnmf.penalty import Penalty


@dataclass(frozen=True)
class Factors:
    """A finished factorization ``A ≈ W diag(d) H``.

    Attributes
    ----------
    W : ndarray or zarr.Array (m, k)
        The rows in memory or in the store; columns sum to one.
    d : ndarray (k,)
        The diagonal, float64.
    H : ndarray (k, n)
        Rows sum to one.
    w_scale, h_scale : ndarray (k,)
        ``W diag(w_scale)`` and ``diag(h_scale) H`` are the factors as they were solved for: what a transform of new
        rows must use.
    terms : (Terms, Terms)
        What the penalty did to the normal equations of W, and of H.
    """

    W: Any
    d: np.ndarray
    H: np.ndarray
    w_scale: np.ndarray
    h_scale: np.ndarray
    terms: tuple[Terms, Terms]


def last_pass(engine: Engine, state: State, options: FitOptions, store: Path | None) -> tuple[State, Factors]:
    """Return the final state and the factors; with a store, the workers write W into it.

    W is written as it is solved, and copied once its column sums are known: both arrays have names of their
    own, so that a pass that is killed, or a worker that is late, never touches a committed W.

    Raises
    ------
    CheckpointError
        W cannot be written, or is not complete.
    """
    before = state
    if store is None:
        state, statistics = one_pass(engine, before, options, target="")
        W = _collected(statistics)
    else:
        state, W, statistics = _written(engine, before, options, store)
    return state, _factors(W, statistics.models[0], before, options.penalty)


def _factors(W: Any, sums: ModelSums, before: State, penalty: Penalty) -> Factors:
    H, h_scale = normalize_rows(before.factor)
    scale, d = column_scale(sums, penalty), sums.s * h_scale
    if fits_diagonal(penalty):
        d = d * fit_diagonal(sums, before.factor)[0]
    terms = terms_for_W(penalty, before.factor, before.peak), terms_for_H(sums, penalty, scale)
    return Factors(W, d, H, sums.s, h_scale, terms)


def _collected(statistics: Statistics) -> np.ndarray:
    """W from the rows that were kept, each part let go of as soon as it is in its place."""
    kept, scale = statistics.kept, statistics.models[0].s
    first = next(iter(kept.values()))
    W = np.empty((statistics.rows, first.shape[1]), first.dtype)
    for start in sorted(kept):
        part = kept.pop(start)
        W[start : start + len(part)] = normalize_columns(part, scale)
    return W


def _written(engine: Engine, state: State, options: FitOptions, store: Path) -> tuple[State, Any, Statistics]:
    import zarr

    remove_other_arrays(store, keep="")
    mark = uuid.uuid4().hex[:12]
    raw, path = str(store / f"raw-{mark}.zarr"), str(store / f"W-{mark}.zarr")
    for place in (raw, path):
        create_rows_array(place, (engine.plan.n_rows, options.rank), engine.plan.w_rows, options.dtype)
    state, statistics = one_pass(engine, state, options, target=raw)
    _copy_scaled(engine, raw, path, statistics.models[0].s)
    return state, zarr.open_array(path, mode="r"), statistics


def _copy_scaled(engine: Engine, raw: str, path: str, scale: np.ndarray) -> None:
    spans = [(raw, path, scale, group.start, group.stop) for group in engine.plan.groups]
    written, rows = sum(engine.executor.call_each(rescale_rows, spans)), engine.plan.n_rows
    lost = missing_chunks(path)
    if written != rows or lost:
        raise CheckpointError(f"{path}: {written} of {rows} rows of W were written, {lost} chunks are missing")


def remove_other_arrays(store: Path, keep: str) -> None:
    """Remove arrays of earlier attempts from the store."""
    for path in [*store.glob("raw-*.zarr"), *store.glob("W-*.zarr")]:
        if path.name != keep:
            shutil.rmtree(path, ignore_errors=True)
