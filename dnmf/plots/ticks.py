"""Where numbers and dates stand along a profile: few places, at round values, in short texts."""

from collections.abc import Iterator

import numpy as np

from dnmf.plots.short_names import told_apart
from dnmf.sources.label_values import in_short, values_of

MOST = 5
LETTERS = 36  # of all ticks together, with the gaps between them
GAP = 2  # letters between two ticks
EVEN = 1.5  # times the shortest step of an axis that a round number is looked for between its entries
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
STEPS = {
    "Y": (1000, 500, 200, 100, 50, 20, 10, 5, 2, 1), "M": (6, 3, 2, 1), "D": (20, 14, 10, 7, 5, 4, 3, 2, 1),
    "h": (12, 6, 3, 2, 1), "m": (30, 20, 15, 10, 5, 2, 1), "s": (30, 20, 15, 10, 5, 4, 3, 2, 1),
}  # fmt: skip
MOST_OF_ONE = 19  # letters: a date with minutes and seconds
LEAST = 3  # round values or firsts; fewer say too little
MOST_DAYS = np.timedelta64(300, "D")  # that are told apart by month and day
FAMILIES = (((1, 2, 5), LEAST), ((4,), LEAST), ((1, 2, 5), 2))  # of round steps, and how few of each are enough
MOST_MULTIPLES = 200
SPANS = {"D": "d", "h": "h", "m": "min", "s": "s"}


def ticks_along(names: np.ndarray, most: int = MOST, letters: int = LETTERS) -> dict[float, str]:
    """Return what stands where along entries with an order, the first from 0 to 1: at most `most` texts, and `letters`.

    Numbers in even steps have round ones, between the entries too; dates the first entry of a year, a month, a day, …,
    written by what differs; all others every second, third, … entry.

    Examples
    --------
    >>> from dnmf.sources.names import names_of
    >>> ticks_along(names_of(range(240, 400, 5)))
    {2.5: '250', 12.5: '300', 22.5: '350'}
    >>> list(ticks_along(names_of(np.arange("2020-01-01", "2021-01-01", dtype="M8[D]"))).values())
    ['2020', 'Apr', 'Jul', 'Oct']
    """
    values = values_of(names)
    if values is not None and len(values) > 1:
        falls = bool(values[0] > values[-1])
        for ticks in KINDS[values.dtype.kind](values[::-1] if falls else values):
            if len(ticks) <= most and _room_of(ticks) <= letters:
                return {len(values) - at if falls else at: text for at, text in sorted(ticks.items())}
    return _at_entries(names, most, letters)


def _room_of(ticks: dict[float, str]) -> int:
    return sum(len(text) + GAP for text in ticks.values())


def _numbers(values: np.ndarray) -> Iterator[dict[float, str]]:
    """Round numbers along even steps, fewer and fewer of them, and at last two."""
    values, steps = values.astype(float), np.diff(values.astype(float))
    if steps.min() <= 0 or steps.max() > EVEN * steps.min():
        return
    power = np.floor(np.log10(values[-1] - values[0])) - 1
    for family, least in FAMILIES:
        for step in (of * 10.0 ** (power + more) for more in range(3) for of in family):
            ticks = _multiples(values, step)
            if step >= steps.min() * (1 - 1e-9) and len(ticks) >= least:  # no more of them than entries
                yield ticks


def _multiples(values: np.ndarray, step: float) -> dict[float, str]:
    """Where the multiples of a step lie along rising numbers."""
    first, last = np.ceil(values[0] / step - 1e-9), np.floor(values[-1] / step + 1e-9)
    if last - first > MOST_MULTIPLES:
        return {}
    round_ones = step * np.arange(first, last + 1)
    places = np.interp(round_ones, values, np.arange(len(values))) + 0.5
    return {round(float(at), 6): f"{value + 0.0:.10g}" for at, value in zip(places, round_ones, strict=True)}


def _spans(values: np.ndarray) -> Iterator[dict[float, str]]:
    """The same of spans of time, in the largest unit of which all are whole numbers."""
    units = [unit for unit in SPANS if (values == values.astype(f"m8[{unit}]")).all()]
    for unit in units[:1]:
        for ticks in _numbers(values.astype(f"m8[{unit}]").astype(np.int64)):
            yield {at: f"{text} {SPANS[unit]}" for at, text in ticks.items()}


def _dates(values: np.ndarray) -> Iterator[dict[float, str]]:
    """The first entries of years, months, … in the largest unit that has some, and in fewer and fewer of the next."""
    for unit, steps in STEPS.items():
        for step in reversed(steps):
            ticks = _firsts(values, unit, step)
            if len(ticks) >= min(LEAST, len(values)):
                yield ticks


def _firsts(values: np.ndarray, unit: str, step: int) -> dict[float, str]:
    """The entries that begin `step` units, an exact first one too."""
    units = values.astype(f"M8[{unit}]")
    numbers = units.astype(np.int64) + (1970 if unit == "Y" else 0)
    at = np.flatnonzero(np.diff(numbers // step)) + 1
    if values[0] == units[0] and numbers[0] % step == 0:
        at = np.concatenate([[0], at])
    if _is_unclear(units[at], unit):
        return {}
    within = np.array_equal(units.astype("M8[D]")[:1], units.astype("M8[D]")[-1:])
    return {float(place) + 0.5: _written(units[place], unit, within=within) for place in at}


def _is_unclear(dates: np.ndarray, unit: str) -> bool:
    """Whether dates in a short text would not say of which year, or times of which day, they are."""
    if unit == "Y" or not len(dates):
        return False
    if unit != "M" and dates[-1] - dates[0] > MOST_DAYS:
        return True
    above = dates.astype("M8[Y]" if unit == "M" else "M8[D]")
    return bool(((above[1:] != above[:-1]) & (dates[1:] != above[1:])).any())


def _written(date: np.datetime64, unit: str, *, within: bool) -> str:
    """A date by the largest unit that begins with it; of times `within` one day no date is written."""
    year, month, day = str(date.astype("M8[D]")).rsplit("-", 2)
    named = MONTHS[int(month) - 1]
    if unit in "hms":
        time = str(date.astype("M8[s]"))[-8:]
        midnight = time == "00:00:00" and not within
        return f"{named} {int(day)}" if midnight else time if unit == "s" else time[:5]
    if unit == "D":
        return f"{named} {int(day)}"
    return year if unit == "Y" or month == "01" else named


KINDS = {"i": _numbers, "f": _numbers, "m": _spans, "M": _dates}


def _at_entries(names: np.ndarray, most: int, letters: int) -> dict[float, str]:
    """Every second, third, … entry with its label, as many as there is room for."""
    count = len(names)
    for step in range(max(1, -(-(count - 1) // (most - 1))), count):
        at = range(0, count, step)
        texts = _short([str(names[each]) for each in at])
        ticks = {each + 0.5: text for each, text in zip(at, texts, strict=True)}
        if _room_of(ticks) <= letters:
            return ticks
    return {0.5: _short([str(names[0])])[0]} if count else {}


def _short(texts: list[str]) -> list[str]:
    """Labels in few letters, those that differ still apart: numbers in fewer digits."""
    texts = list(in_short(texts))
    values = values_of(texts)
    if values is not None and values.dtype.kind == "f":
        rounded = (([f"{value:.{digits}g}" for value in values]) for digits in range(6, 17))
        return next((each for each in rounded if len(set(each)) == len(set(texts))), texts)
    cut = told_apart(texts, MOST_OF_ONE)
    return [cut[text] for text in texts]
