"""What a store holds already of the fit that is asked for: nothing yet, that fit, or another one."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from dnmf import checkpoint
from dnmf.errors import CheckpointError, InputError
from dnmf.locations import checked_overwrite, local_path
from dnmf.options import LIMITS, FitOptions
from dnmf.record import RunRecord, naming, other_than, refuse_path
from dnmf.sources import Source

RESUMES = ("never", "auto")


def goes_on(resume: Any, store: Any, *, overwrite: Any) -> bool:
    """Return whether a fit goes on with what its store holds, by its options.

    Raises
    ------
    InputError
        `resume` is no choice, has no store to look into, or is to begin anew at the same time.
    """
    if resume not in RESUMES:
        raise InputError(f"resume={resume!r}: use one of {', '.join(RESUMES)}")
    if resume == "never":
        return False
    if store is None:
        raise InputError("resume='auto' (--resume) goes on with what is in a store: give store=")
    if checked_overwrite(overwrite):
        raise InputError(
            "resume='auto' (--resume) keeps what is in the store, overwrite=True does not: give one of them"
        )
    return True


def has_begun(record: dict[str, Any]) -> bool:
    """Whether the record of a generation is that of a run that has finished a pass."""
    return bool(record.get("status") == "done" or record["state"]["passes"])


def new_limits(store: Any, source: Source, options: FitOptions) -> dict[str, Any] | None:
    """Return the limits that are asked for and were not before, of a fit that has begun in a store; else None.

    Raises
    ------
    CheckpointError
        What the store holds is a path, or a fit of other data or with other options; the message says which.
    """
    path: Path = local_path(store, "store")
    if not checkpoint.exists(path):
        return None
    record = checkpoint.read_latest(path).record
    refuse_path(record, path, "choose another store")
    if not has_begun(record):
        return None
    with naming(path):
        before = RunRecord.from_json(record.get("run", record)).options
    same = {name: getattr(before, name) for name in LIMITS}
    refuse_another(path, other_than(record, source, before.differences(replace(options, **same))), "run", "fit")
    return _asked(before, options)


def refuse_another(store: Path, another: str, held: str, asked: str) -> None:
    """Raise CheckpointError where a store holds `another` than what is asked for, told in words."""
    if another:
        raise CheckpointError(
            f"{store}: holds a {held}{another}, with which this {asked} does not go on. Choose another store, begin "
            f"anew in its place with overwrite=True (--overwrite), or go on with what is there: dnmf resume {store}"
        )


def _asked(before: FitOptions, options: FitOptions) -> dict[str, Any]:
    """The limits that differ; seconds count anew, so that they are asked for again wherever there are any."""
    asked = {name: getattr(options, name) for name in LIMITS if getattr(options, name) != getattr(before, name)}
    if "max_seconds" in asked or options.max_seconds is not None:
        asked["max_seconds"] = math.inf if options.max_seconds is None else options.max_seconds
    return asked
