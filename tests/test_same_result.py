"""One matrix has one factorization, whatever holds it and however it is cut."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
import sparse
import zarr
from breadth import quickly

import dnmf

ROWS, COLUMNS, RANK = 180, 20, 3
GRIDS = {"rows": (25, COLUMNS), "grid": (60, 7), "uneven": ((100, 3, 77), (1, 19)), "whole": (ROWS, COLUMNS)}


@pytest.fixture(scope="module")
def A():
    rng = np.random.default_rng(11)
    A = rng.random((ROWS, RANK)) @ (rng.random((RANK, COLUMNS)) * (rng.random((RANK, COLUMNS)) < 0.6))
    return np.where(rng.random(A.shape) < 0.7, A, 0.0)


def fit(data):
    return dnmf.fit(data, RANK, dtype="float64", max_passes=5, tol=0)


@pytest.fixture(scope="module")
def expected(A):
    return fit(A)


def dense_zarr(A, folder, chunks, **how):
    array = zarr.create_array(folder / "a.zarr", shape=A.shape, chunks=chunks, dtype=A.dtype, **how)
    array[:] = A
    return folder / "a.zarr"


def adata(X):
    return pytest.importorskip("anndata", reason="anndata is not installed").AnnData(X)


def h5ad(X, folder):
    adata(X).write_h5ad(folder / "a.h5ad")
    return folder / "a.h5ad"


def anndata_zarr(X, folder, **how):
    adata(X).write_zarr(folder / "a.zarr", **how)
    return folder / "a.zarr"


def blocks(A, chunks, convert):
    return da.from_array(A, chunks=chunks).map_blocks(convert, meta=convert(np.zeros((1, 1))))


csr, csc = scipy.sparse.csr_matrix, scipy.sparse.csc_matrix
CONVERT = {
    "csr_matrix": csr,
    "csr_array": scipy.sparse.csr_array,
    "csc_matrix": csc,
    "COO": sparse.COO.from_numpy,
    "GCXS": sparse.GCXS.from_numpy,
}
HOLDERS = {
    "F order": lambda A, _: np.asfortranarray(A),
    "coo_array": lambda A, _: scipy.sparse.coo_array(A),
    **{name: lambda A, _, c=convert: c(A) for name, convert in CONVERT.items()},
    **{f"dask, {name}": lambda A, _, g=grid: da.from_array(A, chunks=g) for name, grid in GRIDS.items()},
    **{
        f"dask of {name}, {grid}": lambda A, _, c=convert, g=grid: blocks(A, GRIDS[g], c)
        for name, convert in CONVERT.items()
        for grid in ("rows", "uneven")
    },
    "Zarr by rows": lambda A, folder: dense_zarr(A, folder, (25, COLUMNS)),
    "Zarr in a grid": lambda A, folder: dense_zarr(A, folder, (64, 6)),
    "Zarr v2": lambda A, folder: dense_zarr(A, folder, (50, COLUMNS), zarr_format=2),
    "Zarr in shards": lambda A, folder: dense_zarr(A, folder, (10, 10), shards=(40, 20)),
    "CSR Zarr": lambda A, folder: anndata_zarr(csr(A), folder),
    "CSR Zarr in small chunks": lambda A, folder: anndata_zarr(csr(A), folder, chunks=(100,)),
    "CSR .h5ad": lambda A, folder: h5ad(csr(A), folder),
    "dense .h5ad": h5ad,
    "AnnData": lambda A, _: adata(csr(A)),
}


LONG = ("dask of GCXS", "dask of COO", "dask of csc_matrix", "dask of csr_array")


def assert_same(found, expected):
    np.testing.assert_allclose(found.H, expected.H, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found.d, expected.d, rtol=1e-5)
    np.testing.assert_allclose(found.read_W(), expected.read_W(), rtol=1e-5, atol=1e-9)
    objectives = [record.objective for record in found.history]
    np.testing.assert_allclose(objectives, [record.objective for record in expected.history], rtol=1e-7)


@pytest.mark.broad(8)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("holder", quickly([name for name in HOLDERS if not name.startswith(LONG)], of=HOLDERS))
def test_the_factors_are_those_of_the_numpy_array(A, expected, tmp_path, holder):
    assert_same(fit(HOLDERS[holder](A, tmp_path)), expected)


@pytest.mark.broad(1)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("write", [anndata_zarr, h5ad])
def test_a_stored_csc_matrix_is_factorized_as_its_transpose(A, tmp_path, write):
    """Its rows are columns, so another sample is drawn: it equals the transpose, not the matrix."""
    turned = fit(np.ascontiguousarray(A.T))
    found = fit(write(csc(A), tmp_path))
    assert found.shape == A.shape
    np.testing.assert_allclose(found.read_W(), turned.H.T, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found.H, turned.read_W().T, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found.d, turned.d, rtol=1e-5)


@pytest.mark.slow
def test_integers_and_floats_give_the_same(A, tmp_path):
    counts = np.round(A * 20)
    expected = fit(counts)
    for dtype in ("uint8", "int16", "int64", "float16", "float32", ">f4"):
        assert_same(fit(counts.astype(dtype)), expected)
        assert_same(
            fit(csr(counts).astype(dtype) if dtype not in ("float16", ">f4") else counts.astype(dtype)), expected
        )
    assert_same(fit(dense_zarr(counts.astype(">i4"), tmp_path, (30, 10), zarr_format=2)), expected)
