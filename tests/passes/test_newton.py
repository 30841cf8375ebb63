"""Rows of losses that are not convex, or whose curvature is expected and not there, end where nothing is better."""

import warnings

import numpy as np
import pytest
import scipy.optimize

import dnmf
from dnmf.kernels.padding import pad_columns
from dnmf.losses import Loss, loss_named
from dnmf.losses.table import _LOSSES
from dnmf.passes.entries import Entries
from dnmf.passes.newton import RowProblem, solve_rows

pytestmark = pytest.mark.numeric
ROWS, COLUMNS = 60, 40


class BetaOfOneHalf(Loss):
    """Between counts and spectra, with the curvature that is expected."""

    name = "beta of one half"
    positive = True
    examples = (0.5, 1.0, 2.0, 7.0)

    def value(self, a, y):
        y = y.astype(np.float64)
        return 4 * (0.5 * np.sqrt(y) + 0.5 * a.astype(np.float64) / np.sqrt(y) - np.sqrt(a))

    def weights(self, a, y):
        return ((a - y) * y**-1.5).astype(y.dtype), (y**-1.5).astype(y.dtype)


LOSSES = {"itakura-saito": loss_named("itakura-saito"), "beta of one half": BetaOfOneHalf()}


def of_its_noise(loss, rng, rank):
    """Data as the loss has it: spectra with exponential noise, counts with zeros; and some H."""
    P = rng.gamma(0.8, size=(ROWS, rank)) @ rng.gamma(0.8, size=(rank, COLUMNS)) + 1e-3
    A = P * rng.exponential(1, P.shape) if loss == "itakura-saito" else rng.poisson(P).astype(float)
    return A, rng.gamma(0.8, size=(rank, COLUMNS)) + 1e-3


def solved(loss, A, H, **asked):
    """The rows, and how many are not solved."""
    rank, dtype = len(H), H.dtype
    beside = {"lin": np.zeros(rank), "G0": None, "upper": np.inf, "held": 0, **asked}
    indices, offsets = np.tile(np.arange(COLUMNS, dtype=np.int32), len(A)), COLUMNS * np.arange(len(A) + 1)
    start = np.minimum(A.mean(axis=1) / H.sum(axis=0).mean(), beside["upper"])
    W = pad_columns(np.repeat(start[:, None], rank, axis=1).astype(dtype))
    problem = RowProblem(LOSSES[loss], pad_columns(np.ascontiguousarray(H.T)), **beside)
    unsolved = solve_rows(problem, Entries(A.ravel().astype(dtype), indices, offsets), W)
    return W[:, :rank], unsolved


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("loss", LOSSES)
def test_no_row_gets_better_by_another_solver(loss, seed):
    A, H = of_its_noise(loss, np.random.default_rng(seed), 3)
    W, unsolved = solved(loss, A, H)
    assert unsolved == 0
    for a, w in zip(A, W, strict=True):
        cost = lambda w, a=a: float(LOSSES[loss].value(a, np.maximum(w @ H, 1e-300)).sum())  # noqa: E731
        slope = lambda w, a=a: -LOSSES[loss].weights(a, np.maximum(w @ H, 1e-300))[0] @ H.T  # noqa: E731
        better = scipy.optimize.minimize(cost, w, jac=slope, method="L-BFGS-B", bounds=[(0, None)] * 3)
        assert cost(w) <= better.fun + 1e-8 * abs(better.fun)


ASKED = {
    "nothing": {},
    "l1": {"lin": np.full(8, 5.0)},
    "a ridge": {"G0": 3 * np.eye(8)},
    "a bound": {"upper": 0.3},
    "a given component": {"held": 1},
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("noise", [0.1, 5.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_row_is_solved_whatever_is_asked_of_it(loss, dtype, noise, asked):
    rng = np.random.default_rng(0)
    _, H = of_its_noise(loss, rng, 8)
    A = (rng.gamma(0.5, size=(ROWS, 8)) @ H + 1e-3) * np.maximum(rng.gamma(noise, 1 / noise, (ROWS, COLUMNS)), 1e-12)
    W, unsolved = solved(loss, A, H.astype(dtype), **ASKED[asked])
    held, upper = ASKED[asked].get("held", 0), ASKED[asked].get("upper", np.inf)
    assert unsolved == 0
    assert W.min() >= 0
    assert W[:, held:].max() <= upper


def test_rows_end_where_predictions_of_zeros_vanish():
    """The slope of the loss is infinite there, so that no step may take all of the way."""
    A, H = np.zeros((ROWS, COLUMNS)), np.zeros((2, COLUMNS))
    H[0, :20] = H[1, 10:] = 1
    A[:, :10] = np.random.default_rng(0).poisson(3.0, (ROWS, 10)) + 1
    W, unsolved = solved("beta of one half", A, H)
    assert unsolved == 0
    assert W[:, 1].max() < 1e-20 < W[:, 0].min()


@pytest.fixture
def of_one_half():
    yield dnmf.losses.register(LOSSES["beta of one half"]).name
    _LOSSES.pop("beta of one half")


@pytest.mark.broad(1)
@pytest.mark.parametrize("seed", range(3))
def test_a_fit_of_counts_by_a_loss_that_no_curvature_expects(of_one_half, seed):
    decomposition = pytest.importorskip("sklearn.decomposition")
    A, _ = of_its_noise(of_one_half, np.random.default_rng(seed), 3)
    A[7] = 0
    model = dnmf.fit(A, 3, loss=of_one_half, dtype="float64", seed=seed, max_passes=60)
    other = decomposition.NMF(3, beta_loss=0.5, solver="mu", init="nndsvda", max_iter=400).fit(A)
    assert not any(record.rows_unsolved for record in model.history)
    assert not model.read_W()[7].any()
    assert model.loss <= 1.005 * other.reconstruction_err_**2 / 2


@pytest.mark.broad(1)
@pytest.mark.parametrize("seed", range(2))
def test_a_fit_of_spectra_has_nothing_to_warn_of(seed):
    rng = np.random.default_rng(seed)
    A = (rng.gamma(0.8, size=(200, 3)) @ rng.gamma(0.8, size=(3, 40)) + 1e-3) * rng.exponential(1, size=(200, 40))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = dnmf.fit(A, 3, loss="itakura-saito", dtype="float64", seed=seed)
    assert not any(record.rows_unsolved for record in model.history)


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_a_row_whose_given_part_predicts_nothing_is_not_taken_for_solved():
    A, H = of_its_noise("itakura-saito", np.random.default_rng(0), 3)
    H[1:, :4] = 0
    indices, offsets = np.tile(np.arange(COLUMNS, dtype=np.int32), ROWS), COLUMNS * np.arange(ROWS + 1)
    W = pad_columns(np.ones((ROWS, 3)))
    W[:7, 0] = 0
    problem = RowProblem(LOSSES["itakura-saito"], pad_columns(H.T.copy()), np.zeros(3), None, np.inf, 1)
    assert solve_rows(problem, Entries(A.ravel(), indices, offsets), W) == 7
