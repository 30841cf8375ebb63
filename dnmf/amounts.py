"""Amounts of memory as text and as numbers; no more is imported than that takes: every command needs it."""

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
