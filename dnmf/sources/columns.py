"""Some columns of a source, in another order: found by name, taken piece by piece as rows are read."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse

from dnmf.errors import InputError
from dnmf.sources.names import is_count, names_of
from dnmf.sources.rows import CsrRows, Panel, Weighted
from dnmf.sources.source import Layout, Source

MOST_NAMED = 5  # missing columns, in a message


class ColumnsSource(Source):
    """The rows of a source with some of its columns.

    Parameters
    ----------
    inner : Source
        Where the rows come from.
    chosen : ndarray of int (n,)
        Which of its columns, each at most once, in the order they are wanted in.
    """

    def __init__(self, inner: Source, chosen: np.ndarray):
        self.inner, self.chosen = inner, chosen
        self.take_facts(inner)
        self.shape = (inner.shape[0], len(chosen))
        self.in_memory, self.blocks_are_tasks = inner.in_memory, inner.blocks_are_tasks
        self._touched: dict[int, int] = {}

    def layout(self) -> Layout:
        """That of all columns, which are read: beside a panel lie the columns that are taken from it."""
        return replace(self.inner.layout(), in_place=False)

    def read(self, start: int, stop: int) -> Any:
        """Return rows `start:stop`, the chosen columns alone."""
        rows: Any = self.inner.read(start, stop)
        self._touched[start] = self.inner.touched_bytes(start, stop, rows)
        return self._taken(rows)

    def _taken(self, rows: Panel) -> Panel:
        if isinstance(rows, np.ndarray):
            return np.take(rows, self.chosen, axis=1)
        if not isinstance(rows, Weighted):
            return self._of_entries(rows.data, rows)
        if isinstance(rows.rows, np.ndarray):
            return Weighted(np.take(rows.rows, self.chosen, axis=1), np.take(rows.weights, self.chosen, axis=1))
        weights = self._of_entries(rows.weights, rows.rows)
        return Weighted(self._of_entries(rows.rows.data, rows.rows), weights.data)

    def _of_entries(self, entries: np.ndarray, rows: CsrRows) -> CsrRows:
        """Some `entries` of sparse rows, stored zeros too, in the order of the chosen columns."""
        parts = (entries, rows.indices, rows.indptr)
        matrix = scipy.sparse.csr_array(parts, shape=(rows.n_rows, self.inner.shape[1]))[:, self.chosen]
        matrix.sort_indices()
        return CsrRows(matrix.data, matrix.indices, matrix.indptr)

    def touched_bytes(self, start: int, stop: int, rows: Panel) -> int:
        """Decoded bytes it took to read the rows with all of their columns."""
        return self._touched.pop(start, 0) or super().touched_bytes(start, stop, rows)

    def fingerprint(self) -> dict[str, Any]:
        """That of the source itself, and which columns."""
        return {**self.inner.fingerprint(), "columns": self.chosen.tolist()}

    def stored_arrays(self) -> tuple[Any, ...]:
        """Those of the source itself."""
        return self.inner.stored_arrays()

    def places(self) -> list[str]:
        """Those of the source itself."""
        return self.inner.places()

    def row_names(self) -> np.ndarray | None:
        """Those of the source itself."""
        return self.inner.row_names()

    def for_rows(self, start: int, stop: int) -> "ColumnsSource":
        """The same for a part of the rows."""
        return ColumnsSource(self.inner.for_rows(start, stop), self.chosen)

    def without_names(self) -> "ColumnsSource":
        """The same without names."""
        return ColumnsSource(self.inner.without_names(), self.chosen)

    def blocks(self) -> list[Any]:
        """Those of the source itself."""
        return self.inner.blocks()

    def with_blocks(self, computed: list[list[Any]]) -> "ColumnsSource":
        """The same with its blocks computed."""
        part = copy.copy(self)
        part.inner = self.inner.with_blocks(computed)  # type: ignore[attr-defined]
        return part


def with_columns(source: Source, wanted: np.ndarray | None) -> Source:
    """Return a source of rows with the columns of these names, in this order.

    Raises
    ------
    InputError
        One side has no names, both have numbers for them, a name is not there, or it is there more than once.
    """
    found = source.column_names()
    if found is None or wanted is None:
        where = "the fit" if wanted is None else source.address
        raise InputError(f"{where}: its columns have no names to match; give them with column_names= (--columns FILE)")
    if np.array_equal(found, wanted):
        return source
    if is_count(found) and is_count(wanted):  # the first of more columns need not be those of the fit
        raise InputError(
            f"{source.address}: its {len(found):,} columns and the {len(wanted):,} of the fit are only numbered, which "
            "does not say which are meant; give names with column_names= (--columns FILE)"
        )
    names, places = wanted.tolist(), {name: place for place, name in enumerate(reversed(found.tolist()), 1)}
    missing = [name for name in names if name not in places]
    if missing:
        raise InputError(
            f"{source.address}: {len(missing):,} of the {len(names):,} columns of the fit are not among its "
            f"{len(found):,}: {_some(missing)}"
        )
    wanted_once = set(names)
    again = twice(names) or twice([name for name in found.tolist() if name in wanted_once])
    if again:
        raise InputError(f"{source.address}: columns cannot be matched by names that are there twice: {_some(again)}")
    return ColumnsSource(source, len(found) - np.array([places[name] for name in names]))


def way_to_match(found: Any, wanted: Any) -> str:
    """Return the end of a message on columns that are not those of a fit: whether they can be found by name.

    Examples
    --------
    >>> way_to_match(["b", "a", "c"], ["a", "b"])
    "; all names of the fit are among them: columns='match' (--columns-match) finds them by name"
    >>> way_to_match(["b", "c"], ["a", "b"])
    "; 1 of the 2 names of the fit is not among them: 'a'"
    """
    names, known = names_of(found), names_of(wanted)
    if names is None or known is None or (is_count(names) and is_count(known)):
        return ""
    there = set(names.tolist())
    missing = [name for name in known.tolist() if name not in there]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        return f"; {len(missing):,} of the {len(known):,} names of the fit {are} not among them: {_some(missing)}"
    wanted_once = set(known.tolist())
    if twice(known.tolist()) or twice([name for name in names.tolist() if name in wanted_once]):
        return "; they cannot be matched by names of which some are there twice: give others with column_names= to both"
    return "; all names of the fit are among them: columns='match' (--columns-match) finds them by name"


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:MOST_NAMED])) + (" …" if len(names) > MOST_NAMED else "")


def twice(names: Sequence[str]) -> list[str]:
    """Return the names that were there before, each time they come again."""
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
