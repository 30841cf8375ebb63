"""A visit: what one task folds equals the obvious dense computation, and its inputs stay as they were."""

import itertools

import naive
import numpy as np
import pytest
import scipy.sparse
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from dnmf.errors import InputError
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.rows_out import create_rows_array
from dnmf.passes.terms import Terms
from dnmf.passes.visit import visit_group
from dnmf.passes.visitors.assign import AssignToNearest
from dnmf.passes.work import Work
from dnmf.plan import Group
from dnmf.sources import open_source

pytestmark = pytest.mark.numeric


def _matrix(rows: int, columns: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.random((rows, columns)) * (rng.random((rows, columns)) < 0.4)


def _one_group(rows: int, pieces: int) -> Group:
    cuts = np.unique(np.linspace(0, rows, pieces + 1).astype(int))
    return Group(0, rows, tuple((int(a), int(b)) for a, b in itertools.pairwise(cuts)))


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 150), columns=st.integers(1, 40), rank=st.integers(1, 6), pieces=st.integers(1, 4),
    sparse=st.booleans(), l1=st.sampled_from([0.0, 0.05]), l2=st.sampled_from([0.0, 0.3]),
)  # fmt: skip
def test_sums_are_those_of_the_exact_rows(rows, columns, rank, pieces, sparse, l1, l2):
    A = _matrix(rows, columns, 1)
    H = np.random.default_rng(2).random((rank, columns))
    source = open_source(scipy.sparse.csr_array(A) if sparse else A)
    statistics = visit_group(
        source,
        _one_group(rows, pieces),
        Work((solve_for_rows(H, Terms(l1, l2)),), "float64", check=True),
        targets=("",),
    )
    W = statistics.models[0].kept[0]
    if l2:  # without it the solution is not unique when the rank is larger than the matrix
        np.testing.assert_allclose(W, naive.nnls(H @ H.T + l2 * np.eye(rank), A @ H.T - l1), atol=1e-6)
    sums = statistics.models[0]
    np.testing.assert_allclose(sums.G, W.T @ W, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(sums.P, A.T @ W, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(sums.s, W.sum(axis=0), rtol=1e-10)
    assert statistics.rows == rows
    assert statistics.squares == pytest.approx((A**2).sum())


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 150), columns=st.integers(1, 40), k=st.integers(1, 9), pieces=st.integers(1, 4),
    sparse=st.booleans(),
)  # fmt: skip
def test_with_centres_the_sums_are_those_of_the_rows_nearest_to_each(rows, columns, k, pieces, sparse):
    A, C = _matrix(rows, columns, 3), np.random.default_rng(4).random((k, columns))
    source = open_source(scipy.sparse.csr_array(A) if sparse else A)
    work = Work((AssignToNearest.of(C),), "float64", check=True)
    sums = visit_group(source, _one_group(rows, pieces), work).models[0]
    nearest = naive.squared_distances(A, C).argmin(axis=1)
    np.testing.assert_array_equal(sums.s, np.bincount(nearest, minlength=k))
    np.testing.assert_array_equal(sums.G, np.diag(sums.s))
    np.testing.assert_allclose(sums.P.T, [A[nearest == q].sum(axis=0) for q in range(k)], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "dtype", ["uint8", "uint16", "uint32", "int32", "int64", "float16", "float32", "float64", "bool"]
)
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.broad(1)
def test_every_stored_dtype_counts_as_its_values(dtype, sparse):
    A = np.random.default_rng(0).integers(0, 2, (50, 12)).astype(dtype)
    H = np.random.default_rng(1).random((3, 12)).astype(np.float32)
    group, work = Group(0, 50, ((0, 50),)), Work((solve_for_rows(H),), "float32", check=True)
    values = scipy.sparse.csr_array(A) if sparse and dtype != "float16" else A
    found = visit_group(open_source(values), group, work)
    expected = visit_group(open_source(A.astype(np.float64)), group, work)
    np.testing.assert_allclose(found.models[0].P, expected.models[0].P, rtol=1e-4)
    assert found.squares == expected.squares


def test_several_models_share_a_read_and_do_not_meet():
    A = _matrix(90, 20, 3)
    problems = [solve_for_rows(np.random.default_rng(i).random((k, 20))) for i, k in enumerate((2, 5))]
    group = Group(0, 90, ((0, 40), (40, 90)))
    both = visit_group(open_source(A), group, Work(tuple(problems), "float64"))
    assert both.rows == 90
    for number, problem in enumerate(problems):
        alone = visit_group(open_source(A), group, Work((problem,), "float64"))
        assert both.models[number].P.tobytes() == alone.models[0].P.tobytes()


@pytest.mark.parametrize("sparse", [False, True])
def test_each_of_several_models_writes_its_own_rows_and_leaves_its_own_residual(sparse, tmp_path):
    A = _matrix(90, 20, 3)
    source, group = open_source(scipy.sparse.csr_array(A) if sparse else A), Group(0, 90, ((0, 40), (40, 90)))
    factors = [np.random.default_rng(i).random((k, 20)) for i, k in enumerate((2, 5, 3))]
    path = str(tmp_path / "W.zarr")
    create_rows_array(path, (90, 5), 16, "float64")
    problems = tuple(solve_for_rows(H) for H in factors)
    found = visit_group(source, group, Work(problems, "float64", residual=True), targets=("", path, ""))
    rows = [found.models[0].kept[0], zarr.open_array(path, mode="r")[:], found.models[2].kept[0]]
    assert found.models[1].kept == {}
    for number, (H, problem) in enumerate(zip(factors, problems, strict=True)):
        alone = visit_group(source, group, Work((problem,), "float64", residual=True), targets=("",)).models[0]
        assert rows[number].tobytes() == alone.kept[0].tobytes()
        assert found.models[number].residual == alone.residual
        if sparse:  # its products are exact in float64
            assert alone.residual is None
        else:
            assert alone.residual == pytest.approx(((A - rows[number] @ H) ** 2).sum(), rel=1e-9)


def test_the_input_is_not_changed_and_may_be_read_only():
    A = _matrix(60, 10, 4)
    before = A.copy()
    A.flags.writeable = False
    work = Work((solve_for_rows(np.random.default_rng(1).random((3, 10)), Terms(0.1, 0.1)),), "float64", check=True)
    twice = [visit_group(open_source(A), Group(0, 60, ((0, 60),)), work).models[0].P for _ in range(2)]
    assert twice[0].tobytes() == twice[1].tobytes()
    assert (before == A).all()


def test_a_dead_component_is_zero_and_harms_no_other():
    H = np.random.default_rng(1).random((3, 10))
    H[1] = 0
    statistics = visit_group(
        open_source(_matrix(30, 10, 5)), Group(0, 30, ((0, 30),)), Work((solve_for_rows(H),), "float64"), targets=("",)
    )
    assert (statistics.models[0].kept[0][:, 1] == 0).all()
    assert np.isfinite(statistics.models[0].kept[0]).all()


def test_an_overflow_is_an_error_and_never_a_number():
    A = np.full((4, 3), 3e38)
    with pytest.raises(InputError, match="float64"):
        visit_group(
            open_source(A),
            Group(0, 4, ((0, 4),)),
            Work((solve_for_rows(np.full((2, 3), 1e10, np.float32)),), "float32"),
        )
