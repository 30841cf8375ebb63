"""CP as a scheme: rows of H stay products, their factors are those of least squares, and no update raises the loss."""

import numpy as np
import pytest
from cubes import array_of, factors_of, planted
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from dnmf.options import FitOptions
from dnmf.passes.statistics import ModelSums
from dnmf.passes.terms import NO_TERMS
from dnmf.schemes.column_blocks import SharedProblem
from dnmf.schemes.columns import Aim
from dnmf.schemes.facts import Facts
from dnmf.schemes.khatri_rao import normal_equations
from dnmf.schemes.modes import contracted, nearest_products, products_of, vectors_of
from dnmf.schemes.of_options import scheme_of
from dnmf.schemes.updates import UPDATES, update_named

SHAPES = [(5, 4), (3, 4, 2), (2, 3, 2, 4), (6,)]
SOLVERS = sorted(UPDATES.keys() - {"als"})


def khatri_rao(lengths, rank, **asked):
    return scheme_of(FitOptions(rank, structure="cp", dtype="float64", **asked), Facts(lengths=lengths))


def sums_of(W, A):
    """What a pass folds."""
    zeros = np.zeros(W.shape[1])
    return ModelSums(W.T @ W, A.T @ W, W.sum(axis=0), zeros)


def is_product(H, shape):
    return np.allclose(products_of(vectors_of(H, shape)) * H.sum(axis=1, keepdims=True), H, atol=1e-12 * H.max())


@given(st.sampled_from(SHAPES), st.integers(0, 100))
def test_a_row_that_is_a_product_says_its_vectors(shape, seed):
    vectors = [X.T for X in factors_of(shape, 3, seed)]
    H = products_of(vectors)
    for found, X in zip(vectors_of(H, shape), vectors, strict=True):
        np.testing.assert_allclose(found, X / X.sum(axis=1, keepdims=True), rtol=1e-10)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_columns_are_contracted_with_the_vectors_of_all_other_axes(shape):
    rng, k = np.random.default_rng(0), 3
    P, vectors = rng.standard_normal((int(np.prod(shape)), k)), [rng.random((k, n)) for n in shape]
    letters = "abcd"[: len(shape)]
    for axis in range(len(shape)):
        others = [(letter, X) for at, (letter, X) in enumerate(zip(letters, vectors, strict=True)) if at != axis]
        terms = ",".join([f"{letters}q", *(f"q{letter}" for letter, _ in others)])
        expected = np.einsum(f"{terms}->{letters[axis]}q", P.reshape(*shape, k), *(X for _, X in others))
        np.testing.assert_allclose(contracted(P, vectors, axis), expected, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_nearest_products_of_products_are_these(shape):
    H = products_of([X.T for X in factors_of(shape, 3)])
    np.testing.assert_allclose(nearest_products(H, shape), H, rtol=1e-9, atol=1e-15)


def test_a_start_becomes_products_that_are_nearer_to_it_than_its_sums():
    H = np.random.default_rng(0).gamma(0.3, size=(4, 30))
    near, sums = nearest_products(H, (5, 6)), products_of(vectors_of(H, (5, 6))) * H.sum(axis=1, keepdims=True)
    assert is_product(near, (5, 6))
    cosine = [np.sum(X * H, axis=1) / np.linalg.norm(X, axis=1) for X in (near, sums)]
    assert (cosine[0] >= cosine[1]).all()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("lengths", [(6, 5), (4, 3, 2)], ids=str)
def test_no_update_raises_the_loss_and_rows_stay_products(solver, lengths):
    array, factors = planted((20, *lengths), 3, noise=0.2)
    A, W = array.reshape(20, -1), factors[0]
    scheme = khatri_rao(lengths, 3, solver=solver)
    H = scheme.raised(scheme.enter(np.random.default_rng(1).random((3, A.shape[1]))))
    before = np.inf
    for _ in range(4):
        sizes, norm = nnls((W[:, :, None] * H[None]).transpose(0, 2, 1).reshape(-1, 3), A.ravel())
        assert norm <= before * (1 + 1e-9)
        W, before = W * sizes, norm  # H sums to one and has no scale of its own
        H = scheme.update(sums_of(W, A), H).H
        assert is_product(H, lengths)


def test_exact_updates_end_where_the_gradient_of_every_factor_is_zero():
    array, factors = planted((20, 6, 5), 3, noise=0.2)
    A = array.reshape(20, -1)
    scheme, sums = khatri_rao((6, 5), 3), sums_of(factors[0], A)
    H = scheme.enter(np.random.default_rng(1).random((3, 30)))
    for _ in range(200):
        H = scheme.update(sums, H).H
    vectors = vectors_of(H, (6, 5))
    Q, M = normal_equations(sums, vectors, 1)
    last = scheme.solver.shared(SharedProblem(Q, M, vectors[1], NO_TERMS), Aim("float64", 1e-12, True)).H
    on_scale = products_of([vectors[0], last])  # with the scale that belongs to this W
    assert scheme.measure(sums, on_scale, float(np.vdot(A, A))).gradient < 1e-7


def test_an_extrapolated_update_is_products_too_and_nothing_of_it_is_negative():
    scheme = khatri_rao((6, 5), 3)
    before, after = (scheme.enter(np.random.default_rng(seed).random((3, 30))) for seed in (0, 1))
    found = scheme.project(after + 2.0 * (after - before), after)
    assert is_product(found, (6, 5))
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("sweeps", [1, 5])
def test_hals_of_every_factor_in_turn_is_that_of_tensorly(sweeps, monkeypatch):
    tensorly = pytest.importorskip("tensorly", reason="tensorly is not installed")
    from tensorly.decomposition import _nn_cp

    shape, k = (12, 10, 8), 4
    array, _ = planted(shape, k, noise=0.1)
    start = [np.random.default_rng([1, axis]).random((length, k)) for axis, length in enumerate(shape)]
    theirs = _nn_cp.hals_nnls
    monkeypatch.setattr(_nn_cp, "hals_nnls", lambda *a, **kw: theirs(*a, **{**kw, "n_iter_max": sweeps, "tol": 0.0}))
    found = _nn_cp.non_negative_parafac_hals(
        array, k, init=tensorly.cp_tensor.CPTensor((np.ones(k), [X.copy() for X in start])), n_iter_max=20, tol=0
    )
    np.testing.assert_allclose(
        array_of(alternated(array, start, sweeps, 20)), array_of(found.factors, found.weights), rtol=1e-5, atol=1e-5
    )


def alternated(array, factors, sweeps, turns):
    """Factors after so many turns of sweeps of HALS, each axis with the others as they are."""
    hals, vectors = update_named("hals").of_sweeps(sweeps), [X.T.copy() for X in factors]
    k = len(vectors[0])
    every = ModelSums(np.ones((k, k)), np.repeat(array.reshape(-1, 1), k, axis=1), np.ones(k), np.zeros(k))
    for _ in range(turns):
        for axis in range(len(vectors)):
            Q, M = normal_equations(every, vectors, axis)
            vectors[axis] = hals.shared(SharedProblem(Q, M, vectors[axis], NO_TERMS), Aim("float64", 0.0, False)).H
    return [X.T for X in vectors]
