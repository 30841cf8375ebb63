"""Data on disk stays what it was while it is read, or whoever reads it is told."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dnmf.errors import ChangedError, InputError
from dnmf.places import Place, holds
from dnmf.sources.marks import Marks, marks_of_directory, marks_of_files
from dnmf.sources.source import Source

MOST_SHARE = 0.05  # of the time of the passes, for looking after each of them
FREE_S = 0.005  # a look this short is always taken: it is less than a commit
MOST_NAMED = 4

Look = Callable[[], dict[str, Marks]]


class Guard:
    """What some data was like when the guard was set, to be compared with what it is like later.

    Parameters
    ----------
    address : str
        What the data is called in messages.
    look : callable, optional
        Returns the marks of each of its parts, by the part's address; called when the guard is set.
    """

    def __init__(self, address: str = "", look: Look = dict):
        self._address, self._look = address, look
        self._cost_s, self._since_s, self._unseen = 0.0, 0.0, 0
        self._before = self._timed()

    def check(self) -> None:
        """Look now.

        Raises
        ------
        ChangedError
            Something is not as it was; the message names the first few files or objects.
        """
        now = self._timed()
        lines = (line for part, marks in self._before.items() for line in marks.differences(now[part], part))
        found = list(dict.fromkeys(lines))  # the arrays of an HDF5 file share it
        if found:
            named = ", ".join(found[:MOST_NAMED])
            more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
            passes = f" during one of the last {self._unseen} passes" if self._unseen > 1 else ""
            raise ChangedError(
                f"{self._address}: the data changed while it was read{passes}: {named}{more}; begin again when nothing "
                "writes to it any more"
            )
        self._since_s, self._unseen = 0.0, 0

    def after_pass(self, seconds: float) -> None:
        """Look, where that takes a small share of what the passes took since the last look; `seconds` took this one.

        Whether it looks decides when a change is found, never what is computed.

        Raises
        ------
        ChangedError
            As :meth:`check`.
        """
        self._since_s, self._unseen = self._since_s + seconds, self._unseen + 1
        if self._cost_s <= max(FREE_S, MOST_SHARE * self._since_s):
            self.check()

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Look when something cannot be read or used: it may have been replaced.

        Raises
        ------
        ChangedError
            It was.
        """
        try:
            yield
        except InputError:
            self.check()
            raise

    def _timed(self) -> dict[str, Marks]:
        began = time.perf_counter()
        marks = self._look()
        self._cost_s = time.perf_counter() - began
        return marks


def guard_source(source: Source) -> Guard:
    """Return a guard over what a source reads from disk; of one in memory there is nothing.

    Raises
    ------
    InputError
        Something is missing already that the reads to come would not miss.
    """
    parts = source.stored_arrays()
    for part in parts:
        part.refuse_absent()
    return Guard(source.address, lambda: {part.address: part.marks() for part in parts})


def refuse_gone(source: Source) -> None:
    """Refuse a source that leads to a file which is not there, without looking at all there are.

    Raises
    ------
    InputError
        It does; the message names the file.
    """
    for part in source.stored_arrays():
        part.refuse_gone()


@contextmanager
def guarded(guard: Guard) -> Iterator[None]:
    """Do something with data that must be, when it is done, what it was when it began.

    Raises
    ------
    ChangedError
        It is not.
    """
    with guard.explaining():
        yield
    guard.check()


def guard_files(address: str, places: Sequence[Path]) -> Guard:
    """Return a guard over files, and over all files of directories."""
    return Guard(address, lambda: {str(place): _marks_at(place) for place in places})


def _marks_at(place: Path) -> Marks:
    return marks_of_directory(place) if place.is_dir() else marks_of_files([place])


def refuse_to_replace(folder: Place, source: Source) -> None:
    """Refuse to overwrite a directory that data is read from.

    Raises
    ------
    InputError
        It is.
    """
    for place in source.places():
        if holds(folder, str(place)):
            raise InputError(
                f"{folder}: the data is read from there ({place}), so it is not overwritten; choose another"
            )
