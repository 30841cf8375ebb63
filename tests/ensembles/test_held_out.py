"""What is held out of a fit is not seen by it, and is predicted as exactly as the fit allows, from sums alone."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
from scipy.optimize import nnls

import dnmf
from dnmf.constraints import NO_GUIDES
from dnmf.fitting.loop import run_until_last
from dnmf.fitting.state import Initial
from dnmf.losses import loss_named
from dnmf.options import FitOptions
from dnmf.passes.drawn import uniform
from dnmf.passes.held_out import Fold, split_rows
from dnmf.passes.visitors.held_out import held_entries, weights_apart
from dnmf.passes.visitors.score import ScoreGivenRows
from dnmf.passes.visitors.visitor import Block
from dnmf.penalty import Penalty
from dnmf.resources import Resources
from dnmf.schemes.held_out import held_out
from dnmf.sources.memory import MemorySource
from dnmf.starts.begin import fit_from
from dnmf.workplace import Workplace

ROWS, COLUMNS, RANK = 200, 40, 3
FOLD = Fold(1, 4, seed=5)


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(0)
    rates = rng.random((ROWS, RANK)) ** 2 @ rng.random((RANK, COLUMNS)) ** 2
    return rng.poisson(3 * rates).astype(float)


def fitted(A, fold=FOLD, rank=RANK, loss="frobenius", tol=1e-7, **given):
    """A fit with a fold held out, to its end, in float64."""
    penalty = given.pop("penalty", Penalty())
    source = dnmf.open_source(A, **given)
    options = FitOptions(rank, init="random", dtype="float64", loss=loss, tol=tol, penalty=penalty, max_passes=300)
    with Workplace(source, options, Resources(), stored=False) as place:
        H = np.random.default_rng(1).random((rank, source.shape[1]))
        fit = fit_from(place.engine, Initial(H), options, NO_GUIDES)
        apart = held_out(fit.scheme, fold, source.shape[1], place.engine.facts)
        fit = replace(fit_from(place.engine, Initial(apart.columns_of(H)), options, NO_GUIDES), held_out=apart)
        (fit,) = run_until_last(place.engine, [fit], lambda *_: None)
    return fit


def parts(A):
    """The rows that are held out, and the columns that are not, as those that are."""
    return FOLD.rows(0, len(A)), FOLD.columns(A.shape[1])


def rows_for(A, H):
    return np.array([nnls(H.T, row)[0] for row in A])


@pytest.mark.parametrize("count", [2, 3, 5])
def test_each_row_column_and_entry_is_in_one_fold(count):
    folds = [Fold(number, count, seed=3) for number in range(count)]
    assert np.sum([fold.rows(0, 500) for fold in folds], axis=0).tolist() == [1] * 500
    sizes = [len(fold.columns(41).those) for fold in folds]
    assert sum(sizes) == 41
    assert max(sizes) - min(sizes) <= 1
    rows, columns = np.arange(30)[:, None], np.arange(20)[None]
    assert (np.sum([fold.entries(rows, columns) for fold in folds], axis=0) == 1).all()


def test_what_is_in_a_fold_depends_on_numbers_and_seed_alone():
    assert np.array_equal(FOLD.rows(0, 300)[120:], FOLD.rows(120, 300))
    rows, columns = np.array([7, 90]), np.array([3, 11])
    assert np.array_equal(FOLD.entries(rows, columns)[1:], FOLD.entries(rows[1:], columns[1:]))
    assert not np.array_equal(FOLD.rows(0, 300), Fold(1, 4, seed=6).rows(0, 300))


@pytest.mark.parametrize("sparse", [False, True])
def test_rows_are_cut_into_what_they_have_in_both_kinds_of_columns(counts, sparse):
    source = MemorySource(scipy.sparse.csr_array(counts) if sparse else counts)
    which, split = np.array([0, 3, 4, 90]), FOLD.columns(COLUMNS)
    for part, columns in zip(split_rows(source.read(0, ROWS), which, split), split[1:3], strict=True):
        dense = part
        if sparse:
            dense = scipy.sparse.csr_array((part.data, part.indices, part.indptr), shape=(4, len(columns))).toarray()
        assert np.array_equal(dense, counts[np.ix_(which, columns)])


@pytest.mark.broad(2)
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("penalty", [Penalty(), Penalty(l1=0.3, l2=0.5, scale="objective")], ids=["plain", "penalized"])
def test_the_error_in_a_block_is_that_of_factors_which_have_not_seen_it(counts, sparse, penalty):
    fit = fitted(scipy.sparse.csr_array(counts) if sparse else counts, penalty=penalty)
    rows, columns = parts(counts)
    if not penalty.active:
        H = fit.state.best
        W = rows_for(counts[:, columns.others], H)
        beside = rows_for(counts[np.ix_(~rows, columns.those)].T, W[~rows].T).T
        left = counts[np.ix_(rows, columns.those)] - W[rows] @ beside
        assert fit.held_out.loss == pytest.approx(0.5 * (left**2).sum(), rel=1e-9)
        seen = counts[np.ix_(~rows, columns.others)] - W[~rows] @ H
        assert fit.state.objective == pytest.approx(0.5 * (seen**2).sum(), rel=1e-9)
    assert fit.held_out.whole == pytest.approx(0.5 * (counts[np.ix_(rows, columns.those)] ** 2).sum())
    assert 0 < fit.held_out.share < 1


@pytest.mark.slow
def test_values_of_the_block_change_nothing_but_its_error(counts):
    rows, columns = parts(counts)
    other = counts.copy()
    other[np.ix_(rows, columns.those)] += 10
    for loss in ("frobenius", "kullback-leibler"):
        one, two = fitted(counts, loss=loss), fitted(other, loss=loss)
        assert np.array_equal(one.state.plain, two.state.plain)
        assert np.array_equal(one.held_out.beside, two.held_out.beside)
        assert two.held_out.loss > one.held_out.loss


def divergence(a, p):
    return float((a * np.log(np.where(a > 0, a, 1) / p) - a + p).sum())


@pytest.mark.slow
@pytest.mark.parametrize("sparse", [False, True])
def test_under_another_loss_the_error_is_that_of_where_the_columns_have_come_to(counts, sparse):
    fit = fitted(scipy.sparse.csr_array(counts) if sparse else counts, loss="kullback-leibler")
    rows, columns = parts(counts)
    W = rows_for_counts(counts[:, columns.others], fit.state.best)
    p = W @ fit.held_out.beside
    seen, held = np.ix_(~rows, columns.those), np.ix_(rows, columns.those)
    assert fit.held_out.loss == pytest.approx(divergence(counts[held], p[rows]), rel=2e-3)
    of_columns = divergence(counts[seen], p[~rows])
    for q in range(RANK):  # the columns are best for the rows that are not held out
        H = fit.held_out.beside * np.where(np.arange(RANK) == q, 1.02, 1.0)[:, None]
        assert divergence(counts[seen], (W @ H)[~rows]) >= of_columns * (1 - 1e-4)


def rows_for_counts(A, H):
    """The rows of W under Kullback–Leibler, by many multiplicative updates."""
    W = np.repeat(A.sum(axis=1, keepdims=True) / H.sum(), len(H), axis=1)
    for _ in range(3000):
        W *= (A / np.maximum(W @ H, 1e-30)) @ H.T / H.sum(axis=1)
    return W


@pytest.mark.broad(1)
@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
@pytest.mark.parametrize("kind", ["nan", "mask", "unstored"])
def test_entries_that_are_held_out_are_as_if_they_were_missing(counts, loss, kind):
    there, counts = np.random.default_rng(2).random(counts.shape) < 0.8, counts + 1
    if kind == "nan":
        A, given = np.where(there, counts, np.nan), {"missing": "nan"}
    elif kind == "mask":
        A, given = counts, {"mask": there}
    else:
        A, given = scipy.sparse.csr_array(np.where(there, counts, 0)), {"missing": "unstored"}
    held = FOLD.entries(np.arange(ROWS)[:, None], np.arange(COLUMNS)[None]) & there
    fit = fitted(A, loss=loss, **given)
    without = dnmf.fit(
        np.where(there & ~held, counts, np.nan), RANK, missing="nan", loss=loss, dtype="float64", max_passes=2,
        tol=0, H=fit.state.best,
    )  # fmt: skip
    close = 1e-6 if loss == "frobenius" else 5e-3  # a start that is given has no zeros under the other one
    assert fit.state.objective == pytest.approx(without.history[0].objective, rel=close)
    predicted = (without.read_W() * without.d) @ without.H
    if loss == "frobenius":
        assert fit.held_out.loss == pytest.approx(0.5 * ((counts - predicted)[held] ** 2).sum(), rel=1e-3)
    else:
        assert fit.held_out.loss == pytest.approx(divergence(counts[held], predicted[held]), rel=2e-2)


def test_weights_of_entries_are_shared_out(counts):
    weights = np.random.default_rng(3).random(counts.shape)
    seen, held = weights_apart(counts, weights, held_entries(counts, np.arange(ROWS), FOLD))
    assert np.array_equal(seen + held, weights)
    assert not (seen * held).any()


@pytest.mark.slow
def test_the_right_rank_predicts_best_and_a_higher_one_worse(counts):
    truth = np.random.default_rng(4)
    A = truth.random((300, 4)) ** 3 @ truth.random((4, 60)) ** 3 * truth.gamma(20, 1 / 20, (300, 60))
    shares = {rank: fitted(A, rank=rank, tol=1e-5).held_out.share for rank in (2, 4, 8)}
    assert shares[4] < shares[8] < shares[2]


def test_a_sample_of_the_same_seed_has_rows_of_all_folds_alike():
    numbers = np.arange(20_000)
    for seed in (0, 1, 7):
        sample = np.argsort(uniform(numbers, seed))[:2_000]
        counts = [np.count_nonzero(Fold(f, 4, seed).rows(0, 20_000)[sample]) for f in range(4)]
        assert min(counts) > 400


def test_a_divergence_of_entries_out_of_reach_is_not_negative():
    H, W = np.eye(6)[:1], np.array([[3000.0]])
    visitor = ScoreGivenRows.of(loss_named("kullback-leibler"), H, observed=False)
    row = np.array([[3000.0, 1, 1, 1, 1, 0]])
    score = visitor.begin(6, "float64", residual=False)
    visitor.visit(Block(row, 0, W), score, None)
    assert 0 < score.value < score.whole * 10
