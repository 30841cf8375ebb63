"""What every loss promises; a new one inherits these tests by saying which it is, and where it may be evaluated."""

import itertools

import numpy as np
import pytest
import scipy.optimize

from dnmf.kernels.packed import unpack
from dnmf.kernels.padding import pad_columns
from dnmf.losses import Loss
from dnmf.passes.entries import Entries
from dnmf.passes.newton import RowProblem, solve_rows
from dnmf.passes.terms import Terms
from dnmf.passes.visitors.curved import SolveCurvedRows
from dnmf.passes.visitors.visitor import Block
from dnmf.schemes.curved import Divergence
from dnmf.sources.rows import CsrRows

RANK = 3


class LossContract:
    """Subclasses say the `loss`, and the values and predictions at which it is looked at in fixtures `a` and `y`."""

    loss: Loss
    slack = 1e-6  # of the loss of rows, which a loss that is not convex may not find

    @pytest.fixture
    def a(self):
        return np.random.default_rng(0).gamma(2.0, 1.0, 40)

    @pytest.fixture
    def y(self):
        return np.random.default_rng(1).gamma(2.0, 1.0, 40) + 0.1

    @pytest.fixture
    def A(self):
        """A matrix that it is for (30, 12)."""
        rng = np.random.default_rng(2)
        return rng.gamma(0.7, 1.0, (30, RANK)) @ rng.gamma(0.7, 1.0, (RANK, 12)) * rng.gamma(5.0, 0.2, (30, 12)) + 0.01

    def whole(self, A, P):
        """The loss of all entries."""
        a, p = A.ravel(), P.ravel()
        seen = a != 0 if self.loss.zero_is_free else np.ones(len(a), bool)
        return self.loss.total(a[seen], p[seen]) + self.loss.linear * p.sum()

    def test_r_is_the_slope(self, a, y):
        h = 1e-6 * np.maximum(1.0, np.abs(y))
        slope = (self.loss.value(a, y + h) - self.loss.value(a, y - h)) / (2 * h)
        np.testing.assert_allclose(-self.loss.weights(a, y)[0], slope, rtol=1e-5, atol=1e-7)

    def test_c_is_not_negative_and_weights_have_the_dtype_of_predictions(self, a, y):
        for dtype in (np.float32, np.float64):
            r, c = self.loss.weights(a, y.astype(dtype))
            assert r.dtype == c.dtype == dtype
            assert (c >= 0).all()

    def test_the_total_is_the_sum_of_values_times_weights(self, a, y):
        weights = np.random.default_rng(3).random(40)
        assert self.loss.total(a, y) == pytest.approx(self.loss.value(a, y).sum(), rel=1e-12)
        assert self.loss.total(a, y, weights) == pytest.approx(self.loss.value(a, y) @ weights, rel=1e-12)

    def test_a_zero_that_is_free_has_no_value_and_no_slope(self, y):
        if not self.loss.zero_is_free:
            pytest.skip("zeros of this loss are not free")
        nothing = np.zeros(40)
        assert not self.loss.value(nothing, y).any()
        assert not self.loss.weights(nothing, y)[0].any()

    def sums_for(self, A, H, **more):
        visitor = SolveCurvedRows.for_factor(self.loss, H, Terms(), tolerance=1e-9, **more)
        sums = visitor.begin(A.shape[1], "float64", residual=False)
        visitor.visit(Block(A, 0), sums, None)
        return sums.finish()

    def test_what_is_folded_is_what_the_naive_loop_folds(self, A):
        H = np.random.default_rng(4).random((RANK, 12)) + 0.1
        sums = self.sums_for(A, H)
        W = self.best_rows(A, H)
        P = np.maximum(W @ H, 1e-12)
        r, c = (part.reshape(A.shape) for part in self.loss.weights(A.ravel(), P.ravel()))
        scale = max(1.0, np.abs(r.T @ W).max())
        np.testing.assert_allclose(sums.N, r.T @ W, atol=1e-4 * scale)
        np.testing.assert_allclose(unpack(sums.Q), np.einsum("ij,iq,il->jql", c, W, W), rtol=1e-3, atol=1e-6)
        assert sums.value == pytest.approx(self.whole(A, P), rel=1e-8)

    def best_rows(self, A, H):
        """Rows found by something else."""
        found = []
        for row in A:
            cost = lambda w, row=row: self.whole(row[None], np.maximum(w @ H, 1e-12)[None])  # noqa: E731
            starts = [np.full(RANK, row.mean() / H.mean() / RANK)]
            best = min(
                (scipy.optimize.minimize(cost, x, method="L-BFGS-B", bounds=[(0, None)] * RANK,
                                         options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 2000}) for x in starts),
                key=lambda end: end.fun,
            )  # fmt: skip
            found.append(best.x)
        return np.array(found)

    def test_rows_are_no_worse_than_those_of_another_solver(self, A):
        H = np.random.default_rng(4).random((RANK, 12)) + 0.1
        other = self.whole(A, self.best_rows(A, H) @ H)
        assert self.sums_for(A, H).value <= other + self.slack * abs(other)

    def test_the_best_multiple_of_a_column_is_the_best(self, A):
        """Where the loss says what it is: r and Q there are those that a fold there would find."""
        H = np.random.default_rng(4).random((RANK, 12)) + 0.1
        W = self.best_rows(A, H)
        h, P = H.T.copy(), W @ H

        def folded(P):
            r, c = (part.reshape(A.shape) for part in self.loss.weights(A.ravel(), P.ravel()))
            return (r - self.loss.linear).T @ W, np.einsum("ij,iq,il->jql", c, W, W)

        N, Q = folded(P)
        t, at_t, shrunk = self.loss.on_ray(N, np.einsum("jql,jl->jq", Q, h), h)
        again, Q_again = folded(P * t)
        np.testing.assert_allclose(at_t, again, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(Q * shrunk[:, None, None], Q_again, rtol=1e-8)
        costs = [self.whole(A, P * (t * factor)) for factor in (0.99, 1.0, 1.01)]
        assert np.array_equal(t, np.ones(12)) or costs[1] == min(costs)

    def test_the_objective_of_accepted_passes_never_rises(self, A):
        scheme, H = Divergence(loss=self.loss), np.random.default_rng(5).random((RANK, 12)) + 0.1
        H, values = scheme.enter(H), []
        for _ in range(12):
            sums = self.sums_for(A, H)
            values.append(sums.value)
            H = scheme.update(sums, H).H
        assert all(b <= a + 1e-7 * abs(a) for a, b in itertools.pairwise(values))

    def test_a_weight_of_two_is_the_entry_twice_and_a_weight_of_zero_none(self, A):
        H = np.random.default_rng(4).random((RANK, 12)) + 0.1
        whole, n = A[:1], A.shape[1]
        HT = pad_columns(H.T.copy())
        weights = np.ones(n)
        weights[0], weights[1] = 2.0, 0.0
        twice = [0, 0, *range(2, n)]
        lin = self.loss.linear * (weights[:, None] * H.T).sum(axis=0)
        found = []
        for columns, of_each in ((np.arange(n), weights), (np.array(twice), None)):
            entries = Entries(whole[0, columns], columns.astype(np.int32), np.array([0, len(columns)]), of_each)
            W = pad_columns(np.full((1, RANK), A.mean() / H.sum(axis=0).mean()))
            assert solve_rows(RowProblem(self.loss, HT, lin, None, np.inf, 0), entries, W, 1e-9) == 0
            found.append(W[0, :RANK].copy())
        np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-7)

    @pytest.mark.parametrize("sparse", [False, True])
    def test_what_has_the_weight_of_zero_adds_nothing_whatever_is_there(self, A, sparse):
        """Sources put a zero there, which may be infinitely far from what is predicted."""
        H = np.random.default_rng(4).random((RANK, A.shape[1])) + 0.1
        visitor = SolveCurvedRows.for_factor(self.loss, H, Terms(), observed=True, first=True)
        weights = np.random.default_rng(3).integers(0, 3, A.shape).astype(float)
        weights[4], found = 0.0, []
        for counts in (np.ones(A.shape, bool), weights > 0):
            values, offsets = np.where(weights > 0, A, 0.0), np.append(0, np.cumsum(counts.sum(axis=1)))
            rows = CsrRows(values[counts], np.nonzero(counts)[1].astype(np.int32), offsets)
            block = Block(rows, 0, None, weights[counts]) if sparse else Block(values, 0, None, weights)
            sums = visitor.begin(A.shape[1], "float64", residual=False)
            visitor.visit(block, sums, None)
            found.append(sums.finish())
        one, other = found
        assert np.isfinite([one.value, one.whole]).all()
        assert (one.value, one.whole) == (other.value, other.whole)
        np.testing.assert_array_equal(one.N, other.N)
