"""What is said of topics equals the obvious computation, whatever the rows come in and whoever counts."""

from itertools import combinations
from math import log

import numpy as np
import pytest
import scipy.sparse
import zarr
from example_models import model_of, random_model, watched
from hypothesis import given, settings
from hypothesis import strategies as st

import dnmf
from dnmf import measures
from dnmf.measures.topics import npmi

pytestmark = pytest.mark.numeric


def corpus(rows=120, columns=12, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 5, (rows, columns)) * (rng.random((rows, columns)) < 0.3)


def naive_coherence(A, top):
    """The mean NPMI of the pairs of each list of columns, pair by pair."""
    found = []
    for some in top:
        pairs = []
        for i, j in combinations(some, 2):
            p_i, p_j, both = (np.mean(there) for there in (A[:, i] > 0, A[:, j] > 0, (A[:, i] > 0) & (A[:, j] > 0)))
            never, always = both == 0, both == 1
            pairs.append(-1 if never else 1 if always else log(both / (p_i * p_j)) / -log(both))
        found.append(np.mean(pairs) if pairs else np.nan)
    return found


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(2, 80), columns=st.integers(2, 15), rank=st.integers(1, 4), count=st.integers(2, 6),
    sparse=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_coherence_is_the_mean_over_pairs_of_the_strongest_columns(rows, columns, rank, count, sparse, seed):
    A, model = corpus(rows, columns, seed), random_model(5, columns, rank, seed)
    top = [[entry.number for entry in model.top(count).of(component)] for component in range(rank)]
    found = measures.coherence(model, scipy.sparse.csr_array(A) if sparse else A, count)
    np.testing.assert_allclose(found, naive_coherence(A, top), atol=1e-12)


FORMS = {
    "csr with stored zeros": lambda A, _: scipy.sparse.csr_array((A.ravel(), np.tile(np.arange(12), 120),
                                                                  np.arange(0, 1441, 12)), shape=A.shape),
    "csc": lambda A, _: scipy.sparse.csc_array(A),
    "bool": lambda A, _: A > 0,
    "dask": lambda A, _: __import__("dask.array").array.from_array(A, chunks=(50, 5)),
    "zarr": lambda A, folder: zarr.create_array(folder / "A.zarr", data=A, chunks=(32, 5)),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_the_same_bits_whatever_the_rows_come_in(tmp_path, form):
    A, model = corpus(), random_model(rank=3)
    assert measures.coherence(model, FORMS[form](A, tmp_path), 4).tobytes() == measures.coherence(model, A, 4).tobytes()


@pytest.mark.slow
def test_the_same_bits_on_a_cluster(tmp_path, client, monkeypatch):
    monkeypatch.setattr("dnmf.plan.LEAST_GROUP_BYTES", 2**10)
    zarr.create_array(tmp_path / "A.zarr", data=corpus(), chunks=(16, 12))
    model = random_model(rank=3)
    here, there = (measures.coherence(model, tmp_path / "A.zarr", 4, client=at) for at in (None, client))
    assert here.tobytes() == there.tobytes()


def test_topics_that_are_there_hold_together_and_mixed_ones_do_not():
    rng = np.random.default_rng(0)
    topic = rng.integers(4, size=400)
    A = (np.arange(40) // 10 == topic[:, None]) * (rng.random((400, 40)) < 0.5)
    planted, mixed = np.kron(np.eye(4), np.ones(10)), np.tile(np.eye(4), 10)
    together, apart = (measures.coherence(model_of(np.ones((5, 4)), H), A) for H in (planted, mixed))
    assert together.min() > 0.4
    assert apart.max() < -0.4


def test_information_has_its_ends():
    always, never = np.array([[5, 5], [5, 5]]), np.array([[2, 0], [0, 3]])
    assert npmi(always, 5).tolist() == [[1, 1], [1, 1]]
    assert npmi(never, 5)[0, 1] == -1
    assert npmi(np.zeros((2, 2), int), 5).tolist() == [[-1, -1], [-1, -1]]  # words that the corpus has not


def test_components_of_fewer_than_two_columns_have_none():
    A, H = np.eye(4), np.array([[1.0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(measures.coherence(model_of(np.ones((4, 3)), H), A), [-1, np.nan, np.nan])
    assert np.isnan(measures.coherence(model_of(np.ones((4, 1)), np.zeros((1, 4))), A)).all()


def test_columns_are_compared_or_found_by_name():
    A, names = corpus(), [f"word {at}" for at in range(12)]
    model = random_model(rank=2).with_names(column_names=names)
    turned = dnmf.open_source(A[:, ::-1], column_names=names[::-1])
    with pytest.raises(dnmf.InputError, match="column 0 is named 'word 11', in the fit 'word 0'"):
        measures.coherence(model, turned)
    np.testing.assert_array_equal(measures.coherence(model, turned, columns="match"), measures.coherence(model, A))


@pytest.mark.parametrize(
    ("data", "more", "message"),
    [
        (corpus(columns=5), {}, "has 5 columns, the model was fitted on 12"),
        (corpus(), {"count": 1}, "count=1: a whole number, at least 2"),
        (corpus(), {"columns": "any"}, "columns='any'"),
        (np.where(corpus() == 0, np.nan, 1.0), {}, "NaN"),
    ],
)
def test_what_cannot_be_counted_is_refused(data, more, message):
    with pytest.raises(dnmf.InputError, match=message):
        measures.coherence(random_model(rank=2), data, **more)


def test_missing_entries_are_refused():
    holes = dnmf.open_source(np.where(corpus() == 0, np.nan, 1.0), missing="nan")
    with pytest.raises(dnmf.InputError, match="missing entries or weights"):
        measures.coherence(random_model(rank=2), holes)
    with pytest.raises(dnmf.InputError, match="no model"):
        measures.coherence("model", corpus())


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 60), rank=st.integers(1, 5), seed=st.integers(0, 99), chunk_rows=st.integers(1, 70))
def test_sizes_are_those_of_the_predictions(rows, rank, seed, chunk_rows):
    model = random_model(rows, rank=rank, seed=seed)
    terms = np.einsum("iq,q,qj->qij", model.read_W(), model.d, model.H)
    found, strengths = measures.sizes(watched(model, chunk_rows)), model.read_W() * model.d
    np.testing.assert_allclose(found.share * terms.sum(), terms.sum(axis=(1, 2)), atol=1e-12)
    leads = [int(row.argmax()) for row in strengths if row.any()]
    assert found.rows.tolist() == np.bincount(leads, minlength=rank).tolist()


def test_rows_of_zeros_lead_nowhere_and_the_first_of_equals_counts():
    found = measures.sizes(model_of([[1.0, 1], [0, 0], [0, 2], [2, 0]], [[1.0], [1.0]]))
    assert found.rows.tolist() == [2, 1]
    assert found.share.tolist() == [0.5, 0.5]
    assert measures.sizes(model_of(np.zeros((3, 2)), np.zeros((2, 4)))).share.tolist() == [0, 0]
