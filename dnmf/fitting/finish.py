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
from dnmf.fitting.update import normalize_rows
from dnmf.options import FitOptions
from dnmf.passes.rows_out import create_rows_array, missing_chunks, normalize_columns, rescale_rows
from dnmf.passes.statistics import Statistics


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
        ``diag(h_scale) H`` is the factor the last pass was solved with (ones, unless the penalty is part of the
        objective): what a transform of new rows must use.
    """

    W: Any
    d: np.ndarray
    H: np.ndarray
    h_scale: np.ndarray


def last_pass(engine: Engine, state: State, options: FitOptions, store: Path | None) -> tuple[State, Factors]:
    """Return the final state and the factors; with a store, the workers write W into it.

    W is written as it is solved, and copied once its column sums are known: both arrays have names of their
    own, so that a pass that is killed, or a worker that is late, never touches a committed W.

    Raises
    ------
    CheckpointError
        W cannot be written, or is not complete.
    """
    solved_with = state.factor
    if store is None:
        state, statistics = one_pass(engine, state, options, target="")
        W, scale = _collected(statistics), statistics.models[0].s
    else:
        state, W, scale = _written(engine, state, options, store)
    H, h_scale = normalize_rows(solved_with)
    return state, Factors(W, scale * h_scale, H, h_scale)


def _collected(statistics: Statistics) -> np.ndarray:
    """W from the rows that were kept, each part let go of as soon as it is in its place."""
    kept, scale = statistics.kept, statistics.models[0].s
    first = next(iter(kept.values()))
    W = np.empty((statistics.rows, first.shape[1]), first.dtype)
    for start in sorted(kept):
        part = kept.pop(start)
        W[start : start + len(part)] = normalize_columns(part, scale)
    return W


def _written(engine: Engine, state: State, options: FitOptions, store: Path) -> tuple[State, Any, np.ndarray]:
    import zarr

    remove_other_arrays(store, keep="")
    mark = uuid.uuid4().hex[:12]
    raw, path = str(store / f"raw-{mark}.zarr"), str(store / f"W-{mark}.zarr")
    for place in (raw, path):
        create_rows_array(place, (engine.plan.n_rows, options.rank), engine.plan.w_rows, options.dtype)
    state, statistics = one_pass(engine, state, options, target=raw)
    scale = statistics.models[0].s
    _copy_scaled(engine, raw, path, scale)
    return state, zarr.open_array(path, mode="r"), scale


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
