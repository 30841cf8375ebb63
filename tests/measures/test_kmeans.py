"""k-means out of core is Lloyd's algorithm, whatever the rows come in and whoever computes."""

import naive
import numpy as np
import pytest
import scipy.sparse
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import dnmf
from dnmf.measures import kmeans, kmeans_centres
from dnmf.sources.memory import MemorySource

pytestmark = pytest.mark.numeric


def inertia(A, centres):
    return naive.squared_distances(A, centres).min(axis=1).sum()


@pytest.fixture(scope="module")
def clustered():
    """Rows around five places, half of their values zero, and the places."""
    rng = np.random.default_rng(3)
    places = 5 * rng.random((5, 20)) * (rng.random((5, 20)) < 0.5)
    labels = rng.integers(5, size=900)
    return np.maximum(places[labels] + 0.2 * rng.standard_normal((900, 20)) * (places[labels] > 0), 0), places


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 60), columns=st.integers(1, 12), k=st.integers(1, 5), passes=st.integers(1, 4),
    sparse=st.booleans(), seed=st.integers(0, 9),
)  # fmt: skip
def test_iterations_are_those_of_lloyd(rows, columns, k, passes, sparse, seed):
    rng = np.random.default_rng(seed)
    A = rng.random((rows, columns)) * (rng.random((rows, columns)) < 0.5)
    start = rng.random((k, columns))
    engine = kmeans.engine_in_memory(
        MemorySource(scipy.sparse.csr_array(A) if sparse else A), dnmf.options.FitOptions(k, dtype="float64")
    )
    found = kmeans._iterate(engine, start, passes, tol=-1.0)
    expected = naive.lloyd(A, start, passes)
    np.testing.assert_allclose(found.centres, expected, rtol=1e-9, atol=1e-12)
    before = naive.squared_distances(A, naive.lloyd(A, start, passes - 1)).argmin(axis=1)
    assert found.inertia == pytest.approx(((A - expected[before]) ** 2).sum(), rel=1e-9, abs=1e-12)


def test_clusters_that_are_there_are_found(clustered):
    A, places = clustered
    centres = kmeans_centres(A, 5)
    assert centres.shape == (5, 20)
    assert centres.dtype == np.float64
    assert naive.best_matching(naive.cosines(places.T, centres.T)) > 4.99
    from sklearn.cluster import KMeans

    assert inertia(A, centres) == pytest.approx(KMeans(5, n_init=5, random_state=0).fit(A).inertia_, rel=1e-9)


def test_the_centre_of_most_rows_comes_first(clustered):
    A, _ = clustered
    centres = kmeans_centres(A, 5)
    counts = np.bincount(naive.squared_distances(A, centres).argmin(axis=1))
    assert (np.diff(counts) <= 0).all()


FORMS = {
    "float32": lambda A, _: A.astype(np.float32),
    "csr": lambda A, _: scipy.sparse.csr_array(A),
    "csc": lambda A, _: scipy.sparse.csc_array(A),
    "dask": lambda A, _: __import__("dask.array").array.from_array(A, chunks=(70, 20)),
    "zarr": lambda A, folder: zarr.create_array(folder / "A.zarr", data=A, chunks=(64, 20)),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_centres_are_the_same_whatever_the_rows_come_in(clustered, tmp_path, form):
    A, _ = clustered
    found = kmeans_centres(FORMS[form](A, tmp_path), 5)
    np.testing.assert_allclose(found, kmeans_centres(A, 5), rtol=1e-6)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_in_process_and_on_a_cluster(clustered, tmp_path, client, monkeypatch):
    A, _ = clustered
    monkeypatch.setattr("dnmf.plan.LEAST_GROUP_BYTES", 2**12)
    zarr.create_array(tmp_path / "A.zarr", data=A, chunks=(64, 20))
    here, there = (kmeans_centres(tmp_path / "A.zarr", 5, seed=3, client=at) for at in (None, client))
    assert here.tobytes() == there.tobytes()


@pytest.mark.slow
def test_a_store_by_columns_is_clustered_by_rows_or_refused(clustered, tmp_path, monkeypatch):
    anndata = pytest.importorskip("anndata")
    A, _ = clustered
    anndata.AnnData(scipy.sparse.csc_matrix(A)).write_h5ad(tmp_path / "a.h5ad")
    np.testing.assert_allclose(kmeans_centres(tmp_path / "a.h5ad", 5), kmeans_centres(A, 5), rtol=1e-9)
    monkeypatch.setattr("dnmf.fitting.apply.MOST_TURNED_BYTES", 10)
    with pytest.raises(dnmf.InputError, match="convert it to CSR"):
        kmeans_centres(tmp_path / "a.h5ad", 5)


def test_the_data_is_read_no_more_often_than_allowed(clustered, monkeypatch):
    A, seen = clustered[0], []
    read = MemorySource.read
    monkeypatch.setattr(MemorySource, "read", lambda self, a, b: seen.append((self, a, b)) or read(self, a, b))
    source = MemorySource(np.tile(A, (4, 1)) + 0.01)
    monkeypatch.setattr(kmeans, "_centres_of_sample", lambda engine, options: np.random.default_rng(0).random((5, 20)))
    kmeans_centres(source, 5, max_passes=3, tol=0)
    assert sum(stop - start for _, start, stop in seen) == 3 * 3600


def test_it_ends_by_itself_when_no_centre_moves(clustered):
    A, _ = clustered
    assert kmeans_centres(A, 5, tol=0, max_passes=10_000).shape == (5, 20)


@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_array])
def test_as_many_centres_as_rows_are_the_rows(make):
    A = np.random.default_rng(0).random((7, 4))
    found = kmeans_centres(make(A), 7)
    np.testing.assert_allclose(found[np.lexsort(found.T)], A[np.lexsort(A.T)], rtol=1e-12)


def test_one_centre_is_the_mean():
    A = np.random.default_rng(0).random((50, 4))
    np.testing.assert_allclose(kmeans_centres(A, 1), A.mean(axis=0, keepdims=True), rtol=1e-12)


def test_more_centres_than_different_rows_leave_no_row_apart():
    A = np.repeat(np.eye(3), 20, axis=0)
    found = kmeans_centres(A, 5)
    assert np.isfinite(found).all()
    assert inertia(A, found) == 0


def test_rows_of_zeros_alone_have_their_centre_at_zero():
    assert (kmeans_centres(np.zeros((6, 3)), 2) == 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k=0: a whole number from 1 to 900"),
        ({"k": 901}, "k=901"),
        ({"k": 2.5}, "k=2.5"),
        ({"k": 2, "seed": -1}, "seed=-1"),
        ({"k": 2, "max_passes": 0}, "max_passes=0"),
        ({"k": 2, "tol": float("nan")}, "tol=nan"),
    ],
)
def test_wrong_options_are_refused(clustered, arguments, message):
    with pytest.raises(dnmf.InputError, match=message):
        kmeans_centres(clustered[0], **arguments)


def test_a_negative_value_is_refused_with_its_place(clustered):
    A = clustered[0].copy()
    A[700, 3] = -1
    with pytest.raises(dnmf.InputError, match="row 700, column 3"):
        kmeans_centres(A, 5)
