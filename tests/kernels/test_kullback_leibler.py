"""Rows of W for counts: the exact minimizer of each, as if it were alone, and weights and values of entries."""

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import xlogy

from dnmf.kernels.counts import new_entries
from dnmf.kernels.entries import predict
from dnmf.kernels.kullback_leibler import LEAST, solve_bytes, solve_rows, value, weights
from dnmf.kernels.padding import aligned_zeros, pad_columns

pytestmark = pytest.mark.numeric

FINE = {"f4": 1e-4, "f8": 1e-9}
CLOSE = {"f4": 1e-5, "f8": 1e-12}
kinds = pytest.mark.parametrize(
    ("dtype", "stored", "index_dtype"),
    [
        ("f4", "i4", "i4"),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in (("f8", "f4", "i8"), ("f4", "u1", "u2"), ("f8", "i8", "i4"))
        ),
    ],
)
unhurried = settings(deadline=None, max_examples=15)  # an example may have to wait for a compilation
seeds = st.integers(0, 2**32 - 1)
ranks = st.integers(1, 45)


class Counts:
    """Sparse rows of counts around W H, some of them empty, with some entries that are stored zeros."""

    def __init__(self, seed, rows, k, dtype="f4", stored="i4", index_dtype="i4", *, n=60, share=0.5):
        rng = np.random.default_rng(seed)
        self.H = rng.gamma(0.5, 1, (k, n)) * (rng.random((k, n)) < 0.7) + 1e-3
        mean = rng.gamma(0.5, 4, (rows, k)) * (rng.random((rows, k)) < 0.6) @ self.H / k**0.5
        A = np.minimum(rng.poisson(mean), 200) * (rng.random((rows, n)) < share)
        A[rng.random(rows) < 0.1] = 0
        there = (A > 0) | (rng.random((rows, n)) < 0.03)
        self.indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int64)
        self.indices, self.data = np.nonzero(there)[1].astype(index_dtype), A[there].astype(stored)
        self.row_of = np.nonzero(there)[0]
        self.k, self.dtype, self.HT = k, np.dtype(dtype), pad_columns(np.ascontiguousarray(self.H.T).astype(dtype))
        self.lin = self.H.sum(axis=1).astype(dtype)
        self.total = np.bincount(self.row_of, self.data.astype("f8"), rows)

    def solve(self, low=0, high=None, *, lin=None, G0=None, W=None, tolerance=None, **options):
        """Solve rows from `low` on, whose arrays are those of the whole."""
        high = len(self.indptr) - 1 if high is None else high
        self.W, self.y = (
            aligned_zeros((high - low, self.HT.shape[1]), self.dtype),
            np.full(len(self.data), np.nan, self.dtype),
        )
        self.W[:] = 99  # overwritten
        if W is not None:
            self.W[:, : self.k] = W
        lin = self.lin if lin is None else lin
        tolerance = FINE[self.dtype.str[1:]] if tolerance is None else tolerance
        return solve_rows(self.data, self.indices, self.indptr[low : high + 1], self.HT, lin, G0, self.W, self.y,
                          tolerance=tolerance, **{"max_steps": 50, **options})  # fmt: skip

    def objective(self, i, w, lin, G0):
        at = slice(self.indptr[i], self.indptr[i + 1])
        a, H = self.data[at].astype("f8"), self.HT[self.indices[at], : self.k].astype("f8")
        y = np.maximum(H @ w, 1e-30)
        gradient = lin + G0 @ w - H.T @ (a / y)
        return lin @ w + 0.5 * w @ G0 @ w - xlogy(a, y).sum(), gradient

    def violation(self, lin=None, G0=None, upper=np.inf, held=0):
        """How far rows are from the conditions of a minimum, relative to the sum of the row."""
        worst = 0.0
        for i in np.flatnonzero(self.total):
            w, of_row = self.W[i, : self.k].astype("f8"), lin if lin is None or lin.ndim == 1 else lin[i]
            of_row = self.lin if of_row is None else of_row
            _, g = self.objective(i, w, of_row.astype("f8"), np.zeros((self.k,) * 2) if G0 is None else G0.astype("f8"))
            room = np.where(g > 0, w, np.minimum(upper - w, np.maximum(w, 0.02 * self.total[i] / of_row)))
            worst = max(worst, (np.abs(g) * room)[held:].max(initial=0) / self.total[i])
        return worst


def best_objective(some, i, lin, G0, upper):
    """The least objective of a row that scipy finds."""
    found = scipy.optimize.minimize(
        lambda w: some.objective(i, w, lin, G0), np.full(some.k, some.total[i] / some.k / lin.min()).clip(0, upper),
        jac=True, bounds=[(0, upper)] * some.k, method="L-BFGS-B",
        options={"ftol": 1e-14, "gtol": 1e-10, "maxiter": 5000},
    )  # fmt: skip
    return found.fun


@pytest.mark.slow
@kinds
@unhurried
@given(seed=seeds, k=ranks)
def test_rows_meet_the_conditions_of_a_minimum(dtype, stored, index_dtype, seed, k):
    some = Counts(seed, 12, k, dtype, stored, index_dtype)
    divergence, unconverged, steps = some.solve()
    assert unconverged == 0
    assert steps >= (some.total > 0).sum()
    assert (some.W >= 0).all()
    assert (some.W[some.total == 0] == 0).all()
    assert some.violation() <= 3 * FINE[dtype]
    y = np.empty_like(some.y)
    predict(some.indices, some.indptr, some.W, some.HT, y)
    predicted = some.total[some.row_of] > 0
    assert np.allclose(some.y[predicted], y[predicted], rtol=20 * CLOSE[dtype])
    a, y = some.data[predicted].astype("f8"), some.y[predicted].astype("f8")
    expected = (xlogy(a, a / y) - a).sum()
    assert abs(divergence - expected) <= CLOSE[dtype] * (1 + np.abs(a).sum())


@kinds
@pytest.mark.parametrize("k", [1, 2, 4, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("upper", [np.inf, 0.7])
@pytest.mark.parametrize("ridge", [0, 2.0])
def test_no_solver_finds_less(dtype, stored, index_dtype, k, upper, ridge):
    some = Counts(k, 6, k, dtype, stored, index_dtype)
    G0 = (ridge * np.eye(k) + ridge / 4).astype(dtype)
    bounds = None if upper == np.inf else np.full(k, upper, dtype)
    some.solve(G0=None if ridge == 0 else G0, upper=bounds)
    for i in np.flatnonzero(some.total):
        lin = some.lin.astype("f8")
        mine, _ = some.objective(i, some.W[i, :k].astype("f8"), lin, G0.astype("f8"))
        assert mine <= best_objective(some, i, lin, G0.astype("f8"), upper) + 10 * FINE[dtype] * some.total[i]


@kinds
@unhurried
@given(
    seed=seeds,
    k=st.integers(1, 21),
    own=st.booleans(),
    bounded=st.booleans(),
    ridge=st.booleans(),
    held=st.integers(0, 3),
)
def test_conditions_hold_with_side_terms(dtype, stored, index_dtype, seed, k, own, bounded, ridge, held):
    some, rng, held = Counts(seed, 8, k, dtype, stored, index_dtype), np.random.default_rng(seed), min(held, k)
    lin = (some.lin + rng.random((8, k) if own else k)).astype(dtype)
    X = rng.random((k, k))
    G0 = (X @ X.T).astype(dtype) if ridge else None
    upper = np.where(rng.random(k) < 0.5, np.inf, 0.5).astype(dtype) if bounded else np.full(k, np.inf, dtype)
    given_W = rng.random((8, k)).astype(dtype)
    _, unconverged, _ = some.solve(lin=lin, G0=G0, W=given_W, upper=upper if bounded else None, held=held)
    assert unconverged == 0
    assert (some.W[:, :held] == given_W[:, :held]).all()
    assert (some.W[:, held:k] <= upper[held:]).all()
    assert (some.W[:, k:] == 0).all()
    assert (some.W[some.total == 0, held:] == 0).all()
    assert some.violation(lin, G0, upper, held) <= 3 * FINE[dtype]


@pytest.mark.parametrize("k", [1, 4, 20, 45])
@pytest.mark.parametrize("options", [{}, {"held": 1}, {"upper": True}, {"G0": True}])
def test_row_is_the_same_to_the_last_bit_in_any_block(k, options):
    some = Counts(k, 25, k)
    given_W = np.random.default_rng(k).random((25, k))
    lin = (some.lin + given_W).astype("f4")
    options = dict(options, tolerance=1e-3)
    options.update(
        {
            name: value
            for name, value in (("upper", np.full(k, 0.6, "f4")), ("G0", np.eye(k, dtype="f4")))
            if name in options
        }
    )
    some.solve(lin=lin, W=given_W, **options)
    W, y = some.W.copy(), some.y.copy()
    for low, high in ((0, 1), (3, 11), (11, 25)):
        some.solve(low, high, lin=lin[low:high], W=given_W[low:high], **options)
        at = slice(some.indptr[low], some.indptr[high])
        assert some.W.tobytes() == W[low:high].tobytes()
        assert some.y[at].tobytes() == y[at].tobytes()
        assert np.isnan(some.y[: some.indptr[low]]).all()


def test_sums_of_rows_and_columns_are_those_of_the_data():
    some = Counts(3, 20, 6)
    some.solve()
    assert np.allclose(some.W[:, :6] @ some.lin, some.total, rtol=1e-5)


def test_scale_is_exact_with_a_ridge():
    some, G0 = Counts(4, 20, 6), np.full((6, 6), 0.3, "f4")
    some.solve(G0=G0, tolerance=0.5, max_steps=1)
    w = some.W[:, :6].astype("f8")
    assert np.allclose(w @ some.lin + np.einsum("mk,kl,ml->m", w, G0, w), some.total, rtol=1e-5)


@pytest.mark.parametrize("size", [1, 3, 60])
def test_entries_that_meet_only_zeros_are_counted_and_nothing_is_nan(size):
    some = Counts(5, 20, 4)
    empty = np.unique(some.indices[some.data > 0])[:size]
    some.HT[empty] = 0
    meets = np.zeros(20, bool)
    meets[some.row_of[np.isin(some.indices, empty) & (some.data > 0)]] = True
    divergence, unconverged, _ = some.solve()
    assert unconverged == meets.sum() > 0
    assert np.isfinite(divergence)
    assert np.isfinite(some.W).all()
    least = np.float32(LEAST) * some.total[some.row_of].astype("f4")
    assert (some.y >= 0.99 * least).all()
    r, c = np.empty_like(some.y), np.empty_like(some.y)
    weights(some.data, some.y, r, c)
    assert np.isfinite(r).all()
    assert np.isfinite(c).all()


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_scale_of_the_components_changes_nothing(scale):
    one, other = Counts(6, 20, 5), Counts(6, 20, 5)
    other.HT, other.lin = one.HT * np.float32(scale), one.lin * np.float32(scale)
    results = one.solve(), other.solve()
    assert abs(results[0][0] - results[1][0]) <= 1e-3 * one.total.sum()
    assert np.allclose(one.W, scale * other.W, atol=1e-2 * one.W.max())


def test_component_without_a_linear_part_stays_at_zero():
    some = Counts(7, 20, 5)
    some.HT[:, 2], some.lin[2] = 0, 0
    assert some.solve()[1] == 0
    assert (some.W[:, 2] == 0).all()


@pytest.mark.slow  # takes a compilation
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_row_that_is_not_finite_is_not_silently_zero(value):
    some = Counts(9, 20, 5, stored="f4")
    some.data[some.indptr[4]] = value
    divergence, _, _ = some.solve()
    assert not np.isfinite(divergence)
    assert not np.isfinite(some.W[4]).all()
    assert np.isfinite(some.W[np.arange(20) != 4]).all()


def test_steps_end_at_their_most():
    some = Counts(8, 20, 10)
    _, unconverged, steps = some.solve(tolerance=1e-6, max_steps=1)
    assert unconverged > 0
    assert steps == (some.total > 0).sum()


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [("f4", "i4"), pytest.param("f8", "u2", marks=pytest.mark.slow), pytest.param("f8", "f8", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("size", [0, 1, 15, 16, 100])
def test_value_and_weights_are_those_of_their_formulas(dtype, stored, size):
    rng = np.random.default_rng(size)
    a, y = rng.poisson(1, size).astype(stored), np.exp(rng.uniform(-20, 20, size)).astype(dtype)
    r, c = np.empty_like(y), np.empty_like(y)
    weights(a, y, r, c)
    a8, y8 = a.astype("f8"), y.astype("f8")
    assert np.allclose(r, a8 / y8, rtol=CLOSE[dtype])
    assert np.allclose(c, a8 / y8**2, rtol=CLOSE[dtype])
    terms = xlogy(a8, a8 / y8), a8, y8
    assert abs(value(a, y) - (terms[0] - a8 + y8).sum()) <= CLOSE[dtype] * sum(np.abs(term).sum() for term in terms)


@pytest.mark.parametrize(
    "change",
    [{"y": np.zeros(3, "f4")}, {"y": np.zeros(40, "f8")}, {"W": np.zeros((9, 8), "f4")}, {"W": np.zeros((10, 8), "f8")},
     {"lin": np.zeros((3, 5), "f4")}, {"lin": np.zeros(9, "f4")}, {"held": 6}, {"indices": np.zeros(41, "i4")},
     {"HT": np.zeros((7, 5), "f4"), "W": np.zeros((10, 5), "f4")},
     {"G0": np.zeros((4, 4), "f4")}, {"upper": np.zeros(4, "f4")}],
)  # fmt: skip
def test_shapes_that_do_not_agree_are_refused(change):
    right = {
        "data": np.zeros(40, "i4"), "indices": np.zeros(40, "i4"), "indptr": np.arange(11) * 4,
        "HT": np.zeros((7, 8), "f4"), "lin": np.zeros(5, "f4"), "G0": None, "W": np.zeros((10, 8), "f4"),
        "y": np.zeros(40, "f4"), "tolerance": 1e-3, "max_steps": 3, "held": 0, "upper": None,
    }  # fmt: skip
    with pytest.raises(ValueError, match="must agree"):
        solve_rows(**{**right, **change})


@pytest.mark.parametrize("entries", [0, 1, 1000])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_bytes_of_a_solve_are_those_of_its_longest_row(entries, dtype):
    assert solve_bytes(entries, 24, dtype) == sum(array.nbytes for array in new_entries(entries, 24, np.dtype(dtype)))
