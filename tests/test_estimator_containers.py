"""The estimator gives back the kind of container that it got, where the data lies."""

import cloudpickle
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import zarr
from breadth import quickly
from estimator_data import CHUNK_KINDS, IN_MEMORY_KINDS, as_dask, planted, sparse_matrix
from sklearn.base import clone

from dnmf import NMF, InputError


@pytest.fixture
def reference():
    """The fit of the sparse matrix as a numpy array, and its W."""
    nmf = NMF(3, random_state=0, tol=1e-8)
    return nmf, nmf.fit_transform(sparse_matrix().toarray())


@pytest.mark.broad(4)
@pytest.mark.parametrize("kind", IN_MEMORY_KINDS)
def test_in_memory_data_gives_numpy(kind, reference):
    X = IN_MEMORY_KINDS[kind](sparse_matrix())
    nmf = clone(reference[0])
    for W in (nmf.fit_transform(X), nmf.transform(X)):
        assert type(W) is np.ndarray
        np.testing.assert_allclose(W, reference[1], atol=1e-12)


@pytest.mark.parametrize("columns", quickly([(7, 13)], of=[(20,), (7, 13)]))
@pytest.mark.parametrize("kind", quickly(CHUNK_KINDS.keys() - {"GCXS"}, of=CHUNK_KINDS))  # it compiles for seconds
def test_dask_gives_dask_with_the_same_row_chunks(kind, columns, reference):
    X = as_dask(sparse_matrix(), CHUNK_KINDS[kind], columns=columns)
    nmf = clone(reference[0])
    for W in (nmf.fit_transform(X), nmf.transform(X)):
        assert isinstance(W, da.Array)
        assert W.chunks == ((25, 35), (3,))
        assert isinstance(W._meta, np.ndarray)
        assert W.dtype == np.float64
        np.testing.assert_allclose(W.compute(), reference[1], atol=1e-12)


@pytest.mark.slow
def test_paths_and_zarr_arrays_give_dask(tmp_path, reference):
    X = sparse_matrix().toarray()
    path = tmp_path / "x.zarr"
    stored = zarr.create_array(path, shape=X.shape, chunks=(25, 20), dtype=X.dtype)
    stored[:] = X
    for data in (path, str(path), stored):
        nmf = clone(reference[0])
        for W in (nmf.fit_transform(data), nmf.transform(data)):
            assert isinstance(W, da.Array)
            np.testing.assert_allclose(W.compute(), reference[1], atol=1e-12)
        assert nmf.n_features_in_ == 20


@pytest.mark.slow
def test_a_store_in_csc_layout_is_factorized_as_it_is_and_not_as_its_transpose(tmp_path, reference):
    anndata = pytest.importorskip("anndata")
    path = tmp_path / "cells.zarr"
    anndata.AnnData(scipy.sparse.csc_matrix(sparse_matrix())).write_zarr(path)
    nmf = clone(reference[0])
    W = nmf.fit_transform(path)
    assert W.shape == (60, 3)
    assert nmf.components_.shape == (3, 20)
    assert nmf.reconstruction_err_ == pytest.approx(reference[0].reconstruction_err_, rel=0.01)
    # A CSC store is factorized as its transpose: its W is the factor the last pass was given, not one solved for
    # the final H, so the rows agree as far as the fit has converged.
    np.testing.assert_allclose(nmf.transform(path), W, atol=1e-3)


@pytest.mark.slow
def test_column_names_come_from_whatever_has_them():
    anndata, xarray = pytest.importorskip("anndata"), pytest.importorskip("xarray")
    X, names = sparse_matrix(), [f"gene{i}" for i in range(20)]
    cells = anndata.AnnData(X, var=pd.DataFrame(index=names))
    chunked = da.from_array(X.toarray(), chunks=(25, 20))
    labelled = xarray.DataArray(chunked, dims=("cell", "gene"), coords={"gene": names})
    frame = pd.DataFrame(X.toarray(), columns=names)
    for data, container in ((cells, np.ndarray), (frame, np.ndarray), (labelled, da.Array)):
        nmf = NMF(3, random_state=0)
        assert isinstance(nmf.fit_transform(data), container)
        assert list(nmf.feature_names_in_) == names
        assert list(nmf.model_.column_names) == names
    assert not hasattr(nmf.fit(chunked), "feature_names_in_")


def test_transform_of_a_dask_array_computes_nothing_yet(reference):
    def fail(block):
        raise AssertionError("computed")

    X = da.from_array(sparse_matrix().toarray(), chunks=(25, 20)).map_blocks(fail, meta=np.empty((0, 0)))
    W = reference[0].transform(X)
    with pytest.raises(AssertionError, match="computed"):
        W.compute()


@pytest.mark.slow
def test_components_travel_once_and_W_never():
    X = da.random.default_rng(0).random((400, 4000), chunks=(10, 4000))
    nmf = NMF(3, dtype="float32", max_iter=2, tol=0).fit(X)
    tasks = dict(nmf.transform(X).__dask_graph__())
    assert sum(len(cloudpickle.dumps(task)) for task in tasks.values()) < 2 * nmf.components_.nbytes + 40 * 5000


def test_inverse_transform_of_dask_and_of_sparse_W(reference):
    nmf, W = reference
    expected = W @ nmf.components_
    lazy = nmf.inverse_transform(da.from_array(W, chunks=(25, 3)))
    assert lazy.chunks == ((25, 25, 10), (20,))
    np.testing.assert_allclose(lazy.compute(), expected)
    np.testing.assert_allclose(nmf.inverse_transform(scipy.sparse.csr_array(W)), expected)
    with pytest.raises(InputError, match="20 columns, expected one for each of 3 components"):
        nmf.inverse_transform(expected)


@pytest.mark.broad(1)
@pytest.mark.parametrize(
    ("given", "computed"), [("float32", "float32"), ("float64", "float64"), ("uint8", "float64"),
                            ("int64", "float64"), ("float16", "float64"), ("bool", "float64")]
)  # fmt: skip
def test_results_have_the_dtype_of_the_data(given, computed):
    X = (10 * planted(8)).astype(given)
    nmf = NMF(2, random_state=0)
    assert nmf.fit_transform(X).dtype == nmf.transform(X).dtype == nmf.components_.dtype == computed
    assert NMF(2, dtype="float32").fit(X).components_.dtype == "float32"


def test_data_in_memory_never_meets_a_cluster(monkeypatch):
    import distributed

    def fail(*_, **__):
        raise AssertionError("a client was started or asked for")

    monkeypatch.setattr(distributed.Client, "__init__", fail)
    monkeypatch.setattr("dnmf.connections.clients.current_client", fail)
    X = planted(13)
    NMF(3).fit(X).transform(X)


@pytest.mark.slow
def test_dask_data_runs_on_the_current_client(reference):
    distributed = pytest.importorskip("distributed")
    X = as_dask(sparse_matrix(), scipy.sparse.csr_array, columns=(7, 13))
    with distributed.LocalCluster(
        1, processes=False, threads_per_worker=2, dashboard_address=None
    ) as cluster, distributed.Client(cluster):  # fmt: skip
        nmf = clone(reference[0])
        W, transformed = nmf.fit_transform(X), nmf.transform(X)
        np.testing.assert_array_equal(W.compute(), transformed.compute())
    np.testing.assert_allclose(W.compute(), reference[1], atol=1e-12)
