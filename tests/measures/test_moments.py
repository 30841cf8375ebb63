"""Totals, means and variances in one read, and the columns that vary."""

import dask.array
import numpy as np
import pytest
import scipy.sparse
import zarr

import dnmf
from dnmf.measures import moments, variable_columns
from dnmf.passes.visitors import moments as visitor

pytestmark = pytest.mark.numeric

M, N = 230, 40
RNG = np.random.default_rng(0)
A = (RNG.gamma(1.0, size=M)[:, None] * RNG.gamma(0.7, size=N)).astype("f4")
A = RNG.poisson(A * np.where(RNG.random((M, N)) < 0.3, 6, 1)).astype("f4")
A[:, 5], A[9] = 0, 0


def csc_in_a_store(folder):
    anndata = pytest.importorskip("anndata")
    anndata.AnnData(scipy.sparse.csc_matrix(A)).write_zarr(folder / "A.zarr")
    return folder / "A.zarr"


def dense_in_a_store(folder):
    zarr.create_array(folder / "A.zarr", data=A, chunks=(32, N))
    return folder / "A.zarr"


KINDS = {
    "numpy": lambda _: A,
    "integers": lambda _: A.astype("i2"),
    "CSR": lambda _: scipy.sparse.csr_array(A),
    "CSC": csc_in_a_store,
    "Zarr": dense_in_a_store,
    "dask": lambda _: dask.array.from_array(A, chunks=(50, 15)),
    "dask of CSR": lambda _: dask.array.from_array(A, chunks=(50, N)).map_blocks(scipy.sparse.csr_array),
}


@pytest.fixture(autouse=True)
def _in_many_steps(request, monkeypatch):
    if "client" not in request.fixturenames:  # whose workers take the steps they take
        monkeypatch.setattr(visitor, "ENTRIES_AT_ONCE", 500)


def check(found, matrix, rtol=1e-12):
    exact = matrix.astype("f8")
    for along, axis in ((found.columns, 0), (found.rows, 1)):
        np.testing.assert_allclose(along.total, exact.sum(axis=axis), rtol=rtol, atol=1e-12)
        np.testing.assert_allclose(along.mean, exact.mean(axis=axis), rtol=rtol, atol=1e-12)
        np.testing.assert_allclose(along.variance(), exact.var(axis=axis), rtol=rtol, atol=1e-12)
        np.testing.assert_allclose(along.variance(1), exact.var(axis=axis, ddof=1), rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_those_of_the_matrix(kind, tmp_path):
    check(moments(KINDS[kind](tmp_path)), A)


@pytest.mark.slow
@pytest.mark.broad(4)
@pytest.mark.parametrize("kind", KINDS)
def test_workers_make_the_same_bits(kind, tmp_path, client):
    data = KINDS[kind](tmp_path)
    here, there = moments(data), moments(data, client=client)
    for one, other in ((here.rows, there.rows), (here.columns, there.columns)):
        assert one.total.tobytes() == other.total.tobytes()
        assert one.squares.tobytes() == other.squares.tobytes()


@pytest.mark.parametrize("convert", [np.asarray, scipy.sparse.csr_array])
def test_a_large_mean_takes_no_digit_of_a_small_variance(convert):
    far = A.astype("f8") + 1e7
    check(moments(convert(far)), far, rtol=1e-7)


def test_negative_values_count():
    check(moments(A - 3), A - 3, rtol=1e-6)


MISSING = RNG.random((M, N)) < 0.2


@pytest.mark.parametrize("how", ["NaN", "not stored", "a mask", "a mask of CSR"])
def test_what_was_not_observed_is_not_counted(how):
    holed = np.where(MISSING, np.nan, A + 1)
    source = {
        "NaN": lambda: dnmf.open_source(holed, missing="nan"),
        "not stored": lambda: dnmf.open_source(scipy.sparse.csr_array(np.nan_to_num(holed)), missing="unstored"),
        "a mask": lambda: dnmf.open_source(A + 1, mask=~MISSING),
        "a mask of CSR": lambda: dnmf.open_source(scipy.sparse.csr_array(A + 1), mask=~MISSING),
    }[how]()
    found = moments(source)
    for along, axis in ((found.columns, 0), (found.rows, 1)):
        np.testing.assert_array_equal(along.count, (~MISSING).sum(axis=axis))
        np.testing.assert_allclose(along.mean, np.nanmean(holed, axis=axis), rtol=1e-6)
        np.testing.assert_allclose(along.variance(), np.nanvar(holed, axis=axis), rtol=1e-5)


@pytest.mark.parametrize("convert", [np.asarray, scipy.sparse.csr_array])
def test_a_weight_of_two_counts_as_the_row_twice(convert):
    weights = np.zeros((M, N)) + RNG.integers(1, 4, M)[:, None]
    found = moments(dnmf.open_source(convert(A), weights=weights))
    check(moments(np.repeat(A, weights[:, 0].astype(int), axis=0)), np.repeat(A, weights[:, 0].astype(int), axis=0))
    expected = moments(np.repeat(A, weights[:, 0].astype(int), axis=0)).columns
    np.testing.assert_allclose(found.columns.mean, expected.mean, rtol=1e-12)
    np.testing.assert_allclose(found.columns.variance(), expected.variance(), rtol=1e-12)


def test_what_cannot_be_used_is_refused():
    with pytest.raises(dnmf.InputError, match="an infinity at row 3, column 2"):
        moments(np.where(np.arange(M * N).reshape(M, N) == 3 * N + 2, np.inf, A))


def naive_variable(counts, count=None, per=1e6, least_mean=0.5):
    """What cNMF does, word for word, of a dense matrix."""
    sized = counts / np.where(counts.sum(1) > 0, counts.sum(1), per)[:, None] * per
    mean, fano = sized.mean(0), np.full(counts.shape[1], np.nan)
    fano[mean > 0] = sized.var(0)[mean > 0] / mean[mean > 0]
    common = np.argsort(-mean)[:20]
    a = np.nanmin(np.sqrt(sized.var(0))[common] / mean[common])
    low, high = np.quantile(mean, [0.1, 0.9])
    least, most = np.nanquantile(fano, [0.1, 0.9])
    box = (fano > least) & (fano < most) & (mean > low) & (mean < high)
    ratio = fano / (a**2 * mean + np.median(fano[box]))
    if count is not None:
        return np.isin(np.arange(len(mean)), np.argsort(-np.nan_to_num(ratio))[:count])
    return (ratio > 1 + fano[box].std(ddof=1)) & (mean > least_mean)


@pytest.mark.broad(8)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("asked", [{"count": 9}, {"count": None, "per": 100.0}, {"per": 100.0, "count": 5}])
def test_variable_columns_are_those_of_the_formula(kind, asked, tmp_path):
    found = variable_columns(KINDS[kind](tmp_path), **asked)
    np.testing.assert_array_equal(found.chosen, naive_variable(A.astype("f8"), **asked))
    deviation = A.astype("f8").std(axis=0, ddof=1)
    np.testing.assert_allclose(found.scale, np.where(deviation > 0, deviation, 1), rtol=1e-12)


@pytest.mark.slow
def test_genes_are_those_that_cnmf_chooses(pbmc3k):
    cnmf = pytest.importorskip("cnmf.cnmf")
    counts = pbmc3k.astype("f8")[:, np.asarray(pbmc3k.sum(axis=0)).ravel() > 0]
    sized = scipy.sparse.csr_matrix(counts.multiply(1e6 / counts.sum(axis=1)[:, None]))
    known, _ = cnmf.get_highvar_genes_sparse(sized, numgenes=2000)
    found = variable_columns(counts.astype("f4"), 2000)
    np.testing.assert_array_equal(found.chosen, known.high_var)
    np.testing.assert_allclose(found.ratio, known.fano_ratio, rtol=1e-6)


def test_columns_that_were_chosen_and_divided_vary_alike(tmp_path):
    data = dense_in_a_store(tmp_path)
    found = variable_columns(data, 12)
    source = dnmf.open_source(data, columns=found.chosen, column_scale=found.scale)
    np.testing.assert_allclose(moments(source).columns.variance(1), 1, rtol=1e-5)
    assert dnmf.fit(source, 3).H.shape == (3, 12)


def test_what_cannot_be_chosen_is_refused():
    with pytest.raises(dnmf.InputError, match=r"39 columns vary, of which 40 cannot be chosen"):
        variable_columns(A, 40)
    with pytest.raises(dnmf.InputError, match=r"no column has a ratio above .*; say how many are chosen"):
        variable_columns(A, None, per=1e12)
    with pytest.raises(dnmf.InputError, match="fewer than two columns are ordinary"):
        variable_columns(np.ones((4, 3)), 2)
    with pytest.raises(dnmf.InputError, match="the total of column 0 is below zero"):
        variable_columns(A - 9, 2)
    with pytest.raises(dnmf.InputError, match="per=0: give a total above zero"):
        variable_columns(A, 2, per=0)
