"""Components as columns, whatever holds them: a side of a model or an array, read some rows at a time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from dnmf.applied import W_CHUNK_ROWS
from dnmf.arguments import as_dtype, choice
from dnmf.arrays import offers, taken_as_array
from dnmf.cp_model import CPModel
from dnmf.errors import InputError
from dnmf.model import Model
from dnmf.passes.blas import one_blas_thread
from dnmf.plain import dense, plain
from dnmf.sources.given import matrix_of, not_misread, read_rows
from dnmf.sources.labels import labels_given
from dnmf.sources.memory import is_sparse
from dnmf.sources.names import refuse_other_names
from dnmf.strengths import SIDES

BOTH = "both"


@dataclass(frozen=True)
class Columns:
    """Components as the columns of a matrix (length, rank) that may be far larger than memory.

    Attributes
    ----------
    name : str
        For messages.
    length, rank : int
        Rows and columns.
    rows_at_once : int
        How many rows are best read together.
    read : callable
        ``read(start, stop)`` returns these rows.
    what : {"row", "column"}
        What of the data each of them belongs to.
    labels : callable
        Returns what these are called, None where they have no names.
    """

    name: str
    length: int
    rank: int
    rows_at_once: int
    read: Callable[[int, int], np.ndarray]
    what: str
    labels: Callable[[], np.ndarray | None]


def checked_side(side: str, others: tuple[str, ...] = ()) -> str:
    """Return `side` if it is ``"W"``, ``"H"`` or one of `others`.

    Raises
    ------
    InputError
        It is something else.
    """
    return choice("side", side, (*SIDES, *others))


def columns_of(holder: Any, side: str) -> Columns:
    """Return the components of one side, ``"W"`` or ``"H"``, of a model, of a pair (W, H), or of an array.

    Raises
    ------
    InputError
        `holder` is no matrix of numbers.
    """
    if isinstance(holder, Model):
        if side == "W":
            return Columns("W of the model", holder.shape[0], holder.rank, holder.chunk_rows, holder.read_W, "row",
                           lambda: holder.row_names)  # fmt: skip
        return _in_memory("H of the model", holder.H.T, lambda: holder.column_names)
    if isinstance(holder, tuple) and len(holder) == len(SIDES):
        holder = holder[SIDES.index(side)]
    name, named = f"the array given for {side}", partial(labels_along, side, holder)
    holder = matrix_of(holder)
    with taken_as_array(name, holder):
        holder = not_misread(name, holder)
        holder = dense(holder, name) if offers(holder, "iloc") else plain(holder, name)
        in_parts = all(hasattr(holder, name) for name in ("shape", "dtype", "__getitem__"))
        values = holder if in_parts else np.asarray(holder)
    dtype = as_dtype(values.dtype)
    is_dense = dtype is not None and dtype.kind in "buif" and not is_sparse(values)
    if len(values.shape) != 2 or 0 in values.shape or not is_dense:
        expected = "(m, k)" if side == "W" else "(k, n)"
        raise InputError(
            f"{name} has shape {tuple(values.shape)} and dtype {values.dtype}, expected dense numbers {expected}"
        )
    if side == "H":
        with taken_as_array(name, values):
            return _in_memory(name, read_rows(name, values, 0, values.shape[0]).T, named)
    length, rank = values.shape
    return Columns(name, int(length), int(rank), _chunk_rows(values), partial(read_rows, name, values), "row", named)


def factor_along(model: CPModel, axis: str) -> Columns:
    """Return the vectors of a CP along one of its axes."""
    if axis == model.long_axis:
        return columns_of(model, "W")
    found = _in_memory(f"the factor of {axis}", model.factor(axis), lambda: model.labels_along(axis))
    return replace(found, what=f"entry along {axis}")


def _in_memory(name: str, H: np.ndarray, labels: Callable[[], np.ndarray | None]) -> Columns:
    length, rank = H.shape
    return Columns(name, length, rank, W_CHUNK_ROWS, lambda low, high: H[low:high], "column", labels)


def labels_along(side: str, values: Any) -> np.ndarray | None:
    """Return the labels of the rows (side ``"W"``) or columns that an array has, None where it has none."""
    found = labels_given(side, values)
    return found[0].names if found else None


def _chunk_rows(values: Any) -> int:
    of_rows = values.chunks[0] if getattr(values, "chunks", None) else W_CHUNK_ROWS
    return int(max(of_rows) if isinstance(of_rows, tuple) else of_rows)


def cosines_between(a: Columns, b: Columns) -> np.ndarray:
    """Return the cosine (rank of a, rank of b) of each column with each, in one read; with a zero column it is 0.

    Raises
    ------
    InputError
        The columns are not equally long or belong to other rows or columns of the data, or hold a NaN or an infinity.
    """
    products, squares_a, squares_b = _inner_products(a, b)
    return np.clip(products * (_one_over_root(squares_a)[:, None] * _one_over_root(squares_b)), -1.0, 1.0)


def squared_norms(columns: Columns) -> np.ndarray:
    """Return the squared norm (rank,) of each column, in one read.

    Raises
    ------
    InputError
        They hold a NaN or an infinity.
    """
    return _inner_products(columns, columns)[1]


def _inner_products(a: Columns, b: Columns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``aᵀb`` (rank of a, rank of b) and the squared norms of both."""
    if a.length != b.length:
        raise InputError(
            f"the first, {a.name}, has components of length {a.length}, the second, {b.name}, of length {b.length}; "
            "only components over the same rows (side 'W') or columns (side 'H') can be compared"
        )
    if b is not a and (theirs := b.labels()) is not None:
        refuse_other_names(a.name, a.labels(), theirs, a.what, of=b.name if b.name != a.name else "that of the other")
    products, of_a, of_b = np.zeros((a.rank, b.rank)), np.zeros(a.rank), np.zeros(b.rank)
    rows = max(a.rows_at_once, b.rows_at_once)  # of the smaller chunks only those at a border are read twice
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
        for low in range(0, a.length, rows):
            high = min(low + rows, a.length)
            of_rows = a.read(low, high).astype(np.float64)
            others = of_rows if b is a else b.read(low, high).astype(np.float64)
            products += of_rows.T @ others
            of_a += np.einsum("iq,iq->q", of_rows, of_rows)
            of_b += of_a if b is a else np.einsum("iq,iq->q", others, others)
    for columns, squares in ((a, of_a), (b, of_b)):
        if not np.isfinite(squares).all():
            raise InputError(f"{columns.name} holds a NaN, an infinity or values whose squares overflow")
    return products, of_a, of_a if b is a else of_b


def _one_over_root(squares: np.ndarray) -> np.ndarray:
    return np.where(squares > 0, 1 / np.sqrt(np.where(squares > 0, squares, 1.0)), 0.0)
