"""scan_values, scan_csr and indices_in_range: bad data is found, with its place."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnmf.kernels import scan
from dnmf.kernels.scan import (
    DUPLICATE_COLUMN,
    INDEX_OUT_OF_RANGE,
    INDPTR_INVALID,
    VALID,
    indices_in_range,
    scan_csr,
    scan_values,
)

pytestmark = pytest.mark.numeric

NUMBERS = ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64"]
unhurried = settings(deadline=None, max_examples=50)  # an example may have to wait for a compilation
sizes = st.one_of(st.integers(0, 200), st.sampled_from([63, 64, 65, 1000]))
index_dtypes = pytest.mark.parametrize("index_dtype", ["int32", "int64"])


@pytest.mark.parametrize("dtype", NUMBERS)
@unhurried
@given(seed=st.integers(0, 2**32 - 1), size=sizes)
@pytest.mark.broad(1)
def test_sum_of_squares_of_valid_values(dtype, seed, size):
    values = (100 * np.random.default_rng(seed).random(size)).astype(dtype)
    squares, first_bad, count = scan_values(values)
    assert squares == pytest.approx(math.fsum(float(value) ** 2 for value in values), rel=1e-13)
    assert (first_bad, count) == (-1, 0)


@unhurried
@given(size=st.integers(1, 300), data=st.data())
def test_bad_values_are_counted_and_the_first_is_placed(size, data):
    places = data.draw(st.sets(st.integers(0, size - 1), min_size=1))
    values = np.full(size, 2.0, data.draw(st.sampled_from(["float32", "float64"])))
    for place in places:
        values[place] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf, -1.0, -1e-40]))
    squares, first_bad, count = scan_values(values)
    assert (first_bad, count) == (min(places), len(places))
    assert squares == 4.0 * (size - len(places))


@pytest.mark.broad(1)
@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_negative_integers_are_bad(dtype):
    values = np.ones(130, dtype)
    values[[77, 129]] = -1, np.iinfo(dtype).min
    assert scan_values(values) == (128.0, 77, 2)


@pytest.mark.broad(1)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_largest_unsigned_integer_is_valid(dtype):
    largest = np.iinfo(dtype).max
    assert scan_values(np.array([largest], dtype)) == (float(largest) ** 2, -1, 0)


def test_negative_zero_is_a_zero():
    assert scan_values(np.array([-0.0])) == (0.0, -1, 0)


def test_large_finite_values_are_valid_though_their_squares_overflow():
    assert scan_values(np.array([1e200, 1.0])) == (np.inf, -1, 0)


def test_sum_has_the_same_bits_wherever_the_values_lie_in_memory():
    values = np.random.default_rng(0).random(1000)
    room = np.zeros(1009)
    for offset in range(1, 9):
        moved = room[offset : offset + 1000]
        moved[:] = values
        assert scan_values(moved) == scan_values(values)


def test_inputs_are_not_written_and_may_be_read_only_or_strided():
    values, indices, indptr = np.arange(300.0), np.arange(10, dtype=np.int32), np.array([0, 4, 10])
    expected = scan_values(values), scan_csr(indices, indptr, 10), indices_in_range(indices, 10)
    compiled_before = len(scan._scan_values.signatures), len(scan._scan_csr.signatures)
    strided = np.repeat(values, 2)[::2]
    for array in (values, indices, indptr):
        array.flags.writeable = False
    assert (scan_values(values), scan_csr(indices, indptr, 10), indices_in_range(indices, 10)) == expected
    assert scan_values(strided) == expected[0]
    assert np.array_equal(values, np.arange(300.0))
    assert (len(scan._scan_values.signatures), len(scan._scan_csr.signatures)) == compiled_before


@index_dtypes
@unhurried
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(0, 20), in_order=st.booleans())
def test_rows_of_distinct_columns_are_valid(index_dtype, seed, rows, in_order):
    rng = np.random.default_rng(seed)
    columns = [rng.permutation(12)[: rng.integers(0, 13)] for _ in range(rows)]
    indptr = np.cumsum([0] + [len(row) for row in columns])
    indices = np.concatenate([np.sort(row) if in_order else row for row in columns] + [[]]).astype(index_dtype)
    assert scan_csr(indices, indptr, 12) == (-1, VALID)


@index_dtypes
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[0, 1], [3, 5]], (1, INDEX_OUT_OF_RANGE)),
        ([[0, 1], [], [-1, 2]], (2, INDEX_OUT_OF_RANGE)),
        ([[0, 1], [2, 2]], (1, DUPLICATE_COLUMN)),
        ([[4, 0, 1, 4], [9]], (0, DUPLICATE_COLUMN)),
        ([[3, 9, 3]], (0, INDEX_OUT_OF_RANGE)),
        ([[1, 0], [0, 1], [1, 0]], (-1, VALID)),
    ],
)
def test_first_bad_row_is_named_with_its_problem(index_dtype, rows, expected):
    indptr = np.cumsum([0] + [len(row) for row in rows])
    indices = np.array([column for row in rows for column in row], index_dtype)
    assert scan_csr(indices, indptr, 5) == expected


@pytest.mark.parametrize(
    ("indptr", "row"), [([0, 3, 2, 6], 1), ([0, 3, 7], 1), ([-1, 3, 6], 0), ([7, 8], 0), ([0, 6, 0], 1)]
)
@pytest.mark.parametrize("indptr_dtype", ["int32", "int64"])
def test_offsets_that_fall_or_leave_the_indices_are_invalid(indptr, row, indptr_dtype):
    assert scan_csr(np.arange(6), np.array(indptr, indptr_dtype), 6) == (row, INDPTR_INVALID)


def test_offsets_may_begin_above_zero():
    indices = np.array([99, 99, 0, 1, 99], np.int32)
    assert scan_csr(indices, np.array([2, 3, 4]), 2) == (-1, VALID)
    assert scan_csr(indices, np.array([2, 3, 5]), 2) == (1, INDEX_OUT_OF_RANGE)


def test_nothing_is_valid():
    nothing = np.zeros(0, np.int32)
    assert scan_csr(nothing, np.zeros(1, np.int64), 0) == (-1, VALID)
    assert scan_csr(nothing, np.zeros(4, np.int64), 0) == (-1, VALID)
    assert indices_in_range(nothing, 0) is True


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint16", "uint64"])
@unhurried
@given(data=st.data())
def test_indices_in_range_is_min_and_max(dtype, data):
    lowest = 0 if dtype.startswith("u") else -2
    values = data.draw(st.lists(st.integers(lowest, 8), max_size=100))
    assert indices_in_range(np.array(values, dtype), 7) is all(0 <= value < 7 for value in values)


def test_index_too_large_for_int64_is_out_of_range():
    indices = np.array([1, 2**64 - 1], np.uint64)
    assert indices_in_range(indices, 5) is False
    assert scan_csr(indices, np.array([0, 2]), 5) == (0, INDEX_OUT_OF_RANGE)
