"""Neighbouring spans of a stored vector, one after the other, without decoding any object twice."""

import numpy as np

from dnmf.sources.stored import StoredArray


class ForwardReader:
    """Keeps what is left of the last chunk (or shard) for the span that comes next.

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
        first = start + len(held)
        last = self.object_end(stop)
        fresh = self._array.read(first, last)
        self._at, self._left = stop, fresh[stop - first :].copy()
        wanted = fresh[: stop - first]
        return np.concatenate([held, wanted]) if len(held) else wanted

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
