"""Names of rows and columns: what is one, what counts as none, and when names are compared.

What is a name
    Whatever labels a row or a column where the data lies, as text: text itself, bytes as UTF-8, a number, a date
    (ISO 8601, to the nanosecond) or another object as Python writes it. A label that is missing (None, NaN, NaT) is the
    text ``nan``. A span of time is its seconds, ``PT86400S``. Labels need not differ.
What counts as none
    An array, a sparse matrix or a dimension without coordinates has no labels; labels that are all missing are none.
What is a count
    The labels ``0, 1, … n − 1`` in this order, whoever wrote them: pandas, AnnData and ``dnmf convert`` do where nobody
    gave names. They are kept, but say no more than the place. Labels that fall, begin elsewhere or leave some out say
    more: they are names.
When names are compared
    Where both sides have some, place by place, and they have to be the same; but a count is compared with numbers only,
    not with other names.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dnmf.errors import InputError

log = logging.getLogger("dnmf")
TEXT = np.dtypes.StringDType()  # of variable width: one long name costs its own length
MISSING = "nan"
MOST_NAMES = 5_000_000  # that a model carries; those of more rows stay with the data
SECONDS = {"W": 604_800, "D": 86_400, "h": 3600, "m": 60, "s": 1}
FRACTIONS = {"ms": 3, "us": 6, "ns": 9, "ps": 12, "fs": 15, "as": 18}  # of a second, decimals
INLINE_BYTES = 16  # an entry of an array of TEXT, short texts inside it


def names_of(values: Any) -> np.ndarray | None:
    """Return labels as an array of text of variable width, None where they count as none."""
    if values is None:
        return None
    labels = _as_labels(values)
    if labels.dtype == TEXT or labels.dtype.kind in "iu":
        return labels.astype(TEXT, copy=False)
    if labels.dtype.kind == "M":
        return _known(labels, ~np.isnat(labels), np.datetime_as_string(labels, unit=_unit(labels)))
    if labels.dtype.kind == "m":
        return _known(labels, ~np.isnat(labels), np.array([_span(one) for one in labels], dtype=TEXT))
    values = labels.tolist()
    missing = np.fromiter((_is_missing(value) for value in values), bool, len(values))
    return _known(labels, ~missing, np.array([_text(value) for value in values], dtype=TEXT))


def _as_labels(values: Any) -> np.ndarray:
    """Labels as an array; a list as one of objects, since as one of text each entry would be as wide as the longest."""
    if isinstance(values, np.ma.MaskedArray):  # what lies under a mask is no label
        labels = values.data.astype(object)
        labels[np.ma.getmaskarray(values)] = None
        return labels
    if not isinstance(values, (list, tuple)) or isinstance(next(iter(values), None), (np.datetime64, np.timedelta64)):
        return np.asarray(values)
    labels = np.empty(len(values), object)
    labels[:] = values
    return labels


def _known(labels: np.ndarray, known: np.ndarray, text: np.ndarray) -> np.ndarray | None:
    if len(labels) and not known.any():
        return None
    return np.where(known, text.astype(TEXT), np.array(MISSING, TEXT))


def _unit(dates: np.ndarray) -> Any:
    unit = np.datetime_data(dates.dtype)[0]
    return unit if unit in ("ps", "fs", "as") else "ns"


def _span(span: np.timedelta64) -> str:
    """A span of time in ISO 8601, in seconds; of months and years, which have no length in seconds, their number."""
    unit, step = np.datetime_data(span.dtype)
    count, digits = int(span.astype(np.int64)) * step, FRACTIONS.get(unit, 0)
    if not digits and unit not in SECONDS:
        return f"P{count}{unit}" if unit in ("Y", "M") else str(count)
    seconds, rest = divmod(abs(count) * SECONDS.get(unit, 1), 10**digits)
    part = f".{rest:0{digits}d}".rstrip("0").rstrip(".")
    return f"{'-' if count < 0 else ''}PT{seconds}{part}S"


def _is_missing(value: Any) -> bool:
    missing = value is None or type(value).__name__ in ("NAType", "NaTType")
    return missing or (isinstance(value, float) and value != value)  # noqa: PLR0124  only NaN differs from itself


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, tuple):  # of several levels, their numbers as Python writes them
        value = tuple(part.item() if isinstance(part, np.generic) else part for part in value)
    return str(value).encode(errors="backslashreplace").decode()  # half a character cannot be stored


class Carried:
    """Names as an attribute: given as they are, or as a way to read them, which is taken when they are asked for."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._place = f"_{name}"

    def __get__(self, instance: Any, owner: type | None = None) -> np.ndarray | None:
        if instance is None:
            return None
        held = instance.__dict__[self._place]
        if callable(held):
            held = instance.__dict__[self._place] = names_of(held())
        names: np.ndarray | None = held
        return names

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self._place] = value if callable(value) else names_of(value)

    def held(self, instance: Any) -> Any:
        """Return the names, or the way to read them, whichever is there."""
        return instance.__dict__[self._place]


def bytes_of_names(names: np.ndarray | None) -> int:
    """Return the bytes that names take in memory."""
    if names is None:
        return 0
    return INLINE_BYTES * len(names) + sum(len(part) for part, _ in encoded(names))


def encoded(names: np.ndarray, at_once: int = 2**16) -> Iterator[tuple[bytes, np.ndarray]]:
    """Yield the UTF-8 bytes of some names after others, and the length of each (ndarray of int64)."""
    for start in range(0, len(names), at_once):
        texts = [name.encode() for name in names[start : start + at_once].tolist()]
        yield b"".join(texts), np.fromiter(map(len, texts), np.int64, len(texts))


def is_count(names: np.ndarray | None) -> bool:
    """Whether names are the numbers 0, 1, … in this order, which say no more than the place.

    Examples
    --------
    >>> is_count(names_of(range(3))), is_count(names_of([2, 1, 0])), is_count(None)
    (True, False, False)
    """
    if names is None or not len(names) or (names[0], names[-1]) != ("0", str(len(names) - 1)):
        return False
    return bool(np.array_equal(names, np.arange(len(names)).astype(TEXT)))


def names_to_show(names: np.ndarray | None) -> np.ndarray | None:
    """Return names, None where they only count: the number of a row or a column is told without them."""
    return None if is_count(names) else names


def keep_the_order(names: np.ndarray, known: np.ndarray) -> str:  # noqa: ARG001  what any pair of names is told
    """Return the end of a message on names that are not the same, where there is no other way."""
    return "; bring them into the same order"


def refuse_other_names(
    address: str, found: Any, of_fit: Any, what: str = "column",
    remedy: Callable[[np.ndarray, np.ndarray], str] = keep_the_order, *, of: str = "the fit",
) -> None:  # fmt: skip
    """Compare labels of columns (or of another `what`) with those `of` a fit, where they are to be compared.

    The message ends with the `remedy` for names that differ from those known.

    Raises
    ------
    InputError
        They are not the same.
    """
    names, known = names_of(found), names_of(of_fit)
    if names is None or known is None or np.array_equal(names, known):
        return
    if len(names) != len(known):
        raise InputError(f"{address}: has {len(names)} {what}s, in {of} there are {len(known)}")
    if _counts_against_other_names(names, known) or _counts_against_other_names(known, names):
        log.info("%s: %ss are numbered here or in %s and named in the other; names are not compared", address, what, of)
        return
    at = int(np.flatnonzero(names != known)[0])
    raise InputError(
        f"{address}: {what} {at} is named {str(names[at])!r}, in {of} {str(known[at])!r}{remedy(names, known)}"
    )


def _counts_against_other_names(count: np.ndarray, names: np.ndarray) -> bool:
    return is_count(count) and not _are_numbers(names)


def _are_numbers(names: np.ndarray) -> bool:
    try:
        np.asarray(names).astype(np.float64)
    except ValueError:
        return False
    return True
