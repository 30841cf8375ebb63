"""Coordinates that xarray or netCDF wrote beside an array are its labels, as those of a DataArray are."""

import shutil

import numpy as np
import pytest

import dnmf
from dnmf.errors import InputError
from dnmf.sources import open_source

xarray = pytest.importorskip("xarray", reason="xarray is not installed")

LABELS = {
    "time": np.arange("2020-01-01", "2020-01-13", dtype="M8[D]").astype("M8[ns]"), "band": ["red", "green", "blue"],
    "y": np.linspace(-40, 40, 5), "lead": np.arange(2).astype("m8[D]").astype("m8[ns]"),
}  # fmt: skip
DIMS = ("time", "band", "y", "x", "lead")
CUBE = xarray.DataArray(np.random.default_rng(0).random((12, 3, 5, 4, 2)), dims=DIMS, coords=LABELS)


def written(kind, folder):
    """An address of the array, as each of the programs writes it."""
    dataset = xarray.Dataset({"v": CUBE})
    if kind == "netcdf":
        return as_netcdf(folder / "ds.nc")
    inside = "of/it" if kind == "group" else None
    dataset.to_zarr(folder / "ds.zarr", group=inside, zarr_format=2 if kind == "v2" else 3)
    return {"path": f"{folder}/ds.zarr/v", "group": f"{folder}/ds.zarr::of/it/v"}.get(kind, f"{folder}/ds.zarr::v")


def as_netcdf(path):
    """The array in HDF5 as netCDF has it: a scale for each axis, that of x only for its length."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    encoded = {dim: xarray.conventions.encode_cf_variable(CUBE[dim].variable) for dim in LABELS}
    with h5py.File(path, "w") as file:
        file["v"] = CUBE.values
        for at, (dim, size) in enumerate(CUBE.sizes.items()):
            values = encoded[dim].values if dim in encoded else np.zeros(size)
            file[dim] = values.tolist() if values.dtype.kind in "UT" else values
            file[dim].make_scale(dim if dim in encoded else "This is a netCDF dimension but not a netCDF variable.   4")
            file[dim].attrs.update(encoded[dim].attrs if dim in encoded else {})
            file["v"].dims[at].attach_scale(file[dim])
            file["v"].dims[at].label = dim
    return f"{path}::v"


@pytest.mark.parametrize("kind", ["v2", "v3", "path", "group", "netcdf"])
def test_labels_are_those_that_the_array_has_in_xarray(kind, tmp_path):
    address = written(kind, tmp_path)
    for axis in ("time", "band", "y", ("y", "x")):
        found, expected = (open_source(data, row_axes=axis) for data in (address, CUBE))
        for mine, theirs in zip(found.unfolding.coords, expected.unfolding.coords, strict=True):
            assert (mine is None) == (theirs is None)
            np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_array_equal(found.row_names(), expected.row_names())


def test_a_model_shows_them_and_compares_them_as_those_of_xarray(tmp_path):
    address = written("v3", tmp_path)
    model = dnmf.cp(address, 2, row_axes="time", store=tmp_path / "run.dnmf")
    assert set(model.top(1, "band").names()[0]) <= set(LABELS["band"])
    np.testing.assert_array_equal(model.to_xarray().time, LABELS["time"])
    again = dnmf.cp(address, 2, row_axes="time", store=tmp_path / "run.dnmf", resume="auto")
    np.testing.assert_array_equal(again.read_W(), model.read_W())
    rows = DIMS[1:]
    later = CUBE.assign_coords(time=LABELS["time"] + np.timedelta64(1, "D"))
    with pytest.raises(InputError, match="2020-01-02"):
        dnmf.fit(address, 2, row_axes=rows, max_passes=2).transform(later)


def test_what_has_another_length_or_lacks_a_chunk_is_no_label(tmp_path):
    address = written("v3", tmp_path)
    shutil.rmtree(tmp_path / "ds.zarr" / "y" / "c")
    xarray.Dataset({"band": ("band", list("abcd"))}).to_zarr(tmp_path / "other.zarr", zarr_format=3)
    shutil.rmtree(tmp_path / "ds.zarr" / "band")
    shutil.copytree(tmp_path / "other.zarr" / "band", tmp_path / "ds.zarr" / "band")
    coords = dict(zip(DIMS, open_source(address, row_axes="time").unfolding.coords, strict=True))
    assert coords["y"] is None
    assert coords["band"] is None
    assert coords["time"] is not None


def test_an_array_that_is_in_no_group_has_nothing_beside_it(tmp_path):
    written("v3", tmp_path)
    (tmp_path / "ds.zarr" / "zarr.json").unlink()
    assert set(map(type, open_source(tmp_path / "ds.zarr" / "v", row_axes="time").unfolding.coords)) == {type(None)}


def test_times_are_left_out_where_xarray_is_not_installed(tmp_path, monkeypatch):
    address = written("v3", tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "xarray", None)
    coords = dict(zip(DIMS, open_source(address, row_axes="y").unfolding.coords, strict=True))
    assert coords["time"] is None
    assert coords["band"].tolist() == LABELS["band"]
