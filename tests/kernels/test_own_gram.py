"""solve_own_rows: many quadratic problems between bounds, each as if it were alone."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnmf.kernels.own_gram import PLACES, solve_own_rows, solve_unbounded
from dnmf.kernels.packed import pack

pytestmark = pytest.mark.numeric

FINE = {np.float32: 2e-6, np.float64: 1e-13}
CLOSE = {np.float32: 2e-4, np.float64: 1e-9}
dtypes = pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)])
unhurried = settings(deadline=None, max_examples=15)  # an example may have to wait for a compilation


def make_problems(seed, rows, k, dtype):
    """A matrix of its own for each right-hand side, of which about half of the constraints bind."""
    rng = np.random.default_rng(seed)
    X = rng.random((rows, 3 * k + 5, k)) * (rng.random((rows, 3 * k + 5, k)) < 0.6)
    Q = np.einsum("mik,mil->mkl", X, X) + 0.05 * np.eye(k)
    B = np.einsum("mik,mi->mk", X, rng.random((rows, 3 * k + 5)) - 0.3)
    return Q.astype(dtype), B.astype(dtype)


def solve(Q, B, *, start=None, lower=None, upper=None, tolerance=None, G0=None):
    start = np.zeros_like(B) if start is None else start
    tolerance = FINE[B.dtype.type] if tolerance is None else tolerance
    return solve_own_rows(pack(Q), B, start, lower, upper, tolerance, 100_000, G0)


def violation(Q, B, X, lower, upper):
    """``max |x − clip(x − g / Q_jj)| Q_jj / max|b|`` of each problem."""
    Q, B, X = (np.asarray(array, np.float64) for array in (Q, B, X))
    g, diagonal = np.einsum("mkl,ml->mk", Q, X) - B, np.einsum("mkk->mk", Q)
    return (np.abs(X - np.clip(X - g / diagonal, lower, upper)) * diagonal).max(axis=1) / np.maximum(
        np.abs(B).max(axis=1), 1e-300
    )


@dtypes
@unhurried
@given(seed=st.integers(0, 2**32 - 1), rows=st.sampled_from([1, 2, 31, 32, 33, 70]), k=st.integers(1, 21))
def test_solution_equals_scipy(dtype, seed, rows, k):
    Q, B = make_problems(seed, rows, k, dtype)
    X, violations, sweeps = solve(Q, B)
    expected = np.concatenate([naive.nnls(q, b[None]) for q, b in zip(Q, B, strict=True)])
    assert X.dtype == dtype
    assert violations.max() <= FINE[dtype]
    assert sweeps >= rows
    assert np.abs(X - expected).max() <= CLOSE[dtype] * max(1, np.abs(expected).max()) * np.linalg.cond(Q).max() ** 0.5


@dtypes
@unhurried
@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 45), tolerance=st.sampled_from([1e-2, 1e-4]))
def test_solution_between_bounds_meets_the_conditions_of_a_minimum(dtype, seed, k, tolerance):
    Q, B = make_problems(seed, 40, k, dtype)
    rng = np.random.default_rng(seed)
    lower = rng.uniform(-0.3, 0.2, B.shape).astype(dtype)
    upper = np.where(rng.random(B.shape) < 0.5, np.inf, lower + 0.3).astype(dtype)
    upper[rng.random(B.shape) < 0.1] = 0.2
    held = rng.random(B.shape) < 0.2
    lower, upper = np.minimum(lower, upper), np.where(held, np.minimum(lower, upper), upper)
    X, violations, _ = solve(Q, B, lower=lower, upper=upper, tolerance=tolerance)
    assert (lower <= X).all()
    assert (upper >= X).all()
    assert violations.max() <= tolerance
    # a coordinate is exact when visited; later ones of its sweep move its gradient by at most their own steps
    assert violation(Q, B, X, lower, upper).max() <= 2 * k * tolerance + 1e-5


@dtypes
@pytest.mark.parametrize("k", [1, 5, 20])
def test_problem_is_the_same_to_the_last_bit_in_any_company(dtype, k):
    Q, B = make_problems(k, 3 * PLACES + 5, k, dtype)
    X, violations, _ = solve(Q, B, tolerance=1e-3)
    order = np.random.default_rng(0).permutation(len(B))
    shuffled = solve(Q[order], B[order], tolerance=1e-3)
    assert shuffled[0].tobytes() == X[order].tobytes()
    assert shuffled[1].tobytes() == violations[order].tobytes()
    for row in (0, 17, PLACES, len(B) - 1):
        assert solve(Q[row : row + 1], B[row : row + 1], tolerance=1e-3)[0].tobytes() == X[row].tobytes()


@pytest.mark.parametrize("k", [1, 7])
def test_common_matrix_is_added_to_each(k):
    Q, B = make_problems(3, 40, k, np.float32)
    G0 = np.eye(k, dtype=np.float32) + 1
    X, _, _ = solve(Q, B, G0=G0)
    assert np.allclose(X, solve(Q + G0, B)[0], atol=1e-5)
    assert not np.allclose(X, solve(Q, B)[0], atol=1e-3)


@pytest.mark.parametrize("bound", [0, 0.5, -2])
@pytest.mark.parametrize("diagonal", [0, -1, 1e-42])
def test_coordinate_without_a_diagonal_stays_at_its_lower_bound(bound, diagonal):
    Q, B = make_problems(3, 5, 4, np.float32)
    Q[:, 2, :] = Q[:, :, 2] = 0
    Q[:, 2, 2] = diagonal
    X, violations, _ = solve(Q, B, start=np.full_like(B, 7), lower=np.full_like(B, bound))
    assert (X[:, 2] == bound).all()
    assert violations.max() <= FINE[np.float32]


@pytest.mark.parametrize("unusable", [np.nan, np.inf, -np.inf, 1e30, -5])
def test_start_outside_the_bounds_is_brought_inside(unusable):
    Q, B = make_problems(5, 40, 6, np.float32)
    X, _, _ = solve(Q, B, start=np.full_like(B, unusable), upper=np.full_like(B, 0.4))
    assert np.abs(X - solve(Q, B, upper=np.full_like(B, 0.4))[0]).max() <= 1e-3


@pytest.mark.parametrize("where", ["Q", "B"])
@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_problem_that_is_not_finite_is_nan_and_alone_in_it(where, spoilt):
    Q, B = make_problems(6, 40, 5, np.float32)
    right, _, _ = solve(Q, B)
    if where == "Q":
        Q[9, 3, 1] = Q[9, 1, 3] = spoilt
    else:
        B[9, 2] = spoilt
    X, violations, _ = solve(Q, B)
    assert np.isnan(X[9]).all()
    assert violations[9] == np.inf
    others = np.arange(40) != 9
    assert X[others].tobytes() == right[others].tobytes()


def test_right_hand_sides_of_zeros_have_the_solution_zero():
    Q, B = make_problems(7, 5, 4, np.float32)
    X, violations, _ = solve(Q, np.zeros_like(B))
    assert (X == 0).all()
    assert (violations == 0).all()


@pytest.mark.parametrize("rows", [0, 1])
def test_few_problems(rows):
    X, violations, _ = solve(np.ones((rows, 1, 1), np.float32), np.full((rows, 1), 2, np.float32))
    assert X.tolist() == [[2]] * rows
    assert len(violations) == rows


@pytest.mark.parametrize(
    "change",
    [{"Q": np.ones((2, 5), "f4")}, {"start": np.ones((2, 2), "f4")}, {"lower": np.ones((2, 3), "f8")},
     {"upper": np.ones((3, 3), "f4")}, {"G0": np.ones((2, 2), "f4")}, {"B": np.ones((2, 3), "f8")}],
)  # fmt: skip
def test_shapes_that_do_not_agree_are_refused(change):
    right = {"Q": np.ones((2, 6), "f4"), "B": np.ones((2, 3), "f4"), "start": np.ones((2, 3), "f4"), "lower": None,
             "upper": None, "tolerance": 1e-3, "max_sweeps": 3, "G0": None}  # fmt: skip
    with pytest.raises(ValueError, match="for B"):
        solve_own_rows(**{**right, **change})


@pytest.mark.parametrize("k", [1, 4, 13])
@pytest.mark.parametrize("shared", [False, True])
def test_unbounded_problems_are_solved(k, shared):
    draw = np.random.default_rng(k)
    M, B = draw.random((6, 2 * k, k)), draw.random((6, k))
    Q, G0 = np.einsum("iaq,iaj->iqj", M, M), np.eye(k) if shared else None
    found = solve_unbounded(pack(Q), B, G0)
    whole = Q + (0 if G0 is None else G0)
    np.testing.assert_allclose(np.einsum("iqj,ij->iq", whole, found), B, rtol=1e-8)


def test_an_unbounded_problem_without_a_single_solution_has_a_finite_one():
    Q = np.array([[1.0, 1, 1], [0, 0, 0], [0, 0, 4]])
    assert np.isfinite(solve_unbounded(Q, np.ones((3, 2)))).all()
