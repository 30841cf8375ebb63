"""Dense rows in which what was not observed is NaN: filled with zeros, and which entries these, or the others, are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, read_only

Array = NDArray[Any]


def fill_holes(rows: Array, dtype: Any) -> tuple[Array, Array]:
    """Return `rows` (rows, n) in `dtype` with zeros for NaN, and how many entries of each row are none (rows,)."""
    filled, seen = np.empty(rows.shape, dtype), np.zeros(len(rows), np.int64)
    _fill(read_only(rows), filled, seen)
    return filled, seen


def list_entries(rows: Array, holes: Array, indptr: Array) -> Array:
    """Return the columns of entries, row after row: of NaN in rows where `holes` says so, of all others elsewhere.

    Parameters
    ----------
    rows : array (rows, n)
        Float32 or float64.
    holes : bool array (rows,)
        Which kind of entries is listed for each row.
    indptr : int64 array (rows + 1,)
        Where each row begins in the result.
    """
    indices = np.empty(int(indptr[-1]) + 1, np.int32)  # the last one written may not stay
    _list(read_only(rows), read_only(holes), read_only(indptr), indices)
    return indices[:-1]


@compiled
def _fill(rows: Array, filled: Array, seen: Array) -> None:
    zero = filled.dtype.type(0)
    for i in range(rows.shape[0]):
        count = np.int32(0)
        for j in range(rows.shape[1]):
            value = rows[i, j]
            there = value == value  # noqa: PLR0124  NaN is not
            filled[i, j] = value if there else zero
            count += np.int32(there)
        seen[i] = count


@compiled
def _list(rows: Array, holes: Array, indptr: Array, indices: Array) -> None:
    """Every column is written to the next place, which moves on where it is to stay: no branch to guess wrongly.

    Places without a sign are not looked at for whether they count from the end.
    """
    one = np.uint64(1)
    for i in range(rows.shape[0]):
        place, others = np.uint64(indptr[i]), np.uint64(not holes[i])
        for j in range(rows.shape[1]):
            value = rows[i, j]
            indices[place] = np.int32(j)
            place += np.uint64(value == value) ^ others ^ one  # noqa: PLR0124  NaN is not
