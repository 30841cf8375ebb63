"""Data of which not all entries were observed, or not all count alike: a source over a source, a mask and weights."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from dnmf.arguments import choice
from dnmf.arrays import offers
from dnmf.errors import InputError
from dnmf.missing import place_of
from dnmf.plain import plain
from dnmf.sources.kept import Keep
from dnmf.sources.labels_of_objects import labels_of_matrix
from dnmf.sources.memory import MemorySource, type_name
from dnmf.sources.names import refuse_other_names
from dnmf.sources.patterns import as_dense, as_stored, column_dtype, observed_csr, observed_dense, weighted_dense
from dnmf.sources.source import CsrRows, Layout, Rows, Source
from dnmf.sources.undecoded import refuse_undecoded

MISSING = ("refuse", "nan", "unstored")
PLACE_BYTES = 8  # of each entry of a pattern, while it is looked for


def observed(
    source: Source, missing: str = "refuse", mask: Source | None = None, weights: Source | None = None
) -> Source:
    """Return a source whose rows say what of them was observed, and how much it counts; itself where nothing is asked.

    Parameters
    ----------
    source : Source
        The values.
    missing : {"refuse", "nan", "unstored"}
        What was not observed: nothing, so that a NaN is refused; what is NaN in dense data; what sparse data does not
        store.
    mask : Source, optional
        As large as the values; true, or not zero, where an entry was observed.
    weights : Source, optional
        As large as the values, finite and not negative; 0 where an entry was not observed.

    Raises
    ------
    InputError
        The values are not of the kind that `missing` is about, or mask or weights are of another shape, have other
        names, or are stored the other way round.
    """
    choice("missing", missing, MISSING)
    if missing == "refuse" and mask is None and weights is None:
        return source
    if isinstance(source, ObservedSource):
        raise InputError(f"{source.address}: says already what of it is observed; say no more of it")
    _refuse_other_kind(source, missing)
    values = source.with_nan() if missing == "nan" else source
    if mask is None and weights is None and not values.sparse and values.dtype.kind != "f":
        return source  # nothing can be NaN
    mask = None if mask is None else _fitted("mask", mask, values)
    weights = None if weights is None else _fitted("weights", weights, values)
    return ObservedSource(values, missing, mask, weights)


def with_holes(data: Any) -> Source | None:
    """Return a source of an object in memory that has a mask or NA, what is missing as NaN; None of anything else."""
    is_anndata = offers(data, "obs_names", "var_names", "X") and not getattr(data, "isbacked", False)
    values = data.X if is_anndata else data
    is_frame = offers(values, "iloc", "to_numpy") and offers(values, "columns")
    rows = isinstance(values, (list, tuple)) and any(isinstance(row, np.ma.MaskedArray) for row in values)
    in_netcdf = type(values).__module__.split(".")[0] == "netCDF4"
    if not (is_frame or rows or in_netcdf or isinstance(values, np.ma.MaskedArray)):
        return None
    name = type_name(data)
    refuse_undecoded(data, name)
    found = plain(values, name, as_nan=True)
    source = MemorySource(found, *labels_of_matrix(data), name)
    source.has_missing = not source.sparse
    return source


def _refuse_other_kind(source: Source, missing: str) -> None:
    if missing == "nan" and source.sparse:
        raise InputError(
            f"{source.address}: missing='nan' is for dense data, this is sparse; say missing='unstored' where what is "
            "not stored was not observed, or which entries were with mask="
        )
    if missing == "unstored" and not source.sparse:
        raise InputError(
            f"{source.address}: missing='unstored' is for sparse data, this is dense; make what was not observed "
            "NaN and say missing='nan', or which entries were with mask="
        )


def _fitted(what: str, beside: Source, values: Source) -> Source:
    """A mask or weights as their rows go with those of the values."""
    name = f"{what} {beside.address} for {values.address}"
    if beside.has_missing:
        raise InputError(f"{name}: has missing entries itself; give 0 for what was not observed")
    shape, expected = (each.shape[::-1] if each.transposed else each.shape for each in (beside, values))
    if shape != expected:
        raise InputError(f"{name}: has shape {shape}, the data {expected}; they have to be the same")
    if beside.transposed != values.transposed:
        turned = beside.turned()
        if turned is None:
            by, other = ("rows", "columns") if values.transposed else ("columns", "rows")
            raise InputError(
                f"{name}: is stored by {by}, the data by {other}, so that they cannot be read together; write one of "
                "them the other way once (dnmf convert writes rows)"
            )
        beside = turned
    for axis, labelled in enumerate(("column", "row") if values.transposed else ("row", "column")):
        if beside._names[axis] is not None and values._names[axis] is not None:
            found, known = ((each.row_names, each.column_names)[axis]() for each in (beside, values))
            refuse_other_names(name, found, known, labelled, of="the data")
    return beside.without_names()


class ObservedSource(Source):
    """The rows of a source with what a mask and weights say of them; :func:`observed` makes it.

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
        self._names = values._names
        self.values, self.mask, self.weights, self._missing = values, mask, weights, missing
        self._nan = missing == "nan" or values.has_missing
        self.has_missing, self.weighted = True, weights is not None
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
        whole = [each for each in layouts if each.panel_is_whole]
        cut_by = max(whole, key=lambda each: each.row_step) if whole else layouts[0]
        found = _side_by_side(layouts, cut_by)
        found = replace(found, made=self._made_bytes(layouts) / found.total_bytes)
        if cut_by is not layouts[0] or cut_by.parts is None:
            return found
        return replace(found, parts=replace(_side_by_side([cut_by.parts, *layouts[1:]], cut_by.parts), made=found.made))

    def _made_bytes(self, layouts: list[Layout]) -> float:
        """What is made of all rows, at most: values as they are handed over, weights, and where entries are found."""
        n_rows, n_columns = self.shape
        of_entry = self.dtype.itemsize + (_weight_dtype(self.weights.dtype).itemsize if self.weights else 0)
        if not self.sparse:
            return float(n_rows) * n_columns * (of_entry + 1)
        entries = min(_most_entries(part, layout) for part, layout in zip(self._parts()[1:], layouts[1:], strict=True))
        return entries * (of_entry + self.index_dtype.itemsize + PLACE_BYTES) + 8 * n_rows

    def read(self, start: int, stop: int) -> Any:
        """Return rows `start:stop` with what is known of them.

        Raises
        ------
        InputError
            Something cannot be read; a NaN is in the mask, or where the mask says that a value was observed.
        """
        rows = self.values.read(start, stop)
        if not self._makes_rows:
            return rows
        mask = None if self.mask is None else self._mask_of(self.mask.read(start, stop), start)
        weights = None if self.weights is None else _as_weights(self.weights.read(start, stop))
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
        return values != 0 if isinstance(rows, np.ndarray) else rows._replace(data=values != 0)

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


def _side_by_side(layouts: list[Layout], cut_by: Layout) -> Layout:
    """The layout of parts that are read together, cut as one of them is.

    Of the others, whole stored objects lie beside the rows that are taken of them.
    """
    before = sum(np.interp(cut_by.cuts, each.cuts, each.bytes_before) for each in layouts)
    others = [each for each in layouts if each is not cut_by]
    return Layout(
        cut_by.cuts, np.rint(before).astype(np.int64), cut_by.row_step,
        panel_is_whole=cut_by.panel_is_whole,
        comes_with_task=any(each.comes_with_task for each in layouts),
        object_bytes=sum(each.object_bytes for each in layouts),
        in_place=all(each.in_place or (each.comes_with_task and not each.panel_is_whole) for each in layouts),
        beside_bytes=sum(each.beside_bytes for each in layouts) + sum(each.object_bytes for each in others),
    )  # fmt: skip
