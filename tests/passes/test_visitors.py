"""The visitors of the engine keep what a visitor promises."""

import numpy as np
import pytest
from visitor_contract import COLUMNS, RANK, ROWS, VisitorContract

from dnmf.kernels.padding import pad_columns
from dnmf.losses import loss_named
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.terms import Terms
from dnmf.passes.visitors.assign import AssignToNearest
from dnmf.passes.visitors.curved import SolveCurvedRows
from dnmf.passes.visitors.given import UseGivenRows
from dnmf.passes.visitors.moments import MeasureMoments
from dnmf.passes.visitors.parts import MeasureParts
from dnmf.passes.visitors.project import ProjectRows
from dnmf.passes.visitors.residuals import MeasureResiduals
from dnmf.passes.visitors.together import CountTogether

pytestmark = pytest.mark.numeric

H = np.random.default_rng(1).random((RANK, COLUMNS))
TERMS = {
    "plain": Terms(),
    "penalized": Terms(l1=0.3, l2=0.2, angular=0.1),
    "bounded": Terms(upper=0.1),
    "free": Terms(free=True),
    "one entry": Terms(angular=np.inf),
    "zero": Terms(l1=np.inf),
}


class TestSolveRows(VisitorContract):
    close = 1e-9

    @pytest.fixture(params=TERMS)
    def visitor(self, request):
        return solve_for_rows(H, TERMS[request.param])


class TestSolveBesideGiven(VisitorContract):
    close = 1e-9

    @pytest.fixture
    def visitor(self):
        return solve_for_rows(H, Terms(l1=0.1), held=2)

    @pytest.fixture
    def given(self):
        return np.random.default_rng(2).random((ROWS, 2)) / 10

    def test_what_is_given_stays(self, visitor, A, given):
        (W,) = self.visited(visitor, A, given)[1].values()
        np.testing.assert_array_equal(W[:, :2], given)


class TestSolveCurvedRows(VisitorContract):
    """Rows for counts."""

    close = 1e-7
    sums = ("G", "N", "s", "Q", "value")

    @pytest.fixture(params=["plain", "penalized", "diagonal", "of the means"])
    def visitor(self, request):
        terms = Terms(l1=0.3, l2=0.2) if request.param == "penalized" else Terms()
        more = {"diagonal": request.param == "diagonal", "first": request.param == "of the means"}
        return SolveCurvedRows.for_factor(loss_named("kullback-leibler"), H, terms, tolerance=1e-9, **more)


class TestSolveCurvedRowsBesideGiven(TestSolveBesideGiven):
    """Rows for counts beside columns that are given."""

    close = 1e-7
    sums = ("G", "N", "s", "Q", "value")

    @pytest.fixture
    def visitor(self):
        return SolveCurvedRows.for_factor(loss_named("kullback-leibler"), H, Terms(), held=2, tolerance=1e-9)


class TestUseGivenRows(VisitorContract):
    @pytest.fixture
    def visitor(self):
        return UseGivenRows(3)

    @pytest.fixture
    def given(self):
        return np.random.default_rng(2).random((ROWS, 3))

    def test_sums_are_those_of_the_given_W(self, visitor, A, given):
        sums, _ = self.visited(visitor, A, given)
        np.testing.assert_allclose(sums.G, given.T @ given, rtol=1e-12)
        np.testing.assert_allclose(sums.P, A.T @ given, rtol=1e-12)


class TestProjectRows(VisitorContract):
    @pytest.fixture(params=[1, 3])
    def visitor(self, request):
        V = np.random.default_rng(3).standard_normal((COLUMNS, 5))
        return ProjectRows(pad_columns(V), 5, request.param, seed=4)


class TestMeasureParts(VisitorContract):
    sums = ("above", "below")

    @pytest.fixture
    def visitor(self):
        V = np.random.default_rng(3).standard_normal((COLUMNS, 5))
        return MeasureParts(pad_columns(V), 5)

    def test_sums_are_those_of_some_W(self, visitor, A, given):
        sums, _ = self.visited(visitor, A, given)
        Y = A @ visitor.V[:, :5]
        np.testing.assert_allclose(sums.above, (np.maximum(Y, 0) ** 2).sum(axis=0), rtol=1e-12)
        np.testing.assert_allclose(sums.below, (np.minimum(Y, 0) ** 2).sum(axis=0), rtol=1e-12)


class TestAssignToNearest(VisitorContract):
    @pytest.fixture
    def visitor(self):
        return AssignToNearest.of(np.random.default_rng(5).random((RANK, COLUMNS)))

    def test_each_row_counts_once(self, visitor, A, given):
        assert self.visited(visitor, A, given)[0].s.sum() == ROWS


class TestCountTogether(VisitorContract):
    sums = ("counts",)

    @pytest.fixture
    def visitor(self):
        return CountTogether(np.array([2, 3, 17, 29]))

    def test_sums_are_those_of_some_W(self, visitor, A, given):
        there = (A[:, visitor.columns] != 0).astype(int)
        np.testing.assert_array_equal(self.visited(visitor, A, given)[0].counts, there.T @ there)


class TestMeasureMoments(VisitorContract):
    sums = ("mean", "squares")

    @pytest.fixture
    def visitor(self):
        return MeasureMoments()

    def visited(self, visitor, A, given, *borders, **how):
        sums, rows = super().visited(visitor, A, given, *borders, **how)
        return sums.columns, rows

    def test_over_no_rows_they_are_zero(self, visitor):
        sums = visitor.begin(COLUMNS, "float64", residual=False).finish().columns
        assert not np.any([sums.count, sums.total, sums.squares])

    def test_sums_are_those_of_some_W(self, visitor, A, given):
        columns, rows = self.visited(visitor, A, given)
        np.testing.assert_allclose(columns.squares, A.var(axis=0) * ROWS)
        np.testing.assert_allclose(rows[0], np.stack([np.full(ROWS, COLUMNS), A.sum(1), A.var(1) * COLUMNS], 1))


class TestMeasureResiduals(VisitorContract):
    sums = ("columns",)

    @pytest.fixture
    def visitor(self):
        return MeasureResiduals.of(H)

    @pytest.fixture
    def given(self):
        return np.random.default_rng(2).random((ROWS, RANK))

    def visited(self, visitor, A, given, *borders, **how):
        sums, rows = super().visited(visitor, A, given, *borders, **how)
        sums.columns, sums.G = sums.of_columns(visitor.HT), np.zeros_like(sums.G)
        return sums, rows

    @pytest.mark.parametrize("sparse", [False, True])
    def test_sums_are_those_of_some_W(self, visitor, A, given, sparse):
        sums, (rows,) = self.visited(visitor, A, given, sparse=sparse)[0], self.written(visitor, A, given, sparse)
        left = (A - given @ H) ** 2
        np.testing.assert_allclose(sums.columns, [left.sum(axis=0), (A**2).sum(axis=0)], rtol=1e-12)
        np.testing.assert_allclose(rows, np.transpose([left.sum(axis=1), (A**2).sum(axis=1)]), rtol=1e-12)

    def written(self, visitor, A, given, sparse):
        return self.visited(visitor, A, given, sparse=sparse)[1].values()
