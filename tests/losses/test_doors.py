"""Every door takes a loss by its name, minimizes it, and says so in its words."""

import re

import numpy as np
import pytest
import zarr
from breadth import quickly
from command_line import assert_one_clear_line, call, records
from sklearn import decomposition

import dnmf
from dnmf import NMF, InputError, measures
from dnmf.cli.amounts import LOSS
from dnmf.losses.table import _LOSSES
from dnmf.progress.lines import done_line

pytestmark = pytest.mark.numeric

NUMBERS = {"frobenius": 2, "kullback-leibler": 1, "itakura-saito": 0}
OWN = ["kullback-leibler", "itakura-saito"]
RANK = 3


def value_of(loss, a, p):
    """The loss of all entries from its definition; a is above zero everywhere."""
    return {
        "frobenius": lambda: 0.5 * np.square(a - p),
        "kullback-leibler": lambda: a * np.log(a / p) - a + p,
        "itakura-saito": lambda: a / p - np.log(a / p) - 1,
    }[loss]().sum()


@pytest.fixture(scope="module")
def A():
    rng = np.random.default_rng(4)
    rates = rng.gamma(0.8, size=(90, RANK)) @ rng.gamma(0.8, size=(RANK, 20))
    return 1.0 + rng.poisson(4 * rates)


@pytest.fixture(scope="module")
def data(A, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "a.zarr"
    zarr.create_array(path, data=A, chunks=(40, 20))
    return str(path)


@pytest.fixture(scope="module")
def predictions(A):
    """What models of each loss predict."""
    models = {loss: dnmf.fit(A, RANK, loss=loss, dtype="float64") for loss in NUMBERS}
    return {loss: (model.read_W() * model.d) @ model.H for loss, model in models.items()}


def by_fit(data, A, loss, folder):
    return dnmf.fit(data, RANK, loss=loss, dtype="float64")


def by_resume(data, A, loss, folder):
    dnmf.fit(data, RANK, loss=loss, dtype="float64", store=folder / "a.dnmf", max_passes=3, tol=0)
    return dnmf.resume(folder / "a.dnmf", max_passes=12)


def by_path(data, A, loss, folder):
    scale = dnmf.Penalty(l1=1.0, scale="objective")
    return dnmf.path(data, RANK, scale, [0, 1], loss=loss, dtype="float64", measures="cheap").model(0)


def by_estimator(data, A, loss, folder):
    return NMF(RANK, beta_loss=loss, random_state=0).fit(A).model_


def by_number(data, A, loss, folder):
    return NMF(RANK, beta_loss=NUMBERS[loss], solver="mu", random_state=0).fit(A).model_


def by_command(data, A, loss, folder):
    store = folder / "c.dnmf"
    result = call("fit", data, "--rank", RANK, "--loss", loss, "--dtype", "float64", "--store", store)
    assert result.exit_code == 0, result.stderr
    return dnmf.load(store)


def by_path_command(data, A, loss, folder):
    store, rank = folder / "p.dnmf", ("--rank", RANK, "--loss", loss, "--dtype", "float64")
    strengths = ("--strengths", "0,1", "--l1", "1", "--penalty-scale", "objective", "--measures", "cheap")
    result = call("path", data, *rank, *strengths, "--store", store)
    assert result.exit_code == 0, result.stderr
    return dnmf.load_path(store).model(0)


DOORS = [by_fit, by_resume, by_path, by_estimator, by_number, by_command, by_path_command]


@pytest.mark.parametrize("loss", quickly(["kullback-leibler"], of=NUMBERS))
@pytest.mark.parametrize("door", quickly((by_fit, by_command, by_estimator), of=DOORS))
def test_a_door_minimizes_the_loss_that_is_asked_for(door, loss, data, A, predictions, tmp_path):
    model = door(data, A, loss, tmp_path)
    predicted = (model.read_W() * model.d) @ model.H
    assert model.options.loss == loss
    assert model.loss == pytest.approx(value_of(loss, A, predicted), rel=1e-8)
    assert all(model.loss < value_of(loss, A, predictions[other]) for other in NUMBERS if other != loss)


@pytest.mark.parametrize("loss", OWN)
def test_what_is_explained_counts_against_the_means_of_rows(loss, A):
    model = dnmf.fit(A, RANK, loss=loss, dtype="float64")
    means = np.broadcast_to(A.mean(axis=1, keepdims=True), A.shape)
    assert model.history[-1].explained == pytest.approx(1 - model.loss / value_of(loss, A, means), rel=1e-6)


@pytest.mark.parametrize("loss", NUMBERS)
def test_held_out_rows_are_measured_in_the_loss_of_the_fit(loss, A):
    model, others = dnmf.fit(A[:60], RANK, loss=loss, dtype="float64"), A[60:]
    predicted = (model.transform(others).compute() * model.d) @ model.H
    found = measures.loss(model, others)
    assert found == pytest.approx(value_of(loss, others, predicted), rel=1e-8)
    nothing = 0 * others if loss == "frobenius" else np.broadcast_to(others.mean(axis=1, keepdims=True), others.shape)
    assert measures.relative_error(model, others) ** 2 == pytest.approx(found / value_of(loss, others, nothing))


@pytest.mark.broad(1)
@pytest.mark.parametrize("beta", [1, 0])
def test_the_estimator_is_scikit_learns_or_better(beta, A):
    theirs = decomposition.NMF(RANK, solver="mu", beta_loss=beta, init="nndsvda", max_iter=1000, tol=1e-8).fit(A)
    mine = NMF(RANK, beta_loss=beta, random_state=0, tol=1e-7)
    W = mine.fit_transform(A)
    assert mine.reconstruction_err_ <= 1.002 * theirs.reconstruction_err_
    name = next(name for name, number in NUMBERS.items() if number == beta)
    assert mine.reconstruction_err_ == pytest.approx(np.sqrt(2 * value_of(name, A, W @ mine.components_)), rel=1e-8)
    np.testing.assert_allclose(mine.transform(A), W, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("penalty", [{"alpha_W": 2e-3}, {"alpha_W": 1e-3, "alpha_H": 1e-2, "l1_ratio": 1.0}])
def test_the_penalized_objective_of_counts_is_scikit_learns_or_lower(penalty, A):
    def objective(W, H):
        share, (m, n) = penalty.get("l1_ratio", 0.0), A.shape
        norms = [share * factor.sum() + 0.5 * (1 - share) * (factor**2).sum() for factor in (W, H)]
        alphas = penalty["alpha_W"] * n, penalty.get("alpha_H", penalty["alpha_W"]) * m
        return value_of("kullback-leibler", A, W @ H) + alphas[0] * norms[0] + alphas[1] * norms[1]

    theirs = decomposition.NMF(RANK, solver="mu", beta_loss=1, init="nndsvda", max_iter=500, tol=1e-8, **penalty)
    mine = NMF(RANK, beta_loss=1, random_state=0, tol=1e-7, **penalty)
    found, reference = ((model.fit_transform(A), model.components_) for model in (mine, theirs))
    assert objective(*found) <= 1.002 * objective(*reference)


@pytest.mark.parametrize("wrong", ["hinge", 3, 1.5, None, True])
def test_the_estimator_refuses_a_loss_that_is_not_there(wrong, A):
    with pytest.raises(InputError, match="beta_loss"):
        NMF(2, beta_loss=wrong).fit(A)


@pytest.mark.slow
@pytest.mark.parametrize("loss", OWN)
@pytest.mark.broad(1)
def test_words_are_those_of_the_loss(loss, A, data, tmp_path):
    store, page = tmp_path / "a.dnmf", tmp_path / "a.html"
    events = []
    model = dnmf.fit(data, RANK, loss=loss, store=store, callbacks=events.append)
    call("report", store, "--out", page)
    shown = [
        done_line(events[-1]),
        repr(model),
        model._repr_html_(),
        call("status", store).stdout,
        page.read_text(encoding="utf-8"),
    ]
    assert all(f"{100 * model.history[-1].explained:.1f}"[:-1] in text for text in shown)
    assert not any("‖A" in text for text in shown)
    assert all(loss in text for text in (*shown[:3], shown[4]))
    assert dnmf.losses.loss_named(loss).formula in shown[3]
    assert records(call("status", store, "--json"))[-1]["loss"] == model.loss


def test_a_plan_is_that_of_the_loss(data):
    plans = [records(call("inspect", data, "--json", "--loss", loss))[-1]["plan"] for loss in ("frobenius", OWN[0])]
    assert plans[0]["projected_bytes"] != plans[1]["projected_bytes"]
    assert [plan["loss"] for plan in plans] == ["frobenius", OWN[0]]


def test_the_command_line_offers_the_losses_there_are():
    assert set(LOSS.choices) == {name for name, loss in _LOSSES.items() if type(loss).__module__.startswith("dnmf.")}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--l1", "0.1"], ["--loss kullback-leibler", "--penalty-scale objective"]),
        (["--init", "surrogate"], ["--loss kullback-leibler", "--init surrogate"]),
        (["--free", "W"], ["--free", "--loss kullback-leibler"]),
    ],
)
def test_what_cannot_go_with_a_loss_is_refused_in_the_words_of_the_command_line(options, words, data, tmp_path):
    store = tmp_path / "a.dnmf"
    result = call("fit", data, "--rank", RANK, "--loss", "kullback-leibler", "--store", store, *options)
    assert_one_clear_line(result, *words)
    assert not store.exists()
    assert not re.search(r"loss='", result.stderr)
