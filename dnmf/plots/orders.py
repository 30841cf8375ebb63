"""Whether names say in which order their columns (or rows) belong: then a profile along them means something."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from dnmf.sources.names import names_to_show


def is_ordered(names: np.ndarray | None) -> bool:
    """Whether entries have an order: they have no names, or numbers, dates or coordinates that rise or fall.

    Coordinates are numbers in brackets, as a stacked array has them, the first of which rises or falls. Any other text
    is a word, whatever order it stands in.

    Examples
    --------
    >>> from dnmf.sources.names import names_of
    >>> is_ordered(None), is_ordered(names_of([400.5, 401, 401.5])), is_ordered(names_of(["apple", "bread"]))
    (True, True, False)
    """
    shown = names_to_show(names)
    if shown is None or not len(shown):
        return True
    read = next((read for read in (_number, _date, _coordinates) if read(shown[0]) is not None), None)
    return read is not None and _rise_or_fall([str(name) for name in shown], read)


def _rise_or_fall(names: list[str], read: Callable[[str], Any]) -> bool:
    values = [read(name) for name in names]
    if any(value is None for value in values):
        return False
    return all(a <= b for a, b in pairwise(values)) or all(a >= b for a, b in pairwise(values))


def _number(name: str) -> float | None:
    try:
        value = float(name)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _date(name: str) -> np.datetime64 | None:
    if not name[:4].isdigit():  # numpy takes "now" and "today" too
        return None
    try:
        value = np.datetime64(name)
    except ValueError:
        return None
    return None if np.isnat(value) else value


def _coordinates(name: str) -> float | None:
    inside = name.strip()
    if inside[:1] + inside[-1:] not in ("()", "[]"):
        return None
    numbers = [_number(part) for part in inside[1:-1].split(",") if part.strip()]
    return numbers[0] if numbers and None not in numbers else None
