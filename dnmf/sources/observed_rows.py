"""Data of which not all entries were observed, or not all count alike: a source over values, a mask and weights."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.missing import place_of
from dnmf.sources.kept import Keep
from dnmf.sources.memory import slice_rows, stack_rows
from dnmf.sources.patterns import as_dense, as_stored, column_dtype, observed_csr, observed_dense, weighted_dense
from dnmf.sources.rows import CsrRows, Panel, Rows, Weighted
from dnmf.sources.side_by_side import side_by_side
from dnmf.sources.source import Layout, Source

ENTRIES_AT_ONCE = 2**16  # that are combined at a time, of all parts; at least a row
BESIDE_STEP = 64  # bytes for each of them, on the way


class ObservedSource(Source):
    """The rows of a source with what a mask and weights say of them; :func:`dnmf.sources.observed.observed` makes it.

    Dense rows are NaN where nothing was observed, sparse ones store what was, zeros too; weighted ones come as
    :class:`~dnmf.sources.source.Weighted`.

    Attributes
    ----------
    values : Source
        Where the values come from.
    mask, weights : Source or None
        What lies beside, its rows as those of the values.
    """

    def __init__(self, values: Source, missing: str, mask: Source | None, weights: Source | None):
        self.take_facts(values)
        self.take_names(values)
        self.values, self.mask, self.weights, self._missing = values, mask, weights, missing
        self._nan = missing == "nan" or values.has_missing
        self.has_missing, self.weighted = True, weights is not None
        if weights is not None:
            self.weight_dtype = _weight_dtype(weights.dtype)
        self.unstored = "missing" if self.sparse else "zero"
        self.blocks_are_tasks = any(part.blocks_are_tasks for part in self._parts())
        self.in_memory = values.in_memory and not self.blocks_are_tasks
        if mask is not None and not self.sparse and weights is None:
            self.dtype = np.result_type(values.dtype, np.float32)
        if self.sparse and self._makes_rows:
            self.index_dtype = column_dtype(self.shape[1])

    @property
    def _makes_rows(self) -> bool:
        return self.mask is not None or self.weights is not None

    def _parts(self) -> list[Source]:
        return [part for part in (self.values, self.mask, self.weights) if part is not None]

    def _changed(self, change: Callable[[Source], Source]) -> "ObservedSource":
        """The same with every part changed, without names."""
        found = copy.copy(self)
        found._names = (None, None)
        for name in ("values", "mask", "weights"):
            part = getattr(self, name)
            setattr(found, name, None if part is None else change(part))
        return found

    def layout(self) -> Layout:
        """The cuts of the values (of blocks of dask that come with them), and the bytes of all parts."""
        layouts = [part.layout() for part in self._parts()]
        if not self._makes_rows:
            return layouts[0]
        return side_by_side(layouts, self._made_bytes(layouts), BESIDE_STEP * max(ENTRIES_AT_ONCE, self.shape[1]))

    def _made_bytes(self, layouts: list[Layout]) -> float:
        """What is made of all rows, at most: values as they are handed over, and weights; sparse ones twice."""
        n_rows, n_columns = self.shape
        of_entry = self.dtype.itemsize + (_weight_dtype(self.weights.dtype).itemsize if self.weights else 0)
        if not self.sparse:
            return float(n_rows) * n_columns * of_entry
        entries = min(_most_entries(part, layout) for part, layout in zip(self._parts()[1:], layouts[1:], strict=True))
        return 2 * entries * (of_entry + self.index_dtype.itemsize) + 16 * n_rows

    def read(self, start: int, stop: int) -> Any:
        """Return rows `start:stop` with what is known of them.

        Raises
        ------
        InputError
            Something cannot be read; a NaN is in the mask, or where the mask says that a value was observed.
        """
        parts: list[Any] = [part and part.read(start, stop) for part in (self.values, self.mask, self.weights)]
        if not self._makes_rows:
            return parts[0]
        made = self._made_in_steps(parts, start, stop)
        return stack_rows(list(made)) if self.sparse else self._filled(made, stop - start)

    def _made_in_steps(self, parts: list[Any], start: int, stop: int) -> Iterator[Panel]:
        """Combine some rows of all parts after others: what is needed on the way is little."""
        for low, high in _steps(parts, stop - start, self.shape[1]):
            some: list[Any] = [part if part is None else slice_rows(part, low, high) for part in parts]
            yield self._combined(some[0], some[1], some[2], start + low)

    def _filled(self, made: Iterator[Any], n_rows: int) -> np.ndarray | Weighted:
        """Dense rows as they are made, put into one array (and one of weights)."""
        values, low = np.empty((n_rows, self.shape[1]), self.dtype), 0
        weights = np.empty(values.shape, _weight_dtype(self.weights.dtype)) if self.weights else None
        for some in made:
            rows, of_each = some if isinstance(some, Weighted) else (some, None)
            values[low : low + len(rows)] = rows
            if weights is not None:
                weights[low : low + len(rows)] = of_each
            low += len(rows)
        return values if weights is None else Weighted(values, weights)

    def _combined(self, rows: Rows, mask: Rows | None, weights: Rows | None, start: int) -> Panel:
        mask = None if mask is None else self._mask_of(mask, start)
        weights = None if weights is None else _as_weights(weights)
        if isinstance(rows, CsrRows):
            return self._sparse(rows, mask, weights)
        mask = None if mask is None else as_dense(mask, self.shape[1])
        if weights is not None:
            return weighted_dense(rows, as_dense(weights, self.shape[1]), mask, nan=self._nan)
        assert mask is not None
        if not self._nan and rows.dtype.kind == "f":
            self._refuse_nan(np.isnan(rows) & mask, start)
        return observed_dense(rows, mask, self.dtype)

    def _mask_of(self, rows: Rows, start: int) -> Rows:
        """A mask as booleans."""
        values = rows if isinstance(rows, np.ndarray) else rows.data
        if values.dtype.kind == "f" and np.isnan(values).any():
            at = int(np.flatnonzero(np.isnan(values))[0])
            row = at // self.shape[1] if isinstance(rows, np.ndarray) else np.searchsorted(rows.indptr, at, "right") - 1
            column = at % self.shape[1] if isinstance(rows, np.ndarray) else rows.indices[at]
            raise InputError(
                f"mask of {self.address}: a NaN at {self._place(start + int(row), int(column))}; a mask is true, or "
                "not zero, where an entry was observed"
            )
        seen = values if values.dtype.kind == "b" else values != 0
        return seen if isinstance(rows, np.ndarray) else rows._replace(data=seen)

    def _refuse_nan(self, bad: np.ndarray, start: int) -> None:
        if bad.any():
            row, column = (int(n) for n in np.argwhere(bad)[0])
            raise InputError(
                f"{self.address}: a NaN at {self._place(start + row, column)}, which the mask says was observed, as "
                f"{int(np.count_nonzero(bad))} of the values read together; say missing='nan' (--missing nan) where a "
                "NaN was not observed either"
            )

    def _place(self, row: int, column: int) -> str:
        return place_of((column, row) if self.transposed else (row, column))

    def _sparse(self, rows: CsrRows, mask: Rows | None, weights: Rows | None) -> Any:
        n_columns = self.shape[1]
        mask, weights = (None if each is None else as_stored(each, n_columns) for each in (mask, weights))
        within = [each for each in (weights, mask, rows if self._missing == "unstored" else None) if each is not None]
        return observed_csr(rows, within, n_columns, weights)  # type: ignore[arg-type]

    def touched_bytes(self, start: int, stop: int, rows: Any) -> int:
        """Decoded bytes it took to read the rows, those of mask and weights too."""
        return sum(part.touched_bytes(start, stop, rows) for part in self._parts())

    def bytes_from_memory(self, start: int, stop: int, rows: Any) -> int:
        """What of them an earlier task had left in memory."""
        return sum(part.bytes_from_memory(start, stop, rows) for part in self._parts())

    def fingerprint(self) -> dict[str, Any]:
        """That of the values, with what is missing, and those of mask and weights."""
        beside = {"mask": self.mask, "weights": self.weights}
        known = {name: part.fingerprint() for name, part in beside.items() if part is not None}
        return {**self.values.fingerprint(), "missing": self._missing, **known}

    def said(self) -> dict[str, Any]:
        """What is missing, and where mask and weights are: their addresses, None where they are not on disk."""
        beside = {"mask": self.mask, "weights": self.weights}
        return {"missing": self._missing, **{name: _where(part) for name, part in beside.items() if part is not None}}

    def bytes_in_memory(self) -> int:
        """Those of all parts that lie in this process."""
        return sum(part.bytes_in_memory() for part in self._parts())

    def stored_arrays(self) -> tuple[Any, ...]:
        """Those of all parts."""
        return tuple(array for part in self._parts() for array in part.stored_arrays())

    def places(self) -> list[str]:
        """Those of all parts."""
        return [place for part in self._parts() for place in part.places()]

    def for_rows(self, start: int, stop: int) -> "ObservedSource":
        """The same for a part of the rows."""
        return self._changed(lambda part: part.for_rows(start, stop))

    def without_names(self) -> "ObservedSource":
        """The same without names."""
        return self._changed(lambda part: part.without_names())

    def picking_rows(self, rows: np.ndarray) -> "ObservedSource":
        """Some rows of all parts, blocks of dask arrays among them, without names.

        Raises
        ------
        InputError
            A part is a dask array, and they do not rise.
        """
        from dnmf.sources.views import View, ViewSource

        found = self._changed(
            lambda part: part.picking_rows(rows) if part.blocks_are_tasks else ViewSource(part, View(rows=rows))  # type: ignore[attr-defined]
        )
        found.shape = len(rows), self.shape[1]
        return found

    def keeping_borders(self, keep: Keep) -> "ObservedSource":
        """A copy whose compressed parts leave the stored objects at their ends in memory for each other."""
        return self._changed(lambda part: part.keeping_borders(keep) if hasattr(part, "keeping_borders") else part)

    def blocks(self) -> list[Any]:
        """The blocks of each part that has some, still to be computed."""
        found = [part.blocks() for part in self._parts() if part.blocks_are_tasks]
        return found if any(found) else []

    def with_blocks(self, computed: list[Any]) -> "ObservedSource":
        """The same with the blocks of each part computed; an empty list makes a mere placeholder."""
        blocks = iter(computed)
        return self._changed(
            lambda part: part.with_blocks(next(blocks, [])) if part.blocks_are_tasks else part  # type: ignore[attr-defined]
        )

    @property
    def kind(self) -> str:
        """That of the values, and what is said of them."""
        said = ", ".join(name for name in ("mask", "weights") if getattr(self, name) is not None)
        return f"{self.values.kind} with {said}" if said else f"{self.values.kind}, {self._missing} is missing"

    @property
    def nonzeros(self) -> int | None:
        """Stored entries, where the values are sparse and tell."""
        return getattr(self.values, "nonzeros", None)


def _steps(parts: list[Any], n_rows: int, n_columns: int) -> Iterator[tuple[int, int]]:
    """Yield the ends of rows that are combined together: as many as have so many entries, all parts counted.

    Sparse rows have those they store: where the matrix is wide steps by its width would be one row each.
    """
    before = np.zeros(n_rows + 1, np.int64)
    for part in parts:
        if part is not None:
            before += part.indptr - part.indptr[0] if isinstance(part, CsrRows) else n_columns * np.arange(n_rows + 1)
    low, most = 0, max(ENTRIES_AT_ONCE, n_columns)
    while low < max(1, n_rows):
        high = min(n_rows, max(low + 1, int(np.searchsorted(before, before[low] + most, side="right")) - 1))
        yield low, high
        low = max(high, low + 1)


def _where(part: Source) -> dict[str, Any]:
    lasting = not (part.in_memory or part.blocks_are_tasks)
    return {"data": part.address if lasting else None, "missing_chunks": part.missing_chunks}


def _as_weights(rows: Rows) -> Rows:
    """Weights in a floating point dtype."""
    values = rows if isinstance(rows, np.ndarray) else rows.data
    wide = values.astype(_weight_dtype(values.dtype), copy=False)
    return wide if isinstance(rows, np.ndarray) else rows._replace(data=wide)


def _weight_dtype(dtype: np.dtype) -> np.dtype:
    return np.result_type(dtype, np.float32)


def _most_entries(part: Source, layout: Layout) -> float:
    """How many entries a mask or weights have, at most, as far as their layout tells."""
    n_rows, n_columns = part.shape
    if not part.sparse:
        return float(n_rows) * n_columns
    return max(0, layout.total_bytes - 8 * n_rows) / (part.dtype.itemsize + part.index_dtype.itemsize)
