"""Strengths of a penalty as they are given: a number, one for each of two factors, or for each factor of a CP."""

import math
from typing import Any

from dnmf.errors import InputError

SIDES = ("W", "H")


def as_strengths(name: str, value: Any, *, more: bool = False) -> tuple[float, ...]:
    """Return a pair, or, where there may be `more`, one for each factor of a CP.

    Raises
    ------
    InputError
        There are others than so many, or one is no strength.

    Examples
    --------
    >>> as_strengths("l1", 2), as_strengths("l1", (1, 0, 2), more=True)
    ((2.0, 2.0), (1.0, 0.0, 2.0))
    """
    strengths = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(strengths) != len(SIDES) and not (more and len(strengths) > len(SIDES)):
        each = ", or of a CP one for the long axis and one for each other" if more else ""
        raise InputError(f"penalty {name}={value!r}: give one number or a (W, H) pair{each}")
    return tuple(as_strength(name, strength) for strength in strengths)


def as_strength(name: str, value: Any) -> float:
    """Return a finite number that is not negative.

    Raises
    ------
    InputError
        It is none.
    """
    try:
        strength = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"penalty {name}={value!r}: a strength is a number") from None
    if not (math.isfinite(strength) and strength >= 0):
        raise InputError(f"penalty {name}={value!r}: strengths are finite and not negative")
    return strength


def spread(strengths: tuple[float, ...], factors: int) -> tuple[float, ...]:
    """Return a strength for each of so many factors: the second of a pair is that of all but the first.

    Examples
    --------
    >>> spread((1.0, 2.0), 4)
    (1.0, 2.0, 2.0, 2.0)
    """
    return strengths if len(strengths) == factors else (strengths[0], *[strengths[1]] * (factors - 1))


def in_words(label: str, strengths: tuple[float, ...]) -> list[str]:
    """Return what is said of strengths that are not zero.

    Examples
    --------
    >>> in_words("L1", (2.0, 2.0)), in_words("L1", (0.0, 2.0)), in_words("L2", (1.0, 0.0, 3.0))
    (['L1 2'], ['L1 2 on H'], ['L2 1 on W', 'L2 3 on short axis 2'])
    """
    if any(strengths) and len(set(strengths)) == 1:
        return [f"{label} {strengths[0]:g}"]
    short = [f"short axis {at}" for at in range(1, len(strengths))]
    sides = SIDES if len(strengths) == len(SIDES) else ["W", *short]
    return [f"{label} {x:g} on {side}" for side, x in zip(sides, strengths, strict=True) if x]
