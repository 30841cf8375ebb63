"""Stored arrays that come through dask: what is missing in them, or packed, is refused, whatever is computed."""

import io
import shutil
from functools import partial

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from source_contract import COLUMNS, ROWS, read, small_matrix

import dnmf
from dnmf import open_source
from dnmf.errors import InputError
from dnmf.sources import behind_dask

h5py = pytest.importorskip("h5py", reason="h5py is not installed")

CHUNKS = (6, COLUMNS)


def in_zarr(folder, rows=ROWS, **attributes):
    array = zarr.create_array(folder / "a.zarr", shape=(ROWS, COLUMNS), chunks=CHUNKS, dtype="f8")
    array.attrs.update(attributes)
    array[:rows] = 1 + small_matrix()[:rows]
    return array


def in_hdf5(folder, rows=ROWS, **attributes):
    dataset = h5py.File(folder / "a.h5", "w").create_dataset("x", (ROWS, COLUMNS), "f8", chunks=CHUNKS)
    dataset.attrs.update(attributes)
    dataset[:rows] = 1 + small_matrix()[:rows]
    return dataset


def in_zip(folder, rows=ROWS, **attributes):
    in_zarr(folder, rows, **attributes)
    shutil.make_archive(folder / "a", "zip", folder / "a.zarr")
    return zarr.open_array(zarr.storage.ZipStore(folder / "a.zip", mode="r"), mode="r")


def in_memory(folder, rows=ROWS, **attributes):
    array = zarr.create_array(zarr.storage.MemoryStore(), shape=(ROWS, COLUMNS), chunks=CHUNKS, dtype="f8")
    array.attrs.update(attributes)
    array[:rows] = 1 + small_matrix()[:rows]
    return array


def opened_with(store_of):
    def write(folder, rows=ROWS, **attributes):
        in_zarr(folder, rows, **attributes)
        return zarr.open_array(store_of(folder / "a.zarr"), mode="r")

    return write


def by_obstore(path):
    obstore = pytest.importorskip("obstore")
    return zarr.storage.ObjectStore(obstore.store.LocalStore(path), read_only=True)


def by_fsspec(path):
    return zarr.storage.FsspecStore.from_url(f"file://{path}", read_only=True)


def wrapped(path):
    return zarr.storage.WrapperStore(zarr.storage.LocalStore(path, read_only=True))


def logged(path):
    return zarr.storage.LoggingStore(wrapped(path), log_level="CRITICAL")


def in_hdf5_in_memory(folder, rows=ROWS, **attributes):
    file = h5py.File(io.BytesIO(), "w")
    dataset = file.create_dataset("x", (ROWS, COLUMNS), "f8", chunks=CHUNKS)
    dataset.attrs.update(attributes)
    dataset[:rows] = 1 + small_matrix()[:rows]
    return dataset


WAYS = {
    "from HDF5 in memory": (in_hdf5_in_memory, lambda dataset: da.from_array(dataset, chunks=CHUNKS)),
    "from Zarr": (in_zarr, da.from_zarr),
    "from a path": (in_zarr, lambda array: da.from_zarr(str(array.store.root))),
    "from an array": (in_zarr, da.from_array),
    "inline": (in_zarr, lambda array: da.from_array(array, inline_array=True)),
    "from HDF5": (in_hdf5, lambda dataset: da.from_array(dataset, chunks=CHUNKS)),
    "in other chunks": (in_zarr, lambda array: da.from_zarr(array).rechunk((ROWS, 3))),
    "joined": (in_zarr, lambda array: da.concatenate([da.from_array(np.ones((4, COLUMNS))), da.from_zarr(array)])),
    "turned twice": (in_hdf5, lambda dataset: da.from_array(dataset, chunks=CHUNKS).T.rechunk((COLUMNS, 5)).T),
    "from a zip archive": (in_zip, da.from_zarr),
    "from memory": (in_memory, da.from_zarr),
    **{store.__name__: (opened_with(store), da.from_array) for store in (by_obstore, by_fsspec, wrapped, logged)},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_chunk_that_is_missing_behind_dask_is_refused(way, tmp_path):
    store, through_dask = WAYS[way]
    array = through_dask(store(tmp_path, rows=12))
    with pytest.raises(InputError, match=r"chunk .* is missing or empty, it would read as zeros"):
        open_source(array)
    assert open_source(array, missing_chunks="zeros").shape[1] == COLUMNS


PARTS = {
    "some rows": lambda array: array[:12],
    "by a mask": lambda array: array[np.arange(ROWS) < 12],
    "by numbers": lambda array: array[[0, 7]],
    "some blocks": lambda array: array.blocks[:2],
    "cast": lambda array: array.astype("f4"),
    "in other units": lambda array: array * 0.5,
    "by a function": lambda array: array.map_blocks(np.sqrt),
    "of a stack": lambda array: da.stack([array, array])[0],
    "optimized": lambda array: dask.optimize(array[:12])[0],
    "added to another": lambda array: da.ones(array.shape, chunks=array.chunks) + array,
}


def by_a_default(array):
    return lambda block_info=None, array=array: array[:6]


def by_its_module(array):
    names = {"array_of_a_script": array, "np": np}
    return eval("lambda *_: np.sqrt(array_of_a_script[:6])", names)


HELD_BY_FUNCTIONS = {
    "its method": lambda array: array.__getitem__,
    "a method of it, in part": lambda array: partial(array.__getitem__, slice(0, 6)),
    "a function around it": lambda array: lambda *_: array[:6],
    "a default of a function": by_a_default,
    "the module of a function": by_its_module,
}


@pytest.mark.parametrize("store", [in_zarr, in_hdf5])
@pytest.mark.parametrize("held", HELD_BY_FUNCTIONS)
def test_packed_values_that_a_function_of_a_task_holds_are_refused(held, store, tmp_path):
    function = HELD_BY_FUNCTIONS[held](store(tmp_path, scale_factor=0.5))
    block = dask.delayed(function, pure=False)(slice(0, 6))
    with pytest.raises(InputError, match=r"\(scale_factor\) say that its values are not decoded"):
        open_source(da.from_delayed(block, (6, COLUMNS), "f8"))


def test_a_view_of_a_dataset_is_looked_through_behind_dask_and_refused_elsewhere(tmp_path):
    view = in_hdf5(tmp_path, scale_factor=0.5).astype("f4")
    if not hasattr(view, "shape"):
        pytest.skip("dask takes no views of this version of h5py")
    with pytest.raises(InputError, match=r"\(scale_factor\)"):
        open_source(da.from_array(view, chunks=CHUNKS))
    for door in (open_source, dnmf.NMF(2).fit, lambda view: dnmf.fit(small_matrix(), 2, H=view)):
        with pytest.raises(InputError, match="a view of an HDF5 dataset, .* give the dataset itself"):
            door(view)


@pytest.mark.parametrize("store", [in_zarr, in_hdf5])
def test_a_stored_array_that_an_anndata_holds_is_opened_by_its_path(store, tmp_path):
    anndata = pytest.importorskip("anndata")
    data = anndata.AnnData(store(tmp_path, scale_factor=0.5))
    data.var_names = [f"gene {number}" for number in range(COLUMNS)]
    source = open_source(data)
    assert np.array_equal(read(source, 0, ROWS), (1 + small_matrix()) * 0.5)
    assert source.column_names()[2] == "gene 2"
    (tmp_path / "b").mkdir()
    given = anndata.AnnData(store(tmp_path / "b", rows=12))
    with pytest.raises(InputError, match="is missing or empty"):
        read(open_source(given), 0, ROWS)


WAYS_AND_PARTS = WAYS | {
    f"{name}, {kind}": (store, lambda array, part=part: part(da.from_array(array, chunks=CHUNKS)))
    for name, part in PARTS.items()
    for kind, store in (("Zarr", in_zarr), ("HDF5", in_hdf5))
}


@pytest.mark.parametrize("way", WAYS_AND_PARTS)
def test_packed_values_behind_dask_are_refused(way, tmp_path):
    store, through_dask = WAYS_AND_PARTS[way]
    with pytest.raises(InputError, match=r"\(scale_factor\) say that its values are not decoded; give its path"):
        open_source(through_dask(store(tmp_path, scale_factor=0.5)))


SAID = {
    "add_offset": {"add_offset": 3.0},
    "_FillValue": {"_FillValue": 1.0},
    "missing_value": {"missing_value": 1.0},
    "valid_max": {"valid_max": 2.0},
    "valid_range": {"valid_range": [0.0, 2.0]},
    "days since": {"units": "days since 2001-01-01"},
    "timedelta64": {"dtype": "timedelta64[ns]"},
}


@pytest.mark.parametrize("store", [in_zarr, in_hdf5])
@pytest.mark.parametrize("said", SAID)
def test_whatever_attributes_say_behind_dask_is_refused_by_name(said, store, tmp_path):
    with pytest.raises(InputError, match=said):
        open_source(da.from_array(store(tmp_path, **SAID[said]), chunks=CHUNKS))


def test_fill_values_that_stand_for_nothing_are_refused_behind_dask(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("x", data=small_matrix(), fillvalue=9.0)
        with pytest.raises(InputError, match=r"\(its fill value\)"):
            open_source(da.from_array(dataset))
    array = zarr.create_array(tmp_path / "a.zarr", data=small_matrix(), zarr_format=2, fill_value=9)
    array.attrs["_ARRAY_DIMENSIONS"] = ["r", "c"]
    with pytest.raises(InputError, match=r"\(its fill value\)"):
        open_source(da.from_zarr(array))


def test_attributes_that_a_group_has_an_old_copy_of_are_looked_up(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("x", data=small_matrix())
    zarr.consolidate_metadata(tmp_path / "a.zarr")
    zarr.open_group(tmp_path / "a.zarr", mode="a", use_consolidated=False)["x"].attrs["scale_factor"] = 0.5
    with pytest.raises(InputError, match=r"\(scale_factor\)"):
        open_source(da.from_zarr(zarr.open_group(tmp_path / "a.zarr", mode="r")["x"]))


@pytest.mark.broad(4)
@pytest.mark.parametrize("way", WAYS)
def test_whole_arrays_behind_dask_are_read(way, tmp_path):
    store, through_dask = WAYS[way]
    source = open_source(through_dask(store(tmp_path)))
    rows = read(source, source.shape[0] - ROWS, source.shape[0])
    assert np.array_equal(rows, 1 + small_matrix())
    assert dnmf.fit(source, 2, max_passes=1).shape == source.shape


def test_what_a_caller_leaves_out_is_not_looked_at(tmp_path):
    array = da.from_zarr(in_zarr(tmp_path, rows=12))
    assert open_source(array[:12] * 0.5).shape == (12, COLUMNS)


@pytest.mark.parametrize("objects", [1, 100])
@pytest.mark.parametrize("store", [by_obstore, by_fsspec])
def test_objects_are_listed_where_they_are_many_and_the_missing_one_is_named(store, objects, monkeypatch, tmp_path):
    monkeypatch.setattr(behind_dask, "SIZES_AT_ONCE", objects)
    array = opened_with(store)(tmp_path)
    assert open_source(da.from_array(array)).shape == (ROWS, COLUMNS)
    (tmp_path / "a.zarr" / "c" / "1" / "0").unlink()
    with pytest.raises(InputError, match=r"chunk c/1/0 .* is missing or empty"):
        open_source(da.from_array(array))


CHOSEN = {
    "all": (lambda data: data, False), "rows behind it": (lambda data: data[6:], True),
    "some of each": (lambda data: data[::5], False), "rows by number": (lambda data: data[[7, 8]], False),
    "rows behind it, once more": (lambda data: data[3:][3:], True),
}  # fmt: skip


@pytest.mark.parametrize("what", CHOSEN)
def test_what_xarray_reads_without_dask_is_looked_at_by_rows(what, tmp_path):
    xarray = pytest.importorskip("xarray")
    values = 1 + np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    dataset = xarray.Dataset({"X": (("a", "b"), values)})
    dataset.to_zarr(tmp_path / "a.zarr", zarr_format=2, encoding={"X": {"chunks": CHUNKS}})
    (tmp_path / "a.zarr" / "X" / "0.0").unlink()
    choose, is_whole = CHOSEN[what]
    data = choose(xarray.open_dataset(tmp_path / "a.zarr", engine="zarr")["X"])
    if is_whole:
        assert np.array_equal(open_source(data).read(0, len(data)), values[6:])
        return
    with pytest.raises(InputError, match=r"chunk 0\.0 .* is missing or empty, it would read as zeros"):
        open_source(data)


@pytest.mark.parametrize("kind", ["memory", "bytes"])
def test_an_hdf5_file_in_memory_is_not_taken_for_one_of_its_name(kind, tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.ones((4, 3))
    if kind == "memory":
        file = h5py.File(path.with_name("b.h5"), "w", driver="core", backing_store=False)
        path.rename(path.with_name("b.h5"))
    else:
        file = h5py.File(io.BytesIO(), "w")
    with file:
        file["x"] = np.full((4, 3), 2.0)
        with pytest.raises(InputError, match="lies in memory; give the values"):
            open_source(file["x"])
        assert open_source(file["x"][:]).shape == (4, 3)
