"""Neighbouring spans of a stored vector, one after the other, without decoding any object twice."""

import numpy as np

from dnmf.sources.stored import StoredArray


class ForwardReader:
    """Keeps the last chunk (or shard), which the span that comes next begins with.

    Rows of a sparse matrix end anywhere inside a chunk of its values; without this the chunk at every border
    would be read and decoded for both neighbours.

    Parameters
    ----------
    array : StoredArray
        A vector.
    """

    def __init__(self, array: StoredArray):
        self._array, self._step = array, array.object_shape[0]
        self._at, self._left = 0, np.empty(0, array.dtype)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return elements `start:stop`; any order is right, a rising one is cheap."""
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
            self._at, self._left = whole, self._array.read(whole, last)
            values[whole - start :] = self._left[: stop - whole]
        return values

    def object_end(self, stop: int) -> int:
        """The end of the stored object that holds element ``stop - 1``."""
        return min(-(-stop // self._step) * self._step, self._array.shape[0])

    def decoded(self, start: int, stop: int, follows: bool) -> int:
        """How many elements are decoded for `start:stop`, which `follows` on another span or not."""
        first = self.object_end(start) if follows else start // self._step * self._step
        return max(0, self.object_end(stop) - first) if stop > start else 0

    def _held_from(self, start: int) -> np.ndarray:
        inside = self._at <= start <= self._at + len(self._left)
        return self._left[start - self._at :] if inside else self._left[:0]
