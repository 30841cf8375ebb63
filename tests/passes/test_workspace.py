"""What a visit makes for itself stays within what the plan counts for it, however many components there are."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse

from dnmf.kernels.packed import packed_size
from dnmf.losses import loss_named
from dnmf.memory import Machine, Shape, memory_need
from dnmf.passes.blocks import cut_blocks
from dnmf.passes.entries import runs_of_rows
from dnmf.passes.terms import Terms
from dnmf.passes.visitors.curved import SolveCurvedRows
from dnmf.passes.visitors.observed import SolveObservedRows
from dnmf.passes.visitors.visitor import Block
from dnmf.sources.rows import CsrRows

pytestmark = pytest.mark.numeric
COLUMNS, ROWS = 120, 400
rng = np.random.default_rng(0)


def stored():
    A = scipy.sparse.random_array((ROWS, COLUMNS), density=0.05, random_state=rng, format="csr", dtype="f8")
    return CsrRows(A.data + 0.1, A.indices.astype(np.int32), A.indptr.astype(np.int64)), None


def dense(*, holes=False, weighted=False):
    A = rng.random((ROWS, COLUMNS)) + 0.1
    A[rng.random(A.shape) < (0.4 if holes else 0)] = np.nan
    return A, rng.random(A.shape) + 0.1 if weighted else None


OBSERVED = {"observed": True}
VISITS = {
    "ratings": (stored(), "frobenius", {"ridge": 0.1}),
    "ratings with biases": (stored(), "frobenius", {"held": 2}),
    "holes": (dense(holes=True), "frobenius", {}),
    "weights": (dense(weighted=True), "frobenius", {}),
    "counts": (dense(), "kullback-leibler", {}),
    "spectra": (dense(), "itakura-saito", {}),
    "spectra with holes": (stored(), "itakura-saito", OBSERVED),
    "weighted spectra": (dense(weighted=True), "itakura-saito", OBSERVED),
}


def visitor_for(loss, H, said):
    if loss != "frobenius":
        return SolveCurvedRows.for_factor(loss_named(loss), H, Terms(), **said)
    more = {**said, "ridge": np.full(len(H), said["ridge"])} if "ridge" in said else said
    return SolveObservedRows.for_factor(H, Terms(), **more)


@pytest.mark.broad(4)
@pytest.mark.parametrize("rank", [10, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("data", "loss", "said"), VISITS.values(), ids=VISITS)
def test_a_visit_stays_within_its_workspace(data, loss, said, dtype, rank):
    shape = Shape(COLUMNS, rank, np.dtype(dtype).itemsize, curvature=packed_size(rank))
    counted = (
        memory_need(shape, Machine(1, 2**40, 0), 0, 0, 1).workspace
        - memory_need(Shape(COLUMNS, 1, shape.itemsize), Machine(1, 2**40, 0), 0, 0, 1).workspace
    )  # without what a plan allows for stacks and blocks of the data
    (values, weights), H = data, (rng.random((rank, COLUMNS)) + 0.1).astype(dtype)
    visitor = visitor_for(loss, H, said)
    at, rows = max(cut_blocks(values), key=lambda block: len(block[1]) if weights is not None else 0)
    given = np.ones((ROWS, 2), dtype) if "held" in said else None
    block = Block(rows, at, given, None if weights is None else weights[at : at + len(rows)])
    sums = visitor.begin(COLUMNS, dtype, residual=False)
    visitor.visit(block, sums, None)
    tracemalloc.start()
    visitor.visit(block, sums, None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < counted


@pytest.mark.parametrize("of_row", [1, 55, 5050, 2**19])
def test_runs_of_rows_are_all_rows_once_and_no_larger_than_they_may_be(of_row):
    indptr = np.append(0, np.cumsum(rng.integers(0, 9, 3000)))
    runs = list(runs_of_rows(indptr, of_row, 40))
    assert [low for low, _ in runs] == [0, *(high for _, high in runs[:-1])]
    assert runs[-1][1] == 3000
    for low, high in runs:
        assert high == low + 1 or (high - low) * of_row <= 2**18
        assert high == low + 1 or indptr[high] - indptr[low] <= 40
