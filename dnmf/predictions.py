"""What the factors of a model say of single entries: W is read a chunk at a time, and the product is never made."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dnmf.arrays import taken_as_array
from dnmf.errors import InputError
from dnmf.plain import dense
from dnmf.sources.columns import twice
from dnmf.sources.label_values import coordinates_of
from dnmf.sources.names import names_of

PAIRS_AT_ONCE = 2**16


class Predicts:
    """The part of :class:`dnmf.Model` that predicts entries."""

    @property
    def indices_of_entry(self) -> tuple[int, ...]:
        """How many indices say which entry is meant: a row and a column."""
        return (2,)

    def predict(self: Any, rows: Any, columns: Any) -> np.ndarray:
        """Return ``(W diag(d) H)_ij`` for pairs of rows and columns, in float64; W is read a chunk at a time.

        Parameters
        ----------
        rows, columns : array of int, or of names
            As many of one as of the other, or of shapes that go together as in numpy: ``(r, 1)`` and ``(1, c)`` are all
            pairs. Whole numbers are places; names are text, or dates and numbers with a fraction where names are such.

        Raises
        ------
        InputError
            One is not there, or their shapes do not go together.

        Examples
        --------
        >>> import numpy as np, dnmf
        >>> dnmf.fit(np.outer([1.0, 2], [3.0, 0, 1]), rank=1).predict([1, 0], [0, 2]).round(3).tolist()
        [6.0, 1.0]
        """
        i, j = self.places_of([rows, columns])
        HT = (self.d[:, None] * self.H).T
        return predicted_from_chunks(self.read_W, self.chunk_rows, i.ravel(), j.ravel(), HT).reshape(i.shape)

    def places_of(self: Any, given: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of rows and of columns of entries, of one shape, that are given as :meth:`predict` has it.

        Raises
        ------
        InputError
            One is not there, or their shapes do not go together.
        """
        (m, n), (rows, columns) = self.shape, given
        i = places("rows", rows, m, lambda: self.row_names)
        j = places("columns", columns, n, lambda: self.column_names)
        i, j = paired({"rows": i, "columns": j})
        return i, j


def paired(found: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Return places along axes as arrays of one shape.

    Raises
    ------
    InputError
        Their shapes do not go together.
    """
    try:
        return tuple(np.broadcast_arrays(*found.values()))
    except ValueError as error:
        shapes = " and ".join(f"{name} of shape {each.shape}" for name, each in found.items())
        raise InputError(f"{shapes} make no pairs") from error


def predicted(W: np.ndarray, rows: np.ndarray, columns: np.ndarray, HT: np.ndarray) -> np.ndarray:
    """Return ``w_i · h_j`` of each pair in float64, in bounded memory.

    Parameters
    ----------
    W : ndarray (some rows, k)
        The rows of W that `rows` count from.
    rows, columns : ndarray of int (pairs,)
        Which entries.
    HT : ndarray (n, k)
        ``(diag(d) H)ᵀ``.

    Examples
    --------
    >>> predicted(np.array([[1.0, 2.0]]), np.array([0, 0]), np.array([1, 0]), np.array([[1.0, 0.0], [0.5, 1.0]]))
    array([2.5, 1. ])
    """
    found = np.empty(len(rows))
    for low in range(0, len(rows), PAIRS_AT_ONCE):
        some = slice(low, low + PAIRS_AT_ONCE)
        found[some] = np.einsum("pq,pq->p", W[rows[some]].astype(np.float64), HT[columns[some]].astype(np.float64))
    return found


def predicted_from_chunks(
    read_W: Callable[[int, int], np.ndarray], chunk_rows: int, rows: np.ndarray, columns: np.ndarray, HT: np.ndarray
) -> np.ndarray:
    """Return the same with `rows` of all of W, of which each chunk that holds some is read once."""
    found, order = np.empty(len(rows)), np.argsort(rows, kind="stable")
    found[order] = predicted_in_order(read_W, chunk_rows, rows[order], columns[order], HT)
    return found


def predicted_in_order(
    read_W: Callable[[int, int], np.ndarray], chunk_rows: int, rising: np.ndarray, columns: np.ndarray, HT: np.ndarray
) -> np.ndarray:
    """Return the same of rows whose numbers never fall."""
    found = np.empty(len(rising))
    for some in _by_chunks(rising, chunk_rows):
        rows = rising[some]
        first, last = int(rows[0]), int(rows[-1])
        found[some] = predicted(read_W(first, last + 1), rows - first, columns[some], HT)
    return found


def _by_chunks(rising: np.ndarray, chunk_rows: int) -> Iterator[slice]:
    """Spans of rising row numbers that lie in one chunk each."""
    if len(rising):
        borders = np.flatnonzero(np.diff(rising // chunk_rows)) + 1
        yield from map(slice, [0, *borders.tolist()], [*borders.tolist(), len(rising)])


def places(what: str, given: Any, count: int, names: Callable[[], np.ndarray | None]) -> np.ndarray:
    """Return the numbers of rows or columns that are given by number, or by name where there are `names`.

    Raises
    ------
    InputError
        One is not there, has no name of its own, or they are neither numbers nor text.
    """
    with taken_as_array(what, given):
        found = np.asarray(dense(given, what))
    if found.dtype.kind in "UOTfMm" and found.size:
        return _named(what, found, names())
    if found.dtype.kind not in "iu" and found.size:
        raise InputError(f"{what}: has dtype {found.dtype}; give whole numbers, or names where the model has some")
    wrong = found[(found < 0) | (found >= count)]
    if len(wrong):
        raise InputError(f"{what}: {wrong[0]} is not one of 0 to {count - 1}")
    return found.astype(np.intp)


def _named(what: str, wanted: np.ndarray, names: np.ndarray | None) -> np.ndarray:
    if names is None:
        kind = f"has dtype {wanted.dtype}, and " if wanted.dtype.kind in "fMm" else ""
        raise InputError(f"{what}: {kind}the model has no names of {what}; give whole numbers")
    given = wanted.ravel()
    known, asked = _comparable(names, given)
    place = {name: at for at, name in enumerate(known)}
    absent = next((at for at, name in enumerate(asked) if name not in place), None)
    if absent is not None:
        but = "; give whole numbers, or names" if wanted.dtype.kind == "f" else ""
        raise InputError(f"{what}: {str(given[absent])!r} is no name of the model's {what}{but}")
    again = set(twice(known)) if len(place) < len(known) else set()
    several = next((at for at, name in enumerate(asked) if name in again), None)
    if several is not None:
        raise InputError(f"{what}: {str(given[several])!r} is there more than once; give whole numbers")
    return np.array([place[name] for name in asked], np.intp).reshape(wanted.shape)


def _comparable(names: np.ndarray, wanted: np.ndarray) -> tuple[list[Any], list[Any]]:
    """Names, and those that are wanted, as text; where some are missing then as the numbers, dates or spans they are.

    So 325 is 325.0, and a day its midnight. A number with a fraction is none of names that are whole numbers, which
    are told from places by being text.
    """
    texts = names_of(wanted)
    known, asked = names.tolist(), [""] * len(wanted) if texts is None else texts.tolist()
    if set(asked) <= set(known):
        return known, asked
    values, given = coordinates_of(known), coordinates_of(asked)
    kinds = {each.dtype.kind if isinstance(each, np.ndarray) else "" for each in (values, given)}
    if (
        "" in kinds
        or not (len(kinds) == 1 or kinds <= set("if"))
        or (wanted.dtype.kind == "f" and values.dtype.kind == "i")
    ):
        return known, asked
    common = np.result_type(values, given)
    return values.astype(common).tolist(), given.astype(common).tolist()
