"""Data frames of an AnnData store (Zarr, .h5ad, of any version), copied column by column in AnnData's encodings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from dnmf.conversion.frames import INDEX, NUMBERS, Categorical, Column, Frame, Values
from dnmf.conversion.reading import reading
from dnmf.errors import InputError
from dnmf.sources.nodes import attribute, encoding_of, is_array, old_index
from dnmf.sources.presence import absent_object, refuse_absent
from dnmf.sources.stored import open_node, open_root

COPIED_GROUPS = {
    "categorical": ("codes", "categories"),
    "nullable-integer": ("values", "mask"),
    "nullable-boolean": ("values", "mask"),
    "nullable-string-array": ("values", "mask"),
}
COPIED_ATTRIBUTES = ("encoding-type", "encoding-version", "ordered", "na-value")
TEXT_KINDS = "OSUT"


@dataclass(frozen=True, eq=False)
class Group:
    """A column of several arrays, such as values and where they are missing, copied as it is."""

    node: Any
    parts: dict[str, Column]

    @property
    def length(self) -> int:
        """How many rows it has."""
        return next(iter(self.parts.values())).length

    def write(self, group: zarr.Group, name: str) -> None:
        """Write its arrays under the attributes that say what they are."""
        attributes = {key: _plain(attribute(self.node, key)) for key in COPIED_ATTRIBUTES if key in self.node.attrs}
        column = group.create_group(name, attributes=attributes)
        for part, values in self.parts.items():
            values.write(column, part)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def stored_frame(path: str, place: str | None, length: int) -> Frame:
    """Return the data frame `place` of a store; an empty frame where there is none.

    Raises
    ------
    InputError
        It cannot be read, or does not have `length` rows.
    """
    if place is None or place not in open_root(path):
        return Frame()
    node = open_node(path, place)
    with reading(f"{path}::{place}"):
        index = old_index(node) or attribute(node, "_index")
        if index is None:
            return Frame()
        columns = _table_columns(path, place, node) if is_array(node) else _columns(path, place, node)
    names = columns.pop(index, None)
    left = [f"{place}/{name}" for name, column in columns.items() if column is None]
    kept = {name: column for name, column in columns.items() if column is not None}
    for name, column in {index: names, **kept}.items():
        if column is not None and column.length != length:
            raise InputError(
                f"{path}::{place}/{name}: {column.length} values for {length} rows or columns; the store is damaged"
            )
    return Frame(names, kept, index if not is_array(node) else INDEX, notes=_notes(path, place, node, index, left))


def _columns(path: str, place: str, node: Any) -> dict[str, Column | None]:
    order = [name.decode() if isinstance(name, bytes) else str(name) for name in node.attrs.get("column-order", ())]
    names = [attribute(node, "_index"), *order]
    return {name: _column(path, f"{place}/{name}") for name in names if name in node}


def _column(path: str, place: str) -> Column | None:
    """Return a column as it is encoded, None where a target cannot hold it."""
    node = open_node(path, place)
    if is_array(node):
        categories = _categories_of_07(path, node)
        values = values_of(node)
        if values is None or categories is None:
            return values
        return Categorical(values, *categories)
    parts = {part: _column(path, f"{place}/{part}") for part in COPIED_GROUPS.get(encoding_of(node), ())}
    known = {part: column for part, column in parts.items() if column is not None}
    return Group(node, known) if known and len(known) == len(parts) else None


def values_of(node: Any) -> Values | None:
    """Return an opened array as values read in parts, None where a column cannot hold such."""
    if len(node.shape) != 1 or node.dtype.kind not in NUMBERS + TEXT_KINDS:
        return None
    at_once = int(node.chunks[0]) if node.chunks else 1
    return Values(int(node.shape[0]), lambda start, stop: np.asarray(node[start:stop]), at_once)


def _categories_of_07(path: str, node: Any) -> tuple[Values, bool] | None:
    """What the numbers of a column stand for, as anndata 0.7 referred to it from the column's attributes."""
    reference = attribute(node, "categories")
    if reference is None:
        return None
    categories = open_node(path, reference.strip("/")) if isinstance(reference, str) else node.file[reference]
    values = values_of(categories)
    return None if values is None else (values, bool(attribute(categories, "ordered")))


def _table_columns(path: str, place: str, node: Any) -> dict[str, Column | None]:
    """Columns of one table, as anndata wrote it before 0.7; what numbers stand for is in ``uns``."""
    columns: dict[str, Column | None] = {}
    above = place[: place.rfind("/") + 1]
    for name in node.dtype.names:
        kind = node.dtype[name].kind
        values = Values(int(node.shape[0]), _field(node, name)) if kind in NUMBERS + TEXT_KINDS else None
        categories = f"{above}uns/{name}_categories"
        if values is not None and kind in "iu" and categories in open_root(path):
            known = values_of(open_node(path, categories))
            columns[name] = values if known is None else Categorical(values, known)
        else:
            columns[name] = values
    return columns


def _field(node: Any, name: str) -> Callable[[int, int], NDArray[Any]]:
    if hasattr(node, "fields"):  # HDF5 reads one field alone
        return lambda start, stop: node.fields(name)[start:stop]
    return lambda start, stop: node[start:stop][name]


def _notes(path: str, place: str, node: Any, index: str, left: list[str]) -> tuple[str, ...]:
    notes = [f"{path}: {', '.join(left)} cannot be written and are left out"] if left else []
    if is_array(node):
        refuse_absent(node, f"{path}::{place}", " of the names")
    names = [] if is_array(node) else sorted(node)
    arrays = [(name, array) for name in names for array in _arrays(open_node(path, f"{place}/{name}"))]
    absent = [(name, array) for name, array in arrays if array.shape[0] and absent_object(array, 0, array.shape[0])]
    if any(name == index for name, _ in absent):
        raise InputError(f"{path}::{place}/{index}: a chunk of the names is missing or empty; restore the file")
    places = sorted({f"{place}/{name}" for name, _ in absent if name != index})
    if places:
        notes.append(
            f"{path}: chunks of {', '.join(places)} are not there and are taken for zeros, as Zarr leaves out chunks "
            "of nothing but zeros"
        )
    return tuple(notes)


def _arrays(column: Any) -> list[Any]:
    """Return the arrays of a column but for its mask: where nothing is masked, its chunks are not written."""
    parts = [column] if is_array(column) else [column[part] for part in column if part != "mask"]
    return [part for part in parts if is_array(part) and len(part.shape) == 1]
