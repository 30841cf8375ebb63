"""Neighbouring spans of a stored vector, one after the other, without decoding any object twice."""

from dataclasses import dataclass

import numpy as np

from dnmf.sources.kept import KEPT, Keep
from dnmf.sources.stored import StoredArray


@dataclass(frozen=True)
class Borders:
    """The stored objects that a task shares with its neighbours: those that its elements begin or end inside of.

    Whichever of them decodes one first leaves it in the memory of the process, where there is room.

    Attributes
    ----------
    keep : Keep
        Whose they are.
    part : str
        The vector they belong to.
    start, stop : int
        The elements of the task.
    """

    keep: Keep
    part: str
    start: int
    stop: int

    def shares(self, start: int, stop: int) -> bool:
        """Whether elements `start:stop` of an object reach beyond those of the task."""
        return start < self.start or stop > self.stop

    def find(self, start: int, stop: int) -> np.ndarray | None:
        """Return elements `start:stop` if they are here."""
        found = KEPT.find(self.keep, start, stop, self.part)
        assert found is None or isinstance(found, np.ndarray)
        return found

    def leave(self, start: int, stop: int, values: np.ndarray) -> None:
        """Keep elements `start:stop`, if there is room."""
        KEPT.offer(self.keep, start, stop, values, self.part)


class ForwardReader:
    """Keeps the last chunk (or shard), which the span that comes next begins with.

    Rows of a sparse matrix end anywhere inside a chunk of its values; without this the chunk at every border
    would be read and decoded for both neighbours.

    Parameters
    ----------
    array : StoredArray
        A vector.
    borders : Borders, optional
        Of the task that reads, where objects may be kept.
    """

    def __init__(self, array: StoredArray, borders: Borders | None = None):
        self._array, self._step, self._borders = array, array.object_shape[0], borders
        self._at, self._left = 0, np.empty(0, array.dtype)
        self._found: set[int] = set()

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return elements `start:stop`; any order is right, a rising one is cheap."""
        held = self._held_from(start)
        if self._borders is not None and not len(held) and start % self._step:
            self._hold(start - start % self._step, self.object_end(start + 1))
            held = self._held_from(start)
        if len(held) >= stop - start:
            return held[: stop - start]
        values = np.empty(stop - start, self._array.dtype)
        values[: len(held)] = held
        first, last = start + len(held), self.object_end(stop)
        self._left = held = held[:0].copy()  # lets go of the object before more is read
        whole = max(first, stop - stop % self._step) if stop < last else stop
        self._array.read_into(values[first - start : whole - start], first)
        if whole < stop:
            self._hold(whole, last)
            values[whole - start :] = self._left[: stop - whole]
        return values

    def object_end(self, stop: int) -> int:
        """The end of the stored object that holds element ``stop - 1``."""
        return min(-(-stop // self._step) * self._step, self._array.shape[0])

    def decoded(self, start: int, stop: int, follows: bool) -> int:
        """How many elements are decoded for `start:stop`, which `follows` on another span or not and has been read.

        What was found in memory counts for the task it begins in, so that all tasks together count it once.
        """
        first, last = self._decodes(start, stop, follows)
        spared = last > first and first in self._found and self._begins_before(first)
        return last - first - (self.object_end(first + 1) - first if spared else 0)

    def found(self, start: int, stop: int, follows: bool) -> int:
        """How many of these were found in memory."""
        first, last = self._decodes(start, stop, follows)
        shared = [low for low in self._found if first <= low < last and not self._begins_before(low)]
        return sum(self.object_end(low + 1) - low for low in shared)

    def _decodes(self, start: int, stop: int, follows: bool) -> tuple[int, int]:
        """The first and the last element of the objects that hold `start:stop`, but for what was held already."""
        first = self.object_end(start) if follows else start // self._step * self._step
        return first, max(first, self.object_end(stop)) if stop > start else first

    def _begins_before(self, low: int) -> bool:
        return self._borders is not None and low < self._borders.start

    def _hold(self, start: int, stop: int) -> None:
        """Keep elements `start:stop`, the end of an object or all of it, for the span that comes next."""
        shared = self._borders if self._borders is not None and self._borders.shares(start, stop) else None
        values = None if shared is None else shared.find(start, stop)
        if values is not None:
            self._found.add(start)
        else:
            values = self._array.read(start, stop)
            if shared is not None:
                shared.leave(start, stop, values)
        self._at, self._left = start, values

    def _held_from(self, start: int) -> np.ndarray:
        inside = self._at <= start <= self._at + len(self._left)
        return self._left[start - self._at :] if inside else self._left[:0]
