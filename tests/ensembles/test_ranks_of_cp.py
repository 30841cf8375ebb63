"""Ranks of CP: what is held out is a block of slabs at places along a short axis, never seen by what predicts it."""

import numpy as np
import pytest
from cubes import planted

import dnmf
from dnmf.errors import InputError, Interrupted
from dnmf.fitting.events import RanksPassDone
from dnmf.passes.held_out import Fold

RANKS = range(1, 6)


@pytest.fixture(scope="module")
def cube():
    array, _ = planted((60, 18, 12), 3, seed=2)
    return array * np.random.default_rng(0).gamma(20, 1 / 20, array.shape)


@pytest.fixture(scope="module")
def found(cube):
    return dnmf.ranks(cube, RANKS, seeds=3, structure="cp")


@pytest.mark.parametrize("lengths", [(6, 4), (3, 7, 2), (5,)], ids=str)
def test_columns_of_a_fold_are_those_at_some_places_along_the_longest_axis(lengths):
    n, seen = int(np.prod(lengths)), np.zeros(lengths, int)
    for number in range(3):
        fold = Fold(number, 3, 1, lengths)
        split = fold.columns(n)
        apart = np.moveaxis(split.apart.reshape(lengths), fold.axis, 0).reshape(lengths[fold.axis], -1)
        assert all(len(set(line)) == 1 for line in apart.tolist())
        assert len(split.others) == np.prod(fold.lengths_seen)
        seen += split.apart.reshape(lengths)
    assert (seen == 1).all()


def test_the_planted_rank_is_suggested(found):
    assert found.suggested == 3
    assert isinstance(found.model(3), dnmf.CPModel)


def test_the_held_out_error_is_that_of_the_block_by_hand(cube):
    """Of a rank-one array it is that of the best vectors at the places that are held apart."""
    rng = np.random.default_rng(3)
    array = np.einsum("i,j,k->ijk", rng.random(40), rng.random(9), rng.random(6)) * rng.gamma(20, 1 / 20, (40, 9, 6))
    shown = dnmf.ranks(array, [1], seeds=1, folds=2, structure="cp", dtype="float64", tol=1e-10).rows[0]
    errors = []
    for number in range(2):
        fold = Fold(number, 2, 0, (9, 6))
        rows, split = fold.rows(0, 40), fold.columns(54)
        A = array.reshape(40, 54)
        seen = A[np.ix_(~rows, split.others)].reshape(-1, *fold.lengths_seen)
        model = dnmf.cp(seen, 1, row_axes=0, dtype="float64", tol=1e-12)
        W, y = model.read_W()[:, 0] * model.d[0], model.factor(2)[:, 0]
        beside = A[np.ix_(~rows, split.those)].reshape((~rows).sum(), -1, 6)
        x = np.einsum("i,ijk,k->j", W, beside, y) / ((W @ W) * (y @ y))
        h = model.H[0]
        w = A[np.ix_(rows, split.others)] @ h / (h @ h)
        block = A[np.ix_(rows, split.those)]
        errors.append(np.linalg.norm(block - np.outer(w, np.outer(x, y).ravel())) / np.linalg.norm(block))
    assert shown.held_out == pytest.approx(np.mean(errors), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("penalty", [None, dnmf.Penalty(l2=0.05, scale="fraction")], ids=["plain", "ridge"])
def test_stopped_and_resumed_the_table_is_the_same(cube, penalty, tmp_path):
    of = {"ranks": [2, 3], "seeds": 2, "folds": 2, "structure": "cp", "penalty": penalty}
    whole, store = dnmf.ranks(cube, **of), tmp_path / "run.dnmf"

    def stop(event):
        if isinstance(event, RanksPassDone):
            raise Interrupted(15, "enough")

    with pytest.raises(Interrupted, match="enough"):
        dnmf.ranks(cube, **of, store=store, callbacks=[stop])
    resumed = dnmf.resume_ranks(store, source=dnmf.open_source(cube, row_axes=0))
    for one, other in zip(whole.rows, resumed.rows, strict=True):
        assert (one.held_out, one.error, one.found) == (other.held_out, other.error, other.found)
    np.testing.assert_array_equal(resumed.model(3).H, whole.model(3).H)


def test_a_consensus_of_them_is_refused(found):
    with pytest.raises(InputError, match="consensus"):
        found.consensus(3)
