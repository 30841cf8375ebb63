"""A matrix of integers that attributes say how to unpack, in stores of each format."""

import numpy as np
import pytest
import zarr

h5py = pytest.importorskip("h5py", reason="h5py is not installed")

PACKED = np.arange(24).reshape(6, 4)
ROWS, COLUMNS = PACKED.shape


def zarr_array(packed, attributes, folder, **how):
    root = zarr.open_group(folder / "p.zarr", mode="w", zarr_format=how.pop("zarr_format", 3))
    how = {"chunks": (2, 4), "fill_value": 0, "config": {"write_empty_chunks": True}, **how}
    names = {"dimension_names": ["r", "c"]} if root.metadata.zarr_format == 3 else {}
    array = root.create_array("x", shape=packed.shape, dtype=packed.dtype, **names, **how)
    array[:] = packed
    plain = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in attributes.items()}
    array.attrs.update({**plain, "_ARRAY_DIMENSIONS": ["r", "c"]})
    return f"{folder / 'p.zarr'}::x"


def zarr_2(packed, attributes, folder):
    return zarr_array(packed, attributes, folder, zarr_format=2, fill_value=None)


def zarr_by_zarr(packed, attributes, folder):
    return zarr_array(packed, attributes, folder, compressors=zarr.codecs.GzipCodec())


def hdf5(packed, attributes, folder):
    with h5py.File(folder / "p.h5", "w") as file:
        dataset = file.create_dataset("x", data=packed, chunks=(2, 4))
        for name, value in attributes.items():
            dataset.attrs[name] = value
    return f"{folder / 'p.h5'}::x"


FORMATS = {"Zarr 3": zarr_array, "Zarr 2": zarr_2, "read by Zarr": zarr_by_zarr, "HDF5": hdf5}


def opened_array(address):
    path, inner = address.split("::")
    return h5py.File(path, "r")[inner] if path.endswith(".h5") else zarr.open_group(path, mode="r")[inner]
