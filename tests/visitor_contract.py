"""What every visitor of rows promises; a new one inherits these tests by naming how it is made."""

import itertools
import pickle

import numpy as np
import pytest
import scipy.sparse

from dnmf.passes.blocks import cut_blocks
from dnmf.passes.rows_out import RowsOut
from dnmf.passes.visitors.visitor import Block
from dnmf.sources.memory import MemorySource

ROWS, COLUMNS, RANK = 70, 30, 4


class VisitorContract:
    """Subclasses say what makes the visitor in a fixture `visitor` (float64), and how exact its sums are."""

    close = 1e-12
    sums = ("G", "P", "s")  # what its sums are called

    @pytest.fixture
    def A(self):
        rng = np.random.default_rng(0)
        return rng.random((ROWS, COLUMNS)) * (rng.random((ROWS, COLUMNS)) < 0.6)

    @pytest.fixture
    def given(self):
        """Columns of W for those that take them."""
        return

    def visited(self, visitor, A, given, borders=(0, ROWS), *, sparse=False):
        """The sums over the rows, cut into blocks at `borders`, and the rows of W that were written out."""
        source = MemorySource(scipy.sparse.csr_array(A) if sparse else A)
        sums, out = visitor.begin(COLUMNS, "float64", residual=False), RowsOut(0)
        for low, high in itertools.pairwise(borders):
            for at, rows in cut_blocks(source.read(low, high)):
                first = low + at
                some = None if given is None else given[first : first + (high - low)]
                visitor.visit(Block(rows, first, some), sums, out)
        return sums.finish(), out.finish()

    def same(self, one, other):
        for name in self.sums:
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=self.close, atol=self.close)

    def bits(self, sums):
        return [np.asarray(getattr(sums, name)).tobytes() for name in self.sums]

    def test_sums_are_those_of_some_W(self, visitor, A, given):
        sums, _ = self.visited(visitor, A, given)
        assert sums.G.shape == (visitor.rank, visitor.rank)
        assert getattr(sums, self.sums[1]).shape == (COLUMNS, visitor.rank)
        np.testing.assert_array_equal(sums.G, sums.G.T)
        assert np.linalg.eigvalsh(sums.G).min() >= -1e-9 * np.trace(sums.G)

    def test_over_no_rows_they_are_zero(self, visitor):
        sums = visitor.begin(COLUMNS, "float64", residual=False).finish()
        assert not any(np.any(getattr(sums, name)) for name in self.sums)

    @pytest.mark.parametrize("borders", [(0, 1, ROWS), (0, 13, 14, 50, ROWS)])
    def test_how_rows_are_cut_changes_no_row_and_sums_by_rounding(self, visitor, A, given, borders):
        whole, rows = self.visited(visitor, A, given)
        cut, rows_of_cut = self.visited(visitor, A, given, borders)
        self.same(cut, whole)
        assert written(rows_of_cut) == written(rows)

    def test_the_same_rows_give_the_same_bits(self, visitor, A, given):
        one, other = (self.visited(visitor, A, given)[0] for _ in range(2))
        assert all(
            np.asarray(getattr(one, name)).tobytes() == np.asarray(getattr(other, name)).tobytes() for name in self.sums
        )

    def test_parts_add_up_to_the_whole(self, visitor, A, given):
        upper, _ = self.visited(visitor, A, given, (0, 40))
        lower, _ = self.visited(visitor, A, given, (40, ROWS))
        self.same(upper + lower, self.visited(visitor, A, given)[0])

    def test_sparse_rows_count_as_dense_ones(self, visitor, A, given):
        dense, sparse = (self.visited(visitor, A, given, sparse=sparse)[0] for sparse in (False, True))
        for name in self.sums:
            np.testing.assert_allclose(getattr(sparse, name), getattr(dense, name), rtol=1e-9, atol=1e-9)

    def test_it_travels(self, visitor, A, given):
        there = pickle.loads(pickle.dumps(visitor)).aligned()
        one, other = (self.visited(each, A, given)[0] for each in (visitor, there))
        assert all(
            np.asarray(getattr(one, name)).tobytes() == np.asarray(getattr(other, name)).tobytes() for name in self.sums
        )

    def test_no_row_depends_on_another(self, visitor, A, given):
        changed = A.copy()
        changed[30:] = 1.0
        upper, of_upper = self.visited(visitor, A, given, (0, 30))
        lower, of_lower = self.visited(visitor, changed, given, (30, ROWS))
        whole, of_whole = self.visited(visitor, changed, given)
        self.same(whole, upper + lower)
        assert written(of_whole) == written(of_upper) + written(of_lower)


def written(rows):
    """The bytes of rows of W, in order."""
    return b"".join(rows[at].tobytes() for at in sorted(rows))
