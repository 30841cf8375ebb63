"""What the C library does with freed memory: it may keep some, and can be asked to give it back."""

import ctypes
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.memory import LARGEST_IN_HEAP

MOST_KEPT_BYTES = 2 * LARGEST_IN_HEAP  # what glibc comes to by itself
MAPPED_BYTES = 128 * 2**10  # where glibc begins, with both of its sizes, and stays where it is told one of them
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # names of mallopt
SETTINGS = (
    (MMAP_THRESHOLD, "MALLOC_MMAP_THRESHOLD_", LARGEST_IN_HEAP),
    (TRIM_THRESHOLD, "MALLOC_TRIM_THRESHOLD_", MOST_KEPT_BYTES),
)


def kept_when_freed() -> int:
    """Return how many bytes of freed arrays the C library may keep; a variable can make it return (almost) all."""
    return min(_setting("MALLOC_TRIM_THRESHOLD_", MOST_KEPT_BYTES), MOST_KEPT_BYTES)


def give_back_freed() -> None:
    """Give freed memory back to the system, where the C library can (glibc)."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return


def keep_freed() -> None:
    """Let the C library keep freed arrays from here on, as it comes to by itself in a process that frees large ones.

    glibc keeps twice as much at the end of a heap as the largest array that was mapped and freed so far: where the
    arrays of all passes are alike, several of them go back after each pass and come with new pages, which the system
    has to clear. One that is freed of the largest size that it keeps ends that. It has no pages, and no effect where
    a variable says what to keep.
    """
    np.empty(LARGEST_IN_HEAP - MAPPED_BYTES, np.uint8)


def can_give_back() -> bool:
    """Whether :class:`GivingBack` has an effect here."""
    return _mallopt() is not None


class GivingBack:
    """Has freed arrays given back to the system at once, as long as somebody asks for it. Safe to use from threads.

    The C library then maps each array by itself, so every new one has pages that the system has to clear. Afterwards
    it may keep as much as it would have come to keep by itself: what it kept before cannot be asked for.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = 0

    @contextmanager
    def during(self, *, wanted: bool) -> Iterator[None]:
        """Give back from here to the end, where it is `wanted`."""
        self._count(int(wanted))
        try:
            yield
        finally:
            self._count(-int(wanted))

    def _count(self, change: int) -> None:
        with self._lock:
            before, self._asked = self._asked, self._asked + change
            if bool(before) == bool(self._asked):
                return
            for parameter, variable, usual in SETTINGS:
                _set(parameter, MAPPED_BYTES if self._asked else _setting(variable, usual))
            give_back_freed()


GIVING_BACK = GivingBack()
"""Of this process: one, because memory is the process'."""


def _setting(variable: str, usual: int) -> int:
    """Return what a variable says; the other one alone keeps glibc from growing to what is `usual`.

    Both can also be said in ``GLIBC_TUNABLES``, as ``glibc.malloc.trim_threshold=65536:…``.
    """
    environment = started_with()
    tunables = dict(part.split("=", 1) for part in environment.get("GLIBC_TUNABLES", "").split(":") if "=" in part)
    given = {
        name: environment.get(name) or tunables.get(f"glibc.malloc.{name.lower()[len('malloc_') : -1]}", "")
        for _, name, _ in SETTINGS
    }
    if given[variable].isdecimal():
        return int(given[variable])
    return MAPPED_BYTES if any(text.isdecimal() for text in given.values()) else usual


def started_with() -> Mapping[str, str]:
    """Return the environment this process began with, from which the C library has its settings.

    What :mod:`os` knows is not that: dask sets variables for workers in the process that starts them. It is taken
    where there is nothing else: a process that gave itself a name may have written it over its environment.
    """
    try:
        entries = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        entries = []
    begun = dict(os.fsdecode(entry).split("=", 1) for entry in entries if b"=" in entry)
    return begun or os.environ


def _set(parameter: int, value: int) -> None:
    mallopt = _mallopt()
    if mallopt is not None:
        mallopt(parameter, min(value, 2**31 - 1))


def _mallopt() -> Any:
    try:
        return ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return None
