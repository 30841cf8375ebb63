"""Which values a target may hold, and the check that every value read is one of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.arguments import choice
from dnmf.errors import InputError

TARGET_DTYPES = ("uint8", "uint16", "uint32", "int32", "int64", "float32", "float64")
NARROWING = ("uint8", "uint16", "uint32", "int64")
SIGNED = (
    "; where a factor may be negative (--free W, Constraints(free='W')) the data may be too: write it as it is with "
    "anndata.AnnData(matrix).write_zarr('out.zarr')"
)
MISSING = (
    "; where a NaN was not observed, write the array as it is with zarr.save('out.zarr', array) and fit that with "
    "missing='nan' (--missing nan)"
)
# Values are never negative, so the unsigned dtype of the same width holds what a signed one did.
KEPT_AS = {"bool": "uint8", "int8": "uint8", "int16": "uint16", "uint64": "int64", "float16": "float32"}


def target_dtype(source: np.dtype, address: str) -> np.dtype:
    """Return the dtype in which values of dtype `source` are kept.

    Raises
    ------
    InputError
        The values are not real numbers (objects, text, complex), or too wide.
    """
    name = source.newbyteorder("=").name
    name = KEPT_AS.get(name, name)
    if name not in TARGET_DTYPES:
        raise InputError(
            f"{address}: the values have dtype {source}, which cannot be converted; dnmf reads real "
            f"numbers of 1 to 8 bytes ({', '.join(TARGET_DTYPES)})"
        )
    return np.dtype(name)


def requested_dtype(name: str) -> np.dtype:
    """Return the dtype a caller asked for by name.

    Raises
    ------
    InputError
        It is not one of `TARGET_DTYPES`.
    """
    return np.dtype(choice("dtype", name, TARGET_DTYPES))


def narrowest_dtype(largest: int) -> np.dtype:
    """Return the smallest of uint8, uint16, uint32 and int64 that holds 0…`largest`.

    Examples
    --------
    >>> narrowest_dtype(256)
    dtype('uint16')
    """
    return np.dtype(next(name for name in NARROWING if largest <= np.iinfo(name).max))


def summing_dtype(values: np.dtype) -> np.dtype:
    """Return the dtype in which entries of the same cell are added: int64 for integers, else float64."""
    return np.dtype("int64" if values.kind in "biu" else "float64")


def check_values(values: NDArray[Any], place: Callable[[int], str]) -> None:
    """Return when every value is finite and not negative.

    Parameters
    ----------
    values : ndarray
    place : callable
        Says where the value at an index of ``values.ravel()`` was found, for the message.

    Raises
    ------
    InputError
        A NaN, an infinite or a negative value; the first one is named.
    """
    if values.size == 0 or values.dtype.kind in "bu":
        return
    if values.min() >= 0 and values.max() < np.inf:  # a NaN makes the first comparison false
        return
    bad = ~(values >= 0) | (values == np.inf)
    first = int(np.argmax(bad))
    value = values.reshape(-1)[first]
    is_negative = bool(value < 0)
    what = "a negative value" if is_negative else "not a finite number"
    way = SIGNED if is_negative else MISSING if np.isnan(value) else ""
    raise InputError(
        f"{place(first)}: {value} is {what} ({int(np.count_nonzero(bad))} such among {values.size} values "
        f"read together); non-negative factorization needs finite values ≥ 0, repair or remove them first{way}"
    )


def cast_values(values: NDArray[Any], dtype: np.dtype, place: Callable[[int], str]) -> NDArray[Any]:
    """Return non-negative `values` as `dtype`; floating point values are rounded, integers never.

    Raises
    ------
    InputError
        A value is too large for `dtype`, or has a fraction and `dtype` is an integer; the first one is named.
    """
    if values.dtype == dtype or values.size == 0:
        return values.astype(dtype, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        cast = values.astype(dtype)
    bad = _changed(values, cast)
    if bad is None:
        return cast
    first = int(np.argmax(bad))
    raise InputError(
        f"{place(first)}: {values.reshape(-1)[first]} does not fit {dtype} without loss; "
        "choose a wider dtype (float64 holds all but integers above 2^53)"
    )


def _changed(values: NDArray[Any], cast: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where the cast lost more than floating point rounding; None where nowhere."""
    if cast.dtype.kind == "f":
        return None if np.isfinite(cast.max()) else ~np.isfinite(cast)
    if values.dtype.kind == "f":
        # the largest integer itself is no double, so the limit is compared as the next power of two
        bad = (values >= 2.0 ** (8 * cast.itemsize - (cast.dtype.kind == "i"))) | (values != np.floor(values))
    else:
        largest = np.iinfo(cast.dtype).max
        if int(values.max()) <= largest:
            return None
        bad = values > largest
    return bad if bad.any() else None
