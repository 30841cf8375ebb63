"""Which columns of a long table say where an entry is, of a matrix or of an array of more axes, and which its value."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dnmf.arguments import is_whole, shown
from dnmf.errors import InputError

OF_ROWS = "user|customer|reviewer|member|visitor|session|playlist|document|doc|cell|barcode|sample"
OF_COLUMNS = "item|movie|film|product|track|song|artist|book|business|term|word|token|gene|feature"
OF_VALUES = "rating|score|stars|value|count|weight|plays|quantity|frequency|n"
MOST_SHOWN, MOST_LETTERS = 12, 40
MATRIX = 2  # axes


class Named(NamedTuple):
    """The columns that somebody named, or numbered: those of the names along each axis, and that of the values.

    The last is None where each line is a one.
    """

    keys: tuple[str | int, ...]
    value: str | int | None = None

    @property
    def all(self) -> tuple[str | int, ...]:
        """All of them, in this order."""
        return self.keys if self.value is None else (*self.keys, self.value)


Asked = Named | None  # None where nobody said which


@dataclass(frozen=True)
class LongColumns:
    """Where in a line of a long table an entry is.

    Attributes
    ----------
    keys : tuple of int
        Which fields name its place along each axis: its row and its column, of a matrix.
    value : int or None
        Which is its value; None where each line is a one.
    names : tuple of str
        What the fields are called; empty where that is not known.
    """

    keys: tuple[int, ...]
    value: int | None = None
    names: tuple[str, ...] = ()

    @property
    def wanted(self) -> list[int]:
        """The fields that are read: those of the names, and of the value where there is one."""
        return [*self.keys, *([] if self.value is None else [self.value])]

    @property
    def axes(self) -> tuple[str, ...]:
        """What the axes are called, by the fields; empty where that is not known."""
        return tuple(self.names[at] for at in self.keys) if self.names else ()

    @property
    def with_others(self) -> str:
        """What else to ask for where a column that is not read may tell entries apart; empty where all are read."""
        left = [at for at in range(len(self.names)) if at not in self.wanted]
        if not left:
            return ""
        value = "" if self.value is None else self.names[self.value]
        columns = ",".join([*(self.names[at] for at in [*self.keys, left[0]]), value])
        return (
            f"; {self.names[left[0]]} is left out, --long {shlex.quote(columns)} --row-axes longest makes an array of "
            "more axes with it"
        )

    def called(self, field: int) -> str:
        """Return what a field is called; its number where that is not known."""
        return self.names[field] if self.names else f"field {field}"


def parse_long(long: Any) -> Asked:
    """Return the columns that a caller asked for, by name or number; None where none were.

    Two are those of the names of rows and of columns; of three or more the last is that of the values, and nothing
    after a last comma (or None) where each line is a one.

    Raises
    ------
    InputError
        They are fewer than two, not all are names or numbers, or one is there twice.

    Examples
    --------
    >>> parse_long("user,item,rating")
    Named(keys=('user', 'item'), value='rating')
    >>> parse_long("user,item,month,"), parse_long((0, 1))
    (Named(keys=('user', 'item', 'month'), value=None), Named(keys=(0, 1), value=None))
    """
    if long is None:
        return None
    parts = long.split(",") if isinstance(long, str) else long
    if isinstance(parts, Sequence):
        keys, last = _stripped(parts[:MATRIX] if len(parts) <= MATRIX else parts[:-1]), _stripped(parts[MATRIX:][-1:])
        value = last[0] if last and last != ("",) else None
        found = Named(keys, value)
        if len(keys) >= MATRIX and "" not in keys and len(set(found.all)) == len(found.all):
            return found
    raise InputError(
        f"long={shown(long)}: give two or three columns: of the names of rows, of those of columns, and of values "
        "(--long user,item,rating); of an array of more axes one for each, and that of the values last (--long "
        "user,item,month,plays; nothing after the last comma where each line is a one)"
    )


def _stripped(parts: Sequence[Any]) -> tuple[str | int, ...]:
    return tuple("" if part is None else int(part) if is_whole(part) else str(part).strip() for part in parts)


def asked_columns(fields: Sequence[str], asked: Named) -> LongColumns | None:
    """Return where the columns that were asked for are in a header, or by number in any line; None if not in this one.

    Examples
    --------
    >>> asked_columns(["time", "user", "item"], Named(("user", "item")))
    LongColumns(keys=(1, 2), value=None, names=('time', 'user', 'item'))
    >>> asked_columns(["7", "3", "4.5"], Named(("0", "1"), "2"))
    LongColumns(keys=(0, 1), value=2, names=())
    """
    count = len(asked.keys)
    if all(name in fields for name in asked.all):
        return _at([fields.index(str(name)) for name in asked.all], count, tuple(fields))
    numbers = [int(name) for name in asked.all if str(name).isdecimal()]
    if len(numbers) == len(asked.all) and max(numbers) < len(fields):
        return _at(numbers, count, ())
    return None


def found_columns(header: Sequence[str]) -> LongColumns | None:
    """Return where the columns of a long table are, told by what its header calls them; None where that does not tell.

    Examples
    --------
    >>> found_columns(["userId", "movieId", "rating", "timestamp"])
    LongColumns(keys=(0, 1), value=2, names=('userId', 'movieId', 'rating', 'timestamp'))
    >>> found_columns(["item", "user"])
    LongColumns(keys=(1, 0), value=None, names=('item', 'user'))
    >>> found_columns(["user", "item", "time"]) is None
    True
    """
    rows, columns, values = (_called(header, words) for words in (OF_ROWS, OF_COLUMNS, OF_VALUES))
    if len(rows) != 1 or len(columns) != 1 or len(values) > 1 or (not values and len(header) > 2):
        return None
    return _at([*rows, *columns, *values], MATRIX, tuple(header))


def _at(numbers: list[int], keys: int, names: tuple[str, ...]) -> LongColumns:
    """The columns at these numbers, of which so many are those of names."""
    return LongColumns(tuple(numbers[:keys]), numbers[keys] if len(numbers) > keys else None, names)


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
    wanted = ", ".join(str(name) for name in asked.all if name not in fields)
    return InputError(f"{address}: there is no column {wanted}; its first line is: {there}")
