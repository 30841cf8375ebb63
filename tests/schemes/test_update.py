"""The small problem in memory: the objective from sums alone, the update of H, its gradient."""

import naive
import numpy as np
import pytest

from dnmf.passes.statistics import ModelSums
from dnmf.penalty import Penalty
from dnmf.schemes.normalized import normalize_rows
from dnmf.schemes.of_options import least_squares

pytestmark = pytest.mark.numeric

rng = np.random.default_rng(0)
A = rng.random((40, 15))
W = rng.random((40, 4))
H = rng.random((4, 15))
SUMS = ModelSums(W.T @ W, A.T @ W, W.sum(axis=0), np.zeros(4))
BOTH = Penalty(l1=(0.2, 0.3), l2=(0.4, 0.5), scale="objective")


def dense_objective(W, H, penalty):
    value = 0.5 * ((A - W @ H) ** 2).sum()
    if penalty.scale == "objective":
        value += penalty.l1[0] * W.sum() + 0.5 * penalty.l2[0] * (W**2).sum()
        value += penalty.l1[1] * H.sum() + 0.5 * penalty.l2[1] * (H**2).sum()
    return value


@pytest.mark.parametrize("penalty", [Penalty(), BOTH, Penalty(l1=0.1, scale="absolute")], ids=lambda p: p.scale)
def test_the_objective_from_the_sums_is_the_dense_one(penalty):
    measured = least_squares(penalty).measure(SUMS, H, (A**2).sum())
    assert measured.objective == pytest.approx(dense_objective(W, H, penalty), rel=1e-12)
    assert measured.loss == pytest.approx(naive.loss(A, W, H), rel=1e-12)


def test_no_other_H_has_a_lower_objective_for_this_W():
    updated = least_squares(BOTH).update(SUMS, H).H
    best = dense_objective(W, updated, BOTH)
    for _ in range(50):
        other = np.maximum(updated + 0.05 * rng.normal(size=H.shape), 0)
        assert dense_objective(W, other, BOTH) >= best - 1e-9


def test_the_unpenalized_update_is_exact_and_normalized():
    exact = naive.nnls(W.T @ W, A.T @ W).T
    np.testing.assert_allclose(least_squares(Penalty()).update(SUMS, H).H, normalize_rows(exact)[0], atol=1e-9)


def test_the_absolute_update_is_rcppmls_half_step():
    penalty = Penalty(l1=(0, 0.001), l2=(0, 0.002), scale="absolute")
    scaled = W / W.sum(axis=0)
    exact = naive.nnls(scaled.T @ scaled + 0.002 * np.eye(4), A.T @ scaled - 0.001).T
    np.testing.assert_allclose(least_squares(penalty).update(SUMS, H).H, normalize_rows(exact)[0], atol=1e-9)


def test_the_projected_gradient_is_zero_at_the_update_and_not_before():
    sums = ModelSums(SUMS.G, SUMS.P, np.ones(4), np.zeros(4))  # columns of W taken as they are
    penalty = Penalty(scale="objective")
    assert least_squares(penalty).measure(sums, H, (A**2).sum()).gradient > 0.01
    assert least_squares(penalty).measure(sums, least_squares(penalty).update(sums, H).H, (A**2).sum()).gradient < 1e-9


def test_a_column_of_zeros_in_W_gives_a_row_of_zeros_in_H():
    dead = W.copy()
    dead[:, 2] = 0
    sums = ModelSums(dead.T @ dead, A.T @ dead, dead.sum(axis=0), np.zeros(4))
    updated = least_squares(Penalty()).update(sums, H).H
    assert (updated[2] == 0).all()
    assert least_squares(Penalty()).measure(sums, updated, (A**2).sum()).alive == 3
    np.testing.assert_allclose(updated.sum(axis=1), [1, 1, 0, 1])
