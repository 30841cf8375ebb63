"""The regularization study in numbers: paths, crossings, limits, invariance. Reference values: ../shared/golden."""

import csv

import numpy as np
import pytest
import toys

import dnmf
from dnmf.penalty import Penalty

pytestmark = pytest.mark.numeric


def l1(strength):
    return Penalty(l1=float(strength), scale="objective")


def factor_of(model):
    return model.h_scale[:, None] * model.H


def warm_path(A, H, penalties, **options):
    """One model after the other, each from the H of the one before."""
    models = []
    for penalty in penalties:
        models.append(dnmf.fit(A, len(H), H=H, penalty=penalty, dtype="float64", max_passes=5000, **options))
        H = factor_of(models[-1])
    return models


@pytest.fixture(scope="module")
def reference_path(golden):
    with (golden / "hrsi_l1l1_path.csv").open() as stream:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]


@pytest.mark.slow
def test_the_l1_path_is_the_reference_at_every_strength(reference_path):
    A, H = toys.three_gaussians()
    models = warm_path(A, H, [l1(row["lam"]) for row in reference_path], tol=0, prune="off")
    for row, model in zip(reference_path, models, strict=True):
        assert model.history[-1].objective == pytest.approx(row["obj"], rel=1e-6)
        assert model.history[-1].alive == row["alive"]
        assert (model.read_W() == 0).mean() == pytest.approx(row["zeros_W"], abs=1e-12)
        assert (model.H == 0).mean() == pytest.approx(row["zeros_H"], abs=1e-12)


@pytest.mark.slow
def test_with_pruning_and_refit_the_path_is_the_global_optimum(reference_path):
    A, H = toys.three_gaussians()
    models = warm_path(A, H, [l1(row["lam"]) for row in reference_path], tol=1e-12, prune="refit")
    for row, model in zip(reference_path, models, strict=True):
        assert model.history[-1].objective == pytest.approx(row["obj_global"], rel=1e-8)
        assert model.history[-1].alive == row["alive_global"]


def deaths(strengths, prune):
    """The first strength with one component less, two less, ... along a warm path."""
    A, H = toys.three_gaussians()
    models = warm_path(A, H, [l1(strength) for strength in strengths], tol=1e-12, prune=prune)
    alive = np.array([model.history[-1].alive for model in models])
    return [float(strengths[np.argmax(alive < left)]) for left in (3, 2, 1)]


def fine_steps(*around):
    return np.unique(np.concatenate([np.arange(place - 0.02, place + 0.02, 0.005) for place in around]).round(4))


@pytest.mark.slow
def test_components_die_where_their_minimum_disappears():
    steps = np.concatenate([[0.3, 0.6], fine_steps(0.735), [1.0, 1.4], fine_steps(1.675), [2.5, 3.5], fine_steps(4.21)])
    assert deaths(steps, "off") == pytest.approx([0.735, 1.675, 4.210], abs=0.006)


@pytest.mark.slow
def test_with_pruning_and_refit_they_die_where_the_optimum_has_fewer():
    steps = np.concatenate([[0.3], fine_steps(0.505), [0.8], fine_steps(1.265), [2.0], fine_steps(3.155)])
    assert deaths(steps, "refit") == pytest.approx([0.5057, 1.2676, 3.1558], abs=0.005)


@pytest.mark.broad(1)
@pytest.mark.parametrize("sides", [(1.0, 1.0), (4.0, 0.25)])
def test_ridge_kills_a_component_gently_at_its_singular_value(sides):
    """At √(μ₁μ₂) = a/2 in the form μ‖·‖², with l2 = 2μ at √(l2_W l2_H) = a; before that its size is a less that."""
    A, _ = toys.three_gaussians()
    s = np.linalg.svd(A, compute_uv=False)
    for strength, size in ((0.9 * s[0], 0.1 * s[0]), (0.99 * s[0], 0.01 * s[0]), (1.001 * s[0], 0.0)):
        penalty = Penalty(l2=tuple(strength * x for x in sides), scale="objective")
        model = dnmf.fit(A, 3, penalty=penalty, dtype="float64", tol=1e-12, max_passes=5000)
        assert np.linalg.norm((model.read_W() * model.d) @ model.H) == pytest.approx(size, rel=1e-3, abs=1e-9)


def test_ridge_selects_the_rank():
    """Three orthogonal blocks of sizes 9, 4, 1: each dies at its own size."""
    A = np.zeros((30, 24))
    for q, size in enumerate((9.0, 4.0, 1.0)):
        A[10 * q : 10 * q + 10, 8 * q : 8 * q + 8] = size / np.sqrt(80)
    for strength, alive in ((0.5, 3), (2.0, 2), (6.0, 1), (10.0, 0)):
        model = dnmf.fit(A, 5, penalty=Penalty(l2=strength, scale="objective"), dtype="float64", tol=1e-10)
        singular = np.linalg.svd((model.read_W() * model.d) @ model.H, compute_uv=False)[:3]
        np.testing.assert_allclose(singular, np.maximum(0, np.array([9.0, 4.0, 1.0]) - strength), atol=1e-4)
        assert (singular > 0.01).sum() == alive


@pytest.mark.parametrize("off_by", [100.0, 0.01])
@pytest.mark.slow
def test_a_start_of_the_wrong_scale_ends_at_the_balanced_objective(off_by):
    A, H = toys.three_gaussians()
    options = {"dtype": "float64", "tol": 0, "max_passes": 2000, "prune": "off"}
    good = dnmf.fit(A, 3, H=H, penalty=l1(0.3), **options).history[-1].objective
    assert dnmf.fit(A, 3, H=off_by * H, penalty=l1(0.3), **options).history[-1].objective == pytest.approx(
        good, rel=1e-9
    )


@pytest.mark.parametrize("off_by", [100.0, 0.01])
def test_without_balance_it_is_cut_to_zero(off_by):
    A, H = toys.three_gaussians()
    free = Penalty(l1=0.3, scale="objective", diagonal=False)
    model = dnmf.fit(A, 3, H=off_by * H, penalty=free, dtype="float64", tol=0, max_passes=2000, prune="off")
    assert model.history[-1].alive == 0


@pytest.mark.parametrize(("kind", "strength"), [("l1", 0.1), ("l2", 0.1), ("l2", 1.0)])
@pytest.mark.slow
def test_the_scaling_swamp_is_there_without_balance_and_gone_with_it(kind, strength):
    """One number, factors off by a hundred: hundreds of passes, or a few."""
    passes = {}
    for diagonal in (False, True):
        penalty = Penalty(**{kind: strength}, scale="objective", diagonal=diagonal)
        model = dnmf.fit(np.array([[10.0]]), 1, H=np.array([[100.0]]), penalty=penalty, dtype="float64", tol=0,
                         max_passes=5000, extrapolate=False, prune="off")  # fmt: skip
        passes[diagonal] = len(model.history)
        factors = model.read_W()[0, 0] * model.w_scale[0], factor_of(model)[0, 0]
        assert factors[0] == pytest.approx(factors[1], rel=1e-3)  # both end balanced
    assert passes[True] <= 4
    assert passes[False] > 30


@pytest.mark.broad(1)
@pytest.mark.parametrize(
    "moved",
    [
        lambda c: {"l1": (0.3 * c, 0.3 / c)},
        lambda c: {"l2": (0.3 * c, 0.3 / c)},
        lambda c: {"l1": (0.3 * c, 0), "l2": (0, 0.3 / c**2)},
        lambda c: {"l1": (0.3 * c, 0.3 / c), "l2": (0.1 * c**2, 0.1 / c**2)},
    ],
    ids=["l1-l1", "l2-l2", "l1-l2", "elastic"],
)
def test_moving_weight_between_the_sides_changes_nothing(moved):
    A, H = toys.three_gaussians()
    objectives, products = [], []
    for c in (1, 10, 1000):
        model = dnmf.fit(A, 3, H=H, penalty=Penalty(**moved(c), scale="objective"), dtype="float64", tol=1e-13,
                         max_passes=3000)  # fmt: skip
        objectives.append(model.history[-1].objective)
        products.append((model.read_W() * model.d) @ model.H)
    np.testing.assert_allclose(objectives, objectives[0], rtol=1e-10)
    for product in products:  # what is flat to 1e-10 at a minimum tells points apart to the root of that
        assert np.linalg.norm(product - products[0]) <= 1e-5 * np.linalg.norm(products[0])


REAL = ["hawaiibirds", "pbmc3k", "movielens"]


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_on_real_data_a_relative_l1_of_one_leaves_nothing(name, request):
    A = request.getfixturevalue(name)
    model = dnmf.fit(A, 10, penalty=Penalty(l1=1.0))
    assert not model.H.any()
    assert not model.read_W().any()
    assert dnmf.fit(A, 10, penalty=Penalty(l1=0.5)).history[-1].alive > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_on_real_data_a_relative_l2_of_one_leaves_the_first_singular_vector(name, request):
    import scipy.sparse.linalg

    A = request.getfixturevalue(name).astype(np.float64)
    model = dnmf.fit(A, 10, penalty=Penalty(l2=1.0), dtype="float64", tol=1e-12, max_passes=300)
    _, _, vt = scipy.sparse.linalg.svds(A, 1)
    occupied = np.asarray(A.sum(axis=0)).ravel() > 0
    assert (model.H[:, occupied] > 0).all()
    cosines = model.H @ np.abs(vt[0]) / np.linalg.norm(model.H, axis=1)
    np.testing.assert_allclose(cosines, 1, atol=1e-5)
