"""Labels of what is given beside the data (a start, constraints, columns of W): they have to be those of the data.

Frames, series, AnnData and arrays with coordinates say which row or column each of their entries belongs to. Numbers
are taken by their places, so where the labels say otherwise they would be taken for those of another row or column.
What counts as a label, and when two are compared, is the rule of :mod:`dnmf.sources.names`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dnmf.arrays import taken_as
from dnmf.errors import InputError
from dnmf.sources.labels_of_objects import labels_of_object
from dnmf.sources.names import names_of, refuse_other_names
from dnmf.sources.opening import open_source
from dnmf.sources.presence import lies_in_a_store
from dnmf.sources.source import Source

OVER_ROWS, OVER_COLUMNS = ("row", None), (None, "column")
ALONG: dict[str, tuple[str | None, ...]] = {
    "W": OVER_ROWS, "fixed_W": OVER_ROWS, "H": OVER_COLUMNS, "fixed_H": OVER_COLUMNS, "target_H": OVER_COLUMNS,
    "graph": ("column", "column"),
}  # fmt: skip
"""What lies along the axes of each array that is given: rows or columns of the data, or (None) components."""


class Labels(NamedTuple):
    """The labels along one axis of an array that was given.

    Attributes
    ----------
    name : str
        What the array is called in messages.
    what : {"row", "column"}
        What of the data they label.
    names : ndarray of text
        The labels.
    """

    name: str
    what: str
    names: np.ndarray


def labels_of(values: Any) -> tuple[np.ndarray | None, ...]:
    """Return the labels along each axis of an object or an opened array, None where there are none.

    An array that lies in an AnnData, or in a result of dnmf, has the names that are there.
    """
    found = labels_of_object(values)
    if found or not (lies_in_a_store(values) and len(values.shape) == 2):
        return found
    try:
        source = open_source(values)
    except InputError:  # who reads its values will say what it is
        return ()
    return tuple(names_of(names_along(source, what)) for what in ("row", "column"))


def labels_given(name: str, values: Any) -> tuple[Labels, ...]:
    """Return the labels of rows and columns of the data that an array given by this name has.

    Raises
    ------
    InputError
        It does not tell them.
    """
    with taken_as("an array", name, values):
        found = labels_of(values)
    along = ALONG[name] if len(found) != 1 else [each for each in ALONG[name] if each][:1]
    pairs = zip(along, found, strict=False)  # of what has another number of axes its shape is refused
    return tuple(Labels(name, what, names) for what, names in pairs if what is not None and names is not None)


def names_along(source: Source, what: str) -> np.ndarray | None:
    """Return the names of the user's rows or columns, whichever way the source is read."""
    return source.row_names() if (what == "row") != source.transposed else source.column_names()


def refuse_labels_of_others(given: Sequence[Labels], address: str, known: Callable[[str], np.ndarray | None]) -> None:
    """Compare labels with the names of the data, and with each other.

    Parameters
    ----------
    given : sequence of Labels
        Of all that is given.
    address : str
        The data, for messages.
    known : callable
        Returns the names of the data's rows or columns; only asked for what has labels.

    Raises
    ------
    InputError
        They are not the same.
    """
    for each in given:
        refuse_other_names(f"{each.name} for {address}", each.names, known(each.what), each.what, of="the data")
    refuse_labels_that_differ(given)


def refuse_labels_that_differ(given: Sequence[Labels]) -> None:
    """Compare the labels of what is given side by side.

    Raises
    ------
    InputError
        Two are not the same.
    """
    for at, each in enumerate(given):
        for before in given[:at]:
            if before.what == each.what:
                of = before.name if before.name != each.name else "its rows"
                refuse_other_names(each.name, each.names, before.names, each.what, of=of)
