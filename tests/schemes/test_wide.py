"""A half step where the short side is long: block after block of columns, on threads, in little beside its result."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse

import dnmf
from dnmf.constraints import Guides, Limits
from dnmf.fitting.fit import Fit
from dnmf.fitting.moves import change_of, extrapolated
from dnmf.fitting.state import Initial
from dnmf.fitting.step import advance, first_state
from dnmf.options import FitOptions
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.statistics import ModelSums, Statistics
from dnmf.penalty import Penalty
from dnmf.schemes.of_options import least_squares

pytestmark = pytest.mark.numeric
K, N = 4, 700
rng = np.random.default_rng(0)
H, BEFORE = rng.random((2, K, N)) * (rng.random((2, K, N)) < 0.7)
W = rng.random((60, K)) * (rng.random((60, K)) < 0.8)
A = W @ H + 0.3 * rng.random((60, N))
SUMS = ModelSums(W.T @ W, A.T @ W, W.sum(axis=0), (H @ A.T).max(axis=1))
L1, L2 = (0.2, 0.3), (0.4, 0.5)
CHAIN = scipy.sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(N, N))
GRAPH = Guides(laplacian=(scipy.sparse.diags_array(CHAIN.sum(axis=1)) - CHAIN).tocsr())
TARGET = Guides(target=np.where(np.arange(K)[:, None] == 1, rng.random((K, N)), np.nan))
SCHEMES = {
    "plain": least_squares(Penalty()),
    "L1 and L2": least_squares(Penalty(l1=L1, l2=L2, scale="objective")),
    "angular": least_squares(Penalty(angular=0.2, l2=0.1, scale="objective")),
    "a relative rule": least_squares(Penalty(l1=0.1, l2=0.1, scale="relative")),
    "an absolute rule": least_squares(Penalty(l1=1e-3, l2=1e-3, scale="absolute")),
    "one entry a column": least_squares(Penalty(angular=(0.0, 1.0), scale="relative")),
    "bounds": least_squares(Penalty(scale="objective"), Limits(upper=(1.0, 0.4))),
    "a free H": least_squares(Penalty(), Limits(free="H")),
    "given rows of H": least_squares(Penalty(), Limits(held=(0, 1)), Guides(H=H[:1])),
    "given columns of W": least_squares(Penalty(l1=L1, scale="objective"), Limits(held=(1, 0)), Guides(W=W[:, :1])),
    "a graph": least_squares(Penalty(smooth=0.5, l2=0.1, scale="objective"), guides=GRAPH),
    "a target": least_squares(Penalty(target=0.5, scale="objective"), guides=TARGET),
}


def half_step(scheme, dtype="float64"):
    """Everything a pass makes of its sums."""
    factor, before = H.astype(dtype), BEFORE.astype(dtype)
    measured = scheme.measure(SUMS, factor, (A**2).sum())
    updated = scheme.update(SUMS, factor)
    plain, before = scheme.scale(updated.H.copy(), before, SUMS)
    moved = scheme.project(extrapolated(plain, before, 0.7), plain)
    counts = (updated.finished, updated.unsolved, measured.alive)
    numbers = (measured.loss, measured.objective, measured.gradient, change_of(factor, plain))
    worth = scheme.worth(SUMS, factor) if scheme.prunes else np.zeros(0)
    return counts, [np.array(numbers), updated.H, plain, before, moved, worth]


@pytest.fixture
def cut(monkeypatch):
    """Has columns cut in blocks of so many numbers, for so many processors."""

    def cut_for(numbers, processors):
        monkeypatch.setattr("dnmf.passes.over_columns.NUMBERS_OF_BLOCK", numbers)
        monkeypatch.setattr("dnmf.passes.over_columns.processors", lambda: processors)

    return cut_for


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_blocks_of_columns_come_to_what_all_of_them_do(scheme, cut):
    cut(K * N, 1)
    counts, whole = half_step(scheme)
    cut(K * N // 9, 3)
    assert half_step(scheme)[0] == counts
    for in_blocks, at_once in zip(half_step(scheme)[1], whole, strict=True):
        np.testing.assert_allclose(in_blocks, at_once, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_the_bits_are_the_same_on_any_number_of_threads(scheme, dtype, cut):
    found = []
    for processors in (1, 2, 4):
        cut(K * N // 9, processors)
        counts, arrays = half_step(scheme, dtype)
        found.append((counts, [array.tobytes() for array in arrays]))
    assert found[0] == found[1] == found[2]


@pytest.mark.broad(1)
@pytest.mark.parametrize("init", ["random", "sample"])
def test_a_fit_has_the_same_bits_on_any_number_of_threads(init, cut):
    models = []
    for processors in (1, 2, 4):
        cut(K * N // 9, processors)
        models.append(dnmf.fit(scipy.sparse.csr_array(A * (A > 1)), K, init=init, max_passes=4, tol=0))
    assert len({(model.H.tobytes(), model.read_W().tobytes(), model.history[-1].objective) for model in models}) == 1


def test_what_fails_in_a_block_fails_in_the_caller(cut):
    cut(K * N // 9, 2)
    sums = replace(SUMS, P=SUMS.P[:-1])
    with pytest.raises(ValueError, match="broadcast"):
        least_squares(Penalty()).measure(sums, H, 1.0)


WIDE = 40_000
OBJECTIVE = Penalty(l1=0.1, l2=0.1, scale="objective")


@pytest.mark.parametrize("penalty", [Penalty(), OBJECTIVE, Penalty(l1=1e-3, scale="absolute")], ids=lambda p: p.scale)
@pytest.mark.parametrize("processors", [1, 3])
def test_a_half_step_takes_little_more_memory_than_what_it_returns(penalty, processors, cut):
    cut(2**13, processors)
    options = FitOptions(8, dtype="float32", penalty=penalty, tol=0.0, max_passes=100)
    fit, statistics = passed(options)
    fit = advance(fit, statistics, 1)
    tracemalloc.start()
    after = advance(fit, statistics, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    of_factor, of_block = after.state.H.nbytes, 8 * 2**13
    returned = 3 if penalty.in_objective else 2  # the update, what is beyond it, and the one before on another scale
    assert after.state.history[-1].accepted
    assert peak < returned * of_factor + 8 * processors * of_block + 2**17


def passed(options):
    """A fit and what a pass may have folded for it, the objective not above any before."""
    some = np.random.default_rng(1)
    factor = some.random((options.rank, WIDE), dtype=np.float32)
    P, Q = some.random((WIDE, options.rank)), some.random((20, options.rank))
    sums = ModelSums(Q.T @ Q, P, Q.sum(axis=0), np.zeros(options.rank))
    fit = Fit(first_state(Initial(factor), options), options, least_squares(options.penalty))
    return fit, Statistics([sums], squares=1e9)


def test_rows_are_prepared_for_in_little_more_memory_than_the_factor_they_are_solved_with(cut):
    cut(2**13, 2)
    factor = np.random.default_rng(2).random((8, WIDE), dtype=np.float32)
    solve_for_rows(factor)
    tracemalloc.start()
    visitor = solve_for_rows(factor)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < visitor.HT.nbytes + 2**20
