"""Entries in any order, however unevenly the rows are filled, come out as sorted rows."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from dnmf.conversion import buckets as module
from dnmf.conversion.buckets import BYTES_PER_ENTRY, RowBuckets
from dnmf.conversion.streams import Triplets


@st.composite
def entries(draw):
    """Rows drawn evenly, or nearly all in one place, so that buckets have to be divided again."""
    rows, columns = draw(st.integers(1, 3000)), draw(st.integers(1, 50))
    count = draw(st.integers(0, 400))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    crowd = draw(st.sampled_from([1, 3, 10**4]))
    row = (rng.integers(0, rows) + rng.integers(0, crowd, count)) % rows
    dtype = draw(st.sampled_from(["uint8", "int64", "float32", "float64"]))
    return (rows, columns), Triplets(row, rng.integers(0, columns, count), rng.integers(0, 5, count).astype(dtype))


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries(), st.integers(1, 200), st.integers(2, 300), st.integers(2, 20), st.floats(0, 3))
def test_buckets_sort_any_entries(tmp_path_factory, monkeypatch, case, block, limit, most_buckets, guess):
    shape, all_entries = case
    monkeypatch.setattr(module, "FEWEST_ENTRIES", 1)
    monkeypatch.setattr(module, "MOST_BUCKETS", most_buckets)
    count = len(all_entries.values)
    sorter = RowBuckets(
        tmp_path_factory.mktemp("b"),
        shape,
        int(guess * count),
        all_entries.values.dtype,
        limit * BYTES_PER_ENTRY,
    )
    for start in range(0, count, block):
        sorter.add(Triplets(*(part[start : start + block] for part in all_entries)))
    sorter.settle()
    parts = list(sorter.rows())
    assert [first for first, _ in parts] == np.cumsum([0, *(rows.shape[0] for _, rows in parts)])[:-1].tolist()
    result = sparse.vstack([rows for _, rows in parts]).tocsr()
    assert all(rows.has_canonical_format and (rows.data != 0).all() for _, rows in parts)
    expected = sparse.coo_array((all_entries.values.astype(float), all_entries[:2]), shape=shape).tocsr()
    assert result.shape == shape
    assert (result != expected).nnz == 0
    assert all(rows.shape[0] <= limit for _, rows in parts)


def test_a_bucket_is_divided_until_it_fits(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FEWEST_ENTRIES", 1)
    sorter = RowBuckets(tmp_path, (10**6, 2), 1000, np.dtype("float32"), 100 * BYTES_PER_ENTRY)
    monkeypatch.setattr(module, "MOST_BUCKETS", 8)
    rows = 777_000 + np.arange(1000)  # all of a million rows' entries in a thousand neighbours
    sorter.add(Triplets(rows, np.zeros(1000, int), np.ones(1000, "float32")))
    monkeypatch.setattr(sorter, "_limit", 100)
    sorter._buckets = [b for b in sorter._buckets if b.path.exists()]
    sorter.settle()
    sizes = [sorter._entries(bucket) for bucket in sorter._buckets]
    assert max(sizes) <= 100
    assert sum(sizes) == 1000


def test_rows_can_be_read_twice(tmp_path):
    sorter = RowBuckets(tmp_path, (5, 5), 2, np.dtype("uint8"), 2**20)
    sorter.add(Triplets(np.array([4, 1]), np.array([0, 3]), np.array([7, 8], "uint8")))
    sorter.settle()
    for _ in range(2):
        assert sparse.vstack([rows for _, rows in sorter.rows()]).toarray()[[4, 1], [0, 3]].tolist() == [7, 8]


@pytest.mark.parametrize("rows", [2**32 - 1, 2**32 + 5])
def test_row_numbers_of_more_than_32_bits(tmp_path, rows):
    sorter = RowBuckets(tmp_path, (rows, 3), 4, np.dtype("float64"), 2**36)
    sorter.add(Triplets(np.array([rows - 1, 0]), np.array([2, 1]), np.array([1.5, 2.5])))
    found = [(bucket.first, bucket.stop) for bucket in sorter._buckets if sorter._entries(bucket)]
    assert found[0][0] == 0
    assert found[-1][1] == rows
    records = [np.fromfile(b.path, sorter._record) for b in sorter._buckets if sorter._entries(b)]
    assert sorted(np.concatenate(records)["row"].tolist()) == [0, rows - 1]
