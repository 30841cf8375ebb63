"""Long tables in text: CSV, TSV and the like, read line by line."""

import csv
from collections.abc import Iterable, Iterator
from io import StringIO, TextIOWrapper
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from dnmf.conversion.long_blocks import LongBlock
from dnmf.conversion.long_columns import Asked, LongColumns, asked_columns, found_columns, no_such_columns
from dnmf.conversion.reading import reading
from dnmf.errors import InputError
from dnmf.sources.contents import open_decompressed
from dnmf.sources.name_files import LONGEST_LINE, encoding_of

SEPARATORS = ("\t", ",", ";", "|", " ")
LINES_AT_ONCE, LETTERS_AT_ONCE = 8192, 2**20
SHOWN_LETTERS = 80


class LongText:
    """A long table in a text file.

    Parameters
    ----------
    path : Path
        Compressed or not.
    asked : tuple or None
        Its columns, by name or number; None to tell them by what the header calls them.

    Attributes
    ----------
    columns : LongColumns
        Where entries are in a line.

    Raises
    ------
    InputError
        The columns are not there, or it cannot be read.
    """

    def __init__(self, path: Path, asked: Asked):
        self.path = path
        first = _first_line(path)
        self._separator, self.columns = _looks(path, first, asked)
        self._width = len(_fields(first, self._separator))
        self._has_header = bool(self.columns.names) or not self._is_entry(_fields(first, self._separator))

    def _is_entry(self, fields: list[str]) -> bool:
        """Whether a line that nobody said is the header holds an entry: its value is a number, or it has none."""
        return self.columns.value is None or _is_number(fields[self.columns.value])

    def blocks(self) -> Iterator[LongBlock]:
        """Yield the entries, some lines at a time.

        Raises
        ------
        InputError
            A line is not like the others, or its value is no finite number, or negative: it is named.
        """
        header, line = self._has_header, 1
        with _opened(self.path) as text:
            lines = chain.from_iterable(StringIO(piece, newline="\n") for piece in _pieces(self.path, text))
            reader = _reader(lines, self._separator)
            while some := _some_records(self.path, reader):
                kept = [at for at, fields in enumerate(some) if fields]
                if header and kept:
                    kept, header = kept[1:], False
                if kept:
                    yield self._block(some, kept, line)
                line = reader.line_num + 1

    def _block(self, records: list[list[str]], kept: list[int], line: int) -> LongBlock:
        def place(at: int) -> str:
            return f"{self.path}: line {line + sum(map(_lines_of, records[: kept[at]]))}"

        entries = records if len(kept) == len(records) else [records[at] for at in kept]
        if set(map(len, entries)) != {self._width}:
            at = next(at for at, fields in enumerate(entries) if len(fields) != self._width)
            found = f"{_shown(entries[at])} has {len(entries[at])} fields, the first line has {self._width}"
            raise InputError(f"{place(at)}: {found}")
        parts = [list(map(itemgetter(field), entries)) for field in self.columns.wanted]
        axes = len(self.columns.keys)
        return LongBlock(tuple(parts[:axes]), parts[axes] if len(parts) > axes else None, place)


def is_long_text(first: str) -> bool:
    """Whether the first line of a text is the header of a long table, by what it calls its columns.

    Examples
    --------
    >>> is_long_text("userId,movieId,rating"), is_long_text("gene,cell_1,cell_2")
    (True, False)
    """
    return any(found_columns(_fields(first, separator)) for separator in SEPARATORS)


def _looks(path: Path, first: str, asked: Asked) -> tuple[str, LongColumns]:
    """What separates the fields of a line, and where the columns are."""
    split = {separator: _fields(first, separator) for separator in SEPARATORS}
    each = {separator: found_columns(fields) if asked is None else asked_columns(fields, asked)
            for separator, fields in split.items()}  # fmt: skip
    known = {separator: columns for separator, columns in each.items() if columns is not None}
    best = max(known or split, key=lambda separator: len(split[separator]))
    if not known:
        raise no_such_columns(path, split[best], asked)
    return best, known[best]


def _reader(lines: Iterable[str], separator: str) -> Any:
    """What splits lines; a quote that is not closed is an error, not the rest of the file."""
    return csv.reader(lines, delimiter=separator, skipinitialspace=separator != " ", strict=True)


def _fields(line: str, separator: str) -> list[str]:
    try:
        fields: list[str] = next(_reader([line], separator), [])
    except csv.Error:
        return [line]
    return [field.strip() for field in fields]


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _opened(path: Path) -> TextIOWrapper:
    with reading(path):
        file = open_decompressed(path)
        return TextIOWrapper(file, encoding_of(file), newline="")


def _first_line(path: Path) -> str:
    with _opened(path) as text:
        lines = chain.from_iterable(map(StringIO, _pieces(path, text)))
        return next((line for line in lines if line.strip()), "").rstrip("\r\n")


def _pieces(path: Path, text: TextIOWrapper) -> Iterator[str]:
    """Whole lines, about a million letters of them at a time."""
    begun = ""
    while piece := _read(path, text):
        cut = piece.rfind("\n") + 1
        if cut:
            yield begun + piece[:cut]
            begun = ""
        begun += piece[cut:]
        if len(begun) > LONGEST_LINE:
            raise InputError(f"{path}: a line is longer than {LONGEST_LINE:,} letters; this is no long table")
    if begun:
        yield begun


def _read(path: Path, text: TextIOWrapper) -> str:
    try:
        with reading(path):
            return text.read(LETTERS_AT_ONCE)
    except InputError as error:
        cause = error.__cause__
        if isinstance(cause, UnicodeDecodeError):
            raise InputError(
                f"{path}: is not {cause.encoding.upper()} ({cause.reason}); write it anew: iconv -f LATIN1 -t UTF-8"
            ) from cause
        raise


def _some_records(path: Path, reader: Any) -> list[list[str]]:
    try:
        return list(islice(reader, LINES_AT_ONCE))
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: cannot be read ({error})") from error


def _lines_of(fields: list[str]) -> int:
    """How many lines a record takes: those that are quoted may go on."""
    return 1 + sum(field.count("\n") for field in fields)


def _shown(fields: list[str]) -> str:
    text = ", ".join(fields)
    return repr(text[:SHOWN_LETTERS] + "…" * (len(text) > SHOWN_LETTERS))
