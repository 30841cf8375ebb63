"""Rows divided by a number for each row and each column, a few at a time."""

from typing import Any

import numpy as np

from dnmf.sources.rows import CsrRows, Panel, Weighted, few_at_a_time

ENTRIES_AT_ONCE = 2**18


def divided_dtype(dtype: np.dtype) -> np.dtype:
    """Return the dtype of values of another that were divided: single precision, double where they have it."""
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


def divided(panel: Panel, of_rows: np.ndarray | None, of_columns: np.ndarray | None, dtype: np.dtype) -> Any:
    """Return rows divided by numbers of theirs (rows,) and of columns (n,), rounded once; weights stay what they are.

    Examples
    --------
    >>> divided(np.array([[2.0, 3.0]]), None, np.array([1.0, 2.0]), np.dtype("f4")).tolist()
    [[2.0, 1.5]]
    """
    if isinstance(panel, Weighted):
        return Weighted(divided(panel.rows, of_rows, of_columns, dtype), panel.weights)
    values = panel if isinstance(panel, np.ndarray) else panel.data
    found = np.empty(values.shape, dtype)
    for low, high in few_at_a_time(panel, ENTRIES_AT_ONCE):
        by = _by_row(panel, of_rows, low, high)
        if isinstance(panel, np.ndarray):
            here = slice(low, high)
            by = by if of_columns is None else of_columns * by
        else:
            here = slice(int(panel.indptr[low]), int(panel.indptr[high]))
            by = by if of_columns is None else of_columns[panel.indices[here]] * by
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused with its place
            np.divide(values[here], by, out=found[here], dtype=np.float64, casting="same_kind")
    return found if isinstance(panel, np.ndarray) else panel._replace(data=found)


def _by_row(rows: np.ndarray | CsrRows, of_rows: np.ndarray | None, low: int, high: int) -> Any:
    """The numbers of rows `low:high` as they go with their entries."""
    if of_rows is None:
        return 1.0
    if isinstance(rows, np.ndarray):
        return of_rows[low:high, None]
    return np.repeat(of_rows[low:high], np.diff(rows.indptr[low : high + 1]))
