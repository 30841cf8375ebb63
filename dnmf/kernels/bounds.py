"""What is at a bound: the one place that says so, as a scaling and its inverse leave an entry a rounding beside it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ROUNDINGS = 4  # of the dtype: a scaling, its inverse and a change of dtype


def bound_in(upper: float, dtype: Any) -> float:
    """Return the largest number of `dtype` that is not above `upper`.

    Examples
    --------
    >>> bound_in(0.7, "float64"), bound_in(0.7, "float32") <= 0.7
    (0.7, True)
    """
    if upper == np.inf:
        return upper
    number = np.dtype(dtype).type(upper)
    return float(number if float(number) <= upper else np.nextafter(number, number.dtype.type(0)))


def at_upper(values: Array, upper: float | Array, dtype: Any = None) -> Array:
    """Return which of `values` are at their upper bound, or above: up to the rounding of `dtype`, by default theirs.

    Parameters
    ----------
    values : array
        Of any shape.
    upper : float
        Infinite where there is no bound.
    dtype : optional
        In which the values were computed, if they have been widened since.
    """
    return values >= upper * (1 - ROUNDINGS * float(np.finfo(dtype or values.dtype).eps))


def keep_below(values: Array, upper: float) -> Array:
    """Return `values` after what is at its upper bound, or above, was set exactly to it, in place."""
    if upper < np.inf:
        values[at_upper(values, upper)] = bound_in(upper, values.dtype)
    return values


def pinned(values: Array, slopes: Array, upper: float | Array = np.inf, dtype: Any = None) -> Array:
    """Return which entries cannot follow their gradient downhill: at a bound it points beyond.

    Zeros are exact: no scaling makes or unmakes one.

    Parameters
    ----------
    values, slopes : array
        Non-negative, and the gradient there, of one shape.
    upper : float or array
        Of every value, or one for each column.
    dtype : optional
        As above.
    """
    at_zero = (values == 0) & (slopes > 0)
    if np.all(np.isinf(upper)):
        return at_zero
    return at_zero | (at_upper(values, upper, dtype) & (slopes < 0))
