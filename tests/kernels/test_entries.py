"""Sums over entries that have weights of their own: predictions, and the Gram matrices of rows and of columns."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnmf.kernels import folds
from dnmf.kernels.entries import grams_of_rows, predict
from dnmf.kernels.folds import add_by_column, fold_columns, fold_columns_diagonal
from dnmf.kernels.packed import packed_size, unpack
from dnmf.kernels.padding import pad_columns

pytestmark = pytest.mark.numeric

CLOSE = {"f4": 2e-5, "f8": 1e-13}
dtypes = pytest.mark.parametrize(
    ("dtype", "index_dtype"),
    [("f4", "i4"), pytest.param("f8", "i4", marks=pytest.mark.slow), pytest.param("f4", "u8", marks=pytest.mark.slow)],
)
unhurried = settings(deadline=None, max_examples=15)  # an example may have to wait for a compilation
ranks = pytest.mark.parametrize("k", [1, 3, 4, 8, 13, 20, 45])


class Rows:
    """Sparse rows with weights r and c of each entry, and factors; columns in no order, some of them twice."""

    def __init__(self, seed, rows, k, dtype="f4", index_dtype="i4", *, n=11, longest=40):
        rng = np.random.default_rng(seed)
        counts = rng.integers(0, longest, rows) * (rng.random(rows) < 0.8)
        self.indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.indices = rng.integers(0, n, self.indptr[-1]).astype(index_dtype)
        self.r, self.c = (rng.standard_normal(self.indptr[-1]).astype(dtype) for _ in range(2))
        self.W, self.HT = (pad_columns(rng.standard_normal((size, k)).astype(dtype)) for size in (rows, n))
        self.k, self.n, self.dtype = k, n, dtype
        self.row_of = np.repeat(np.arange(rows), counts)

    def grams(self, low=0, high=None):
        indptr = self.indptr[low : None if high is None else high + 1]
        out = np.full((len(indptr) - 1, packed_size(self.k)), np.nan, self.dtype)
        grams_of_rows(self.indices, indptr, self.c, self.HT, out)
        return out

    def predictions(self, low=0, high=None):
        high = len(self.W) if high is None else high
        out = np.full(len(self.indices), np.nan, self.dtype)
        predict(self.indices, self.indptr[low : high + 1], self.W[low:high], self.HT, out)
        return out[self.indptr[low] : self.indptr[high]]

    def folded(self, fold, second_width, cuts=()):
        N, second = np.zeros((self.n, self.W.shape[1])), np.zeros((self.n, second_width))
        edges = [0, *cuts, len(self.W)]
        for low, high in pairwise(edges):
            fold(self.r, self.c, self.indices, self.indptr[low : high + 1], self.W[low:high], N, second)
        return N, second

    def naive_sums(self, of_entries, terms, groups, size):
        """``Σ weight × term`` of the entries of each group, in float64."""
        out = np.zeros((size, *terms.shape[1:]))
        for weight, term, group in zip(of_entries.astype("f8"), terms.astype("f8"), groups, strict=True):
            out[group] += weight * term
        return out


def outer(X):
    return np.einsum("...i,...j->...ij", X, X)


def assert_close(found, expected, dtype):
    assert np.abs(found - expected).max(initial=0) <= CLOSE[dtype] * max(1, np.abs(expected).max(initial=0))


@pytest.mark.slow
@dtypes
@unhurried
@given(
    seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 9), k=st.integers(1, 45), longest=st.sampled_from([1, 5, 90])
)
def test_sums_equal_those_of_loops(dtype, index_dtype, seed, rows, k, longest):
    some = Rows(seed, rows, k, dtype, index_dtype, longest=longest)
    w, h, columns = some.W[some.row_of], some.HT[some.indices], some.indices.astype(int)
    assert_close(some.predictions(), (w.astype("f8") * h).sum(axis=1), dtype)
    assert_close(unpack(some.grams()), some.naive_sums(some.c, outer(h[:, :k]), some.row_of, rows), dtype)
    N, Q = some.folded(fold_columns, packed_size(k))
    assert_close(N, some.naive_sums(some.r, w, columns, some.n), dtype)
    assert_close(unpack(Q), some.naive_sums(some.c, outer(w[:, :k]), columns, some.n), dtype)
    N, V = some.folded(fold_columns_diagonal, some.W.shape[1])
    assert_close(N, some.naive_sums(some.r, w, columns, some.n), dtype)
    sizes = np.abs(w)
    assert_close(V, some.naive_sums(some.c, sizes * sizes.sum(axis=1, keepdims=True), columns, some.n), dtype)


@ranks
def test_row_is_the_same_to_the_last_bit_in_any_block(k):
    some = Rows(k, 30, k)
    whole, predicted = some.grams(), some.predictions()
    for cuts in ([0, 30], [0, 1, 2, 17, 30], [0, 7, 7, 30]):
        blocks = list(pairwise(cuts))
        assert np.concatenate([some.grams(*block) for block in blocks]).tobytes() == whole.tobytes()
        assert np.concatenate([some.predictions(*block) for block in blocks]).tobytes() == predicted.tobytes()


far = pytest.mark.parametrize("far", [False, True])  # sums too large to be added to entry after entry


@pytest.fixture
def near(far, monkeypatch):
    if far:
        monkeypatch.setattr(folds, "BYTES_NEAR", 0)


@far
@ranks
@pytest.mark.usefixtures("near")
@pytest.mark.parametrize("n", [2, 11])  # columns of many entries and of few
def test_fold_is_added_to_what_is_there_block_after_block(k, n):
    some = Rows(k, 30, k, n=n)
    for fold, width in ((fold_columns, packed_size(k)), (fold_columns_diagonal, some.W.shape[1])):
        whole, cut = some.folded(fold, width), some.folded(fold, width, (0, 3, 3, 20))
        for one, other in zip(whole, cut, strict=True):
            assert_close(one, other, "f4")
        assert [array.tobytes() for array in some.folded(fold, width)] == [array.tobytes() for array in whole]


@ranks
def test_sums_of_columns_are_those_of_loops_in_either_order(k, monkeypatch):
    some = Rows(k, 30, k)
    w, columns = some.W[some.row_of], some.indices.astype(int)
    expected = some.naive_sums(some.c, outer(w[:, :k]), columns, some.n)
    for near in (folds.BYTES_NEAR, 0):
        monkeypatch.setattr(folds, "BYTES_NEAR", near)
        N, Q = some.folded(fold_columns, packed_size(k))
        assert_close(N, some.naive_sums(some.r, w, columns, some.n), "f4")
        assert_close(unpack(Q), expected, "f4")


@dtypes
def test_values_are_added_by_column(dtype, index_dtype):
    some, totals = Rows(3, 30, 4, dtype, index_dtype), np.ones(11)
    add_by_column(some.c, some.indices, totals)
    expected = np.bincount(some.indices.astype(int), weights=some.c, minlength=11) + 1
    np.testing.assert_allclose(totals, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("values", "totals"), [((3,), np.zeros(5)), ((4,), np.zeros(5, "f4")), ((4,), np.zeros((5, 1)))]
)
def test_values_without_a_column_are_refused(values, totals):
    with pytest.raises(ValueError, match="values"):
        add_by_column(np.ones(values), np.zeros(4, "i4"), totals)


def test_diagonal_fold_is_the_same_to_the_last_bit_in_any_blocks():
    some = Rows(1, 30, 20)
    whole = some.folded(fold_columns_diagonal, 24)
    cut = some.folded(fold_columns_diagonal, 24, (1, 2, 17))
    assert [array.tobytes() for array in cut] == [array.tobytes() for array in whole]


def test_predictions_of_other_rows_are_left_alone():
    some = Rows(2, 9, 5)
    out = np.full(len(some.indices), 7, "f4")
    predict(some.indices, some.indptr[3:6], some.W[3:5], some.HT, out)
    assert (out[: some.indptr[3]] == 7).all()
    assert (out[some.indptr[5] :] == 7).all()


@pytest.mark.parametrize("size", [0, 3])
def test_rows_without_entries_have_no_sums(size):
    nothing, indptr = np.zeros(0, "f4"), np.zeros(size + 1, np.int64)
    W, HT, out = np.ones((size, 8), "f4"), np.ones((4, 8), "f4"), np.full((size, 6), np.nan, "f4")
    grams_of_rows(nothing.astype("i4"), indptr, nothing, HT, out)
    assert (out == 0).all()
    N, Q = np.ones((4, 8)), np.ones((4, 6))
    fold_columns(nothing, nothing, nothing.astype("i4"), indptr, W, N, Q)
    assert (N == 1).all()
    assert (Q == 1).all()


@pytest.mark.parametrize(
    "change",
    [{"W": np.zeros((9, 5), "f4")}, {"r": np.zeros(3, "f4")}, {"c": np.zeros(40, "f8")}, {"Q": np.zeros((4, 15), "f4")},
     {"Q": np.zeros((4, 14))}, {"Q": np.zeros((5, 15))}, {"N": np.zeros((4, 5))}, {"Q": np.zeros((4, 45))},
     {"N": np.zeros((4, 16))[:, :8]}, {"Q": np.zeros((4, 30))[:, ::2]}, {"r": np.zeros(80, "f4")[::2]}],
)  # fmt: skip
def test_shapes_that_do_not_agree_are_refused(change):
    right = {
        "r": np.zeros(40, "f4"), "c": np.zeros(40, "f4"), "indices": np.zeros(40, "i4"), "indptr": np.arange(10) * 4,
        "W": np.zeros((9, 8), "f4"), "N": np.zeros((4, 8)), "Q": np.zeros((4, 15)),
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"\d|C-contiguous"):
        fold_columns(*{**right, **change}.values())
