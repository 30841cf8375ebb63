"""Under zarrs, a codec pipeline that a user may choose in Zarr's own configuration, sources keep what they promise."""

import numpy as np
import pytest
import scipy.sparse
import zarr
from source_contract import COLUMNS, ROWS, read, small_matrix

from dnmf import open_source
from dnmf.errors import InputError
from dnmf.sources.stored import StoredArray

pytest.importorskip("zarrs", reason="zarrs is not installed")

LAYOUTS = {
    "default": {},
    "raw": {"compressors": None},
    "lz4, checked": {"compressors": [zarr.codecs.BloscCodec(cname="lz4"), zarr.codecs.Crc32cCodec()]},
    "sharded": {"shards": (10, 8)},
    "v2": {"zarr_format": 2},
    "half": {"dtype": "f2"},
}


@pytest.fixture(autouse=True)
def chosen():
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        yield


def dense(folder, **how):
    A = small_matrix()
    how = {"dtype": "f4", "chunks": (5, 4)} | how
    zarr.create_array(folder / "a.zarr", shape=A.shape, config={"write_empty_chunks": True}, **how)[:] = A
    return folder / "a.zarr"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_decodes_and_the_values_are_the_same(tmp_path, layout):
    path = dense(tmp_path, **LAYOUTS[layout])
    assert StoredArray(path, "")._open()[1] is None
    np.testing.assert_array_equal(read(open_source(path), 3, 20), small_matrix()[3:20])


def test_a_sparse_matrix_is_the_same_panel_by_panel(tmp_path):
    matrix = scipy.sparse.csr_array(small_matrix())
    group = zarr.open_group(tmp_path / "a.zarr", mode="w").create_group("X")
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [ROWS, COLUMNS]})
    for name in ("data", "indices", "indptr"):
        group.create_array(name, data=getattr(matrix, name), chunks=(17,), config={"write_empty_chunks": True})
    part = open_source(tmp_path / "a.zarr").for_rows(2, 20)
    got = [read(part, low, low + 3) for low in range(2, 20, 3)]
    np.testing.assert_array_equal(np.concatenate(got), small_matrix()[2:20])


@pytest.mark.parametrize("layout", ["default", "raw", "lz4, checked", "sharded"])
def test_a_chunk_that_is_missing_or_damaged_is_refused(tmp_path, layout):
    path = dense(tmp_path, **LAYOUTS[layout])
    chunk = path / "c/1/0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"a\.zarr: elements 3:20 .* cannot be read"):
        open_source(path).read(3, 20)
    chunk.unlink()
    with pytest.raises(InputError, match=r"chunk c/1/0 .* is missing or empty"):
        open_source(path).read(3, 20)


@pytest.mark.parametrize("how", [{"order": "F"}, {"dtype": ">f4"}])
def test_what_it_cannot_decode_is_an_error_not_other_values(tmp_path, how):
    with zarr.config.set({"codec_pipeline.path": "zarr.core.codec_pipeline.BatchedCodecPipeline"}):
        path = dense(tmp_path, zarr_format=2, **how)
    try:
        got = read(open_source(path), 3, 20)
    except InputError:
        return
    np.testing.assert_array_equal(got, small_matrix()[3:20])
