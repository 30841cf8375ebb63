"""solve_rows: the exact non-negative solution of every row, as if the row were alone."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnmf.kernels import nnls
from dnmf.kernels.nnls import ROWS, solve_rows

pytestmark = pytest.mark.numeric

FINE = {np.float32: 2e-6, np.float64: 1e-13}
CLOSE = {np.float32: 2e-4, np.float64: 1e-9}
ENOUGH_SWEEPS = 100_000

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
unhurried = settings(deadline=None, max_examples=50)  # an example may have to wait for a compilation
seeds = st.integers(0, 2**32 - 1)
ranks = st.integers(1, 11)
row_counts = st.sampled_from([1, 2, 63, 64, 65, 150])


def make_problem(seed, rows, k, dtype, *, columns=40, noise=0.3):
    """A row of A = W H + noise for each right-hand side, so that about half of the constraints bind."""
    rng = np.random.default_rng(seed)
    H = rng.random((k, columns)) * (rng.random((k, columns)) < 0.6) + 0.01
    W = rng.random((rows, k)) * (rng.random((rows, k)) < 0.5)
    A = W @ H + noise * rng.standard_normal((rows, columns))
    return naive.gram(H.T).astype(dtype), naive.cross(A, H).astype(dtype)


def truncated(Q, B):
    return np.maximum(B @ np.linalg.inv(Q), 0).astype(B.dtype)


def solve(Q, B, start=None, tolerance=None, max_sweeps=ENOUGH_SWEEPS):
    start = np.zeros_like(B) if start is None else start
    X, violations, sweeps = solve_rows(Q, B, start, FINE[B.dtype.type] if tolerance is None else tolerance, max_sweeps)
    return X, violations.max(initial=0), sweeps


@dtypes
@unhurried
@given(seed=seeds, rows=row_counts, k=ranks)
def test_solution_equals_scipy(dtype, seed, rows, k):
    Q, B = make_problem(seed, rows, k, dtype)
    X, violation, _ = solve(Q, B, truncated(Q, B))
    expected = naive.nnls(Q, B)
    assert X.dtype == dtype
    assert violation <= FINE[dtype]
    assert np.abs(X - expected).max() <= CLOSE[dtype] * max(1, np.abs(expected).max()) * np.linalg.cond(Q) ** 0.5


@pytest.mark.slow
@unhurried
@given(seed=seeds, k=st.integers(1, 6), known=st.integers(1, 6))
def test_singular_gram_reaches_the_least_objective(seed, k, known):
    rng = np.random.default_rng(seed)
    H = rng.random((k, min(known, k)))  # k components in a space of fewer dimensions
    Q, B = naive.gram(H.T), rng.standard_normal((20, H.shape[1])) @ H.T
    X, violation, _ = solve(Q, B, tolerance=1e-10, max_sweeps=100 * ENOUGH_SWEEPS)
    best = naive.quadratic(Q, B, naive.nnls_by_supports(Q, B))
    assert violation <= 1e-10
    assert (X >= 0).all()
    assert np.abs(naive.quadratic(Q, B, X) - best).max() <= 1e-6 * max(1, np.abs(best).max())


@dtypes
@pytest.mark.parametrize("condition", [1e2, 1e4, 1e6])
def test_ill_conditioned_gram_meets_the_kkt_conditions(dtype, condition):
    rng = np.random.default_rng(0)
    H = 1 + rng.random((6, 30)) / condition**0.5
    Q, B = naive.gram(H.T).astype(dtype), naive.cross(rng.random((100, 30)), H).astype(dtype)
    X, violation, _ = solve(Q, B, tolerance=1e-5)
    assert violation <= 1e-5
    assert (X >= 0).all()
    # a coordinate is exact when visited; a later one moves its gradient by Q_jl dx_l, here <= 1.1 Q_ll dx_l
    assert naive.kkt_violation(Q, B, X).max() <= 6 * 1.1 * 1e-5


@dtypes
def test_coordinate_without_a_diagonal_is_zero(dtype):
    Q, B = make_problem(3, 70, 5, dtype)
    Q[2, :] = Q[:, 2] = 0
    others = [0, 1, 3, 4]
    X, _, _ = solve(Q, B, np.full_like(B, 7))
    assert (X[:, 2] == 0).all()
    assert np.allclose(X[:, others], naive.nnls(Q[np.ix_(others, others)], B[:, others]), atol=CLOSE[dtype])
    nothing, violation, _ = solve(np.zeros_like(Q), B, np.full_like(B, 7))
    assert violation == 0
    assert (nothing == 0).all()


def test_diagonal_too_small_to_invert_counts_as_zero():
    Q = np.diag(np.array([1, 1e-42, -1], np.float32))
    X, violation, _ = solve(Q, np.ones((1, 3), np.float32))
    assert X.tolist() == [[1, 0, 0]]
    assert violation == 0


@dtypes
@pytest.mark.parametrize("k", [1, 3, 4, 10, 20])
def test_row_is_the_same_to_the_last_bit_in_any_company(dtype, k):
    Q, B = make_problem(k, 3 * ROWS + 7, k, dtype)
    start = truncated(Q, B)
    options = {"tolerance": 1e-3, "max_sweeps": 100}
    X, _, _ = solve(Q, B, start, **options)
    order = np.random.default_rng(0).permutation(len(B))
    shuffled, _, _ = solve(Q, B[order], start[order], **options)
    assert shuffled.tobytes() == X[order].tobytes()
    part, _, _ = solve(Q, B[5:90], start[5:90], **options)
    assert part.tobytes() == X[5:90].tobytes()
    for row in (0, 1, ROWS, len(B) - 1):
        alone, _, _ = solve(Q, B[row : row + 1], start[row : row + 1], **options)
        assert alone.tobytes() == X[row].tobytes()


@dtypes
def test_solution_does_not_depend_on_the_start_beyond_the_tolerance(dtype):
    Q, B = make_problem(4, 100, 6, dtype)
    rng = np.random.default_rng(1)
    solutions = [solve(Q, B, start)[0] for start in (None, truncated(Q, B), 100 * rng.random(B.shape).astype(dtype))]
    for other in solutions[1:]:
        assert np.abs(other - solutions[0]).max() <= CLOSE[dtype]


@dtypes
@pytest.mark.parametrize("unusable", [-5.0, np.nan, np.inf, -np.inf])
def test_unusable_start_counts_as_zero(dtype, unusable):
    Q, B = make_problem(5, 70, 5, dtype)
    X, _, _ = solve(Q, B, np.full_like(B, unusable))
    assert X.tobytes() == solve(Q, B)[0].tobytes()


@dtypes
def test_largest_start_is_forgotten(dtype):
    Q, B = make_problem(5, 70, 5, dtype)
    X, violation, _ = solve(Q, B, np.full_like(B, np.finfo(dtype).max))
    assert violation <= FINE[dtype]
    assert np.abs(X - naive.nnls(Q, B)).max() <= CLOSE[dtype]


@dtypes
def test_row_without_a_positive_entry_is_zero_after_one_sweep(dtype):
    Q, B = make_problem(6, 3, 5, dtype)
    B[0], B[1], B[2] = 0, -np.abs(B[1]), -0.0
    X, violation, sweeps = solve(Q, B, np.full_like(B, 3))
    assert (X == 0).all()
    assert (violation, sweeps) == (0, 3)


@dtypes
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_row_that_is_not_finite_is_nan_and_leaves_the_others_alone(dtype, bad):
    Q, B = make_problem(7, 2 * ROWS, 4, dtype)
    clean, _, _ = solve(Q, B)
    spoilt = B.copy()
    spoilt[[3, 70, 127], [0, 1, 3]] = bad
    X, violation, _ = solve(Q, spoilt)
    assert violation == np.inf
    assert np.isnan(X[[3, 70, 127]]).all()
    rest = np.delete(np.arange(len(B)), [3, 70, 127])
    assert X[rest].tobytes() == clean[rest].tobytes()


@dtypes
def test_gram_that_is_not_finite_gives_nan_everywhere(dtype):
    Q, B = make_problem(8, 5, 4, dtype)
    Q[1, 2] = np.nan
    X, violation, sweeps = solve(Q, B)
    assert np.isnan(X).all()
    assert (violation, sweeps) == (np.inf, 0)


@dtypes
def test_sweeps_are_bounded_and_summed_over_rows(dtype):
    Q, B = make_problem(9, 5, 8, dtype, noise=1.0)
    counts = [solve(Q, B[row : row + 1], tolerance=1e-3)[2] for row in range(5)]
    assert solve(Q, B, tolerance=1e-3)[2] == sum(counts)
    assert min(counts) > 2
    _, violation, sweeps = solve(Q, B, tolerance=1e-3, max_sweeps=2)
    assert sweeps == 10
    assert violation > 1e-3
    assert solve(Q, B, max_sweeps=0)[2] == 5


@dtypes
def test_sweep_is_coordinate_descent_in_order(dtype):
    Q, B = make_problem(10, 3, 7, dtype)
    start = np.ones_like(B)
    X, violation, _ = solve(Q, B, start, max_sweeps=1)
    expected, steps = start.astype(np.float64), np.zeros(B.shape)
    for j in range(7):
        others = np.arange(7) != j
        moved = np.maximum(0, (B[:, j] - expected[:, others] @ Q[others, j].astype(np.float64)) / Q[j, j])
        steps[:, j] = np.abs(moved - expected[:, j]) * Q[j, j]
        expected[:, j] = moved
    assert np.allclose(X, expected, rtol=CLOSE[dtype], atol=CLOSE[dtype])
    assert violation == pytest.approx((steps.max(axis=1) / np.abs(B).max(axis=1)).max(), rel=1e-4)


@dtypes
def test_each_row_says_how_near_it_came(dtype):
    Q, B = make_problem(14, 70, 8, dtype, noise=1.0)
    _, violations, _ = solve_rows(Q, B, np.zeros_like(B), 1e-3, 4)
    alone = [solve_rows(Q, B[row : row + 1], np.zeros_like(B[:1]), 1e-3, 4)[1] for row in range(70)]
    assert violations.tobytes() == np.concatenate(alone).tobytes()
    assert 0 < np.count_nonzero(violations > 1e-3) < 70


@dtypes
def test_no_rows_is_an_empty_solution(dtype):
    Q, _ = make_problem(0, 1, 4, dtype)
    X, violation, sweeps = solve(Q, np.zeros((0, 4), dtype))
    assert X.shape == (0, 4)
    assert (violation, sweeps) == (0, 0)


@dtypes
def test_inputs_are_not_written_and_may_be_read_only_or_strided(dtype):
    Q, B = make_problem(11, 70, 5, dtype)
    start = truncated(Q, B)
    X, _, _ = solve(Q, B, start)
    compiled_before = len(nnls._solve_rows.signatures)
    copies = Q.copy(), B.copy(), start.copy()
    for array in (Q, B, start):
        array.flags.writeable = False
    again, _, _ = solve(Q, B, start)
    strided, _, _ = solve(np.asfortranarray(Q), np.asfortranarray(B), np.repeat(start, 2, axis=1)[:, ::2])
    assert again.tobytes() == strided.tobytes() == X.tobytes()
    assert all(np.array_equal(now, before) for now, before in zip((Q, B, start), copies, strict=True))
    assert len(nnls._solve_rows.signatures) == compiled_before


def test_operands_that_do_not_agree_are_refused():
    Q, B = make_problem(12, 6, 4, np.float64)
    with pytest.raises(ValueError, match=r"Q is float64 \(4, 3\)"):
        solve(Q[:, :3], B)
    with pytest.raises(ValueError, match="B has 3 columns for a Q of 4 rows"):
        solve(Q, B[:, :3])
    with pytest.raises(ValueError, match=r"start is float64 \(5, 4\)"):
        solve(Q, B, B[:5])
    with pytest.raises(ValueError, match="Q is float32"):
        solve(Q.astype(np.float32), B)


def test_padding_is_left_out_and_comes_back_as_zeros():
    Q, B = make_problem(13, 60, 5, np.float64)
    wide = np.full((60, 8), np.nan)
    wide[:, :5] = B
    alone = solve_rows(Q, B, B, 1e-12, 500)
    padded = solve_rows(Q, wide, wide, 1e-12, 500)
    assert padded[0][:, :5].tobytes() == alone[0].tobytes()
    assert (padded[0][:, 5:] == 0).all()
    assert padded[1].tobytes() == alone[1].tobytes()
    assert padded[2] == alone[2]


@pytest.mark.broad(1)
@dtypes
@unhurried
@given(seed=seeds, rows=row_counts, k=ranks)
def test_bounded_solution_equals_scipy(dtype, seed, rows, k):
    Q, B = make_problem(seed, rows, k, dtype)
    upper = np.random.default_rng(seed).random(k).astype(dtype)
    upper[::3] = np.inf
    X, violations, _ = solve_rows(Q, B, truncated(Q, B), FINE[dtype], ENOUGH_SWEEPS, upper)
    expected = naive.bounded_least_squares(Q, B, upper)
    assert (violations <= FINE[dtype]).all()
    assert (upper >= X).all()
    assert np.abs(X - expected).max() <= CLOSE[dtype] * max(1, np.abs(expected).max()) * np.linalg.cond(Q) ** 0.5


@dtypes
def test_bounds_that_bind_nothing_change_no_bit(dtype):
    Q, B = make_problem(3, 200, 7, dtype)
    free, _, _ = solve(Q, B, truncated(Q, B))
    bounded, _, _ = solve_rows(Q, B, truncated(Q, B), FINE[dtype], ENOUGH_SWEEPS, np.full(7, 1e6, dtype))
    assert free.tobytes() == bounded.tobytes()
