"""What a component is worth, and what becomes of one that is worth less than nothing."""

import itertools

import numpy as np
import pytest
import toys

import dnmf
from dnmf.passes.statistics import ModelSums
from dnmf.penalty import Penalty
from dnmf.schemes.of_options import least_squares

pytestmark = pytest.mark.numeric

L1 = Penalty(l1=(0.3, 0.2), scale="objective")
L1_L2 = Penalty(l1=(0.3, 0), l2=(0, 0.2), scale="objective")
BOTH = Penalty(l1=0.1, l2=0.2, scale="objective")


def sums_of(A, W):
    return ModelSums(W.T @ W, A.T @ W, W.sum(axis=0), np.zeros(W.shape[1]))


def least_objective(A, W, H, penalty):
    """With the scale of each component at its best, found by brute force."""
    value = 0.5 * ((A - W @ H) ** 2).sum()
    scales = np.exp(np.linspace(-6, 6, 20001))
    for w, h in zip(W.T, H, strict=True):
        (l1_w, l2_w), (l1_h, l2_h) = penalty.on_W, penalty.on_H
        of_W, of_H = l1_w * w.sum() * scales + 0.5 * l2_w * (w @ w) * scales**2, l1_h * h.sum() / scales
        value += (of_W + of_H + 0.5 * l2_h * (h @ h) / scales**2).min()
    return value


@pytest.mark.parametrize("penalty", [L1, L1_L2, BOTH], ids=["l1", "l1-l2", "elastic"])
def test_the_worth_of_a_component_is_what_the_objective_rises_by_without_it(penalty):
    rng = np.random.default_rng(0)
    A, W, H = rng.random((30, 12)), rng.random((30, 3)), rng.random((3, 12))
    value = least_squares(penalty).worth(sums_of(A, W), H)
    for q in range(3):
        others = np.arange(3) != q
        rise = least_objective(A, W[:, others], H[others], penalty) - least_objective(A, W, H, penalty)
        assert value[q] == pytest.approx(rise, rel=1e-5)


def test_a_dead_component_is_never_the_weakest():
    rng = np.random.default_rng(0)
    A, W, H = rng.random((30, 12)), rng.random((30, 3)), rng.random((3, 12))
    W[:, 1] = 0
    assert least_squares(L1).worth(sums_of(A, W), H)[1] == np.inf


@pytest.mark.parametrize(
    ("penalty", "share"),
    [(Penalty(l1=1.0, scale="objective"), 2 / 3), (Penalty(l1=(1.0, 0), l2=(0, 1.0), scale="objective"), 1 / 2)],
    ids=["l1", "l1-l2"],
)
@pytest.mark.broad(1)
def test_at_a_stationary_point_the_sign_is_that_of_the_closed_rule(penalty, share):
    """Delete iff s/a is below 2(1 − δ)/(2 − δ)."""
    A, H = toys.three_gaussians()
    seen = set()
    for strength in (0.3, 0.7, 2.0, 3.0, 4.0, 4.8, 5.5):
        model = dnmf.fit(A, 3, H=H, penalty=penalty.times(strength), dtype="float64", tol=0, max_passes=2000,
                         prune="off")  # fmt: skip
        W, factor = model.read_W() * model.w_scale, model.h_scale[:, None] * model.H
        value, H = least_squares(penalty.times(strength)).worth(sums_of(A, W), factor), factor
        for q in np.flatnonzero(model.d):
            s = np.linalg.norm(W[:, q]) * np.linalg.norm(factor[q])
            rest = A - W @ factor + np.outer(W[:, q], factor[q])
            a = W[:, q] @ rest @ factor[q] / s
            assert (value[q] < 0) == (s / a < share)
            seen.add(value[q] < 0)
    assert seen == {True, False}


def test_without_the_rule_a_model_can_be_worse_than_nothing():
    A, H = toys.three_gaussians()
    nothing = 0.5 * (A**2).sum()
    for prune, alive in (("off", 1), ("rule", 0)):
        H_now = H
        for strength in (2.0, 3.0, 4.0):
            model = dnmf.fit(A, 3, H=H_now, dtype="float64", tol=1e-12, max_passes=2000, prune=prune,
                             penalty=Penalty(l1=strength, scale="objective"))  # fmt: skip
            H_now = model.h_scale[:, None] * model.H
        assert model.history[-1].alive == alive
        assert (model.history[-1].objective > nothing * (1 + 1e-9)) == (prune == "off")


@pytest.mark.parametrize("prune", ["rule", "refit"])
def test_the_objective_of_accepted_passes_rises_only_to_try(prune):
    A, H = toys.three_gaussians()
    model = dnmf.fit(A, 3, H=H, penalty=Penalty(l1=0.6, scale="objective"), dtype="float64", tol=1e-9, prune=prune,
                     max_passes=500)  # fmt: skip
    kept = [record.objective for record in model.history if record.accepted and not record.trial]
    assert all(later <= earlier * (1 + 1e-14) for earlier, later in itertools.pairwise(kept))
    assert any(record.trial for record in model.history) == (prune == "refit")


def test_a_drop_that_does_not_help_is_taken_back():
    A, H = toys.three_gaussians()
    penalty = Penalty(l1=0.3, scale="objective")
    fits = [dnmf.fit(A, 3, H=H, penalty=penalty, dtype="float64", tol=1e-12, prune=prune, max_passes=1000)
            for prune in ("off", "refit")]  # fmt: skip
    assert fits[1].history[-1].alive == 3
    assert fits[1].history[-1].objective == pytest.approx(fits[0].history[-1].objective, rel=1e-12)


def test_a_drop_that_does_not_help_leaves_the_bits_of_a_fit_that_never_tried():
    A, H = toys.three_gaussians()
    fits = [dnmf.fit(A, 3, H=H, penalty=Penalty(l1=0.3, scale="objective"), dtype="float64", tol=1e-3, prune=prune,
                     max_passes=1000) for prune in ("off", "refit")]  # fmt: skip
    assert any(record.trial for record in fits[1].history)
    assert fits[1].H.tobytes() == fits[0].H.tobytes()
    assert fits[1].read_W().tobytes() == fits[0].read_W().tobytes()


@pytest.mark.slow
def test_a_fit_killed_while_it_tries_goes_on_to_the_same_bits(tmp_path):
    A, H = toys.three_gaussians()
    options = {"penalty": Penalty(l1=0.6, scale="objective"), "dtype": "float64", "tol": 1e-7, "prune": "refit"}
    whole = dnmf.fit(A, 3, H=H, store=tmp_path / "whole.dnmf", max_passes=500, **options)
    tried = [record.number for record in whole.history if record.trial]
    for stop in (tried[0] - 1, tried[0] + 2, tried[-1] + 1):
        store = tmp_path / f"stopped-{stop}.dnmf"
        stopped = dnmf.fit(A, 3, H=H, store=store, max_passes=stop + 1, **options)
        assert stopped.history[-1].objective <= stopped.history[tried[0] - 2].objective
        again = dnmf.resume(store, source=A, max_passes=500)
        assert again.H.tobytes() == whole.H.tobytes()
        assert again.read_W().tobytes() == whole.read_W().tobytes()
        assert [r.objective for r in again.history] == [r.objective for r in whole.history]
