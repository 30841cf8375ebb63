"""What each entry of a block counts in least squares, and what that leaves to be looked at one by one.

Where most entries of a row count one, its Gram matrix is the shared one and a correction for those that count otherwise
(a missing entry counts nothing: −1); where few count anything, it is that of these alone.
"""

from typing import NamedTuple

import numpy as np

from dnmf.passes.entries import Entries
from dnmf.passes.visitors.visitor import Block
from dnmf.sources.source import CsrRows, Rows


class Weighing(NamedTuple):
    """Rows of weighted least squares ``½ Σ_j ω_j (a_j − w·h_j)²``.

    Attributes
    ----------
    products : Rows
        ``ω a``, from which right-hand sides are made and what is folded; zero where nothing was observed.
    entries : Entries
        Those that are looked at one by one.
    c : ndarray (entries,)
        What each of them adds to the curvature.
    based : bool ndarray (rows,)
        Whether all entries of a row count one before that.
    whole : float
        ``Σ ω a²``.
    counts : ndarray (rows,)
        ``Σ ω`` of each row.
    """

    products: Rows
    entries: Entries
    c: np.ndarray
    based: np.ndarray
    whole: float
    counts: np.ndarray


def weigh(block: Block, n_columns: int, dtype: np.dtype) -> Weighing:
    """Return what the observed entries of a block count: of dense rows those that are no NaN, of sparse the stored."""
    rows, weights = block.rows, block.weights
    if isinstance(rows, CsrRows):
        a = rows.data.astype(dtype, copy=False)
        c = np.ones(len(a), dtype) if weights is None else weights.astype(dtype, copy=False)
        entries, based = Entries(a, rows.indices, rows.indptr), np.zeros(rows.n_rows, bool)
        return _weighing(rows._replace(data=c * a), (entries, c), based, _sum(c, a), n_columns)
    if weights is None:
        seen = ~np.isnan(rows) if rows.dtype.kind == "f" else np.ones(rows.shape, bool)
        values, whole = _zero_filled(rows, seen, dtype)
        based = 2 * np.count_nonzero(seen, axis=1) >= rows.shape[1]
        looked_at = seen != based[:, None]
        c = np.repeat(np.where(based, -1, 1).astype(dtype), np.count_nonzero(looked_at, axis=1))
        return _weighing(values, (_entries(looked_at), c), based, whole, n_columns)
    of_each, seen = weights.astype(dtype, copy=False), weights > 0
    values, _ = _zero_filled(rows, seen, dtype)
    differs = of_each != 1
    based = np.count_nonzero(differs, axis=1) <= np.count_nonzero(seen, axis=1)
    looked_at = np.where(based[:, None], differs, seen)
    c = (of_each - based[:, None].astype(dtype))[looked_at]
    return _weighing(of_each * values, (_entries(looked_at), c), based, _sum(of_each, values), n_columns)


def weigh_implicitly(block: Block, n_columns: int, dtype: np.dtype, alpha: float) -> Weighing:
    """Return what implicit feedback counts: all entries predict whether there is one, with confidence ``1 + α a``.

    (Hu, Koren & Volinsky 2008, doi:10.1109/ICDM.2008.22)
    """
    rows = block.rows
    if not isinstance(rows, CsrRows):
        seen = rows != 0
        offsets = np.concatenate([[0], np.cumsum(np.count_nonzero(seen, axis=1))])
        rows = CsrRows(rows[seen], np.nonzero(seen)[1].astype(np.int32), offsets)
    c = (alpha * rows.data.astype(np.float64)).astype(dtype)
    there = (rows.data != 0).astype(dtype)
    products, based = rows._replace(data=(1 + c) * there), np.ones(rows.n_rows, bool)
    entries = Entries(rows.data, rows.indices, rows.indptr)
    return _weighing(products, (entries, c), based, _sum(1 + c, there), n_columns)


def _weighing(
    products: Rows, looked_at: tuple[Entries, np.ndarray], based: np.ndarray, whole: float, n_columns: int
) -> Weighing:
    entries, c = looked_at
    return Weighing(products, entries, c, based, whole, entries.sums_of_rows(c) + n_columns * based)


def _entries(which: np.ndarray) -> Entries:
    offsets = np.concatenate([[0], np.cumsum(np.count_nonzero(which, axis=1))])
    columns = np.nonzero(which)[1].astype(np.int32)
    return Entries(columns, columns, offsets)


def _zero_filled(rows: np.ndarray, seen: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, float]:
    values = np.where(seen, rows, rows.dtype.type(0)).astype(dtype, copy=False)
    return values, _sum(np.ones((), dtype), values)


def _sum(weights: np.ndarray, values: np.ndarray) -> float:
    return float(np.sum(weights * np.square(values.astype(np.float64))))
