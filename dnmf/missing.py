"""What is said of entries that are missing, and of zeros that are none."""

from typing import Any

import numpy as np

from dnmf.errors import InputError

NOT_OBSERVED = (
    "missing entries of dense data are left out of account with missing='nan' (--missing nan), or a mask= of those "
    "that were observed, here or in dnmf.open_source; filled with zeros they are fitted as zeros"
)
NOT_STORED = (
    "leave entries that were not observed out of a sparse matrix and say missing='unstored' (--missing unstored), or "
    "give a mask= of those that were, here or in dnmf.open_source"
)
NOT_BESIDE = "give 0 for what was not observed"
NOT_IN_GIVEN = "only the data may have missing entries; give an array without"


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
            f"{name}: {place_of(missing[0])} is missing, as {len(missing)} of {values.size} entries; {NOT_OBSERVED}"
        )


def place_of(at: tuple[int, ...]) -> str:
    """Return where an entry is, in words."""
    return f"row {at[0]}, column {at[1]}" if len(at) == 2 else f"element {at}"
