"""What is known of the rows and columns of a matrix: names, and columns of values, written some rows at a time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import zarr
from numpy.typing import NDArray

from dnmf.conversion.target_arrays import create_array, encoding

TEXT = np.dtypes.StringDType()
NUMBERS = "biufc"
NAMES_PER_CHUNK = 16384
NUMBERS_PER_CHUNK = 2**17
INDEX = "_index"


class Column(Protocol):
    """A value for each row of a frame, in one of AnnData's encodings."""

    @property
    def length(self) -> int:
        """How many rows it has."""

    def write(self, group: zarr.Group, name: str) -> None:
        """Write it as `name` in `group`."""


@dataclass(frozen=True, eq=False)
class Values:
    """Text, numbers or truth values, read some at a time.

    Attributes
    ----------
    length : int
        How many.
    read : callable
        ``read(start, stop)`` returns some of them.
    at_once : int
        How many are decoded together where they lie.
    """

    length: int
    read: Callable[[int, int], NDArray[Any]]
    at_once: int = 1

    @classmethod
    def of(cls, values: NDArray[Any]) -> "Values":
        """Values that are in memory."""
        return cls(len(values), lambda start, stop: values[start:stop])

    def write(self, group: zarr.Group, name: str) -> None:
        """Write them in whole chunks."""
        is_text = self.read(0, min(1, self.length)).dtype.kind not in NUMBERS
        chunk = min(NAMES_PER_CHUNK if is_text else NUMBERS_PER_CHUNK, max(self.length, 1))
        dtype = str if is_text else self.read(0, min(1, self.length)).dtype.newbyteorder("=")
        kind = encoding("string-array" if is_text else "array")
        array = create_array(group, name, (self.length,), (chunk,), dtype, **kind)
        step = -(-self.at_once // chunk) * chunk
        for start in range(0, self.length, step):
            some = self.read(start, min(start + step, self.length))
            array[start : start + len(some)] = as_text(some) if is_text else some


def as_text(values: NDArray[Any]) -> NDArray[Any]:
    """Return values as text of variable width; bytes are UTF-8."""
    if values.dtype.kind in "UT":
        return values.astype(TEXT)
    return np.array([_text(value) for value in values.tolist()], TEXT)


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


@dataclass(frozen=True, eq=False)
class Categorical:
    """Values out of a few, by their numbers; -1 is a missing one."""

    codes: Values
    categories: Values
    ordered: bool = False

    @property
    def length(self) -> int:
        """How many."""
        return self.codes.length

    def write(self, group: zarr.Group, name: str) -> None:
        """Write the numbers and what they stand for."""
        column = group.create_group(name, attributes=encoding("categorical", ordered=self.ordered))
        self.codes.write(column, "codes")
        self.categories.write(column, "categories")


@dataclass(frozen=True, eq=False)
class Frame:
    """The rows (or the columns) of a matrix.

    Attributes
    ----------
    names : Column or None
        None where they have no names.
    columns : mapping of str to Column
        What else is known of each.
    index_name : str
        What the names are called.
    feature_types : ndarray of str or None
        Of the features of a 10x matrix.
    notes : tuple of str
        What is not carried over, in a sentence each.
    """

    names: Column | None = None
    columns: Mapping[str, Column] = field(default_factory=dict)
    index_name: str = INDEX
    feature_types: NDArray[Any] | None = None
    notes: tuple[str, ...] = ()

    def write(self, root: zarr.Group, name: str, length: int) -> None:
        """Write the frame as anndata reads it; without names the rows are numbered from 0, which counts as none."""
        names = self.names or Values(length, lambda start, stop: np.arange(start, stop).astype(TEXT))
        attributes = encoding("dataframe", _index=self.index_name, **{"column-order": list(self.columns)})
        frame = root.create_group(name, attributes=attributes)
        names.write(frame, self.index_name)
        for column, values in self.columns.items():
            values.write(frame, column)

    def renamed(self, names: NDArray[Any]) -> "Frame":
        """The same frame under other names."""
        return replace(self, names=Values.of(names), index_name=INDEX)

    def selected(self, keep: NDArray[np.bool_]) -> "Frame":
        """The rows of the frame where `keep` is true."""
        return replace(
            self,
            names=None if self.names is None else _selected(self.names, keep),
            columns={name: _selected(column, keep) for name, column in self.columns.items()},
            feature_types=None if self.feature_types is None else self.feature_types[keep],
        )


def _selected(column: Column, keep: NDArray[np.bool_]) -> Values:
    assert isinstance(column, Values), "only features of 10x are selected, and these are values"
    return Values.of(column.read(0, column.length)[keep])
