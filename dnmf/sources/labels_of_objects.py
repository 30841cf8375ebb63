"""The labels that objects in memory carry along their axes: frames, series, AnnData, arrays with coordinates."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dnmf.arrays import offers
from dnmf.sources.names import names_of
from dnmf.sources.stored_factor import StoredFactor


def labels_of_object(values: Any) -> tuple[np.ndarray | None, ...]:
    """Return the labels along each axis of an object, None where there are none; nothing for what never has any."""
    found: Sequence[Any] = ()
    if offers(values, "obs_names", "var_names"):
        found = values.obs_names, values.var_names
    elif offers(values, "dims", "coords"):
        found = [values.coords[dim].values if dim in values.coords else None for dim in values.dims]
    elif offers(values, "iloc", "index"):
        found = (values.index, values.columns) if offers(values, "columns") else (values.index,)
    elif offers(values, "columns"):
        found = None, values.columns
    elif isinstance(values, StoredFactor):
        found = values.row_names(), None
    return tuple(names_of(each) for each in found)


def labels_of_matrix(values: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the labels of the rows and the columns of a matrix, None where there are none."""
    rows, columns = (*labels_of_object(values), None, None)[:2]
    return rows, columns
