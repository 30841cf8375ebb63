"""Who works at once in this process: tasks that memory has no room for together wait for each other."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Lets in as many at once as each of those inside, and the one that comes, can stand. First come, first served.

    Whoever waits here holds no data, and whoever is inside waits for nobody, so all get their turn. Fits that share a
    worker share its memory: one that was planned to work alone does, whatever the others were planned for.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._inside: list[float] = []

    @contextmanager
    def turn(self, most: float) -> Iterator[None]:
        """Wait until fewer than `most` are inside (and than each of them can stand), and count as one of them."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is ticket and self._has_room(most))
                self._inside.append(most)
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._inside.remove(most)
                self._changed.notify_all()

    def _has_room(self, most: float) -> bool:
        return len(self._inside) < min([most, *self._inside])


TURNS = Turns()
"""Of this process: one, because memory is the process'."""
