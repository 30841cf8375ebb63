"""Components in other columns and units: two regressions on given usages, whatever the rows come in."""

import dask.array
import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
import zarr
from example_models import model_of, random_model, stored

import dnmf
from dnmf.errors import InputError
from dnmf.measures import spectra

pytestmark = pytest.mark.numeric

M, N, K = 90, 14, 3
RNG = np.random.default_rng(0)
T = RNG.poisson(2.0, (M, N)).astype("f8") * RNG.gamma(1.0, size=N)
T[:, 4] = 0.0
T[:, 5] = 3.0


@pytest.fixture
def model():
    return random_model(M, 8, K, seed=1)


def naive(model, other):
    """Both regressions, column by column, from the dense matrices."""
    U = model.read_W() * model.d
    total = U.sum(axis=1, keepdims=True)
    shares = np.divide(U, total, out=np.zeros_like(U), where=total > 0)
    counts = np.column_stack([scipy.optimize.nnls(shares, column)[0] for column in other.T])
    mean, deviation = other.mean(axis=0), other.std(axis=0)
    Z = (other - mean) / np.where(deviation > 0, deviation, np.inf)
    return counts, np.linalg.lstsq(U, Z, rcond=None)[0]


KINDS = {
    "numpy": lambda _: T,
    "CSR": lambda _: scipy.sparse.csr_array(T),
    "CSC": lambda _: scipy.sparse.csc_array(T),
    "dask": lambda _: dask.array.from_array(T, chunks=(20, 5)),
    "Zarr": lambda folder: zarr.create_array(folder / "T.zarr", data=T, chunks=(16, N)),
}


def check(found, model, other=T):
    counts, score = naive(model, other)
    np.testing.assert_allclose(found.counts, counts, atol=1e-8)
    np.testing.assert_allclose(found.score, score, atol=1e-8)
    np.testing.assert_allclose(found.mean, other.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.deviation, other.std(axis=0), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_the_regressions_on_usages(kind, model, tmp_path):
    found = spectra(model, KINDS[kind](tmp_path))
    check(found, model)
    assert (found.counts >= 0).all()
    assert (found.score < 0).any()


@pytest.mark.parametrize("kind", ["numpy", "Zarr"])
def test_workers_make_the_same_bits_also_where_w_lies_on_disk(kind, model, tmp_path, client):
    data, on_disk = KINDS[kind](tmp_path), stored(model, tmp_path)
    here, there = spectra(model, data), spectra(on_disk, data, client=client)
    assert all(one.tobytes() == other.tobytes() for one, other in zip(here, there, strict=True))


def test_w_on_disk_is_read_a_chunk_after_another(model, tmp_path, monkeypatch):
    on_disk = stored(model, tmp_path, chunk_rows=16)
    reads, read = [], type(on_disk.stored_W).read

    def noted(self, start=0, stop=None):
        reads.append((start, stop))
        return read(self, start, stop)

    monkeypatch.setattr(type(on_disk.stored_W), "read", noted)
    check(spectra(on_disk, T), model)
    assert reads == [(at, min(at + 16, M)) for at in range(0, M, 16)]


def test_components_in_another_order_and_on_disk_are_the_same_ones(model, tmp_path):
    found = spectra(stored(model, tmp_path).reordered([2, 0, 1]), T)
    np.testing.assert_allclose(found.counts, spectra(model, T).counts[[2, 0, 1]], atol=1e-10)


def test_components_that_are_zero_or_alike_are_no_trouble():
    found = spectra(random_model(M, 8, K, seed=1, dead=(1,)), T)
    assert not found.counts[1].any()
    assert not found.score[1].any()
    W = RNG.random((M, 1))
    twice = model_of(np.hstack([W, W, RNG.random((M, 1))]), RNG.random((3, 6)))
    U = twice.read_W() * twice.d
    shares = U / U.sum(axis=1, keepdims=True)
    found = spectra(twice, T)
    best = [scipy.optimize.nnls(shares, column)[1] for column in T.T]
    np.testing.assert_allclose(np.linalg.norm(T - shares @ found.counts, axis=0), best, atol=1e-6)
    assert np.isfinite(found.score).all()


def test_views_and_negative_values_are_data_like_any_other(model):
    scaled = dnmf.open_source(T.astype("f8"), row_scale=np.arange(1.0, M + 1), columns=np.arange(N)[::-1])
    check(spectra(model, scaled), model, (T / np.arange(1.0, M + 1)[:, None])[:, ::-1])
    check(spectra(model, T - 1), model, T - 1)


def test_other_rows_are_refused(model):
    with pytest.raises(InputError, match="has 89 rows, the model was fitted on 90"):
        spectra(model, T[1:])
    named = model.with_names(row_names=[f"r{i}" for i in range(M)])
    wrong = dnmf.open_source(T, row_names=[f"r{i}" for i in range(1, M + 1)])
    with pytest.raises(InputError, match="row 0 is named 'r1', in the fit 'r0'"):
        spectra(named, wrong)


def test_a_w_that_may_be_negative_is_refused():
    free = dnmf.fit(T - 1, 2, constraints=dnmf.Constraints(free="W"))
    with pytest.raises(InputError, match="W of this model may be negative"):
        spectra(free, T)
    holes = np.where(RNG.random(T.shape) < 0.1, np.nan, T)
    with pytest.raises(InputError, match="missing entries or weights, of which this .* measure takes no account"):
        spectra(dnmf.fit(T, 2), dnmf.open_source(holes, missing="nan"))
