"""The scale between the factors for which a penalty is least: closed forms, a convex oracle, invariances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from dnmf.passes.statistics import ModelSums
from dnmf.penalty import Penalty
from dnmf.schemes.balance import Sizes, balance, common_scale, sizes_of, start_scale

pytestmark = pytest.mark.numeric

size = st.floats(1e-6, 1e6)
sizes = st.tuples(size, size, size, size)


def one(W1=0.0, W2=0.0, H1=0.0, H2=0.0):
    return Sizes(*(np.array([value]) for value in (W1, W2, H1, H2)))


def penalty_at(sizes, t):
    return float(sizes.scaled(t, 1 / t).total)


@pytest.mark.parametrize(
    ("given_sizes", "t"),
    [
        (one(W1=2, H1=50), 5),  # √(h/w)
        (one(W2=2, H2=162), 3),  # (h/w)^¼
        (one(W1=2, H2=27), 3),  # (2h/w)^⅓
        (one(W2=1, H1=16), 2),  # (h/2w)^⅓
    ],
)
def test_one_degree_on_each_side_has_a_closed_form(given_sizes, t):
    assert balance(given_sizes)[0] == pytest.approx(t, rel=1e-14)


@given(sizes)
def test_an_elastic_net_is_balanced_at_the_root_of_its_quartic(values):
    W1, W2, H1, H2 = values
    t = balance(one(*values))[0]
    assert 2 * W2 * t**4 + W1 * t**3 == pytest.approx(H1 * t + 2 * H2, rel=1e-12)


@given(sizes)
def test_no_other_scale_has_a_smaller_penalty(values):
    t = balance(one(*values))[0]
    least = penalty_at(one(*values), t)
    found = minimize_scalar(lambda u: penalty_at(one(*values), np.exp(u)), bracket=(np.log(t) - 1, np.log(t) + 1))
    assert least <= found.fun * (1 + 1e-9)


@pytest.mark.slow
@given(sizes, st.floats(-100, 100))
def test_where_the_factors_stood_before_does_not_matter(values, log_scale):
    scale = 10.0**log_scale
    before, after = one(*values), one(*values).scaled(scale, 1 / scale)
    assert balance(after)[0] * scale == pytest.approx(balance(before)[0], rel=1e-9)


def test_each_component_is_balanced_as_if_it_were_alone():
    rng = np.random.default_rng(0)
    many = Sizes(*rng.random((4, 6)))
    alone = [balance(Sizes(*(part[q : q + 1] for part in many[:4])))[0] for q in range(6)]
    np.testing.assert_allclose(balance(many), alone, rtol=1e-12)


@pytest.mark.parametrize("nothing", [one(W1=3), one(H2=3), one(), one(W1=3, W2=1)])
def test_a_component_with_a_zero_factor_or_a_free_one_keeps_its_scale(nothing):
    assert balance(nothing)[0] == 1


@given(st.floats(0.01, 100), st.floats(0.01, 100), sizes)
def test_the_common_scale_is_where_the_objective_has_its_local_minimum(cross, gram, values):
    here = one(*values)

    def objective(x):
        return 0.5 * gram * x**4 - cross * x**2 + penalty_at(here.scaled(x, x), 1.0)

    x = common_scale(cross, gram, here)
    if x != 1.0:
        nearby = x * np.array([1 - 1e-3, 1 + 1e-3])
        assert objective(x) <= min(map(objective, nearby)) + 1e-9 * abs(objective(x))


@pytest.mark.parametrize("off_by", [1e-6, 1.0, 1e6])
def test_a_start_ends_at_the_same_balanced_scale_wherever_it_was(off_by):
    rng = np.random.default_rng(1)
    A, H = rng.random((30, 12)), rng.random((3, 12))
    W = rng.random((30, 3)) / off_by
    sums = ModelSums(W.T @ W, A.T @ W, W.sum(axis=0), np.zeros(3))
    penalty = Penalty(l1=(0.2, 0.4), l2=(0.1, 0), scale="objective")
    of_W, of_H = start_scale(penalty, sums, H * off_by)
    balanced = sizes_of(penalty, sums.scaled(of_W), H * off_by * of_H[:, None])
    np.testing.assert_allclose(balance(balanced), 1, rtol=1e-9)
    product = np.einsum("ik,k,kj->ij", W * of_W, np.ones(3), H * off_by * of_H[:, None])
    ratio = product / (W @ (H * off_by))
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-9)  # one scale for all components
