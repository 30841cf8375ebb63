"""What is done with a folder or a file as a whole, by the kind of its place."""

import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator
from functools import singledispatch
from pathlib import Path
from typing import Any

Place = Path  # or what has its methods
Sink = str | Place  # where rows of W go: an array at a place, or with an empty text the memory of the task

_TRACE = re.compile(r"\.dnmf-[0-9a-f]{32}")  # of a question to a server, whose asker was killed


def is_trace(name: str) -> bool:
    """Whether a file is what is left of a question to a server: it says nothing of what else is there."""
    return _TRACE.fullmatch(name) is not None


def trace_name() -> str:
    """Return the name of such a file, which nobody else has."""
    return f".dnmf-{uuid.uuid4().hex}"


def as_place(given: str | Place) -> Place:
    """Return a place; text is a path of this machine."""
    return Path(given) if isinstance(given, str) else given


@singledispatch
def absolute(place: Any) -> Place:
    """Return the place as it is called from anywhere: it stays when the current directory changes."""
    return Path(os.path.abspath(place))


@singledispatch
def remove_tree(place: Any) -> None:
    """Remove a folder and all that is in it, as far as that can be done."""
    shutil.rmtree(place, ignore_errors=True)


@singledispatch
def put_whole(place: Any, content: bytes) -> None:
    """Write a file in one step, over an old one: whoever reads it finds the old or the new one, whole.

    Raises
    ------
    OSError
        It cannot be written; the old one is still there, and nothing beside it.
    """
    draft = place.with_name(f"{place.name}.tmp")
    try:
        draft.write_bytes(content)
        os.replace(draft, place)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


@singledispatch
def below(place: Any) -> Iterator[tuple[str, int | None]]:
    """Yield all that is in a folder by its name there and its size, in the same order always; a folder has no size."""
    for folder, folders, files in os.walk(place):
        folders.sort()
        for name in sorted([*folders, *files]):
            path = Path(folder) / name
            is_folder = path.is_dir()
            yield path.relative_to(place).as_posix(), None if is_folder else path.lstat().st_size


@singledispatch
def as_zarr(place: Any, *, read_only: bool = False) -> Any:
    """Return what Zarr opens or makes an array or a group at: the path itself, where it is one."""
    del read_only  # who opens it says so
    return place  # as a path: as text, two colons would make it a chain of addresses, and it would lie elsewhere


@singledispatch
def folder_names(place: Any) -> list[str]:
    """Return the names of the folders in a folder, links to such left out.

    Raises
    ------
    OSError
        It cannot be listed.
    """
    with os.scandir(place) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


@singledispatch
def create_array(place: Any, **how: Any) -> None:
    """Make an empty Zarr array; `how` is that of :func:`zarr.create_array`.

    Raises
    ------
    OSError
        It cannot be written.
    """
    import zarr

    zarr.create_array(place, **how)


@singledispatch
def has_home(place: Any) -> bool:
    """Whether the directory is there that something at a place would be made in."""
    return bool(place.parent.is_dir())


@singledispatch
def holds(place: Any, address: str) -> bool:
    """Whether what an address names is a place, or lies in it."""
    root, found = place.resolve(), Path(address).resolve()
    return root in (found, *found.parents)


@singledispatch
def copy_object(source: Any, target: Any) -> None:
    """Copy a file to a place on object storage."""
    target.write_bytes(source.read_bytes())


@singledispatch
def trouble_with(place: Any) -> str:
    """Return why nothing can be written at a place from this process; an empty text as far as can be seen that it can.

    Of a directory: whether the one above it is there. It may be so new that a network file system still hides it.
    """
    return "" if place.parent.is_dir() else f"there is no directory {place.parent} on {socket.gethostname()}"
