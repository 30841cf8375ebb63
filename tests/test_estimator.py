"""The estimator keeps scikit-learn's contract, finds what scikit-learn's NMF finds, and gives back what it got."""

import copy
import pickle

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from breadth import quickly
from estimator_data import planted
from sklearn import decomposition
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import dnmf
from dnmf import NMF, InputError


@parametrize_with_checks([NMF(n_components=2, tol=1e-6, max_iter=2000, random_state=0)])
@pytest.mark.broad(6)
def test_scikit_learns_common_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([NMF(n_components=2, beta_loss=1, solver="mu", tol=1e-6, max_iter=2000, random_state=0)])
def test_scikit_learns_common_checks_of_an_estimator_of_counts(estimator, check):
    check(estimator)


def sklearn_objective(X, W, H, alpha_W, alpha_H, l1_ratio):
    def norm(factor):
        return l1_ratio * factor.sum() + 0.5 * (1 - l1_ratio) * (factor**2).sum()

    m, n = X.shape
    return 0.5 * np.linalg.norm(X - W @ H) ** 2 + alpha_W * n * norm(W) + alpha_H * m * norm(H)


# ---- the factorization is scikit-learn's, or better ----------------------------------------------------------


@pytest.mark.parametrize("init", [None, "random", "nndsvda"])
@pytest.mark.parametrize("seed", [0, 1])
def test_error_is_scikit_learns_or_lower(seed, init):
    X = planted(seed)
    theirs = decomposition.NMF(4, random_state=0, tol=1e-6, max_iter=2000).fit(X)
    mine = NMF(4, init=init, random_state=0, tol=1e-6).fit(X)
    assert mine.reconstruction_err_ <= 1.01 * theirs.reconstruction_err_


@pytest.mark.broad(5)
@pytest.mark.parametrize("alpha_H", ["same", 1e-4])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("alpha_W", [1e-3, 5e-3])
def test_penalized_objective_is_scikit_learns_or_lower(alpha_W, alpha_H, l1_ratio):
    X, alphas = planted(2), {"alpha_W": alpha_W, "alpha_H": alpha_H, "l1_ratio": l1_ratio}
    theirs = decomposition.NMF(4, random_state=0, tol=1e-6, max_iter=3000, **alphas)
    mine = NMF(4, random_state=0, tol=1e-6, **alphas)
    values = {**alphas, "alpha_H": alpha_W if alpha_H == "same" else alpha_H}
    W_theirs, W_mine = theirs.fit_transform(X), mine.fit_transform(X)
    objective = sklearn_objective(X, W_mine, mine.components_, **values)
    assert objective <= 1.01 * sklearn_objective(X, W_theirs, theirs.components_, **values)


@pytest.mark.parametrize("penalty", [{}, {"alpha_W": 1e-3}, {"alpha_W": 1e-3, "l1_ratio": 0.7}])
@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-3), ("float64", 1e-9)])
def test_reconstruction_err_is_the_norm_of_the_residual(penalty, dtype, rtol):
    X = planted(3)
    nmf = NMF(4, random_state=0, dtype=dtype, **penalty)
    residual = X - nmf.fit_transform(X) @ nmf.components_
    assert nmf.reconstruction_err_ == pytest.approx(np.linalg.norm(residual), rel=rtol)


@pytest.mark.parametrize("penalty", [{}, {"alpha_W": 1e-3, "l1_ratio": 0.5}])
def test_transform_of_the_training_rows_is_fit_transform(penalty):
    X = planted(4)
    nmf = NMF(4, random_state=0, **penalty)
    np.testing.assert_allclose(nmf.fit_transform(X), nmf.transform(X), rtol=1e-10, atol=1e-14)


def test_transform_finds_what_scikit_learn_finds_for_the_same_components():
    X, other = planted(5), planted(5, m=30)
    for alphas in ({}, {"alpha_W": 1e-3, "l1_ratio": 0.5}):
        nmf = NMF(4, random_state=0, **alphas).fit(X)
        theirs = decomposition.NMF(4, tol=1e-10, max_iter=10_000, **alphas)
        theirs.fit(X)
        theirs.components_ = nmf.components_
        np.testing.assert_allclose(nmf.transform(other), theirs.transform(other), atol=1e-6)


def test_scale_is_shared_evenly_without_a_penalty():
    nmf = NMF(4, random_state=0)
    W = nmf.fit_transform(planted(6))
    np.testing.assert_allclose(W.sum(axis=0), nmf.components_.sum(axis=1), rtol=1e-10)


def test_a_dead_component_is_zero_on_both_sides_and_stays_so():
    X = planted(7)
    nmf = NMF(4, random_state=0, alpha_W=0.1, l1_ratio=0.5)
    W = nmf.fit_transform(X)
    dead = ~W.any(axis=0)
    assert dead.any()
    assert not nmf.components_[dead].any()
    assert not nmf.transform(X)[:, dead].any()


# ---- set_output, pipelines, clones ---------------------------------------------------------------------------


def test_set_output_names_the_components():
    frame = NMF(3).set_output(transform="pandas").fit_transform(pd.DataFrame(planted(9)))
    assert list(frame.columns) == ["nmf0", "nmf1", "nmf2"]


def test_set_output_with_dask_is_refused_before_anything_is_computed():
    def fail(block):
        raise AssertionError("computed")

    X = da.ones((40, 10), chunks=(20, 10)).map_blocks(fail, meta=np.empty((0, 0)))
    nmf = NMF(3).set_output(transform="pandas")
    with pytest.raises(InputError, match=r"pandas DataFrame .* set_output\(transform='default'\)"):
        nmf.fit_transform(X)
    nmf.fit(planted(9, n=10))
    with pytest.raises(InputError, match="pandas DataFrame"):
        nmf.transform(X)


def test_pipeline_with_tfidf():
    texts = ["the cat sat on the mat", "a cat and a dog", "stocks fell today", "stocks rose", "the dog sat"] * 4
    pipeline = make_pipeline(TfidfVectorizer(), MaxAbsScaler(), NMF(2, random_state=0))
    W = pipeline.fit_transform(texts)
    assert W.shape == (20, 2)
    np.testing.assert_allclose(pipeline.transform(texts), W, atol=1e-10)
    assert list(pipeline.get_feature_names_out()) == ["nmf0", "nmf1"]
    terms = pipeline[:-1].get_feature_names_out()
    table, strongest = pipeline[-1].model_.top(1, names=terms), pipeline[-1].components_.argmax(axis=1)
    assert {component: [terms[at]] for component, at in enumerate(strongest)} == table.names()
    assert list(pipeline[-1].set_output(transform="pandas").transform(pipeline[:-1].transform(texts))) == [
        "nmf0", "nmf1",
    ]  # fmt: skip


def test_a_pipeline_of_frames_keeps_the_names_of_rows_and_columns():
    frame = pd.DataFrame(planted(9)).rename(lambda at: f"row {at}", axis=0).rename(lambda at: f"gene {at}", axis=1)
    pipeline = make_pipeline(MaxAbsScaler(), NMF(2, random_state=0)).set_output(transform="pandas")
    W = pipeline.fit_transform(frame)
    assert list(W.columns) == list(pipeline.get_feature_names_out()) == ["nmf0", "nmf1"]
    assert list(W.index) == list(frame.index)
    model = pipeline[-1].model_
    assert model.row_names.tolist() == list(frame.index)
    assert model.column_names.tolist() == list(frame.columns)


@pytest.mark.parametrize(
    "solver", quickly(["cd", "mu"], of=["cd", "bpp", "hals", "mu", "pg", "opl", "ipg", "admm", "als"])
)
def test_a_solver_is_the_one_that_fit_knows_by_that_name(solver):
    X = planted(16)
    model = dnmf.fit(X, 3, solver=solver, dtype="float64", max_passes=9, tol=0)
    nmf = NMF(3, solver=solver, random_state=0, max_iter=9, tol=0)
    W = nmf.fit_transform(X)
    assert nmf.reconstruction_err_ == np.sqrt(2 * model.loss)
    np.testing.assert_allclose(nmf.transform(X), W, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("beta_loss", "solver", "meant"),
    [(2, "mu", "mu"), (1, "mu", "mu"), (0, "mu", "cd"), (2, "cd", "cd"), (1, "cd", "cd"), (0, "cd", "cd")],
)
def test_a_loss_goes_with_the_default_solver_and_with_the_one_scikit_learn_asks_for(beta_loss, solver, meant):
    nmf = NMF(2, solver=solver, beta_loss=beta_loss, init="random", max_iter=2, tol=0).fit(planted(16) + 0.1)
    assert nmf.model_.options.solver == meant


@pytest.mark.parametrize("beta_loss", ["frobenius", "kullback-leibler"])
@pytest.mark.parametrize("seed", quickly([0], of=[0, 1, 2]))
def test_multiplicative_updates_end_no_higher_than_scikit_learns_with_fewer_iterations(seed, beta_loss):
    X, options = planted(seed), {"init": "random", "solver": "mu", "beta_loss": beta_loss, "random_state": seed}
    mine, theirs = NMF(4, **options).fit(X), decomposition.NMF(4, **options).fit(X)
    assert mine.reconstruction_err_ <= 1.01 * theirs.reconstruction_err_
    assert mine.n_iter_ <= theirs.n_iter_


@pytest.mark.parametrize("loss", [1, 1.0, np.float64(1), np.int32(1), np.float32(1), "kullback-leibler"])
def test_a_loss_is_known_by_its_name_and_by_any_number_that_is_its_power(loss):
    X = planted(16)
    found = NMF(2, solver="mu", beta_loss=loss, init="random", max_iter=2, tol=0).fit(X)
    assert found.model_.options.loss == "kullback-leibler"


def test_parameters_survive_a_clone():
    given = {"n_components": 3, "alpha_W": 0.1, "dtype": "float32", "client": "tcp://127.0.0.1:1",
             "memory_limit": "1GB", "store": "x.dnmf", "shuffle": True, "beta_loss": 2}  # fmt: skip
    parameters = clone(NMF(**given)).get_params()
    assert {name: parameters[name] for name in given} == given
    assert set(decomposition.NMF().get_params()) <= set(parameters)


def test_defaults_are_scikit_learns():
    mine, theirs = NMF().get_params(), decomposition.NMF().get_params()
    assert {name: mine[name] for name in theirs} == theirs


@pytest.mark.parametrize("stored", [False, True])
def test_a_fitted_estimator_pickles(stored, tmp_path):
    X = planted(10)
    nmf = NMF(3, random_state=0, store=tmp_path / "run.dnmf" if stored else None).fit(X)
    again = pickle.loads(pickle.dumps(nmf))
    np.testing.assert_array_equal(again.transform(X), nmf.transform(X))
    if stored:
        np.testing.assert_array_equal(again.model_.read_W(), nmf.model_.read_W())


def test_a_store_keeps_the_fit(tmp_path):
    X = da.from_array(planted(11), chunks=(50, 30))
    nmf = NMF(3, random_state=0, store=tmp_path / "run.dnmf")
    W = nmf.fit_transform(X)
    assert W.chunks == ((50, 50, 20), (3,))
    np.testing.assert_array_equal(dnmf.load(tmp_path / "run.dnmf").H, nmf.model_.H)
    with pytest.raises(dnmf.CheckpointError, match="holds a run already"):
        nmf.fit(X)


def test_the_seed_decides():
    X = planted(12)
    first, again = (NMF(3, init="random", random_state=1).fit_transform(X) for _ in range(2))
    drawn = NMF(3, init="random", random_state=np.random.RandomState(3)).fit_transform(X)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, drawn)
    np.testing.assert_array_equal(
        NMF(3, random_state=7).fit(X).model_.H, dnmf.fit(X, 3, seed=7, dtype="float64", max_passes=200).H
    )


@pytest.mark.broad(1)
@pytest.mark.parametrize("copied", [lambda nmf: pickle.loads(pickle.dumps(nmf)), copy.deepcopy])
def test_what_is_pickled_has_no_row_of_the_training_data(copied):
    X = np.random.default_rng(0).random((20_000, 12))
    nmf = NMF(3, random_state=0, max_iter=3, tol=0).fit(X)
    assert len(pickle.dumps(nmf)) < 20_000
    again = copied(nmf)
    np.testing.assert_array_equal(again.transform(X[:50]), nmf.transform(X[:50]))
    np.testing.assert_array_equal(again.components_, nmf.components_)
    assert again.model_.shape == nmf.model_.shape == X.shape
    for ask in (lambda: again.model_.W, again.model_.read_W, lambda: again.model_.top(2, "W")):
        with pytest.raises(dnmf.InputError, match="W of the training rows was not pickled"):
            ask()
    assert nmf.model_.read_W().shape == (20_000, 3)


def test_a_W_in_a_store_is_found_again_by_a_pickled_estimator(tmp_path):
    X = np.random.default_rng(0).random((50, 12))
    nmf = NMF(3, random_state=0, store=tmp_path / "run.dnmf").fit(X)
    again = pickle.loads(pickle.dumps(nmf))
    np.testing.assert_array_equal(again.model_.read_W(), nmf.model_.read_W())
