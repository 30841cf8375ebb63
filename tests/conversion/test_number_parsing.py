"""The text kernel: every value is the double nearest to its decimal digits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnmf.kernels.text import DONE, FULL, INTEGER, MALFORMED, REAL, parse_entries


def parse(text: str, field=REAL, capacity=100, hard_capacity=100, shape=(9, 9), indexed=False):
    buffer = np.frombuffer(text.encode(), np.uint8)
    rows, columns = np.zeros((2, capacity), np.int64)
    words, hard = np.zeros(capacity, np.uint64), np.zeros((hard_capacity, 2), np.int64)
    entries, n_hard, lines, place, status = parse_entries(buffer, shape, indexed, field, rows, columns, words, hard)
    values = words.view(np.float64 if field == REAL else np.int64)
    for entry, start in hard[:n_hard]:
        values[entry] = (float if field == REAL else int)(text[start:].split(maxsplit=1)[0])
    return values[:entries], rows[:entries], columns[:entries], lines, place, status


DECIMALS = st.one_of(
    st.floats(min_value=0, allow_infinity=False).map(repr),
    st.builds("{}e{}".format, st.integers(0, 10**25), st.integers(-400, 280)),
    st.builds("{}.{}".format, st.integers(0, 10**22), st.text("0123456789", max_size=30)),
    st.builds(".{}E+{}".format, st.text("0123456789", min_size=1, max_size=25), st.integers(0, 30)),
)


@given(st.lists(DECIMALS, min_size=1, max_size=50))
def test_reals_are_the_nearest_doubles(decimals):
    values, *_, status = parse("\n".join(decimals) + "\n")
    assert status == DONE
    assert values.tolist() == [float(text) for text in decimals]


@pytest.mark.slow
@settings(max_examples=300)
@given(st.integers(2**52, 2**53 - 1), st.integers(-40, 60))
def test_ties_round_to_even(mantissa, power):
    """Half-way between two doubles is where a rounding error shows."""
    from decimal import Context, Decimal

    between = Context(prec=200).multiply(Decimal(2 * mantissa + 1), Context(prec=200).power(2, power))
    values, *_ = parse(f"{between:f}\n{between:e}\n")
    assert values.tolist() == [float(between), float(between)]


def test_many_random_doubles_survive_their_shortest_text():
    bits = np.random.default_rng(0).integers(0, 0x7FF0000000000000, 20_000)
    expected = bits.view(np.float64)
    text = "\n".join(map(repr, expected.tolist())) + "\n"
    values, *_ = parse(text, capacity=len(expected), hard_capacity=len(expected))
    np.testing.assert_array_equal(values, expected)


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=50))
def test_integers_are_exact(integers):
    values, *_ = parse("\n".join(map(str, integers)) + "\n", INTEGER)
    assert values.tolist() == integers


def test_blank_lines_comments_tabs_and_crlf_are_passed():
    text = "1\t2   3.5\r\n\r\n% a comment 1 2 3\n \t\n 2 1 +4e0 \n"
    values, rows, columns, lines, _, status = parse(text, indexed=True)
    assert (values.tolist(), rows.tolist(), columns.tolist()) == ([3.5, 4.0], [0, 1], [1, 0])
    assert (lines, status) == (5, DONE)


@pytest.mark.parametrize(
    "line",
    ["1 1", "1 1 2 3", "0 1 2", "10 1 2", "1 10 2", "1.5 1 2", "1 1 -2", "1 1 nan", "1 1 inf", "1 1 .",
     "1 1 2e", "1 1 2x", "1x 1 2", "x", "1 1 1e+", "1 1 0x10", "99999999999999999999 1 1"],
)  # fmt: skip
def test_a_malformed_line_ends_the_parse_at_that_line(line):
    text = f"1 1 1\n\n{line}\n2 2 2\n"
    values, _, _, lines, place, status = parse(text, indexed=True)
    assert (len(values), lines, status) == (1, 2, MALFORMED)
    assert text[place:].startswith(line)


@pytest.mark.parametrize("line", ["1.0", "1e3", "-1", "9.", ""])
def test_integer_fields_hold_digits_only(line):
    assert parse(f"1 1 {line}\n", INTEGER, indexed=True)[-1] == MALFORMED


def test_minus_zero_is_zero():
    assert parse("-0\n-0.0e5\n")[0].tolist() == [0.0, 0.0]


def test_parsing_goes_on_where_there_was_no_room():
    text = "1\n2\n3\n"
    values, _, _, _, place, status = parse(text, capacity=2)
    assert (values.tolist(), text[place:], status) == ([1, 2], "3\n", FULL)
    hard = "0." + "1" * 30 + "\n"
    assert parse(hard * 3, hard_capacity=2)[-1] == FULL
