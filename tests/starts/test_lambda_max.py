"""The strengths that leave nothing: what fractions are fractions of."""

import numpy as np
import pytest
import toys

import dnmf
from dnmf.errors import InputError
from dnmf.penalty import Penalty

pytestmark = pytest.mark.numeric

KINDS = {"l1": {"l1": 1.0}, "l2": {"l2": 1.0}, "l1-l2": {"l1": (1.0, 0.0), "l2": (0.0, 1.0)}}


def fitted(A, fraction, kind="l1", **options):
    strengths = {name: np.multiply(fraction, value).tolist() for name, value in KINDS[kind].items()}
    strengths = {name: tuple(value) if isinstance(value, list) else value for name, value in strengths.items()}
    defaults = {"dtype": "float64", "max_passes": 300}
    return dnmf.fit(A, 3, penalty=Penalty(**strengths, scale="fraction"), **{**defaults, **options})


def resolved(model):
    """The strengths a fraction came to: l1 and l2 on W."""
    return np.array(model.terms)


def test_the_unit_of_l2_is_the_largest_singular_value():
    A, _ = toys.three_gaussians()
    assert resolved(fitted(A, 0.5, "l2"))[1] == pytest.approx(0.5 * np.linalg.svd(A)[1][0], rel=1e-9)


def test_the_unit_of_l1_is_where_the_best_component_is_worth_nothing():
    A, _ = toys.three_gaussians()
    assert resolved(fitted(A, 1.0))[0] == pytest.approx(3.1558, abs=5e-5)  # golden/hrsi_l1l1_path.csv: 1 → 0


@pytest.mark.broad(2)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("fraction", "some_live"), [(0.97, True), (1.03, False)])
def test_at_one_nothing_is_left_and_just_below_something_is(planted, kind, fraction, some_live):
    model = fitted(planted, fraction, kind, tol=1e-6)
    assert (model.history[-1].alive > 0) == some_live
    nothing = 0.5 * (planted**2).sum()
    assert (model.history[-1].objective < nothing * (1 - 1e-9)) == some_live


@pytest.mark.broad(1)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fraction_means_the_same_in_other_units(planted, kind):
    model, scaled = fitted(planted, 0.3, kind), fitted(1000 * planted, 0.3, kind)
    np.testing.assert_allclose(scaled.H, model.H, atol=1e-6)
    np.testing.assert_allclose(scaled.d, 1000 * model.d, rtol=1e-5)
    assert scaled.relative_error == pytest.approx(model.relative_error, rel=1e-6)


@pytest.mark.slow
def test_l1_and_l2_on_both_factors_have_units_of_their_own(planted):
    both = dnmf.fit(planted, 3, penalty=Penalty(l1=0.2, l2=0.1, scale="fraction"), dtype="float64", max_passes=5)
    l1, l2 = (resolved(fitted(planted, f, kind, max_passes=5)) for f, kind in ((0.2, "l1"), (0.1, "l2")))
    np.testing.assert_allclose(resolved(both), l1 + l2, rtol=1e-5)


@pytest.mark.broad(1)
@pytest.mark.parametrize("kind", KINDS)
def test_two_reads_are_enough_where_a_sample_is_small(kind):
    rng = np.random.default_rng(0)
    A = rng.random((20000, 4)) @ rng.random((4, 30)) * rng.random((20000, 30))
    model, plain = fitted(A, 0.1, kind, max_passes=3), dnmf.fit(A, 3, max_passes=3, dtype="float64")
    assert model.reads == pytest.approx(plain.reads + 2)
    if kind == "l2":
        assert resolved(model)[1] == pytest.approx(0.1 * np.linalg.svd(A, compute_uv=False)[0], rel=1e-6)


@pytest.mark.broad(1)
@pytest.mark.parametrize("start", [{"init": "random"}, {"H": True}, {"W": True}, {"init": "surrogate"}])
def test_every_start_finds_the_same_unit(planted, start):
    rng = np.random.default_rng(3)
    given = {"H": rng.random((3, 80)), "W": rng.random((600, 3))}
    options = {name: given.get(name, value) for name, value in start.items()}
    assert resolved(fitted(planted, 0.2, max_passes=4, **options)) == pytest.approx(
        resolved(fitted(planted, 0.2, max_passes=4)), rel=1e-4
    )


@pytest.mark.slow
def test_a_resumed_fit_goes_on_with_the_unit_it_began_with(planted, tmp_path):
    whole = fitted(planted, 0.2, tol=0, max_passes=9, store=tmp_path / "whole.dnmf")
    fitted(planted, 0.2, tol=0, max_passes=4, store=tmp_path / "part.dnmf")
    again = dnmf.resume(tmp_path / "part.dnmf", source=planted, max_passes=9)
    assert again.H.tobytes() == whole.H.tobytes()
    assert again.options.penalty.scale == "fraction"


def test_where_all_components_died_the_one_that_would_live_begins_again(hawaiibirds):
    """A start at random shares out what one component could explain: each dies of what that one survives."""
    options = {"dtype": "float64", "init": "random", "tol": 1e-7, "max_passes": 300}
    for fraction, lives in ((0.9, True), (1.0, False)):
        model = dnmf.fit(hawaiibirds, 3, penalty=Penalty(l1=fraction, scale="fraction"), **options)
        alive = [record.alive for record in model.history]
        assert 0 in alive
        assert not lives or len(alive) > alive.index(0) + 3  # it goes on from there
        assert (alive[-1] > 0) == lives
        nothing = 0.5 * (hawaiibirds.data**2).sum()
        assert (model.history[-1].objective < nothing * (1 - 1e-3)) == lives
        kept = [record.objective for record in model.history if record.accepted and not record.trial]
        assert kept == sorted(kept, reverse=True)


@pytest.mark.slow
def test_stopped_around_a_second_beginning_a_fit_and_a_path_have_the_same_bits(hawaiibirds, tmp_path):
    penalty, options = Penalty(l1=0.9, scale="fraction"), {"init": "random", "dtype": "float64", "tol": 1e-7}
    whole = dnmf.fit(hawaiibirds, 3, penalty=penalty, max_passes=300, store=tmp_path / "whole.dnmf", **options)
    again = 1 + [record.alive for record in whole.history].index(0)
    for stop in range(max(2, again - 1), again + 3):
        dnmf.fit(hawaiibirds, 3, penalty=penalty, max_passes=stop, store=tmp_path / f"{stop}.dnmf", **options)
        resumed = dnmf.resume(tmp_path / f"{stop}.dnmf", source=hawaiibirds, max_passes=300)
        assert resumed.H.tobytes() == whole.H.tobytes()
        assert [r.objective for r in resumed.history] == [r.objective for r in whole.history]


@pytest.mark.parametrize("lame", [{"l1": (0.1, 0)}, {"l1": 0.1, "l2": (0.1, 0)}, {"l1": (0.1, 0), "l2": (0.1, 0)}])
def test_a_fraction_of_a_penalty_that_has_no_unit_is_refused(lame):
    with pytest.raises(InputError, match="a fraction needs"):
        Penalty(**lame, scale="fraction")


@pytest.mark.slow
def test_a_unit_that_still_rises_is_followed(pbmc3k):
    """With a few strong genes as rows the sample and two reads are not enough."""
    A = pbmc3k.T.tocsr().astype(np.float64)
    model = dnmf.fit(A, 1, penalty=Penalty(l1=1.0, scale="fraction"), dtype="float64", tol=1e-9, max_passes=300)
    assert model.history[-1].objective >= 0.5 * (A.data**2).sum() * (1 - 1e-3)
