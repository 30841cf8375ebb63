"""Entries of a long table in binary, by the numbers of their names: what is left of the text."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.conversion.frames import INDEX, Frame, Values
from dnmf.conversion.long_blocks import LongBlock
from dnmf.conversion.long_parquet import LongParquet
from dnmf.conversion.long_text import LongText
from dnmf.conversion.reading import reading
from dnmf.errors import InputError
from dnmf.sources.names import TEXT

MOST_NAMES = 2**32
EXACT = 2.0**53  # up to which whole numbers are exact as floats

LongTable = LongText | LongParquet


class LongEntries:
    """The entries of a table as numbers, in a file: 4 bytes for each name and 8 for the value.

    Parameters
    ----------
    table : LongText or LongParquet
        The table, which is read to its end.
    spooled : Path
        Where the file is to be.

    Attributes
    ----------
    table : LongText or LongParquet
        The table.
    count : int
        How many entries.
    are_whole : bool
        Whether all values are whole numbers.

    Raises
    ------
    InputError
        A line is no entry: it is named. Or there are none.
    """

    def __init__(self, table: LongTable, spooled: Path):
        self.table, self._spooled = table, spooled
        self.count, self.are_whole = 0, True
        axes = len(table.columns.keys)
        self._numbers = tuple(_Numbers() for _ in range(axes))
        self._entry = np.dtype([("places", "u4", (axes,)), ("value", "f8")])
        with spooled.open("wb") as file:
            for block in table.blocks():
                self._add(block).tofile(file)
        if not self.count:
            raise InputError(f"{table.path}: has no entries; copy or download it again")

    @property
    def shape(self) -> tuple[int, ...]:
        """How many names there are along each axis."""
        return tuple(map(len, self._numbers))

    @property
    def dtype(self) -> np.dtype:
        """Of the values in the blocks."""
        return np.dtype("int64" if self.are_whole else "float64")

    @property
    def target_dtype(self) -> np.dtype | None:
        """In which values are kept: None for the narrowest integer that holds them."""
        return None if self.are_whole else np.dtype("float32")

    def _add(self, block: LongBlock) -> NDArray[Any]:
        columns = self.table.columns
        block.refuse_nameless([columns.called(field) for field in columns.keys])
        entries = np.empty(len(block), self._entry)
        for axis, (numbers, names) in enumerate(zip(self._numbers, block.keys, strict=True)):
            entries["places"][:, axis] = numbers.of(names)
        entries["value"] = values = block.numbers()
        self.count += len(entries)
        self.are_whole = self.are_whole and bool((values == np.floor(values)).all() and values.max() < EXACT)
        return entries

    def blocks(self, limit: int) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Yield all entries, at most `limit` at a time: their places (entries, axes) and values."""
        with reading(self._spooled), self._spooled.open("rb") as file:
            while len(entries := np.fromfile(file, self._entry, limit)):
                yield entries["places"], entries["value"].astype(self.dtype)

    def names(self, axis: int) -> NDArray[Any]:
        """Return the names along an axis, in the order in which they appear first."""
        return np.array(list(self._numbers[axis]), TEXT)

    def frame(self, axis: int) -> Frame:
        """Return them as what is known of rows or columns, under the name of the axis."""
        columns = self.table.columns
        return Frame(
            Values.of(self.names(axis)), index_name=columns.called(columns.keys[axis]) if columns.names else INDEX
        )

    def twice(self, place: Sequence[int]) -> InputError:
        """Return the error that names a place that has several entries, and the first two lines of it."""
        columns = self.table.columns
        names = tuple(next(islice(numbers, at, None)) for numbers, at in zip(self._numbers, place, strict=True))
        both = [line for block in self.table.blocks() for line in _places_of(block, names)][:2]
        called = [f"{columns.called(field)} {name!r}" for field, name in zip(columns.keys, names, strict=True)]
        return InputError(
            f"{both[1]}: {', '.join(called[:-1])} and {called[-1]} were there before ({both[0]}); --duplicates sum "
            f"(duplicates='sum') adds such values up{columns.with_others}"
        )


class _Numbers(dict[str, int]):
    """The number of each name; a new one gets the next."""

    def __missing__(self, name: str) -> int:
        self[name] = number = len(self)
        return number

    def of(self, names: Any) -> NDArray[np.int64]:
        """Return the number of each of some names."""
        numbers = np.fromiter(map(self.__getitem__, names), np.int64, len(names))
        if len(self) > MOST_NAMES:
            raise InputError(f"a long table of more than {MOST_NAMES:,} names cannot be converted")
        return numbers


def _places_of(block: LongBlock, names: tuple[str, ...]) -> list[str]:
    return [block.place(at) for at, found in enumerate(zip(*block.keys, strict=True)) if found == names]
