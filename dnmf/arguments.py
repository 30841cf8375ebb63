"""Options that are a number, one of a few words, or yes and no: checked where they are given, and refused in words."""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from dnmf.errors import InputError

MOST_SHOWN = 200


def shown(value: Any) -> str:
    """Return a value as it looks, on one line that is not too long to read; never an error, whatever it is.

    Examples
    --------
    >>> shown("a"), len(shown("a" * 1000))
    ("'a'", 161)
    """
    try:
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001  an integer of thousands of digits, or what objects do when they are shown
        text = f"a {type(value).__name__}"
    return text if len(text) <= MOST_SHOWN else f"{text[:100]}…{text[-60:]}"


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, and no yes or no."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def whole(name: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """Return a whole number.

    Raises
    ------
    InputError
        It is none, or below `least` or above `most`.

    Examples
    --------
    >>> whole("top", np.int64(3))
    3
    """
    if not is_whole(value) or value < least or (most is not None and value > most):
        upto = f", at least {least}" if most is None else f" from {least} to {most}"
        raise InputError(f"{name}={shown(value)}: a whole number{upto}")
    return int(value)


def is_finite(value: Any) -> bool:
    """Whether a value is a real number that a float can hold, and no yes or no."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def as_dtype(value: Any) -> np.dtype | None:
    """Return the dtype that numpy takes a value for, None where it is none to it.

    Examples
    --------
    >>> as_dtype("f4"), as_dtype("nothing of the kind")
    (dtype('float32'), None)
    """
    try:
        return np.dtype(value)
    except (TypeError, ValueError, RecursionError):  # the last of an object with a `dtype` that has one, and so on
        return None


def choice(name: str, value: Any, known: Sequence[str]) -> str:
    """Return `value` when it is one of the words that are known.

    Raises
    ------
    InputError
        It is not.
    """
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{name}={shown(value)}: use one of {', '.join(map(repr, known))}")
    return value


def text(name: str, value: Any) -> str:
    """Return a text.

    Raises
    ------
    InputError
        It is something else.
    """
    if not isinstance(value, str):
        raise InputError(f"{name}={shown(value)}: a text")
    return value


def yes_or_no(name: str, value: Any) -> bool:
    """Return True or False: nothing that only looks like one of them will do.

    Raises
    ------
    InputError
        It is neither.
    """
    if not isinstance(value, (bool, np.bool)):
        raise InputError(f"{name}={shown(value)}: True or False")
    return bool(value)
