"""Symmetric matrices kept as their lower triangles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnmf.kernels.packed import (
    completed,
    diagonal_places,
    have_minimum,
    pack,
    packed_size,
    rank_of,
    times_packed,
    unpack,
)

pytestmark = pytest.mark.numeric

sizes = pytest.mark.parametrize("k", [1, 3, 20])


def drawn(k, rows=5):
    draw = np.random.default_rng(k)
    G0 = draw.standard_normal((k, k))
    return draw.standard_normal((rows, packed_size(k))), draw.standard_normal((rows, k)), G0 + G0.T


@given(k=st.integers(0, 60))
def test_packing_is_the_lower_triangle_row_after_row(k):
    Q = np.random.default_rng(k).standard_normal((2, k, k))
    Q += Q.transpose(0, 2, 1)
    packed = pack(Q)
    assert packed.shape == (2, packed_size(k))
    assert rank_of(packed.shape[1]) == k
    assert all(packed[1, i * (i + 1) // 2 + j] == Q[1, i, j] for i in range(k) for j in range(i + 1))
    assert np.array_equal(unpack(packed), Q)


@pytest.mark.parametrize("size", [2, 4, 209, 211])
def test_other_sizes_are_no_packed_matrix(size):
    with pytest.raises(ValueError, match="no packed matrix"):
        rank_of(size)


@sizes
def test_packed_matrices_multiply_as_whole_ones(k):
    Q, X, G0 = drawn(k)
    np.testing.assert_allclose(times_packed(Q, X), np.einsum("jql,jl->jq", unpack(Q), X), rtol=1e-10, atol=1e-12)
    shared = np.einsum("jql,jl->jq", unpack(Q) + G0, X)
    np.testing.assert_allclose(times_packed(Q, X, G0), shared, rtol=1e-10, atol=1e-12)


@sizes
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_matrices_are_completed_by_what_they_share_and_their_diagonals(k, dtype):
    Q, diagonal, G0 = drawn(k)
    whole = unpack(Q) + G0
    whole[:, range(k), range(k)] += diagonal
    found = completed(Q, G0, diagonal, dtype)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, pack(whole), rtol=1e-6, atol=1e-12 if dtype == "f8" else 1e-6)


def test_what_little_is_left_of_what_is_shared_is_not_rounded_away():
    shared, left = np.full((1, 1), 1e8), np.full((1, 1), -1e8 + 0.25)
    assert completed(left, shared, np.zeros((1, 1)), "f4").tolist() == [[0.25]]


@sizes
@pytest.mark.parametrize("shared", [False, True])
def test_forms_have_a_minimum_where_their_matrices_are_positive_among_what_moves(k, shared):
    draw, (Q, _, G0) = np.random.default_rng(k), drawn(k, rows=60)
    Q[:, diagonal_places(k)] += k * draw.random((60, 1))
    moving, common = draw.random((60, k)) < 0.6, G0 if shared else None
    whole = unpack(Q) + (G0 if shared else 0)
    smallest = [
        np.linalg.eigvalsh(each[np.ix_(some, some)]).min(initial=1.0) for each, some in zip(whole, moving, strict=True)
    ]
    np.testing.assert_array_equal(have_minimum(Q, moving, common), np.array(smallest) > 0)


def test_forms_that_are_not_finite_have_none():
    Q = pack(np.array([np.eye(2), np.diag([1.0, np.nan]), np.diag([np.inf, 1.0])]))
    assert have_minimum(Q, np.ones((3, 2), bool)).tolist() == [True, False, False]
    assert have_minimum(Q, np.array([[1, 1], [1, 0], [0, 1]], bool)).all()
    assert not have_minimum(np.zeros((1, 1)), np.ones((1, 1), bool)).any()


def test_diagonals_are_where_they_are_said_to_be():
    assert pack(np.diag([1.0, 2, 3]))[diagonal_places(3)].tolist() == [1, 2, 3]


@pytest.mark.parametrize("shape", [(4, 3), (5, 2)])
def test_matrices_of_another_size_are_refused(shape):
    Q, _, G0 = drawn(3)
    with pytest.raises(ValueError, match="no packed matrices"):
        times_packed(Q, np.ones(shape))
    with pytest.raises(ValueError, match="no packed matrices"):
        completed(Q, G0, np.ones(shape), "f4")
