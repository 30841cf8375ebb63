"""Bad input is refused by name, with its place, and never read as zeros; odd but legal input has a defined result."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
import sparse
import zarr
from small_stores import COLUMNS, ROWS, compressed_zarr, dense_zarr, fit, small

import dnmf
from dnmf.errors import DnmfError, InputError
from dnmf.passes.visit import check_rows
from dnmf.sources import open_source


@pytest.fixture
def A():
    return small()


# ---- values


KINDS = {
    "numpy": lambda A, _: A,
    "numpy F order": lambda A, _: np.asfortranarray(A),
    "CSR": lambda A, _: scipy.sparse.csr_array(A),
    "CSC": lambda A, _: scipy.sparse.csc_matrix(A),
    "COO": lambda A, _: sparse.COO.from_numpy(A),
    "dask": lambda A, _: da.from_array(A, chunks=(7, 5)),
    "dask CSR": lambda A, _: da.from_array(A, chunks=(7, 5)).map_blocks(scipy.sparse.csr_matrix),
    "Zarr": dense_zarr,
    "stored CSR": compressed_zarr,
    "stored CSC": lambda A, folder: compressed_zarr(A, folder, "csc"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("value", "name"), [(np.nan, "a NaN"), (np.inf, "an infinity"), (-0.5, "the negative value -0.5")]
)
@pytest.mark.broad(4)
def test_a_bad_value_is_named_with_its_row_and_column(A, tmp_path, kind, value, name):
    A[37, 5] = value
    data = KINDS[kind](A, tmp_path)
    with pytest.raises(InputError, match=f"{name} at row 37, column 5"):
        fit(data)
    with pytest.raises(InputError, match=name):
        dnmf.fit(np.abs(np.nan_to_num(A, posinf=1)), 2, max_passes=2).solve(data)


def test_a_bad_value_is_counted(A):
    A[3, 2] = A[5, 1] = A[9, 9] = np.nan
    with pytest.raises(InputError, match=r"a NaN at row 3, column 2 \(at least 3 such values"):
        fit(A)


def sampled_rows(source, **options):
    """The rows that a fit reads for its start."""
    seen, read = [], source.read

    def noted(start, stop):
        seen.append((start, stop))
        return read(start, stop)

    source.read = noted
    source.for_rows = lambda start, stop: source
    fit(source, **options, callbacks=[lambda event: seen.append(None)])
    begun = [i for i, entry in enumerate(seen) if entry is None][1]  # Planned, then Started
    return {row for entry in seen[:begun] if entry for row in range(*entry)}


@pytest.mark.broad(1)
@pytest.mark.parametrize("init", ["sample", "random"])
def test_a_bad_value_is_found_inside_and_outside_the_sample(init, monkeypatch):
    monkeypatch.setattr("dnmf.starts.race.SMALL_BYTES", 0)  # this stands for large data
    rng = np.random.default_rng(0)
    A = rng.random((2000, COLUMNS))
    sampled = sampled_rows(open_source(A.copy()), init=init)
    rest = set(range(2000)) - sampled
    assert rest
    assert bool(sampled) == (init == "sample")
    for rows in filter(None, (sampled, rest)):
        row = sorted(rows)[len(rows) // 2]
        bad = A.copy()
        bad[row, 4] = np.nan
        for data in (bad, scipy.sparse.csr_array(bad), da.from_array(bad, chunks=(300, 5))):
            with pytest.raises(InputError, match=f"a NaN at row {row}, column 4"):
                fit(data, init=init)


@pytest.mark.parametrize("convert", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize(("factor", "dtype"), [(1e30, "float32"), (1e300, "float32"), (1e200, "float64"),
                                               (1e-30, "float32"), (1e-200, "float64")])  # fmt: skip
@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("init", ["sample", "random"])
def test_values_whose_products_leave_the_dtype_are_refused(A, factor, dtype, convert, init):
    with pytest.raises(InputError, match="vanish"):
        fit(convert(A * factor), dtype=dtype, init=init)


@pytest.mark.parametrize("dtype", [object, "U3", "S2", complex, "M8[s]"])
def test_a_dtype_without_real_numbers_is_refused(dtype):
    data = np.ones((4, 3), int).astype(dtype)
    for matrix in (data, da.from_array(data, chunks=(2, 3))):
        with pytest.raises(InputError, match=r"dtype .*; dnmf reads integers and floating point"):
            fit(matrix)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize("dtype", ["U3", "complex64", "M8[s]"])
def test_a_stored_dtype_without_real_numbers_is_refused(tmp_path, dtype):
    path = dense_zarr(np.ones((4, 3), int).astype(dtype), tmp_path, chunks=(2, 3))
    with pytest.raises(InputError, match=r"a\.zarr: the values have dtype"):
        fit(path)


def test_masked_values_are_not_read_as_what_lies_below_the_mask(A):
    masked = np.ma.masked_less(A, 0.3)
    with pytest.raises(InputError, match="masked array"):
        fit(masked)
    with pytest.raises(InputError, match="masked array"):
        fit(da.from_array(masked, chunks=(10, COLUMNS)))


def test_sparse_arrays_whose_zeros_are_not_zero_are_refused(A):
    with pytest.raises(InputError, match="fill"):
        fit(sparse.COO.from_numpy(A, fill_value=0.5))


# ---- shapes


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_an_empty_matrix_is_refused(tmp_path, shape):
    for data in (np.ones(shape), scipy.sparse.csr_array(shape), da.ones(shape, chunks=2)):
        with pytest.raises(InputError, match="the matrix is empty"):
            fit(data)
    zarr.create_array(tmp_path / "a.zarr", shape=shape, chunks=(1, 1), dtype="f4")
    with pytest.raises(InputError, match=r"a\.zarr: the matrix is empty"):
        fit(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("shape", "words"), [((), "a matrix has 2 dimensions"), ((5,), "a matrix has 2 dimensions"),
                         ((3, 4, 5), "an array of 3 axes .* row_axes=0")],
)  # fmt: skip
def test_a_matrix_has_two_dimensions(tmp_path, shape, words):
    for data in (np.ones(shape), da.ones(shape)):
        with pytest.raises(InputError, match=words):
            fit(data)
    zarr.create_array(tmp_path / "a.zarr", shape=shape, chunks=(2,) * len(shape), dtype="f4")
    with pytest.raises(InputError, match=words):
        fit(tmp_path / "a.zarr")


@pytest.mark.parametrize("data", [None, {}, b"abc", {1, 2}, [[1, 2], [3]], object(), "", 3.0])
def test_what_is_no_matrix_is_refused(data):
    with pytest.raises(InputError):
        fit(data)


@pytest.mark.parametrize("rank", [0, -1, 13, 2.5, "3", None])
def test_a_rank_that_the_matrix_cannot_have_is_refused(A, rank):
    with pytest.raises(InputError, match="rank"):
        fit(A, rank=rank)


@pytest.mark.parametrize(
    "option",
    [
        {"init": "svd"}, {"solver": "mut"}, {"loss": "kl"}, {"dtype": "int8"}, {"seed": -1}, {"max_passes": 0},
        {"tol": -1.0}, {"tol": float("nan")}, {"penalty": 0.1}, {"memory_limit": "lots"}, {"client": 3},
        {"W": np.ones((3, 2))}, {"H": np.ones((2, 3))}, {"H": np.full((2, COLUMNS), -1.0)},
        {"W": np.full((ROWS, 2), np.nan)}, {"restarts": 0},
    ],
    ids=str,
)  # fmt: skip
def test_an_option_that_cannot_be_used_is_named(A, option):
    with pytest.raises(InputError, match=r"is not an amount" if "memory_limit" in option else next(iter(option))):
        fit(A, **option)


def test_missing_chunks_is_error_or_zeros(A, tmp_path):
    with pytest.raises(InputError, match="missing_chunks='ignore': use one of 'error', 'zeros'"):
        open_source(dense_zarr(A, tmp_path), missing_chunks="ignore")


# ---- other rows


def test_a_transform_needs_the_columns_of_the_fit(A):
    model = fit(A)
    with pytest.raises(InputError, match="has 11 columns, the model was fitted on 12"):
        model.solve(A[:, 1:])


def test_a_transform_needs_the_columns_in_the_order_of_the_fit(A):
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pd.DataFrame(A, columns=[f"gene{j}" for j in range(COLUMNS)])
    model = fit(frame)
    with pytest.raises(InputError, match="column 3 is named 'renamed', in the fit 'gene3'"):
        model.solve(frame.rename(columns={"gene3": "renamed"}))
    assert np.isfinite(model.solve(A[:4])).all()


def frame_of(A):
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    return pd.DataFrame(A, columns=[f"gene{j}" for j in range(COLUMNS)])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda frame: frame.iloc[:, ::-1], r"in the fit 'gene0'; all names .* columns='match' \(--columns-match\)"),
        (lambda frame: frame.assign(more=1.0), r"fitted on 12; all names .* columns='match' \(--columns-match\)"),
        (lambda frame: frame.iloc[:, 1:], r"fitted on 12; 1 of the 12 names of the fit is not among them: 'gene0'"),
        (lambda frame: frame.iloc[:, 2:].assign(a=1.0, b=1.0), r"; 2 of the 12 names of the fit are not among them"),
        (lambda frame: frame.to_numpy()[:, 1:], r"fitted on 12$"),
    ],
    ids=["another order", "more columns", "fewer columns", "other columns", "no names"],
)
def test_columns_that_are_not_those_of_the_fit_are_refused_with_the_way_to_find_them(A, other, message):
    frame = frame_of(A)
    with pytest.raises(InputError, match=message):
        fit(frame).solve(other(frame))


# ---- legal, if odd


def assert_finite(model):
    for factor in (model.read_W(), model.d, model.H):
        assert np.isfinite(factor).all()
        assert (np.asarray(factor) >= 0).all()


@pytest.mark.parametrize("init", ["sample", "random"])
@pytest.mark.parametrize("convert", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_row_and_a_column_of_zeros_have_factors_of_zeros(A, init, convert):
    A[:, 4], A[7] = 0, 0
    model = fit(convert(A), init=init, rank=3)
    assert_finite(model)
    assert not model.H[:, 4].any()
    assert not model.read_W()[7].any()
    assert model.relative_error < 1


@pytest.mark.parametrize("init", ["sample", "random"])
@pytest.mark.parametrize("convert", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_matrix_of_zeros_has_factors_of_zeros_and_no_error(init, convert):
    model = fit(convert(np.zeros((ROWS, COLUMNS))), init=init)
    assert_finite(model)
    assert not model.d.any()
    assert not model.H.any()
    assert not model.read_W().any()
    assert model.relative_error == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 2)])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_the_smallest_matrices_are_factorized(shape):
    A = np.random.default_rng(0).random(shape)
    model = dnmf.fit(A, min(shape), dtype="float64", tol=0, max_passes=60)
    assert_finite(model)
    np.testing.assert_allclose(model.read_W() * model.d @ model.H, A, atol=1e-4)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_more_components_than_the_data_has_do_no_harm(A):
    model = fit(np.outer(A[:, 0], A[0]), rank=5)
    assert_finite(model)
    assert model.relative_error < 1e-3


def test_a_start_of_zeros_stays_finite(A):
    assert_finite(fit(A, H=np.zeros((2, COLUMNS))))
    assert_finite(fit(A, W=np.zeros((ROWS, 2))))


def test_chunks_of_zeros_that_were_not_written_are_read_where_the_caller_says_so(A, tmp_path):
    A[10:30] = 0
    path = dense_zarr(A, tmp_path)
    assert not (path / "c/1/0").exists()
    with pytest.raises(InputError, match="missing_chunks='zeros'"):
        fit(path)
    model = fit(open_source(path, missing_chunks="zeros"))
    np.testing.assert_array_equal(model.H, fit(A).H)
    assert not model.read_W()[10:30].any()


def test_a_resumed_fit_takes_absent_chunks_as_the_fit_did(A, tmp_path):
    A[10:30] = 0
    path = dense_zarr(A, tmp_path)

    class Stop(Exception):
        pass

    def stop(event):
        if getattr(event, "committed", False):
            raise Stop

    source = open_source(path, missing_chunks="zeros")
    with pytest.raises(Stop):
        fit(source, store=tmp_path / "run.dnmf", callbacks=[stop], tol=0)
    model = dnmf.resume(tmp_path / "run.dnmf")
    whole = fit(source, tol=0)
    np.testing.assert_array_equal(model.H, whole.H)
    np.testing.assert_array_equal(model.read_W(), whole.read_W())


def test_the_check_of_rows_leaves_them_unchanged(A):
    before = A.copy()
    A.flags.writeable = False
    assert check_rows(open_source(A), 0, A) == pytest.approx((before**2).sum())
    np.testing.assert_array_equal(A, before)


def test_every_refusal_is_an_error_of_dnmf_and_a_value_error():
    assert issubclass(InputError, DnmfError)
    assert issubclass(InputError, ValueError)


@pytest.mark.parametrize("init", ["auto", "random"])
@pytest.mark.parametrize(("scale", "message"), [(1e38, "values up to .* overflow"), (1e-30, "so small that products")])
def test_values_whose_products_have_no_place_in_the_dtype_are_named_whatever_the_start(init, scale, message):
    with pytest.raises(InputError, match=message):
        dnmf.fit(scale * np.random.default_rng(0).random((80, 30)), 3, init=init)


@pytest.mark.parametrize("texts", [["hello world", "another text"], ("a", "a b")])
def test_texts_are_no_matrix_and_it_is_said_how_they_become_one(texts):
    with pytest.raises(InputError, match=r"a list of texts is not a matrix; .*CountVectorizer"):
        dnmf.fit(texts, 2)


def test_a_list_of_anndata_is_refused_before_it_is_looked_into():
    anndata = pytest.importorskip("anndata")
    cells = anndata.AnnData(np.ones((4, 3), np.float32))
    with pytest.raises(InputError, match=r"a list of AnnData is not a matrix; .*anndata\.concat"):
        dnmf.fit([cells, cells], 2)
