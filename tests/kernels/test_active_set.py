"""settle_rows: bounded least squares solved exactly, whatever the condition, row by row."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnmf.kernels.active_set import settle_rows, slopes_by_data, slopes_by_gram
from dnmf.passes.exact import root_of, root_of_factor

unhurried = settings(deadline=None, max_examples=25)
seeds = st.integers(0, 2**32 - 1)


def drawn(seed, k, rows=30, n=25):
    rng = np.random.default_rng(seed)
    M = rng.random((n, k)) * (rng.random((n, k)) < 0.7)
    return rng.standard_normal((rows, n)) + rng.random((rows, k)) @ M.T, M / np.maximum(np.linalg.norm(M, axis=0), 1e-9)


@unhurried
@given(seed=seeds, k=st.integers(1, 12), warm=st.booleans())
def test_from_any_start_the_solution_is_scipys(seed, k, warm):
    A, M = drawn(seed, k)
    Q, B = M.T @ M, A @ M
    X = np.random.default_rng(seed).random(B.shape) * 3 if warm else np.zeros(B.shape)
    Y, ended = settle_rows(root_of(Q), X, slopes_by_gram(Q, B, X))
    assert ended.all()
    best = naive.quadratic(Q, B, naive.nnls(Q, B))
    assert (Y >= 0).all()
    assert np.abs(naive.quadratic(Q, B, Y) - best).max() <= 1e-9 * max(1, np.abs(best).max())


@unhurried
@given(seed=seeds, k=st.integers(1, 12), upper=st.floats(0.05, 2.0))
def test_bounded_solutions_are_scipys_and_exactly_at_their_bounds(seed, k, upper):
    A, M = drawn(seed, k)
    most = np.where(np.arange(k) % 3 == 2, np.inf, upper)
    Q, B = M.T @ M, A @ M
    X = np.zeros(B.shape)
    Y, ended = settle_rows(root_of(Q), X, slopes_by_gram(Q, B, X), most)
    assert ended.all()
    assert ((Y >= 0) & (most >= Y)).all()
    slopes = slopes_by_gram(Q, B, Y)
    free = (Y > 0) & (most > Y)
    assert np.abs(slopes[free]).max(initial=0) <= 1e-9
    assert slopes[Y == 0].min(initial=0) >= -1e-9
    assert slopes[most == Y].max(initial=0) <= 1e-9


def test_components_that_coincide_share_what_one_could_explain():
    A, M = drawn(0, 4)
    twice = np.concatenate([M, M], axis=1)
    X = np.zeros((len(A), 8))
    Y, ended = settle_rows(root_of_factor(twice), X, slopes_by_data(A, twice, X))
    once, _ = settle_rows(root_of_factor(M), X[:, :4], slopes_by_data(A, M, X[:, :4]))
    assert ended.all()
    np.testing.assert_allclose(Y @ twice.T, once @ M.T, atol=1e-9)


def test_a_component_with_a_bound_of_zero_stays_zero():
    A, M = drawn(1, 5)
    M[:, 2] = 0
    X, upper = np.ones((len(A), 5)), np.array([np.inf, np.inf, 0, 1, 1])
    Y, ended = settle_rows(root_of(M.T @ M), X, slopes_by_data(A, M, X), upper)
    assert ended.all()
    assert (Y[:, 2] == 0).all()


def test_a_row_is_the_same_to_the_last_bit_in_any_company():
    A, M = drawn(2, 9, rows=60)
    root, order = root_of_factor(M), np.random.default_rng(0).permutation(60)
    X = np.random.default_rng(1).random((60, 9))

    def solved(rows):
        return settle_rows(root, X[rows], slopes_by_data(A[rows], M, X[rows]))[0]

    whole = solved(np.arange(60))
    assert solved(order).tobytes() == whole[order].tobytes()
    assert b"".join(solved([row]).tobytes() for row in range(60)) == whole.tobytes()


def test_inputs_are_not_written():
    A, M = drawn(3, 4)
    X, root = np.ones((len(A), 4)), root_of_factor(M)
    before = X.copy(), root.copy()
    settle_rows(root, X, slopes_by_data(A, M, X))
    assert (before[0] == X).all()
    assert (before[1] == root).all()


@pytest.mark.parametrize("start", [(0.5, 0.5, 0.5), (0.7, 0.1, 0.9)])
def test_coordinates_that_are_alike_share_as_they_did(start):
    Q, B, X = np.ones((3, 3)), np.full((1, 3), 2.1), np.array([start])
    Y, ended = settle_rows(root_of(Q), X, slopes_by_gram(Q, B, X), least=1e-15)
    assert ended.all()
    assert Y.sum() == pytest.approx(2.1)
    np.testing.assert_allclose(Y[0] - Y[0].mean(), X[0] - X[0].mean(), atol=1e-6)
