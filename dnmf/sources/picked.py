"""Some rows of those that were read, and rows multiplied by a number each."""

from typing import Any

import numpy as np

from dnmf.sources.rows import CsrRows, Panel, Rows, Weighted


def pick_rows(panel: Panel, which: np.ndarray) -> Any:
    """Return a copy of the rows with these numbers, which rise."""
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
    """Whether each stored entry is one of these rows."""
    chosen = np.zeros(rows.n_rows, bool)
    chosen[which] = True
    return np.repeat(chosen, np.diff(rows.indptr))


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
