"""Addresses are read as people write them, and what cannot be opened is said with what is missing."""

import importlib
import sys
import zipfile

import numpy as np
import pytest
import zarr
from command_line import call

import dnmf
from dnmf.errors import CheckpointError, InputError
from dnmf.sources.addresses import split_address

A = np.random.default_rng(0).poisson(0.5, (30, 8)).astype("float32")
fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "some data"
    zarr.save_array(folder / "x.zarr", A)
    return folder / "x.zarr"


OF_FILES = [
    "file://{}", "FILE://{}", "File://{}", "file:{}", "FILE:{}", "file://localhost{}", "file://{quoted}",
    "file:{quoted}",
]  # fmt: skip


@pytest.mark.broad(2)
@pytest.mark.parametrize("form", OF_FILES)
def test_an_address_of_a_file_is_its_path(store, tmp_path, form):
    address = form.format(store, quoted=str(store).replace(" ", "%20"))
    source = dnmf.open_source(address)
    assert source.address == str(store)
    np.testing.assert_array_equal(source.read(0, 30), A)
    assert call("inspect", address, "--json").exit_code == 0
    dnmf.convert(address, tmp_path / "out.zarr")
    np.testing.assert_array_equal(dnmf.open_source(tmp_path / "out.zarr").read(0, 30), A)


@pytest.mark.parametrize("form", ["file://{}", "file:{}", "FILE:{}", "file://localhost{}"])
def test_an_address_of_an_hdf5_file_is_read_like_its_path(tmp_path, form):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["counts"] = A
    np.testing.assert_array_equal(dnmf.open_source(form.format(tmp_path / "a.h5") + "::counts").read(0, 30), A)


@pytest.mark.parametrize("form", ["file://{}", "file:{}", "FILE:{}", "https:/{}", "HTTPS:/{}"])
@pytest.mark.parametrize("door", [dnmf.load, lambda place: dnmf.fit(A, 2, store=place)])
def test_a_store_is_not_taken_for_a_name_here(tmp_path, monkeypatch, form, door):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="is a URL"):
        door(form.format(tmp_path / "run.dnmf"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scheme", ["memory", "MEMORY", "Memory"])
def test_a_scheme_may_be_in_capitals(scheme):
    files = fsspec.filesystem("memory")
    zarr.save_array(zarr.storage.FsspecStore.from_url("memory://capitals/Data.zarr"), A)
    np.testing.assert_array_equal(dnmf.open_source(f"{scheme}://capitals/Data.zarr").read(0, 30), A)
    files.rm("capitals", recursive=True)


def test_only_schemes_lose_their_capitals():
    address = "SimpleCache::S3://Bucket/A::B/X.zarr"
    assert split_address(address)[0].startswith("SimpleCache::s3://Bucket/A")


MISSING = [
    ("gs", "gcsfs", "gcsfs"),
    ("gcs", "gcsfs", "gcsfs"),
    ("s3", "s3fs", "s3fs"),
    ("ssh", "paramiko", "paramiko"),
    ("sftp", "paramiko", "paramiko"),
    ("github", "requests", "requests"),
    ("abfs", "adlfs", "adlfs"),
    ("hf", "huggingface_hub", "huggingface_hub"),
    ("smb", "smbclient", "smbprotocol"),
    ("hdfs", "pyarrow", "pyarrow"),
    ("https", "aiohttp", "aiohttp"),
]


@pytest.mark.parametrize("options", [None, {"anon": True}])
@pytest.mark.parametrize(("scheme", "module", "package"), MISSING)
def test_the_package_that_is_missing_is_named(monkeypatch, scheme, module, package, options):
    registry = importlib.import_module("fsspec.registry")
    known = registry.known_implementations[scheme]["class"].rpartition(".")[0]
    for name in [known, *(name for name in sys.modules if name.partition(".")[0] == module)]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("dnmf.sources.zarr_stores.find_spec", lambda package: None)  # nor is obstore there
    monkeypatch.setattr(registry, "_registry", {})
    monkeypatch.setattr(registry, "registry", registry._registry)
    with pytest.raises(InputError, match=rf"{scheme}://host/x\.zarr: .*reading it needs: pip install {package}$"):
        dnmf.open_source(f"{scheme}://host/x.zarr", storage_options=options)


@pytest.mark.parametrize(
    "address", ["foo://x.zarr", "s4://b/x.zarr", "simplecache::foo://x.zarr", "zip://a::s33://b/c"]
)
def test_a_scheme_that_nobody_knows_is_named(address):
    with pytest.raises(InputError, match=r"(foo|s4|s33):// is no kind of address that fsspec knows; check"):
        dnmf.open_source(address)


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        ("zip://x.zarr.zip", r"give an archive of one store by its path, x\.zarr\.zip, or .* zip://PLACE::s3://"),
        ("ZIP://x.zarr.zip", r"by its path, x\.zarr\.zip"),
        ("tar://x.tar", "tar://PLACE::s3://"),
        ("simplecache://x.zarr", r"simplecache::s3://BUCKET/x\.zarr"),
        ("filecache://x.zarr", "say which: filecache::"),
        ("dir://x.zarr", "say which: dir::"),
        ("reference://x.json", "say which: reference::"),
    ],
)
def test_an_address_in_another_asks_for_that(tmp_path, monkeypatch, address, advice):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=advice):
        dnmf.open_source(address)


@pytest.mark.parametrize("form", ["zip://x.zarr::file://{}", "ZIP://x.zarr::FILE://{}", "zip://x.zarr"])
def test_a_place_in_an_archive_is_read(store, tmp_path, form):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for part in store.rglob("*"):
            file.write(part, part.relative_to(store.parent))
    options = None if "{}" in form else {"fo": str(archive)}
    source = dnmf.open_source(form.format(archive), storage_options=options)
    np.testing.assert_array_equal(source.read(0, 30), A)
