"""Labels are kept as text, and read back as the numbers, dates and spans that they were."""

import numpy as np
import pytest

from dnmf.sources.label_values import coordinates_of, in_short, values_of
from dnmf.sources.names import names_of

DAYS = np.arange("2020-02-10", "2020-02-20", dtype="M8[D]")


@pytest.mark.parametrize(
    "labels",
    [
        np.array([-40.0, 2.5, 1e-7, 1e22]), np.arange(-3, 9), DAYS.astype("M8[ns]"),
        np.arange(5).astype("m8[ns]") * 1500,
        np.array(["2020-01-01T00:00:00.000000001"], "M8[ns]"), -np.arange(1, 4).astype("m8[D]").astype("m8[ns]"),
    ],
)  # fmt: skip
def test_labels_are_read_back_as_they_were(labels):
    found = coordinates_of(names_of(labels))
    assert found.dtype == labels.dtype
    np.testing.assert_array_equal(found, labels)


@pytest.mark.parametrize(
    "labels",
    [["low", "high"], ["1", "b"], ["2020-01-01", "then"], ["2020-13-01"], ["1_000"], ["nan", "1"], ["now"], [""]],
)
def test_labels_that_are_not_all_of_one_kind_are_text(labels):
    assert values_of(names_of(labels)) is None
    assert coordinates_of(names_of(labels)) == labels


def test_zeros_before_a_number_are_kept():
    assert coordinates_of(names_of(["007", "12"])) == ["007", "12"]
    assert values_of(names_of(["007", "12"])).tolist() == [7, 12]


def test_dates_that_nanoseconds_do_not_reach_are_not_others():
    found = coordinates_of(names_of(np.array(["0001-01-01", "9999-12-31"], "M8[D]").astype("M8[s]").astype(object)))
    assert found.tolist()[0].year == 1
    assert found.tolist()[1].year == 9999


def test_dates_with_an_offset_are_those_of_utc():
    found = values_of(["2020-01-01 00:30:00+02:00", "2020-01-01T00:30:00Z"])
    assert found.astype("M8[m]").astype(str).tolist() == ["2019-12-31T22:30", "2020-01-01T00:30"]


def test_dates_in_short_say_what_is_not_zero_in_one_of_them():
    assert in_short(names_of(DAYS)).tolist() == DAYS.astype(str).tolist()
    seconds = names_of(np.array(["2020-01-01T00:00:30", "2020-01-01T00:01:00"], "M8[ns]"))
    assert in_short(seconds).tolist() == ["2020-01-01 00:00:30", "2020-01-01 00:01:00"]
    parts = names_of(np.array(["2020-01-01T00:00:00.5", "2020-01-01"], "M8[ns]"))
    assert in_short(parts).tolist() == ["2020-01-01 00:00:00.5", "2020-01-01 00:00:00"]
    for others in (["2020-01-01T00:00:00", "then"], ["a"], ["2020"], []):
        assert in_short(others) == others
