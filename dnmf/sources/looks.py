"""Looks at what a block of a dask array was read from, after it was read: what is there now was there then."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dnmf.sources.behind_dask import BehindDask

MOST_GROUPS = 64  # of rows of blocks: after one block, the chunks of its group are looked for

Statuses = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True)
class Look:
    """A look whether all of one stored array is there; it takes little time as long as nothing was removed.

    Attributes
    ----------
    behind : BehindDask
        In a form that can be sent to workers.
    places : tuple of str
        Files, or directories, that change when anything is removed; none where each chunk has to be asked for.
    known : tuple
        What these were like when all was there.
    """

    behind: BehindDask
    places: tuple[str, ...] = ()
    known: Statuses = ()

    def __call__(self) -> None:
        """Return when all is there.

        Raises
        ------
        InputError
            A chunk is missing, or all of the array.
        """
        if not self.places or _status_of(self.places) != self.known:
            self.behind.refuse_absent()


@dataclass(frozen=True)
class Looks:
    """The looks that follow the blocks of a dask array.

    Attributes
    ----------
    always : tuple of Look
        After each.
    by_group : tuple of tuple of Look
        After those of a group of rows of blocks; empty where there is nothing to look at.
    step : int
        How many rows of blocks are a group.
    """

    always: tuple[Look, ...]
    by_group: tuple[tuple[Look, ...], ...]
    step: int

    def __bool__(self) -> bool:
        return bool(self.always or self.by_group)

    def after(self, row: int) -> None:
        """Look at what a block was read from, by its row of blocks.

        Raises
        ------
        InputError
            Some of it is not there.
        """
        group = self.by_group[row // self.step] if self.by_group else ()
        for look in (*self.always, *group):
            look()


def looks_for(behind: Iterable[BehindDask], rows: int, of_rows: Callable[[int, int], Sequence[BehindDask]]) -> Looks:
    """Return the looks for the blocks of a dask array.

    Parameters
    ----------
    behind : iterable of BehindDask
        All that lies behind it.
    rows : int
        How many rows of blocks it has.
    of_rows : callable
        ``of_rows(start, stop)`` returns what lies behind some of them, once it is there.

    Raises
    ------
    InputError
        Something is not there.
    """
    asked, always = set(), []
    for each in behind:
        places = _places_of(each)
        if places:
            always.append(Look(each.to_send(), places, _status_of(places)))
            each.refuse_absent()  # what is noted is what it was like when all was there
        else:
            asked.add(each.address)
    step = max(1, -(-rows // MOST_GROUPS))
    starts = range(0, rows, step) if asked else ()
    groups = (of_rows(start, min(start + step, rows)) for start in starts)
    by_group = tuple(tuple(Look(each.to_send()) for each in group if each.address in asked) for group in groups)
    return Looks(tuple(always), by_group, step)


def _places_of(behind: BehindDask) -> tuple[str, ...]:
    """The files, or the directories of an array of one dimension: those of others may be as many as chunks."""
    files = behind.files()
    if files:
        return tuple(map(str, files))
    if behind.folder is None or len(behind.node.shape) != 1:
        return ()
    chunks = behind.folder / "c"
    return tuple(str(place) for place in (behind.folder, chunks) if place.is_dir())


def _status_of(places: Iterable[str]) -> Statuses:
    return tuple(map(_status, map(Path, places)))


def _status(place: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(place)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
