"""A directory that appears under its final name only when it is complete."""

import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import Any

from dnmf.errors import CheckpointError, DnmfError, InputError
from dnmf.locations import why_not_here
from dnmf.places import Place, has_home
from dnmf.refusals import reason
from dnmf.written import is_free, sign, why_kept

try:
    import fcntl
except ImportError:  # where there are no advisory locks, what a killed conversion left is not cleaned up
    fcntl = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Staging:
    """Where a conversion works: the target as it grows, and room for temporary files beside it."""

    target: Place
    spool: Path


@singledispatch
@contextmanager
def staged(target: Any, command: str, *, overwrite: bool | None, by_workers: bool = False) -> Iterator[Staging]:
    """Give a place to build a Zarr store, moved to `target` when the block ends without an error.

    It is marked as written by `command`; one that is marked so, and is as it was written, may be overwritten.

    The work happens in a hidden sibling of `target`, so the move is a rename within one file system. An
    error (an interrupt too) removes it; after a kill it stays, never under the final name, until the next
    conversion to the same target removes it: a lock that dies with its process tells abandoned work from
    work in progress.

    Parameters
    ----------
    target : pathlib.Path
        The Zarr store.
    command : str
        Which writes it.
    overwrite : bool or None
        Whether one there may be replaced; None where the caller offers no such choice.
    by_workers : bool
        Whether others than this process write there; it matters where a place is not a directory.

    Raises
    ------
    InputError
        `target` is taken and `overwrite` is not true, or holds anything but what `command` wrote, or its directory
        does not exist.
    """
    del by_workers
    target = Path(os.path.abspath(target))  # "..", trailing slashes and the like would spoil the sibling's name
    check_target(target, command, overwrite)
    with explained(target):
        _remove_abandoned(target)
        work = Path(tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent))
    try:
        staging = Staging(work / "target", work / "spool")
        with _locked(work, target):
            with renamed(staging, target):
                yield staging
            with explained(target):
                sign(staging.target, command)
                check_target(target, command, overwrite)  # again: it may have appeared in the meantime
                _publish(staging.target, target, work / "replaced")
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _locked(work: Path, target: Path) -> Iterator[None]:
    """Hold the lock of a work directory that was made just now, with room for temporary files in it."""
    with ExitStack() as stack:
        with explained(target):
            lock = stack.enter_context((work / "lock.new").open("wb"))
            if fcntl is not None:
                with suppress(OSError):  # a file system without locks
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (work / "lock.new").rename(work / "lock")  # under this name it is locked from the first moment
            (work / "spool").mkdir()
        yield


@contextmanager
def renamed(staging: Staging, target: Place) -> Iterator[None]:
    """Say the target in errors of whoever writes there, and knows no other name."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(str(error).replace(str(staging.target), str(target))) from error


@contextmanager
def explained(target: Place) -> Iterator[None]:
    """Say of the target what the file system refuses beside it: the names there are known to nobody."""
    try:
        yield
    except OSError as error:
        raise DnmfError(f"{target}: cannot be written: {reason(error)}; nothing was left there") from error


def check_apart(source: Path, target: Place) -> None:
    """Return when neither path lies in the other.

    Raises
    ------
    InputError
        Writing the target would change the source.
    """
    a, b = source.resolve(), target.resolve()
    if a == b or a in b.parents or b in a.parents:
        raise InputError(f"{target}: the target and the source {source} overlap; choose another target")


def _prefix(target: Path) -> str:
    return f".{target.name}.converting-"


def check_target(target: Place, command: str, overwrite: bool | None) -> None:
    """Refuse a target that is taken, or lies where nothing may; see :func:`staged`."""
    if not has_home(target):
        raise InputError(f"{target}: its directory does not exist; create {target.parent} first")
    if reason := why_not_here(target):
        raise InputError(f"{target}: {reason}")
    if is_free(target):
        return
    if not overwrite:
        raise InputError(f"{target}: exists already; choose another name{', or --overwrite' * (overwrite is not None)}")
    if reason := why_kept(target, command):
        raise InputError(f"{target}: {reason}")


def _publish(built: Path, target: Path, replaced: Path) -> None:
    if is_free(target):
        built.rename(target)  # over an empty directory too
        return
    target.rename(replaced)
    try:
        built.rename(target)
    except BaseException:
        replaced.rename(target)
        raise


def _remove_abandoned(target: Path) -> None:
    """Remove what a killed conversion left; an old target it had moved aside comes back."""
    for work in target.parent.glob(glob.escape(_prefix(target)) + "*"):
        if not _is_abandoned(work):
            continue
        if (work / "replaced").exists() and not target.exists():
            (work / "replaced").rename(target)
        shutil.rmtree(work, ignore_errors=True)


def _is_abandoned(work: Path) -> bool:
    lock = work / "lock"
    if fcntl is None or not lock.is_file():
        return False
    with lock.open("rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True
