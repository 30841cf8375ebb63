"""Sums in the dtype of the computation carried over to totals in float64, where few rows of them have anything."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled

Array = NDArray[Any]


def carry_touched(recent: Array, total: Array, touched: Array) -> None:
    """Add the rows of `recent` that were `touched` to `total`, and set both to nothing.

    The bits are those of adding all rows, as the others are zeros.

    Parameters
    ----------
    recent : array (n, width)
        In the dtype of the computation.
    total : array (n, width)
        In float64.
    touched : array (n,) of bool
        Which rows may hold something.

    Raises
    ------
    ValueError
        If shapes do not agree, which compiled code would not notice.
    """
    if recent.shape != total.shape or touched.shape != total.shape[:1]:
        raise ValueError(f"sums of shape {recent.shape}, totals {total.shape}, of which {touched.shape} were touched")
    _carry_touched(recent, total, touched)


@compiled
def _carry_touched(recent: Array, total: Array, touched: Array) -> None:
    for j in range(len(touched)):
        if touched[j]:
            for q in range(total.shape[1]):
                total[j, q] += np.float64(recent[j, q])
                recent[j, q] = 0
            touched[j] = False
