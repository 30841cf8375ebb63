"""Sweeps of textbook methods, and block principal pivoting: what kernels promise beside what updates do."""

import naive
import numpy as np
import pytest

from dnmf.kernels import sweeps
from dnmf.kernels.packed import pack
from dnmf.kernels.principal_pivoting import pivot_rows

pytestmark = pytest.mark.numeric

K = 3
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def drawn(dtype, rows=40, k=K, seed=0):
    rng = np.random.default_rng(seed)
    M = rng.random((20, k))
    M /= np.linalg.norm(M, axis=0)
    A = rng.standard_normal((rows, 20))
    return (M.T @ M).astype(dtype), (A @ M).astype(dtype), (rng.random((rows, k)) + 0.1).astype(dtype)


def free(dtype):
    return np.full(K, np.inf, dtype)


@pytest.mark.broad(1)
@dtypes
def test_multiplying_loses_no_entry_and_moves_no_zero(dtype):
    Q, B, X = drawn(dtype)
    X[:, 1] = 0
    sweeps.multiply_rows(Q, B, X, free(dtype), 500)
    assert not X[:, 1].any()
    assert (X[:, [0, 2]] > 0).all()
    assert np.isfinite(X).all()


@dtypes
@pytest.mark.broad(1)
def test_moving_within_loses_no_entry(dtype):
    Q, B, X = drawn(dtype)
    sweeps.move_within_rows(Q, B, X, 300)
    assert (X > 0).all()
    assert np.isfinite(X).all()


def test_what_lies_beyond_the_components_is_left_alone():
    Q, B, X = drawn(np.float64)
    padding = np.full((len(B), 5), 7.0)
    wide_B, wide_X = np.hstack([B, padding]), np.hstack([X, padding])
    sweeps.multiply_rows(Q, B, X, free(np.float64), 2)
    sweeps.multiply_rows(Q, wide_B, wide_X, free(np.float64), 2)
    assert wide_X[:, :K].tobytes() == X.tobytes()
    np.testing.assert_array_equal(wide_X[:, K:], 7)


@pytest.mark.slow
def test_matrices_that_are_all_the_same_are_as_good_as_one():
    Q, B, X = drawn(np.float64)
    lower, upper, nothing = np.zeros_like(B), np.full_like(B, np.inf), np.zeros((K, K))
    own, steps = np.tile(pack(Q), (len(B), 1)), 1 / np.abs(Q).sum(axis=1)
    pairs = [(X.copy(), X.copy()) for _ in range(2)]
    sweeps.multiply_rows(Q, B, pairs[0][0], free(np.float64), 3)
    sweeps.multiply_own_rows(own, B, pairs[0][1], nothing, lower, upper, 3)
    sweeps.descend_rows(Q, B, pairs[1][0], steps, np.zeros(K), free(np.float64), 3)
    sweeps.descend_own_rows(own, B, pairs[1][1], nothing, lower, upper, 3)
    for shared, of_each in pairs:
        np.testing.assert_allclose(of_each, shared, rtol=1e-13)


@pytest.mark.parametrize("wrong", ["Q", "X", "upper", "dtype"])
def test_shapes_and_dtypes_that_do_not_agree_are_refused(wrong):
    Q, B, X = drawn(np.float64)
    upper = free(np.float64)
    if wrong == "Q":
        Q = np.eye(K + 1)
    elif wrong == "X":
        X = X[:-1]
    elif wrong == "upper":
        upper = upper[:-1]
    else:
        B = B.astype(np.float32)
    with pytest.raises(ValueError, match=r"must be|is float"):
        sweeps.multiply_rows(Q, B, X, upper, 1)


@pytest.mark.parametrize("k", [1, 2, 7, 20])
@pytest.mark.broad(1)
def test_pivoting_comes_to_scipys_solution_from_anywhere(k):
    Q, B, X = drawn(np.float64, rows=150, k=k, seed=k)
    expected = naive.nnls(Q, B)
    for start in (X, np.zeros_like(X), -X):
        found, ended = pivot_rows(Q, B, start)
        assert ended.all()
        np.testing.assert_allclose(found, expected, atol=1e-8)


def test_pivoting_says_where_columns_are_combinations_of_others():
    Q, B, X = drawn(np.float64)
    Q[:, 2], Q[2] = Q[:, 0], Q[0]
    Q[2, 2], B = 1.0, np.abs(B)
    B[:, 2] = B[:, 0]
    assert not pivot_rows(Q, B, X)[1].all()


def test_pivoting_leaves_dead_components_at_zero():
    Q, B, X = drawn(np.float64)
    Q[1], Q[:, 1] = 0, 0
    found, ended = pivot_rows(Q, B, X)
    assert ended.all()
    assert not found[:, 1].any()


def test_pivoted_rows_are_the_same_to_the_last_bit_in_any_company():
    Q, B, X = drawn(np.float64, rows=200, k=9)
    whole, order = pivot_rows(Q, B, X)[0], np.random.default_rng(1).permutation(200)
    assert pivot_rows(Q, B[order], X[order])[0].tobytes() == whole[order].tobytes()
    assert pivot_rows(Q, B[:1], X[:1])[0].tobytes() == whole[:1].tobytes()
