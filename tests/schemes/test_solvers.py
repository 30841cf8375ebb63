"""Solvers by name are those of the textbooks, and do what docs/algorithms.md says of them."""

import warnings

import numpy as np
import pytest
import scipy
import scipy.optimize
import scipy.sparse
from sklearn.decomposition import non_negative_factorization
from sklearn.exceptions import ConvergenceWarning

import dnmf
from dnmf.cli.amounts import SOLVERS
from dnmf.kernels.packed import pack
from dnmf.losses import loss_named
from dnmf.passes.own_sums import OwnSums
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.products import cross
from dnmf.passes.terms import Terms
from dnmf.passes.visitors.visitor import Block
from dnmf.penalty import Penalty
from dnmf.schemes.column_blocks import SharedProblem
from dnmf.schemes.columns import Aim
from dnmf.schemes.multiplied import MultipliedDivergence
from dnmf.schemes.updates import UPDATES
from dnmf.sources.rows import CsrRows

pytestmark = pytest.mark.numeric

SCIPY_LOSES_DIGITS = tuple(map(int, scipy.__version__.split(".")[:2])) < (1, 15)  # its nnls solved from the Gram matrix
SWEPT = [name for name, update in UPDATES.items() if not update.exact]
DESCENDING = [name for name, update in UPDATES.items() if update.descends]
TAKEN_BY_ALL = {"init": "random", "dtype": "float64", "tol": 0.0}


def small(seed=0, m=50, n=30, k=4):
    rng = np.random.default_rng(seed)
    A = rng.random((m, n)) * (rng.random((m, n)) < 0.6)
    scale = np.sqrt(A.mean() / k)
    return A, scale * (rng.random((m, k)) + 0.5), scale * (rng.random((k, n)) + 0.5)


def stepped(name, Gram, products, X, sweeps=1):
    """An update of the columns of X (k, n) from their Gram matrix (k, k) and products (n, k)."""
    problem = SharedProblem(Gram, products, X, Terms())
    return UPDATES[name].of_sweeps(sweeps).shared(problem, Aim.at(X.dtype, None)).H


def alternated(name, A, W, H, turns, sweeps=1):
    """Both factors updated in turn, W first, and the losses on the way."""
    losses = []
    for _ in range(turns):
        W = stepped(name, H @ H.T, A @ H.T, W.T, sweeps).T
        H = stepped(name, W.T @ W, A.T @ W, H, sweeps)
        losses.append(0.5 * np.linalg.norm(A - W @ H) ** 2)
    return W, H, np.array(losses)


def divergence_stepped(A, W, H):
    p = W @ H
    N, Q = (A / p).T @ W, np.einsum("ij,iq,il->jql", A / p**2, W, W)
    sums = OwnSums(G=W.T @ W, s=W.sum(axis=0), N=N, Q=pack(Q))
    scheme = MultipliedDivergence(
        Penalty(scale="objective"), loss=loss_named("kullback-leibler"), solver=UPDATES["mu"]
    )  # whose scale is fixed, so that nothing is normalized
    return scheme.update(sums, H).H


def scikit_learns(A, W, H, turns, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return non_negative_factorization(
            A, W=W.copy(), H=H.copy(), n_components=len(H), init="custom", max_iter=turns, tol=0, **options
        )[:2]


class TestSameIteratesAsScikitLearn:
    def test_multiplicative_updates(self):
        A, W, H = small()
        theirs = scikit_learns(A, W, H, 20, solver="mu")
        ours = alternated("mu", A, W, H, 20)[:2]
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)

    def test_multiplicative_updates_of_kullback_leibler(self):
        A, W, H = small()
        theirs = scikit_learns(A, W, H, 20, solver="mu", beta_loss="kullback-leibler")
        for _ in range(20):
            W = divergence_stepped(A.T, H.T, W.T).T
            H = divergence_stepped(A, W, H)
        for one, other in zip((W, H), theirs, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)

    def test_coordinate_descent_in_the_order_of_coordinates(self):
        A, W, H = small()
        theirs = scikit_learns(A, W, H, 20, solver="cd", shuffle=False)
        ours = alternated("hals", A, W, H, 20)[:2]
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)


def of_condition(condition, k=8, seed=0):
    """Profiles (60, k) that are not negative and whose Gram matrix has about this condition number."""
    rng = np.random.default_rng(seed)
    common, own = rng.random((60, 1)) + 0.5, rng.random((60, k)) - 0.5
    low, high = 1e-9, 1.0
    for _ in range(60):
        size = np.sqrt(low * high)
        M = common * (1 + size * own)
        low, high = (size, high) if np.linalg.cond(M) ** 2 > condition else (low, size)
    return M


@pytest.mark.parametrize("name", ["cd", "bpp"])
@pytest.mark.parametrize("condition", [1e2, 1e4, 1e6, 1e8])
def test_exact_solvers_are_scipys(name, condition):
    M, rng = of_condition(condition), np.random.default_rng(1)
    truth = rng.random((8, 200)) * (rng.random((8, 200)) < 0.5)
    A = M @ truth + 0.01 * rng.standard_normal((60, 200))
    X = stepped(name, M.T @ M, A.T @ M, rng.random((8, 200)))
    Q, R = np.linalg.qr(M)
    expected = np.array([scipy.optimize.nnls(R, b)[0] for b in A.T @ Q]).T
    left, best = (np.linalg.norm(A - M @ each, axis=0) for each in (X, expected))
    assert (left <= best * (1 + 1e-8)).all()
    if not SCIPY_LOSES_DIGITS:
        assert (np.linalg.norm(M @ (X - expected), axis=0) <= 1e-8 * np.linalg.norm(A, axis=0)).all()
        np.testing.assert_allclose(X, expected, atol=1e-8 if condition < 1e8 else 1e-7)


@pytest.mark.parametrize("name", ["cd", "bpp"])
def test_exact_solvers_agree_where_components_are_the_same_twice(name):
    M, rng = np.random.default_rng(0).random((40, 5)), np.random.default_rng(1)
    M[:, 4] = M[:, 1]
    A = rng.random((40, 30))
    X = stepped(name, M.T @ M, A.T @ M, rng.random((5, 30)))
    best = np.array([scipy.optimize.nnls(M[:, :4], a)[1] for a in A.T])
    np.testing.assert_allclose(np.linalg.norm(A - M @ X, axis=0), best, rtol=1e-8)


def rises(losses):
    return int(np.count_nonzero(np.diff(losses) > 1e-12 * losses[0]))


@pytest.mark.parametrize("sweeps", [1, 3])
@pytest.mark.parametrize("name", DESCENDING)
@pytest.mark.broad(1)
def test_alternated_updates_never_raise_the_loss(name, sweeps):
    for seed in range(6):
        A, W, H = small(seed, 20, 15)
        assert rises(alternated(name, A, W, H, 40, sweeps)[2]) == 0


def test_alternated_truncated_least_squares_raise_it():
    found = [rises(alternated("als", *small(seed, 20, 15), 40)[2]) for seed in range(6)]
    assert np.count_nonzero(found) >= 2


def plain_rises(model):
    """Passes that rose although nothing was tried."""
    return [record.number for record in model.history if not (record.accepted or record.extrapolated)]


@pytest.mark.broad(1)
@pytest.mark.parametrize("name", DESCENDING)
def test_a_fit_with_exact_rows_takes_no_plain_step_back(planted, name):
    model = dnmf.fit(planted, 5, solver=name, **TAKEN_BY_ALL, max_passes=15)
    assert plain_rises(model) == []
    assert max(record.off for record in model.history) == 0


@pytest.mark.parametrize("exact_rows", [True, False])
@pytest.mark.parametrize("name", SWEPT)
@pytest.mark.broad(1)
def test_a_fit_comes_near_to_the_exact_one(planted, name, exact_rows):
    A = planted[:150]
    best = dnmf.fit(A, 4, init="random", tol=0, max_passes=40).relative_error
    given = {} if name == "als" else {"sweeps": 5}
    for data in (A, scipy.sparse.csc_array(A)):
        model = dnmf.fit(data, 4, solver=name, exact_rows=exact_rows, **given, init="random", tol=1e-4)
        assert model.relative_error < 1.04 * best


@pytest.mark.parametrize("name", [name for name in SWEPT if name != "als"])
def test_more_sweeps_are_nearer_to_the_solution(name):
    A, W, H = small()
    Gram, products = W.T @ W, A.T @ W

    def cost(X):
        return 0.5 * np.vdot(Gram @ X, X) - np.vdot(products.T, X)

    costs = [cost(stepped(name, Gram, products, H, sweeps)) for sweeps in (1, 3, 30)]
    assert costs[0] > costs[1] > costs[2] >= cost(stepped("cd", Gram, products, H))


@pytest.mark.parametrize("name", ["mu", "ipg"])
@pytest.mark.parametrize("extrapolate", [True, False])
def test_a_start_with_zeros_locks_nothing(planted, name, extrapolate):
    H = np.random.default_rng(0).random((5, 80))
    H[:, ::2] = 0
    model = dnmf.fit(planted, 5, H=H, solver=name, sweeps=5, dtype="float64", extrapolate=extrapolate)
    assert model.relative_error < 1.02 * dnmf.fit(planted, 5, H=H, dtype="float64").relative_error


class TestTruncatedRows:
    """Rows of W that are sweeps of the solver from where the inverse puts them, a function of (H, row) alone."""

    def rows(self, name, A, H, sweeps=2):
        visitor = solve_for_rows(H, method=UPDATES[name].of_sweeps(sweeps).method)
        found = visitor.solve(Block(A, 0), cross(A, visitor.HT))
        return (found.X * visitor.unit)[:, : len(H)]

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("name", SWEPT)
    def test_a_row_is_the_same_to_the_last_bit_in_any_company(self, name, dtype):
        A, _, H = (X.astype(dtype) for X in small(m=150))
        whole, order = self.rows(name, A, H), np.random.default_rng(0).permutation(150)
        assert self.rows(name, np.ascontiguousarray(A[order]), H).tobytes() == whole[order].tobytes()
        parts = [self.rows(name, A[at], H) for at in (slice(0, 1), slice(1, 70), slice(70, None))]
        assert np.concatenate(parts).tobytes() == whole.tobytes()

    @pytest.mark.parametrize("name", [name for name in SWEPT if name != "als"])
    def test_it_is_the_sweeps_from_the_truncated_solution(self, name):
        A, _, H = small()
        Gram, products = H @ H.T, A @ H.T
        start = np.maximum(products @ np.linalg.inv(Gram), 0)
        if UPDATES[name].positive:
            unit = 1 / np.sqrt(np.diag(Gram))
            start = np.maximum(start, 1e-6 * (products * unit).max(axis=1, keepdims=True) * unit)
        expected = stepped(name, Gram, products, np.ascontiguousarray(start.T), 2).T
        np.testing.assert_allclose(self.rows(name, A, H), expected, atol=1e-9)

    def test_als_is_the_truncated_solution(self):
        A, _, H = small()
        expected = np.maximum(A @ H.T @ np.linalg.inv(H @ H.T), 0)
        np.testing.assert_allclose(self.rows("als", A, H), expected, atol=1e-9)

    @pytest.mark.parametrize("name", SWEPT)
    def test_rows_of_zeros_are_zero(self, name):
        A, _, H = small()
        A[3] = 0
        assert not self.rows(name, A, H)[3].any()

    @pytest.mark.parametrize("name", SWEPT)
    def test_rows_of_a_sparse_matrix_are_those_of_the_dense_one(self, name):
        A, _, H = small()
        csr = scipy.sparse.csr_array(A)
        found = self.rows(name, CsrRows(csr.data, csr.indices, csr.indptr), H)
        np.testing.assert_allclose(found, self.rows(name, A, H), atol=1e-9)

    @pytest.mark.parametrize("name", ["hals", "mu", "pg"])
    def test_many_sweeps_come_to_the_exact_rows(self, name):
        A, _, H = small()
        exact = solve_for_rows(H)
        expected = (exact.solve(Block(A, 0), cross(A, exact.HT)).X * exact.unit)[:, : len(H)]
        np.testing.assert_allclose(self.rows(name, A, H, 3000), expected, atol=1e-3)


@pytest.mark.broad(1)
@pytest.mark.parametrize("name", ["hals", "mu", "opl"])
def test_missing_entries(planted, name):
    A = np.where(np.random.default_rng(0).random(planted.shape) < 0.2, np.nan, planted)
    given = {"missing": "nan", "init": "random", "dtype": "float64", "tol": 0.0, "max_passes": 25}
    model = dnmf.fit(A, 5, solver=name, sweeps=5, **given)
    assert plain_rises(model) == []
    assert model.relative_error < 1.02 * dnmf.fit(A, 5, **given).relative_error


@pytest.mark.broad(1)
@pytest.mark.parametrize(("name", "sweeps"), [("hals", 2), ("opl", 3), ("mu", 1)])
def test_counts(name, sweeps):
    rng = np.random.default_rng(0)
    A = rng.poisson(4 * rng.random((200, 3)) @ rng.random((3, 40))).astype(float)
    given = {"loss": "kullback-leibler", "init": "random", "dtype": "float64", "tol": 0.0, "max_passes": 30}
    best = dnmf.fit(A, 3, **given).loss
    for data in (A, scipy.sparse.csr_array(A)):
        assert dnmf.fit(data, 3, solver=name, sweeps=sweeps, **given).loss < 1.02 * best


@pytest.mark.parametrize("scale", ["objective"])
@pytest.mark.parametrize("strengths", [{"l1": 0.3}, {"l2": 0.3}, {"l1": 0.1, "l2": 0.2}, {"angular": 0.1}])
def test_multiplied_counts_never_rise_under_a_penalty(strengths, scale):
    rng = np.random.default_rng(0)
    A = rng.poisson(4 * rng.random((200, 3)) @ rng.random((3, 40))).astype(float)
    model = dnmf.fit(
        A, 3, loss="kullback-leibler", solver="mu", penalty=Penalty(**strengths, scale=scale), init="random",
        dtype="float64", extrapolate=False, tol=0.0, max_passes=15, prune="off",
    )  # fmt: skip
    assert plain_rises(model) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize(
    "strengths", [{"l1": 0.01}, {"l2": 0.01}, {"l1": (0.1, 0.1), "scale": "objective"}, {"angular": 0.1}]
)
def test_penalties(planted, name, strengths):
    given = {"penalty": Penalty(**strengths), "tol": 1e-5, "max_passes": 60, "prune": "off"}
    found = dnmf.fit(planted, 5, solver=name, **given)
    exact = dnmf.fit(planted, 5, **given)
    assert found.relative_error == pytest.approx(exact.relative_error, rel=0.05)


@pytest.mark.parametrize(
    ("name", "constraints"),
    [
        ("pg", dnmf.Constraints(free="H")), ("opl", dnmf.Constraints(free="W")), ("hals", dnmf.Constraints(free="W")),
        ("admm", dnmf.Constraints(free="H")), ("bpp", dnmf.Constraints(free="W")),
        ("mu", dnmf.Constraints(fixed_H=np.ones((1, 80)))), ("ipg", dnmf.Constraints(fixed_W=np.ones((150, 1)))),
    ],
    ids=["pg", "opl", "hals", "admm", "bpp", "mu", "ipg"],
)  # fmt: skip
@pytest.mark.slow
@pytest.mark.parametrize("exact_rows", [True, False])
def test_constraints(planted, name, constraints, exact_rows):
    A = planted[:150] - 0.1 if constraints.free else planted[:150]
    given = {"constraints": constraints, "tol": 1e-5}
    swept = {} if name == "bpp" else {"sweeps": 5, "exact_rows": exact_rows}
    model = dnmf.fit(A, 5, solver=name, **swept, **given)
    assert model.relative_error < 1.05 * dnmf.fit(A, 5, **given).relative_error


@pytest.mark.slow
def test_a_path_is_of_models_of_its_solver_also_after_a_stop(planted, tmp_path):
    def stop(event):
        if type(event).__name__ == "PathPassDone" and event.number == 2:
            raise KeyboardInterrupt

    asked = {"solver": "opl", "sweeps": 2, "exact_rows": False, "max_passes": 4, "measures": "cheap"}
    given = (planted[:60], 2, Penalty(l1=1.0), [0, 0.1])
    whole = dnmf.path(*given, **asked)
    with pytest.raises(KeyboardInterrupt):
        dnmf.path(*given, **asked, store=tmp_path / "p.dnmf", callbacks=[stop])
    resumed = dnmf.resume_path(tmp_path / "p.dnmf", source=planted[:60])
    for cell, model in whole.models.items():
        assert (model.options.solver, model.options.sweeps, model.options.exact_rows) == ("opl", 2, False)
        assert resumed.models[cell].H.tobytes() == model.H.tobytes()


@pytest.mark.parametrize("exact_rows", [True, False])
def test_other_rows_are_solved_exactly(planted, exact_rows):
    A = planted[:150]
    model = dnmf.fit(A, 5, solver="pg", exact_rows=exact_rows, init="random", max_passes=4)
    exact = dnmf.fit(A, 5, H=model.H, max_passes=1).relative_error
    left = np.linalg.norm(A - np.asarray(model.transform(A) * model.d) @ model.H)
    assert left == pytest.approx(exact * np.linalg.norm(A), rel=1e-4)
