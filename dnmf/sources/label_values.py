"""Labels, which are kept as text, read back as the numbers, dates and spans of time that they were."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from dnmf.sources.names import TEXT

NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*", re.IGNORECASE | re.ASCII)
WHOLE = re.compile(r"\s*[-+]?\d+\s*", re.ASCII)
PADDED = re.compile(r"\s*[-+]?0\d", re.ASCII)  # 007: a number to order by, but its zeros are a part of what it says
DATE = re.compile(
    r"(?P<day>\d{4}(-\d\d(-\d\d)?)?)((?P<between>[T ])(?P<minute>\d\d:\d\d)(?P<second>:\d\d)?(?P<part>\.\d+)?)?"
    r"(?P<zone>Z|[-+]\d\d:?\d\d)?", re.ASCII,
)  # fmt: skip
SPAN = re.compile(r"(?P<sign>-?)PT(?P<seconds>\d+)(\.(?P<part>\d{1,9}))?S", re.ASCII)
NANOSECONDS = 10**9  # in a second
OF_NANOSECONDS = (np.datetime64("1678", "s"), np.datetime64("2262", "s"))  # between these they can be counted


def values_of(names: Any) -> np.ndarray | None:
    """Return labels as what they say: numbers (int64 or float64), dates (datetime64) or spans (timedelta64).

    None where not all of them are the same of these, or there are none. Dates with an offset become those of UTC.

    Examples
    --------
    >>> from dnmf.sources.names import names_of
    >>> values_of(names_of([-40.0, 2.5])), values_of(names_of(range(1, 4))), values_of(names_of(["low", "high"]))
    (array([-40. ,   2.5]), array([1, 2, 3]), None)
    >>> values_of(names_of(np.array(["2020-01", "2020-02"], "M8[M]"))).astype(str).tolist()
    ['2020-01-01T00:00:00', '2020-02-01T00:00:00']
    """
    if names is None or not len(names):
        return None
    first = str(names[0])
    reader = next((read for pattern, read in READERS if pattern.fullmatch(first)), None)
    if reader is None:
        return None
    try:
        return reader([str(name) for name in names])
    except (ValueError, OverflowError):
        return None


def coordinates_of(names: Any) -> Any:
    """Return labels as coordinates: as :func:`values_of`, dates in nanoseconds where these reach; others as text.

    Numbers that begin with zeros (``007``) stay text, since their zeros are a part of it.
    """
    values = values_of(names)
    if values is None or (values.dtype.kind in "if" and any(PADDED.match(str(name)) for name in names)):
        return [str(name) for name in names]
    if values.dtype.kind == "M" and OF_NANOSECONDS[0] <= values.min() and values.max() < OF_NANOSECONDS[1]:
        return values.astype("M8[ns]")
    return values


def in_short(names: Any) -> Any:
    """Return labels, of dates without the hours, seconds and fractions that are zero in all of them.

    Examples
    --------
    >>> in_short(["2020-01-01T00:00:00.000000000", "2020-02-01T00:00:00.000000000"])
    ['2020-01-01', '2020-02-01']
    >>> in_short(["2020-01-01T06:00:00.000000000", "2020-02-01T00:00:00.000000000"])
    ['2020-01-01 06:00', '2020-02-01 00:00']
    """
    if names is None or not len(names) or not DATE.fullmatch(str(names[0])):
        return names
    found = [DATE.fullmatch(str(name)) for name in names]
    if not all(each and each["minute"] for each in found):
        return names
    parts = [each.groupdict(default="") for each in found if each]
    texts = [_written(each, _needed(parts)) for each in parts]
    return texts if isinstance(names, list) else np.array(texts, TEXT)


def _needed(parts: Sequence[dict[str, str]]) -> tuple[str, ...]:
    """Which parts of dates have to be written, since they are not zero in one."""
    if any(each["part"].strip(".0") for each in parts):
        return "minute", "second", "part"
    if any(each["second"].strip(":0") for each in parts):
        return "minute", "second"
    return ("minute",) if any(each["minute"] != "00:00" or each["zone"] for each in parts) else ()


def _written(of: dict[str, str], needed: tuple[str, ...]) -> str:
    time = "".join(of[part].rstrip("0") if part == "part" else of[part] for part in needed).rstrip(".")
    return f"{of['day']} {time}{of['zone']}" if time else of["day"]


def _numbers(names: list[str]) -> np.ndarray:
    if all(WHOLE.fullmatch(name) for name in names):
        return np.array([int(name) for name in names], np.int64)
    if not all(NUMBER.fullmatch(name) for name in names):
        raise ValueError
    values = np.array([float(name) for name in names])
    if not np.isfinite(values).all():
        raise ValueError
    return values


def _dates(names: list[str]) -> np.ndarray:
    values = np.array([_date(name) for name in names])
    return values if np.datetime_data(values.dtype)[0] in ("ms", "us", "ns") else values.astype("M8[s]")


def _date(name: str) -> np.datetime64:
    found = DATE.fullmatch(name)
    if found is None:
        raise ValueError(name)
    if found["zone"]:
        return np.datetime64(datetime.fromisoformat(name).astimezone(UTC).replace(tzinfo=None), "us")
    part = (found["part"] or "").rstrip("0")  # of a year that nanoseconds do not reach there are none
    return np.datetime64(name[: found.start("part")] + part.rstrip(".") if found["part"] else name)


def _spans(names: list[str]) -> np.ndarray:
    return np.array([_nanoseconds(name) for name in names], np.int64).astype("m8[ns]")


def _nanoseconds(name: str) -> int:
    found = SPAN.fullmatch(name)
    if found is None:
        raise ValueError(name)
    part = (found["part"] or "").ljust(9, "0")
    return (-1 if found["sign"] else 1) * (int(found["seconds"]) * NANOSECONDS + int(part))


READERS: tuple[tuple[re.Pattern[str], Callable[[list[str]], np.ndarray]], ...] = (
    (NUMBER, _numbers), (DATE, _dates), (SPAN, _spans),
)  # fmt: skip
