"""cross_csr and fold_csr: the two products of a pass with sparse rows."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnmf.kernels import products
from dnmf.kernels.products import cross_csr, fold_csr

CLOSE = {np.float32: 1e-5, np.float64: 1e-13}
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
index_dtypes = pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
unhurried = settings(deadline=None, max_examples=50)  # an example may have to wait for a compilation
seeds = st.integers(0, 2**32 - 1)


def make_rows(seed, rows, n, dtype, index_dtype=np.int32):
    """CSR rows of 0 to 12 non-zeros, columns in no order and some of them twice."""
    rng = np.random.default_rng(seed)
    indptr = np.concatenate([[0], np.cumsum(rng.integers(0, 13, rows))]).astype(np.int64)
    indices = rng.integers(0, n, indptr[-1]).astype(index_dtype)
    return rng.random(indptr[-1]).astype(dtype), indices, indptr


def cross(data, indices, indptr, HT):
    out = np.full((len(indptr) - 1, HT.shape[1]), np.nan, HT.dtype)
    cross_csr(data, indices, indptr, HT, out)
    return out


def fold(data, indices, indptr, W, n):
    PT = np.zeros((n, W.shape[1]))
    fold_csr(data, indices, indptr, W, PT)
    return PT


@dtypes
@index_dtypes
@unhurried
@given(seed=seeds, rows=st.integers(0, 30), n=st.integers(1, 40), k=st.integers(1, 21))
def test_cross_equals_the_dense_product(dtype, index_dtype, seed, rows, n, k):
    A = make_rows(seed, rows, n, dtype, index_dtype)
    HT = np.random.default_rng(seed).random((n, k)).astype(dtype)
    expected = naive.cross(naive.dense(*A, n), HT.T)
    assert np.allclose(cross(*A, HT), expected, rtol=CLOSE[dtype], atol=CLOSE[dtype])


@dtypes
@index_dtypes
@unhurried
@given(seed=seeds, rows=st.integers(0, 30), n=st.integers(1, 40), k=st.integers(1, 21))
def test_fold_adds_the_dense_product_in_float64(dtype, index_dtype, seed, rows, n, k):
    A = make_rows(seed, rows, n, dtype, index_dtype)
    rng = np.random.default_rng(seed)
    W, before = rng.random((rows, k)).astype(dtype), rng.random((n, k))
    PT = before.copy()
    fold_csr(*A, W, PT)
    expected = before + naive.dense(*A, n).T @ W.astype(np.float64)
    assert np.allclose(PT, expected, rtol=1e-13, atol=1e-13)


def test_fold_of_float32_is_exact_in_float64():
    just_above_one = np.float32(1) + np.finfo(np.float32).eps
    one = np.array([just_above_one]), np.array([0], np.int32), np.array([0, 1])
    assert fold(*one, np.array([[just_above_one]]), 1)[0, 0] == float(just_above_one) ** 2


@dtypes
def test_block_of_rows_gives_the_same_bits_as_all_rows_at_once(dtype):
    data, indices, indptr = make_rows(1, 50, 30, dtype)
    rng = np.random.default_rng(2)
    HT, W = rng.random((30, 20)).astype(dtype), rng.random((50, 20)).astype(dtype)
    whole, total = cross(data, indices, indptr, HT), np.zeros((30, 20))
    for start, stop in ((0, 1), (1, 20), (20, 20), (20, 50)):
        offsets = indptr[start : stop + 1]
        assert cross(data, indices, offsets, HT).tobytes() == whole[start:stop].tobytes()
        fold_csr(data, indices, offsets, W[start:stop], total)
    assert total.tobytes() == fold(data, indices, indptr, W, 30).tobytes()


@dtypes
def test_empty_rows_give_zeros_and_add_nothing(dtype):
    A = np.zeros(0, dtype), np.zeros(0, np.int32), np.zeros(4, np.int64)
    assert (cross(*A, np.ones((5, 3), dtype)) == 0).all()
    assert (fold(*A, np.ones((3, 3), dtype), 5) == 0).all()


@dtypes
def test_inputs_are_not_written_and_may_be_read_only_or_strided(dtype):
    A = make_rows(3, 40, 30, dtype)
    rng = np.random.default_rng(4)
    HT, W = rng.random((30, 7)).astype(dtype), rng.random((40, 7)).astype(dtype)
    B, PT = cross(*A, HT), fold(*A, W, 30)
    compiled_before = len(products._cross_csr.signatures), len(products._fold_csr.signatures)
    copies = [array.copy() for array in (*A, HT, W)]
    for array in (*A, HT, W):
        array.flags.writeable = False
    assert cross(*A, HT).tobytes() == cross(*A, np.asfortranarray(HT)).tobytes() == B.tobytes()
    assert fold(*A, W, 30).tobytes() == fold(*A, np.asfortranarray(W), 30).tobytes() == PT.tobytes()
    assert all(np.array_equal(now, before) for now, before in zip((*A, HT, W), copies, strict=True))
    assert (len(products._cross_csr.signatures), len(products._fold_csr.signatures)) == compiled_before


def test_operands_that_do_not_agree_are_refused():
    A = make_rows(5, 4, 10, np.float32)
    HT, B = np.ones((10, 3), np.float32), np.ones((4, 3), np.float32)
    with pytest.raises(ValueError, match=r"out is float32 \(3, 3\)"):
        cross_csr(*A, HT, B[:3])
    with pytest.raises(ValueError, match="data is float32"):
        cross_csr(*A, HT.astype(np.float64), B.astype(np.float64))
    with pytest.raises(ValueError, match=r"W is float32 \(3, 3\)"):
        fold_csr(*A, B[:3], np.zeros((10, 3)))
    with pytest.raises(ValueError, match="PT is float32"):
        fold_csr(*A, B, np.zeros((10, 3), np.float32))
