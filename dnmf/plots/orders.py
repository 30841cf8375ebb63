"""Whether names say in which order their columns (or rows) belong: then a profile along them means something."""

import numpy as np

from dnmf.sources.label_values import values_of
from dnmf.sources.names import names_to_show


def is_ordered(names: np.ndarray | None) -> bool:
    """Whether entries have an order: they have no names, or numbers, dates or coordinates that rise or fall.

    Spans of time are as numbers are. Coordinates are numbers in brackets, as a stacked array has them, the first of
    which rises or falls. Any other text is a word, whatever order it stands in.

    Examples
    --------
    >>> from dnmf.sources.names import names_of
    >>> is_ordered(None), is_ordered(names_of([400.5, 401, 401.5])), is_ordered(names_of(["apple", "bread"]))
    (True, True, False)
    """
    shown = names_to_show(names)
    if shown is None or not len(shown):
        return True
    values = values_of(shown)
    values = _first_coordinates(shown) if values is None else values
    return values is not None and bool((values[:-1] <= values[1:]).all() or (values[:-1] >= values[1:]).all())


def _first_coordinates(names: np.ndarray) -> np.ndarray | None:
    """The first of the numbers in brackets of each name; None where one has none."""
    found = []
    for name in names:
        inside = str(name).strip()
        parts = [part for part in inside[1:-1].split(",") if part.strip()]
        numbers = values_of(parts) if inside[:1] + inside[-1:] in ("()", "[]") else None
        if numbers is None or numbers.dtype.kind not in "if":
            return None
        found.append(float(numbers[0]))
    return np.array(found)
