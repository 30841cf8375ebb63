"""Some rows and columns of a source, and what they are divided by: a source like any other."""

import json
import pickle
from typing import ClassVar

import dask.array
import numpy as np
import pytest
import scipy.sparse
import source_contract
import zarr
from source_contract import COLUMN_NAMES, COLUMNS, ROW_NAMES, ROWS, SourceContract, read, small_matrix

import dnmf
from dnmf import open_source
from dnmf.sources import slabs

M, N = 40, 17  # of the data, whose rows and columns in these places are the matrix of the contract
AT_ROWS = np.sort(np.random.default_rng(4).permutation(M)[:ROWS])
AT_COLUMNS = np.random.default_rng(5).permutation(N)[:COLUMNS]


def around(A):
    """A larger matrix, of which A is some rows and columns."""
    B = np.random.default_rng(6).integers(0, 9, (M, N)).astype(A.dtype)
    B[np.ix_(AT_ROWS, AT_COLUMNS)] = A
    return B


def names_around(names, at, count):
    found = np.array([f"other{i}" for i in range(count)], dtype=object)
    found[at] = names
    return found


def anndata_of(matrix):
    anndata = pytest.importorskip("anndata")
    data = anndata.AnnData(matrix)
    data.obs_names, data.var_names = names_around(ROW_NAMES, AT_ROWS, M), names_around(COLUMN_NAMES, AT_COLUMNS, N)
    data.var["chosen"] = np.isin(np.arange(N), AT_COLUMNS)
    data.obs["chosen"] = np.isin(np.arange(M), AT_ROWS)
    data.var["mean"] = 1.0
    return data


def in_zarr(convert):
    def make(B, folder):
        anndata_of(convert(B)).write_zarr(folder / "data.zarr")
        return str(folder / "data.zarr")

    return make


def in_h5ad(convert):
    def make(B, folder):
        anndata_of(convert(B)).write_h5ad(folder / "data.h5ad")
        return str(folder / "data.h5ad")

    return make


def chunked(B, folder):
    zarr.create_array(str(folder / "B.zarr"), data=B, chunks=(7, N))
    return str(folder / "B.zarr")


def blocks(convert):
    return lambda B, _: dask.array.from_array(B, chunks=(9, N)).map_blocks(convert)


KINDS = {
    "numpy": lambda B, _: B,
    "CSR": lambda B, _: scipy.sparse.csr_array(B),
    "Zarr": chunked,
    "dask": blocks(np.asarray),
    "dask of CSR": blocks(scipy.sparse.csr_array),
    "AnnData": lambda B, _: anndata_of(scipy.sparse.csr_matrix(B)),
    "dense AnnData in Zarr": in_zarr(np.asarray),
    "CSR in Zarr": in_zarr(scipy.sparse.csr_matrix),
    "CSC in Zarr": in_zarr(scipy.sparse.csc_matrix),
    "CSR in h5ad": in_h5ad(scipy.sparse.csr_matrix),
}
NAMED = {name for name in KINDS if "AnnData" in name or " in " in name}


def cases(names, **view):
    def case(name):
        return lambda A, folder: open_source(KINDS[name](around(A), folder), **view)

    return {name: case(name) for name in names}


@pytest.fixture(autouse=True)
def _small_slabs(monkeypatch):
    monkeypatch.setattr(slabs, "SLAB_BYTES", 300)


class ViewContract(SourceContract):
    """A view whose matrix is that of the contract."""

    def test_values_and_column_numbers_have_the_dtypes_they_are_stored_in(self, source):
        rows = source.read(0, 9)
        assert (rows.data if source.sparse else rows).dtype == source.dtype == source.inner.dtype
        assert not source.sparse or rows.indices.dtype == source.index_dtype == source.inner.index_dtype

    def test_the_fingerprint_is_json_and_that_of_another_opening(self, source):
        mark = source.fingerprint()
        assert json.loads(json.dumps(mark)) == mark != source.inner.fingerprint()

    def test_reading_touches_at_least_the_bytes_of_its_rows(self, source):
        inner = source.inner
        assert source.touched_bytes(3, 9, source.read(3, 9)) > 0
        whole = source.touched_bytes(0, source.shape[0], source.read(0, source.shape[0]))
        assert whole <= 1.3 * inner.touched_bytes(0, inner.shape[0], inner.read(0, inner.shape[0]))

    def test_an_entry_has_its_place_in_the_data(self, source, A):
        B, rng = around(A), np.random.default_rng(0)
        B = B.T if source.transposed else B
        expected = A.T if source.transposed else A
        for at in zip(rng.integers(0, expected.shape[0], 9), rng.integers(0, expected.shape[1], 9), strict=True):
            row, column = source.place_of_entry(*map(int, at))
            if not source.blocks_are_tasks:  # the array there is the one that dask makes of some rows
                assert B[row, column] == expected[at]


class TestDense(ViewContract):
    CASES: ClassVar = cases(["numpy", "Zarr", "dask"], rows=AT_ROWS, columns=AT_COLUMNS)
    SPARSE = False


class TestSparse(ViewContract):
    CASES: ClassVar = cases(["CSR", "dask of CSR"], rows=AT_ROWS, columns=AT_COLUMNS)
    SPARSE = True


class TestNamedDense(ViewContract):
    CASES: ClassVar = cases(["dense AnnData in Zarr"], rows=AT_ROWS, columns=AT_COLUMNS)
    SPARSE, NAMED = False, True


class TestNamedSparse(ViewContract):
    CASES: ClassVar = cases(
        ["AnnData", "CSR in Zarr", "CSC in Zarr", "CSR in h5ad"], rows=ROW_NAMES, columns=COLUMN_NAMES
    )
    SPARSE, NAMED = True, True


@pytest.fixture(params=[kind for kind in KINDS if "dask" not in kind])
def kind(request):
    return request.param


def whole(source):
    """All rows, as the user has them."""
    found = read(source, 0, source.shape[0])
    return found.T if source.transposed else found


@pytest.mark.broad(2)
def test_rows_in_any_order(kind, tmp_path):
    B, order = around(small_matrix()), np.random.default_rng(1).permutation(M)[:29]
    source = open_source(KINDS[kind](B, tmp_path), rows=order, columns=AT_COLUMNS)
    np.testing.assert_array_equal(whole(source), B[np.ix_(order, AT_COLUMNS)])
    part = pickle.loads(pickle.dumps(source.for_rows(2, 9)))
    expected = whole(source).T if source.transposed else whole(source)
    np.testing.assert_array_equal(read(part, 3, 8), expected[3:8])


def test_rows_of_a_dask_array_are_taken_as_they_lie(tmp_path):
    with pytest.raises(dnmf.InputError, match="taken in the order they lie in; sort them"):
        open_source(KINDS["dask"](around(small_matrix()), tmp_path), rows=[3, 1])


def test_a_part_of_data_in_memory_takes_only_its_own_rows():
    big = np.random.default_rng(0).random((4000, 50))
    source = open_source(big, rows=np.random.default_rng(1).permutation(4000))
    assert len(pickle.dumps(source.for_rows(0, 10))) < 10 * 50 * 8 + 3000


CHOICES = {
    "a mask": np.isin(np.arange(N), AT_COLUMNS),
    "a list of true and false": [bool(each) for each in np.isin(np.arange(N), AT_COLUMNS)],
    "numbers": np.sort(AT_COLUMNS),
    "names": [f"gene{i}" for i in np.argsort(AT_COLUMNS)],
    "a column of var": "chosen",
}


@pytest.mark.broad(1)
@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("kind", sorted(NAMED))
def test_columns_are_chosen_by_a_mask_numbers_names_or_a_column_of_var(kind, choice, tmp_path):
    B = around(small_matrix())
    source = open_source(
        KINDS[kind](B, tmp_path), columns=CHOICES[choice], rows="chosen" if choice == "a mask" else None
    )
    expected = B[:, np.sort(AT_COLUMNS)]
    np.testing.assert_array_equal(whole(source), expected[AT_ROWS] if choice == "a mask" else expected)


def test_a_series_says_which_columns_it_means(tmp_path):
    data = anndata_of(around(small_matrix()))
    source = open_source(data, columns=data.var["chosen"])
    np.testing.assert_array_equal(whole(source), data.X[:, np.sort(AT_COLUMNS)])
    with pytest.raises(dnmf.InputError, match="column 0 is named"):
        open_source(data, columns=data.var["chosen"].iloc[::-1])


def test_slices_and_everything():
    B = around(small_matrix())
    np.testing.assert_array_equal(whole(open_source(B, rows=slice(3, 9), columns=slice(None, None, -1))), B[3:9, ::-1])
    source = open_source(B)
    assert open_source(source, rows=np.ones(M, bool), columns=range(N)) is source


@pytest.mark.broad(2)
def test_a_view_of_a_view_is_one_of_the_data(kind, tmp_path):
    B = around(small_matrix())
    first = open_source(KINDS[kind](B, tmp_path), rows=AT_ROWS, columns=AT_COLUMNS, column_scale=np.arange(1, N + 1))
    second = open_source(first, rows=[5, 2, 9], columns=[4, 0, 7], column_scale=np.arange(1, COLUMNS + 1))
    rows, columns = AT_ROWS[[5, 2, 9]], AT_COLUMNS[[4, 0, 7]]
    expected = B[np.ix_(rows, columns)] / (columns + 1) / [5, 1, 8]
    np.testing.assert_allclose(whole(second), expected, rtol=1e-6)
    direct = open_source(first.inner, rows=rows, columns=columns, column_scale=_at(columns, (columns + 1) * [5, 1, 8]))
    assert second.fingerprint() == direct.fingerprint()


def _at(places, values):
    found = np.ones(N)
    found[places] = values
    return found


REFUSED = {
    "none": ({"columns": np.zeros(N, bool)}, "columns of .*: none is chosen"),
    "an empty list": ({"rows": []}, "rows of .*: none is chosen"),
    "twice": ({"rows": [1, 2, 1]}, "number 1 is chosen more than once"),
    "outside": ({"columns": [1, N]}, f"there is no number {N}, they go from 0 to {N - 1}"),
    "below": ({"columns": [-1]}, "there is no number -1"),
    "a mask of another length": ({"columns": np.ones(N + 1, bool)}, "a choice of 18 true or false, but there are 17"),
    "a name": ({"columns": ["gene1", "gene99"]}, "1 of 2 names are not among its 17: 'gene99'"),
    "a column that is none": ({"columns": "mean"}, r"var has no column 'mean' that is true or false .*'chosen'"),
    "floats": ({"columns": [0.5]}, "they are float64; give true or false"),
    "two dimensions": ({"columns": [[1, 2]]}, r"has shape \(1, 2\)"),
    "a scale of zero": ({"column_scale": np.arange(N)}, "column_scale: 0.0 for column 0, as 1 of 17"),
    "a negative scale": ({"row_scale": np.full(M, -1.0)}, "row_scale: -1.0 for row 0, as 40 of 40"),
    "a NaN": ({"row_scale": np.full(M, np.nan)}, "row_scale: nan for row 0"),
    "an infinity": ({"row_scale": np.full(M, np.inf)}, "row_scale: inf for row 0"),
    "a scale of another length": ({"column_scale": np.ones(3)}, r"column_scale: has shape \(3,\)"),
}


@pytest.mark.broad(1)
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_seen_is_refused(case, tmp_path):
    given, message = REFUSED[case]
    with pytest.raises(dnmf.InputError, match=message):
        open_source(KINDS["CSR in Zarr"](around(small_matrix()), tmp_path), **given)


def test_a_name_that_is_there_twice_is_no_choice():
    with pytest.raises(dnmf.InputError, match="'a' names more than one"):
        open_source(np.eye(3), column_names=["a", "b", "a"], columns=["b", "a"])
    with pytest.raises(dnmf.InputError, match="are names, and the data has none"):
        open_source(np.eye(3), columns=["b", "a"])
    with pytest.raises(dnmf.InputError, match=r"no data frame with a column 'b' .*columns=\['b'\]"):
        open_source(np.eye(3), columns="b")


def test_a_scale_of_zero_counts_only_where_it_is_seen():
    B = around(small_matrix())
    scale = np.r_[0.0, np.arange(1.0, N)]
    np.testing.assert_allclose(whole(open_source(B, columns=[3, 4], column_scale=scale)), B[:, 3:5] / [3, 4], rtol=1e-6)


@pytest.mark.broad(1)
@pytest.mark.parametrize("name", sorted(KINDS))
def test_values_are_divided_as_they_are_read(name, tmp_path):
    B, rng = around(small_matrix()), np.random.default_rng(2)
    of_rows, of_columns = rng.random(M) + 0.5, rng.random(N) + 0.5
    for dtype in ("float32", "float64", "int16"):
        folder = tmp_path / dtype
        folder.mkdir()
        data = KINDS[name](B.astype(dtype), folder)
        source = open_source(data, rows=AT_ROWS, row_scale=of_rows, column_scale=of_columns)
        assert source.dtype == np.dtype("float64" if dtype == "float64" else "float32")
        rows = source.read(0, 5)
        assert (rows.data if source.sparse else rows).dtype == source.dtype
        expected = (B / of_columns / of_rows[:, None])[AT_ROWS]
        np.testing.assert_allclose(whole(source), expected, rtol=1e-7 if dtype != "float64" else 1e-15)
        assert open_source(data, rows=AT_ROWS, row_scale=of_rows).fingerprint() != source.fingerprint()


@pytest.mark.broad(2)
def test_what_lies_beside_the_data_is_seen_alike(kind, tmp_path):
    B, rng = around(small_matrix()), np.random.default_rng(3)
    weights = rng.integers(0, 3, (M, N)).astype("f4")
    data = KINDS[kind](B, tmp_path)
    source = open_source(data, weights=weights, row_weights=np.arange(1, M + 1), rows=AT_ROWS, columns=AT_COLUMNS)
    panel = source.read(0, source.shape[0])
    rows, entries = panel
    of_each = rows._replace(data=entries) if source.sparse else entries
    found = source_contract.as_dense(of_each, source.shape[1])
    expected = (weights * np.arange(1, M + 1)[:, None])[np.ix_(AT_ROWS, AT_COLUMNS)]
    np.testing.assert_array_equal(found.T if source.transposed else found, expected)
    np.testing.assert_array_equal(source.side_weights()["row_weights"], AT_ROWS + 1)
    with pytest.raises(dnmf.InputError, match="is a view already; give mask= of all of the data"):
        open_source(open_source(data, rows=AT_ROWS), mask=np.ones((ROWS, N), bool))


@pytest.mark.parametrize("kind", ["numpy", "Zarr", "dask"])
def test_missing_entries_of_a_view_may_be_told_of_later(kind, tmp_path):
    B = around(small_matrix())
    B[AT_ROWS[2], AT_COLUMNS[3]] = np.nan
    data = KINDS[kind](B, tmp_path)
    view = {"rows": AT_ROWS, "columns": AT_COLUMNS, "column_scale": np.full(N, 2.0)}
    later, at_once = open_source(open_source(data, **view), missing="nan"), open_source(data, missing="nan", **view)
    np.testing.assert_array_equal(whole(later), whole(at_once))
    assert later.fingerprint() == at_once.fingerprint()
    assert later.has_missing


@pytest.mark.broad(2)
def test_a_bad_value_is_told_by_its_place_in_the_data(kind, tmp_path):
    B = around(small_matrix())
    B[AT_ROWS[6], AT_COLUMNS[3]] = np.nan
    source = open_source(KINDS[kind](B, tmp_path), rows=AT_ROWS, columns=AT_COLUMNS)
    with pytest.raises(dnmf.InputError, match=f"a NaN at row {AT_ROWS[6]}, column {AT_COLUMNS[3]}"):
        dnmf.fit(source, 2)


@pytest.mark.slow
def test_flags_of_which_a_chunk_is_missing_are_not_false(tmp_path):
    path = in_zarr(np.asarray)(around(small_matrix()), tmp_path)
    zarr.open_group(path)["var"].create_array("some", data=np.arange(N) < 3, chunks=(6,))
    with pytest.raises(dnmf.InputError, match=r"var/some: chunk .* it would read as false; restore the file"):
        open_source(path, columns="some")


@pytest.mark.broad(1)
@pytest.mark.parametrize("write", ["write_zarr", "write_h5ad"])
def test_a_column_of_var_that_may_be_missing_is_taken_where_it_is_not(write, tmp_path):
    pd = pytest.importorskip("pandas")
    data = anndata_of(around(small_matrix()))
    flags = [bool(each) for each in np.isin(np.arange(N), AT_COLUMNS)]
    data.var["whole"], data.var["holed"] = pd.array(flags), pd.array([None, *flags[1:]], dtype="boolean")
    getattr(data, write)(tmp_path / "data")
    source = open_source(tmp_path / "data", columns="whole")
    np.testing.assert_array_equal(whole(source), data.X[:, flags])
    with pytest.raises(dnmf.InputError, match="var/holed: is missing for 1 of 17; fill them in"):
        open_source(tmp_path / "data", columns="holed")
    np.testing.assert_array_equal(whole(open_source(data, columns="whole")), data.X[:, flags])
    with pytest.raises(dnmf.InputError, match=r"var\['holed'\]: is not true or false for each, or is missing"):
        open_source(data, columns="holed")
