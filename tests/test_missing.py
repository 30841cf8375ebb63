"""What is masked, missing or not zero where nothing is stored is refused at every door; what only could be is taken."""

import warnings

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
import sparse

import dnmf
from dnmf import measures
from dnmf.errors import InputError
from dnmf.estimator import NMF

pd = pytest.importorskip("pandas", reason="pandas is not installed")
anndata = pytest.importorskip("anndata", reason="anndata is not installed")
xarray = pytest.importorskip("xarray", reason="xarray is not installed")

ROWS, COLUMNS, RANK = 30, 6, 2


@pytest.fixture
def A():
    return np.random.default_rng(1).integers(1, 9, (ROWS, COLUMNS)).astype(float)


def with_hole(A):
    mask = np.zeros(A.shape, bool)
    mask[0, 2 % A.shape[1]] = True
    return np.ma.array(A, mask=mask)


def nullable(A, hole):
    frame = pd.DataFrame(A).astype("Float64")
    if hole:
        frame.iloc[0, 2 % A.shape[1]] = pd.NA
    return frame


def sparse_frame(A, fill):
    return pd.DataFrame(A).astype(pd.SparseDtype(float, fill))


def stored_entries(A, mask, kind=scipy.sparse.csr_array):
    matrix = kind(A)
    matrix.data = np.ma.array(matrix.data, mask=mask)
    return matrix


def holed(A):
    B = A.copy()
    B[0, 2 % A.shape[1]] = np.nan
    return B


def blocks(A):
    return da.from_array(A, chunks=(10, COLUMNS), asarray=False)


MISSING = {
    "masked": with_hole,
    "rows that are masked": lambda A: list(with_hole(A)),
    "nullable frame": lambda A: nullable(A, hole=True),
    "NaN": holed,
    "frame with NaN": lambda A: pd.DataFrame(holed(A)),
    "sparse frame, fill value": lambda A: sparse_frame(A, 1.0),
    "sparse frame, NaN": lambda A: sparse_frame(A, np.nan),
    "sparse, fill value": lambda A: sparse.COO.from_numpy(A, fill_value=1.0),
    "csr of masked": lambda A: stored_entries(A, [True] + [False] * (A.size - 1)),
    "csc of masked": lambda A: stored_entries(A, [True] + [False] * (A.size - 1), scipy.sparse.csc_matrix),
}
MISSING_DATA = {
    "DataArray": lambda A: xarray.DataArray(holed(A), dims=("r", "c")),
    "dask of masked": lambda A: blocks(with_hole(A)),
    "dask of fill values": lambda A: blocks(A).map_blocks(lambda b: sparse.COO.from_numpy(b, fill_value=1.0)),
}
WHOLE = {
    "nothing masked": lambda A: np.ma.array(A, mask=False),
    "rows with nothing masked": lambda A: list(np.ma.array(A)),
    "nullable frame, whole": lambda A: nullable(A, hole=False),
    "frame of ints and bools": lambda A: pd.DataFrame(A.astype(int)),
    "sparse frame": lambda A: sparse_frame(A, 0.0),
}


@pytest.fixture(scope="module")
def fitted():
    A = np.random.default_rng(1).integers(1, 9, (ROWS, COLUMNS)).astype(float)
    held = dnmf.Constraints(fixed_W=A[:, :1])
    return (
        dnmf.fit(A, RANK, max_passes=3),
        dnmf.fit(A, RANK, constraints=held, max_passes=3),
        NMF(RANK, tol=0.01).fit(A),
    )


DATA_DOORS = {
    "fit": lambda X, A, m: dnmf.fit(X, RANK, max_passes=2),
    "transform": lambda X, A, m: np.asarray(m[0].transform(X)),
    "solve": lambda X, A, m: m[0].solve(X),
    "relative_error": lambda X, A, m: measures.relative_error(m[0], X),
    "first_singular_vector": lambda X, A, m: measures.first_singular_vector(X),
    "path": lambda X, A, m: dnmf.path(X, RANK, dnmf.Penalty(l1=1.0), [0.1], max_passes=2),
    "estimator's fit": lambda X, A, m: NMF(RANK, max_iter=2, tol=0).fit(X),
    "estimator's fit_transform": lambda X, A, m: np.asarray(NMF(RANK, max_iter=2, tol=0).fit_transform(X)),
    "estimator's transform": lambda X, A, m: np.asarray(m[2].transform(X)),
}
W, H = np.s_[:, :RANK], np.s_[:RANK]
GIVEN_DOORS = {
    "W": (W, lambda X, A, m: dnmf.fit(A, RANK, W=X, max_passes=2)),
    "H": (H, lambda X, A, m: dnmf.fit(A, RANK, H=X, max_passes=2)),
    "estimator's W": (W, lambda X, A, m: NMF(RANK, init="custom", max_iter=2, tol=0).fit(A, W=X)),
    "estimator's H": (H, lambda X, A, m: NMF(RANK, init="custom", max_iter=2, tol=0).fit(A, H=X)),
    "inverse_transform": (W, lambda X, A, m: m[2].inverse_transform(X)),
    "fixed_W": (W, lambda X, A, m: dnmf.Constraints(fixed_W=X)),
    "fixed_H": (H, lambda X, A, m: dnmf.Constraints(fixed_H=X)),
    "fixed_W of other rows": (np.s_[:, :1], lambda X, A, m: m[1].transform(A, fixed_W=X)),
    "target_H": (H, lambda X, A, m: dnmf.Constraints(target_H=X)),
    "graph": (None, lambda X, A, m: dnmf.Constraints(graph=X)),
    "direction": (np.s_[:1], lambda X, A, m: measures.alike(m[0], X)),
    "H of a path": (H, lambda X, A, m: dnmf.path(A, RANK, dnmf.Penalty(l1=1.0), [0.1], H=X, max_passes=2)),
    "components of a measure": (H, lambda X, A, m: measures.match(m[0], X, side="H")),
}


@pytest.fixture(autouse=True)
def _quietly():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("kind", {**MISSING, **MISSING_DATA})
@pytest.mark.parametrize("door", DATA_DOORS)
def test_data_that_is_missing_is_refused(A, fitted, door, kind):
    data = {**MISSING, **MISSING_DATA}[kind](A)
    with pytest.raises(ValueError, match="missing entries|NaN|fill value"):
        DATA_DOORS[door](data, A, fitted)


@pytest.mark.parametrize("kind", MISSING)
@pytest.mark.parametrize("door", GIVEN_DOORS)
def test_given_arrays_that_are_missing_are_refused(A, fitted, door, kind):
    part, enter = GIVEN_DOORS[door]
    given = A[part] if part is not None else A[:COLUMNS] + A[:COLUMNS].T
    with pytest.raises(ValueError, match="missing entries|NaN|fill value|finite"):
        enter(MISSING[kind](given), A, fitted)


SPARSE_KINDS = [scipy.sparse.csr_array, scipy.sparse.csc_array, scipy.sparse.coo_array, sparse.COO, sparse.GCXS]


@pytest.mark.parametrize("kind", SPARSE_KINDS)
def test_a_sparse_matrix_of_which_nothing_is_masked_is_taken(A, kind):
    matrix = stored_entries(A, False, kind)
    np.testing.assert_array_equal(dnmf.fit(matrix, RANK, max_passes=2).H, dnmf.fit(kind(A), RANK, max_passes=2).H)
    np.testing.assert_array_equal(dnmf.Constraints(fixed_H=matrix).fixed_H, A)


@pytest.mark.parametrize("kind", SPARSE_KINDS)
def test_a_masked_entry_of_a_sparse_matrix_is_told_by_its_row_and_column(kind):
    values = np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 3.0]])
    matrix = kind(values)
    matrix.data = np.ma.masked_equal(matrix.data, 3.0)
    with pytest.raises(InputError, match="row 1, column 2 is masked, as 1 of 3 entries"):
        dnmf.fit(matrix, 1)


@pytest.mark.parametrize("door", [door for door in GIVEN_DOORS if door not in ("graph", "inverse_transform")])
def test_blocks_of_given_arrays_that_are_masked_are_refused(A, fitted, door):
    part, enter = GIVEN_DOORS[door]
    given = with_hole(A[part])
    with pytest.raises(InputError, match="missing entries|NaN"):
        enter(da.from_array(given, chunks=given.shape, asarray=False), A, fitted)


@pytest.mark.parametrize("door", GIVEN_DOORS)
def test_given_arrays_that_are_packed_are_refused(A, fitted, door):
    part, enter = GIVEN_DOORS[door]
    given = A[part] if part is not None else A[:COLUMNS] + A[:COLUMNS].T
    packed = xarray.DataArray(given, dims=("r", "c"), attrs={"scale_factor": 0.1})
    with pytest.raises(InputError, match="not decoded"):
        enter(packed, A, fitted)


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("door", DATA_DOORS)
def test_data_of_which_nothing_is_missing_is_taken(A, fitted, door, kind):
    DATA_DOORS[door](WHOLE[kind](A), A, fitted)


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("door", GIVEN_DOORS)
def test_given_arrays_of_which_nothing_is_missing_are_taken(A, fitted, door, kind):
    part, enter = GIVEN_DOORS[door]
    enter(WHOLE[kind](A[part] if part is not None else A[:COLUMNS] + A[:COLUMNS].T), A, fitted)


@pytest.mark.parametrize("kind", WHOLE)
def test_the_values_are_those_of_the_array(A, kind):
    source = dnmf.open_source(WHOLE[kind](A))
    rows = source.read(0, ROWS)
    got = scipy.sparse.csr_array(tuple(rows), shape=A.shape).toarray() if source.sparse else rows
    np.testing.assert_array_equal(got, A)


def test_a_row_of_a_target_may_be_missing(A):
    target = np.ma.array(A[:RANK], mask=[[True] * COLUMNS, [False] * COLUMNS])
    assert np.isnan(dnmf.Constraints(target_H=target).target_H[0]).all()


WAY = r".*missing entries.* missing='nan' \(--missing nan\), or a mask="


def test_the_place_and_the_way_out_are_named(A):
    with pytest.raises(InputError, match=rf"row 0, column 2 is masked, as 1 of 180 entries; {WAY}"):
        dnmf.fit(with_hole(A), RANK)
    with pytest.raises(InputError, match=rf"row 0, column '2' is missing, as 1 of 180 entries; {WAY}"):
        dnmf.fit(nullable(A, hole=True), RANK)
    with pytest.raises(InputError, match=rf"a NaN at row 0, column 2; {WAY}"):
        dnmf.fit(holed(A), RANK)
    with pytest.raises(InputError, match="row 0, column 2 is masked.*only the data may have missing entries"):
        dnmf.Constraints(fixed_H=with_hole(A))


def not_valid(A):
    B = A.astype("i4")
    B[0, 2] = 77
    return xarray.DataArray(B, dims=("r", "c"), attrs={"valid_max": np.int32(20)})


HOLES = {
    "masked": with_hole,
    "masked ints": lambda A: with_hole(A.astype("i2")),
    "rows that are masked": lambda A: list(with_hole(A)),
    "nullable frame": lambda A: nullable(A, hole=True),
    "nullable ints": lambda A: nullable(A, hole=True).astype("Int32"),
    "NaN": holed,
    "frame with NaN": lambda A: pd.DataFrame(holed(A)),
    "AnnData of masked": lambda A: anndata.AnnData(with_hole(A)),
    "DataArray": lambda A: xarray.DataArray(holed(A), dims=("r", "c")),
    "DataArray, not valid": not_valid,
    "DataArray of dask, not valid": lambda A: not_valid(A).chunk({"r": 10}),
    "dask of masked": lambda A: blocks(with_hole(A)),
    "dask of masked ints": lambda A: blocks(with_hole(A.astype("i2"))),
}


@pytest.mark.parametrize("kind", HOLES)
def test_what_is_masked_or_missing_was_not_observed_where_that_is_said(A, kind):
    source = dnmf.open_source(HOLES[kind](A), missing="nan")
    assert source.has_missing
    assert source.dtype == source.read(0, ROWS).dtype
    np.testing.assert_array_equal(source.read(0, ROWS), holed(A))


@pytest.mark.parametrize("kind", ["masked", "rows that are masked", "nullable frame", "AnnData of masked"])
def test_what_is_masked_is_so_with_a_mask_or_weights_beside_it_too(A, kind):
    ones = np.ones(A.shape)
    ones[3, 4] = 0
    expected = np.where(ones > 0, holed(A), np.nan)
    np.testing.assert_array_equal(dnmf.open_source(HOLES[kind](A), mask=ones).read(0, ROWS), expected)
    rows, weights = dnmf.open_source(HOLES[kind](A), weights=ones).read(0, ROWS)
    np.testing.assert_array_equal(weights, ~np.isnan(expected))
    np.testing.assert_array_equal(rows, np.nan_to_num(expected))


@pytest.mark.parametrize("how", [{"missing": "nan"}, {"mask": np.ones((ROWS, COLUMNS))}])
def test_labels_of_frames_are_kept(A, how):
    frame = pd.DataFrame(holed(A), columns=list("abcdef"))
    assert dnmf.open_source(frame, **how).column_names().tolist() == list("abcdef")


FRAMES = {
    "bool": ({"a": [True, False], "b": [False, True]}, "bool"),
    "bool and int": ({"a": [True, False], "b": np.array([3, 4], "i2")}, "int16"),
    "ints": ({"a": np.array([1, 2], "u1"), "b": np.array([300, 4], "i4")}, "int32"),
    "int and float": ({"a": [1, 2], "b": np.array([0.5, 1], "f4")}, "float64"),
    "nullable ints": ({"a": pd.array([1, 2**60 + 1], "Int64"), "b": pd.array([3, 4], "Int64")}, "int64"),
    "nullable bool": ({"a": pd.array([True, False], "boolean"), "b": [1, 0]}, "int64"),
    "sparse beside dense": ({"a": pd.arrays.SparseArray([0, 2]), "b": [1.5, 2]}, "float64"),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_columns_of_numbers_share_the_narrowest_dtype(kind):
    columns, dtype = FRAMES[kind]
    source = dnmf.open_source(pd.DataFrame(columns))
    assert source.dtype == dtype
    np.testing.assert_array_equal(source.read(0, 2)[:, 0], np.asarray(columns["a"]).astype(dtype))


def test_a_sparse_frame_stays_sparse(A):
    source = dnmf.open_source(sparse_frame(A, 0.0))
    assert source.sparse
    np.testing.assert_array_equal(scipy.sparse.csr_array(tuple(source.read(0, ROWS)), shape=A.shape).toarray(), A)


def test_a_column_without_numbers_is_named():
    with pytest.raises(InputError, match="column 'b' has dtype (object|str)"):
        dnmf.open_source(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))
