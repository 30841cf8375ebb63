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
    import zarr

    solved_with = state.H
    if store is None:
        state, statistics = one_pass(engine, state, options, target="")
        scale, kept = statistics.models[0].s, statistics.kept
        W: Any = normalize_columns(np.concatenate([kept[at] for at in sorted(kept)]), scale)
    else:
        mark = uuid.uuid4().hex[:12]
        raw, path = str(store / f"raw-{mark}.zarr"), str(store / f"W-{mark}.zarr")
        shape = (engine.plan.n_rows, options.rank)
        for place in (raw, path):
            create_rows_array(place, shape, engine.plan.w_rows, options.dtype)
        state, statistics = one_pass(engine, state, options, target=raw)
        scale = statistics.models[0].s
        _copy_scaled(engine, raw, path, scale)
        W = zarr.open_array(path, mode="r")
    H, h_scale = normalize_rows(solved_with)
    return state, Factors(W, scale * h_scale, H, h_scale)


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
