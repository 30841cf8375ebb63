"""What a column adds up to that few rows have is as exact in float32 as its own entries are."""

import numpy as np
import pytest

from dnmf.kernels.packed import pack, packed_size, unpack
from dnmf.passes.terms import Terms
from dnmf.passes.visitors.observed import SolveObservedRows
from dnmf.passes.visitors.visitor import Block

pytestmark = pytest.mark.numeric
ROWS, COLUMNS, RANK, BLOCK = 6000, 20, 6, 1500
FEW = 7  # the column
rng = np.random.default_rng(0)
W = rng.random((ROWS, RANK)).astype(np.float32)
A = rng.random((ROWS, COLUMNS)).astype(np.float32) + 1
SEEN = np.ones(A.shape, bool)
SEEN[:, FEW] = False
SEEN[rng.choice(ROWS, 5, replace=False), FEW] = True


def folded(rows, weights, *, diagonal):
    """The sums over all rows for these columns of W."""
    visitor = SolveObservedRows.for_factor(np.zeros((RANK, COLUMNS), np.float32), Terms(), held=RANK, diagonal=diagonal)
    sums = visitor.begin(COLUMNS, "float32", residual=False)
    for low in range(0, ROWS, BLOCK):
        here = slice(low, low + BLOCK)
        visitor.visit(Block(rows[here], low, W[here], None if weights is None else weights[here]), sums, None)
    return sums.finish()


COUNTS = {
    "missing": (np.where(SEEN, A, np.nan).astype(np.float32), None, SEEN.astype(float)),
    "of no weight": (A, SEEN.astype(np.float32), SEEN.astype(float)),
    "of hardly any weight": (A, np.where(SEEN, 1, 2.0**-20).astype(np.float32), np.where(SEEN, 1, 2.0**-20)),
}


@pytest.mark.parametrize(("rows", "weights", "counts"), COUNTS.values(), ids=COUNTS)
def test_gram_matrices_are_those_of_what_counts(rows, weights, counts):
    sums, wide = folded(rows, weights, diagonal=False), W.astype(np.float64)
    exact = np.einsum("i,iq,il->ql", counts[:, FEW], wide, wide)
    found = unpack(sums.Q[FEW] + pack(sums.based))
    np.testing.assert_allclose(found, exact, atol=1e-9 * np.trace(exact))


@pytest.mark.parametrize(("rows", "weights", "counts"), COUNTS.values(), ids=COUNTS)
def test_so_are_their_diagonals(rows, weights, counts):
    sums, wide = folded(rows, weights, diagonal=True), W.astype(np.float64)
    exact = (counts[:, FEW, None] * wide * wide.sum(axis=1, keepdims=True)).sum(axis=0)
    np.testing.assert_allclose(sums.Q[FEW] + sums.based.sum(axis=1), exact, rtol=1e-9)
    assert sums.Q.shape == (COLUMNS, RANK) != (COLUMNS, packed_size(RANK))
