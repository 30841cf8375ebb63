"""Dense arrays of more than two axes as the rows of a matrix: in slabs, or through a file where these are large."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dnmf.conversion.dense_files import mapped_array
from dnmf.conversion.streams import DenseStream
from dnmf.conversion.values import target_dtype
from dnmf.sources.stored import StoredArray
from dnmf.sources.unfolded import Unfolding

SHARE_OF_MEMORY = 4  # a slab, or a box, takes at most so small a part of it


def rows_of_mapped(mapped: Callable[[], NDArray[Any]], address: str, unfolding: Unfolding) -> DenseStream:
    """Return an array in a flat file, mapped anew for each block, as a matrix.

    Parameters
    ----------
    mapped : callable
        Returns the array.
    address : str
        Where it is, for messages.
    unfolding : Unfolding
        Which axes make the rows.
    """

    def read_slab(low: int, high: int) -> NDArray[Any]:
        return mapped().transpose((*unfolding.rows, *unfolding.columns))[low:high]

    dtype = mapped().dtype
    return DenseStream(
        address=address, shape=unfolding.matrix_shape, dtype=dtype, target_dtype=target_dtype(dtype, address),
        read_rows=lambda start, stop: _rows(unfolding, read_slab, start, stop), unfolding=unfolding,
    )  # fmt: skip


def _rows(unfolding: Unfolding, read_slab: Callable[[int, int], NDArray[Any]], start: int, stop: int) -> NDArray[Any]:
    """Rows of a matrix from slabs along the first axis of its rows, whose axes are in the order of the matrix."""
    of_slab = unfolding.matrix_shape[0] // unfolding.of_rows[0]
    low, high = start // of_slab, -(-stop // of_slab)
    rows: NDArray[Any] = np.array(read_slab(low, high)).reshape(-1, unfolding.matrix_shape[1])
    return rows[start - low * of_slab : stop - low * of_slab]


class Room(NamedTuple):
    """Where a source may be spooled, and in how much memory it is read."""

    spool: Path
    memory_bytes: int


def spooled_boxes(array: StoredArray, unfolding: Unfolding, room: Room) -> DenseStream:
    """Return a stored array as a matrix, copied to a file by boxes of whole chunks: each chunk is decoded once.

    Parameters
    ----------
    array : StoredArray
        The array.
    unfolding : Unfolding
        Which axes make the rows.
    room : Room
        For a file as large as the values; a box takes a quarter of the memory at most, or is one chunk.
    """
    binary, order = room.spool / "array", (*unfolding.rows, *unfolding.columns)
    with binary.open("wb") as file:
        file.truncate(int(np.prod(array.shape)) * array.dtype.itemsize)
    for bounds in boxes(array.shape, array.object_shape, room.memory_bytes // SHARE_OF_MEMORY // array.dtype.itemsize):
        values = array.read_box(bounds)
        lengths = tuple(array.shape[axis] for axis in order)
        target = np.memmap(binary, array.dtype, "r+", shape=lengths)  # anew: pages of an old one count as memory in use
        target[tuple(slice(*bounds[axis]) for axis in order)] = values.transpose(order)
        target.flush()
        del target
    stream = mapped_array(binary, array.address, unfolding.matrix_shape, array.dtype, "C")
    return replace(stream, unfolding=unfolding)


def boxes(shape: tuple[int, ...], chunk: tuple[int, ...], most: int) -> Iterator[list[tuple[int, int]]]:
    """Yield the bounds of boxes of whole chunks that make up an array, each of at most so many values, or one chunk.

    Examples
    --------
    >>> list(boxes((4, 4), (2, 2), 8))
    [[(0, 2), (0, 4)], [(2, 4), (0, 4)]]
    """
    sides = [min(side, length) for side, length in zip(chunk, shape, strict=True)]
    for axis in reversed(range(len(shape))):  # the last axes first: neighbours in what is read
        others = int(np.prod(sides)) // sides[axis]
        fitting = max(most // others, sides[axis]) // sides[axis] * sides[axis]
        sides[axis] = min(fitting, shape[axis])
        if sides[axis] < shape[axis]:
            break
    spans = ([(at, min(at + side, length)) for at in range(0, length, side)]
             for side, length in zip(sides, shape, strict=True))  # fmt: skip
    yield from map(list, product(*spans))
