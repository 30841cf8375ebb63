"""Dense matrices in Zarr stores and HDF5 files."""

import numpy as np
import pytest
import zarr
from source_contract import COLUMNS, ROWS, StoredContract, read, small_matrix

from dnmf import open_source
from dnmf.errors import InputError


def zarr_array(dtype="float64", chunks=(5, 4), **how):
    def make(A, folder):
        array = zarr.create_array(folder / "a.zarr", shape=A.shape, chunks=chunks, dtype=dtype,
                                  config={"write_empty_chunks": True}, **how)  # fmt: skip
        array[:] = A.astype(dtype)
        return folder / "a.zarr"

    return make


class ZarrContract(StoredContract):
    SPARSE = False

    def change(self, data):
        path, _, inner = str(data).partition("::")
        array = zarr.open(path, mode="r+")
        array = array[inner] if inner else array
        array[:3] = np.arange(3 * COLUMNS).reshape(3, COLUMNS)


class TestZarrLayouts(ZarrContract):
    DTYPE = "float64"
    CASES = {
        "v3": zarr_array(),
        "v2": zarr_array(zarr_format=2),
        "sharded": zarr_array(shards=(10, 8)),
        "shard of all columns": zarr_array(shards=(10, 12)),
        "one chunk": zarr_array(chunks=(ROWS, COLUMNS)),
        "chunk larger than the array": zarr_array(chunks=(64, 64)),
        "a row a chunk": zarr_array(chunks=(1, COLUMNS)),
        "no compression": zarr_array(compressors=None),
        "column-major": zarr_array(order="F", zarr_format=2),
        "other separator": zarr_array(chunk_key_encoding={"name": "v2", "separator": "/"}),
    }


def test_panels_of_a_sharded_array_are_whole_shards(tmp_path):
    source = open_source(zarr_array(shards=(10, 8))(small_matrix(), tmp_path))
    assert source.layout().cuts.tolist() == [0, 10, 20, ROWS]
    assert source.layout().row_step == 10
    assert source.touched_bytes(9, 11, source.read(9, 11)) == 10 * COLUMNS * 8  # of chunks in the shards


class TestZarrDtypes(ZarrContract):
    CASES = {dtype: zarr_array(dtype) for dtype in ("int8", "uint8", "int16", "uint32", "int64", "uint64", "float32")}


class TestZarrHalfPrecision(ZarrContract):
    DTYPE = "float32"
    CASES = {"v3": zarr_array("float16"), "v2": zarr_array("float16", zarr_format=2)}


class TestZarrForeignByteOrder(ZarrContract):
    CASES = {dtype: zarr_array(dtype, zarr_format=2) for dtype in (">f4", ">i8")}


def test_booleans_are_read_as_zero_and_one(tmp_path):
    A = small_matrix() > 0
    array = zarr.create_array(tmp_path / "a.zarr", shape=A.shape, chunks=(5, 5), dtype=bool, fill_value=False,
                              config={"write_empty_chunks": True})  # fmt: skip
    array[:] = A
    np.testing.assert_array_equal(read(open_source(tmp_path / "a.zarr"), 2, 9), A[2:9])


class TestZarrGroup(ZarrContract):
    @staticmethod
    def group(inner, address, **others):
        def make(A, folder):
            root = zarr.open_group(folder / "g.zarr", mode="w")
            array = root.create_array(inner, shape=A.shape, chunks=(5, 11), dtype="float32",
                                      config={"write_empty_chunks": True})  # fmt: skip
            array[:] = A
            for name, shape in others.items():
                root.create_array(name, shape=shape, dtype="float32")
            return str(folder / "g.zarr") + address

        return make

    DTYPE = "float32"
    CASES = {
        "named": group("counts", "::counts", other=(3, 3)),
        "nested": group("a/b/counts", "::a/b/counts", other=(3, 3)),
        "with slashes": group("counts", "::/counts/", other=(3, 3)),
        "the only array": group("counts", ""),
        "X": group("X", "", other=(3, 3)),
    }

    def change(self, data):
        super().change(data if "::" in data else f"{data}::{'X' if 'X' in zarr.open(data) else 'counts'}")


class TestHdf5(StoredContract):
    SPARSE, DTYPE = False, "float64"

    @staticmethod
    def dataset(**how):
        def make(A, folder):
            h5py = pytest.importorskip("h5py", reason="h5py is not installed")
            with h5py.File(folder / "a.h5", "w") as file:
                file.create_dataset("counts", data=A, **how)
            return f"{folder / 'a.h5'}::counts"

        return make

    CASES = {
        "contiguous": dataset(),
        "chunked": dataset(chunks=(5, 4)),
        "compressed": dataset(chunks=(5, 11), compression="gzip", shuffle=True, fletcher32=True),
    }

    def change(self, data):
        h5py = pytest.importorskip("h5py")
        with h5py.File(data.partition("::")[0], "r+") as file:
            file["counts"][:3] = 1.5
            file.create_dataset("more", data=np.zeros(100))


def test_a_contiguous_dataset_is_cut_in_slabs(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("X", data=np.ones((5000, 100)))
    layout = open_source(tmp_path / "a.h5").layout()
    assert layout.object_bytes <= 2**20
    assert len(layout.cuts) == 5


def test_an_open_dataset_or_array_is_opened_by_its_path(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    A = small_matrix()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("deep/counts", data=A)
    with h5py.File(tmp_path / "a.h5", "r") as file:
        source = open_source(file["deep/counts"])
    assert source.address == f"{tmp_path / 'a.h5'}::deep/counts"
    array = zarr.open(zarr_array()(A, tmp_path), mode="r")
    assert open_source(array).address == str(tmp_path / "a.zarr")
    np.testing.assert_array_equal(read(open_source(array), 3, 8), A[3:8])


@pytest.fixture
def url():
    """The address of an array on a file system that is not this machine's disk, and a function that changes it."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    address, files = "memory://dnmf-test/a.zarr", fsspec.filesystem("memory")
    array = zarr.open_array(address, mode="w", shape=(ROWS, COLUMNS), chunks=(5, 4), dtype="float64", fill_value=0)
    array[:] = small_matrix() + 1
    yield address, files
    files.rm("/dnmf-test", recursive=True)


def test_a_url_is_read_like_a_path(url):
    source = open_source(url[0])
    assert source.address == url[0]
    np.testing.assert_array_equal(read(source, 3, 8), small_matrix()[3:8] + 1)
    assert source.fingerprint() == open_source(url[0]).fingerprint()


def test_an_object_that_is_absent_or_empty_behind_a_url_is_refused(url):
    address, files = url
    before = open_source(address).fingerprint()
    files.pipe("/dnmf-test/a.zarr/c/1/1", b"")
    with pytest.raises(InputError, match=r"memory://.*chunk c/1/1 .* is missing or empty"):
        open_source(address).read(3, 8)
    assert open_source(address).fingerprint() != before
    files.rm("/dnmf-test/a.zarr/c/1/1")
    with pytest.raises(InputError, match="chunk c/1/1"):
        open_source(address).read(3, 8)
    assert open_source(address, missing_chunks="zeros").read(3, 8).shape == (5, COLUMNS)


def test_a_url_without_a_store_is_refused():
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    with pytest.raises(InputError, match="memory://nothing/here.zarr: there is no Zarr array or group there"):
        open_source("memory://nothing/here.zarr")


@pytest.mark.parametrize(
    ("shape", "chunks", "rooms"),
    [((40, 6), (10, 6), 1), ((41, 6), (10, 6), 2), ((40, 6), (10, 3), 2), ((40, 6), (40, 6), 1)],
    ids=["whole", "ragged at the end", "narrow", "one"],
)
def test_room_for_a_chunk_beside_is_asked_for_only_where_one_does_not_go_whole(tmp_path, shape, chunks, rooms):
    zarr.create_array(tmp_path / "a.zarr", data=np.ones(shape, np.float32), chunks=chunks)
    layout = open_source(tmp_path / "a.zarr").layout()
    assert layout.in_place
    assert layout.beside_bytes == rooms * 4 * chunks[0] * chunks[1]
