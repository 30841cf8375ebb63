"""Both factors in one call, and rows for components that were set from outside: what scikit-learn's users do."""

import pickle
import warnings

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn
from sklearn import decomposition

from dnmf import NMF, InputError, non_negative_factorization


def planted(m=60, n=12, k=3):
    rng = np.random.default_rng(0)
    return rng.random((m, k)) @ rng.random((k, n)) + 0.05 * rng.random((m, n))


OBJECTIVES = {
    "least squares": {},
    "L1 and L2": {"alpha_W": 1e-3, "l1_ratio": 0.5},
    "counts": {"beta_loss": "kullback-leibler", "solver": "mu"},
    "counts with L1": {"beta_loss": "kullback-leibler", "solver": "mu", "alpha_W": 1e-3, "l1_ratio": 1.0},
}
QUICK = {"init": "random", "tol": 0, "max_iter": 8, "random_state": 0}
KINDS = {
    "array": np.asarray,
    "sparse": scipy.sparse.csr_array,
    "frame": lambda X: pd.DataFrame(X, columns=[f"c{j}" for j in range(X.shape[1])]),
    "list": lambda X: X.tolist(),
}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_function_returns_what_the_estimator_finds(objective):
    X, options = planted(), {**QUICK, **OBJECTIVES[objective]}
    W, H, n_iter = non_negative_factorization(X, n_components=3, **options)
    nmf = NMF(3, **options)
    np.testing.assert_array_equal(W, nmf.fit_transform(X))
    np.testing.assert_array_equal(H, nmf.components_)
    assert n_iter == nmf.n_iter_


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_for_an_H_that_stays_rows_are_those_of_transform(objective, kind):
    X, options = planted(), {**QUICK, **OBJECTIVES[objective]}
    nmf = NMF(3, **options).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        W, H, _ = non_negative_factorization(KINDS[kind](X), H=nmf.components_, update_H=False, **options)
    assert H is nmf.components_
    np.testing.assert_allclose(W, nmf.transform(X), rtol=0, atol=1e-4)


@pytest.mark.parametrize("alphas", [{}, {"alpha_W": 1e-2, "l1_ratio": 0.5}, {"alpha_W": 1e-2, "l1_ratio": 1.0}])
def test_for_an_H_that_stays_rows_are_those_of_scikit_learn(alphas):
    X, H = planted(), np.random.default_rng(1).random((4, 12))
    H[2] = 0
    W, _, _ = non_negative_factorization(X, H=H, update_H=False, **alphas)
    theirs, _, _ = decomposition.non_negative_factorization(X, H=H, update_H=False, tol=1e-12, max_iter=5000, **alphas)
    np.testing.assert_allclose(W, theirs, atol=1e-6)


def test_of_a_dask_array_the_function_gives_a_dask_array_with_the_same_rows():
    X = da.from_array(planted(), chunks=(25, 6))
    H = np.random.default_rng(1).random((3, 12))
    for W in (
        non_negative_factorization(X, n_components=3, **QUICK)[0],
        non_negative_factorization(X, H=H, update_H=False)[0],
    ):
        assert W.chunks == ((25, 25, 10), (3,))
    np.testing.assert_allclose(W.compute(), non_negative_factorization(planted(), H=H, update_H=False)[0])


@pytest.mark.parametrize("lazily", [False, True])
def test_the_function_makes_no_frames_whatever_transformers_are_set_to_make(lazily):
    X = da.from_array(planted(), chunks=(25, 12)) if lazily else planted()
    with sklearn.config_context(transform_output="pandas"):
        W, H, _ = non_negative_factorization(X, n_components=2, **QUICK)
        again, _, _ = non_negative_factorization(X, H=H, update_H=False)
    assert type(W) is type(again) is (da.Array if lazily else np.ndarray)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_for_an_H_that_stays_have_the_dtype_of_the_data(dtype):
    W, _, _ = non_negative_factorization(planted().astype(dtype), H=np.ones((1, 12)), update_H=False)
    assert W.dtype == dtype


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs the H that stays"),
        ({"H": -np.ones((3, 12))}, r"Negative values in data passed to NMF \(input H\)"),
        ({"H": np.full((3, 12), np.nan)}, "NaN"),
        ({"H": np.ones((3, 11))}, "X has 12 features, but NMF is expecting 11"),
        ({"H": np.ones((3, 12)), "n_components": 4}, "Expected 4, but got 3"),
        ({"H": np.ones((3, 12)), "alpha_W": -1}, "alpha_W=-1 cannot be used"),
    ],
)
def test_an_H_that_cannot_stay_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        non_negative_factorization(planted(), update_H=False, **given)


def test_a_W_beside_an_H_that_stays_is_not_used_with_a_warning():
    with pytest.warns(RuntimeWarning, match="the provided initial W is not used"):
        non_negative_factorization(planted(), W=np.ones((60, 1)), H=np.ones((1, 12)), update_H=False)


def set_anew(nmf, components):
    nmf.components_ = components


def set_in_place(nmf, components):
    nmf.components_[:] = components


@pytest.mark.parametrize("lazily", [False, True])
@pytest.mark.parametrize("put", [set_anew, set_in_place])
@pytest.mark.parametrize("alphas", [{}, {"alpha_W": 1e-3}])
def test_components_that_were_set_are_what_rows_are_solved_for(alphas, put, lazily):
    X = planted()
    nmf = NMF(3, **QUICK, **alphas).fit(X)
    normalized = nmf.components_ / nmf.components_.sum(axis=1, keepdims=True)
    put(nmf, normalized)
    found = nmf.transform(da.from_array(X, chunks=(25, 6)).persist() if lazily else X)
    theirs, _, _ = decomposition.non_negative_factorization(
        X, H=np.ascontiguousarray(normalized), update_H=False, tol=1e-12, max_iter=5000, **alphas
    )
    np.testing.assert_allclose(np.asarray(found), theirs, atol=1e-6)
    np.testing.assert_allclose(nmf.inverse_transform(theirs), theirs @ normalized)


def test_components_that_were_left_alone_give_the_rows_of_the_fit_after_a_pickle_too():
    X, nmf = planted(), NMF(3, **QUICK)
    W = nmf.fit_transform(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(nmf)).transform(X), nmf.transform(X))
    np.testing.assert_allclose(nmf.transform(X), W, rtol=1e-12)


def test_an_estimator_that_was_given_components_instead_of_a_fit_transforms():
    X, nmf = planted(), NMF()
    nmf.components_ = np.random.default_rng(1).random((3, 12))
    np.testing.assert_array_equal(nmf.transform(X), non_negative_factorization(X, H=nmf.components_, update_H=False)[0])
    assert list(nmf.get_feature_names_out()) == ["nmf0", "nmf1", "nmf2"]
    with pytest.raises(InputError, match="expecting 12 features"):
        nmf.transform(X[:, :11])
