"""Rows are exact whatever the condition of H, each by itself, and a plain pass never rises."""

import itertools
import warnings
from dataclasses import replace

import dask
import dask.array
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

import dnmf
from dnmf.constraints import Constraints
from dnmf.errors import UnsolvedWarning
from dnmf.fitting.history import PassRecord
from dnmf.fitting.step import RESOLUTION
from dnmf.kernels.nnls import solve_rows
from dnmf.kernels.products import cross_dense
from dnmf.passes import exact
from dnmf.passes.problem import TOLERANCE, solve_for_rows
from dnmf.passes.products import cross
from dnmf.passes.terms import Terms
from dnmf.passes.visitors.visitor import Block
from dnmf.penalty import Penalty
from dnmf.sources.rows import CsrRows

unhurried = settings(deadline=None, max_examples=25)
seeds = st.integers(0, 2**32 - 1)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
CONDITIONS = [1e1, 1e3, 1e5, 1e7, 1e8]

SCIPY_LOSES_DIGITS = tuple(map(int, scipy.__version__.split(".")[:2])) < (1, 15)  # its nnls solved from the Gram matrix


def alike(rng, k, n, condition):
    """Profiles (k, n) that have a common part, so large that their condition number comes to about this."""
    common, own = rng.random(n) + 0.1, rng.standard_normal((k, n))
    low, high = 1e-15, 0.25
    for _ in range(60):
        size = np.sqrt(low * high)
        H = common * (1 + size * own / np.abs(own).max())
        low, high = (size, high) if np.linalg.cond(H) > condition else (low, size)
    return H


def drawn(seed, condition, k=5, n=40, rows=30, noise=1e-3):
    rng = np.random.default_rng(seed)
    H = alike(rng, k, n, condition)
    W = rng.random((rows, k)) * (rng.random((rows, k)) < 0.6)
    return np.maximum(W @ H + noise * rng.standard_normal((rows, n)), 0), H


def solved(A, H, terms=None, **options):
    """Rows of W for H, as a pass solves them, and the counts."""
    visitor = solve_for_rows(H, terms or Terms(), **options)
    found = visitor.solve(Block(A, 0), cross(A, visitor.HT))
    return (found.X * visitor.unit)[:, : len(H)], found


def assert_as_good(A, H, W, expected, within=1e-8):
    """The residuals are those of the expected rows, and the predictions too."""
    left, best = (np.linalg.norm(A - X @ H, axis=1) for X in (W, expected))
    np.testing.assert_allclose(left, best, rtol=within)
    assert (np.linalg.norm((W - expected) @ H, axis=1) <= within * np.linalg.norm(A, axis=1)).all()


def scipys_rows(A, H):
    """The rows of scipy; where its nnls is not exact, the best of those that any choice of components leaves."""
    if not SCIPY_LOSES_DIGITS:
        return np.array([nnls(H.T, a)[0] for a in A])
    best, least = np.zeros((len(A), len(H))), np.linalg.norm(A, axis=1)
    for chosen in itertools.product([False, True], repeat=len(H)):
        if any(chosen):
            X = np.zeros_like(best)
            X[:, chosen] = np.linalg.lstsq(H[list(chosen)].T, A.T, rcond=None)[0].T
            left = np.where((X >= 0).all(axis=1), np.linalg.norm(A - X @ H, axis=1), np.inf)
            best, least = np.where((left < least)[:, None], X, best), np.minimum(left, least)
    return best


@pytest.mark.broad(2)
@pytest.mark.parametrize("condition", CONDITIONS)
@unhurried
@given(seed=seeds, noise=st.sampled_from([1e-1, 1e-3, 1e-5]))
def test_rows_are_scipys_for_any_condition(condition, seed, noise):
    A, H = drawn(seed, condition, noise=noise)
    W, found = solved(A, H)
    assert found.unsolved == 0
    assert_as_good(A, H, W, scipys_rows(A, H))


@pytest.mark.parametrize("condition", [1e1, 1e4, 1e8])
def test_rows_of_a_sparse_matrix_are_those_of_the_dense_one(condition):
    A, H = drawn(0, condition)
    A *= np.random.default_rng(1).random(A.shape) < 0.3
    csr = scipy.sparse.csr_array(A)
    W, _ = solved(CsrRows(csr.data, csr.indices, csr.indptr), H)
    assert_as_good(A, H, W, np.array([nnls(H.T, a)[0] for a in A]))


@pytest.mark.parametrize("condition", [1e2, 1e5, 1e8])
@pytest.mark.parametrize("l1", [0.0, 0.02])
def test_penalized_rows_are_those_of_the_augmented_problem(condition, l1):
    l2, angular, (A, H) = 1e-9, 0.05, drawn(2, condition)
    W, found = solved(A, H, Terms(l1=l1, l2=l2, angular=angular))
    M = np.concatenate([H.T, np.sqrt(l2) * np.eye(5), np.sqrt(angular) * np.ones((1, 5))])
    rest = np.concatenate([np.zeros(5), [-l1 / np.sqrt(angular)]])
    expected = np.array([nnls(M, np.concatenate([a, rest]))[0] for a in A])
    assert found.unsolved == 0
    np.testing.assert_allclose(W @ M.T, expected @ M.T, atol=2e-8 * np.abs(A).max())


@pytest.mark.parametrize("condition", [1e2, 1e5, 1e8])
def test_bounded_rows_are_optimal_and_within_their_bounds(condition):
    A, H = drawn(3, condition)
    upper = 0.2
    W, found = solved(A, H, Terms(upper=upper))
    W = np.minimum(W, upper)
    assert found.unsolved == 0
    slopes, sizes = (W @ H - A) @ H.T / np.linalg.norm(H, axis=1), np.linalg.norm(A, axis=1)[:, None]
    at_upper = exact.pinned(W, slopes, upper) & (W > 0)
    assert at_upper.any()
    assert (np.where((W == 0) & (slopes > 0) | at_upper, 0, np.abs(slopes)) <= 1e-10 * sizes).all()


@pytest.mark.parametrize("condition", [1e2, 1e5, 1e8])
def test_rows_beside_given_components_are_those_of_what_is_left(condition):
    A, H = drawn(4, condition)
    visitor, known = solve_for_rows(H, held=2), np.random.default_rng(0).random((len(A), 2)) / 10
    found = visitor.solve(Block(A, 0, known), cross(A, visitor.HT))
    W = (found.X * visitor.unit)[:, 2:5]
    left = A - known @ H[:2]
    expected = np.array([nnls(H[2:].T, a)[0] for a in left])
    assert_as_good(left, H[2:], W, expected)


@dtypes
@pytest.mark.parametrize("condition", [1e1, 1e3, 1e9])
def test_a_row_is_the_same_to_the_last_bit_in_any_company(dtype, condition):
    A, H = (X.astype(dtype) for X in drawn(5, condition, k=9, rows=150))
    whole, order = solved(A, H)[0], np.random.default_rng(0).permutation(150)
    assert solved(np.ascontiguousarray(A[order]), H)[0].tobytes() == whole[order].tobytes()
    parts = [solved(A[low:high], H)[0] for low, high in itertools.pairwise([0, 1, 7, 100, 150])]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


@dtypes
def test_rows_that_coordinate_descent_has_solved_are_left_as_they_are(dtype):
    rng = np.random.default_rng(6)
    A, H = rng.random((200, 40)).astype(dtype), (rng.random((6, 40)) * (rng.random((6, 40)) < 0.3)).astype(dtype)
    visitor = solve_for_rows(H)
    B, solver = cross(A, visitor.HT), visitor.solver
    start = np.zeros_like(B)
    cross_dense(B, solver.inverse, start)
    alone, violations, _ = solve_rows(solver.Q, B, start, TOLERANCE[dtype], 1000)
    _, found = solved(A, H)
    assert solver.tolerance == TOLERANCE[dtype]
    assert (violations <= TOLERANCE[dtype]).all()
    assert found.finished == 0
    assert found.X.tobytes() == alone.tobytes()


@pytest.mark.broad(1)
@dtypes
@unhurried
@given(
    seed=seeds, condition=st.integers(0, 12), k=st.integers(1, 8), noise=st.sampled_from([0.3, 1e-2, 1e-4]),
    penalty=st.sampled_from([Penalty(), Penalty(l1=1e-3, l2=1e-3, scale="objective")]),
)  # fmt: skip
def test_a_plain_pass_never_rises_whatever_the_condition(dtype, seed, condition, k, noise, penalty):
    A, H = drawn(seed, 10.0**condition, k=k, noise=noise)
    model = dnmf.fit(A, k, H=H, penalty=penalty, dtype=dtype, extrapolate=False, tol=0, max_passes=8)
    history, slack = model.history, RESOLUTION[dtype] * 0.5 * (A.astype(dtype).astype(float) ** 2).sum()
    assert all(after.objective <= before.objective + slack for before, after in itertools.pairwise(history))
    assert sum(record.rows_unsolved + record.columns_unsolved for record in history) == 0


@pytest.mark.slow
def test_as_many_components_as_columns_end_at_the_exact_rows():
    A, _ = drawn(7, 10.0, k=4, n=12, rows=40, noise=0.05)
    model = dnmf.fit(A, 12, dtype="float64", init="random", tol=0, max_passes=60)
    H = model.d[:, None] * model.H
    assert_as_good(A, H, model.read_W(), np.array([nnls(H.T, a)[0] for a in A]))
    assert max(record.rows_finished for record in model.history) > 0


def test_transformed_rows_are_exact_for_overlapping_known_profiles():
    x = np.linspace(0, 1, 80)
    H = np.array([np.exp(-0.5 * ((x - c) / 0.2) ** 2) for c in np.linspace(0.2, 0.8, 8)])
    rng = np.random.default_rng(0)
    A = np.maximum(rng.dirichlet(np.full(8, 0.5), 60) @ H + 1e-4 * rng.standard_normal((60, 80)), 0)
    model = dnmf.fit(A[:30], 8, constraints=Constraints(fixed_H=H), dtype="float64", tol=0, max_passes=2)
    W, H = np.asarray(model.transform(A[30:])), model.d[:, None] * model.H
    assert_as_good(A[30:], H, W, np.array([nnls(H.T, a)[0] for a in A[30:]]))


@pytest.fixture
def never_ends(monkeypatch):
    def stays(root, X, *_):
        return X, np.zeros(len(X), bool)

    monkeypatch.setattr(exact, "settle_rows", stays)


@pytest.mark.usefixtures("never_ends")
def test_what_is_not_solved_is_counted_and_warned_of_once():
    A, H = drawn(8, 1e8)
    with pytest.warns(UnsolvedWarning, match="30 rows of W of pass 1 are not solved") as shown:
        model = dnmf.fit(A, 5, H=H, dtype="float64", tol=0, max_passes=1)
    assert len(shown) == 1
    assert model.history[0].rows_unsolved == model.history[0].rows_finished == 30
    with pytest.warns(UnsolvedWarning, match="30 of 30 rows are not solved"):
        model.transform(A)


def three_spectra():
    random = np.random.default_rng(0)
    return random.random((40, 3)) @ random.random((3, 30))


def test_a_free_factor_whose_components_have_no_digits_left_in_float32_is_warned_of():
    with pytest.warns(UnsolvedWarning, match=r"pass \d+ came out .* beyond what is possible") as shown:
        model = dnmf.fit(three_spectra(), 10, constraints=dnmf.Constraints(free="W"), init="random", seed=1, tol=1e-9)
    assert len(shown) == 1
    assert max(record.off for record in model.history) > 1e-4


def test_in_float64_a_free_factor_has_digits_enough():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnsolvedWarning)
        model = dnmf.fit(
            three_spectra(),
            10,
            dtype="float64",
            constraints=dnmf.Constraints(free="W"),
            init="random",
            seed=1,
            tol=1e-9,
        )
    assert model.relative_error < 1e-12


def test_sums_of_other_data_than_the_first_pass_read_are_noticed():
    A, (first, second) = three_spectra(), (three_spectra(), three_spectra()[::-1, ::-1] * 3)
    blocks = iter([first] * 1 + [second] * 50)
    changing = dask.array.from_delayed(dask.delayed(lambda: next(blocks), pure=False)(), A.shape, A.dtype)
    with pytest.warns(UnsolvedWarning, match="or the data is not what it was"):
        dnmf.fit(changing, 2, dtype="float64", init="random", tol=0, max_passes=6)


def test_a_fit_that_is_solved_does_not_warn():
    A, H = drawn(9, 1e8)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnsolvedWarning)
        model = dnmf.fit(A, 5, H=H, dtype="float64", tol=0, max_passes=3)
    assert model.history[0].rows_finished == 30
    assert model.history[0].unsolved == ""


def test_a_record_of_before_there_were_counts_is_read():
    record = dnmf.fit(np.ones((4, 3)), 1, max_passes=1).history[0]
    written = record.to_json()
    assert PassRecord.from_json(written) == record
    old = {name: value for name, value in written.items() if not name.endswith(("_finished", "_unsolved"))}
    assert PassRecord.from_json(old) == replace(record, rows_finished=0, columns_finished=0)
