"""Long tables, a line for each entry of a matrix: names become numbers, and entries are spooled in binary."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.conversion.frames import INDEX, Frame, Values
from dnmf.conversion.long_blocks import LongBlock
from dnmf.conversion.long_columns import Asked, LongColumns
from dnmf.conversion.long_parquet import LongParquet, is_long_parquet
from dnmf.conversion.long_text import LongText, is_long_text
from dnmf.conversion.reading import reading
from dnmf.conversion.streams import Triplets, TripletStream
from dnmf.errors import InputError
from dnmf.sources.contents import contents_of
from dnmf.sources.formats import NO_TABLE, PARQUET, TABLE, Format
from dnmf.sources.names import TEXT

DUPLICATES = ("refuse", "sum")
LONG = (TABLE, NO_TABLE, PARQUET)
ENTRY = np.dtype([("row", "u4"), ("column", "u4"), ("value", "f8")])
MOST_NAMES = 2**32
EXACT = 2.0**53  # up to which whole numbers are exact as floats

LongTable = LongText | LongParquet


def is_long(found: Format, path: Path) -> bool:
    """Whether a file is a long table by what its columns are called."""
    if found in (TABLE, NO_TABLE):
        lines = contents_of(path).text.decode("utf-8-sig", "replace").splitlines()
        return is_long_text(next((line for line in lines if line.strip()), ""))
    return found is PARQUET and is_long_parquet(path)


def open_long_table(found: Format, path: Path, asked: Asked, spool: Path, *, duplicates: str) -> TripletStream:
    """Return the matrix in a long table: rows and columns in the order in which their names appear first.

    Whole numbers are kept as the narrowest integer that holds them, others as float32. Values of 0 are entries too.

    Parameters
    ----------
    found : Format
        What the file is.
    path : Path
        The file.
    asked : tuple or None
        Which columns of the table name rows and columns, and hold values.
    spool : Path
        For the entries: 16 bytes each.
    duplicates : {"refuse", "sum"}
        What becomes of values of the same cell.

    Raises
    ------
    InputError
        The file cannot be read or has no such columns; a line that is no entry is named.
    """
    table = LongParquet(path, asked) if found is PARQUET else LongText(path, asked)
    entries = _Entries(table, spool / "entries")
    columns, implicit = table.columns, table.columns.value is None
    return TripletStream(
        address=str(path),
        shape=(len(entries.rows), len(entries.columns)),
        dtype=np.dtype("int64" if entries.are_whole else "float64"),
        target_dtype=None if entries.are_whole else np.dtype("float32"),
        rows=_frame(entries.rows, columns, columns.row),
        columns=_frame(entries.columns, columns, columns.column),
        notes=() if asked else (_taken_for_long(path, columns),),
        stored=entries.count,
        blocks=entries.blocks,
        keeps_zeros=not implicit,
        twice=entries.twice if duplicates == "refuse" else None,
    )


def _taken_for_long(path: Path, columns: LongColumns) -> str:
    values = "ones" if columns.value is None else f"values from {columns.called(columns.value)}"
    row, column = columns.called(columns.row), columns.called(columns.column)
    return f"{path}: read as a long table, rows from {row}, columns from {column}, {values}; --long says it otherwise"


def _frame(numbers: dict[str, int], columns: LongColumns, field: int) -> Frame:
    names = np.array(list(numbers), TEXT)
    return Frame(Values.of(names), index_name=columns.called(field) if columns.names else INDEX)


class _Entries:
    """The entries of a table as numbers, in a file.

    Attributes
    ----------
    rows, columns : dict of str to int
        The number of each name.
    count : int
        How many entries.
    are_whole : bool
        Whether all values are whole numbers.
    """

    def __init__(self, table: LongTable, spooled: Path):
        self._table, self._spooled = table, spooled
        self.rows, self.columns = _Numbers(), _Numbers()
        self.count, self.are_whole = 0, True
        with spooled.open("wb") as file:
            for block in table.blocks():
                self._add(block).tofile(file)
        if not self.count:
            raise InputError(f"{table.path}: has no entries; copy or download it again")

    def _add(self, block: LongBlock) -> np.ndarray:
        of_table = self._table.columns
        block.refuse_nameless(of_table.called(of_table.row), of_table.called(of_table.column))
        entries = np.empty(len(block.rows), ENTRY)
        entries["row"] = self.rows.of(block.rows)
        entries["column"] = self.columns.of(block.columns)
        entries["value"] = values = block.numbers()
        self.count += len(entries)
        self.are_whole = self.are_whole and bool((values == np.floor(values)).all() and values.max() < EXACT)
        return entries

    def blocks(self, limit: int) -> Iterator[Triplets]:
        """Yield all entries, at most `limit` at a time."""
        dtype = np.int64 if self.are_whole else np.float64
        with reading(self._spooled), self._spooled.open("rb") as file:
            while len(entries := np.fromfile(file, ENTRY, limit)):
                yield Triplets(entries["row"], entries["column"], entries["value"].astype(dtype))

    def twice(self, row: int, column: int) -> InputError:
        """Return the error that names a cell that has several entries, and the first two lines of it."""
        names = next(islice(self.rows, row, None)), next(islice(self.columns, column, None))
        both = [place for block in self._table.blocks() for place in _places_of(block, names)][:2]
        of_table = self._table.columns
        row_is, column_is = of_table.called(of_table.row), of_table.called(of_table.column)
        return InputError(
            f"{both[1]}: {row_is} {names[0]!r} and {column_is} {names[1]!r} were there before ({both[0]}); "
            "--duplicates sum (duplicates='sum') adds such values up"
        )


class _Numbers(dict[str, int]):
    """The number of each name; a new one gets the next."""

    def __missing__(self, name: str) -> int:
        self[name] = number = len(self)
        return number

    def of(self, names: Any) -> np.ndarray:
        """Return the number of each of some names."""
        numbers = np.fromiter(map(self.__getitem__, names), np.int64, len(names))
        if len(self) > MOST_NAMES:
            raise InputError(f"a long table of more than {MOST_NAMES:,} names cannot be converted")
        return numbers


def _places_of(block: LongBlock, names: tuple[str, str]) -> list[str]:
    return [block.place(at) for at, pair in enumerate(zip(block.rows, block.columns, strict=True)) if pair == names]
