"""Updates of H say what they take; every one keeps what an update promises."""

import numpy as np
import pytest
import scipy.optimize

import dnmf
from dnmf.errors import InputError
from dnmf.kernels.packed import pack, unpack
from dnmf.passes.terms import Terms
from dnmf.schemes.column_blocks import SharedProblem
from dnmf.schemes.columns import Aim
from dnmf.schemes.updates import COORDINATE_DESCENT, UPDATES, WANTS, CoordinateDescent, OwnProblem, update_named

pytestmark = pytest.mark.numeric

K, N = 4, 12


class UpdateContract:
    """Subclasses say which `update`; it says itself what it takes, and whether it is exact and never rises."""

    update = COORDINATE_DESCENT

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

    @pytest.fixture(autouse=True)
    def taken(self, request):
        terms = getattr(request.node, "callspec", None) and request.node.callspec.params.get("terms")
        wanted = {"l1": terms.l1 > 0, "bounds": terms.upper < np.inf} if terms else {}
        if any(wanted[want] and want not in self.update.takes for want in wanted):
            pytest.skip("it does not take this")

    @pytest.mark.parametrize("terms", TERMS)
    def test_the_objective_does_not_rise(self, problem, terms):
        if not self.update.descends:
            pytest.skip("it may")
        W, A, H = problem
        before = np.minimum(H, terms.upper)
        for _ in range(5):
            after = self.found((W, A, before), terms)
            assert self.cost(problem, terms, after) <= self.cost(problem, terms, before) + 1e-12
            before = after

    @pytest.mark.parametrize("terms", TERMS)
    def test_a_minimum_stays(self, problem, terms):
        W, A, _ = problem
        best = COORDINATE_DESCENT.shared(
            SharedProblem(terms.edit_gram(W.T @ W), A.T @ W, problem[2], terms), Aim.at(problem[2].dtype, None)
        ).H
        free_of_bounds = (best > 0).all(axis=0) & (best < terms.upper).all(axis=0)
        which = slice(None) if self.update.descends else free_of_bounds
        np.testing.assert_allclose(self.found((W, A, best), terms)[:, which], best[:, which], atol=1e-9)

    @pytest.mark.parametrize("terms", TERMS)
    def test_entries_are_between_their_bounds(self, problem, terms):
        found = self.found(problem, terms)
        assert found.min() >= 0
        assert found.max() <= terms.upper

    @pytest.mark.parametrize("terms", TERMS[:2])
    def test_the_conditions_of_a_minimum_hold(self, problem, terms):
        if not self.update.exact:
            pytest.skip("it is not exact")
        W, A, _ = problem
        found = self.found(problem, terms)
        slope = terms.edit_gram(W.T @ W) @ found - (A.T @ W - terms.l1).T
        assert slope[found == 0].min(initial=0) >= -1e-8
        np.testing.assert_allclose(slope[found > 0], 0, atol=1e-8)

    def test_columns_with_gram_matrices_of_their_own(self, problem):
        if "own gram" not in self.update.takes:
            pytest.skip("it takes none")
        problem = self.own_problem()
        if self.update.exact:
            self.assert_exact(problem)
        else:
            self.assert_lower(problem)

    @staticmethod
    def own_problem():
        rng = np.random.default_rng(1)
        M, B = rng.random((N, 6, K)), rng.random((N, K))
        Q, zeros, most = pack(np.einsum("jaq,jal->jql", M, M)), np.zeros((N, K)), np.full((N, K), np.inf)
        lower, upper = zeros.copy(), most.copy()
        lower[:, 0] = upper[:, 0] = 0.2
        return OwnProblem(Q, B, np.clip(rng.random((N, K)), lower, upper), lower, upper, np.eye(K))

    def assert_exact(self, problem):
        found, violations = self.update.own(problem, 1e-12, 5000)
        assert violations.max() < 1e-10
        for q, b, x in zip(unpack(problem.Q) + np.eye(K), problem.B, found, strict=True):
            root = np.linalg.cholesky(q[1:, 1:]).T
            best, _ = scipy.optimize.nnls(root, np.linalg.solve(root.T, b[1:] - 0.2 * q[1:, 0]))
            np.testing.assert_allclose(x, [0.2, *best], atol=1e-8)

    def assert_lower(self, problem):
        def cost(X):
            return [
                0.5 * x @ (q + np.eye(K)) @ x - b @ x for q, b, x in zip(unpack(problem.Q), problem.B, X, strict=True)
            ]

        found, _ = self.update.own(problem, 1e-12, 5000)
        assert np.less(cost(found), cost(problem.start)).all()
        assert (found >= 0).all()
        np.testing.assert_array_equal(found[:, 0], 0.2)

    def test_a_column_is_the_same_to_the_last_bit_in_any_company(self, problem):
        W, A, H = problem
        P, aim = A.T @ W, Aim.at(H.dtype, None)
        whole, *parts = (
            self.update.shared(SharedProblem(W.T @ W, P[at], H[:, at], Terms()), aim).H
            for at in (slice(None), slice(0, 1), slice(1, 8), slice(8, None))
        )
        assert np.concatenate(parts, axis=1).tobytes() == whole.tobytes()

    def test_float32_comes_near_to_float64(self, problem):
        W, A, H = problem
        single = self.found((W, A, H.astype(np.float32)), Terms())
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, self.found(problem, Terms()), atol=2e-4)

    def test_a_column_of_zeros_comes_to_zero(self, problem):
        W, A, H = problem
        A, before = A * (np.arange(N) != 3), H[:, 3].sum()
        for _ in range(40):
            H = self.found((W, A, H), Terms())
        assert H[:, 3].sum() < 0.1 * before

    @pytest.mark.parametrize("size", [1e-15, 1e15])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_the_size_of_the_data_changes_nothing(self, problem, size, dtype):
        W, A, H = problem
        usual = self.found((W, A, H.astype(dtype)), Terms())
        found = self.found((W, size * A, (size * H).astype(dtype)), Terms())
        np.testing.assert_allclose(found / size, usual, rtol=1e-4, atol=1e-5)

    def test_a_dead_component_is_zero(self, problem):
        W, A, H = problem
        assert not self.found((W * [1, 1, 0, 1], A, H), Terms())[2].any()


class TestCoordinateDescent(UpdateContract):
    update = COORDINATE_DESCENT


class TestBlockPivoting(UpdateContract):
    update = UPDATES["bpp"]


class TestHALS(UpdateContract):
    update = UPDATES["hals"]


class TestMultiplicative(UpdateContract):
    update = UPDATES["mu"]


class TestProjectedGradient(UpdateContract):
    update = UPDATES["pg"]


class TestObliqueLandweber(UpdateContract):
    update = UPDATES["opl"]


class TestInteriorGradient(UpdateContract):
    update = UPDATES["ipg"]


class TestAlternatingDirections(UpdateContract):
    update = UPDATES["admm"]


class TestTruncatedLeastSquares(UpdateContract):
    update = UPDATES["als"]


class TestFiveSweepsOfHALS(UpdateContract):
    update = UPDATES["hals"].of_sweeps(5)


def test_what_an_update_takes_are_things_that_are_asked_for():
    assert set().union(*(update.takes for update in UPDATES.values())) == set(WANTS)


def test_every_update_keeps_the_contract():
    kept = {each.update.name for each in UpdateContract.__subclasses__()}
    assert kept == set(UPDATES)


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
