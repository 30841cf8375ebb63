"""What each entry of a block counts in least squares, and what that leaves to be looked at one by one.

Where most entries of a row count one, its Gram matrix is the shared one and a correction for those that count otherwise
(a missing entry counts nothing: −1); where few count anything, it is that of these alone.
"""

from typing import NamedTuple

import numpy as np

from dnmf.kernels.holes import fill_holes, list_entries
from dnmf.passes.entries import Entries
from dnmf.passes.visitors.visitor import Block
from dnmf.sources.rows import CsrRows, Rows


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
        ``Σ ω a²``, where it is asked.
    counts : ndarray (rows,)
        ``Σ ω`` of each row.
    """

    products: Rows
    entries: Entries
    c: np.ndarray
    based: np.ndarray
    whole: float
    counts: np.ndarray


def weigh(
    block: Block, n_columns: int, dtype: np.dtype, *, first: bool = False, alone: np.ndarray | None = None
) -> Weighing:
    """Return what the observed entries of a block count: of dense rows those that are no NaN, of sparse the stored.

    Only the `first` pass over some data is told the sum of squares. No entry counts before it is looked at in rows that
    are to be `alone` (rows,).
    """
    rows, weights = block.rows, block.weights
    if isinstance(rows, CsrRows):
        return _weigh_sparse(rows, weights, dtype, first=first)
    return (
        _weigh_dense(rows, n_columns, dtype, first=first, alone=alone)
        if weights is None
        else _weighted(rows, weights, dtype, first=first, alone=alone)
    )


def _weigh_sparse(rows: CsrRows, weights: np.ndarray | None, dtype: np.dtype, *, first: bool) -> Weighing:
    a, based = rows.data.astype(dtype, copy=False), np.zeros(rows.n_rows, bool)
    entries = Entries(a, rows.indices, rows.indptr)
    if weights is None:
        c, counts = np.ones(len(a), dtype), np.diff(rows.indptr).astype(np.float64)
        return Weighing(rows._replace(data=a), entries, c, based, _sum(c, a) if first else 0.0, counts)
    c = weights.astype(dtype, copy=False)
    return Weighing(rows._replace(data=c * a), entries, c, based, _sum(c, a) if first else 0.0, entries.sums_of_rows(c))


def _weigh_dense(
    rows: np.ndarray, n_columns: int, dtype: np.dtype, *, first: bool, alone: np.ndarray | None
) -> Weighing:
    """Where a row has few holes they are looked at, where it has many the others."""
    values, seen = fill_holes(rows if rows.dtype.kind == "f" else rows.astype(dtype), dtype)
    based = _but(2 * seen >= n_columns, alone)
    looked_at = np.where(based, n_columns - seen, seen)
    offsets = np.concatenate([[0], np.cumsum(looked_at)])
    columns = list_entries(rows if rows.dtype.kind == "f" else values, based, offsets)
    c = np.repeat(np.where(based, -1, 1).astype(dtype), looked_at)
    whole = _sum(np.ones((), dtype), values) if first else 0.0
    return Weighing(values, Entries(columns, columns, offsets), c, based, whole, seen.astype(np.float64))


def _weighted(
    rows: np.ndarray, weights: np.ndarray, dtype: np.dtype, *, first: bool, alone: np.ndarray | None
) -> Weighing:
    """Where most entries count one the others are looked at, elsewhere those that count."""
    of_each, seen = weights.astype(dtype, copy=False), weights > 0
    values = np.where(seen, rows, rows.dtype.type(0)).astype(dtype, copy=False)
    differs = of_each != 1
    based = _but(np.count_nonzero(differs, axis=1) <= np.count_nonzero(seen, axis=1), alone)
    which = np.where(based[:, None], differs, seen)
    c = (of_each - based[:, None].astype(dtype))[which]
    offsets = np.concatenate([[0], np.cumsum(np.count_nonzero(which, axis=1))])
    columns = np.nonzero(which)[1].astype(np.int32)
    whole = _sum(of_each, values) if first else 0.0
    counts = of_each.sum(axis=1, dtype=np.float64)
    return Weighing(of_each * values, Entries(columns, columns, offsets), c, based, whole, counts)


def weigh_implicitly(block: Block, n_columns: int, dtype: np.dtype, alpha: float, *, first: bool = False) -> Weighing:
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
    whole = _sum(1 + c, there) if first else 0.0
    return Weighing(products, entries, c, based, whole, entries.sums_of_rows(c) + n_columns)


def _but(based: np.ndarray, alone: np.ndarray | None) -> np.ndarray:
    return based if alone is None else based & ~alone


def _sum(weights: np.ndarray, values: np.ndarray) -> float:
    return float(np.sum(weights * np.square(values.astype(np.float64))))
