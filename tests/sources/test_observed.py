"""What was observed of some data, and how much it counts: every kind of data with every kind of mask and weights."""

import json
import pickle
import tracemalloc

import dask
import dask.array as da
import numpy as np
import pytest
import scipy.sparse
import zarr
from observed_stores import (
    BESIDE,
    DENSE,
    KINDS,
    MASK,
    SPARSE,
    WEIGHTS,
    assert_reads,
    combined,
    compressed,
    dense_store,
    expected,
    folder,
    of_kinds,
    opened,
    unfold,
    values_of,
)
from source_contract import COLUMNS, ROWS, SourceContract, small_matrix

from dnmf import ChangedError, InputError, open_source
from dnmf.sources import observed_rows, patterns
from dnmf.sources.guard import guard_source
from dnmf.sources.kept import KEPT, Keep
from dnmf.sources.memory import MemorySource, slice_rows, stack_rows
from dnmf.sources.opening_again import open_again, where_now


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Each of the three as each kind, made once."""
    made = {}
    for kind in KINDS:
        made[kind] = of_kinds(tmp_path_factory.mktemp("made"), kind, mask=kind, weights=kind)
    return made


@pytest.mark.broad(25)
@pytest.mark.parametrize("mask", BESIDE)
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_mask_leaves_out_was_not_observed(written, kind, mask):
    source = combined(written, kind, mask=mask)
    assert source.has_missing
    assert not source.weighted
    assert source.unstored == ("missing" if kind in SPARSE else "zero")
    assert_reads(source, expected(values_of(kind), MASK))


@pytest.mark.broad(30)
@pytest.mark.parametrize(("weights", "mask"), [*((kind, None) for kind in BESIDE), ("array", "csr"), ("csr", "array")])
@pytest.mark.parametrize("kind", KINDS)
def test_entries_count_by_their_weights_and_those_of_weight_zero_do_not(written, kind, weights, mask):
    source = combined(written, kind, mask=mask, weights=weights)
    assert source.weighted
    assert_reads(source, expected(values_of(kind), True if mask is None else MASK, WEIGHTS))


@pytest.mark.parametrize("beside", [{}, {"mask": "array"}, {"weights": "csr"}, {"mask": "csr", "weights": "array"}])
@pytest.mark.parametrize("kind", [kind for kind in DENSE if kind not in ("int16", "bool")])
def test_a_nan_was_not_observed_where_that_is_said(tmp_path, kind, beside):
    A = small_matrix()
    A[MASK[::-1]] = np.nan
    source = opened(tmp_path, kind, missing="nan", A=A, **beside)
    seen = ~MASK[::-1] & (MASK if "mask" in beside else True)
    assert_reads(source, expected(np.nan_to_num(A), seen, WEIGHTS if "weights" in beside else None))


@pytest.mark.parametrize("beside", [{}, {"mask": "array"}, {"weights": "csr"}, {"mask": "csr", "weights": "array"}])
@pytest.mark.parametrize("kind", SPARSE)
def test_what_is_not_stored_was_not_observed_where_that_is_said(written, kind, beside):
    source = combined(written, kind, missing="unstored", **beside)
    A = small_matrix()
    seen = (A != 0) & (MASK if "mask" in beside else True)
    assert_reads(source, expected(A, seen, WEIGHTS if "weights" in beside else None))


def test_a_stored_zero_was_observed():
    matrix = scipy.sparse.csr_array(([0.0, 2.0], ([0, 1], [1, 0])), shape=(2, 2))
    source = open_source(matrix, missing="unstored")
    np.testing.assert_array_equal(unfold(source.read(0, 2), 2)[1], [[False, True], [True, False]])


@pytest.mark.parametrize("kind", ["array", "zarr", "dask", "csr", "stored csr"])
def test_where_nothing_is_asked_the_source_is_the_same(written, kind):
    source = combined(written, kind)
    assert open_source(source) is source
    assert not source.has_missing
    assert not source.weighted


def test_integers_have_no_nan():
    assert not open_source(small_matrix().astype(int), missing="nan").has_missing


@pytest.mark.parametrize(("dtype", "read_as"), [("u1", "f4"), ("i2", "f4"), ("i4", "f8"), ("f4", "f4"), ("f8", "f8")])
def test_values_are_widened_no_more_than_a_nan_needs(dtype, read_as):
    source = open_source(small_matrix().astype(dtype), mask=MASK)
    assert source.dtype == source.read(0, 3).dtype == read_as
    weighted = open_source(small_matrix().astype(dtype), weights=WEIGHTS.astype("f4"))
    assert weighted.read(0, 3).rows.dtype == weighted.dtype == dtype
    assert weighted.read(0, 3).weights.dtype == "f4"


@pytest.mark.slow
def test_csc_is_turned_with_what_lies_beside_it_or_refused(tmp_path):
    A = scipy.sparse.csc_array(small_matrix())
    store, mask = compressed(lambda _: A)(A, tmp_path), dense_store((5, 5))(MASK, folder(tmp_path, "mask"))
    for beside in (MASK, scipy.sparse.csr_array(MASK), da.from_array(MASK, chunks=(5, 4))):
        found = unfold(open_source(store, mask=beside).read(0, COLUMNS), ROWS)
        np.testing.assert_array_equal(found[1], MASK.T)
        np.testing.assert_array_equal(found[0], (small_matrix() * MASK).T)
    by_columns = compressed(lambda _: scipy.sparse.csc_array(MASK))(MASK, folder(tmp_path, "columns"))
    np.testing.assert_array_equal(unfold(open_source(store, mask=by_columns).read(0, COLUMNS), ROWS)[1], MASK.T)
    with pytest.raises(InputError, match=r"stored by rows, the data by columns.*dnmf convert"):
        open_source(store, mask=mask)
    with pytest.raises(InputError, match=r"stored by columns, the data by rows.*dnmf convert"):
        open_source(small_matrix(), mask=by_columns)


class ObservedContract(SourceContract):
    """A mask of which everything was observed changes no value."""

    @pytest.fixture
    def source(self, data):
        return open_source(data, mask=np.ones((ROWS, COLUMNS)))

    def test_a_source_is_opened_as_itself(self, source):
        assert open_source(source) is source

    def test_the_fingerprint_is_json_and_that_of_another_opening(self, source, data):
        assert source.fingerprint() == open_source(data, mask=np.ones((ROWS, COLUMNS))).fingerprint()
        assert source.fingerprint() != open_source(data).fingerprint()

    def test_values_and_column_numbers_have_the_dtypes_they_are_stored_in(self, source):
        assert source.read(0, 9).dtype == source.dtype == "f8"


class TestDenseContract(ObservedContract):
    SPARSE = False
    CASES = {kind: DENSE[kind] for kind in ("array", "zarr", "zarr in other chunks", "dask", "dask in tall chunks")}


class TestSparseContract(ObservedContract):
    SPARSE = True
    CASES = {kind: SPARSE[kind] for kind in ("csr", "csc", "stored csr")}

    def test_values_and_column_numbers_have_the_dtypes_they_are_stored_in(self, source):
        assert source.read(0, 9).indices.dtype == source.index_dtype == "i4"


@pytest.mark.parametrize("mask", ["dask", "dask in tall chunks", "dask of csr"])
@pytest.mark.parametrize("kind", ["dask", "zarr", "csr"])
def test_blocks_of_all_parts_travel_with_the_task(written, kind, mask):
    source = combined(written, kind, mask=mask)
    assert source.blocks_are_tasks
    part = source.for_rows(4, 15)
    computed = list(dask.compute(*part.blocks(), scheduler="synchronous"))
    there = pickle.loads(pickle.dumps(part.with_blocks([]))).with_blocks(computed)
    assert there.blocks() == []
    for found, known in zip(unfold(there.read(5, 12), COLUMNS), expected(small_matrix(), MASK), strict=True):
        np.testing.assert_array_equal(found, known[5:12])


@pytest.mark.parametrize("kind", ["array", "csr"])
@pytest.mark.parametrize("beside", [{"mask": MASK}, {"weights": WEIGHTS}])
def test_rows_are_cut_put_together_and_held_with_what_is_known_of_them(tmp_path, kind, beside):
    source = open_source(KINDS[kind](small_matrix(), tmp_path), **beside)
    whole = source.read(0, ROWS)
    again = stack_rows([slice_rows(whole, 0, 7), slice_rows(whole, 7, 8), slice_rows(whole, 8, ROWS)])
    held = MemorySource.of_rows(again, COLUMNS, "rows", like=source)
    assert (held.weighted, held.has_missing, held.unstored) == (source.weighted, True, source.unstored)
    for found, known in zip(unfold(held.for_rows(2, 9).read(2, 9), COLUMNS), unfold(whole, COLUMNS), strict=True):
        np.testing.assert_array_equal(found, known[2:9])
    assert held.layout().total_bytes >= whole.nbytes - 8
    assert held.fingerprint() != MemorySource.of_rows(slice_rows(whole, 0, 5), COLUMNS, "rows").fingerprint()


@pytest.mark.broad(11)
@pytest.mark.parametrize("entries", [1, 3 * COLUMNS, 1000])
@pytest.mark.parametrize("kind", ["array", "stored csr"])
@pytest.mark.parametrize("beside", [{"mask": "csr"}, {"weights": "array"}, {"mask": "array", "weights": "stored csr"}])
def test_rows_are_the_same_however_many_are_combined_at_a_time(written, kind, beside, entries, monkeypatch):
    source = combined(written, kind, **beside)
    known = unfold(source.read(3, 20), COLUMNS)
    monkeypatch.setattr(observed_rows, "ENTRIES_AT_ONCE", entries)
    for found, expected_ in zip(unfold(source.read(3, 20), COLUMNS), known, strict=True):
        np.testing.assert_array_equal(found, expected_)


@pytest.mark.parametrize("beside", ["mask", "weights"])
def test_the_work_on_sparse_rows_is_by_what_they_store_and_not_by_their_width(beside, monkeypatch):
    wide = scipy.sparse.random_array((400, 200_000), density=1e-4, random_state=np.random.default_rng(0), format="csr")
    source, located = open_source(wide, missing="unstored", **{beside: wide}), []
    plain = patterns.locate
    monkeypatch.setattr(patterns, "locate", lambda *args: located.append(args[-1]) or plain(*args))
    rows = source.read(0, 400)
    assert np.array_equal((rows.rows if beside == "weights" else rows).indices, wide.indices)
    assert sum(located) < 10 * (wide.nnz + wide.shape[1])


LARGE = {
    "array": lambda A, _: A,
    "zarr": dense_store((500, 8 * COLUMNS)),
    "zarr in other chunks": dense_store((700, 30)),
    "csr": lambda A, _: scipy.sparse.csr_array(A),
    "stored csr": compressed(scipy.sparse.csr_array, 9000),
}


@pytest.mark.parametrize("mask", ["array", "zarr in other chunks", "stored csr"])
@pytest.mark.parametrize("kind", LARGE)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.broad(3)
def test_a_read_holds_no_more_than_the_layout_says(tmp_path, kind, mask, weighted, monkeypatch):
    monkeypatch.setattr(observed_rows, "ENTRIES_AT_ONCE", 1000)
    A, seen = np.tile(small_matrix(), (200, 8)), np.tile(MASK, (200, 8))
    weights = np.where(seen, 0.5, 0).astype("f4") if weighted else None
    source = open_source(LARGE[kind](A, tmp_path), mask=LARGE[mask](seen, folder(tmp_path, "mask")), weights=weights)
    layout = source.layout()
    part = source.for_rows(0, 3000)
    part.read(0, 10)
    tracemalloc.start()
    try:
        rows = part.read(1000, 2000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    decoded = np.interp([1000, 2000], layout.cuts, layout.bytes_before)
    assert rows.nbytes < peak < layout.held_bytes(int(np.diff(decoded)[0])) + layout.beside_bytes + layout.object_bytes


def test_stored_objects_of_values_and_mask_are_not_taken_for_each_other(written):
    """Both are called X/data in their stores."""
    keep = Keep("observed", 10**6, borders=True)
    source = combined(written, "stored csr", mask="stored csr", weights="stored csr")
    try:
        for start, stop in [(0, 5), (5, 11), (11, ROWS)]:
            part = source.for_rows(start, stop).keeping_borders(keep)
            for found, known in zip(
                unfold(part.read(start, stop), COLUMNS), expected(small_matrix(), MASK, WEIGHTS), strict=True
            ):
                np.testing.assert_array_equal(found, known[start:stop])
    finally:
        KEPT.forget(keep.mark)


@pytest.mark.broad(1)
@pytest.mark.parametrize("changed", ["data", "mask", "weights"])
@pytest.mark.parametrize("kind", ["zarr", "stored csr"])
def test_what_changes_beside_the_data_is_noticed_like_the_data(tmp_path, kind, changed):
    source = opened(tmp_path, kind, mask=kind, weights=kind)
    before = source.fingerprint()
    assert all(any(name in place for place in source.places()) for name in ("/data/", "/mask/", "/weights/"))
    guard = guard_source(source)
    store = zarr.open(tmp_path / changed / "x.zarr", mode="a")
    values = store if kind == "zarr" else store["X/data"]
    values[:] = values[:] + 1
    with pytest.raises(ChangedError, match=f"{changed}/x.zarr"):
        guard.check()
    again = open_source(source.values, mask=source.mask, weights=source.weights)
    assert again.fingerprint() != before


@pytest.mark.parametrize("kind", ["zarr", "stored csr"])
def test_a_run_that_goes_on_opens_the_same(written, kind):
    source = combined(written, kind, mask=kind, weights=kind)
    said = json.loads(json.dumps(source.said()))
    for data in (written[kind]["data"], source):
        assert open_again(data, "error", said).fingerprint() == source.fingerprint()
    plain = combined(written, kind)
    assert plain.said() == {}
    assert open_again(written[kind]["data"], "error", {}).fingerprint() == plain.fingerprint()


@pytest.mark.parametrize(("what", "kind"), [("mask", "array"), ("weights", "dask")])
def test_what_was_no_path_has_to_be_given_again(written, what, kind):
    source = combined(written, "zarr", **{what: kind})
    with pytest.raises(InputError, match=rf"the {what} of the data was not read from a path.*{what}=…"):
        open_again(written["zarr"]["data"], "error", source.said())


def test_what_was_moved_is_asked_for_by_the_name_it_has():
    assert "--mask" not in where_now({})
    assert "--row-weights" in where_now({"missing": "nan", "row_weights": {"data": None}})
    assert "dnmf.open_source(…, mask=…)" in where_now({"mask": {}, "weights": {}})


def test_what_lies_in_this_process_is_counted_where_it_would_travel(written):
    assert combined(written, "zarr", mask="array").bytes_in_memory() == MASK.nbytes
    assert combined(written, "zarr", mask="zarr").bytes_in_memory() == 0
    whole = combined(written, "array", mask="array")
    assert whole.bytes_in_memory() == whole.layout().total_bytes


def test_absent_chunks_of_a_mask_are_taken_as_those_of_the_data(tmp_path):
    store, mask = tmp_path / "mask.zarr", MASK & (np.arange(ROWS) > 9)[:, None]
    zarr.create_array(store, data=mask, chunks=(5, COLUMNS), config={"write_empty_chunks": False})
    source = open_source(small_matrix(), mask=str(store), missing_chunks="zeros")
    assert_reads(source, expected(small_matrix(), mask))
    with pytest.raises(InputError, match="missing_chunks='zeros'"):
        open_source(small_matrix(), mask=str(store)).read(0, ROWS)
