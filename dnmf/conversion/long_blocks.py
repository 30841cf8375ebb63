"""Some entries of a long table: names along each axis, and values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnmf.errors import InputError


@dataclass(frozen=True)
class LongBlock:
    """Some entries in the order of the table.

    Attributes
    ----------
    keys : tuple of sequences of str
        The names along each axis: of rows and of columns, of a matrix.
    values : sequence of str or of float, or None
        None where each entry is a one.
    place : callable
        Says where an entry is, for messages.
    """

    keys: tuple[Sequence[str], ...]
    values: Any
    place: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.keys[0])

    def numbers(self) -> np.ndarray:
        """Return the values as float64.

        Raises
        ------
        InputError
            One is no number, not finite or negative; it is named with its place.
        """
        if self.values is None:
            return np.ones(len(self))
        try:
            numbers = np.fromiter(map(float, self.values), np.float64, len(self))
        except (TypeError, ValueError) as error:
            at, value = next((at, value) for at, value in enumerate(self.values) if not _is_number(value))
            raise InputError(f"{self.place(at)}: the value {value!r} is not a number") from error
        bad = ~((numbers >= 0) & (numbers < np.inf))
        if bad.any():
            at = int(np.argmax(bad))
            what = "negative" if numbers[at] < 0 else "not finite"
            raise InputError(
                f"{self.place(at)}: the value {self.values[at]} is {what}; non-negative factorization needs finite "
                "values ≥ 0"
            )
        return numbers

    def refuse_nameless(self, called: Sequence[str]) -> None:
        """Refuse an entry without a name along one of the axes, which are called so.

        Raises
        ------
        InputError
            There is one; it is named with its place.
        """
        for names, what in zip(self.keys, called, strict=True):
            if "" in names:
                raise InputError(f"{self.place(names.index(''))}: {what} is empty")


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
