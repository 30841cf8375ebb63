"""Some rows and columns of a source, and their values divided by given numbers: made as rows are read, never stored."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

from dnmf.checksums import crc32c_of
from dnmf.errors import InputError
from dnmf.sources.annotations import PickedNames
from dnmf.sources.divided import divided, divided_dtype
from dnmf.sources.memory import MemorySource, stack_rows
from dnmf.sources.over import OverSource
from dnmf.sources.picked import pick_columns, pick_rows
from dnmf.sources.rows import Panel
from dnmf.sources.slabs import Slabs
from dnmf.sources.source import Layout, Source

PREFIX = "view_"  # of its arrays in a checkpoint


@dataclass(frozen=True, eq=False)
class View:
    """What is seen of a matrix: which of its rows and columns, and what they are divided by; None leaves all as it is.

    Attributes
    ----------
    rows, columns : ndarray of int64 or None
        Which of them, each at most once, in the order they are wanted in.
    row_scale, column_scale : ndarray of float64 or None
        A number above zero for each row and column that is seen.
    """

    rows: np.ndarray | None = None
    columns: np.ndarray | None = None
    row_scale: np.ndarray | None = None
    column_scale: np.ndarray | None = None

    @property
    def parts(self) -> dict[str, np.ndarray]:
        """What is asked for, by name."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: values for name, values in found.items() if values is not None}

    def turned(self) -> "View":
        """The same of the transposed matrix."""
        return View(self.columns, self.rows, self.column_scale, self.row_scale)

    def then(self, other: "View") -> "View":
        """What is seen by another view of this one."""
        return View(
            _of_chosen(self.rows, other.rows), _of_chosen(self.columns, other.columns),
            _product(self.row_scale, other.rows, other.row_scale),
            _product(self.column_scale, other.columns, other.column_scale),
        )  # fmt: skip

    def arrays(self) -> dict[str, np.ndarray]:
        """Its arrays as a checkpoint has them."""
        return {f"{PREFIX}{name}": values for name, values in self.parts.items()}

    @classmethod
    def restore(cls, arrays: dict[str, Any]) -> "View":
        """The view whose :meth:`arrays` are among those of a checkpoint; of everything where there are none."""
        return cls(**{each.name: arrays.get(f"{PREFIX}{each.name}") for each in fields(cls)})


VIEW_PARTS = tuple(each.name for each in fields(View))
EVERYTHING_SEEN = View()


def _of_chosen(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    return first if second is None else second if first is None else first[second]


def _product(scale: np.ndarray | None, chosen: np.ndarray | None, more: np.ndarray | None) -> np.ndarray | None:
    scale = scale if scale is None or chosen is None else scale[chosen]
    return more if scale is None else scale if more is None else scale * more


class ViewSource(OverSource):
    """The rows of a source that a view leaves, as it shows them; :func:`seen` makes it.

    Rows are picked from slabs of neighbouring rows, which are read whole.

    Parameters
    ----------
    inner : Source
        Where the rows come from.
    of_engine : View
        In the rows and columns of the engine.
    """

    def __init__(self, inner: Source, of_engine: View):
        super().__init__(inner)
        self.of_engine = of_engine
        of_rows, of_columns = of_engine.rows, of_engine.columns
        self.shape = tuple(  # type: ignore[assignment]
            n if chosen is None else len(chosen) for n, chosen in zip(inner.shape, (of_rows, of_columns), strict=True)
        )
        self._names = tuple(  # type: ignore[assignment]
            PickedNames.of(names, chosen) for names, chosen in zip(inner._names, (of_rows, of_columns), strict=True)
        )
        if self._is_scaled:
            self.dtype = divided_dtype(inner.dtype)
        self._slabs = None if of_rows is None else Slabs.of(inner.layout(), of_rows)
        self._first, self._is_part = 0, False
        self._held: tuple[int, Panel] | None = None
        self._layout: Layout | None = None

    @property
    def _is_scaled(self) -> bool:
        return self.of_engine.row_scale is not None or self.of_engine.column_scale is not None

    @property
    def view(self) -> View:
        """What is seen, in the rows and columns of the user."""
        return self.of_engine.turned() if self.transposed else self.of_engine

    def layout(self) -> Layout:
        """That of what has to be read, with what is made of it."""
        if self._layout is None:
            self._layout = self._seen(self.inner.layout())
        return self._layout

    def _seen(self, layout: Layout) -> Layout:
        share = 1.0
        if self._slabs is not None:
            layout, share = self._slabs.layout(layout)
        elif layout.parts is not None:
            layout = replace(layout, parts=self._seen(layout.parts))
        share *= self._entry_bytes(self.dtype) / self._entry_bytes(self.inner.dtype)
        if not self.sparse:  # how many entries of sparse rows lie in some columns cannot be known
            share *= self.shape[1] / self.inner.shape[1]
        return replace(layout, made=layout.made + share, kept=share)

    def _entry_bytes(self, dtype: np.dtype) -> int:
        beside = self.index_dtype.itemsize if self.sparse else 0
        return dtype.itemsize + beside + (self.weight_dtype.itemsize if self.weighted else 0)

    def read(self, start: int, stop: int) -> Any:
        """Return rows `start:stop` of those that are seen, as they are seen."""
        view = self.of_engine
        rows: Any = self.inner.read(start, stop) if self._slabs is None else self._picked(start, stop)
        if view.columns is not None:
            rows = pick_columns(rows, view.columns, self.inner.shape[1])
        if not self._is_scaled:
            return rows
        of_rows = None if view.row_scale is None else view.row_scale[start - self._first : stop - self._first]
        return divided(rows, of_rows, view.column_scale, self.dtype)

    def _picked(self, start: int, stop: int) -> Panel:
        """The chosen rows, from the slabs they lie in."""
        assert self._slabs is not None
        found = [pick_rows(self._slab(slab, span), which) for slab, span, which in self._slabs.read_for(start, stop)]
        rows: Panel = stack_rows(found)
        order = self._slabs.order(start, stop)
        return rows if order is None else pick_rows(rows, order)

    def _slab(self, number: int, span: tuple[int, int]) -> Panel:
        """A slab; the last one is at hand, where the rows that come next begin in it."""
        held = self._held
        if held is not None and held[0] == number:
            return held[1]
        held = self._held = None  # lets go of the slab before another one is read
        rows: Any = self.inner.read(*span)
        if self._is_part and self._slabs is not None and self._slabs.rises:
            self._held = number, rows
        return rows

    def _reads(self, start: int, stop: int) -> Iterator[tuple[tuple[int, int], float]]:
        """The rows of the source that are read for some that are seen, and the share of them that counts."""
        if self._slabs is None:
            yield (start, stop), 1.0
            return
        known = self._slabs.held_before(start) if self._is_part and not self.in_memory else -1
        for slab, span, which in self._slabs.read_for(start, stop):
            if slab != known:
                yield span, len(which) / (span[1] - span[0]) if self.in_memory else 1.0

    def touched_bytes(self, start: int, stop: int, rows: Panel) -> int:
        """Decoded bytes it took to read the rows: of whole slabs, with all of their columns; in memory of the rows."""
        return sum(int(share * self.inner.touched_bytes(*span, rows)) for span, share in self._reads(start, stop))

    def bytes_from_memory(self, start: int, stop: int, rows: Panel) -> int:
        """What of them an earlier task had left in memory."""
        return sum(self.inner.bytes_from_memory(*span, rows) for span, _ in self._reads(start, stop))

    def fingerprint(self) -> dict[str, Any]:
        """That of the source itself, and checksums of what is seen of it."""
        seen = {name: {"count": len(part), "crc32c": crc32c_of(part)} for name, part in self.view.parts.items()}
        return {**self.inner.fingerprint(), **seen}

    def side_weights(self) -> dict[str, np.ndarray]:
        """Those of the rows and columns that are seen."""
        chosen = {"row_weights": self.view.rows, "column_weights": self.view.columns}
        known = self.inner.side_weights().items()
        return {name: each if chosen[name] is None else each[chosen[name]] for name, each in known}

    def turned(self) -> "Source | None":
        """The columns that are seen as rows."""
        inner = self.inner.turned()
        return None if inner is None else ViewSource(inner, self.of_engine.turned())

    def over(self, inner: Source) -> Self:
        """The same over another source."""
        found = super().over(inner)
        found._held = found._layout = None
        return found

    def __copy__(self) -> "ViewSource":
        """Nothing of it travels."""
        found = object.__new__(ViewSource)
        found.__dict__.update(self.__dict__)
        return found

    def for_rows(self, start: int, stop: int) -> "ViewSource":
        """The same for a part of the rows that are seen, and what has to be read for them."""
        span = (start, stop) if self._slabs is None else self._slabs.span(start, stop)
        part, here = self.over(self.inner.for_rows(*span)), slice(start - self._first, stop - self._first)
        view = self.of_engine
        of_rows = {name: values[here] for name in ("rows", "row_scale") if (values := getattr(view, name)) is not None}
        part.of_engine = replace(view, **of_rows)
        part._slabs = None if self._slabs is None else self._slabs.part(start, stop)
        part._first, part._is_part = start, True
        return part

    def __getstate__(self) -> dict[str, Any]:
        """What travels: of data in memory the chosen rows of a part, and no others."""
        found = self.over(self.inner)
        found._names = self._names
        if self._is_part and self.in_memory and self._slabs is not None:
            stop = self._first + len(self._slabs.rows)
            rows = self._picked(self._first, stop)
            found.inner = MemorySource.of_rows(rows, self.inner.shape[1], self.address, like=self.inner)
            found.inner._first, found._slabs = self._first, None
        return found.__dict__

    def place_of_entry(self, row: int, column: int) -> tuple[int, int]:
        """Where the source itself has an entry that is seen."""
        rows, columns = self.of_engine.rows, self.of_engine.columns
        row = row if rows is None else int(rows[row - self._first])
        return self.inner.place_of_entry(row, column if columns is None else int(columns[column]))

    @property
    def kind(self) -> str:
        """That of the source itself, and what is made of it."""
        return f"{self.inner.kind} (a view: {', '.join(name.replace('_', ' ') for name in self.view.parts)})"

    @property
    def nonzeros(self) -> int | None:
        """Stored entries, where all of them are seen, the values are sparse and tell."""
        all_of_it = self.of_engine.rows is None and self.of_engine.columns is None
        return super().nonzeros if all_of_it else None


def seen(source: Source, view: View) -> Source:
    """Return what a view, in the user's rows and columns, shows of a source; itself where that is everything.

    A view of a view is one of the data. Rows of a dask array are chosen in its graph.
    """
    if not view.parts:
        return source
    if isinstance(source, ViewSource):
        of_engine = view.turned() if source.transposed else view
        found = _over_whole(source.inner, source.of_engine.then(of_engine))
        pairs = zip(source._names, (of_engine.rows, of_engine.columns), strict=True)
        found._names = tuple(PickedNames.of(known, chosen) for known, chosen in pairs)  # type: ignore[assignment]
        return found
    return _over_whole(source, view.turned() if source.transposed else view)


def _over_whole(source: Source, of_engine: View) -> Source:
    """A view of a source that is none."""
    rows, names = of_engine.rows, source._names
    if rows is None or not source.blocks_are_tasks:
        return ViewSource(source, of_engine)
    picked = source.picking_rows(rows)  # type: ignore[attr-defined]
    picked._names = PickedNames.of(names[0], rows), names[1]
    others = replace(of_engine, rows=None)
    return ViewSource(picked, others) if others.parts else picked


def what_is_seen(source: Source) -> View:
    """Return the view of its data that a source is, in the rows and columns of the user."""
    return source.view if isinstance(source, ViewSource) else EVERYTHING_SEEN


def pixels_seen(source: Source) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Return height and width of the images that rows and columns are the pixels of; None where only some are seen."""
    view, (rows, columns) = what_is_seen(source), source.unfolding.images if source.unfolding else (None, None)
    return (None if view.rows is not None else rows), (None if view.columns is not None else columns)


def within_view(source: Source, change: Callable[[Source], Source]) -> Source:
    """Return a source changed, or the same view of what it is a view of, changed."""
    if not isinstance(source, ViewSource):
        return change(source)
    found = ViewSource(change(source.inner), source.of_engine)
    found.take_names(source)
    return found


def refuse_beside_view(source: Source, beside: Sequence[str]) -> None:
    """Refuse what is as large as a view to lie `beside` it: a run could not be gone on with, which has but the path.

    Raises
    ------
    InputError
        There is some.
    """
    if isinstance(source, ViewSource) and beside:
        raise InputError(
            f"{source.address}: is a view already; give {' and '.join(f'{name}=' for name in beside)} of all of the "
            "data, in one call of dnmf.open_source with what is seen of it"
        )


def divided_as_fitted(source: Source, given: View, of_fit: View) -> Source:
    """Return rows for a model, their columns divided by what those of its fit were.

    Parameters
    ----------
    source : Source
        Rows with the columns of the fit.
    given, of_fit : View
        What is said of these rows already, and was of those of the fit.

    Raises
    ------
    InputError
        The rows of the fit were divided, and nothing is said of these.
    """
    if of_fit.row_scale is not None and given.row_scale is None:
        raise InputError(
            f"{source.address}: the rows of the fit were divided by row_scale=, and nothing is said of these; give "
            "theirs: dnmf.open_source(…, row_scale=…), ones where they are as those came to be"
        )
    if of_fit.column_scale is None or given.column_scale is not None:
        return source
    return seen(source, View(column_scale=of_fit.column_scale))
