"""Long tables, a line for each entry of a matrix or of an array of more axes: names become numbers."""

from pathlib import Path
from typing import Any

from dnmf.conversion.long_arrays import open_long_array
from dnmf.conversion.long_columns import MATRIX, Asked, LongColumns
from dnmf.conversion.long_entries import LongEntries, LongTable
from dnmf.conversion.long_parquet import LongParquet, is_long_parquet
from dnmf.conversion.long_text import LongText, is_long_text
from dnmf.conversion.streams import Triplets, TripletStream
from dnmf.errors import InputError
from dnmf.sources.contents import contents_of
from dnmf.sources.formats import NO_TABLE, PARQUET, TABLE, Format

DUPLICATES = ("refuse", "sum")
LONG = (TABLE, NO_TABLE, PARQUET)


def is_long(found: Format, path: Path) -> bool:
    """Whether a file is a long table by what its columns are called."""
    if found in (TABLE, NO_TABLE):
        lines = contents_of(path).text.decode("utf-8-sig", "replace").splitlines()
        return is_long_text(next((line for line in lines if line.strip()), ""))
    return found is PARQUET and is_long_parquet(path)


def open_long_table(
    found: Format, path: Path, asked: Asked, spool: Path, *, duplicates: str, row_axes: Any = None
) -> TripletStream:
    """Return the matrix in a long table: rows and columns in the order in which their names appear first.

    Whole numbers are kept as the narrowest integer that holds them, others as float32. Values of 0 are entries too.

    Parameters
    ----------
    found : Format
        What the file is.
    path : Path
        The file.
    asked : Named or None
        Which columns of the table name rows and columns (or the places along more axes), and hold values.
    spool : Path
        For the entries: 4 bytes for each name and 8 for the value.
    duplicates : {"refuse", "sum"}
        What becomes of values of the same cell.
    row_axes : int, str, or sequence of these, optional
        Of a table with three and more columns of names, those that make the rows; see :func:`open_long_array`.

    Raises
    ------
    InputError
        The file cannot be read or has no such columns; a line that is no entry is named; axes are said of a matrix.
    """
    table = LongParquet(path, asked) if found is PARQUET else LongText(path, asked)
    adds_up = duplicates == "sum"
    if len(table.columns.keys) > MATRIX:
        return open_long_array(table, spool, row_axes, adds_up=adds_up)
    if row_axes is not None:
        raise InputError(_no_more_axes(path, table.columns))
    return _matrix(table, spool, adds_up=adds_up, notes=() if asked else (_taken_for_long(path, table.columns),))


def _matrix(table: LongTable, spool: Path, *, adds_up: bool, notes: tuple[str, ...]) -> TripletStream:
    entries = LongEntries(table, spool / "entries")
    rows, columns = entries.shape
    return TripletStream(
        address=str(table.path), shape=(rows, columns), dtype=entries.dtype, target_dtype=entries.target_dtype,
        rows=entries.frame(0), columns=entries.frame(1), notes=notes, stored=entries.count,
        blocks=lambda limit: (Triplets(places[:, 0], places[:, 1], x) for places, x in entries.blocks(limit)),
        keeps_zeros=table.columns.value is not None, twice=None if adds_up else lambda *cell: entries.twice(cell),
    )  # fmt: skip


def _no_more_axes(path: Path, columns: LongColumns) -> str:
    called = [columns.called(field) for field in columns.keys]
    return (
        f"{path}: read as a matrix, rows from {called[0]}, columns from {called[1]}: leave row_axes (--row-axes) out; "
        "for an array of more axes name the column of each, and that of the values last: --long user,item,month,plays "
        "(nothing after the last comma where each line is a one)"
    )


def _taken_for_long(path: Path, columns: LongColumns) -> str:
    values = "ones" if columns.value is None else f"values from {columns.called(columns.value)}"
    row, column = map(columns.called, columns.keys)
    return f"{path}: read as a long table, rows from {row}, columns from {column}, {values}; --long says it otherwise"
