"""Amounts of memory, and shares, as text and as numbers; little is imported for it: every command needs it."""

import math
import re

from dnmf.errors import InputError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12,
          "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}  # fmt: skip


def parse_bytes(text: str | int | float | None) -> int | None:
    """Return a number of bytes from ``"512MiB"``, ``"2 GB"`` or a number; None stays None.

    Raises
    ------
    InputError
        The text is not a positive amount of memory.

    Examples
    --------
    >>> parse_bytes("1.5 KiB")
    1536
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+(?:e\d+)?)\s*([kmgt]?i?)b?\s*", str(text).lower())
    if not match or not 0 < float(match[1]) < math.inf:
        raise InputError(f"{text!r} is not an amount of memory; write for example '512MiB' or '4GB'")
    return int(float(match[1]) * _UNITS[match[2]])


def format_bytes(count: float) -> str:
    """Return `count` bytes as text with a binary unit.

    Examples
    --------
    >>> format_bytes(536870912)
    '512.0 MiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def percent(share: float, before_sign: str = "") -> str:
    """Return a share in per cent with one digit behind the point, or with the two digits that say something.

    `before_sign` stands between the number and its sign.

    Examples
    --------
    >>> percent(0.1234), percent(0.0001234), percent(0.0)
    ('12.3%', '0.012%', '0%')
    """
    size = abs(100 * share)
    if size == 0:
        return f"0{before_sign}%"
    return f"{100 * share:.{1 if size >= 0.1 else 1 - math.floor(math.log10(size))}f}{before_sign}%"


def power_of_two_below(count: int) -> int:
    """Return the largest power of two that is not above a count, 0 where it is not above 0.

    What follows from memory is rounded so: it shall not follow every megabyte that a process happens to take.

    Examples
    --------
    >>> power_of_two_below(100), power_of_two_below(64), power_of_two_below(0)
    (64, 64, 0)
    """
    return 2 ** (count.bit_length() - 1) if count > 0 else 0
