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
from anndata.io import write_elem
from source_contract import COLUMNS, ROWS, SourceContract, as_dense, small_matrix

from dnmf import ChangedError, InputError, open_source
from dnmf.passes.check import check_rows
from dnmf.passes.work import Demands
from dnmf.sources import CsrRows, Weighted, observed_rows, patterns
from dnmf.sources.given import read_whole
from dnmf.sources.guard import guard_source
from dnmf.sources.kept import KEPT, Keep
from dnmf.sources.memory import MemorySource, slice_rows, stack_rows
from dnmf.sources.opening_again import open_again, where_now

RNG = np.random.default_rng(7)
MASK = RNG.random((ROWS, COLUMNS)) < 0.7
MASK[2], MASK[:, 3] = False, False
WEIGHTS = RNG.random((ROWS, COLUMNS)) * (RNG.random((ROWS, COLUMNS)) < 0.8)
WEIGHTS[5] = 0


def compressed(kind, chunk=13):
    def write(A, folder):
        write_elem(zarr.open_group(folder / "x.zarr", mode="a"), "X", kind(A), dataset_kwargs={"chunks": (chunk,)})
        return str(folder / "x.zarr::X")

    return write


def dense_store(chunks):
    def write(A, folder):
        zarr.create_array(folder / "x.zarr", data=A, chunks=chunks, config={"write_empty_chunks": True})
        return str(folder / "x.zarr")

    return write


def unsorted(A, folder):
    matrix = scipy.sparse.csr_array(A)
    order = np.concatenate([np.arange(b, a)[::-1] for a, b in zip(matrix.indptr[1:], matrix.indptr[:-1], strict=True)])
    return scipy.sparse.csr_array((matrix.data[order], matrix.indices[order], matrix.indptr), shape=A.shape)


DENSE = {
    "array": lambda A, _: A,
    "int16": lambda A, _: A.astype("i2"),
    "float32": lambda A, _: A.astype("f4"),
    "bool": lambda A, _: A > 0,
    "zarr": dense_store((5, COLUMNS)),
    "zarr in other chunks": dense_store((9, 4)),
    "dask": lambda A, _: da.from_array(A, chunks=(6, 4)),
    "dask in tall chunks": lambda A, _: da.from_array(A, chunks=(14, COLUMNS)),
}
SPARSE = {
    "csr": lambda A, _: scipy.sparse.csr_array(A),
    "unsorted csr": unsorted,
    "csc": lambda A, _: scipy.sparse.csc_array(A),
    "stored csr": compressed(scipy.sparse.csr_array),
    "dask of csr": lambda A, _: da.from_array(A, chunks=(8, COLUMNS)).map_blocks(scipy.sparse.csr_array),
}
KINDS = {**DENSE, **SPARSE}
BESIDE = ("array", "zarr in other chunks", "dask in tall chunks", "csr", "stored csr", "dask of csr")


def folder(tmp_path, name):
    (tmp_path / name).mkdir()
    return tmp_path / name


def of_kinds(tmp_path, kind, *, mask=None, weights=None, A=None):
    """The small matrix as `kind`, with a mask and weights as the kinds that are named."""
    A = small_matrix() if A is None else A
    parts = {"data": (kind, A), "mask": (mask, MASK), "weights": (weights, WEIGHTS)}
    return {
        name: KINDS[kind](values, folder(tmp_path, name)) for name, (kind, values) in parts.items() if kind is not None
    }


def opened(tmp_path, kind, *, missing="refuse", **how):
    return open_source(missing=missing, **of_kinds(tmp_path, kind, **how))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Each of the three as each kind, made once."""
    made = {}
    for kind in KINDS:
        made[kind] = of_kinds(tmp_path_factory.mktemp("made"), kind, mask=kind, weights=kind)
    return made


def combined(written, kind, *, missing="refuse", **beside):
    parts = {name: written[each][name] for name, each in beside.items() if each is not None}
    return open_source(written[kind]["data"], missing=missing, **parts)


def unfold(panel, n_columns):
    """Values, which of them were observed, and weights of what a read gave, as dense arrays."""
    rows, weights = panel if isinstance(panel, Weighted) else (panel, None)
    if isinstance(rows, CsrRows):
        seen = as_dense(rows._replace(data=np.ones(len(rows.data))), n_columns) > 0
        dense = as_dense(rows, n_columns)
        of_each = seen * 1.0 if weights is None else as_dense(rows._replace(data=weights), n_columns)
    else:
        seen, dense = ~np.isnan(rows), np.nan_to_num(np.asarray(rows, np.float64))
        of_each = seen * 1.0 if weights is None else weights
    return dense * (of_each > 0), seen & (of_each > 0), of_each


def expected(values, mask=True, weights=None):
    seen = np.broadcast_to(mask, values.shape) & (True if weights is None else weights > 0)
    return values * seen, seen, seen * (1.0 if weights is None else weights)


def assert_reads(source, oracle):
    for start, stop in [(0, ROWS), (0, 1), (3, 20)]:
        for found, known in zip(unfold(source.read(start, stop), COLUMNS), oracle, strict=True):
            np.testing.assert_array_equal(found, known[start:stop])


def values_of(kind):
    return (small_matrix() > 0) * 1.0 if kind == "bool" else small_matrix()


@pytest.mark.parametrize("mask", BESIDE)
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_mask_leaves_out_was_not_observed(written, kind, mask):
    source = combined(written, kind, mask=mask)
    assert source.has_missing
    assert not source.weighted
    assert source.unstored == ("missing" if kind in SPARSE else "zero")
    assert_reads(source, expected(values_of(kind), MASK))


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


def test_what_is_given_beside_the_data_has_no_missing_entries():
    with pytest.raises(InputError, match="only the data may have missing entries"):
        read_whole(open_source(small_matrix(), mask=MASK))


REFUSED = {
    "mask of another shape": (dict(mask=MASK[:-1]), rf"mask numpy.*shape \({ROWS - 1}, {COLUMNS}\), the data"),
    "weights of another shape": (dict(weights=WEIGHTS.T), r"weights numpy.*shape .* the data"),
    "a mask with NaN": (dict(mask=np.where(MASK, 1.0, np.nan)), r"mask of .* NaN at row 0, column"),
    "a sparse mask with NaN": (
        dict(mask=scipy.sparse.csr_array(np.where(MASK, 1.0, np.nan))), r"mask of .* NaN at row 0, column"
    ),
    "no such word": (dict(missing="zero"), "missing='zero'"),
    "unstored of dense data": (dict(missing="unstored"), "missing='unstored' is for sparse data.*missing='nan'"),
    "a mask that misses some itself": (dict(mask=np.ma.array(MASK, mask=MASK)), "masked array"),
    "a mask of text": (dict(mask=np.full((ROWS, COLUMNS), "x")), "mask: .*dtype"),
    "weights of three dimensions": (dict(weights=WEIGHTS[None]), "weights: .*a matrix has 2 dimensions"),
    "a mask that is not there": (dict(mask="no/such/mask.zarr"), "mask: .*nothing at this path"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_with_the_data_is_refused(case):
    given, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        open_source(small_matrix(), **given).read(0, ROWS)


def test_a_nan_in_sparse_data_is_no_missing_entry():
    with pytest.raises(InputError, match="missing='nan' is for dense data.*missing='unstored'"):
        open_source(scipy.sparse.csr_array(small_matrix()), missing="nan")


def test_nothing_is_said_twice():
    with pytest.raises(InputError, match="says already"):
        open_source(open_source(small_matrix(), mask=MASK), missing="nan")


@pytest.mark.parametrize("what", ["mask", "weights"])
def test_names_that_are_not_those_of_the_data_are_refused(what):
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pd.DataFrame(small_matrix(), columns=[f"gene{j}" for j in range(COLUMNS)])
    beside = pd.DataFrame(WEIGHTS, columns=frame.columns)
    assert open_source(frame, **{what: beside}).column_names()[0] == "gene0"
    with pytest.raises(InputError, match=f"{what} .* column 0 is named 'gene10', in the data 'gene0'"):
        open_source(frame, **{what: beside[frame.columns[::-1]]})


def test_a_nan_that_a_mask_says_was_observed_is_refused_with_its_place():
    A = small_matrix()
    A[6, 2] = A[7, 1] = np.nan
    mask = np.ones(A.shape)
    mask[7, 1] = 0
    with pytest.raises(InputError, match=r"a NaN at row 6, column 2, which the mask says.*missing='nan'"):
        open_source(A, mask=mask).read(3, 9)
    mask[6, 2] = 0
    assert np.isnan(open_source(A, mask=mask).read(3, 9)[3, 2])
    assert np.isnan(open_source(A, mask=np.ones(A.shape), missing="nan").read(3, 9)[3, 2])


class TestCheck:
    """The first pass trusts nothing that was observed."""

    @pytest.mark.parametrize("kind", ["array", "float32", "int16", "csr"])
    @pytest.mark.parametrize("weights", [None, WEIGHTS])
    @pytest.mark.parametrize("signed", [False, True])
    def test_squares_are_those_of_what_was_observed_times_its_weights(self, tmp_path, kind, weights, signed):
        A = small_matrix()
        source = open_source(KINDS[kind](A, tmp_path), mask=MASK, weights=weights)
        of_each = MASK * (1.0 if weights is None else weights)
        found = check_rows(source, 4, source.read(4, 15), demands=Demands(signed=signed))
        assert found == pytest.approx((of_each * A**2)[4:15].sum(), rel=1e-6)

    @pytest.mark.parametrize("value", [-1.0, np.inf, np.nan])
    @pytest.mark.parametrize("kind", ["array", "csr"])
    @pytest.mark.parametrize("weights", [None, np.ones((ROWS, COLUMNS))])
    def test_bad_values_are_found_where_they_were_observed(self, tmp_path, kind, weights, value):
        A, mask = small_matrix(), np.ones((ROWS, COLUMNS))
        A[6, 2], mask[6, 2] = value, 0
        source = open_source(KINDS[kind](A, tmp_path), mask=mask, weights=weights)
        check_rows(source, 5, source.read(5, 9))
        mask[6, 2] = 1
        source = open_source(KINDS[kind](A, tmp_path), mask=mask, weights=weights)
        with pytest.raises(InputError, match="at row 6, column 2"):
            check_rows(source, 5, source.read(5, 9))

    @pytest.mark.parametrize("weight", [-1.0, np.inf, np.nan])
    @pytest.mark.parametrize("kind", ["array", "csr", "csc"])
    def test_weights_are_finite_and_not_negative(self, tmp_path, kind, weight):
        weights = WEIGHTS.copy()
        weights[6, 2] = weight
        source = open_source(KINDS[kind](small_matrix(), tmp_path), weights=weights)
        with pytest.raises(InputError, match=f"the weight {weight} at row 6, column 2; weights are finite"):
            check_rows(source, 0, source.read(0, ROWS))

    @pytest.mark.parametrize("beside", [dict(missing="nan"), dict(weights=np.zeros((ROWS, COLUMNS)))])
    def test_nothing_observed_is_no_error(self, beside):
        source = open_source(np.full((ROWS, COLUMNS), np.nan if "missing" in beside else 1.0), **beside)
        assert check_rows(source, 0, source.read(0, ROWS), demands=Demands(signed=True)) == 0

    def test_squares_that_vanish_or_overflow_are_refused(self):
        A = np.where(MASK, 1e-30, np.nan)
        for factor in (1.0, 1e60):
            source = open_source(A * factor, missing="nan")
            with pytest.raises(InputError, match="overflow or vanish"):
                check_rows(source, 0, source.read(0, ROWS) ** 6)
        source = open_source(np.full((ROWS, COLUMNS), 1e30), weights=np.full((ROWS, COLUMNS), 1e120))
        with pytest.raises(InputError, match="overflow or vanish"):
            check_rows(source, 0, source.read(0, ROWS))
