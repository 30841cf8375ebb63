"""What dnmf wrote to a Zarr directory: a mark in it, by which anything that was added or changed since is found."""

import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterator
from functools import singledispatch
from pathlib import Path
from typing import Any

from dnmf.places import ObjectPlace, Place, below, is_trace

MARK = "dnmf_written"
_ATTRIBUTES = ("zarr.json", ".zattrs")  # of Zarr's format 3 and 2
# Of file managers, of network file systems, and of a writer that was killed before Zarr gave the file its name.
_PASSING = re.compile(r"\.DS_Store|\.nfs[0-9a-f]+|.+\.[0-9a-f]{32}\.partial")
_CHUNK = re.compile(r"c|\d+(\.\d+)*")  # the last part of the name of a chunk, or of a directory of some


def sign(root: Place, command: str) -> None:
    """Note in the attributes of a Zarr directory that `command` wrote it, and what is in it now."""
    place = _attributes_file(root)
    document = json.loads(place.read_bytes())
    parts = [part for part in _parts(root) if not is_chunk(part)]
    _attributes(document, place)[MARK] = {"command": command, "parts": parts, "digest": _digest(root)}
    place.write_bytes(json.dumps(document, indent=2).encode())


def why_kept(root: Place, command: str) -> str:
    """Return why a directory may not be removed as what `command` wrote, an empty text where it may.

    Sizes are compared, so that values changed in place are seen where they take another room; nothing but metadata is
    read.
    """
    command_line = f": rm -r {shlex.quote(str(root))}" if isinstance(root, Path) else ""
    remedy = f"so it is not overwritten; remove it yourself{command_line}"
    mark = _mark_of(root)
    if root.is_symlink() or mark.get("command") != command:
        return f"exists and is not marked as written by dnmf {command}, {remedy}"
    known = set(mark["parts"])
    other = next((part for part in _parts(root) if part not in known and not is_chunk(part)), None)
    if other is not None:
        return f"holds {other}, which dnmf {command} did not write, {remedy}"
    if _digest(root) != mark["digest"]:
        return f"is not as dnmf {command} wrote it: something in it was added, changed or removed since, {remedy}"
    return ""


@singledispatch
def is_free(target: Any) -> bool:
    """Whether nothing is at a place, or an empty directory."""
    return not os.path.lexists(target) or (target.is_dir() and not target.is_symlink() and not os.listdir(target))


@is_free.register
def _(target: ObjectPlace) -> bool:
    return not target.exists()


def is_chunk(part: str) -> bool:
    """Whether a name is one that a chunk of an array may have, or a directory of chunks.

    Examples
    --------
    >>> [is_chunk(part) for part in ("X/c/0/12", "X/0.12", "c", "X/zarr.json", "mine.txt")]
    [True, True, True, False, False]
    """
    return _CHUNK.fullmatch(part.rpartition("/")[2]) is not None


def comes_and_goes(name: str) -> bool:
    """Whether a file is one that nobody put there: the system did, or a write that a kill cut off.

    Examples
    --------
    >>> half_written = "0.535273078dd14e32b9d588ae677b3c3c.partial"
    >>> [comes_and_goes(name) for name in (".DS_Store", ".nfs00b3", half_written, ".mine", "mine.partial")]
    [True, True, True, False, False]
    """
    return is_trace(name) or _PASSING.fullmatch(name) is not None


def _attributes_file(root: Place) -> Place:
    return next((root / name for name in _ATTRIBUTES if (root / name).is_file()), root / _ATTRIBUTES[0])


def _attributes(document: Any, place: Place) -> Any:
    return document if place.name == ".zattrs" else document.setdefault("attributes", {})


def _mark_of(root: Place) -> dict[str, Any]:
    place = _attributes_file(root)
    try:
        mark = _attributes(json.loads(place.read_bytes()), place)[MARK]
        return mark if set(mark) == {"command", "parts", "digest"} else {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _digest(root: Place) -> str:
    """Return what tells a directory from one with other names or sizes, or other attributes of its own."""
    place = _attributes_file(root)
    document = json.loads(place.read_bytes())
    _attributes(document, place).pop(MARK, None)
    digest = hashlib.blake2b(json.dumps(document, sort_keys=True).encode(), digest_size=16)
    for part, size in _sizes(root):
        told = "" if size is None or part == place.name else str(size)
        digest.update(f"\n{part}\n{told}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _parts(root: Place) -> Iterator[str]:
    """Yield every file and directory in a directory by its path in it, always in the same order."""
    return (part for part, _ in _sizes(root))


def _sizes(root: Place) -> Iterator[tuple[str, int | None]]:
    """Yield the same with its size, which a directory has not."""
    return ((part, size) for part, size in below(root) if not comes_and_goes(part.rpartition("/")[2]))
