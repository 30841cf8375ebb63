"""Arrays whose entries may be missing, by a mask, a nullable dtype or a fill value: plain ones, or refused.

numpy and scikit-learn take what lies under a mask for a value, without a word. Every door for arrays asks here.
"""

import copy
from typing import Any

import numpy as np
import scipy.sparse

from dnmf.arrays import offers
from dnmf.errors import InputError

NOT_SUPPORTED = (
    "missing entries are not supported yet, and filled with zeros they are fitted as zeros; leave out the rows or "
    "columns that hold them, or fit what a simple model leaves over (0 where nothing is known) with "
    "Constraints(free='W')"
)


def plain(values: Any, name: str, *, as_nan: bool = False) -> Any:
    """Return `values` without a mask, as an array if they are a DataFrame or a Series; anything else as it is.

    Parameters
    ----------
    values : array or anything
        numpy, pandas, ``sparse``, a variable of netCDF4, a list of such rows.
    name : str
        For messages.
    as_nan : bool
        Return missing entries as NaN.

    Raises
    ------
    InputError
        An entry is missing (unless `as_nan`), or the zeros of a sparse array are not zero.
    """
    if offers(values, "iloc", "to_numpy"):
        from dnmf.frames import frame_values

        is_frame = offers(values, "columns")
        array = frame_values(values if is_frame else values.to_frame(), name, as_nan=as_nan)
        return array if is_frame else array[:, 0]
    if type(values).__module__.split(".")[0] == "netCDF4":
        values = values[...]
    if isinstance(values, (list, tuple)) and any(isinstance(row, np.ma.MaskedArray) for row in values):
        values = np.ma.array(values)
    if isinstance(values, np.ma.MaskedArray):
        return _without_mask(values, name, as_nan)
    is_pydata = type(values).__module__.split(".")[0] == "sparse"
    if is_pydata:
        refuse_fill_value(values.fill_value, name, "array.todense()")
    is_sparse = is_pydata or scipy.sparse.issparse(values)
    has_mask = is_sparse and isinstance(getattr(values, "data", None), np.ma.MaskedArray)
    return _stored_without_mask(values, name) if has_mask else values


def dense(values: Any, name: str, *, as_nan: bool = False) -> Any:
    """Return the same as :func:`plain`, a sparse matrix as an ndarray, a dask array computed.

    Raises
    ------
    InputError
        As there.
    """
    values = plain(values.compute() if offers(values, "dask") else values, name, as_nan=as_nan)
    for method in ("toarray", "todense"):
        if hasattr(values, method):
            return getattr(values, method)()
    return values


def _without_mask(values: np.ma.MaskedArray, name: str, as_nan: bool) -> np.ndarray:
    mask = np.ma.getmaskarray(values)
    if not mask.any():
        return np.ma.getdata(values)
    if as_nan:
        return np.ma.filled(values.astype(np.float64), np.nan)
    first = tuple(int(n) for n in np.argwhere(mask)[0])
    raise InputError(
        f"{name}: a masked array; {_place(first)} is masked, as {int(mask.sum())} of {mask.size} entries; "
        f"{NOT_SUPPORTED}"
    )


def _stored_without_mask(values: Any, name: str) -> Any:
    """A sparse matrix whose stored entries are a masked array, with plain ones."""
    mask = np.ma.getmaskarray(values.data)
    bare = copy.copy(values)
    bare.data = np.ma.getdata(values.data)
    if not mask.any():
        return bare
    bare.data = np.arange(1, mask.size + 1).reshape(mask.shape)
    entries = bare.asformat("coo")
    at = np.flatnonzero(mask.ravel()[entries.data - 1])[0]
    raise InputError(
        f"{name}: its stored entries are a masked array; {_place(tuple(int(part[at]) for part in entries.coords))} is "
        f"masked, as {int(mask.sum())} of {mask.size} entries; {NOT_SUPPORTED}"
    )


def refuse_fill_value(fill: Any, name: str, way: str) -> None:
    """Refuse a sparse array whose entries that are not stored are not zero.

    Raises
    ------
    InputError
        They are not; `way` says what to give instead.
    """
    if not np.all(fill == 0):
        raise InputError(f"{name}: the zeros of this sparse array are not zero (fill value {fill}); give {way}")


def refuse_missing(values: np.ndarray, name: str) -> None:
    """Refuse a matrix of Python objects in which one is None or pandas' NA; a NaN is a number.

    Raises
    ------
    InputError
        One is; the message says where.
    """
    missing = [at for at, value in np.ndenumerate(values) if value is None or type(value).__name__ == "NAType"]
    if missing:
        raise InputError(
            f"{name}: {_place(missing[0])} is missing, as {len(missing)} of {values.size} entries; {NOT_SUPPORTED}"
        )


def _place(at: tuple[int, ...]) -> str:
    return f"row {at[0]}, column {at[1]}" if len(at) == 2 else f"element {at}"
