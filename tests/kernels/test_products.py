"""The products of a pass, sparse and dense, for every dtype that is stored and every width of a factor."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnmf.kernels import products
from dnmf.kernels.lanes import MOST_STRIP
from dnmf.kernels.padding import LANES, aligned_zeros, pad_columns, padded
from dnmf.kernels.products import cross_csr, cross_dense, fold_csr, fold_dense, residual_dense

pytestmark = pytest.mark.numeric

CLOSE = {np.float32: 1e-5, np.float64: 1e-13}
WIDEST = 2 * LANES * MOST_STRIP + 1
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
unhurried = settings(deadline=None, max_examples=40)  # an example may have to wait for a compilation
seeds = st.integers(0, 2**32 - 1)


MIXED = (("f4", "i8"), ("f8", "i4"))  # of every width, for results of any precision
RARE = ("f8", "i1", "u2", "i8", "u8")  # each takes a compilation
stored_dtypes = pytest.mark.parametrize(
    ("stored", "index_dtype"),
    [
        ("f4", "i4"),
        ("f8", "i8"),
        ("u1", "u2"),
        ("i4", "u8"),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in (*MIXED, ("i1", "i4"), ("u2", "u4"), ("i8", "i4"), ("u8", "i8"))
        ),
    ],
)


def widest(stored, dtype, index_dtype="i4"):
    """Each width of what is stored and computed takes a compilation; where the two differ, one is enough in haste."""
    return WIDEST if np.dtype(stored) == dtype or (stored, index_dtype) in MIXED else LANES


def make_rows(seed, rows, n, stored="f4", index_dtype="i4"):
    """CSR rows of 0 to 12 non-zeros, columns in no order and some of them twice."""
    rng = np.random.default_rng(seed)
    indptr = np.concatenate([[0], np.cumsum(rng.integers(0, 13, rows))]).astype(np.int64)
    indices = rng.integers(0, n, indptr[-1]).astype(index_dtype)
    return (100 * rng.random(indptr[-1])).astype(stored), indices, indptr


def random_factor(seed, rows, k, dtype):
    return pad_columns(np.random.default_rng(seed).random((rows, k)).astype(dtype))


def cross(data, indices, indptr, HT):
    out = np.full((len(indptr) - 1, HT.shape[1]), np.nan, HT.dtype)
    cross_csr(data, indices, indptr, HT, out)
    return out


def fold(data, indices, indptr, W, n):
    PT = np.zeros((n, W.shape[1]), W.dtype)
    fold_csr(data, indices, indptr, W, PT)
    return PT


@dtypes
@stored_dtypes
@unhurried
@given(seed=seeds, rows=st.integers(0, 30), n=st.integers(1, 40), data=st.data())
@pytest.mark.broad(1)
def test_sparse_products_equal_those_of_the_dense_matrix(dtype, stored, index_dtype, seed, rows, n, data):
    k = data.draw(st.integers(1, widest(stored, dtype, index_dtype)))
    A = make_rows(seed, rows, n, stored, index_dtype)
    HT, W, before = random_factor(seed, n, k, dtype), random_factor(seed, rows, k, dtype), random_factor(1, n, k, dtype)
    dense = naive.dense(A[0].astype(np.float64), *A[1:], n)
    np.testing.assert_allclose(cross(*A, HT), dense @ HT, rtol=CLOSE[dtype], atol=CLOSE[dtype])
    PT = before.copy()
    fold_csr(*A, W, PT)
    np.testing.assert_allclose(PT, before + dense.T @ W, rtol=CLOSE[dtype], atol=CLOSE[dtype])


@dtypes
@pytest.mark.parametrize("stored", ["f4", "u1", "i4", *(pytest.param(each, marks=pytest.mark.slow) for each in RARE)])
@unhurried
@given(seed=seeds, rows=st.integers(0, 40), n=st.integers(1, 40), data=st.data())
@pytest.mark.broad(1)
def test_dense_products_and_the_residual_equal_the_obvious_ones(dtype, stored, seed, rows, n, data):
    k = data.draw(st.integers(1, widest(stored, dtype)))
    A = (100 * np.random.default_rng(seed).random((rows, n))).astype(stored)
    HT, W, PT = (
        random_factor(seed, n, k, dtype),
        random_factor(seed + 1, rows, k, dtype),
        np.zeros((n, padded(k)), dtype),
    )
    out = np.full((rows, padded(k)), np.nan, dtype)
    cross_dense(A, HT, out)
    fold_dense(A, W, PT)
    np.testing.assert_allclose(out, A.astype(np.float64) @ HT, rtol=CLOSE[dtype], atol=CLOSE[dtype])
    np.testing.assert_allclose(PT, A.T.astype(np.float64) @ W, rtol=CLOSE[dtype], atol=CLOSE[dtype])
    squares = ((A - W.astype(np.float64) @ HT.T) ** 2).sum()
    assert residual_dense(A, W, HT.T.copy()) == pytest.approx(squares, rel=100 * CLOSE[dtype], abs=1e-30)


@dtypes
def test_columns_beyond_one_tile_are_not_forgotten(dtype, monkeypatch):
    n = products.TILE + 300
    rng = np.random.default_rng(0)
    A = rng.random((11, n)).astype(dtype)
    HT, W = random_factor(1, n, 5, dtype), random_factor(2, 11, 5, dtype)
    out, PT = aligned_zeros((11, 8), dtype), aligned_zeros((n, 8), dtype)
    cross_dense(A, HT, out)
    fold_dense(A, W, PT)
    np.testing.assert_allclose(out, A @ HT, rtol=1e-4)
    np.testing.assert_allclose(PT, A.T @ W, rtol=1e-4)


@dtypes
def test_the_residual_of_an_exact_product_is_its_rounding(dtype):
    rng = np.random.default_rng(0)
    W, H = rng.integers(0, 4, (30, 6)).astype(dtype), rng.integers(0, 4, (6, 70)).astype(dtype)
    assert residual_dense(W @ H, W, H) == 0.0


@dtypes
def test_block_of_rows_gives_the_same_bits_as_all_rows_at_once(dtype):
    data, indices, indptr = make_rows(1, 50, 30)
    HT, W = random_factor(2, 30, 20, dtype), random_factor(3, 50, 20, dtype)
    whole, total = cross(data, indices, indptr, HT), np.zeros_like(HT)
    for start, stop in ((0, 1), (1, 20), (20, 20), (20, 50)):
        offsets = indptr[start : stop + 1]
        assert cross(data, indices, offsets, HT).tobytes() == whole[start:stop].tobytes()
        fold_csr(data, indices, offsets, W[start:stop], total)
    assert total.tobytes() == fold(data, indices, indptr, W, 30).tobytes()


@dtypes
@pytest.mark.broad(1)
def test_dense_rows_do_not_depend_on_their_neighbours_and_sums_only_on_the_eights(dtype):
    A = np.random.default_rng(1).random((50, 30)).astype(dtype)
    HT, W = random_factor(2, 30, 20, dtype), random_factor(3, 50, 20, dtype)
    whole, total = np.zeros_like(W), np.zeros_like(HT)
    cross_dense(A, HT, whole)
    fold_dense(A, W, total)
    parts, again = np.zeros_like(W), np.zeros_like(HT)
    for start, stop in ((0, 1), (1, 14), (14, 50)):
        cross_dense(A[start:stop], HT, parts[start:stop])
    for start, stop in ((0, 8), (8, 32), (32, 50)):
        fold_dense(A[start:stop], W[start:stop], again)
    assert parts.tobytes() == whole.tobytes()
    assert again.tobytes() == total.tobytes()


@dtypes
def test_a_rank_gives_the_same_bits_alone_and_with_others_beside_it(dtype):
    A = make_rows(4, 40, 30)
    HT = random_factor(5, 30, 40, dtype)
    wide, alone = cross(*A, HT), cross(*A, pad_columns(HT[:, :20]))
    assert wide[:, :20].tobytes() == alone[:, :20].tobytes()


@dtypes
def test_empty_rows_give_zeros_and_add_nothing(dtype):
    A = np.zeros(0, dtype), np.zeros(0, np.int32), np.zeros(4, np.int64)
    assert (cross(*A, np.ones((5, 8), dtype)) == 0).all()
    assert (fold(*A, np.ones((3, 8), dtype), 5) == 0).all()


@dtypes
def test_inputs_are_not_written_and_may_be_read_only_or_strided(dtype):
    A = make_rows(3, 40, 30)
    HT, W = random_factor(4, 30, 7, dtype), random_factor(5, 40, 7, dtype)
    B, PT = cross(*A, HT), fold(*A, W, 30)
    compiled_before = len(products._cross_csr.signatures), len(products._fold_csr.signatures)
    copies = [array.copy() for array in (*A, HT, W)]
    for array in (*A, HT, W):
        array.flags.writeable = False
    assert cross(*A, HT).tobytes() == cross(*A, np.asfortranarray(HT)).tobytes() == B.tobytes()
    assert fold(*A, W, 30).tobytes() == fold(*A, np.asfortranarray(W), 30).tobytes() == PT.tobytes()
    assert all(np.array_equal(now, before) for now, before in zip((*A, HT, W), copies, strict=True))
    assert (len(products._cross_csr.signatures), len(products._fold_csr.signatures)) == compiled_before


@pytest.mark.parametrize("rank", [1, 7, 8, 20, 33, 64, 200])
def test_four_compilations_serve_every_rank(rank):
    A = make_rows(6, 10, 12, "f4", "i4")
    cross(*A, random_factor(0, 12, rank, np.float32))
    of_these = [
        s for s in products._cross_csr.signatures if str(s[0]).startswith("Array(float32") and "int32" in str(s[1])
    ]
    assert len([s for s in of_these if "float32" in str(s[3])]) <= MOST_STRIP


def test_operands_that_do_not_agree_are_refused():
    A = make_rows(5, 4, 10)
    dense, HT, B = np.ones((4, 10), np.float32), np.ones((10, 8), np.float32), np.ones((4, 8), np.float32)
    with pytest.raises(ValueError, match=r"4 rows with factors float32 \(3, 8\)"):
        cross_csr(*A, HT, B[:3])
    with pytest.raises(ValueError, match="they must agree"):
        fold_csr(*A, B, HT.astype(np.float64))
    with pytest.raises(ValueError, match="multiple of 8"):
        cross_csr(*A, HT[:, :3], B[:, :3])
    with pytest.raises(ValueError, match="values for"):
        cross_csr(A[0][:-1], *A[1:], HT, B)
    with pytest.raises(ValueError, match="A has 10 columns"):
        fold_dense(dense, B, HT[:9])
    with pytest.raises(ValueError, match="do not agree"):
        residual_dense(dense, B, HT)
