"""A panel in pieces that stay in the cache while both products are made."""

from collections.abc import Iterator

import numpy as np

from dnmf.memory import BLOCK_BYTES, MOST_BLOCK_ROWS
from dnmf.sources.source import CsrRows, Rows

ROWS_IN_STEP = 64  # a block of many dense rows has a multiple of these


def cut_blocks(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Yield blocks of a panel with their first row in it; values and columns stay as they are stored.

    Only half precision, which the kernels do not know, is widened, a block at a time.
    """
    if isinstance(rows, np.ndarray):
        step = min(max(1, BLOCK_BYTES // max(1, rows.shape[1] * rows.itemsize)), MOST_BLOCK_ROWS)
        step -= step % ROWS_IN_STEP if step > ROWS_IN_STEP else 0
        for low in range(0, len(rows), step):
            yield low, np.ascontiguousarray(as_kernels_read(rows[low : low + step]))
        return
    indptr = rows.indptr.astype(np.int64, copy=False)
    low, most = 0, BLOCK_BYTES // (rows.data.itemsize + rows.indices.itemsize)
    while low < rows.n_rows:
        fitting = int(np.searchsorted(indptr, indptr[low] + most, side="right")) - 1
        high = min(max(low + 1, fitting), low + MOST_BLOCK_ROWS, rows.n_rows)
        first, last = int(indptr[low]), int(indptr[high])
        yield (
            low,
            CsrRows(as_kernels_read(rows.data[first:last]), rows.indices[first:last], indptr[low : high + 1] - first),
        )
        low = high


def count_rows(rows: Rows) -> int:
    """Return how many rows these are."""
    return len(rows) if isinstance(rows, np.ndarray) else rows.n_rows


def as_kernels_read(values: np.ndarray) -> np.ndarray:
    """Return `values` in a dtype that compiled code knows: booleans as bytes (no copy), half precision as float32."""
    if values.dtype.kind == "b":
        return values.view(np.uint8)
    return values.astype(np.float32) if values.dtype == np.float16 else values
