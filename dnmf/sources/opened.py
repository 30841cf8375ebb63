"""Arrays that this process has opened: the tasks of a fit that come one after the other open them once."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

MOST_OPENED = 64


class OpenedArrays:
    """What was opened last, by a mark of who opened it first, in whatever process.

    A mark is that of one opening by a user, so data that was replaced and opened again is not confused with what it
    was. To open an array takes some milliseconds from a disk and several requests from an object store.
    """

    def __init__(self, most: int = MOST_OPENED):
        self._most, self._opened, self._lock = most, OrderedDict[str, Any](), threading.Lock()

    def get(self, mark: str, open_it: Callable[[], Any]) -> Any:
        """Return what was opened under `mark`, or ``open_it()`` where it is not known."""
        with self._lock:
            if mark in self._opened:
                self._opened.move_to_end(mark)
                return self._opened[mark]
        opened = open_it()  # two threads may both do so at first
        with self._lock:
            self._opened[mark] = opened
            while len(self._opened) > self._most:
                self._opened.popitem(last=False)
        return opened

    def forget(self, mark: str) -> None:
        """Let go of what was opened under `mark`: reading it failed, and to open it anew may help."""
        with self._lock:
            self._opened.pop(mark, None)


OPENED = OpenedArrays()
"""Those of this process."""
