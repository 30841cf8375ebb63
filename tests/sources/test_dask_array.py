"""Dask arrays, whatever their blocks are made of and however they are cut."""

import dask
import dask.array as da
import numpy as np
import pytest
import scipy.sparse
import sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from source_contract import COLUMNS, ROWS, SourceContract, read, small_matrix

from dnmf import open_source
from dnmf.errors import InputError
from dnmf.sources.dask_array import as_dask_array

CHUNKINGS = {
    "rows": (6, COLUMNS),
    "grid": (6, 4),
    "uneven": ((7, 1, 9, 6), (2, 9)),
    "an empty chunk": ((7, 0, 10, 6), (COLUMNS,)),
    "one chunk": (ROWS, COLUMNS),
}
BLOCKS = {
    "csr_matrix": scipy.sparse.csr_matrix,
    "csr_array": scipy.sparse.csr_array,
    "csc_matrix": scipy.sparse.csc_matrix,
    "csc_array": scipy.sparse.csc_array,
    "COO": sparse.COO.from_numpy,
    "GCXS": sparse.GCXS.from_numpy,
}


def chunked(A, chunks, convert=None):
    array = da.from_array(A, chunks=chunks)
    return array if convert is None else array.map_blocks(convert, meta=convert(np.zeros((1, 1), A.dtype)))


def announced_as_csr(A, chunks, convert):
    """Blocks announced as another kind: dask slices what is announced, and GCXS compiles for many seconds then."""
    return da.from_array(A, chunks=chunks).map_blocks(convert, meta=scipy.sparse.csr_array((0, 0), dtype=A.dtype))


class TestNumpyBlocks(SourceContract):
    SPARSE = False
    CASES = {
        **{name: lambda A, _, c=chunks: chunked(A, c) for name, chunks in CHUNKINGS.items()},
        "float32": lambda A, _: chunked(A.astype(np.float32), (6, 4)),
        "integers": lambda A, _: chunked(A.astype(np.int16), (6, 4)),
        "computed": lambda A, _: (chunked(A, (6, 4)) * 2 + 1 - 1) / 2,
        "half": lambda A, _: chunked(A.astype(np.float16), (6, 4)),
    }


class TestSparseBlocks(SourceContract):
    SPARSE = True
    CASES = {
        f"{kind}, {name}": lambda A, _, c=chunks, k=kind: (chunked if "cs" in k else announced_as_csr)(A, c, BLOCKS[k])
        for kind in BLOCKS
        for name, chunks in CHUNKINGS.items()
        if kind == "csr_matrix" or name in ("rows", "uneven")
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["COO", "GCXS"])
def test_blocks_of_the_sparse_package_are_known_by_what_dask_announces(kind):
    source = open_source(chunked(small_matrix(), CHUNKINGS["uneven"], BLOCKS[kind]))
    assert source.sparse
    np.testing.assert_array_equal(read(source, 3, 20), small_matrix()[3:20])


class TestScipyCooBlocks(SourceContract):
    """Dask takes their array for one of numpy blocks, so they are served dense."""

    SPARSE = False
    CASES = {"uneven": lambda A, _: chunked(A, CHUNKINGS["uneven"], scipy.sparse.coo_matrix)}


class TestFromZarr(SourceContract):
    SPARSE = False

    @staticmethod
    def stored(A, folder):
        import zarr

        array = zarr.create_array(folder / "a.zarr", shape=A.shape, chunks=(5, 4), dtype="f8")
        array[:] = A
        return da.from_zarr(array)

    CASES = {"v3": stored}


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_chunking_reads_the_same(data):
    cuts = [sorted({0, n, *data.draw(st.lists(st.integers(1, n - 1), max_size=4))}) for n in (ROWS, COLUMNS)]
    array = chunked(small_matrix(), tuple(tuple(np.diff(axis).tolist()) for axis in cuts))
    source = open_source(array)
    start = data.draw(st.integers(0, ROWS - 1))
    stop = data.draw(st.integers(start + 1, ROWS))
    np.testing.assert_array_equal(read(source, start, stop), small_matrix()[start:stop])
    np.testing.assert_array_equal(read(source.for_rows(start, stop), start, stop), small_matrix()[start:stop])


def test_blocks_are_served_in_the_kind_they_have_not_the_one_announced():
    A = small_matrix()
    dense = da.from_array(A, chunks=(6, 4)).map_blocks(scipy.sparse.csr_matrix, meta=np.zeros((0, 0)))
    assert not open_source(dense).sparse
    np.testing.assert_array_equal(read(open_source(dense), 3, 20), A[3:20])
    announced = da.from_array(A, chunks=(6, 4)).map_blocks(np.array, meta=scipy.sparse.csr_matrix((0, 0)))
    assert open_source(announced).sparse
    np.testing.assert_array_equal(read(open_source(announced), 3, 20), A[3:20])


def test_a_part_depends_on_its_own_blocks_only():
    source = open_source(chunked(small_matrix(), (6, 4)))
    assert [len(band) for band in source.for_rows(6, 12).blocks()] == [3]
    assert len(source.for_rows(5, 13).blocks()) == 3


def test_unknown_chunks_are_refused_with_the_remedy():
    array = chunked(small_matrix(), (6, 4))
    with pytest.raises(InputError, match="unknown; call compute_chunk_sizes"):
        open_source(array[array[:, 0] >= 0])


def test_blocks_of_another_shape_than_announced_are_refused():
    array = chunked(small_matrix(), (6, COLUMNS)).map_blocks(lambda block: block[:-1], chunks=(6, COLUMNS))
    array._chunks = ((6, 6, 6, 5), (COLUMNS,))
    with pytest.raises(InputError, match=r"a block has shape \(5, 11\), the array's chunks say \(6, 11\)"):
        open_source(array).read(0, 6)


def test_blocks_of_objects_are_refused_when_they_come():
    array = chunked(small_matrix(), (6, 4)).map_blocks(lambda block: block.astype(object), dtype=float)
    with pytest.raises(InputError, match="dask array .* dtype object"):
        open_source(array).read(0, 6)


def test_a_block_that_cannot_be_computed_is_one_error_with_its_rows():
    def fail(block):
        raise OSError("the disk is gone")

    array = chunked(small_matrix(), (6, COLUMNS)).map_blocks(fail, dtype=float)
    with pytest.raises(InputError, match=r"blocks of rows 6:12 cannot be computed \(OSError: the disk is gone\)"):
        open_source(array).read(6, 12)


def test_a_dataframe_of_dask_is_refused_with_the_remedy():
    class DaskFrame:
        npartitions, dask = 2, {}

    with pytest.raises(InputError, match=r"to_dask_array\(lengths=True\)"):
        open_source(DaskFrame())


def test_blocks_have_a_size_for_the_scheduler():
    A = small_matrix()
    for convert in BLOCKS.values():
        assert dask.sizeof.sizeof(convert(A)) > 8 * np.count_nonzero(A)


def test_w_as_a_dask_array_has_the_chunks_asked_for():
    W = np.arange(12.0).reshape(6, 2)
    array = as_dask_array(W, 4)
    assert array.chunks == ((4, 2), (2,))
    np.testing.assert_array_equal(array.compute(scheduler="synchronous"), W)
