"""Plain arrays of whatever holds numbers: without a mask, a nullable dtype, an index; or a refusal.

numpy and scikit-learn take what lies under a mask for a value, without a word. Every door for arrays asks here.
"""

import copy
from typing import Any

import numpy as np
import scipy.sparse

from dnmf.arrays import offers
from dnmf.errors import InputError
from dnmf.frames import frame_values
from dnmf.missing import NOT_IN_GIVEN, NOT_OBSERVED, place_of, refuse_fill_value


def plain(values: Any, name: str, *, as_nan: bool = False, way: str = NOT_OBSERVED) -> Any:
    """Return `values` without a mask, as an array if they are a DataFrame or a Series; anything else as it is.

    Parameters
    ----------
    values : array or anything
        numpy, pandas, ``sparse``, a variable of netCDF4, a list of such rows.
    name : str
        For messages.
    as_nan : bool
        Return missing entries as NaN.
    way : str
        What to do about missing entries that are refused.

    Raises
    ------
    InputError
        An entry is missing (unless `as_nan`), or the zeros of a sparse array are not zero.
    """
    if offers(values, "iloc", "to_numpy"):
        is_frame = offers(values, "columns")
        array = frame_values(values if is_frame else values.to_frame(), name, as_nan=as_nan, way=way)
        return array if is_frame else array[:, 0]
    if type(values).__module__.split(".")[0] == "netCDF4":
        values = values[...]
    if isinstance(values, (list, tuple)) and any(isinstance(row, np.ma.MaskedArray) for row in values):
        values = np.ma.array(values)
    if isinstance(values, np.ma.MaskedArray):
        return _without_mask(values, name, way, as_nan=as_nan)
    is_pydata = type(values).__module__.split(".")[0] == "sparse"
    if is_pydata:
        refuse_fill_value(values.fill_value, name, "array.todense()")
    is_sparse = is_pydata or scipy.sparse.issparse(values)
    has_mask = is_sparse and isinstance(getattr(values, "data", None), np.ma.MaskedArray)
    return _stored_without_mask(values, name, way) if has_mask else values


def dense(values: Any, name: str, *, as_nan: bool = False) -> Any:
    """Return the same as :func:`plain`, a sparse matrix as an ndarray, a dask array computed.

    Raises
    ------
    InputError
        As there.
    """
    values = plain(values.compute() if offers(values, "dask") else values, name, as_nan=as_nan, way=NOT_IN_GIVEN)
    for method in ("toarray", "todense"):
        if hasattr(values, method):
            return getattr(values, method)()
    return values


def _without_mask(values: np.ma.MaskedArray, name: str, way: str, *, as_nan: bool) -> np.ndarray:
    mask = np.ma.getmaskarray(values)
    if not mask.any():
        return np.ma.getdata(values)
    if as_nan:
        return np.ma.filled(values.astype(np.result_type(values.dtype, np.float32)), np.nan)
    first = tuple(int(n) for n in np.argwhere(mask)[0])
    raise InputError(
        f"{name}: a masked array; {place_of(first)} is masked, as {int(mask.sum())} of {mask.size} entries; {way}"
    )


def _stored_without_mask(values: Any, name: str, way: str) -> Any:
    """A sparse matrix whose stored entries are a masked array, with plain ones."""
    mask = np.ma.getmaskarray(values.data)
    bare = copy.copy(values)
    bare.data = np.ma.getdata(values.data)
    if not mask.any():
        return bare
    bare.data = np.arange(1, mask.size + 1).reshape(mask.shape)
    entries = bare.asformat("coo")
    at = np.flatnonzero(mask.ravel()[entries.data - 1])[0]
    place = place_of(tuple(int(part[at]) for part in entries.coords))
    raise InputError(
        f"{name}: its stored entries are a masked array; {place} is masked, as {int(mask.sum())} of {mask.size} "
        f"entries; {way}"
    )
