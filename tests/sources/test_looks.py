"""What is computed lazily from a dask array is an error where what lies behind is lost before it is computed."""

import pickle
import shutil

import dask.array as da
import h5py
import numpy as np
import pytest
import scipy.sparse
import zarr

import dnmf
from dnmf.sources import looks

A = np.random.default_rng(4).random((40, 8)).astype("f4") + 0.1
CHUNKS = (10, 8)
pytestmark = pytest.mark.filterwarnings("ignore:.*(sharding|consolidated)")


def by_zarr(version=3):
    def write(folder, values):
        return da.from_zarr(
            zarr.create_array(folder / "a", data=values, chunks=(10, values.shape[1]), zarr_format=version)
        )

    return write


def by_obstore(folder, values):
    obstore = pytest.importorskip("obstore")
    zarr.create_array(folder / "a", data=values, chunks=(10, values.shape[1]))
    store = zarr.storage.ObjectStore(obstore.store.LocalStore(folder / "a"), read_only=True)
    return da.from_zarr(zarr.open_array(store, mode="r"))


def virtual(folder, values):
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    (folder / "a").mkdir()
    for row in range(0, len(values), 10):
        part = folder / "a" / f"{row}.h5"
        with h5py.File(part, "w") as file:
            file["x"] = values[row : row + 10]
        layout[row : row + 10] = h5py.VirtualSource(part, "x", (10, values.shape[1]))
    with h5py.File(folder / "all.h5", "w") as file:
        file.create_virtual_dataset("x", layout)
    return da.from_array(h5py.File(folder / "all.h5")["x"], chunks=(10, values.shape[1]))


def lazy(folder, values):
    anndata = pytest.importorskip("anndata", minversion="0.12")
    group = zarr.open_group(folder / "a", mode="w")
    anndata.io.write_elem(group, "X", scipy.sparse.csr_matrix(values), dataset_kwargs={"chunks": (60,)})
    return anndata.experimental.read_elem_lazy(group["X"], chunks=(10, values.shape[1]))


WAYS = {
    "Zarr": (by_zarr(), "a/c/1/0"), "Zarr 2": (by_zarr(2), "a/1.0"), "obstore": (by_obstore, "a/c/1/0"),
    "virtual HDF5": (virtual, "a/10.h5"), "lazy CSR": (lazy, "a/X/data/c/*"),
    "computed from Zarr": (lambda *given: (by_zarr()(*given) * 1.0).rechunk((7, 3)), "a/c/1/0"),
}  # fmt: skip
LOSSES = {
    "a part": lambda folder, part: max(folder.glob(part)).unlink(),
    "all": lambda folder, _: shutil.rmtree(folder / "a"),
}


@pytest.fixture(scope="module")
def nmf():
    return dnmf.NMF(2, random_state=0, max_iter=3, tol=0).fit(A)


DOORS = {
    "transform": (A, lambda nmf, data: nmf.transform(data)),
    "inverse_transform": (A[:, :2], lambda nmf, data: nmf.inverse_transform(data)),
}


CASES = [(way, door) for way in WAYS for door in DOORS if (way, door) != ("lazy CSR", "inverse_transform")]
GONE = "missing or empty|any more|not there|No such file|'indices'"  # the last two as the readers say it


@pytest.mark.broad(4)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("way", "door"), CASES)
def test_what_is_lost_before_it_is_computed_is_an_error(tmp_path, nmf, way, door, loss):
    (write, part), (values, use) = WAYS[way], DOORS[door]
    result = use(nmf, write(tmp_path, values))
    sent = pickle.loads(pickle.dumps(looks_of(result)))
    LOSSES[loss](tmp_path, part)
    for lazily in (result, result[10:20]):
        with pytest.raises(Exception, match=GONE):
            lazily.compute()
    with pytest.raises((dnmf.InputError, OSError), match=GONE):
        sent.after(1)


def looks_of(array):
    layers = array.dask.layers
    name = next(name for name in layers if name.startswith("looks-"))
    found = next(iter(layers[name].values()))
    return found() if callable(found) else found


@pytest.mark.broad(3)
@pytest.mark.parametrize(("way", "door"), CASES)
def test_what_is_whole_is_computed_as_in_memory(tmp_path, nmf, way, door):
    (write, _), (values, use) = WAYS[way], DOORS[door]
    np.testing.assert_allclose(use(nmf, write(tmp_path, values)).compute(), use(nmf, values), rtol=1e-5)


def test_blocks_that_need_nothing_of_what_is_lost_are_computed(tmp_path, nmf):
    result = nmf.transform(by_zarr()(tmp_path, A))
    (tmp_path / "a/c/1/0").unlink()
    np.testing.assert_array_equal(result[20:].compute(), nmf.transform(A)[20:])


def test_many_blocks_are_looked_after_in_groups(tmp_path, nmf, monkeypatch):
    monkeypatch.setattr(looks, "MOST_GROUPS", 2)
    result = nmf.transform(by_zarr()(tmp_path, A))
    assert [[look.behind.spans for look in group] for group in looks_of(result).by_group] == [
        [((0, 10), (10, 20))], [((20, 30), (30, 40))]
    ]  # fmt: skip


def test_what_is_lost_between_opening_and_the_call_is_refused(tmp_path, nmf):
    source = dnmf.open_source(lazy(tmp_path, A))
    max(tmp_path.glob("a/X/data/c/*")).unlink()
    with pytest.raises(dnmf.InputError, match="missing or empty"):
        nmf.transform(source)


def test_chunks_that_were_left_out_as_zeros_are_computed_as_zeros(tmp_path, nmf):
    values = np.where(np.arange(40)[:, None] < 10, 0, A)
    array = by_zarr()(tmp_path, values)
    assert not (tmp_path / "a/c/0").exists()
    result = nmf.transform(dnmf.open_source(array, missing_chunks="zeros"))
    np.testing.assert_array_equal(result.compute(), nmf.transform(values))


def test_an_array_in_memory_is_not_looked_after(nmf):
    store = zarr.create_array(zarr.storage.MemoryStore(), data=A, chunks=CHUNKS)
    for array in (da.from_array(A), da.from_zarr(store)):
        assert not any(name.startswith("looks-") for name in nmf.transform(array).dask.layers)
