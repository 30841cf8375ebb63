"""Where the entries of some sparse rows are among those of others."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled, read_only

Array = NDArray[Any]


def locate(indices: Array, indptr: Array, wanted: Array, wanted_indptr: Array, n_columns: int) -> Array:
    """Return where in `indices` each entry of the same rows, in the `wanted` columns, is; -1 where it is not there.

    Parameters
    ----------
    indices : integer array (entries,)
        Columns of what is stored, each once in a row, in any order.
    indptr : integer array (rows + 1,)
        Where each row begins in them.
    wanted, wanted_indptr : integer arrays
        The same of the entries that are looked for.
    n_columns : int
        Every column is below it.

    Returns
    -------
    ndarray of int64 (wanted entries,)
    """
    narrow = indices.dtype == wanted.dtype == np.int32
    dtype = np.int32 if narrow else np.int64
    columns, looked_for = (read_only(some.astype(dtype, copy=False)) for some in (indices, wanted))
    offsets, wanted_offsets = (read_only(some.astype(np.int64, copy=False)) for some in (indptr, wanted_indptr))
    return np.asarray(_locate(columns, offsets, looked_for, wanted_offsets, n_columns))


@compiled
def _locate(indices: Array, indptr: Array, wanted: Array, wanted_indptr: Array, n_columns: int) -> Array:
    found = np.full(len(wanted), -1, np.int64)
    last = np.full(n_columns, -1, np.int64)  # where a column was met last; before the row begins: not in it
    for row in range(len(indptr) - 1):
        for place in range(indptr[row], indptr[row + 1]):
            last[indices[place]] = place
        for place in range(wanted_indptr[row], wanted_indptr[row + 1]):
            met = last[wanted[place]]
            if met >= indptr[row]:
                found[place] = met
    return found
