"""The strength from which on a penalty of CP leaves nothing: one component lives just below it, none above."""

import numpy as np
import pytest
from cubes import planted

import dnmf

SHAPES = {
    "ridge": {"l2": (1, 1)},
    "sparse": {"l1": (1, 1)},
    "sparse along the long axis": {"l1": (1, 0), "l2": (0, 1)},
    "sparse along a short one": {"l1": (0, 1, 0), "l2": (1, 0, 1)},
}


@pytest.fixture(scope="module")
def cube():
    return planted((40, 12, 10), 3, noise=0.05, seed=1)[0]


def at(shape, fraction):
    strengths = {name: tuple(fraction * x for x in pair) for name, pair in SHAPES[shape].items()}
    return dnmf.Penalty(**strengths, scale="fraction")


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_one_component_lives_just_below_it_and_none_above(cube, shape):
    for fraction, alive in ((0.97, 1), (1.03, 0)):
        model = dnmf.cp(cube, 4, penalty=at(shape, fraction), dtype="float64", tol=1e-7)
        assert model.alive == alive


@pytest.mark.parametrize("prune", dnmf.options.PRUNES)
@pytest.mark.parametrize("fit", [dnmf.cp, lambda cube, rank, **asked: dnmf.fit(cube[:, :, 0], rank, **asked)])
def test_what_began_again_and_lives_is_what_the_fit_ends_with(cube, fit, prune):
    """Also where components are not to be dropped. Its first update, on a scale of the start's, kills them all."""
    penalty = dnmf.Penalty(l1=(0.99, 0), l2=(0, 0.99), scale="fraction", diagonal=False)
    model = fit(cube, 3, penalty=penalty, prune=prune, dtype="float64")
    died, *_ = [each.number for each in model.history if each.alive == 0]
    assert model.history[died].trial
    assert model.alive == 1
    assert model.history[-1].objective < model.history[died - 1].objective


@pytest.mark.parametrize("fit", [dnmf.cp, lambda cube, rank, **asked: dnmf.fit(cube[:, :, 0], rank, **asked)])
@pytest.mark.parametrize("fraction", [0.3, 0.5, 0.8, 0.98])
def test_of_both_together_no_fit_ends_above_nothing(cube, fit, fraction):
    """Each is a fraction of what kills alone: together they kill earlier, and what begins again then dies too."""
    model = fit(cube, 3, penalty=dnmf.Penalty(fraction, fraction, "fraction"), dtype="float64")
    squares = model.history[-1].loss / model.relative_error**2
    assert model.history[-1].objective <= squares * (1 + 1e-9)


def test_a_fraction_means_the_same_on_data_of_any_size(cube):
    one, other = (dnmf.cp(data, 4, penalty=at("ridge", 0.3), dtype="float64") for data in (cube, 1e4 * cube))
    assert other.alive == one.alive
    np.testing.assert_allclose(other.H, one.H, atol=1e-8)
    assert other.units[1] == pytest.approx(one.units[1] * 1e4 ** (4 / 3))  # of ‖A‖² over ‖A‖^(2/3)


def test_it_is_the_strength_that_kills_an_array_of_rank_one():
    """Of ``s w ∘ x ∘ y`` with unit vectors it is where ``½ s² − s t + ½ t² + 3/2 l t^(2/3)`` is nowhere below ½ s²."""
    rng = np.random.default_rng(0)
    w, x, y = (each / np.linalg.norm(each) for each in (rng.random(30), rng.random(6), rng.random(5)))
    model = dnmf.cp(7.0 * np.einsum("i,j,k->ijk", w, x, y), 1, penalty=at("ridge", 0.5), dtype="float64")
    t = np.linspace(1e-6, 7, 200_001)
    needed = ((7.0 * t - 0.5 * t**2) / (1.5 * t ** (2 / 3))).max()
    assert model.units[1] == pytest.approx(needed, rel=1e-6)


def test_a_path_over_fractions_ends_with_nothing(cube):
    found = dnmf.path(cube, 4, at("ridge", 1.0), [0, 0.1, 0.5, 1.05], structure="cp", tol=1e-6, dtype="float64")
    alive = [row.alive for row in found.rows]
    assert alive[0] == 4
    assert alive[-1] == 0
    assert alive == sorted(alive, reverse=True)
