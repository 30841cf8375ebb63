"""The last pass: the same as any other, but W is kept, brought to columns that sum to one, and stored."""

import shutil
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.errors import CheckpointError
from dnmf.fitting.columns import column_scale, solve_H, terms_for_H
from dnmf.fitting.diagonal import fit_diagonal, fits_diagonal
from dnmf.fitting.loop import Engine, one_pass
from dnmf.fitting.state import State
from dnmf.fitting.terms import terms_for_W
from dnmf.fitting.update import normalize_rows
from dnmf.options import FitOptions
from dnmf.passes.problem import Terms
from dnmf.passes.rows_out import create_rows_array, missing_chunks, normalize_columns, rescale_rows
from dnmf.passes.statistics import ModelSums, Statistics


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
    sums = statistics.models[0]
    factors = _factors(W, sums, before, options)
    if engine.source.transposed:
        factors = _seen_from_H(factors, sums, before, options)
    return state, factors


def _factors(W: Any, sums: ModelSums, before: State, options: FitOptions) -> Factors:
    H, h_scale = normalize_rows(before.factor)
    d = sums.s * h_scale
    w_scale = with_given(sums.s, before.guides.W_sums)
    if fits_diagonal(options.penalty):
        d = d * fit_diagonal(sums, before.factor)[0]
    terms = terms_for_W(options.penalty, before.factor, before.peak, options.limits)
    return Factors(W, d, H, h_scale, w_scale, terms)


def _seen_from_H(factors: Factors, sums: ModelSums, before: State, options: FitOptions) -> Factors:
    """The same factors for one whose rows are our columns: rows are solved as the update of H does it."""
    scale, limits = column_scale(sums, options.penalty), options.limits
    _, of_rows = normalize_rows(solve_H(sums, before.factor, options.penalty, limits=limits, guides=before.guides))
    terms = terms_for_H(sums, options.penalty, scale, limits)
    h_scale = sums.s / scale
    if before.guides.H is not None:  # rows of the others come with their scale, those that are given without
        of_rows = with_given(of_rows, np.abs(before.guides.H).sum(axis=1, dtype=np.float64))
        h_scale = with_given(h_scale, sums.s[: limits.held[1]])
    return replace(factors, h_scale=h_scale, w_scale=of_rows, terms=terms)


def with_given(scale: np.ndarray, given: np.ndarray | None) -> np.ndarray:
    """Return a scale (k,) with that of the components that are given in its place."""
    return scale if given is None else np.concatenate([given, scale[len(given) :]])


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
