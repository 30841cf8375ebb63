"""CP where every column has its own curvature: what was observed, and losses of counts, factor beside factor."""

import numpy as np
import pytest
from cubes import planted

from dnmf.kernels.packed import pack
from dnmf.options import FitOptions
from dnmf.passes.observed_sums import ObservedSums
from dnmf.passes.own_sums import OwnSums
from dnmf.passes.statistics import ModelSums
from dnmf.penalty import Penalty
from dnmf.schemes.facts import Facts
from dnmf.schemes.modes import products_of, vectors_of
from dnmf.schemes.of_options import scheme_of
from dnmf.schemes.own_products import OfColumns
from dnmf.schemes.products import Turn

LENGTHS = [(6, 5), (4, 3, 2)]
RANK = 3
NOTHING_TO_SPEAK_OF = Penalty(l2=1e-12, scale="objective")  # under one H keeps its scale beside W


def scheme(lengths, *, observed=True, diagonal=False, **asked):
    options = FitOptions(RANK, structure="cp", dtype="float64", **asked)
    return scheme_of(options, Facts(observed=observed, diagonal=diagonal, lengths=lengths))


def case(lengths, seed=0):
    """An array unfolded, weights of its entries of which a third is zero, rows W, and a start of products."""
    array, factors = planted((30, *lengths), RANK, noise=0.2, seed=seed)
    rng = np.random.default_rng(seed)
    A, W = array.reshape(30, -1), factors[0]
    weights = rng.random(A.shape) * (rng.random(A.shape) > 1 / 3)
    H = products_of([rng.gamma(1.0, size=(RANK, n)) for n in lengths])
    return A, weights, W, H


def observed_sums(A, weights, W, H, *, diagonal=False):
    """What a pass folds of weighted entries, by the book."""
    grams = np.einsum("ij,iq,ir->jqr", weights, W, W)
    N, Q = (weights * A).T @ W, pack(grams)
    if diagonal:
        N = N - np.einsum("ij,ij,iq->jq", weights, W @ H, W)
        Q = np.einsum("ij,iq->jq", weights, W * W.sum(axis=1, keepdims=True))
    zeros = np.zeros((RANK, RANK))
    return ObservedSums(
        s=W.sum(axis=0), G=W.T @ W, N=N, Q=Q, whole=float((weights * A**2).sum()), based=zeros, bound=np.zeros(RANK),
        counts=weights.sum(axis=0), squares=weights.sum(axis=1) @ W**2, curved=float((weights * (W @ H) ** 2).sum()),
    )  # fmt: skip


def counted_sums(A, W, H):
    """What a pass folds under Kullback–Leibler, by the book."""
    P = W @ H
    N, Q = (A / P).T @ W, pack(np.einsum("ij,iq,ir->jqr", A / P**2, W, W))
    return OwnSums(s=W.sum(axis=0), G=W.T @ W, N=N, Q=Q, whole=1.0)


def weighted_loss(A, weights, W, H):
    return 0.5 * float((weights * (A - W @ H) ** 2).sum())


def kullback_leibler(A, W, H):
    P = W @ H
    return float((A * np.log(np.where(A > 0, A, 1) / P) - A + P).sum())


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_a_model_of_columns_is_that_of_a_factor_beside_the_others(lengths):
    A, weights, W, H = case(lengths)
    rng, sums = np.random.default_rng(1), observed_sums(A, weights, W, H)
    whole = OfColumns(sums.Q, sums.N, np.eye(RANK), sums.counts, False)
    vectors, of_W = vectors_of(H, lengths), rng.random(RANK) + 0.5
    full = np.einsum("ij,iq,ir->jqr", weights, W, W) + np.eye(RANK)
    for axis in range(len(lengths)):
        x = rng.random((lengths[axis], RANK))
        others = [X if at != axis else x.T for at, X in enumerate(vectors)]
        h = (products_of(others) * of_W[:, None]).T
        expected = 0.5 * np.einsum("jq,jqr,jr->", h, full, h) - float(np.vdot(sums.N, h))
        along = whole.along(Turn(vectors, axis, of_W))
        value = 0.5 * float(np.vdot(along.slope(x) - along.B, x))
        assert value == pytest.approx(expected, rel=1e-10)
        assert along.counts == pytest.approx(
            weights.sum(axis=0).reshape(lengths).sum(axis=tuple(at for at in range(len(lengths)) if at != axis))
        )


@pytest.mark.parametrize("diagonal", [False, True], ids=["whole", "diagonal"])
@pytest.mark.parametrize("solver", ["cd", "hals", "mu"])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_no_update_raises_the_loss_of_what_was_observed(lengths, solver, diagonal):
    A, weights, W, H = case(lengths)
    of_products = scheme(lengths, solver=solver, diagonal=diagonal, penalty=NOTHING_TO_SPEAK_OF)
    before = weighted_loss(A, weights, W, H)
    for _ in range(15):
        H = of_products.update(observed_sums(A, weights, W, H, diagonal=diagonal), H).H
        after = weighted_loss(A, weights, W, H)
        assert after <= before * (1 + 1e-6)
        before = after


def test_kullback_leibler_by_multiplicative_updates_never_rises():
    for lengths in LENGTHS:
        A, _, W, H = case(lengths)
        of_products = scheme(lengths, observed=False, loss="kullback-leibler", solver="mu", penalty=NOTHING_TO_SPEAK_OF)
        before = kullback_leibler(A, W, H)
        for _ in range(25):
            H = of_products.update(counted_sums(A, W, H), H).H
            after = kullback_leibler(A, W, H)
            assert after <= before * (1 + 1e-8)
            before = after


@pytest.mark.slow
def test_steps_of_newton_end_where_multiplicative_updates_do():
    A, _, W, H = case(LENGTHS[0])
    ends = []
    for solver, steps in (("cd", 30), ("mu", 3000)):
        of_products, found = scheme(LENGTHS[0], observed=False, loss="kullback-leibler", solver=solver,
                                    penalty=NOTHING_TO_SPEAK_OF), H  # fmt: skip
        for _ in range(steps):
            found = of_products.update(counted_sums(A, W, found), found).H
        ends.append(kullback_leibler(A, W, found))
    assert ends[0] == pytest.approx(ends[1], rel=1e-4)


def test_exact_updates_of_what_was_observed_end_where_no_factor_has_a_gradient():
    A, weights, W, H = case(LENGTHS[1])
    of_products = scheme(LENGTHS[1], penalty=NOTHING_TO_SPEAK_OF)
    for _ in range(60):
        sums = observed_sums(A, weights, W, H)
        H = of_products.update(sums, H).H
    assert of_products.measure(observed_sums(A, weights, W, H), H, float((weights * A**2).sum())).gradient < 1e-6


def test_where_all_was_observed_it_is_the_update_of_all():
    lengths = LENGTHS[0]
    A, _, W, H = case(lengths)
    some = scheme(lengths).update(observed_sums(A, np.ones_like(A), W, H), H).H
    every = scheme(lengths, observed=False)
    zeros = np.zeros(RANK)
    np.testing.assert_allclose(some, every.update(ModelSums(W.T @ W, A.T @ W, W.sum(axis=0), zeros), H).H, rtol=1e-6)


def test_a_place_of_which_nothing_was_observed_is_zero():
    lengths = LENGTHS[0]
    A, weights, W, H = case(lengths)
    weights = weights.reshape(30, *lengths).copy()
    weights[:, 2] = 0
    found = scheme(lengths).update(observed_sums(A, weights.reshape(30, -1), W, H), H).H
    assert not found.reshape(RANK, *lengths)[:, 2].any()
    assert found.reshape(RANK, *lengths)[:, 3].any()


def test_half_way_between_two_products_is_the_products_of_what_is_half_way():
    of_products = scheme(LENGTHS[0])
    rng = np.random.default_rng(0)
    first, second = ([rng.random((RANK, n)) for n in LENGTHS[0]] for _ in range(2))
    for vectors in (first, second):
        vectors[:] = [X / X.sum(axis=1, keepdims=True) for X in vectors]
    between = of_products.between(products_of(first), products_of(second))
    np.testing.assert_allclose(between, products_of([(X + Y) / 2 for X, Y in zip(first, second, strict=True)]))
