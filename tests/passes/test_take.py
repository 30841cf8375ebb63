"""Rows taken out of a pass as they weigh: the same ones however the pass is cut, and an estimate of all of them."""

import itertools
import pickle

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from dnmf.passes.blocks import cut_weighted
from dnmf.passes.visitors.take import Room, TakenRows, TakeRows
from dnmf.passes.visitors.visitor import Block
from dnmf.sources.memory import MemorySource, slice_rows, stack_rows
from dnmf.sources.rows import Weighted

pytestmark = pytest.mark.numeric

ROWS, COLUMNS = 300, 12
ENOUGH = Room(ROWS, 2**30)


@pytest.fixture
def A():
    rng = np.random.default_rng(0)
    values = rng.random((ROWS, COLUMNS)) * (rng.random((ROWS, COLUMNS)) < 0.6)
    return values * np.exp(2 * rng.standard_normal(ROWS))[:, None]


def panel_of(A, kind):
    weights = np.random.default_rng(1).random(A.shape).astype(np.float32)
    if kind == "dense":
        return A
    if kind == "weighted":
        return Weighted(A, weights)
    rows = MemorySource(scipy.sparse.csr_array(A)).read(0, len(A))
    return rows if kind == "sparse" else Weighted(rows, weights[A > 0])


KINDS = ["dense", "sparse", "weighted", "weighted sparse"]


def taken(take, panel, borders=(0, ROWS)):
    """What is taken of a panel that is cut into tasks at `borders`."""
    total = None
    for low, high in itertools.pairwise(borders):
        sums = take.begin(COLUMNS, "float64", residual=False)
        for at, rows, weights in cut_weighted(slice_rows(panel, low, high)):
            take.visit(Block(rows, low + at, None, weights), sums, None)
        total = sums.finish() if total is None else total + sums.finish()
    return total


def bits(some):
    """Everything there is to say of rows that were taken."""
    parts = pickle.dumps(stack_rows([panel for panel, _ in some.parts]))
    return some.rows.tolist(), some.importance.tobytes(), some.priority.tobytes(), some.threshold, parts


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("room", [ENOUGH, Room(40, 2**30), Room(ROWS, 4000), Room(1, 1)])
def test_the_same_rows_are_taken_however_they_are_cut_into_tasks(A, kind, room):
    take, panel = TakeRows(2.0, 10.0, room, seed=3), panel_of(A, kind)
    whole = taken(take, panel)
    assert 0 < len(whole.rows) <= room.rows
    for borders in ((0, 1, 2, 150, ROWS), (0, 97, 203, ROWS)):
        assert bits(taken(take, panel, borders)) == bits(whole)


@given(st.lists(st.tuples(st.floats(0.1, 100), st.integers(1, 9)), min_size=3, max_size=20), st.data())
def test_what_is_taken_of_parts_is_what_is_taken_of_the_whole(rows, data):
    room = Room(data.draw(st.integers(1, 8)), data.draw(st.integers(1, 40)))
    priority, n_bytes = (np.array(column) for column in zip(*rows, strict=True))
    numbers = np.arange(len(rows))

    def of(some):
        record = TakenRows(room, 0.5, numbers[some], priority[some], priority[some], n_bytes[some])
        return record.first(room)

    one, other = sorted(data.draw(st.tuples(st.integers(0, len(rows)), st.integers(0, len(rows)))))
    upper, middle, lower = (of(slice(*span)) for span in ((0, one), (one, other), (other, len(rows))))
    whole = of(slice(None))
    for parts in ((upper + middle) + lower, upper + (middle + lower)):
        assert parts.rows.tolist() == whole.rows.tolist()
        assert parts.threshold == whole.threshold


@pytest.mark.parametrize("kind", KINDS)
def test_the_rows_themselves_are_those_of_the_data(A, kind):
    panel = panel_of(A, kind)
    found = taken(TakeRows(2.0, 50.0, ENOUGH, seed=0), panel, (0, 120, ROWS))
    rows = stack_rows([part for part, _ in found.parts])
    expected = stack_rows([slice_rows(panel, int(row), int(row) + 1) for row in found.rows])
    assert pickle.dumps(rows) == pickle.dumps(expected)


@pytest.mark.parametrize("degree", [2.0, 1.0, 0.5])
def test_a_row_has_the_priority_of_what_it_weighs(A, degree):
    dense, sparse = (taken(TakeRows(degree, 0.0, ENOUGH, seed=0), panel_of(A, kind)) for kind in ("dense", "sparse"))
    living = A.any(axis=1)
    np.testing.assert_allclose(dense.importance, (A**degree * (A > 0)).sum(axis=1)[living])
    np.testing.assert_allclose(sparse.importance, dense.importance)
    assert (dense.priority >= dense.importance).all()


def test_what_was_not_observed_weighs_nothing(A):
    holes = np.where(A > 1, np.nan, A)
    found = taken(TakeRows(2.0, 0.0, ENOUGH, seed=0), holes)
    np.testing.assert_allclose(found.importance, np.nansum(holes**2, axis=1)[np.nansum(holes, axis=1) > 0])


@pytest.mark.parametrize("room", [Room(30, 2**30), Room(ROWS, 30 * COLUMNS * 8)])
def test_rows_and_the_rows_each_stands_for_are_an_estimate_of_all(A, room):
    estimates = []
    for seed in range(200):
        found = taken(TakeRows(2.0, 0.0, room, seed), A)
        estimates.append((np.maximum(1, found.threshold / found.importance) * found.importance).sum())
    assert np.mean(estimates) == pytest.approx((A**2).sum(), rel=0.05)
