"""Which generation of a store is the newest whole one, and what was found damaged on the way to it."""

import errno
import os
from pathlib import Path
from typing import NamedTuple

from dnmf.checkpoint.generations import (
    DamageError,
    Generation,
    finished_names,
    read_content,
    read_generation,
    unseal,
)
from dnmf.errors import CorruptError

CURRENT = "CURRENT"


class Found(NamedTuple):
    """The name of the newest whole generation, the generation, None where there is none, and the damage met before."""

    name: str | None
    generation: Generation | None
    damage: list[str]


def find_newest(root: Path) -> Found:
    """Return the newest whole generation and the damage met before it; CorruptError when none is whole."""
    while True:
        before = _current_content(root)
        found = _search(root, before)
        # Files that a writer pruned while they were read are no damage: read what it moved on to.
        if not found.damage or before == _current_content(root):
            break
    if found.damage and found.generation is None:
        raise CorruptError(
            f"no generation of {root} is whole: {'; '.join(found.damage)}. "
            f"Restore these files from a copy, or start again in another store"
        )
    return found


def _search(root: Path, current: bytes | None) -> Found:
    damage: list[str] = []
    names, checksums = finished_names(root), {}
    try:
        if current is not None:
            pointer = unseal(root / CURRENT, current)
            checksums[pointer["generation"]] = pointer["manifest_crc32c"]
        elif len(names) > 1:  # a single one is a first commit that was cut short
            raise DamageError(root / CURRENT, os.strerror(errno.ENOENT))
    except DamageError as found:
        damage.append(str(found))
    for name in [*checksums, *(name for name in names if name not in checksums)]:
        try:
            return Found(name, read_generation(root / name, checksums.get(name)), damage)
        except DamageError as found:
            damage.append(str(found))
    return Found(None, None, damage)


def damage_report(root: Path, found: Found) -> str:
    """Return what was damaged and what was read instead, as a sentence."""
    number = found.generation.number if found.generation else None
    return f"{root} is damaged ({'; '.join(found.damage)}); generation {number} was read, the newest whole one"


def _current_content(root: Path) -> bytes | None:
    try:
        return read_content(root / CURRENT)
    except DamageError:
        return None


def name_in_current(root: Path) -> str | None:
    """Return the name of the generation that ``CURRENT`` names; None where it is not there, or damaged."""
    content = _current_content(root)
    try:
        return None if content is None else unseal(root / CURRENT, content)["generation"]
    except DamageError:
        return None  # the next writer mends it
