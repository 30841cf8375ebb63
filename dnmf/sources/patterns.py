"""What of some rows is observed: their values, a mask and weights become one panel, dense or sparse."""

import numpy as np

from dnmf.kernels.patterns import locate
from dnmf.sources.rows import CsrRows, Rows, Weighted

COLUMNS_AS_INT32 = 2**31


def as_dense(rows: Rows, n_columns: int) -> np.ndarray:
    """Return rows as an array (rows, columns); what is not stored is 0."""
    if isinstance(rows, np.ndarray):
        return rows
    found = np.zeros((rows.n_rows, n_columns), rows.data.dtype)
    found[np.repeat(np.arange(rows.n_rows), np.diff(rows.indptr)), rows.indices] = rows.data
    return found


def as_stored(rows: Rows, n_columns: int) -> CsrRows:
    """Return rows as sparse ones that store what is not zero (a NaN is not), with columns of `column_dtype`."""
    stored = rows if isinstance(rows, np.ndarray) else rows.data
    kept = stored != 0
    if isinstance(rows, np.ndarray):
        columns = np.broadcast_to(np.arange(n_columns, dtype=column_dtype(n_columns)), rows.shape)[kept]
        return CsrRows(rows[kept], columns, np.append(0, np.cumsum(np.count_nonzero(kept, axis=1))))
    return kept_entries(rows, kept, n_columns)


def kept_entries(rows: CsrRows, kept: np.ndarray, n_columns: int) -> CsrRows:
    """Return sparse rows with some of their entries: those `kept` (ndarray of bool)."""
    offsets = np.append(0, np.cumsum(kept))[rows.indptr]
    columns = rows.indices[kept].astype(column_dtype(n_columns), copy=False)
    return CsrRows(rows.data[kept], columns, offsets.astype(np.int64, copy=False))


def column_dtype(n_columns: int) -> np.dtype:
    """Return the dtype of the columns of sparse rows that are made here."""
    return np.dtype(np.int32 if n_columns < COLUMNS_AS_INT32 else np.int64)


def observed_dense(values: np.ndarray, mask: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return `values` in a floating point dtype, NaN where the `mask` is false."""
    return np.where(mask, values.astype(dtype, copy=False), dtype.type(np.nan))


def weighted_dense(values: np.ndarray, weights: np.ndarray, mask: np.ndarray | None, *, nan: bool) -> Weighted:
    """Return `values` with their `weights`, both 0 where nothing was observed; a NaN says so, if it may (`nan`)."""
    seen = weights != 0
    if mask is not None:
        seen &= mask
    if nan and values.dtype.kind == "f":
        seen &= ~np.isnan(values)
    return Weighted(np.where(seen, values, values.dtype.type(0)), np.where(seen, weights, weights.dtype.type(0)))


def observed_csr(
    values: CsrRows, within: list[CsrRows], n_columns: int, weights: CsrRows | None = None
) -> CsrRows | Weighted:
    """Return `values` at the entries that all of `within` store: 0 where none is stored; with `weights`, if any."""
    pattern, *others = within
    for other in others:
        pattern = kept_entries(pattern, _places(other, pattern, n_columns) >= 0, n_columns)
    found = CsrRows(_taken(values, pattern, n_columns), pattern.indices, pattern.indptr)
    return found if weights is None else Weighted(found, _taken(weights, pattern, n_columns))


def turned(rows: CsrRows | Weighted, n_columns: int) -> CsrRows | Weighted:
    """Return the columns of sparse rows as rows."""
    if isinstance(rows, Weighted):
        assert isinstance(rows.rows, CsrRows)
        values = turned(rows.rows, n_columns)
        weights = turned(rows.rows._replace(data=rows.weights), n_columns)
        return Weighted(values, weights.data)  # type: ignore[arg-type, union-attr]
    order = np.argsort(rows.indices, kind="stable")
    of_row = np.repeat(np.arange(rows.n_rows, dtype=column_dtype(rows.n_rows)), np.diff(rows.indptr))
    offsets = np.append(0, np.cumsum(np.bincount(rows.indices, minlength=n_columns)))
    return CsrRows(rows.data[order], of_row[order], offsets)


def _places(rows: CsrRows, pattern: CsrRows, n_columns: int) -> np.ndarray:
    columns = rows.indices.astype(column_dtype(n_columns), copy=False)  # as those of a pattern are
    return locate(columns, rows.indptr, pattern.indices, pattern.indptr, n_columns)


def _taken(rows: CsrRows, pattern: CsrRows, n_columns: int) -> np.ndarray:
    """The entries of some rows at those of a pattern, 0 where nothing is stored."""
    if rows is pattern:
        return rows.data
    places = _places(rows, pattern, n_columns)
    stored = places >= 0
    found = np.zeros(len(places), rows.data.dtype)
    found[stored] = rows.data[places[stored]]
    return found
