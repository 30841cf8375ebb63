"""Some rows and columns of those that were read, and rows multiplied by a number each."""

from typing import Any

import numpy as np

from dnmf.sources.rows import CsrRows, Panel, Rows, Weighted


def pick_rows(panel: Panel, which: np.ndarray) -> Any:
    """Return a copy of the rows with these numbers, each at most once."""
    if isinstance(panel, np.ndarray):
        return panel[which]
    if isinstance(panel, Weighted):
        dense = isinstance(panel.rows, np.ndarray)
        weights = panel.weights[which] if dense else panel.weights[_entries_of(panel.rows, which)]
        return Weighted(pick_rows(panel.rows, which), weights)
    entries = _entries_of(panel, which)
    offsets = np.append(0, np.cumsum(np.diff(panel.indptr)[which], dtype=np.int64))
    return CsrRows(panel.data[entries], panel.indices[entries], offsets)


def _entries_of(rows: Any, which: np.ndarray) -> np.ndarray:
    """Whether each stored entry is one of these rows; where these do not rise the entries, in their order."""
    if (np.diff(which) > 0).all():
        chosen = np.zeros(rows.n_rows, bool)
        chosen[which] = True
        return np.repeat(chosen, np.diff(rows.indptr))
    counts, begins = np.diff(rows.indptr)[which], rows.indptr[which].astype(np.int64)
    before = np.cumsum(counts, dtype=np.int64) - counts
    return np.repeat(begins - before, counts) + np.arange(counts.sum(dtype=np.int64))


def pick_columns(panel: Panel, which: np.ndarray, n_columns: int) -> Any:
    """Return a copy of the columns with these numbers, each at most once, of rows with so many.

    Stored entries stay stored, zeros too; where the numbers do not rise those of each row are put in order.
    """
    if isinstance(panel, np.ndarray):
        return np.take(panel, which, axis=1)
    if isinstance(panel, CsrRows):
        rows, entries = _columns_of(panel, which, n_columns)
        return CsrRows(panel.data[entries], *rows)
    if isinstance(panel.rows, np.ndarray):
        return Weighted(pick_columns(panel.rows, which, n_columns), np.take(panel.weights, which, axis=1))
    rows, entries = _columns_of(panel.rows, which, n_columns)
    return Weighted(CsrRows(panel.rows.data[entries], *rows), panel.weights[entries])


def _columns_of(rows: CsrRows, which: np.ndarray, n_columns: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Columns and offsets of rows with these columns alone, and which stored entries are taken."""
    place = np.full(n_columns, len(which), np.int32 if n_columns < 2**31 else np.int64)
    place[which] = np.arange(len(which))
    columns = place[rows.indices]
    entries = np.flatnonzero(columns < len(which))
    offsets = np.searchsorted(entries, rows.indptr)
    if not (np.diff(which) > 0).all():
        of_row = np.repeat(np.arange(rows.n_rows), np.diff(offsets))
        entries = entries[np.lexsort((columns[entries], of_row))]
    return (columns[entries].astype(rows.indices.dtype, copy=False), offsets), entries


def times_rows(panel: Panel, factors: np.ndarray, dtype: str) -> Any:
    """Return rows multiplied by a number each (rows,), in a dtype; weights of entries stay what they are."""
    if isinstance(panel, Weighted):
        return Weighted(times_rows(panel.rows, factors, dtype), panel.weights)
    if isinstance(panel, np.ndarray):
        return _product(panel, factors[:, None], dtype)
    return panel._replace(data=_product(panel.data, np.repeat(factors, np.diff(panel.indptr)), dtype))


def _product(values: np.ndarray, factors: np.ndarray, dtype: str) -> np.ndarray:
    """A product in float64, rounded once, without an array of it in float64."""
    product = np.empty(values.shape, dtype)
    return np.multiply(values, factors, out=product, dtype=np.float64, casting="same_kind")


def sums_of_powers(rows: Rows, power: float, weights: np.ndarray | None = None) -> np.ndarray:
    """Return ``Σ ω |a|^power`` of each row (rows,), in float64; what was not observed is no part of it.

    A row's sum depends on that row alone, to the last bit, where rows lie in C order.

    Examples
    --------
    >>> sums_of_powers(np.array([[3.0, np.nan, 4.0]]), 2.0).tolist()
    [25.0]
    """
    values = rows if isinstance(rows, np.ndarray) else rows.data
    sizes = values.astype(np.float64)  # our own: what follows is done in place
    np.abs(sizes, out=sizes)
    if values.dtype.kind == "f" and np.isnan(sizes).any():
        sizes[np.isnan(sizes)] = 0.0
    if power != 1:
        np.power(sizes, power, out=sizes)
    if weights is not None:
        sizes *= weights
    if isinstance(rows, np.ndarray):
        return sizes.sum(axis=1)
    filled, sums = np.flatnonzero(np.diff(rows.indptr)), np.zeros(rows.n_rows)
    if len(filled):
        sums[filled] = np.add.reduceat(sizes, rows.indptr[filled])
    return sums
