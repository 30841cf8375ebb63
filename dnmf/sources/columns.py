"""The columns of a fit among those of other data: found by name."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.sources.names import is_count, names_of
from dnmf.sources.source import Source
from dnmf.sources.views import View, seen

MOST_NAMED = 5  # missing columns, in a message


def with_columns(source: Source, wanted: np.ndarray | None) -> Source:
    """Return a source of rows with the columns of these names, in this order.

    Raises
    ------
    InputError
        As :func:`places_of_names` says.
    """
    places = places_of_names(source, wanted)
    return source if np.array_equal(places, np.arange(source.shape[1])) else seen(source, View(columns=places))


def places_of_names(source: Source, wanted: np.ndarray | None) -> np.ndarray:
    """Return which columns of a source have these names, in this order.

    Raises
    ------
    InputError
        One side has no names, both have numbers for them, a name is not there, or it is there more than once.
    """
    found = source.column_names()
    if found is None or wanted is None:
        where = "the fit" if wanted is None else source.address
        raise InputError(f"{where}: its columns have no names to match; give them with column_names= (--columns FILE)")
    return places_among(source.address, found, wanted)


def places_among(
    address: str,
    found: np.ndarray,
    wanted: np.ndarray,
    what: str = "columns",
    remedy: str = "give names with column_names= (--columns FILE)",
) -> np.ndarray:
    """Return where among the names `found` those wanted are, of columns or what else they are called.

    Raises
    ------
    InputError
        One is not there, or is there more than once, or both are numbers of places of which there are not as many; the
        message ends with the `remedy`.

    Examples
    --------
    >>> places_among("data", np.array(["b", "c", "a"]), np.array(["a", "b"])).tolist()
    [2, 0]
    """
    if np.array_equal(found, wanted):
        return np.arange(len(found))
    if is_count(found) and is_count(wanted):  # the first need not be those of the fit
        raise InputError(
            f"{address}: its {len(found):,} {what} and the {len(wanted):,} of the fit are only numbered, which does "
            f"not say which are meant; {remedy}"
        )
    names, places = wanted.tolist(), {name: place for place, name in enumerate(reversed(found.tolist()), 1)}
    missing = [name for name in names if name not in places]
    if missing:
        raise InputError(
            f"{address}: {len(missing):,} of the {len(names):,} {what} of the fit are not among its "
            f"{len(found):,}: {_some(missing)}"
        )
    wanted_once = set(names)
    again = twice(names) or twice([name for name in found.tolist() if name in wanted_once])
    if again:
        raise InputError(f"{address}: {what} cannot be matched by names that are there twice: {_some(again)}")
    return len(found) - np.array([places[name] for name in names])


def way_to_match(found: Any, wanted: Any) -> str:
    """Return the end of a message on columns that are not those of a fit: whether they can be found by name.

    Examples
    --------
    >>> way_to_match(["b", "a", "c"], ["a", "b"])
    "; all names of the fit are among them: columns='match' (--columns-match) finds them by name"
    >>> way_to_match(["b", "c"], ["a", "b"])
    "; 1 of the 2 names of the fit is not among them: 'a'"
    """
    names, known = names_of(found), names_of(wanted)
    if names is None or known is None or (is_count(names) and is_count(known)):
        return ""
    there = set(names.tolist())
    missing = [name for name in known.tolist() if name not in there]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        return f"; {len(missing):,} of the {len(known):,} names of the fit {are} not among them: {_some(missing)}"
    wanted_once = set(known.tolist())
    if twice(known.tolist()) or twice([name for name in names.tolist() if name in wanted_once]):
        return "; they cannot be matched by names of which some are there twice: give others with column_names= to both"
    return "; all names of the fit are among them: columns='match' (--columns-match) finds them by name"


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:MOST_NAMED])) + (" …" if len(names) > MOST_NAMED else "")


def twice(names: Sequence[str]) -> list[str]:
    """Return the names that were there before, each time they come again."""
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
