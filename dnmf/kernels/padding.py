"""How the rows of factors lie in memory for the kernels: padded with zeros, from a cache line on."""

import math
from typing import Any

import numpy as np

LANES = 8
"""Numbers that go together at least: rows of factors are padded with zeros to a multiple of it."""

ALIGNMENT = 64  # bytes: of a cache line
LARGE = 2**17  # numbers: an array of more is not copied without need


def padded(rank: int) -> int:
    """Return the width of a row of `rank` numbers with its padding.

    Examples
    --------
    >>> [padded(rank) for rank in (1, 8, 20)]
    [8, 8, 24]
    """
    return -(-rank // LANES) * LANES


def aligned_zeros(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return an array of zeros that begins with a cache line."""
    dtype = np.dtype(dtype)
    count = math.prod(shape)
    spare = np.zeros(count + ALIGNMENT // dtype.itemsize, dtype)
    first = -_address(spare) % ALIGNMENT // dtype.itemsize
    return spare[first : first + count].reshape(shape)


def aligned(array: np.ndarray) -> np.ndarray:
    """Return `array` if it begins with a cache line, else a copy that does: travelling, arrays lose it."""
    if _address(array) % ALIGNMENT == 0:
        return array
    copy = aligned_zeros(array.shape, array.dtype)
    copy[:] = array
    return copy


def without_padding(rows: np.ndarray, rank: int) -> np.ndarray:
    """Return the first `rank` columns of rows that :func:`aligned_zeros` made, in their memory.

    The rows are gone with that: whoever has them must not look at them again.
    """
    (m, width), owner = rows.shape, rows.base
    if not isinstance(owner, np.ndarray) or m * width < LARGE:
        return np.ascontiguousarray(rows[:, :rank])
    step = max(1, LARGE // width)
    for low in range(0, m, step):  # a block moves to a place that the blocks before it have left
        some = rows[low : low + step, :rank].ravel()
        owner[low * rank : low * rank + some.size] = some
    del rows
    owner.resize(m * rank, refcheck=False)
    return owner.reshape(m, rank)


def _address(array: np.ndarray) -> int:
    # array.ctypes says the same, but is dear where blocks are small
    first: int = array.__array_interface__["data"][0]
    return first


def pad_columns(rows: np.ndarray) -> np.ndarray:
    """Return an aligned copy of `rows` (m, k) with zeros up to :func:`padded` columns."""
    wide = aligned_zeros((rows.shape[0], padded(rows.shape[1])), rows.dtype)
    wide[:, : rows.shape[1]] = rows
    return wide
