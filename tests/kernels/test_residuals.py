"""What is left of dense rows, along rows and columns at once, for every dtype that is stored."""

import numpy as np
import pytest

from dnmf.kernels.residuals import TILE, add_squares

pytestmark = pytest.mark.numeric

M, N, K = 13, 2 * TILE + 5, 3
RNG = np.random.default_rng(0)
W, HT = RNG.random((M, K)), RNG.random((N, K + 2))
WEIGHTS = RNG.integers(0, 3, (M, N))


def sums_of(A, weights=None, *, rows=slice(None), of_columns=None):
    of_rows = np.zeros((len(A[rows]), 2))
    of_columns = np.zeros((2, N)) if of_columns is None else of_columns
    add_squares(A[rows], None if weights is None else weights[rows], W[rows], HT, of_rows, of_columns)
    return of_rows, of_columns


@pytest.mark.parametrize("dtype", ["f4", "f8", "u1", pytest.param("i8", marks=pytest.mark.slow)])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_they_are_those_of_the_formula(dtype, weights):
    A = (9 * RNG.random((M, N))).astype(dtype)
    of_rows, of_columns = sums_of(A, weights)
    counts = 1 if weights is None else weights
    left, there = counts * (A - W @ HT[:, :K].T) ** 2, counts * A.astype("f8") ** 2
    np.testing.assert_allclose(of_rows.T, [left.sum(axis=1), there.sum(axis=1)], rtol=1e-12)
    np.testing.assert_allclose(of_columns, [left.sum(axis=0), there.sum(axis=0)], rtol=1e-12)


def test_what_is_nan_counts_nowhere():
    A = RNG.random((M, N))
    holed, seen = np.where(WEIGHTS == 0, np.nan, A), WEIGHTS > 0
    for one, other in zip(sums_of(holed), sums_of(A, seen), strict=True):
        np.testing.assert_array_equal(one, other)


def test_rows_in_blocks_give_the_same_bits():
    A = RNG.random((M, N))
    of_rows, of_columns = sums_of(A)
    upper, cut = sums_of(A, rows=slice(0, 5))
    lower, _ = sums_of(A, rows=slice(5, None), of_columns=cut)
    assert np.concatenate([upper, lower]).tobytes() == of_rows.tobytes()
    assert cut.tobytes() == of_columns.tobytes()


def test_operands_that_do_not_agree_are_refused():
    A = RNG.random((M, N))
    with pytest.raises(ValueError, match="differ"):
        add_squares(A, None, W[1:], HT, np.zeros((M, 2)), np.zeros((2, N)))
    with pytest.raises(ValueError, match="weights"):
        add_squares(A, WEIGHTS[1:], W, HT, np.zeros((M, 2)), np.zeros((2, N)))
