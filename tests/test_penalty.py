"""What a penalty says: validated at the door, the same in other programs' words, honest about what is degenerate."""

import json
import warnings

import numpy as np
import pytest

import dnmf
from dnmf.errors import InputError
from dnmf.passes.statistics import ModelSums
from dnmf.penalty import SCALES, Penalty, PenaltyWarning
from dnmf.schemes.balance import sizes_of

pytestmark = pytest.mark.numeric

rng = np.random.default_rng(0)
W, H = rng.random((50, 3)), rng.random((3, 8))
SUMS = ModelSums(W.T @ W, np.zeros((8, 3)), W.sum(axis=0), np.zeros(3))


def value(penalty):
    return sizes_of(penalty, SUMS, H).total


def test_a_penalty_takes_one_number_or_a_pair():
    assert Penalty(l1=0.5).l1 == (0.5, 0.5)
    assert Penalty(l2=(1, 2), scale="absolute", diagonal=False).swapped() == Penalty(
        l2=(2, 1), scale="absolute", diagonal=False
    )


@pytest.mark.parametrize(
    "bad", [{"l1": -1}, {"l2": float("nan")}, {"l1": (1,)}, {"angular": (1, 2, 3)}, {"l1": "strong"}]
)
@pytest.mark.parametrize("scale", SCALES)
def test_a_strength_that_makes_no_sense_is_refused(bad, scale):
    with pytest.raises(InputError, match=next(iter(bad))):
        Penalty(**bad, scale=scale)


def test_strengths_for_each_factor_of_a_cp_are_those_of_an_objective():
    assert Penalty(l1=(1, 2, 3), scale="fraction").l1 == (1, 2, 3)
    for scale in ("relative", "absolute", "counts"):
        with pytest.raises(InputError, match="of scale 'objective' or 'fraction'"):
            Penalty(l2=(0.1, 0.2, 0.3), scale=scale)


def test_what_is_no_penalty_is_refused():
    with pytest.raises(InputError, match="unknown"):
        Penalty(scale="sklearn")
    with pytest.raises(InputError, match="diagonal"):
        Penalty(diagonal=1)


@pytest.mark.parametrize("strength", [{"l1": 1.5}, {"l2": (0, 2)}])
def test_relative_strengths_above_one_are_refused_with_the_cure(strength):
    with pytest.raises(InputError, match="scale='objective'"):
        Penalty(**strength)


@pytest.mark.parametrize("scale", SCALES)
def test_a_penalty_survives_json(scale):
    penalty = Penalty(l1=0.25, l2=(0.5, 0.125), scale=scale, diagonal=False)
    assert Penalty(**json.loads(json.dumps(penalty.to_json()))) == penalty


@pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("alpha_H", ["same", 0.2])
def test_scikit_learns_penalty_has_the_value_it_has_there(l1_ratio, alpha_H):
    alpha_W = 0.1
    of_H = alpha_W if alpha_H == "same" else alpha_H
    there = alpha_W * 8 * (l1_ratio * W.sum() + 0.5 * (1 - l1_ratio) * (W**2).sum())
    there += of_H * 50 * (l1_ratio * H.sum() + 0.5 * (1 - l1_ratio) * (H**2).sum())
    assert value(Penalty.from_sklearn(alpha_W, alpha_H, l1_ratio, shape=(50, 8))) == pytest.approx(there)


def test_scikit_learn_minimizes_the_objective_we_report():
    """Its own optimum is ours, seen through the converter."""
    from sklearn.decomposition import NMF

    A = np.random.default_rng(3).random((50, 8))
    theirs = NMF(3, alpha_W=0.002, l1_ratio=0.5, tol=1e-10, max_iter=5000, init="nndsvda").fit(A)
    penalty = Penalty.from_sklearn(0.002, l1_ratio=0.5, shape=A.shape)
    ours = dnmf.fit(A, 3, H=theirs.components_, penalty=penalty, dtype="float64", tol=1e-12, max_passes=300)
    there = theirs.transform(A)
    objective = 0.5 * np.linalg.norm(A - there @ theirs.components_) ** 2
    objective += sizes_of(
        penalty, ModelSums(there.T @ there, SUMS.P, there.sum(axis=0), SUMS.s), theirs.components_
    ).total
    assert ours.history[-1].objective == pytest.approx(objective, rel=1e-6)


def test_tensorlys_penalty_has_the_value_it_has_there():
    there = 0.1 * W.sum() + 0.2 * H.sum() + 0.3 * (W**2).sum() + 0.4 * (H**2).sum()
    assert value(Penalty.from_tensorly((0.1, 0.2), ridge=(0.3, 0.4))) == pytest.approx(there)


def test_rcppmls_penalty_is_the_absolute_one():
    assert Penalty.from_rcppml(0.1, (0.2, 0.3), diag=False) == Penalty(0.1, (0.2, 0.3), "absolute", diagonal=False)


@pytest.mark.parametrize("one", [{"l1": (0.1, 0)}, {"l2": (0, 0.1)}, {"l1": (0, 1), "l2": (0, 1)}])
def test_a_penalty_on_one_factor_alone_is_warned_of_with_the_cure(planted, one):
    with pytest.warns(PenaltyWarning, match="alone means nothing.*an l2 of any size"):
        dnmf.fit(planted, 3, penalty=Penalty(**one, scale="objective"), max_passes=2)


@pytest.mark.parametrize(
    "fine", [Penalty(l1=(0.1, 0)), Penalty(l1=(0.1, 0), l2=(0, 0.1), scale="objective"), Penalty()]
)
def test_other_penalties_are_not(planted, fine):
    with warnings.catch_warnings():
        warnings.simplefilter("error", PenaltyWarning)
        dnmf.fit(planted, 3, penalty=fine, max_passes=2)


@pytest.mark.slow
def test_the_cure_cures(planted):
    """L1 on W alone goes to nothing; with any L2 on H it is what it seems."""
    cured = dnmf.fit(planted, 3, penalty=Penalty(l1=(0.5, 0), l2=(0, 1e-3), scale="objective"), dtype="float64",
                     max_passes=200)  # fmt: skip
    with pytest.warns(PenaltyWarning):
        lame = dnmf.fit(planted, 3, penalty=Penalty(l1=(0.5, 0), scale="objective"), dtype="float64", max_passes=200)
    plain = dnmf.fit(planted, 3, dtype="float64", max_passes=200)
    assert lame.relative_error == pytest.approx(plain.relative_error, rel=0.05)
    assert (cured.read_W() == 0).mean() > (plain.read_W() == 0).mean()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "none"),
        ({"l2": 0.1, "scale": "counts"}, "L2 0.1 (counts)"),
        ({"l2": (1, 0, 2)}, "L2 1 on W, L2 2 on short axis 2 (objective)"),
        ({"l2": 0.1, "scale": "counts", "beside_given": 0.3}, "L2 0.1 (counts, 0.3 of it beside given ones)"),
        ({"l1": (1, 2), "diagonal": False}, "L1 1 on W, L1 2 on H (objective, scale left alone)"),
    ],
)
def test_a_penalty_says_all_of_itself(asked, words):
    assert str(Penalty(**{"scale": "objective", **asked})) == words


def test_a_multiple_of_a_penalty_keeps_what_it_is():
    ridge = Penalty(l1=1.0, l2=0.1, scale="counts", beside_given=0.3, diagonal=False)
    assert ridge.times(2.0) == Penalty(l1=2.0, l2=0.2, scale="counts", beside_given=0.3, diagonal=False)
    assert Penalty(l2=0.5, scale="fraction").times((1.0, 4.0)) == Penalty(l2=2.0, scale="objective")
