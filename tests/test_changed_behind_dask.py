"""A change behind a dask array is an error that names the file, as one of data that is read by its path is."""

import json
from pathlib import Path

import dask.array as da
import fsspec
import h5py
import numpy as np
import pytest
import scipy.sparse
import zarr
from changing_data import (
    FIT,
    A,
    after_pass,
    dense_zarr,
    external_hdf5,
    hdf5,
    put_another_in_its_place,
    virtual_hdf5,
    write_anew,
)

import dnmf
from dnmf.record import changes_of_data
from dnmf.sources import guard


@pytest.fixture
def every_pass(monkeypatch):
    """The data is looked at after every pass, whatever that takes on a machine under load."""
    monkeypatch.setattr(guard, "FREE_S", np.inf)


def _zipped(folder):
    with zarr.storage.ZipStore(folder / "a.zip", mode="w") as store:
        zarr.create_array(store, data=A, chunks=(10, 12))
    return zarr.open_array(zarr.storage.ZipStore(folder / "a.zip", mode="r"), mode="r")


def _in_store(folder, store_of):
    return zarr.open_array(store_of(dense_zarr(folder)), mode="r")


def _by_obstore(folder):
    obstore = pytest.importorskip("obstore")
    return _in_store(folder, lambda path: zarr.storage.ObjectStore(obstore.store.LocalStore(path), read_only=True))


def _wrapped(folder):
    return _in_store(folder, lambda path: zarr.storage.WrapperStore(zarr.storage.LocalStore(path, read_only=True)))


def _lazy_h5ad(folder, matrix):
    anndata = pytest.importorskip("anndata", minversion="0.12")
    pytest.importorskip("xarray")
    anndata.AnnData(matrix).write_h5ad(folder / "a.h5ad")
    return anndata.experimental.read_lazy(folder / "a.h5ad").X


def _stack(folder):
    da.to_npy_stack(str(folder / "stack"), da.from_array(A, chunks=(10, 12)))
    return da.from_npy_stack(str(folder / "stack"))


def _mapped(folder):
    np.save(folder / "a.npy", A)
    return np.load(folder / "a.npy", mmap_mode="r")


def _references(folder):
    A.tofile(folder / "a.bin")
    about = {"zarr_format": 2, "shape": A.shape, "chunks": [10, 12], "dtype": "<f4", "compressor": None,
             "filters": None, "fill_value": 0, "order": "C"}  # fmt: skip
    chunks = {f"{row}.0": [str(folder / "a.bin"), row * 480, 480] for row in range(6)}
    refs = {".zarray": json.dumps(about), ".zattrs": "{}", **chunks}
    filesystem = fsspec.filesystem(
        "reference", fo={"version": 1, "refs": refs}, asynchronous=True, remote_protocol="file"
    )
    return zarr.open_array(zarr.storage.FsspecStore(filesystem, read_only=True, path=""), mode="r", zarr_format=2)


BEHIND_DASK = {
    "Zarr": (lambda folder: da.from_zarr(dense_zarr(folder)), "a.zarr/c/0/0"),
    "a wrapped store": (lambda folder: da.from_array(_wrapped(folder)), "a.zarr/c/0/0"),
    "obstore": (lambda folder: da.from_array(_by_obstore(folder)), "a.zarr/c/0/0"),
    "a zip archive": (lambda folder: da.from_array(_zipped(folder)), "a.zip"),
    "HDF5": (lambda folder: da.from_array(h5py.File(hdf5(folder))["X"]), "a.h5"),
    "HDF5 with external values": (lambda folder: da.from_array(h5py.File(external_hdf5(folder))["X"]), "part.h5"),
    "virtual HDF5": (lambda folder: da.from_array(h5py.File(virtual_hdf5(folder))["X"]), "part.h5"),
    "references": (lambda folder: da.from_array(_references(folder)), "a.bin"),
    "numpy files": (_stack, "stack/0.npy"),
    "a lazy dense .h5ad": (lambda folder: _lazy_h5ad(folder, A), "a.h5ad"),
    "a lazy sparse .h5ad": (lambda folder: _lazy_h5ad(folder, scipy.sparse.csr_matrix(A)), "a.h5ad"),
}


@pytest.mark.broad(3)
@pytest.mark.usefixtures("every_pass")
@pytest.mark.parametrize("kind", BEHIND_DASK)
def test_a_change_behind_dask_in_the_middle_of_a_fit_is_an_error_that_names_the_file(tmp_path, kind):
    write, name = BEHIND_DASK[kind]
    data = write(tmp_path)
    change = after_pass(2, lambda: put_another_in_its_place(tmp_path / name))
    with pytest.raises(
        dnmf.ChangedError, match=rf"the data changed while it was read.*{Path(name).name} \((written anew|replaced)"
    ):
        dnmf.fit(data, **FIT, keep="stream", callbacks=(change,))


@pytest.mark.parametrize("kind", BEHIND_DASK)
@pytest.mark.broad(1)
def test_a_fit_of_a_dask_array_is_resumed_with_what_lies_behind_it_as_it_was(tmp_path, kind):
    write, name = BEHIND_DASK[kind]
    data, store = write(tmp_path), tmp_path / "run.dnmf"
    dnmf.fit(data, **FIT | {"max_passes": 2}, store=store)
    assert len(dnmf.resume(store, source=data, max_passes=3).history) == 3
    write_anew(tmp_path / name)
    with pytest.raises(
        dnmf.CheckpointError, match=r"the data is not what the fit began with \(behind: other names, sizes"
    ):
        dnmf.resume(store, source=data, max_passes=4)


IN_PLACE = {
    "mapped": (_mapped, "a.npy"), "mapped rows": (lambda folder: _mapped(folder)[2:, ::-1], "a.npy"),
    "mapped, as an array": (lambda folder: np.asarray(_mapped(folder)), "a.npy"),
    "references": (_references, "a.bin"),
}  # fmt: skip


@pytest.mark.usefixtures("every_pass")
@pytest.mark.parametrize("kind", IN_PLACE)
def test_a_file_that_is_written_to_while_it_is_mapped_or_referred_to_is_named(tmp_path, kind):
    write, name = IN_PLACE[kind]
    data = write(tmp_path)
    with pytest.raises(dnmf.ChangedError, match=rf"the data changed while it was read.*{name} \(written anew"):
        dnmf.fit(data, **FIT, keep="stream", callbacks=(after_pass(2, lambda: write_anew(tmp_path / name)),))


@pytest.mark.parametrize("change", [Path.unlink, put_another_in_its_place])
def test_what_is_mapped_stays_what_it_was_when_its_name_leads_to_another_file(tmp_path, change):
    data = _mapped(tmp_path)
    model = dnmf.fit(data, **FIT, callbacks=(after_pass(2, lambda: change(tmp_path / "a.npy")),))
    assert model.read_W().tobytes() == dnmf.fit(A, **FIT).read_W().tobytes()


def test_what_was_written_to_a_mapped_file_before_a_fit_is_no_change(tmp_path):
    data = np.memmap(tmp_path / "a", np.float32, "w+", shape=A.shape)
    data[:] = A
    assert dnmf.fit(data, **FIT, callbacks=(after_pass(2, data.flush),)).stop_reason == "max_passes"


def test_a_run_that_noted_nothing_of_what_lies_behind_dask_is_resumed():
    noted = {"kind": "dask", "shape": [4, 2], "name": "a", "behind": {"bytes": 1}}
    before = {name: value for name, value in noted.items() if name != "behind"}
    assert changes_of_data(before, noted) == changes_of_data(noted, before) == []
    assert changes_of_data(noted, noted | {"behind": {"bytes": 2}}) == ["behind.bytes: 1 → 2"]
