"""What a penalty amounts to for the rank-one terms: the closed forms, and the value of a fitted model."""

import numpy as np
import pytest
import toys

import dnmf
from dnmf.implicit import implicit_of
from dnmf.measures import implicit_penalty
from dnmf.penalty import Penalty

pytestmark = pytest.mark.numeric

KINDS = {
    "ridge": (Penalty(l2=(2.0, 3.0), scale="objective"), lambda w, h: np.sqrt(6.0) * np.linalg.norm(np.outer(w, h))),
    "l1": (Penalty(l1=(2.0, 3.0), scale="objective"), lambda w, h: 2 * np.sqrt(6.0) * np.sqrt(np.outer(w, h).sum())),
    "l1-ridge": (
        Penalty(l1=(2.0, 0), l2=(0, 3.0), scale="objective"),
        lambda w, h: 3 * 2 ** (-2 / 3) * 2 ** (2 / 3) * 1.5 ** (1 / 3) * (w.sum() * np.linalg.norm(h)) ** (2 / 3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_closed_form_is_the_penalty_at_its_best_scale(kind):
    penalty, by_hand = KINDS[kind]
    rng = np.random.default_rng(0)
    w, h, t = rng.random(9), rng.random(7), np.exp(np.linspace(-3, 3, 100001))
    (l1_w, l2_w), (l1_h, l2_h) = penalty.on_W, penalty.on_H
    values = l1_w * w.sum() * t + 0.5 * l2_w * (w @ w) * t**2 + l1_h * h.sum() / t + 0.5 * l2_h * (h @ h) / t**2
    assert by_hand(w, h) == pytest.approx(values.min(), rel=1e-8)
    found = implicit_of(penalty)
    norm = (w.sum() if l1_w else np.linalg.norm(w)) * (h.sum() if l1_h else np.linalg.norm(h))
    assert found.strength * norm**found.degree == pytest.approx(by_hand(w, h), rel=1e-12)


@pytest.mark.parametrize(
    "penalty",
    [Penalty(), Penalty(l1=0.1), Penalty(l1=0.1, l2=0.1, scale="objective"), Penalty(l1=(0.1, 0), scale="objective"),
     Penalty(l2=1, smooth=0.1, scale="objective")],
    ids=str,
)  # fmt: skip
def test_there_is_none_without_one_term_on_each_factor(penalty):
    assert implicit_of(penalty) is None


@pytest.mark.broad(3)
@pytest.mark.parametrize("scale", ["objective", "fraction"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_knows_what_its_penalty_amounts_to(kind, scale):
    A, H = toys.three_gaussians()
    shape = KINDS[kind][0]
    strengths = {name: tuple(0.05 * float(x > 0) for x in getattr(shape, name)) for name in ("l1", "l2")}
    model = dnmf.fit(A, 3, H=H, penalty=Penalty(**strengths, scale=scale), dtype="float64", tol=1e-13, max_passes=2000)
    values, last, found = implicit_penalty(model), model.history[-1], model.implicit_penalty
    assert values.sum() == pytest.approx(last.objective - last.loss, rel=1e-6)
    W, of_H = model.read_W(), model.d[:, None] * model.H
    of_W = W.sum(axis=0) if model.penalty.l1[0] else np.linalg.norm(W, axis=0)
    of_H = of_H.sum(axis=1) if model.penalty.l1[1] else np.linalg.norm(of_H, axis=1)
    np.testing.assert_allclose(found.strength * (of_W * of_H) ** found.degree, values, rtol=1e-9)


def test_a_rule_has_no_implicit_penalty(planted):
    model = dnmf.fit(planted, 3, penalty=Penalty(l1=0.1))
    assert model.implicit_penalty is None
    with pytest.raises(dnmf.InputError, match=r"L1 0.1 \(relative\)"):
        implicit_penalty(model)
