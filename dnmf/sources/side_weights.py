"""Weights of whole rows and columns: how much an entry counts is multiplied by the weight of its row and its column."""

import os
from dataclasses import replace
from typing import Any

import numpy as np

from dnmf.arrays import taken_as_array
from dnmf.checksums import crc32c_of
from dnmf.errors import InputError
from dnmf.locations import regular_file
from dnmf.plain import dense
from dnmf.refusals import told
from dnmf.sources.axes import refuse_other_side
from dnmf.sources.kept import Keep, KeptSource
from dnmf.sources.labels_of_objects import labels_of_object
from dnmf.sources.names import names_of, refuse_other_names
from dnmf.sources.over import OverSource
from dnmf.sources.presence import lies_in_a_store
from dnmf.sources.rows import CsrRows, Panel, Weighted
from dnmf.sources.source import Layout, Source

AXES = {"row_weights": 0, "column_weights": 1}  # of the user's matrix
ROW_NUMBER_BYTES = 8  # of each stored entry, while weights are made


class SideWeightedSource(OverSource):
    """The rows of a source as :class:`Weighted`; :func:`with_side_weights` makes it.

    Parameters
    ----------
    inner : Source
        The values, and what is known of their entries.
    rows, columns : ndarray
        The weights of the engine's rows and columns, of one dtype.
    said : dict
        Where they are, by the name of the argument: for :meth:`said`.
    """

    def __init__(self, inner: Source, rows: np.ndarray, columns: np.ndarray, said: dict[str, Any]):
        super().__init__(inner)
        self.rows, self.columns, self._said, self._first = rows, columns, said, 0
        self.has_missing = self.weighted = True
        self.weight_dtype = np.result_type(rows, inner.weight_dtype) if inner.weighted else rows.dtype

    def layout(self) -> Layout:
        """That of the values, with what is made of them."""
        return self._with_made(self.inner.layout())

    def _with_made(self, layout: Layout) -> Layout:
        of_entry, entries = self.dtype.itemsize + self.rows.itemsize + 1, float(self.shape[0]) * self.shape[1]
        if self.sparse:
            entries = layout.total_bytes / (self.dtype.itemsize + self.index_dtype.itemsize)
            of_entry += ROW_NUMBER_BYTES
        parts = None if layout.parts is None else self._with_made(layout.parts)
        return replace(layout, made=layout.made + of_entry * entries / max(1, layout.total_bytes), parts=parts)

    def read(self, start: int, stop: int) -> Any:
        """Return rows `start:stop` with the weight of each entry: values where it is 0 are 0."""
        panel: Panel = self.inner.read(start, stop)
        values, known = panel if isinstance(panel, Weighted) else (panel, None)
        of_rows = self.rows[start - self._first : stop - self._first]
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused with its place
            if isinstance(values, CsrRows):
                found = np.repeat(of_rows, np.diff(values.indptr)) * self.columns[values.indices]
            else:
                found = np.outer(of_rows, self.columns)
                if known is None and self.inner.has_missing and values.dtype.kind == "f":
                    found[np.isnan(values)] = 0
            weights = found if known is None else found * known
        return Weighted(_zero_where_nothing_counts(values, weights != 0), weights)

    def touched_bytes(self, start: int, stop: int, rows: Any) -> int:
        """Decoded bytes it took to read the values."""
        return self.inner.touched_bytes(start, stop, self._of_inner(rows))

    def bytes_from_memory(self, start: int, stop: int, rows: Any) -> int:
        """What of them an earlier task had left in memory."""
        return self.inner.bytes_from_memory(start, stop, self._of_inner(rows))

    def _of_inner(self, rows: Any) -> Any:
        return rows if self.inner.weighted else rows.rows

    def fingerprint(self) -> dict[str, Any]:
        """That of the values, with checksums of the weights."""
        vectors = self._of_user
        known = {name: crc32c_of(vectors[axis]) for name, axis in AXES.items() if name in self._said}
        return {**self.inner.fingerprint(), **known}

    def said(self) -> dict[str, Any]:
        """What was said of the values, and where the weights are."""
        return {"missing": "refuse", **self.inner.said(), **self._said}

    def side_weights(self) -> dict[str, np.ndarray]:
        """Those that were given, times those that the values have already."""
        before, vectors = self.inner.side_weights(), self._of_user
        given = {name: vectors[axis] * before.get(name, 1) for name, axis in AXES.items() if name in self._said}
        return {**before, **given}

    @property
    def _of_user(self) -> tuple[np.ndarray, np.ndarray]:
        return (self.columns, self.rows) if self.transposed else (self.rows, self.columns)

    def for_rows(self, start: int, stop: int) -> "SideWeightedSource":
        """The same for a part of the rows."""
        part = self.over(self.inner.for_rows(start, stop))
        part.rows, part._first = self.rows[start - self._first : stop - self._first], start
        return part

    def picking_rows(self, rows: np.ndarray) -> "SideWeightedSource":
        """Some rows of a dask array, which rise, with their weights."""
        found = self.over(self.inner.picking_rows(rows))  # type: ignore[attr-defined]
        found.rows, found.shape = self.rows[rows], (len(rows), self.shape[1])
        return found

    def keeping_rows(self, keep: Keep) -> "SideWeightedSource":
        """The same over values that stay in memory as they are read, without weights."""
        return self.over(KeptSource(self.inner, keep))

    @property
    def kind(self) -> str:
        """That of the values, and what is said of them."""
        given = " and ".join(name.replace("_", " ") for name in self._said)
        return f"{self.inner.kind}{' and' if ' with ' in self.inner.kind else ' with'} {given}"


def with_side_weights(source: Source, *, row_weights: Any = None, column_weights: Any = None) -> Source:
    """Return a source whose entries count as much as their rows times their columns; itself where nothing is given.

    Parameters
    ----------
    source : Source
        The values; what is said of their entries holds too.
    row_weights, column_weights : array or path, optional
        One for each row or column, finite and not negative: numbers, a ``.npy`` file, or a text file with one a line;
        where several axes of an array make the columns (rows), an array over these too.

    Raises
    ------
    InputError
        They are not such, or the data is sparse and what it does not store counts as zeros.
    """
    asked = dict(zip(AXES, (row_weights, column_weights), strict=True))
    given = {name: values for name, values in asked.items() if values is not None}
    if not given:
        return source
    if source.sparse and not source.has_missing:
        raise InputError(
            f"{source.address}: is sparse, and {' and '.join(f'{name}=' for name in given)} would have to weigh every "
            "zero in it; leave out rows and columns that are not to count, or, but for implicit=, give dense data or "
            "say missing='unstored' where what is not stored was not observed"
        )
    vectors = {name: _weights_along(name, values, source) for name, values in given.items()}
    dtype, shape = _dtype_of(list(vectors.values())), source.shape[::-1] if source.transposed else source.shape
    rows, columns = (
        np.ascontiguousarray(vectors[name], dtype) if name in vectors else np.ones(length, dtype)
        for name, length in zip(AXES, shape, strict=True)
    )
    said = {name: {"data": os.path.abspath(values) if _is_path(values) else None} for name, values in given.items()}
    return SideWeightedSource(source, *((columns, rows) if source.transposed else (rows, columns)), said)


def _dtype_of(vectors: list[np.ndarray]) -> Any:
    """The narrowest dtype that has the weights, and no infinity for products of them."""
    with np.errstate(over="ignore"):
        exact = all(np.array_equal(each, each.astype(np.float32)) for each in vectors)
        largest = float(np.prod([each.max(initial=0) for each in vectors]))
    return np.float32 if exact and largest <= float(np.finfo(np.float32).max) else np.float64


def _is_path(values: Any) -> bool:
    return isinstance(values, (str, os.PathLike))


def _weights_along(name: str, values: Any, source: Source) -> np.ndarray:
    """One finite weight for each row or column (float64)."""
    axis = AXES[name]
    what, length = ("row", "column")[axis], source.shape[axis != source.transposed]
    if _is_path(values):
        array = _read(name, values)
    else:
        with taken_as_array(name, values):
            if lies_in_a_store(values):
                raise InputError(f"{name}: lies in a store; read it first, array[:]")
            array = np.asarray(dense(values, name))
            compare_labels(name, values, what, source)
    of_axes = () if source.unfolding is None else (source.unfolding.of_rows, source.unfolding.of_columns)[axis]
    if source.unfolding is not None and len(of_axes) > 1 and array.ndim == len(of_axes):
        axes = (source.unfolding.rows, source.unfolding.columns)[axis]
        refuse_other_side(f"{name} for {source.address}", values, source.unfolding, axes, of="the data")
    if array.shape == of_axes or (array.ndim == 2 and 1 in array.shape):
        array = array.ravel()
    if array.shape != (length,) or array.dtype.kind not in "buif":
        raise InputError(
            f"{name}: has shape {array.shape} and dtype {array.dtype}, expected a number for each of {length} {what}s"
            f"{f', shape {of_axes}' if len(of_axes) > 1 else ''}"
        )
    found = array.astype(np.float64)
    bad = np.flatnonzero(~(np.isfinite(found) & (found >= 0)))
    if len(bad):
        raise InputError(
            f"{name}: the weight {found[bad[0]]} of {what} {bad[0]}, as {len(bad)} of {length} that cannot be used; "
            f"weights are finite and not negative, 0 for a {what} that does not count"
        )
    return found


def _read(name: str, path: Any) -> np.ndarray:
    place = regular_file(path, name)
    try:
        return np.load(place, allow_pickle=False) if place.suffix == ".npy" else np.loadtxt(place, ndmin=1)
    except (OSError, ValueError, EOFError) as error:
        reason = "it is no array of numbers" if place.suffix == ".npy" else told(error)
        raise InputError(
            f"{name}: {path} cannot be read ({reason}); give a .npy file, or a text file with one number a line"
        ) from error


def compare_labels(name: str, values: Any, what: str, source: Source) -> None:
    """Compare the labels of an object along the user's rows or columns (`what`) with the names of a source.

    Raises
    ------
    InputError
        Both have some, and they are not the same.
    """
    labels = labels_of_object(values)
    known = source.row_names() if (what == "row") != source.transposed else source.column_names()
    if len(labels) and known is not None and (found := names_of(labels[0])) is not None:
        refuse_other_names(f"{name} for {source.address}", found, known, what, of="the data")


def _zero_where_nothing_counts(values: Any, counts: np.ndarray) -> Any:
    """Values, 0 where they do not count; as they are where all do."""
    if counts.all():
        return values
    if isinstance(values, CsrRows):
        return values._replace(data=np.where(counts, values.data, values.data.dtype.type(0)))
    return np.where(counts, values, values.dtype.type(0))
