"""What a store holds already of the fit that is asked for: nothing yet, that fit, or another one."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dnmf import checkpoint
from dnmf.advice import resume_command
from dnmf.arguments import choice
from dnmf.constraints import Constraints
from dnmf.errors import CheckpointError, InputError
from dnmf.fitting.stop import SECONDS
from dnmf.locations import checked_overwrite
from dnmf.options import LIMITS, FitOptions
from dnmf.places import place_of
from dnmf.record import RunRecord, has_begun, naming, other_than, refuse_study
from dnmf.run import STATE_PREFIX
from dnmf.sources import Source
from dnmf.sources.unfolded import Unfolding

RESUMES = ("never", "auto")
# What a checkpoint has of what is given beside the options (:meth:`dnmf.constraints.Guides.arrays`), as it is given.
GUIDES = {
    "guide_W": "fixed_W", "guide_W_sums": "fixed_W", "guide_H": "fixed_H", "guide_target": "target_H",
    "graph_data": "graph", "graph_indices": "graph", "graph_indptr": "graph",
}  # fmt: skip
OF_TRANSPOSED = {"fixed_W": "fixed_H", "fixed_H": "fixed_W"}


def goes_on(resume: Any, store: Any, *, overwrite: Any) -> bool:
    """Return whether a fit goes on with what its store holds, by its options.

    Raises
    ------
    InputError
        `resume` is no choice, has no store to look into, or is to begin anew at the same time.
    """
    if choice("resume", resume, RESUMES) == "never":
        return False
    if store is None:
        raise InputError("resume='auto' (--resume) goes on with what is in a store: give store=")
    if checked_overwrite(overwrite):
        raise InputError(
            "resume='auto' (--resume) keeps what is in the store, overwrite=True does not: give one of them"
        )
    return True


def new_limits(store: Any, source: Source, options: FitOptions, constraints: Constraints) -> dict[str, Any] | None:
    """Return the limits that are asked for and were not before, of a fit that has begun in a store; else None.

    A committed start is gone on with too, if it is that of this fit; another one is begun anew.

    Raises
    ------
    CheckpointError
        What the store holds is a path, or a fit of other data, with other options, constraints or names; the message
        says which.
    """
    path: Path = place_of(store, "store")
    if not checkpoint.exists(path):
        return None
    generation = checkpoint.read_latest(path)
    record = generation.record
    refuse_study(record, path, "choose another store")
    with naming(path):
        before = RunRecord.from_json(record.get("run", record)).options
    same = {name: getattr(before, name) for name in LIMITS}
    changed = before.differences(replace(options, **same)) + other_arrays(generation, source, options, constraints)
    another = other_than(record, source, changed)
    if not has_begun(record) and (another or options.init == "given"):
        return None  # there is no more than a start, and perhaps not this one
    refuse_another(path, another, "a run", "this fit")
    return _asked(before, options, record["stop_reason"] if record["status"] == "done" else "")


def other_arrays(
    generation: checkpoint.Generation, source: Source, options: FitOptions, constraints: Constraints
) -> list[str]:
    """Return what is given beside the options and is not what the run or study of a generation was given, in words."""
    m, n = source.shape[::-1] if source.transposed else source.shape
    asked = constraints.guides((m, n), options.rank, transposed=source.transposed, dtype=options.dtype).arrays()
    held = {name.removeprefix(STATE_PREFIX): values for name, values in generation.arrays.items()}
    found = [GUIDES[name] for name in GUIDES if not _same(asked.get(name), held.get(name))]
    if source.transposed:
        found = [OF_TRANSPOSED.get(name, name) for name in found]
    return [f"other {name}" for name in dict.fromkeys([*found, *_other_names(generation, source)])]


def _same(asked: np.ndarray | None, held: np.ndarray | None) -> bool:
    if asked is None or held is None:
        return asked is held
    return np.array_equal(asked, held, equal_nan=True)


def _other_names(generation: checkpoint.Generation, source: Source) -> list[str]:
    given = zip(("row_names", "column_names"), source.given_names, strict=True)
    known = generation.texts
    names = [
        name
        for name, names in given
        if names is not None and name in known and not np.array_equal(names, known[name]())
    ]
    before = Unfolding.from_json(generation.record.get("run", generation.record).get("unfolding"))
    axes = source.unfolding.other_labels(before) if source.unfolding and before else []
    return [*names, *(f"labels along {axis}" for axis in axes)]


def refuse_another(store: Path, another: str, held: str, asked: str) -> None:
    """Raise CheckpointError where a store holds `another` than what is asked for, told in words."""
    if another:
        raise CheckpointError(
            f"{store}: holds {held}{another}, with which {asked} does not go on. Choose another store, begin anew in "
            f"its place with overwrite=True (--overwrite), or go on with what is there: {resume_command(store)}"
        )


def _asked(before: FitOptions, options: FitOptions, ended_by: str) -> dict[str, Any]:
    """The limits that differ; seconds count anew, so that they are asked for again wherever there are any.

    But not alone of a fit that something else has ended: they would have its last pass done again, for nothing.
    """
    asked = {name: getattr(options, name) for name in LIMITS if getattr(options, name) != getattr(before, name)}
    if ended_by not in ("", SECONDS) and not asked.keys() - {SECONDS}:
        return {}
    if SECONDS in asked or options.max_seconds is not None:
        asked[SECONDS] = math.inf if options.max_seconds is None else options.max_seconds
    return asked
