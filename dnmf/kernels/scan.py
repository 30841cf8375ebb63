"""Checks of data before it is trusted, in one pass over memory: values, and the structure of CSR rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, read_only

Array = NDArray[Any]

LANES = 64
"""Independent sums, enough to fill the vector registers; value i always goes to sum i mod `LANES`."""

VALID, INDEX_OUT_OF_RANGE, DUPLICATE_COLUMN, INDPTR_INVALID = 0, 1, 2, 3


def scan_values(values: Array) -> tuple[float, int, int]:
    """Return the sum of squares of what is valid, the place of the first bad value, and how many are bad.

    Bad is NaN, infinite or negative (-0.0 is a zero). The sum has one order and so one result.

    Parameters
    ----------
    values : array (size,)
        Integers or floats of 32 bits and more.

    Returns
    -------
    sum_of_squares : float
        In float64, over the values that are not bad.
    first_bad_index : int
        -1 if there is none.
    bad_count : int
    """
    return _scan_values(read_only(values))


def scan_csr(indices: Array, indptr: Array, n_columns: int) -> tuple[int, int]:
    """Return the first row that is not a set of columns in 0 ... n_columns - 1, and what is wrong with it.

    Parameters
    ----------
    indices : array (non-zeros,)
        Columns, of any integer dtype; within a row they may be in any order.
    indptr : integer array (rows + 1,)
        Where each row begins in `indices`; ``indptr[0]`` may be above 0.
    n_columns : int

    Returns
    -------
    first_bad_row : int
        -1 if every row is valid.
    problem : int
        `VALID` (0), `INDEX_OUT_OF_RANGE` (1), `DUPLICATE_COLUMN` (2), or `INDPTR_INVALID` (3): the row ends
        before it begins, or lies outside `indices`. If a row has both of 1 and 2, it is 1.
    """
    return _scan_csr(_signed(indices), read_only(indptr.astype(np.int64, copy=False)), n_columns)


def indices_in_range(indices: Array, n_columns: int) -> bool:
    """Return whether every one of `indices` (any integer dtype, maybe none) is in 0 ... n_columns - 1."""
    return _indices_in_range(_signed(indices), n_columns)


def _signed(indices: Array) -> Array:
    """Return indices as they are, but for uint64: one too large for int64 becomes negative, so it stays invalid."""
    return read_only(indices.astype(np.int64) if indices.dtype == np.uint64 else indices)


@compiled
def _scan_values(values: Array) -> tuple[float, int, int]:
    sums = np.zeros(LANES)
    bad = np.zeros(LANES, np.int64)
    whole = len(values) - len(values) % LANES
    for start in range(0, whole, LANES):
        for lane in range(LANES):  # the fixed trip count is what makes this loop vector code
            value = np.float64(values[start + lane])
            valid = (value >= 0.0) & (value < np.inf)
            sums[lane] += value * value if valid else 0.0
            bad[lane] += not valid
    for lane in range(len(values) - whole):
        value = np.float64(values[whole + lane])
        valid = (value >= 0.0) & (value < np.inf)
        sums[lane] += value * value if valid else 0.0
        bad[lane] += not valid
    bad_count = bad.sum()
    return sums.sum(), _first_bad(values) if bad_count > 0 else -1, bad_count


@compiled
def _first_bad(values: Array) -> int:
    for place in range(len(values)):
        value = np.float64(values[place])
        if not 0.0 <= value < np.inf:
            return place
    return -1


@compiled
def _scan_csr(indices: Array, indptr: Array, n_columns: int) -> tuple[int, int]:
    last_row_with = np.zeros(n_columns, np.int64)  # rows are counted from 1 in it
    for row in range(len(indptr) - 1):
        begin, end = indptr[row], indptr[row + 1]
        if not 0 <= begin <= end <= len(indices):
            return row, INDPTR_INVALID
        columns = indices[begin:end]
        if not _indices_in_range(columns, n_columns):
            return row, INDEX_OUT_OF_RANGE
        if _strictly_increasing(columns):
            continue
        for column in columns:
            if last_row_with[column] == row + 1:
                return row, DUPLICATE_COLUMN
            last_row_with[column] = row + 1
    return -1, VALID


@compiled
def _indices_in_range(indices: Array, n_columns: int) -> bool:
    least, largest = np.int64(0), np.int64(-1)
    for index in indices:  # no early exit: it would keep this loop from becoming vector code
        least = min(least, index)
        largest = max(largest, index)
    return bool(least >= 0 and largest < n_columns)


@compiled
def _strictly_increasing(columns: Array) -> bool:
    falls = 0
    for place in range(1, len(columns)):
        falls += columns[place] <= columns[place - 1]
    return falls == 0
