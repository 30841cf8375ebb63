"""Zarr objects are read from their own store, on workers too; addresses and options that lead nowhere are refused."""

import os
import pickle
import subprocess
import sys

import anndata
import numpy as np
import pytest
import scipy.sparse
import zarr
from source_contract import COLUMNS, ROWS, read, small_matrix
from zarr.storage import FsspecStore, LocalStore, MemoryStore, ZipStore

import dnmf
from dnmf import open_source
from dnmf.errors import InputError
from dnmf.sources.zarr_stores import directory_of, why_not


def dense(store):
    how = {"chunks": (5, 4), "fill_value": 0, "config": {"write_empty_chunks": True}}
    zarr.create_array(store, data=small_matrix() + 1, **how)


def local(folder, write):
    write(LocalStore(folder / "a.zarr"))
    return LocalStore(folder / "a.zarr", read_only=True)


def zipped(folder, write):
    with ZipStore(folder / "a.zip", mode="w") as store:
        write(store)
    return ZipStore(folder / "a.zip", mode="r")


def in_memory(folder, write):
    store = MemoryStore()
    write(store)
    return store


def by_fsspec(folder, write):
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    local(folder, write)
    return FsspecStore.from_url(f"file://{folder / 'a.zarr'}", read_only=True)


def by_obstore(folder, write):
    obstore = pytest.importorskip("obstore", reason="obstore is not installed")
    local(folder, write)
    return zarr.storage.ObjectStore(obstore.store.LocalStore(str(folder / "a.zarr")), read_only=True)


STORES = {"local": local, "zip": zipped, "memory": in_memory, "fsspec": by_fsspec, "obstore": by_obstore}


@pytest.fixture(params=STORES)
def make_store(request, tmp_path):
    return lambda write=dense: STORES[request.param](tmp_path, write)


@pytest.mark.broad(3)
def test_an_opened_array_is_read_wherever_its_source_goes(make_store):
    source = open_source(zarr.open_array(make_store(), mode="r"))
    np.testing.assert_array_equal(read(pickle.loads(pickle.dumps(source)), 3, 9), small_matrix()[3:9] + 1)
    assert source.fingerprint() == source.fingerprint()
    assert dnmf.fit(source, 2, max_passes=2).shape == (ROWS, COLUMNS)


@pytest.mark.broad(1)
@pytest.mark.parametrize("layout", ["csr_array", "csc_array"])
def test_a_group_of_anndata_is_read_with_its_names(make_store, layout):
    A = small_matrix()
    data = anndata.AnnData(getattr(scipy.sparse, layout)(A))
    data.var_names = [f"gene{j}" for j in range(COLUMNS)]

    def write(store):
        group = zarr.open_group(store, mode="w", zarr_format=2)
        anndata.io.write_elem(group, "/", data)

    source = open_source(zarr.open_group(make_store(write), mode="r"))
    expected = A.T if source.transposed else A
    np.testing.assert_array_equal(read(source, 0, source.shape[0]), expected)
    names = source.row_names() if source.transposed else source.column_names()
    assert list(names) == list(data.var_names)


def test_a_missing_chunk_is_named_whatever_the_store(make_store):
    def with_a_hole(store):
        zarr.create_array(store, shape=(8, 3), chunks=(4, 3), dtype="f4", fill_value=0)[:4] = 1

    with pytest.raises(InputError, match="chunk c/1/0 .* is missing or empty"):
        open_source(zarr.open_array(make_store(with_a_hole), mode="r")).read(0, 8)


def test_what_an_opened_store_of_obstore_does_not_answer_is_asked_for_again(tmp_path, monkeypatch):
    obstore = pytest.importorskip("obstore", reason="obstore is not installed")
    source = open_source(zarr.open_array(by_obstore(tmp_path, dense), mode="r"))
    real, failed = obstore.get_async, []

    async def fails_twice(*given, **how):
        if len(failed) < 2:
            failed.append(True)
            raise obstore.exceptions.GenericError("Generic S3 error: 503 after 10 retries")
        return await real(*given, **how)

    monkeypatch.setattr(obstore, "get_async", fails_twice)
    np.testing.assert_array_equal(source.read(0, 4), small_matrix()[:4] + 1)
    assert len(failed) == 2


@pytest.mark.parametrize(
    "refused",
    [
        ("PermissionDeniedError", "no"),
        ("NotSupportedError", "no"),
        ("GenericError", "Error performing list request: Server returned non-2xx status code: 403 Forbidden: <?xml"),
    ],
    ids=lambda refused: refused[0],
)
def test_objects_that_may_be_read_and_not_listed_are_looked_at_one_by_one(tmp_path, monkeypatch, refused):
    obstore = pytest.importorskip("obstore", reason="obstore is not installed")
    array, asked = zarr.open_array(by_obstore(tmp_path, dense), mode="r"), []

    def refuses(*_, **__):
        asked.append(refused[0])
        raise getattr(obstore.exceptions, refused[0])(refused[1])

    monkeypatch.setattr(obstore, "list", refuses)
    source = open_source(array)
    np.testing.assert_array_equal(read(source, 0, ROWS), small_matrix() + 1)
    assert source.fingerprint() == open_source(array).fingerprint()
    assert asked


def test_a_store_that_stays_here_is_refused_with_the_way_that_works():
    obstore = pytest.importorskip("obstore", reason="obstore is not installed")
    store = zarr.storage.ObjectStore(obstore.store.MemoryStore())
    dense(store)
    with pytest.raises(InputError, match=r"cannot be sent to workers .* dask\.array\.from_zarr"):
        open_source(zarr.open_array(store, mode="r"))


def test_options_of_a_url_go_with_the_source(tmp_path):
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    local(tmp_path, dense)
    options = {"auto_mkdir": False, "skip_instance_cache": True}
    source = open_source(f"file://{tmp_path / 'a.zarr'}", storage_options=options)
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(read(again, 0, 5), small_matrix()[:5] + 1)
    inner = getattr(again.array.path.store.fs, "sync_fs", again.array.path.store.fs)
    assert isinstance(inner, fsspec.get_filesystem_class("file"))
    assert inner.auto_mkdir is False
    assert source.address == f"file://{tmp_path / 'a.zarr'}"


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
def test_object_storage_that_fsspec_has_no_package_for_is_read_by_obstore(scheme, tmp_path, monkeypatch):
    obstore = pytest.importorskip("obstore", reason="obstore is not installed")
    local(tmp_path / "bucket", dense)

    def lacks(*_, **__):
        raise ImportError(f"Install what opens {scheme}://")

    reached = []

    def opened(url, **options):
        reached.append((url, options["account_name"]))
        return obstore.store.LocalStore(str(tmp_path / "bucket"))

    monkeypatch.setattr(FsspecStore, "from_url", lacks)
    monkeypatch.setattr(obstore.store, "from_url", opened)
    source = open_source(f"{scheme}://bucket/a.zarr", storage_options={"account_name": f"{scheme}-{tmp_path}"})
    np.testing.assert_array_equal(read(source, 0, 5), small_matrix()[:5] + 1)
    assert set(reached) == {(f"{scheme}://bucket", f"{scheme}-{tmp_path}")}
    assert source.address == f"{scheme}://bucket/a.zarr"


@pytest.mark.parametrize("data", ["counts.zarr", np.eye(3)], ids=["path", "array"])
def test_options_without_a_url_are_refused(data):
    with pytest.raises(InputError, match="storage_options are for a URL"):
        open_source(data, storage_options={"anon": True})


@pytest.mark.parametrize("suffix", ["h5ad", "h5", "nc"])
def test_hdf5_behind_an_address_is_refused_before_anything_is_asked(suffix):
    with pytest.raises(InputError, match="HDF5 files are read from a file system, not from an address"):
        open_source(f"s3://bucket-that-is-nowhere/data.{suffix}")


class EndpointConnectionError(Exception):
    """Called like that of botocore."""


class NoCredentialsError(Exception):
    """Called like that of botocore."""


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (FileNotFoundError("x"), "there is no Zarr array or group there, or no bucket of that name"),
        (EndpointConnectionError("http://x\ny"), r"cannot be reached \(http://x y\)"),
        (NoCredentialsError("none"), r"not permitted \(none\); for keys and endpoints"),
        (PermissionError("403"), r"not permitted \(403\)"),
        (KeyError("x"), "not a readable Zarr store"),
    ],
)
def test_why_an_address_cannot_be_opened_is_one_sentence(error, sentence):
    import re

    assert re.match(sentence, why_not(error).removeprefix("it "))


@pytest.mark.slow
def test_an_endpoint_that_is_down_takes_one_line(tmp_path):
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-m", "dnmf", "inspect", "s3://bucket/a.zarr"],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, **keys},
    )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "s3://bucket/a.zarr: it cannot be reached" in done.stderr


# ---- names with two colons


@pytest.mark.slow
def test_a_directory_may_have_two_colons_in_its_name(tmp_path):
    folder = tmp_path / "run::1"
    root = zarr.open_group(folder / "g.zarr", mode="w")
    root.create_array("deep/counts", data=small_matrix() + 1, chunks=(5, 4))
    named, only = f"{folder / 'g.zarr'}::deep/counts", zarr.create_array(folder / "a.zarr", data=np.ones((6, 3)))
    assert open_source(named).shape == (ROWS, COLUMNS)
    assert open_source(only).shape == open_source(str(folder / "a.zarr")).shape == (6, 3)
    dnmf.convert(named, folder / "converted.zarr")
    assert open_source(folder / "converted.zarr").shape == (ROWS, COLUMNS)
    with pytest.raises(InputError, match="there is nothing at this path"):
        open_source(f"{folder / 'gone.zarr'}::deep/counts")
    with pytest.raises(InputError, match="convert writes to a local directory"):
        dnmf.convert(named, f"{tmp_path / 'new.zarr'}::X")


@pytest.mark.parametrize(("scheme", "is_directory"), [("", True), ("filecache::", False), ("simplecache::", False)])
def test_only_files_that_lie_there_by_their_keys_are_looked_for_in_a_directory(tmp_path, scheme, is_directory):
    zarr.create_array(tmp_path / "a.zarr", shape=(4, 3), chunks=(2, 3), dtype="f4")[:] = 1
    store = FsspecStore.from_url(f"{scheme}file://{tmp_path}/a.zarr", read_only=True)
    assert directory_of(store) == (tmp_path / "a.zarr" if is_directory else None)
