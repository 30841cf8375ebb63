"""What xarray has decoded is taken as it is, through dask too; what it was told not to decode is refused."""

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from source_contract import read

import dnmf
from dnmf import open_source
from dnmf.errors import InputError

xarray = pytest.importorskip("xarray", reason="xarray is not installed")

PACKED = np.arange(48, dtype="i2").reshape(12, 4)
VALUES = PACKED * 0.5 + 100
PACKINGS = {
    "scaled": {"scale_factor": 0.5, "add_offset": 100.0},
    "scaled, with a fill value": {"scale_factor": 0.5, "add_offset": 100.0, "_FillValue": -9},
    "with a fill value": {"_FillValue": -9},
    "unsigned": {"_Unsigned": "true"},
}


@pytest.fixture
def stored(tmp_path):
    def write(attributes, dtype="i2", version=3):
        how = {"fill_value": None} if version == 2 else {"dimension_names": ["r", "c"]}
        group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=version)
        array = group.create_array(
            "x", shape=PACKED.shape, dtype=dtype, chunks=(3, 4), config={"write_empty_chunks": True}, **how,
        )  # fmt: skip
        array[:] = PACKED
        array.attrs.update(attributes | {"_ARRAY_DIMENSIONS": ["r", "c"]})
        return tmp_path / "x.zarr"

    return write


def opened(path, **how):
    return xarray.open_zarr(path, consolidated=False, **how)


def decoded_afterwards(path):
    return xarray.decode_cf(opened(path, mask_and_scale=False)).x.data


DECODED = {
    "opened": lambda path: opened(path).x,
    "its array": lambda path: opened(path).x.data,
    "some rows of it": lambda path: opened(path).x.data[:7],
    "chosen rows of it": lambda path: opened(path).x.data[np.arange(12) < 7],
    "cast": lambda path: opened(path).x.data.astype("f4"),
    "optimized": lambda path: dask.optimize(opened(path).x.data)[0],
    "decoded afterwards": lambda path: xarray.decode_cf(opened(path, mask_and_scale=False)).x,
    "its array, decoded afterwards": lambda path: decoded_afterwards(path)[:7],
    "optimized, decoded afterwards": lambda path: dask.optimize(xarray.decode_cf(opened(path, decode_cf=False)).x.data)[
        0
    ],
    "two of them": lambda path: da.concatenate([opened(path).x.data, decoded_afterwards(path)]),
    "not through dask": lambda path: opened(path, chunks=None).x,
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("way", DECODED)
@pytest.mark.broad(6)
def test_decoded_values_are_taken(way, packing, stored):
    path = stored(PACKINGS[packing])
    source = open_source(DECODED[way](path))
    rows = min(12, source.shape[0])
    expected = VALUES if "scale_factor" in PACKINGS[packing] else PACKED
    np.testing.assert_array_equal(read(source, 0, rows), expected[:rows])
    np.testing.assert_array_equal(open_source(f"{path}::x").read(0, rows), expected[:rows])


@pytest.mark.parametrize("packing", PACKINGS)
def test_decoded_values_of_zarr_2_are_taken(packing, stored):
    path = stored(PACKINGS[packing], version=2)
    expected = VALUES if "scale_factor" in PACKINGS[packing] else PACKED
    for way in ("its array", "its array, decoded afterwards"):
        np.testing.assert_array_equal(read(open_source(DECODED[way](path)), 0, 7), expected[:7])
    with pytest.raises(InputError, match="say that its values are not decoded"):
        open_source(undecoded(path))


def undecoded(path):
    return opened(path, mask_and_scale=False).x.data


UNDECODED = {
    "its array": undecoded,
    "some rows of it": lambda path: undecoded(path)[:7],
    "cast": lambda path: undecoded(path).astype("f4"),
    "opened, decoding nothing": lambda path: opened(path, decode_cf=False).x.data,
    "optimized": lambda path: dask.optimize(undecoded(path)[:7])[0],
    "joined to decoded ones": lambda path: da.concatenate([opened(path).x.data, undecoded(path)]),
    "added to decoded ones": lambda path: opened(path).x.data + undecoded(path),
    "joined to decoded ones, optimized": lambda path: dask.optimize(
        da.concatenate([decoded_afterwards(path), undecoded(path)[:7]])
    )[0],
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("way", UNDECODED)
def test_packed_values_are_refused(way, packing, stored):
    with pytest.raises(InputError, match="say that its values are not decoded; give its path"):
        open_source(UNDECODED[way](stored(PACKINGS[packing])))


def test_an_array_of_another_byte_order_is_not_taken_for_a_decoded_one(stored):
    path = stored({"scale_factor": 0.5}, ">i2")
    with pytest.raises(InputError, match=r"\(scale_factor\)"):
        open_source(undecoded(path))
    np.testing.assert_array_equal(read(open_source(opened(path).x.data), 0, 12), PACKED * 0.5)


def test_a_variable_of_a_netcdf_file_is_taken_decoded_and_refused_packed(tmp_path):
    packing = {"x": {"dtype": "i2", "scale_factor": 0.5, "add_offset": 100.0}}
    path, scipy_reads = tmp_path / "a.nc", {"engine": "scipy", "chunks": {}}
    xarray.Dataset({"x": (("r", "c"), VALUES)}).to_netcdf(path, engine="scipy", encoding=packing)
    np.testing.assert_array_equal(read(open_source(xarray.open_dataset(path, **scipy_reads).x.data), 0, 12), VALUES)
    packed = xarray.open_dataset(path, mask_and_scale=False, **scipy_reads)
    np.testing.assert_array_equal(read(open_source(xarray.decode_cf(packed).x.data), 0, 12), VALUES)
    with pytest.raises(InputError, match=r"x: its attributes \(scale_factor, add_offset\) say"):
        open_source(packed.x.data[:7])


LIMITS = {
    "valid_max": ({"valid_max": 46}, 47, r"element \(11, 3\) is 47, which is not valid \(valid_max 46\)"),
    "valid_min": ({"valid_min": 1}, 0, r"element \(0, 0\) is 0, which is not valid \(valid_min 1\)"),
    "valid_range": ({"valid_range": [0, 46]}, 47, r"element \(11, 3\) is 47"),
    "of packed values": ({"valid_max": 46, "scale_factor": 0.5}, 47, r"element \(11, 3\) is 23\.5, .*valid_max 23\.0"),
    "of unsigned values": ({"valid_range": [0, 46], "_Unsigned": "true"}, 47, r"element \(11, 3\) is 47"),
    "of packed values, turned": ({"valid_max": 46, "scale_factor": -1.0, "add_offset": 47.0}, 47, r"\(11, 3\) is 0\.0"),
}


@pytest.mark.broad(8)
@pytest.mark.parametrize("chunks", [None, {}], ids=["in memory", "through dask"])
@pytest.mark.parametrize("case", LIMITS)
def test_limits_of_what_is_valid_are_kept_as_by_path(case, chunks, stored):
    attributes, _, message = LIMITS[case]
    path = stored(attributes)
    for data in (lambda: opened(path, chunks=chunks).x, lambda: f"{path}::x"):
        with pytest.raises(InputError, match="is not valid"):
            read(open_source(data()), 0, 12)
    with pytest.raises(InputError, match=message):
        read(open_source(opened(path, chunks=chunks).x), 0, 12)


WITHIN = {
    "packed": {"valid_range": [0, 47], "scale_factor": 0.5},
    "unsigned": {"valid_range": [0, -6], "_Unsigned": "true"},  # -6 is 65530 there
    "unsigned and packed": {"valid_range": [0, -6], "_Unsigned": "true", "scale_factor": 0.5},
    "of values": {"valid_max": 23.5, "scale_factor": 0.5},
}


@pytest.mark.parametrize("chunks", [None, {}], ids=["in memory", "through dask"])
@pytest.mark.parametrize("case", WITHIN)
def test_values_within_their_limits_are_taken(case, chunks, stored):
    path, factor = stored(WITHIN[case]), WITHIN[case].get("scale_factor", 1)
    for data in (opened(path, chunks=chunks).x, f"{path}::x"):
        np.testing.assert_array_equal(read(open_source(data), 0, 12), PACKED * factor)


@pytest.mark.parametrize("scale", [np.float32(0.1), np.float64(0.1), np.float32(0.7)])
def test_the_limits_themselves_are_valid_whatever_rounding(scale):
    for most in range(1, 60):
        attributes = {"scale_factor": scale, "add_offset": scale, "valid_range": np.array([most, most], "i2")}
        packed = xarray.Dataset({"x": (("r", "c"), np.full((2, 2), most, "i2"), attributes)})
        assert open_source(xarray.decode_cf(packed).x).shape == (2, 2)


def test_an_array_without_its_limits_is_sent_back_to_the_dataarray(stored):
    with pytest.raises(InputError, match=r"\(valid_max\) say what is valid, .* give its path, or the DataArray"):
        open_source(opened(stored({"valid_max": 47})).x.data)


@pytest.mark.parametrize("attributes", [{"units": "days since 2001-01-01"}, {"dtype": "timedelta64[ns]"}])
def test_times_are_no_amounts_in_a_dataarray_either(attributes):
    data = xarray.DataArray(VALUES, dims=("r", "c"), attrs=attributes)
    for door in (lambda: open_source(data), lambda: dnmf.NMF(2).fit(data), lambda: dnmf.fit(VALUES, 2, H=data[:2])):
        with pytest.raises(InputError, match="holds times"):
            door()
