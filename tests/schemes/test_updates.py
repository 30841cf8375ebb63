"""Updates of H say what they take; every one keeps what an update promises."""

import numpy as np
import pytest
import scipy.optimize

import dnmf
from dnmf.errors import InputError
from dnmf.kernels.packed import pack, unpack
from dnmf.passes.terms import Terms
from dnmf.schemes.columns import Aim, SharedProblem
from dnmf.schemes.updates import COORDINATE_DESCENT, UPDATES, WANTS, CoordinateDescent, OwnProblem, update_named

pytestmark = pytest.mark.numeric

K, N = 4, 12


class UpdateContract:
    """Subclasses say which `update`, and whether it is exact."""

    update = COORDINATE_DESCENT
    exact = True

    @pytest.fixture
    def problem(self):
        rng = np.random.default_rng(0)
        W, A, H = rng.random((30, K)), rng.random((30, N)), rng.random((K, N))
        return W, A, H

    def found(self, problem, terms):
        W, A, H = problem
        aim = Aim.at(H.dtype, None)
        return self.update.shared(SharedProblem(terms.edit_gram(W.T @ W), A.T @ W, H, terms), aim).H

    def cost(self, problem, terms, H):
        W, A, _ = problem
        Q = terms.edit_gram(W.T @ W)
        return 0.5 * np.vdot(Q @ H, H) - np.vdot((A.T @ W - terms.l1).T, H)

    TERMS = (Terms(), Terms(l1=1.0, l2=2.0), Terms(upper=0.1), Terms(angular=0.5))

    @pytest.mark.parametrize("terms", TERMS)
    def test_the_objective_does_not_rise(self, problem, terms):
        start = np.minimum(problem[2], terms.upper)
        assert self.cost(problem, terms, self.found(problem, terms)) <= self.cost(problem, terms, start)

    @pytest.mark.parametrize("terms", TERMS)
    def test_entries_are_between_their_bounds(self, problem, terms):
        found = self.found(problem, terms)
        assert found.min() >= 0
        assert found.max() <= terms.upper

    @pytest.mark.parametrize("terms", TERMS[:2])
    def test_the_conditions_of_a_minimum_hold(self, problem, terms):
        if not self.exact:
            pytest.skip("it is not exact")
        W, A, _ = problem
        found = self.found(problem, terms)
        slope = terms.edit_gram(W.T @ W) @ found - (A.T @ W - terms.l1).T
        assert slope[found == 0].min(initial=0) >= -1e-8
        np.testing.assert_allclose(slope[found > 0], 0, atol=1e-8)

    def test_columns_with_gram_matrices_of_their_own(self, problem):
        if "own gram" not in self.update.takes:
            pytest.skip("it takes none")
        rng = np.random.default_rng(1)
        M, B = rng.random((N, 6, K)), rng.random((N, K))
        Q, zeros, most = pack(np.einsum("jaq,jal->jql", M, M)), np.zeros((N, K)), np.full((N, K), np.inf)
        lower, upper = zeros.copy(), most.copy()
        lower[:, 0] = upper[:, 0] = 0.2
        problem = OwnProblem(Q, B, np.maximum(zeros, lower), lower, upper, np.eye(K))
        found, violations = self.update.own(problem, 1e-12, 5000)
        assert violations.max() < 1e-10
        for q, b, x in zip(unpack(Q) + np.eye(K), B, found, strict=True):
            root = np.linalg.cholesky(q[1:, 1:]).T
            best, _ = scipy.optimize.nnls(root, np.linalg.solve(root.T, b[1:] - 0.2 * q[1:, 0]))
            np.testing.assert_allclose(x, [0.2, *best], atol=1e-8)


class TestCoordinateDescent(UpdateContract):
    update = COORDINATE_DESCENT


class Simple(CoordinateDescent):
    name = "simple"
    takes = frozenset({"l1"})


@pytest.mark.parametrize("want", sorted(set(WANTS) - Simple.takes))
def test_what_an_update_does_not_take_is_refused_with_those_that_do(want):
    with pytest.raises(InputError, match="'simple' does not take .*use solver='cd'"):
        update_named("simple", [want], {**UPDATES, "simple": Simple()})


def test_what_none_takes_together_is_said_so():
    with pytest.raises(InputError, match="no solver takes all of this"):
        update_named("simple", ["bounds"], {"simple": Simple()})


def test_a_name_that_is_not_known_is_refused_with_those_that_are():
    with pytest.raises(InputError, match="solver='newton': use one of cd"):
        dnmf.fit(np.ones((5, 4)), 1, solver="newton")


def test_an_update_is_what_a_scheme_updates_with(monkeypatch):
    calls = []

    class Counting(CoordinateDescent):
        name = "counting"

        def shared(self, problem, aim):
            calls.append(1)
            return super().shared(problem, aim)

    monkeypatch.setitem(UPDATES, "counting", Counting())
    model = dnmf.fit(np.random.default_rng(0).random((40, 10)), 2, solver="counting")
    assert model.options.solver == "counting"
    assert len(calls) == len(model.history) - 1
