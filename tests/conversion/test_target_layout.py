"""The store that is written: anndata opens it, no chunk is absent, no damage goes unseen."""

import json

import anndata
import numpy as np
import pytest
import zarr
from random_matrices import random_csr
from scipy import sparse

from dnmf.conversion import convert, writing
from dnmf.conversion.streams import Triplets, TripletStream
from dnmf.sources.opening import open_source


@pytest.fixture
def npz(tmp_path):
    matrix = random_csr((200, 30), 0.2, dtype="float32")
    sparse.save_npz(tmp_path / "a.npz", matrix)
    return tmp_path / "a.npz", matrix


@pytest.fixture
def npy(tmp_path):
    array = np.random.default_rng(0).random((50, 6)).astype("float32")
    array[:20] = 0  # whole chunks of zeros
    np.save(tmp_path / "a.npy", array)
    return tmp_path / "a.npy", array


def chunk_files(array_folder):
    names = (path for path in array_folder.rglob("*") if path.is_file())
    return [path for path in names if path.name not in ("zarr.json", ".zarray", ".zattrs")]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_anndata_opens_every_part(tmp_path, npz, zarr_format):
    source, matrix = npz
    convert(source, tmp_path / "out.zarr", zarr_format=zarr_format)
    data = anndata.read_zarr(tmp_path / "out.zarr")
    assert data.shape == matrix.shape
    assert list(data.obs_names) == [str(i) for i in range(200)]
    parts = (data.layers, data.obsm, data.varm, data.obsp, data.varp, data.uns)
    assert not any(set(part) - {None} for part in parts)  # since anndata 0.13 layers have X, under None
    root = zarr.open_group(tmp_path / "out.zarr", mode="r")
    assert root.metadata.zarr_format == zarr_format
    assert {**root.attrs, "dnmf_written": 0} == {
        "encoding-type": "anndata",
        "encoding-version": "0.1.0",
        "dnmf_written": 0,
    }
    assert root["X"].attrs["encoding-type"] == "csr_matrix"
    assert list(root["X"].attrs["shape"]) == [200, 30]


def test_data_and_indices_have_the_same_whole_chunks(tmp_path, npz):
    source, matrix = npz
    convert(source, tmp_path / "out.zarr", chunk_bytes=400, dtype="float64")
    X = zarr.open_group(tmp_path / "out.zarr", mode="r")["X"]
    assert X["data"].chunks == X["indices"].chunks == (50,)
    assert (X["indices"].dtype, X["indptr"].dtype, X["indptr"].chunks) == ("int32", "int64", (50,))
    for name, length in (("data", matrix.nnz), ("indices", matrix.nnz), ("indptr", 201)):
        assert X[name].shape == (length,)
        assert len(chunk_files(tmp_path / "out.zarr" / "X" / name)) == -(-length // 50)


@pytest.mark.slow
def test_offsets_have_chunks_of_their_own_size_since_a_task_reads_few(tmp_path):
    sparse.save_npz(tmp_path / "long.npz", sparse.csr_array((300_000, 3), dtype=np.float32))
    convert(tmp_path / "long.npz", tmp_path / "out.zarr")
    assert zarr.open_group(tmp_path / "out.zarr", mode="r")["X/indptr"].chunks == (2**17,)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_chunks_of_zeros_are_written_too(tmp_path, npy, zarr_format):
    source, array = npy
    report = convert(source, tmp_path / "out.zarr", chunk_bytes=5 * 24, zarr_format=zarr_format)
    assert report.kind == "dense"
    X = zarr.open_group(tmp_path / "out.zarr", mode="r")["X"]
    assert X.chunks == (5, 6)
    assert len(chunk_files(tmp_path / "out.zarr" / "X")) == 10
    np.testing.assert_array_equal(X[:], array)


@pytest.mark.broad(1)
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dense", [False, True])
def test_no_flipped_bit_is_read_in_silence(tmp_path, npz, npy, zarr_format, dense):
    """Either the chunk fails to decode, or it decodes to the same values."""
    source, matrix = npy if dense else npz
    convert(source, tmp_path / "out.zarr", zarr_format=zarr_format)
    name = "X" if dense else "X/data"
    expected = matrix if dense else matrix.data
    (chunk,) = chunk_files(tmp_path / "out.zarr" / name)
    whole = chunk.read_bytes()
    for position in np.random.default_rng(0).integers(0, len(whole), 40).tolist():
        chunk.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        try:
            values = zarr.open_array(tmp_path / "out.zarr" / name, mode="r")[:]
        except (ValueError, RuntimeError, OSError):
            continue
        np.testing.assert_array_equal(values, expected)
        assert zarr_format == 2, "crc32c covers every bit of a chunk"


@pytest.mark.broad(1)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_dnmf_reads_what_it_wrote(tmp_path, npz, npy, zarr_format):
    convert(npz[0], tmp_path / "sparse.zarr", zarr_format=zarr_format, chunk_bytes=500)
    convert(npy[0], tmp_path / "dense.zarr", zarr_format=zarr_format, chunk_bytes=100)
    rows = open_source(str(tmp_path / "sparse.zarr")).read(3, 90)
    result = sparse.csr_array((rows.data, rows.indices, rows.indptr), shape=(87, 30))
    assert (result != npz[1][3:90]).nnz == 0
    np.testing.assert_array_equal(open_source(str(tmp_path / "dense.zarr")).read(3, 30), npy[1][3:30])


def test_an_all_zero_matrix_is_written(tmp_path):
    sparse.save_npz(tmp_path / "a.npz", sparse.csr_array((4, 3), dtype="float32"))
    assert convert(tmp_path / "a.npz", tmp_path / "out.zarr").nonzeros == 0
    assert anndata.read_zarr(tmp_path / "out.zarr").X.nnz == 0


def test_columns_beyond_31_bits_have_64_bit_indices(tmp_path, monkeypatch):
    columns = 2**31 + 5
    entries = Triplets(np.array([1, 0]), np.array([columns - 1, 7]), np.array([2.0, 3.0]))
    stream = TripletStream(
        address="x", shape=(2, columns), dtype=np.dtype("float64"), target_dtype=np.dtype("float32"),
        stored=2, blocks=lambda limit: iter([entries]),
    )  # fmt: skip
    root = zarr.open_group(tmp_path / "t", mode="w")
    monkeypatch.setattr(writing, "create_root", lambda *_: root)  # so many names would fill the disk
    writing.write_matrix(stream, tmp_path / "t", tmp_path, writing.Settings(None, False, 2**20, 2**20, 3, None))
    assert root["X/indices"].dtype == "int64"
    assert root["X/indices"][:].tolist() == [7, columns - 1]
    assert root["X/data"][:].tolist() == [3, 2]


def test_the_report_counts_what_is_on_disk(tmp_path, npz):
    report = convert(npz[0], tmp_path / "out.zarr")
    files = [path for path in (tmp_path / "out.zarr").rglob("*") if path.is_file()]
    assert report.bytes_written == sum(path.stat().st_size for path in files)
    assert report.target == tmp_path / "out.zarr"
    assert json.loads((tmp_path / "out.zarr" / "zarr.json").read_text())["zarr_format"] == 3
