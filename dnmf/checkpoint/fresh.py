"""A store that is filled at one go: all of it is there in the end, or nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dnmf.checkpoint.files import explained
from dnmf.checkpoint.store import Store, exists, store_place
from dnmf.errors import CheckpointError
from dnmf.places import remove_tree


@contextmanager
def fresh_store(path: str | os.PathLike[str], what: str) -> Iterator[Store]:
    """Give a store to write a finished `what` into; whatever goes wrong, nothing of it is left.

    What a process that was killed left there is not touched.

    Raises
    ------
    CheckpointError
        The place is taken, or cannot be written (the disk is full).
    """
    path = store_place(path)
    before = {one.name for one in path.iterdir()} if path.is_dir() else None
    with Store(path) as store:
        if exists(path):
            raise CheckpointError(f"{path}: holds a run already; choose another place for the {what}")
        try:
            with explained(f"{path}: the {what} cannot be written"):
                yield store
        except BaseException:
            _remove(store.path, before)
            raise


def _remove(folder: Path, before: set[str] | None) -> None:
    """Remove what was not there before, the folder too where there was none."""
    if before is None:
        remove_tree(folder)
        return
    for path in folder.iterdir():
        if path.name not in before and path.is_dir():
            remove_tree(path)
        elif path.name not in before:
            path.unlink(missing_ok=True)
