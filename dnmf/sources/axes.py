"""The axes of other data beside those of a fit, or of a mask beside those of its data: the same, or found by labels."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dnmf.arrays import offers
from dnmf.errors import InputError
from dnmf.sources.columns import places_among, way_to_match
from dnmf.sources.labels_of_objects import labels_of_object
from dnmf.sources.names import keep_the_order, refuse_other_names
from dnmf.sources.source import Source
from dnmf.sources.unfolded import Unfolding
from dnmf.sources.views import View, seen

Remedy = Callable[[np.ndarray, np.ndarray], str]
"""What is told of names beside those that are known: how they come to be the same."""


def refuse_other_axes(
    address: str, found: Unfolding, known: Unfolding, *, of: str = "the fit", remedy: Remedy = way_to_match
) -> None:
    """Refuse an array the axes of whose columns are not those of another: lengths, names and labels, in their order.

    A name counts where both have it, so that data without names goes with any; labels as those of columns do
    (:mod:`dnmf.sources.names`), where a message ends with the `remedy`.

    Raises
    ------
    InputError
        They are others, or come in another order.
    """
    _refuse_other_sides(address, found, known, of)
    if found.of_columns != known.of_columns:
        raise InputError(f"{address}: the axes of its columns are {found.of_columns}, those of {of} {known.of_columns}")
    labels = [found.labels_along(axis) for axis in found.columns]
    _refuse_other_labels(address, labels, known, known.columns, of=of, remedy=remedy)


def refuse_other_axes_of_rows(address: str, found: Unfolding, known: Unfolding, *, of: str = "the fit") -> None:
    """Refuse an array whose rows are not made of the axes of those of another: lengths, names and labels, in order.

    Raises
    ------
    InputError
        They are others, or come in another order.
    """
    refuse_other_order(address, _rows(found), _rows(known), of)
    if found.of_rows != known.of_rows:
        raise InputError(f"{address}: the axes of its rows are {found.of_rows}, those of {of} {known.of_rows}")
    _refuse_other_labels(address, [found.labels_along(axis) for axis in found.rows], known, known.rows, of=of)


def refuse_other_side(address: str, values: Any, known: Unfolding, axes: tuple[int, ...], *, of: str) -> None:
    """Refuse an object over several axes that make rows, or columns, whose names and labels are not those of these.

    Raises
    ------
    InputError
        They are others, or come in another order.
    """
    dims = [str(name) for name in values.dims] if offers(values, "dims", "coords") else []
    refuse_other_order(address, dims, [known.dims[axis] for axis in axes] if known.dims else [], of)
    _refuse_other_labels(address, labels_of_object(values), known, axes, of=of)


def have_same_rows(one: Unfolding, other: Unfolding) -> bool:
    """Whether the same axes make the rows of both: by name where both have names, else by number."""
    named = one.dims and other.dims
    return _rows(one) == _rows(other) if named else one.rows == other.rows


def _refuse_other_labels(
    address: str, labels: Sequence[np.ndarray | None], known: Unfolding, axes: Sequence[int], *, of: str,
    remedy: Remedy = keep_the_order,
) -> None:  # fmt: skip
    """Refuse labels that are not those along some axes of another array, where both have some."""
    for found, axis in zip(labels, axes, strict=False):  # what is no array has labels of some axes, or of none
        what = f"entry along {known.name_of(axis)}"
        refuse_other_names(address, found, known.labels_along(axis), what, remedy, of=of)


def refuse_other_array(address: str, found: Unfolding, known: Unfolding, *, of: str) -> None:
    """Refuse an array that has not the axes of another, in their order: what is said of each of its entries.

    Names and labels count where both have some.

    Raises
    ------
    InputError
        They are others, or come in another order.
    """
    if found.shape != known.shape or found.rows != known.rows:
        raise InputError(f"{address}: has shape {found.shape}, {of} {known.shape}; they have to be the same")
    refuse_other_order(address, found.dims, known.dims, of)
    axes = range(len(found.shape))
    _refuse_other_labels(address, [found.labels_along(axis) for axis in axes], known, axes, of=of)


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


def _refuse_other_sides(address: str, found: Unfolding, known: Unfolding, of: str) -> None:
    """Refuse columns that are made of axes in another order, or of one that makes rows."""
    astray = [name for name in _columns(found) if name in _rows(known)]
    if astray:
        raise InputError(
            f"{address}: {found}, where axis {astray[0]!r} makes the rows of {of}; name the axes of its rows so "
            "(row_axes=, --row-axes)"
        )
    refuse_other_order(address, _columns(found), _columns(known), of)


def _columns(unfolding: Unfolding) -> list[str]:
    """The names of the axes of its columns, none where it has none."""
    return [unfolding.dims[axis] for axis in unfolding.columns] if unfolding.dims else []


def _rows(unfolding: Unfolding) -> list[str]:
    """The names of the axes of its rows, none where it has none."""
    return [unfolding.dims[axis] for axis in unfolding.rows] if unfolding.dims else []


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
    _refuse_other_sides(source.address, found, known, "the fit")
    places = [_places(source.address, found, known, at) for at in range(len(known.columns))]
    numbers = np.ravel_multi_index(np.ix_(*places), found.of_columns).ravel()
    return source if np.array_equal(numbers, np.arange(source.shape[1])) else seen(source, View(columns=numbers))


def _places(address: str, found: Unfolding, known: Unfolding, at: int) -> np.ndarray:
    """Where along one axis of the columns the entries of the fit are."""
    mine, other = found.columns[at], known.columns[at]
    labels, wanted = found.labels_along(mine), known.labels_along(other)
    if labels is not None and wanted is not None:
        what, remedy = f"entries along {known.name_of(other)}", "give coordinates that name them"
        return places_among(address, labels, wanted, what, remedy)
    if found.shape[mine] != known.shape[other]:
        raise InputError(
            f"{address}: has {found.shape[mine]} entries along {known.name_of(other)}, the fit {known.shape[other]}, "
            "and no labels by which to match them"
        )
    return np.arange(found.shape[mine])
