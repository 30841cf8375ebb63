"""Data that is lost behind a dask array is an error whenever it goes, however the array was made; never zeros."""

import shutil

import dask
import dask.array as da
import h5py
import numpy as np
import pytest
import scipy.sparse
import zarr

import dnmf
from dnmf.errors import ChangedError, InputError

anndata = pytest.importorskip("anndata", minversion="0.12", reason="the lazy readers came with anndata 0.12")
pytest.importorskip("xarray", reason="lazy AnnData needs xarray")

HDF5 = "HDF5"
CELLS, GENES, CHUNK = 40, 12, 8
COUNTS = np.random.default_rng(3).poisson(2.0, (CELLS, GENES)).astype("f4") + 0.5
pytestmark = pytest.mark.filterwarnings("ignore:.*(sharding|consolidated)")


@pytest.fixture
def stored(tmp_path):
    def write(kind, version=3):
        matrix = {"dense": COUNTS, "csr": scipy.sparse.csr_matrix(COUNTS), "csc": scipy.sparse.csc_matrix(COUNTS)}[kind]
        chunks = {"chunks": (CHUNK, GENES)} if kind == "dense" else {"chunks": (CHUNK * GENES,)}
        if version == HDF5:
            with h5py.File(tmp_path / "a.h5ad", "w") as file:
                anndata.io.write_elem(file, "/", anndata.AnnData(matrix))
                anndata.io.write_elem(file, "X", matrix, dataset_kwargs=chunks)
            return tmp_path / "a.h5ad"
        path = tmp_path / "a.zarr"
        group = zarr.open_group(path, mode="w", zarr_format=version)
        with anndata.settings.override(zarr_write_format=version):  # else 0.12.0 writes names as version 2 would
            anndata.io.write_elem(group, "/", anndata.AnnData(matrix))
            anndata.io.write_elem(group, "X", matrix, dataset_kwargs=chunks)
        return path

    return write


def lazy(path):
    return anndata.experimental.read_lazy(path)


def element(path):
    opened = h5py.File(path) if path.is_file() else zarr.open_group(path, mode="r")
    return anndata.experimental.read_elem_lazy(opened["X"])


WAYS = {
    "an AnnData": lazy,
    "its X": lambda path: lazy(path).X,
    "an element": element,
    "some cells": lambda path: lazy(path)[CHUNK:],
    "some genes": lambda path: lazy(path)[:, :7],
    "other units": lambda path: lazy(path).X * 2.0,
    "each block": lambda path: element(path).map_blocks(lambda block: block * 2.0, dtype="f4"),
    "joined": lambda path: da.concatenate([element(path), element(path)]),
    "optimized": lambda path: dask.optimize(element(path) * 2.0)[0],
}
KINDS = [("csr", 3), ("csc", 2), ("dense", 3), ("dense", 2), ("csr", HDF5), ("csc", HDF5), ("dense", HDF5)]
IN_FIT = [("csr", 3), ("dense", 3), ("csr", HDF5), ("dense", HDF5)]


def values_of(path):
    return path / "X" if (path / "X" / "c").is_dir() or (path / "X" / ".zarray").exists() else path / "X" / "data"


def lose_a_chunk(path):
    if path.is_file():
        lose_a_chunk_of_hdf5(path)
        return
    values = values_of(path)
    files = sorted(file for file in values.rglob("*") if file.is_file() and not file.name.startswith((".z", "zarr")))
    files[-1].unlink()


def lose_a_chunk_of_hdf5(path):
    other = path.with_name("other.h5ad")  # whoever reads it lazily has it open
    shutil.copy(path, other)
    with h5py.File(other, "a") as file:
        old = file["X"] if isinstance(file["X"], h5py.Dataset) else file["X/data"]
        name, values, chunks, attributes = old.name, old[:], old.chunks, dict(old.attrs)
        del file[name]
        new = file.create_dataset(name, values.shape, values.dtype, chunks=chunks)
        new.attrs.update(attributes)
        new[chunks[0] :] = values[chunks[0] :]
    other.replace(path)


def lose_the_store(path):
    path.unlink() if path.is_file() else shutil.rmtree(path)


LOSSES = {"a chunk": lose_a_chunk, "the store": lose_the_store}


LOST = [(*kind, "an AnnData", loss) for kind in KINDS for loss in LOSSES]
LOST += [(kind, HDF5, way, "a chunk") for kind in ("csr", "dense") for way in WAYS]
LOST += [("csr", 3, way, "a chunk") for way in WAYS] + [("dense", 3, way, "the store") for way in WAYS]


@pytest.mark.parametrize(("kind", "version", "way", "loss"), LOST)
@pytest.mark.broad(3)
def test_what_is_lost_before_a_fit_is_refused(kind, version, way, loss, stored):
    path = stored(kind, version)
    data = WAYS[way](path)
    LOSSES[loss](path)
    with pytest.raises(InputError, match=r"missing or empty|any more"):
        dnmf.open_source(data)


@pytest.mark.broad(3)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("kind", "version"), IN_FIT)
def test_what_is_lost_between_opening_and_fitting_is_refused(kind, version, loss, stored):
    path = stored(kind, version)
    source = dnmf.open_source(lazy(path))
    LOSSES[loss](path)
    with pytest.raises(InputError, match=r"missing or empty|any more"):
        dnmf.fit(source, rank=2, max_passes=3)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("missing_chunks", ["error", "zeros"])
@pytest.mark.parametrize(("kind", "version"), IN_FIT)
@pytest.mark.broad(1)
def test_what_is_lost_during_a_fit_ends_it(kind, version, missing_chunks, loss, stored):
    path = stored(kind, version)
    source = dnmf.open_source(lazy(path), missing_chunks=missing_chunks)

    def lose(*_):
        if path.exists() and not lost:
            lost.append(LOSSES[loss](path))

    lost = []
    with pytest.raises((ChangedError, InputError), match=r"is gone|written anew|bytes →|cannot be computed"):
        dnmf.fit(source, rank=2, max_passes=4, tol=0, callbacks=[lose])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("kind", "version"), IN_FIT)
@pytest.mark.broad(3)
def test_what_is_whole_is_read(kind, version, way, stored):
    source = dnmf.open_source(WAYS[way](stored(kind, version)))
    assert len(source.stored_arrays()) == (1 if kind == "dense" else 3)
    assert source.read(0, 3) is not None


@pytest.mark.parametrize(("kind", "version"), IN_FIT)
def test_chunks_left_out_pass_where_they_are_said_to_be_zeros(kind, version, stored):
    path = stored(kind, version)
    lose_a_chunk(path)
    assert dnmf.open_source(lazy(path), missing_chunks="zeros").shape == (CELLS, GENES)


def test_an_array_that_xarray_wraps_is_looked_at(tmp_path):
    xarray = pytest.importorskip("xarray")
    xarray.Dataset({"X": (("a", "b"), COUNTS)}).chunk(a=CHUNK).to_zarr(tmp_path / "x.zarr", zarr_format=2)
    data = xarray.open_zarr(tmp_path / "x.zarr")["X"]
    (tmp_path / "x.zarr" / "X" / "1.0").unlink()
    with pytest.raises(InputError, match=r"chunk 1\.0 .* is missing"):
        dnmf.open_source(data)


def test_where_it_lies_is_known(stored):
    path = stored("csr")
    assert str(path / "X" / "data") in dnmf.open_source(lazy(path)).places()
