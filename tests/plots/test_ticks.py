"""What stands along a profile of numbers and dates: a few round ones, in short texts."""

from itertools import pairwise

import numpy as np
import pytest

from dnmf.plots.orders import is_ordered
from dnmf.plots.ticks import LETTERS, MOST, ticks_along
from dnmf.sources.names import names_of


def days(start, stop, unit="D"):
    return np.arange(start, stop, dtype=f"M8[{unit}]")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (range(240, 400, 5), ["250", "300", "350"]),
        (np.linspace(-40, 40, 17), ["-40", "-20", "0", "20", "40"]),
        (np.arange(0, 1, 0.1), ["0", "0.2", "0.4", "0.6", "0.8"]),
        ([1, 2, 5, 100, 1000], ["1", "2", "5", "100", "1000"]),
        (range(1, 13), ["4", "8", "12"]),
        (days("2020-01-01", "2021-01-01"), ["2020", "Apr", "Jul", "Oct"]),
        (days("2010-01", "2020-01", "M"), ["2010", "2012", "2014", "2016", "2018"]),
        (days("2020-02", "2020-04", "M"), ["Feb", "Mar"]),
        (days("2020-02-10", "2020-02-12", "h"), ["Feb 10", "12:00", "Feb 11", "12:00"]),
        (days("2020-02-10T05", "2020-02-10T06", "m"), ["05:00", "05:15", "05:30", "05:45"]),
        (np.arange(8).astype("m8[D]"), ["0 d", "2 d", "4 d", "6 d"]),
        (np.array(["2020-01-03", "2020-05-03", "2023-02-11"], "M8[D]"), ["2020-01-03", "2020-05-03", "2023-02-11"]),
    ],
)
def test_round_numbers_and_short_dates_stand_along_a_profile(labels, expected):
    names = names_of(labels)
    assert is_ordered(names)
    assert list(ticks_along(names).values()) == expected


@pytest.mark.parametrize("count", [1, 2, 3, 10, 30, 45, 58, 100, 370, 4_000])
@pytest.mark.parametrize("unit", ["Y", "M", "D", "h", "m", "s"])
def test_dates_have_as_many_texts_as_there_is_room_for(count, unit):
    names = names_of(np.datetime64("1903-05-07T05:17:03").astype(f"M8[{unit}]") + np.arange(count))
    ticks = ticks_along(names)
    assert min(count, 2) <= len(ticks) <= MOST
    assert sum(len(text) + 2 for text in ticks.values()) <= LETTERS
    assert all(text != after for text, after in pairwise(ticks.values()))
    assert all(0 < at < count for at in ticks)


def test_where_there_is_room_for_three_they_are_round_too():
    assert list(ticks_along(names_of(np.linspace(-40, 40, 24)), most=3).values()) == ["-40", "0", "40"]
    assert list(ticks_along(names_of(np.arange(400, 505, 5)), most=3).values()) == ["400", "450", "500"]


def test_labels_that_fall_have_the_places_of_those_that_rise():
    names = names_of(range(240, 400, 5))
    falling = ticks_along(names[::-1])
    assert {text: len(names) - at for at, text in falling.items()} == {
        text: at for at, text in ticks_along(names).items()
    }
