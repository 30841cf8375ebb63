"""Rows that stay in a worker's memory between passes, as they were read."""

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnmf.sources.rows import Panel, Rows, each_array
from dnmf.sources.source import Layout, Source

FORGOTTEN_AFTER_S = 600  # without a visit: whoever began the fit is gone, or would have come again


@dataclass(frozen=True)
class Keep:
    """What is kept, and how much of it.

    Attributes
    ----------
    mark : str
        Whose it is.
    bytes_of_process : int
        How many bytes a process may keep, those of other fits included.
    borders : bool
        Whether only the stored objects are kept that two tasks need, rather than all rows.
    """

    mark: str
    bytes_of_process: int
    borders: bool = False


class KeptRows:
    """The rows this process keeps: a dictionary that knows its size. Safe to use from several threads.

    Rows have a start and a stop, and so has a stored object of one of the parts that rows are made of.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, dict[tuple[int, int, str], Panel]] = {}
        self._bytes: dict[str, int] = {}
        self._visited: dict[str, float] = {}
        self._forgotten: set[str] = set()

    def find(self, keep: Keep, start: int, stop: int, part: str = "") -> Any:
        """Return rows `start:stop` if they are here."""
        with self._lock:
            self._visited[keep.mark] = time.monotonic()
            return self._rows.get(keep.mark, {}).get((start, stop, part))

    def offer(self, keep: Keep, start: int, stop: int, rows: Panel, part: str = "") -> bool:
        """Keep rows `start:stop`, read-only, if there is room for them; return whether they are kept."""
        with self._lock:
            if (start, stop, part) in self._rows.get(keep.mark, {}):
                return True
            used = sum(self._bytes.values())  # of all fits: they share the memory of the process
            if keep.mark in self._forgotten or used + rows.nbytes > keep.bytes_of_process:
                return False
            self._rows.setdefault(keep.mark, {})[start, stop, part] = each_array(rows, _own)
            self._bytes[keep.mark] = self._bytes.get(keep.mark, 0) + rows.nbytes
            return True

    def forget(self, mark: str) -> None:
        """Let go of what is kept under a mark, for good: a task that is late brings nothing back."""
        with self._lock:
            self._forgotten.add(mark)
        self.drop(mark)

    def drop(self, mark: str) -> None:
        """Let go of what is kept under a mark, and keep what comes from now on."""
        with self._lock:
            for part in (self._rows, self._bytes, self._visited):
                part.pop(mark, None)

    def forget_abandoned(self) -> None:
        """Let go of what nobody came for any more: its driver was killed."""
        now = time.monotonic()
        for mark in [mark for mark, at in list(self._visited.items()) if now - at > FORGOTTEN_AFTER_S]:
            self.forget(mark)

    def bytes_kept(self, mark: str, start: int, stop: int) -> int:
        """Return how many bytes of rows `start:stop` are kept under a mark."""
        with self._lock:
            spans = self._rows.get(mark, {}).items()
            return sum(rows.nbytes for span, rows in spans if start <= span[0] and span[1] <= stop)


def _own(array: np.ndarray) -> np.ndarray:
    """The array without anything that only lies around it in memory."""
    own = array if array.base is None or getattr(array.base, "nbytes", 0) <= array.nbytes else array.copy()
    own = own.view()
    own.flags.writeable = False
    return own


KEPT = KeptRows()
"""Of this process: one, because memory is the process', whichever task reads."""


class KeptSource(Source):
    """A part of a source whose rows are taken from memory where they are there, and kept there where there is room.

    Parameters
    ----------
    inner : Source
        Where the rows come from the first time.
    keep : Keep
        Whose they are, and how many may be kept.
    """

    def __init__(self, inner: Source, keep: Keep):
        self.inner, self.keep = inner, keep
        self.take_facts(inner)
        self._found: set[tuple[int, int]] = set()

    def layout(self) -> Layout:
        """That of the source itself."""
        return self.inner.layout()

    def read(self, start: int, stop: int) -> Rows:
        """Return rows `start:stop`, read-only once they are kept."""
        rows = KEPT.find(self.keep, start, stop)
        if rows is None:
            rows = self.inner.read(start, stop)
            KEPT.offer(self.keep, start, stop, rows)
        else:
            self._found.add((start, stop))
        return rows

    def touched_bytes(self, start: int, stop: int, rows: Panel) -> int:
        """Decoded bytes of the objects the rows come from, whether they came from there this time or from memory."""
        return self.inner.touched_bytes(start, stop, rows)

    def bytes_from_memory(self, start: int, stop: int, rows: Panel) -> int:
        """The same for rows that were found in memory, 0 for others."""
        return self.touched_bytes(start, stop, rows) if (start, stop) in self._found else 0

    def fingerprint(self) -> dict[str, Any]:
        """That of the source itself."""
        return self.inner.fingerprint()

    def stored_arrays(self) -> tuple[Any, ...]:
        """Those of the source itself."""
        return self.inner.stored_arrays()

    def place_of_entry(self, row: int, column: int) -> tuple[int, int]:
        """Where the source itself has an entry."""
        return self.inner.place_of_entry(row, column)

    def for_rows(self, start: int, stop: int) -> "KeptSource":
        """The same for a part of the rows."""
        return KeptSource(self.inner.for_rows(start, stop), self.keep)
