"""A panel in pieces that stay in the cache while both products are made."""

from collections.abc import Iterator

import numpy as np

from dnmf.memory import BLOCK_BYTES, MOST_BLOCK_ROWS
from dnmf.sources.rows import CsrRows, Panel, Rows, Weighted

ROWS_IN_STEP = 64  # a block of many dense rows has a multiple of these


def cut_blocks(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Yield blocks of a panel with their first row in it; values and columns stay as they are stored.

    Only half precision, which the kernels do not know, is widened, a block at a time.
    """
    for low, high in _borders(rows):
        yield low, _block(rows, low, high)


def cut_weighted(panel: Panel) -> Iterator[tuple[int, Rows, np.ndarray | None]]:
    """Yield blocks as :func:`cut_blocks` does, each with its weights: None where entries have none.

    Weights are of the shape of a dense block, or one for each stored entry.
    """
    if not isinstance(panel, Weighted):
        yield from ((low, block, None) for low, block in cut_blocks(panel))
        return
    rows, weights = panel
    for low, high in _borders(rows, weights.itemsize):
        first, last = (low, high) if isinstance(rows, np.ndarray) else map(int, rows.indptr[[low, high]])
        yield low, _block(rows, low, high), np.ascontiguousarray(weights[first:last])


def _borders(rows: Rows, beside: int = 0) -> Iterator[tuple[int, int]]:
    """The first and the last row of each block, whose entries have so many bytes `beside` their values."""
    if isinstance(rows, np.ndarray):
        step = min(max(1, BLOCK_BYTES // max(1, rows.shape[1] * (rows.itemsize + beside))), MOST_BLOCK_ROWS)
        step -= step % ROWS_IN_STEP if step > ROWS_IN_STEP else 0
        yield from ((low, min(low + step, len(rows))) for low in range(0, len(rows), step))
        return
    indptr = rows.indptr.astype(np.int64, copy=False)
    low, most = 0, BLOCK_BYTES // (rows.data.itemsize + rows.indices.itemsize + beside)
    while low < rows.n_rows:
        fitting = int(np.searchsorted(indptr, indptr[low] + most, side="right")) - 1
        high = min(max(low + 1, fitting), low + MOST_BLOCK_ROWS, rows.n_rows)
        yield low, high
        low = high


def _block(rows: Rows, low: int, high: int) -> Rows:
    if isinstance(rows, np.ndarray):
        return np.ascontiguousarray(as_kernels_read(rows[low:high]))
    offsets = rows.indptr[low : high + 1].astype(np.int64, copy=False)
    first, last = int(offsets[0]), int(offsets[-1])
    return CsrRows(as_kernels_read(rows.data[first:last]), rows.indices[first:last], offsets - first)


def count_rows(rows: Panel) -> int:
    """Return how many rows these are."""
    return len(rows) if isinstance(rows, np.ndarray) else rows.n_rows


def as_kernels_read(values: np.ndarray) -> np.ndarray:
    """Return `values` in a dtype that compiled code knows: booleans as bytes (no copy), half precision as float32."""
    if values.dtype.kind == "b":
        return values.view(np.uint8)
    return values.astype(np.float32) if values.dtype == np.float16 else values
