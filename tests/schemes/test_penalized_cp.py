"""Ridge and sparse CP: scale, strengths, what dies, and what no balance costs."""

import csv
from itertools import pairwise

import numpy as np
import pytest
from cubes import array_of, planted
from example_models import watched
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

import dnmf
from dnmf.errors import InputError
from dnmf.penalty import Penalty
from dnmf.schemes.shares import Shares, least_shares

STRENGTHS = {
    "ridge": {"l2": 0.3},
    "sparse": {"l1": 0.3},
    "sparse along the long axis": {"l1": (0.3, 0), "l2": (0, 0.5)},
    "both": {"l1": (0.1, 0.2), "l2": (0.3, 0.1)},
    "another on each": {"l1": (0, 0.5, 0.1), "l2": (0.4, 0, 0.2)},
}


def penalized(strengths):
    return Penalty(**strengths, scale="objective")


def value_of(model, array):
    """The objective of a model from its factors and the array alone."""
    factors, penalty = model.scaled_factors(), model.penalty
    loss = 0.5 * np.sum((array - array_of(list(factors.values()))) ** 2)
    short = iter(range(1, len(factors)))
    for name, X in factors.items():
        l1, l2 = penalty.on_each(len(factors))[0 if name == model.long_axis else next(short)]
        loss += l1 * X.sum() + 0.5 * l2 * np.sum(X**2)
    return loss


positive = st.floats(1e-6, 1e6)


@given(st.integers(2, 5), st.integers(0, 1000), positive)
def test_shares_are_balanced_and_their_product_is_what_it_is_to_be(count, seed, size):
    rng = np.random.default_rng(seed)
    ones, twos = (10.0 ** rng.uniform(-6, 6, (count, 3)) for _ in range(2))
    ones[rng.integers(count), 0] = twos[rng.integers(count), 1] = 0.0
    terms = Shares(ones, twos)
    t = least_shares(terms, np.full(3, size))
    np.testing.assert_allclose(np.prod(t, axis=0), size, rtol=1e-10)
    share = ones * t + 2 * twos * t**2
    np.testing.assert_allclose(share, np.broadcast_to(share[0], share.shape), rtol=1e-9)


def test_shares_are_those_of_a_general_minimizer():
    ones, twos = np.array([[1.0], [0.2], [3.0]]), np.array([[0.5], [2.0], [0.0]])

    def penalty(u):
        t = np.exp(np.append(u, np.log(7.0) - u.sum()))
        return float(ones[:, 0] @ t + twos[:, 0] @ t**2)

    found = minimize(penalty, np.zeros(2), tol=1e-14)
    t = least_shares(Shares(ones, twos), np.array([7.0]))[:, 0]
    assert penalty(np.log(t[:2])) <= found.fun * (1 + 1e-12)


def test_a_component_that_is_zero_or_free_in_a_factor_keeps_its_scale():
    t = least_shares(Shares(np.zeros((3, 2)), np.array([[1.0, 1.0], [0.0, 1.0], [1.0, 1.0]])), np.array([8.0, 0.0]))
    np.testing.assert_allclose(t, [[2, 1], [2, 1], [2, 1]])


@pytest.mark.parametrize("name", STRENGTHS)
def test_the_objective_is_that_of_the_factors_and_no_pass_raises_it(name):
    array, _ = planted((25, 8, 7), 3, noise=0.1)
    model = dnmf.cp(array, 4, penalty=penalized(STRENGTHS[name]), dtype="float64", tol=1e-9)
    assert model.history[-1].objective == pytest.approx(value_of(model, array), rel=1e-9)
    accepted = [record.objective for record in model.history if record.accepted]
    assert all(after <= before * (1 + 1e-12) for before, after in pairwise(accepted))
    assert model.history[-1].gradient < 1e-3


def test_ridge_balances_the_norms_of_all_vectors():
    array, _ = planted((25, 8, 7, 3), 3, noise=0.1)
    model = dnmf.cp(array, 3, penalty=Penalty(l2=0.2, scale="objective"), dtype="float64", tol=1e-10)
    norms = np.stack([np.linalg.norm(X, axis=0) for X in model.scaled_factors().values()])
    np.testing.assert_allclose(norms / norms[0], 1, atol=1e-8)


def test_only_the_product_of_strengths_counts():
    """Of ridge on three factors: four times on one and half on both others is the same fit."""
    array, _ = planted((25, 8, 7), 3, noise=0.1)
    options = {"dtype": "float64", "tol": 1e-8, "seed": 1}
    one, other = (dnmf.cp(array, 3, penalty=Penalty(l2=l2, scale="objective"), **options) for l2 in (0.4, (1.6, 0.2)))
    np.testing.assert_allclose(
        [record.objective for record in other.history], [record.objective for record in one.history], rtol=1e-10
    )
    np.testing.assert_allclose(other.H, one.H, atol=1e-10)


@pytest.mark.parametrize("l2", [(0.1, 0.4, 1.6), (1.6, 0.1, 0.4)])
def test_so_it_is_of_strengths_that_differ_among_short_axes(l2):
    array, _ = planted((25, 8, 7), 3, noise=0.1)
    options = {"dtype": "float64", "tol": 1e-8, "seed": 1}
    one, other = (dnmf.cp(array, 3, penalty=Penalty(l2=x, scale="objective"), **options) for x in (0.4, l2))
    np.testing.assert_allclose(other.H, one.H, atol=1e-10)
    assert other.implicit_penalty.strength == pytest.approx(one.implicit_penalty.strength, rel=1e-12)


@pytest.mark.parametrize("long", [0, 1, 2])
def test_strengths_belong_to_their_axes_whichever_is_long(long):
    """L1 on one axis and ridge on the others, wherever that stands: terms times their degree are equal."""
    array, _ = planted((25, 24, 23), 3, noise=0.1)
    order = [long, *(axis for axis in range(3) if axis != long)]
    sparse = {axis: axis == 1 for axis in range(3)}
    penalty = Penalty(
        l1=tuple(0.2 * sparse[axis] for axis in order), l2=tuple(0.5 * (not sparse[axis]) for axis in order),
        scale="objective",
    )  # fmt: skip
    model = dnmf.cp(array, 3, row_axes=long, penalty=penalty, dtype="float64", tol=1e-9)
    assert model.history[-1].objective == pytest.approx(value_of(model, array), rel=1e-9)
    one, sparse_one, other = model.scaled_factors().values()
    share = 0.2 * sparse_one.sum(axis=0)
    np.testing.assert_allclose([0.5 * np.sum(X**2, axis=0) for X in (one, other)], [share, share], rtol=1e-7)


def test_strengths_for_other_factors_than_there_are_are_refused():
    array = np.ones((4, 3, 2))
    for l1, words in (((1, 2, 3, 4), r"for 4 factors, and there are 3"), ((1, 0, 2), "on some axes alone")):
        with pytest.raises(InputError, match=words):
            dnmf.cp(array, 1, penalty=Penalty(l1=l1, scale="objective"))
    with pytest.raises(InputError, match="strengths for 3 factors, a matrix has W and H"):
        dnmf.fit(array[0], 1, penalty=Penalty(l1=(1, 2, 3), scale="objective"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_dies_on_the_way_spoils_nothing(dtype):
    """With L1 on the long axis alone a component that shrinks from turn to turn took the digits of all others."""
    rng = np.random.default_rng(0)
    factors = [rng.gamma(1.0, size=(n, 4)) * (rng.random((n, 4)) > 0.5) for n in (300, 40, 30)]
    array = array_of(factors) + 0.13 * np.abs(rng.normal(size=(300, 40, 30)))
    model = dnmf.cp(array, 8, penalty=Penalty(l1=(0.1, 0), l2=(0, 0.5), scale="objective"), dtype=dtype)
    assert model.alive == 5
    assert model.history[-1].objective == pytest.approx(1255.48, rel=1e-4)
    assert all(record.off < 1e-4 for record in model.history)


def test_on_a_matrix_like_array_it_is_the_penalty_of_a_matrix():
    """An array with one axis of length one: that factor is a number, on a scale of its own."""
    array, _ = planted((30, 12, 1), 2, noise=0.05, seed=4)
    model = dnmf.cp(array, 2, penalty=Penalty(l2=0.1, scale="objective"), dtype="float64", tol=1e-10)
    sizes = model.d * np.linalg.norm(model.read_W(), axis=0) * np.linalg.norm(model.H, axis=1)
    implied = 0.5 * 3 * 0.1 * np.sum(sizes ** (2 / 3))  # ½ N l2 Σ (‖w‖ ‖x‖)^(2/N)
    assert model.history[-1].objective - model.history[-1].loss == pytest.approx(implied, rel=1e-8)


@pytest.mark.slow
def test_the_reference_of_ridge_and_rank_is_reached_or_gone_beyond(golden):
    """True rank 4, fitted 6: alive components over the strengths, medians of five tensors.

    The reference ends after 50 sweeps, where the two that are too many are on their way out at the weakest strengths:
    here they are gone.
    """
    with (golden / "hrsi_ridge_ncpd.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["balancing"] == "True"]
    found, reference = {}, {float(row["weight"]): float(row["median_components"]) for row in rows}
    for weight in reference:
        alive = []
        for seed in range(5):
            rng = np.random.default_rng(seed)
            array = array_of([rng.random((30, 4)) for _ in range(3)])
            penalty = Penalty(l2=2 * weight, scale="objective") if weight else None
            model = dnmf.cp(array, 6, penalty=penalty, seed=seed, tol=1e-6, max_passes=200, dtype="float64")
            alive.append(model.alive)
        found[weight] = float(np.median(alive))
    assert {weight: found[weight] for weight in reference if weight >= 0.1} == {
        weight: count for weight, count in reference.items() if weight >= 0.1
    }
    assert all(4 <= found[weight] <= 6 for weight in (0, 1e-3, 1e-2))


def test_the_scaling_swamp_is_there_without_balance_and_gone_with_it():
    array, factors = planted((25, 8, 7), 2, noise=0.05, seed=2)
    skewed = {"axis_1": 100 * factors[1], "axis_2": 100 * factors[2]}
    asked = {"dtype": "float64", "tol": 0.0, "extrapolate": False, "factors": skewed, "prune": "off"}

    def passes_until_near(*, diagonal, most):
        penalty = Penalty(l2=0.01, scale="objective", diagonal=diagonal)
        history = dnmf.cp(array, 2, penalty=penalty, max_passes=most, **asked).history
        return next((r.number for r in history if r.objective <= best * (1 + 1e-4)), most + 1)

    best = dnmf.cp(array, 2, penalty=Penalty(l2=0.01, scale="objective"), **asked, max_passes=60).history[-1].objective
    assert passes_until_near(diagonal=True, most=10) <= 4
    assert passes_until_near(diagonal=False, most=40) > 40


def test_pruned_components_come_back_where_refit_says_so():
    array, _ = planted((30, 12, 10), 3, noise=0.05)
    strength = Penalty(l2=1.0, scale="objective")
    fits = {how: dnmf.cp(array, 6, penalty=strength, prune=how, dtype="float64", tol=1e-7) for how in ("off", "refit")}
    assert fits["refit"].history[-1].objective <= fits["off"].history[-1].objective * (1 + 1e-9)
    assert fits["refit"].alive <= fits["off"].alive


def test_it_resumes_with_the_same_bits(tmp_path):
    array, _ = planted((25, 8, 7), 3, noise=0.1)
    np.save(tmp_path / "a.npy", array)
    options = {"penalty": Penalty(l1=(0.1, 0), l2=(0, 0.2), scale="objective"), "tol": 0.0, "init": "random"}
    whole = dnmf.cp(array, 4, **options, max_passes=8)
    dnmf.cp(array, 4, **options, max_passes=4, store=tmp_path / "run.dnmf")
    went_on = dnmf.resume(tmp_path / "run.dnmf", source=dnmf.open_source(array, row_axes=0), max_passes=8)
    np.testing.assert_array_equal(went_on.H, whole.H)
    assert went_on.penalty == options["penalty"]


@pytest.mark.parametrize(
    ("penalty", "words"),
    [
        (Penalty(l2=0.1), "scale 'relative'.* scale='objective'"),
        (Penalty(l1=(0, 0.1, 0, 0), scale="objective"), "for 4 factors, and there are 3"),
        (Penalty(l2=(0.1, 0), scale="objective"), "on some axes alone"),
        (Penalty(l1=(0, 0.1), scale="objective"), "on some axes alone"),
        (Penalty(angular=0.1, scale="objective"), "L1 and L2"),
    ],
)
def test_what_a_penalty_of_cp_cannot_be_is_refused_in_words(penalty, words):
    with pytest.raises(InputError, match=words):
        dnmf.cp(np.ones((4, 3, 2)), 1, penalty=penalty)


def test_prune_refit_without_a_penalty_is_refused():
    with pytest.raises(InputError, match="refit"):
        dnmf.cp(np.ones((4, 3, 2)), 1, prune="refit")


def test_what_components_cost_is_known_without_W_in_memory():
    array, _ = planted((60, 8, 7), 3, noise=0.1)
    for strengths in STRENGTHS.values():
        model = dnmf.cp(array, 4, penalty=penalized(strengths), dtype="float64", prune="off")
        factors, penalty = list(model.scaled_factors().values()), model.penalty
        expected = sum(
            l1 * X.sum(axis=0) + 0.5 * l2 * (X**2).sum(axis=0)
            for X, (l1, l2) in zip(factors, penalty.on_each(3), strict=True)
        )
        found = dnmf.measures.implicit_penalty(watched(model, chunk_rows=7))
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["ridge", "sparse", "sparse along the long axis"])
def test_the_model_knows_what_its_penalty_amounts_to(name):
    array, _ = planted((25, 8, 7), 3, noise=0.1)
    model = dnmf.cp(array, 3, penalty=penalized(STRENGTHS[name]), dtype="float64", tol=1e-9)
    values, last, found = dnmf.measures.implicit_penalty(model), model.history[-1], model.implicit_penalty
    assert values.sum() == pytest.approx(last.objective - last.loss, rel=1e-8)
    sizes = np.ones(3)
    for axis, X in model.factors.items():
        l1, _ = model.penalty.on_W if axis == model.long_axis else model.penalty.on_H
        sizes = sizes * (X.sum(axis=0) if l1 else np.linalg.norm(X, axis=0))
    np.testing.assert_allclose(found.strength * (model.d * sizes) ** found.degree, values, rtol=1e-8)
