"""Sums of all rows, estimated from some of them and from what the last pass folded."""

import numpy as np
import pytest

from dnmf.passes.problem import solve_for_rows
from dnmf.passes.visit import visit_group
from dnmf.passes.work import Work
from dnmf.plan import Group
from dnmf.schemes.estimated import EstimatedSums
from dnmf.schemes.least_squares import LeastSquares
from dnmf.sources import open_source

pytestmark = pytest.mark.numeric

A = np.random.default_rng(0).random((90, 20))
H0, NEAR = np.random.default_rng(1).random((2, 4, 20))


def sums_of(rows, H):
    work = Work((solve_for_rows(H),), "float64")
    return visit_group(open_source(rows), Group(0, len(rows), ((0, len(rows)),)), work).models[0]


def estimated(some, damping=0.0):
    return EstimatedSums(sums_of(A, H0), sums_of(some, H0), len(A) / len(some), H0, damping)


@pytest.mark.parametrize("count", [10, 45, 90])
def test_they_are_exact_where_the_last_pass_was(count):
    found, exact = estimated(A[:count]).at(sums_of(A[:count], H0)), sums_of(A, H0)
    for name in ("G", "P", "s"):
        assert np.allclose(getattr(found, name), getattr(exact, name), rtol=1e-12)


def test_they_are_exact_everywhere_where_the_sample_has_all_rows():
    found, exact = estimated(A).at(sums_of(A, NEAR)), sums_of(A, NEAR)
    for name in ("G", "P", "s"):
        assert np.allclose(getattr(found, name), getattr(exact, name), rtol=1e-10)


def test_near_the_last_pass_they_are_nearer_than_those_of_the_sample_alone():
    close = H0 + 0.05 * NEAR
    some, exact = A[::3], sums_of(A, close).P
    alone = 3 * sums_of(some, close).P
    assert np.linalg.norm(estimated(some).at(sums_of(some, close)).P - exact) < 0.2 * np.linalg.norm(alone - exact)


@pytest.mark.parametrize("damping", [0.0, 0.3])
def test_damping_is_a_part_of_the_objective_that_grows_with_the_way_from_the_last_pass(damping):
    scheme, squares = LeastSquares(), float((A**2).sum())
    estimate, plain = estimated(A, damping), sums_of(A, NEAR)
    loss = scheme.measure(plain, NEAR, squares).loss
    damped = scheme.measure(estimate.at(plain), NEAR, estimate.squares(squares)).objective
    way = 0.5 * damping * np.diag(estimate.of_all.G) @ ((NEAR - H0) ** 2).sum(axis=1)
    assert estimate.distance(NEAR) == pytest.approx(way)
    assert damped == pytest.approx(loss + way)


def test_sums_that_no_rows_have_are_told_from_others():
    """One heavy row of the sample moves away from a component: fifteen like it would take more than there is."""
    rows = np.vstack([1e3 * H0[0], A[1:90]])
    some = rows[:6]
    estimate = EstimatedSums(sums_of(rows, H0), sums_of(some, H0), 15.0, H0, 0.1)
    away = np.vstack([H0[1], 1e-3 * H0[1:]])
    assert estimate.means_something(estimate.at(sums_of(some, H0)))
    assert not estimate.means_something(estimate.at(sums_of(some, away + H0[0] * np.eye(4)[1][:, None])))
