"""Work on H and on P in memory, block of columns after block: on all processors of this process, none of its order.

Whole-array expressions on a long H make temporaries as large as H, whose pages the system has to clear each time, and
run on one processor. What is made of a block stays in cache, and is made in the same place again for the next one.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np

from dnmf.arithmetic import undisturbed
from dnmf.kernels.padding import ALIGNMENT, aligned_zeros, padded
from dnmf.passes.blas import one_blas_thread

NUMBERS_OF_BLOCK = 2**18
"""Of H in a block, at most: sums are added up block by block, so this is a part of their last digits."""

MOST_THREADS = 16  # each has room of its own, and memory is as fast as it is

Result = TypeVar("Result")


class Room:
    """Arrays that whoever works through blocks makes once."""

    def __init__(self) -> None:
        self._arrays: dict[str, np.ndarray] = {}

    def array(self, name: str, shape: tuple[int, int], dtype: Any = np.float64) -> np.ndarray:
        """Return an array (rows, columns) to write on, the one that was there under this name before if it suffices."""
        size, found = shape[0] * shape[1], self._arrays.get(name)
        if found is None or found.size < size:
            found = self._arrays[name] = np.empty(size, dtype)
        return found[:size].reshape(shape)


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cut_columns(rank: int, n_columns: int) -> list[slice]:
    """Return blocks of columns (slices of an H of this shape): one where H is small, and the same ones everywhere.

    Examples
    --------
    >>> cut_columns(20, 13_000)
    [slice(0, 13000, None)]
    >>> cut_columns(50, 10_000)
    [slice(0, 5184, None), slice(5184, 10000, None)]
    """
    return [slice(0, n_columns)] if rank * n_columns <= NUMBERS_OF_BLOCK else blocks_of(rank, n_columns)


def blocks_of(rank: int, n_columns: int) -> list[slice]:
    """Return blocks of columns where there may be several: those of a part that begins with a block are its own."""
    step = max(1, NUMBERS_OF_BLOCK // max(1, rank))
    step = max(step - step % ALIGNMENT, min(step, ALIGNMENT))  # no two blocks write on one cache line
    return [slice(low, min(low + step, n_columns)) for low in range(0, n_columns, step)]


def over_columns(function: Callable[[slice, Room], Result], rank: int, n_columns: int) -> list[Result]:
    """Return ``function(columns, room)`` of every block of columns of an H (rank, n_columns), in their order.

    Threads share the blocks, BLAS computes on one thread in each. What the function writes outside of its room has to
    be its own columns alone.
    """
    if rank * n_columns <= NUMBERS_OF_BLOCK:
        return [function(slice(0, n_columns), Room())]
    blocks = cut_columns(rank, n_columns)
    threads = min(processors(), MOST_THREADS, len(blocks))
    results: list[Any] = [None] * len(blocks)
    coming: SimpleQueue[tuple[int, slice] | None] = SimpleQueue()
    for item in (*enumerate(blocks), *[None] * threads):
        coming.put(item)

    def work(_: int) -> None:
        room = Room()
        while (item := coming.get()) is not None:
            results[item[0]] = function(item[1], room)

    with one_blas_thread():
        if threads == 1:
            work(0)
        else:
            with ThreadPoolExecutor(threads, thread_name_prefix="dnmf-columns") as pool:
                list(pool.map(undisturbed(work), range(threads)))
    return results


def gram_of(H: np.ndarray) -> np.ndarray:
    """Return ``HHᵀ`` (k, k) of an H (k, n), in float64."""

    def of_block(columns: slice, room: Room) -> np.ndarray:
        wide = room.array("wide", H[:, columns].shape)
        wide[:] = H[:, columns]
        return wide @ wide.T

    return sum_of(over_columns(of_block, *H.shape))


def cross_of(P: np.ndarray, H: np.ndarray) -> float:
    """Return ``⟨P, Hᵀ⟩`` for P (n, k) and H (k, n), in float64."""

    def of_block(columns: slice, room: Room) -> float:
        HT = room.array("HT", P[columns].shape)
        HT[:] = H[:, columns].T
        return float(np.vdot(P[columns], HT))

    return float(sum(over_columns(of_block, *H.shape)))


def sum_of(parts: list[Any]) -> Any:
    """Return the sum of numbers, or arrays of one shape, each added to those before it; the first may be changed."""
    total, *others = parts
    for part in others:
        total += part
    return total


def columns_times(H: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Return ``(diag(factors) H)ᵀ`` (n, padded k) of an H (k, n), in its dtype, as the kernels read it."""
    k, n = H.shape
    HT, factors = aligned_zeros((n, padded(k)), H.dtype), factors.astype(H.dtype)

    def of_block(columns: slice, _: Room) -> None:
        np.multiply(H[:, columns].T, factors, out=HT[columns, :k])

    over_columns(of_block, k, n)
    return HT
