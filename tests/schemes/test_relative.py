"""Strengths between 0 and 1 that mean the same on any data."""

import naive
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import dnmf
from dnmf.constraints import NO_LIMITS
from dnmf.passes.statistics import ModelSums
from dnmf.passes.terms import Terms
from dnmf.penalty import Penalty
from dnmf.schemes.diagonal import fit_diagonal
from dnmf.schemes.terms import mean_of_living, terms_of

pytestmark = pytest.mark.numeric

TIGHT = {"dtype": "float64", "tol": 1e-12, "max_passes": 2000}


def cosines(X, v):
    return X @ v / (np.linalg.norm(X, axis=1) * np.linalg.norm(v))


def rule_by_hand(A, H, l1, l2, iterations):
    """The rule with plain arrays: W with the largest right-hand side of the step before, then H with its own."""
    peak = None
    for _ in range(iterations):
        Q, B = H @ H.T, A @ H.T
        peak = B.max() if peak is None else peak
        W = naive.nnls(Q + l2 / (1 - l2) * np.diag(Q).mean() * np.eye(len(Q)), B - l1 * peak)
        peak = B.max()
        W = W / W.sum(axis=0)
        Q, B = W.T @ W, A.T @ W
        H = naive.nnls(Q + l2 / (1 - l2) * np.diag(Q).mean() * np.eye(len(Q)), B - l1 * B.max()).T
        H = H / H.sum(axis=1, keepdims=True)
    return H


def test_the_iteration_is_the_rule(planted):
    start = np.random.default_rng(0).random((3, 80))
    start /= start.sum(axis=1, keepdims=True)
    model = dnmf.fit(planted[:50], 3, H=start, penalty=Penalty(l1=0.1, l2=0.2), dtype="float64", tol=0, max_passes=5)
    expected = rule_by_hand(planted[:50], start, 0.1, 0.2, 4)
    heaviest_first = np.argmax(model.H @ expected.T, axis=1)
    np.testing.assert_allclose(model.H, expected[heaviest_first], atol=1e-8)


@pytest.mark.parametrize("where", [1.0, (1.0, 0.0), (0.0, 1.0)])
def test_l1_of_one_leaves_nothing(planted, where):
    model = dnmf.fit(planted, 5, penalty=Penalty(l1=where))
    assert not model.H.any()
    assert not model.read_W().any()
    assert model.history[-1].alive == 0
    assert model.relative_error == pytest.approx(1)


def test_l2_of_one_leaves_the_first_singular_vector_in_every_component(planted):
    model = dnmf.fit(planted, 5, penalty=Penalty(l2=1.0), **TIGHT)
    u, _, vt = np.linalg.svd(planted)
    assert (model.H > 0).all()
    np.testing.assert_allclose(cosines(model.H, np.abs(vt[0])), 1, atol=1e-9)
    np.testing.assert_allclose(cosines(model.read_W().T, np.abs(u[:, 0])), 1, atol=1e-9)


@pytest.mark.broad(1)
@pytest.mark.parametrize("penalty", [Penalty(l1=0.1), Penalty(l2=0.3), Penalty(l1=(0.2, 0.05), l2=(0, 0.1))], ids=repr)
def test_strengths_mean_the_same_in_other_units(planted, penalty):
    options = {**TIGHT, "max_passes": 60, "tol": 0}
    model, scaled = (dnmf.fit(c * planted, 4, penalty=penalty, **options) for c in (1, 2**20))
    np.testing.assert_array_equal(scaled.H, model.H)
    np.testing.assert_allclose(scaled.d, 2**20 * model.d, rtol=1e-12)


def test_strengths_mean_the_same_on_twice_the_data(planted):
    options = {**TIGHT, "max_passes": 40, "tol": 0, "H": np.random.default_rng(2).random((4, 80))}
    both = Penalty(l1=0.1, l2=0.1)
    once, twice = (dnmf.fit(A, 4, penalty=both, **options) for A in (planted, np.vstack([planted, planted])))
    np.testing.assert_allclose(twice.H, once.H, atol=1e-6)


@pytest.mark.parametrize(
    "penalty", [Penalty(l1=0.05), Penalty(l2=0.3), Penalty(l1=(0.1, 0.02), l2=(0.1, 0.3))], ids=repr
)
def test_d_is_the_best_one_for_the_factors(planted, penalty):
    model = dnmf.fit(planted, 4, penalty=penalty, dtype="float64")
    W, H = model.read_W(), model.H
    terms = np.stack([np.outer(W[:, q], H[q]).ravel() for q in range(4)], axis=1)
    best = naive.nnls(terms.T @ terms, (planted.ravel() @ terms)[None, :])[0]
    np.testing.assert_allclose(model.d, best, rtol=1e-6)
    error = np.linalg.norm(planted - (W * model.d) @ H) / np.linalg.norm(planted)
    assert model.relative_error == pytest.approx(error, rel=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_reported_error_is_that_of_the_model(planted, dtype):
    model = dnmf.fit(planted, 5, penalty=Penalty(l1=1e-3, l2=1e-3), dtype=dtype)
    approximation = (model.read_W().astype(np.float64) * model.d) @ model.H
    error = np.linalg.norm(planted - approximation) / np.linalg.norm(planted)
    assert model.relative_error == pytest.approx(error, rel=1e-5)


@pytest.mark.parametrize("penalty", [Penalty(l1=0.1), Penalty(l2=0.3), Penalty(l1=0.1, diagonal=False)], ids=repr)
def test_training_rows_are_transformed_to_W(planted, penalty):
    model = dnmf.fit(planted, 4, penalty=penalty, dtype="float64", max_passes=12)
    np.testing.assert_allclose(model.transform(planted).compute(), model.read_W(), atol=1e-9)


@pytest.mark.slow
def test_a_saved_model_knows_what_the_penalty_came_to(planted, tmp_path):
    model = dnmf.fit(planted, 4, penalty=Penalty(l1=0.1, l2=1.0), dtype="float64", store=tmp_path / "run.dnmf")
    again = dnmf.load(tmp_path / "run.dnmf")
    assert again.terms == model.terms
    assert again.terms.l2 == np.inf
    np.testing.assert_allclose(again.transform(planted[:9]).compute(), model.read_W()[:9], atol=1e-9)


@pytest.mark.slow
def test_a_csc_store_has_the_same_factors_as_its_csr_twin(planted, tmp_path):
    import anndata

    models = []
    for kind in (scipy.sparse.csr_matrix, scipy.sparse.csc_matrix):
        path = tmp_path / f"{kind.__name__}.h5ad"
        anndata.AnnData(kind(planted)).write_h5ad(path)
        penalty = Penalty(l1=(0.1, 0.05), l2=(0.0, 0.1))
        models.append(dnmf.fit(path, 4, H=np.eye(4, 80) + 0.1, penalty=penalty, **TIGHT))
    csr, csc = models
    np.testing.assert_allclose(csc.H, csr.H, atol=1e-5)
    np.testing.assert_allclose(csc.d, csr.d, rtol=1e-4)
    np.testing.assert_allclose(csc.transform(planted).compute(), csc.read_W(), atol=1e-5)


@pytest.mark.slow
def test_bits_do_not_depend_on_where_it_runs(planted, tmp_path, client):
    import zarr

    zarr.create_array(tmp_path / "a.zarr", data=planted, chunks=(60, 80), config={"write_empty_chunks": True})
    options = {"penalty": Penalty(l1=0.1, l2=0.1), "tol": 0, "max_passes": 8, "memory_limit": "3GiB"}
    here = dnmf.fit(tmp_path / "a.zarr", 4, **options)
    there = dnmf.fit(tmp_path / "a.zarr", 4, client=client, **options)
    assert here.H.tobytes() == there.H.tobytes()
    assert here.d.tobytes() == there.d.tobytes()


@pytest.mark.slow
def test_a_resumed_fit_knows_the_largest_right_hand_side(planted, tmp_path):
    options = {"penalty": Penalty(l1=0.2), "tol": 0, "init": "random"}
    whole = dnmf.fit(planted, 4, store=tmp_path / "whole.dnmf", max_passes=9, **options)
    dnmf.fit(planted, 4, store=tmp_path / "part.dnmf", max_passes=4, **options)
    again = dnmf.resume(tmp_path / "part.dnmf", source=planted, max_passes=9)
    assert again.H.tobytes() == whole.H.tobytes()
    assert again.read_W().tobytes() == whole.read_W().tobytes()


def test_a_fit_under_a_rule_ends_when_H_hardly_changes(planted):
    model = dnmf.fit(planted, 4, penalty=Penalty(l1=0.3), tol=1e-6, max_passes=500)
    assert model.stop_reason == "tol: H hardly changes"
    changes = [record.change for record in model.history]
    assert changes[-2] <= 1e-6 < min(changes[:-2])
    assert changes[-1] == np.inf  # no update follows the last pass


@given(l1=st.floats(0, 0.999), l2=st.floats(0, 0.999), unit=st.floats(1e-6, 1e6))
def test_terms_have_the_units_of_what_they_are_added_to(l1, l2, unit):
    diagonal = np.array([1.0, 0.0, 3.0])
    terms = terms_of(Penalty(l1=l1, l2=l2), "W", NO_LIMITS, peak=unit * 5.0, unit=mean_of_living(unit**2 * diagonal))
    assert terms == pytest.approx(Terms(unit * l1 * 5.0, unit**2 * l2 / (1 - l2) * 2.0), rel=1e-12)


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), k=st.integers(1, 6))
def test_the_fitted_diagonal_is_no_worse_than_any_other(seed, k):
    rng = np.random.default_rng(seed)
    A, W, H = rng.random((20, 10)), rng.random((20, k)), rng.random((k, 10))
    W[:, 0] *= rng.integers(0, 2)
    e, gain = fit_diagonal(ModelSums(W.T @ W, A.T @ W, W.sum(axis=0), np.zeros(k)), H)
    here = naive.loss(A, W * e, H)
    assert naive.loss(A, W, H) - here == pytest.approx(gain, rel=1e-9, abs=1e-9)
    for _ in range(20):
        assert here <= naive.loss(A, W * np.maximum(0, e + 0.1 * rng.normal(size=k)), H) + 1e-9


def test_components_that_are_all_alike_share_the_weight():
    w, h = np.random.default_rng(0).random((2, 15))
    W, H = np.stack([w, w, w], axis=1), np.stack([h, h, h])
    A = 6 * np.outer(w, h)
    e, _ = fit_diagonal(ModelSums(W.T @ W, A.T @ W, W.sum(axis=0), np.zeros(3)), H)
    np.testing.assert_allclose(e, 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_l2_of_one_stays_finite_where_no_scale_is_fixed(planted, dtype):
    penalty = Penalty(l2=1.0, diagonal=False)
    model = dnmf.fit(100 * planted, 3, init="random", penalty=penalty, dtype=dtype, tol=0, max_passes=100)
    assert np.isfinite(model.d).all()
    assert model.relative_error <= 1


@pytest.mark.parametrize("penalty", [Penalty(l1=(0.9, 0.0)), Penalty(l1=(0.0, 0.9))], ids=str)
@pytest.mark.parametrize("passes", [1, 2, 3])
def test_a_component_is_dead_on_both_sides_or_on_none(planted, penalty, passes):
    model = dnmf.fit(planted, 5, penalty=penalty, max_passes=passes, prune="off")
    dead = ~model.H.any(axis=1)
    assert dead.any() or passes == 1
    np.testing.assert_array_equal(dead, ~model.read_W().any(axis=0))
    np.testing.assert_array_equal(dead, model.d == 0)


@pytest.mark.parametrize("passes", [1, 2, 3, 5])
def test_the_last_objective_is_that_of_the_model_also_where_components_just_died(planted, passes):
    penalty = Penalty(l1=0.5, scale="fraction")
    model = dnmf.fit(planted, 5, penalty=penalty, max_passes=passes, prune="off", dtype="float64")
    W, H = model.read_W() * model.row_scale, model.h_scale[:, None] * model.H
    value = naive.loss(planted, W, H) + model.penalty.l1[0] * W.sum() + model.penalty.l1[1] * H.sum()
    assert model.history[-1].objective == pytest.approx(value, rel=1e-9)
