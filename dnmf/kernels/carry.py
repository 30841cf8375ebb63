"""Sums in the dtype of the computation carried over to totals in float64, where few rows of them have anything."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, read_only

Array = NDArray[Any]


def count_columns(columns: Array, counts: Array) -> int:
    """Add one to the counts (n,) of columns for each time that they are named, and return the largest of those.

    Columns are not checked here, as in :mod:`dnmf.kernels.products`.
    """
    return int(_count_columns(read_only(columns), counts))


def carry_counted(recent: Array, total: Array, counts: Array) -> None:
    """Add the rows of `recent` whose counts are not zero to `total`, and set both to nothing.

    The bits are those of adding all rows, as the others are zeros.

    Parameters
    ----------
    recent : array (n, width)
        In the dtype of the computation.
    total : array (n, width)
        In float64.
    counts : int64 array (n,)
        How often something was added to each row.

    Raises
    ------
    ValueError
        If shapes do not agree, which compiled code would not notice.
    """
    if recent.shape != total.shape or counts.shape != total.shape[:1]:
        raise ValueError(f"sums of shape {recent.shape}, totals {total.shape} and counts {counts.shape} must agree")
    _carry_counted(recent, total, counts)


@compiled
def _count_columns(columns: Array, counts: Array) -> int:
    most = 0
    for column in columns:
        counts[column] += 1
        most = max(most, counts[column])
    return most


@compiled
def _carry_counted(recent: Array, total: Array, counts: Array) -> None:
    for j in range(len(counts)):
        if counts[j] != 0:
            for q in range(total.shape[1]):
                total[j, q] += np.float64(recent[j, q])
                recent[j, q] = 0
            counts[j] = 0
