"""Which columns of a long table name the row, the column and the value of an entry of a matrix."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dnmf.arguments import is_whole, shown
from dnmf.errors import InputError

OF_ROWS = "user|customer|reviewer|member|visitor|session|playlist|document|doc|cell|barcode|sample"
OF_COLUMNS = "item|movie|film|product|track|song|artist|book|business|term|word|token|gene|feature"
OF_VALUES = "rating|score|stars|value|count|weight|plays|quantity|frequency|n"
Asked = tuple[str | int, ...] | None  # columns by name or number; None where nobody said which
MOST_SHOWN, MOST_LETTERS = 12, 40


@dataclass(frozen=True)
class LongColumns:
    """Where in a line of a long table an entry is.

    Attributes
    ----------
    row, column : int
        Which fields name its row and its column.
    value : int or None
        Which is its value; None where each line is a one.
    names : tuple of str
        What the fields are called; empty where that is not known.
    """

    row: int
    column: int
    value: int | None = None
    names: tuple[str, ...] = ()

    @property
    def wanted(self) -> list[int]:
        """The fields that are read."""
        return [at for at in (self.row, self.column, self.value) if at is not None]

    def called(self, field: int) -> str:
        """Return what a field is called; its number where that is not known."""
        return self.names[field] if self.names else f"field {field}"


def parse_long(long: Any) -> Asked:
    """Return the columns that a caller asked for, by name or number; None where none were.

    Raises
    ------
    InputError
        They are not two or three different names or numbers.
    """
    if long is None:
        return None
    parts = long.split(",") if isinstance(long, str) else long
    if not isinstance(parts, Sequence) or len(parts) not in (2, 3) or len(set(parts)) < len(parts):
        raise InputError(
            f"long={shown(long)}: give two or three columns: of the names of rows, of those of columns, and of values "
            "(--long user,item,rating)"
        )
    return tuple(int(part) if is_whole(part) else str(part).strip() for part in parts)


def asked_columns(fields: Sequence[str], asked: tuple[str | int, ...]) -> LongColumns | None:
    """Return where the columns that were asked for are in a header, or by number in any line; None if not in this one.

    Examples
    --------
    >>> asked_columns(["time", "user", "item"], ("user", "item"))
    LongColumns(row=1, column=2, value=None, names=('time', 'user', 'item'))
    >>> asked_columns(["7", "3", "4.5"], ("0", "1", "2"))
    LongColumns(row=0, column=1, value=2, names=())
    """
    if all(name in fields for name in asked):
        return _at([fields.index(str(name)) for name in asked], tuple(fields))
    numbers = [int(name) for name in asked if str(name).isdecimal()]
    if len(numbers) == len(asked) and max(numbers) < len(fields):
        return _at(numbers, ())
    return None


def found_columns(header: Sequence[str]) -> LongColumns | None:
    """Return where the columns of a long table are, told by what its header calls them; None where that does not tell.

    Examples
    --------
    >>> found_columns(["userId", "movieId", "rating", "timestamp"])
    LongColumns(row=0, column=1, value=2, names=('userId', 'movieId', 'rating', 'timestamp'))
    >>> found_columns(["item", "user"])
    LongColumns(row=1, column=0, value=None, names=('item', 'user'))
    >>> found_columns(["user", "item", "time"]) is None
    True
    """
    rows, columns, values = (_called(header, words) for words in (OF_ROWS, OF_COLUMNS, OF_VALUES))
    if len(rows) != 1 or len(columns) != 1 or len(values) > 1 or (not values and len(header) > 2):
        return None
    return _at([*rows, *columns, *values], tuple(header))


def _at(numbers: list[int], names: tuple[str, ...]) -> LongColumns:
    row, column, *value = numbers
    return LongColumns(row, column, value[0] if value else None, names)


def _called(header: Sequence[str], words: str) -> list[int]:
    name = re.compile(rf"({words})s?[ _.-]?(id|name|index|number|no)?", re.IGNORECASE)
    return [at for at, field in enumerate(header) if name.fullmatch(field)]


def no_such_columns(address: object, fields: Sequence[str], asked: Asked) -> InputError:
    """Return the error that says which columns there are."""
    there = ", ".join(field[:MOST_LETTERS] for field in fields[:MOST_SHOWN]) + ", …" * (len(fields) > MOST_SHOWN)
    if asked is None:
        return InputError(
            f"{address}: its columns are not called as those of a long table are ({there}); say which are the names of "
            "rows, those of columns, and values: --long user,item,rating, long=(…), or their numbers from 0"
        )
    wanted = ", ".join(str(name) for name in asked if name not in fields)
    return InputError(f"{address}: there is no column {wanted}; its first line is: {there}")
