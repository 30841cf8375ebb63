"""The axes of other data beside those of a fit, or of a mask beside those of its data: the same, or found by labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.sources.columns import places_among, way_to_match
from dnmf.sources.names import refuse_other_names
from dnmf.sources.source import Source
from dnmf.sources.unfolded import Unfolding
from dnmf.sources.views import View, seen


def refuse_other_axes(
    address: str, found: Unfolding, known: Unfolding, *, of: str = "the fit", chosen: bool = False
) -> None:
    """Refuse an array the axes of whose columns are not those of another: lengths, names and labels, in their order.

    A name counts where both have it, so that data without names goes with any; labels as those of columns do
    (:mod:`dnmf.sources.names`). Of columns that were `chosen` by number none are found by label.

    Raises
    ------
    InputError
        They are others, or come in another order.
    """
    refuse_other_order(address, _columns(found), _columns(known), of)
    if found.of_columns != known.of_columns:
        raise InputError(f"{address}: the axes of its columns are {found.of_columns}, those of {of} {known.of_columns}")
    remedy = _by_hand if chosen else way_to_match
    for mine, other in zip(found.columns, known.columns, strict=True):
        labels, of_known = (each.coords[at] if each.coords else None for each, at in ((found, mine), (known, other)))
        refuse_other_names(address, labels, of_known, f"entry along {known.name_of(other)}", remedy=remedy, of=of)


def _by_hand(found: Any, wanted: Any) -> str:
    del found, wanted
    return "; bring its entries into that order before columns of it are chosen"


def refuse_other_array(address: str, found: Unfolding, known: Unfolding, *, of: str) -> None:
    """Refuse an array that has not the axes of another, in their order: what is said of each of its entries.

    Raises
    ------
    InputError
        They are others, or come in another order.
    """
    if found.shape != known.shape or found.rows != known.rows:
        raise InputError(f"{address}: has shape {found.shape}, {of} {known.shape}; they have to be the same")
    refuse_other_order(address, found.dims, known.dims, of)


def refuse_other_order(address: str, names: Sequence[str], wanted: Sequence[str], of: str) -> None:
    """Refuse axes of which a name stands at another place than among those `wanted`; without names there are none.

    Raises
    ------
    InputError
        One does.
    """
    if any(name in wanted and wanted.index(name) != at for at, name in enumerate(names)):
        raise InputError(
            f"{address}: its axes come as {', '.join(names)}, those of {of} as {', '.join(wanted)}; transpose it, so "
            "that they come in that order"
        )


def _columns(unfolding: Unfolding) -> list[str]:
    """The names of the axes of its columns, none where it has none."""
    return [unfolding.dims[axis] for axis in unfolding.columns] if unfolding.dims else []


def matched_axes(source: Source, known: Unfolding) -> Source:
    """Return what of a source has the labels of a fit along the axes of its columns, in the order of the fit.

    An axis without labels on either side is taken as it is.

    Raises
    ------
    InputError
        An axis is missing, stands elsewhere or has another length, or a label is not there, or there more than once,
        or labels are but numbers of places of which there are not as many.
    """
    found = source.unfolding
    if found is None or len(found.columns) != len(known.columns):
        raise InputError(f"{source.address}: the axes of its columns are not those of the fit, {known}")
    refuse_other_order(source.address, _columns(found), _columns(known), "the fit")
    places = [_places(source.address, found, known, at) for at in range(len(known.columns))]
    numbers = np.ravel_multi_index(np.ix_(*places), found.of_columns).ravel()
    return source if np.array_equal(numbers, np.arange(source.shape[1])) else seen(source, View(columns=numbers))


def _places(address: str, found: Unfolding, known: Unfolding, at: int) -> np.ndarray:
    """Where along one axis of the columns the entries of the fit are."""
    mine, other = found.columns[at], known.columns[at]
    labels, wanted = (each.coords[axis] if each.coords else None for each, axis in ((found, mine), (known, other)))
    if labels is not None and wanted is not None:
        what, remedy = f"entries along {known.name_of(other)}", "give coordinates that name them"
        return places_among(address, labels, wanted, what, remedy)
    if found.shape[mine] != known.shape[other]:
        raise InputError(
            f"{address}: has {found.shape[mine]} entries along {known.name_of(other)}, the fit {known.shape[other]}, "
            "and no labels by which to match them"
        )
    return np.arange(found.shape[mine])
