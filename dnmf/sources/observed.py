"""The door for data of which not all entries were observed, or not all count alike."""

from typing import Any

import numpy as np

from dnmf.arguments import choice
from dnmf.arrays import offers
from dnmf.errors import InputError
from dnmf.plain import plain
from dnmf.sources.axes import refuse_other_array
from dnmf.sources.labels_of_objects import labels_of_matrix
from dnmf.sources.memory import MemorySource, type_name
from dnmf.sources.names import refuse_other_names
from dnmf.sources.observed_rows import ObservedSource
from dnmf.sources.source import Source
from dnmf.sources.undecoded import refuse_undecoded
from dnmf.sources.unfolded import unfolding_of

MISSING = ("refuse", "nan", "unstored")


def observed(
    source: Source, missing: str = "refuse", mask: Source | None = None, weights: Source | None = None
) -> Source:
    """Return a source whose rows say what of them was observed, and how much it counts; itself where nothing is asked.

    Parameters
    ----------
    source : Source
        The values.
    missing : {"refuse", "nan", "unstored"}
        What was not observed: nothing, so that a NaN is refused; what is NaN in dense data; what sparse data does not
        store.
    mask : Source, optional
        As large as the values; true, or not zero, where an entry was observed.
    weights : Source, optional
        As large as the values, finite and not negative; 0 where an entry was not observed.

    Raises
    ------
    InputError
        The values are not of the kind that `missing` is about, or mask or weights are of another shape, have other
        names, or are stored the other way round.
    """
    choice("missing", missing, MISSING)
    if missing == "refuse" and mask is None and weights is None:
        return source
    if isinstance(source, ObservedSource) or source.weighted:
        raise InputError(f"{source.address}: says already what of it is observed, or counts; say all of it at once")
    _refuse_other_kind(source, missing)
    values = source.with_nan() if missing == "nan" else source
    if mask is None and weights is None and not values.sparse and values.dtype.kind != "f":
        return source  # nothing can be NaN
    mask = None if mask is None else _fitted("mask", mask, values)
    weights = None if weights is None else _fitted("weights", weights, values)
    return ObservedSource(values, missing, mask, weights)


def with_holes(data: Any, row_axes: Any = None) -> Source | None:
    """Return a source of an object in memory that has a mask or NA, what is missing as NaN; None of anything else.

    One of more axes is unfolded (:func:`~dnmf.sources.unfolded.unfolding_of`).

    Raises
    ------
    InputError
        It is no matrix of real numbers.
    """
    is_anndata = offers(data, "obs_names", "var_names", "X") and not getattr(data, "isbacked", False)
    values = data.X if is_anndata else data
    is_frame = offers(values, "iloc", "to_numpy") and offers(values, "columns")
    rows = isinstance(values, (list, tuple)) and any(isinstance(row, np.ma.MaskedArray) for row in values)
    in_netcdf = type(values).__module__.split(".")[0] == "netCDF4"
    if not (is_frame or rows or in_netcdf or isinstance(values, np.ma.MaskedArray)):
        return None
    name = type_name(data)
    refuse_undecoded(data, name)
    found = plain(values, name, as_nan=True)
    unfolding = None if is_frame or rows else unfolding_of(name, found.shape, row_axes)
    source = MemorySource(unfolding.matrix(found) if unfolding else found, *labels_of_matrix(data), name)
    source.unfolding = unfolding
    source.has_missing = not source.sparse
    return source


def _refuse_other_kind(source: Source, missing: str) -> None:
    if missing == "nan" and source.sparse:
        raise InputError(
            f"{source.address}: missing='nan' is for dense data, this is sparse; say missing='unstored' where what is "
            "not stored was not observed, or which entries were with mask="
        )
    if missing == "unstored" and not source.sparse:
        raise InputError(
            f"{source.address}: missing='unstored' is for sparse data, this is dense; make what was not observed "
            "NaN and say missing='nan', or which entries were with mask="
        )


def _fitted(what: str, beside: Source, values: Source) -> Source:
    """A mask or weights as their rows go with those of the values."""
    name = f"{what} {beside.address} for {values.address}"
    if beside.has_missing:
        raise InputError(f"{name}: has missing entries itself; give 0 for what was not observed")
    if beside.unfolding and values.unfolding:
        refuse_other_array(name, beside.unfolding, values.unfolding, of="the data")
    shape, expected = (each.shape[::-1] if each.transposed else each.shape for each in (beside, values))
    if shape != expected:
        raise InputError(f"{name}: has shape {shape}, the data {expected}; they have to be the same")
    if beside.transposed != values.transposed:
        turned = beside.turned()
        if turned is None:
            by, other = ("rows", "columns") if values.transposed else ("columns", "rows")
            raise InputError(
                f"{name}: is stored by {by}, the data by {other}, so that they cannot be read together; write one of "
                "them the other way once (dnmf convert writes rows)"
            )
        beside = turned
    for axis, labelled in enumerate(("column", "row") if values.transposed else ("row", "column")):
        if beside.is_named[axis] and values.is_named[axis]:
            found, known = ((each.row_names, each.column_names)[axis]() for each in (beside, values))
            refuse_other_names(name, found, known, labelled, of="the data")
    return beside.without_names()
