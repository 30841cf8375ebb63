"""A Zarr store on object storage that can be read only when it is complete: what describes it comes last."""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dnmf.conversion.staging import Staging, check_target, explained, renamed, staged
from dnmf.places import ObjectPlace, below, copy_object, remove_tree
from dnmf.written import sign

__all__ = ["staged"]

ROOT = ("zarr.json", ".zgroup", ".zarray", ".zattrs")  # without these there is nothing, whatever else is there


@staged.register
@contextmanager
def _(target: ObjectPlace, command: str, *, overwrite: bool | None, by_workers: bool = False) -> Iterator[Staging]:
    """Give a place to build a Zarr store, copied to `target` when the block ends without an error.

    Workers write beside the target and the server copies; one process writes to the disk here ($TMPDIR), which is then
    uploaded. An old target is removed first: until the new one is whole, there is none.
    """
    place: Any = target
    check_target(place, command, overwrite)
    beside = target.with_name(f".{target.name}.writing-{uuid.uuid4().hex}")
    with tempfile.TemporaryDirectory(prefix="dnmf-") as folder:
        spool = Path(folder) / "spool"
        spool.mkdir()
        built: Any = beside if by_workers else Path(folder)
        staging = Staging(built / "target", spool)
        try:
            with renamed(staging, place):
                yield staging
            with explained(place):
                sign(staging.target, command)
                check_target(place, command, overwrite)
                _publish(staging.target, place)
        finally:
            remove_tree(beside)


def _publish(built: Any, target: Any) -> None:
    for name in ROOT:
        (target / name).unlink()
    remove_tree(target)
    parts = [part for part, size in below(built) if size is not None]
    for part in sorted(parts, key=lambda part: (part in ROOT, part)):
        copy_object(built / part, target / part)
