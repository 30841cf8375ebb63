"""What a task adds up: the same bits however few columns its rows touch, and no room for padding at the end."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse

from dnmf.kernels.carry import carry_counted
from dnmf.kernels.padding import aligned_zeros, pad_columns, without_padding
from dnmf.passes.sums import RunningSums
from dnmf.sources.rows import CsrRows

pytestmark = pytest.mark.numeric
ROWS, COLUMNS, RANK = 300, 500, 5
rng = np.random.default_rng(0)
A = scipy.sparse.random_array((ROWS, COLUMNS), density=0.004, random_state=rng, format="csr", dtype="f4")
W = pad_columns((rng.random((ROWS, RANK)) - 0.5).astype("f4"))


def folded(blocks, dtype):
    sums = RunningSums(RANK, COLUMNS, dtype)
    for block, factors in blocks:
        sums.add(block, factors, signed=True)
    return sums.finish()


def sparse_blocks():
    A_csr = CsrRows(A.data, A.indices, A.indptr.astype(np.int64))
    for low in range(0, ROWS, 100):  # all values of the panel with each block, as a visit has it
        yield CsrRows(A_csr.data, A_csr.indices, A_csr.indptr[low : low + 101]), W[low : low + 100]


def dense_blocks():
    return [(A.toarray()[low : low + 100], W[low : low + 100]) for low in range(0, ROWS, 100)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("blocks", [sparse_blocks, dense_blocks, lambda: [*sparse_blocks(), *dense_blocks()]])
def test_what_was_counted_is_carried_over_with_the_bits_of_all(blocks, dtype, monkeypatch):
    whole = folded(blocks(), dtype)
    monkeypatch.setattr("dnmf.passes.sums.MANY_NUMBERS", 0)
    counted = folded(blocks(), dtype)
    assert counted.P.tobytes() == whole.P.tobytes()
    assert counted.P.any()


@pytest.mark.parametrize("blocks", [sparse_blocks, dense_blocks])
def test_no_column_has_many_more_values_added_in_its_dtype_than_it_may(blocks, monkeypatch):
    monkeypatch.setattr("dnmf.passes.sums.MANY_NUMBERS", 0)
    monkeypatch.setattr("dnmf.passes.sums.ROWS_IN_SUM", 3)
    carried = []
    monkeypatch.setattr("dnmf.passes.sums.carry_counted", lambda recent, total, counts: carried.append(counts.max()))
    sums = RunningSums(RANK, COLUMNS, "float32")
    for block, factors in blocks():
        most = sums._most
        sums.add(block, factors)
        assert most < 3
    assert carried
    assert sums._most == 0 or max(carried) >= 3


def test_the_sums_are_those_of_the_products():
    np.testing.assert_allclose(folded(sparse_blocks(), "float64").P, A.T @ W[:, :RANK].astype("f8"), atol=1e-9)


def test_shapes_that_do_not_agree_are_refused():
    with pytest.raises(ValueError, match="counts"):
        carry_counted(np.zeros((3, 8), "f4"), np.zeros((3, 8)), np.zeros(4, np.int64))


@pytest.mark.parametrize("rank", [1, 7, 8, 50])
@pytest.mark.parametrize("rows", [1, 1000, 9000])
def test_padding_is_left_out_in_place(rank, rows, monkeypatch):
    monkeypatch.setattr("dnmf.kernels.padding.LARGE", 2**12)
    values = np.arange(1.0, rows * rank + 1).reshape(rows, rank)
    wide = pad_columns(values)
    found = without_padding(wide, rank)
    del wide
    assert (found == values).all()
    assert found.flags.c_contiguous
    assert found.flags.writeable


def test_what_is_large_stays_where_it_is():
    tracemalloc.start()
    wide = aligned_zeros((200_000, 8), np.float64)
    owner = wide.base
    found = without_padding(wide, 5)
    del wide
    held = tracemalloc.get_traced_memory()[0]  # its peak counts both sizes of what is made smaller (numpy 2.5)
    tracemalloc.stop()
    assert found.base is owner
    assert held < 1.05 * found.nbytes
