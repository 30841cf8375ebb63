"""What attributes say about stored values is honoured as xarray does it, or refused: packed values are never taken."""

import numpy as np
import pytest
import scipy.sparse
import zarr
from packed_stores import FORMATS, PACKED, ROWS, hdf5, opened_array, zarr_array
from source_contract import read

import dnmf
from dnmf import open_source
from dnmf.errors import InputError

xarray = pytest.importorskip("xarray", reason="xarray is not installed")
h5py = pytest.importorskip("h5py", reason="h5py is not installed")


@pytest.fixture(params=FORMATS)
def stored(request, tmp_path):
    return lambda packed, **attributes: FORMATS[request.param](np.asarray(packed), attributes, tmp_path)


def by_xarray(packed, attributes):
    """What xarray makes of it, where an attribute is as its format gives it back."""
    return xarray.conventions.decode_cf_variable("x", xarray.Variable(("r", "c"), packed, attributes)).values


DOUBLE, SINGLE = np.float64, np.float32
PACKINGS = {
    "scale": ("i2", {"scale_factor": DOUBLE(0.1)}),
    "scale, single": ("i2", {"scale_factor": SINGLE(0.1)}),
    "scale, a whole number": ("i4", {"scale_factor": np.int64(3)}),
    "offset": ("u1", {"add_offset": DOUBLE(7)}),
    "both": ("i2", {"scale_factor": DOUBLE(0.01), "add_offset": DOUBLE(273.15)}),
    "both, single": ("i2", {"scale_factor": SINGLE(0.01), "add_offset": SINGLE(273.15)}),
    "both, wide": ("i4", {"scale_factor": SINGLE(0.01), "add_offset": SINGLE(273.15)}),
    "of floats": ("f4", {"scale_factor": DOUBLE(2.5)}),
    "unsigned": ("i1", {"_Unsigned": "true"}),
    "unsigned and scaled": ("i1", {"_Unsigned": "true", "scale_factor": DOUBLE(0.5)}),
    "signed": ("u2", {"_Unsigned": "false"}),
    "a fill value that is not there": ("i2", {"_FillValue": np.int16(-1), "scale_factor": DOUBLE(0.1)}),
    "NaN for missing floats": ("f8", {"_FillValue": np.float64("nan")}),
    "limits that hold": ("i2", {"valid_range": np.array([0, 23], "i2"), "scale_factor": DOUBLE(0.1)}),
    "limits of values": ("i2", {"valid_max": DOUBLE(2.5), "scale_factor": DOUBLE(0.1)}),
    "an amount of time": ("i2", {"units": "seconds"}),
}


@pytest.mark.broad(20)
@pytest.mark.parametrize("packing", PACKINGS)
def test_values_are_those_of_xarray(stored, packing, request):
    dtype, attributes = PACKINGS[packing]
    packed = PACKED.astype(dtype) + (100 if packing.startswith("unsigned") else 0)
    if packing == "unsigned":
        packed[3] = -7
    data = stored(packed, **attributes)
    attributes = {name: value for name, value in attributes.items() if name != "units"}
    if "HDF5" not in request.node.name:  # JSON knows one kind of floating point
        attributes = {n: v.tolist() if isinstance(v, np.generic) else v for n, v in attributes.items()}
    expected, source = by_xarray(packed, attributes), open_source(data)
    if {"scale_factor", "add_offset"} & set(attributes) and packing != "scale, a whole number":
        assert source.dtype == expected.dtype
    np.testing.assert_array_equal(source.read(0, ROWS), expected)
    np.testing.assert_array_equal(source.read(1, 5), expected[1:5])


NOT_TO_OVERFLOW = {
    "a scale of 8 bits": {"scale_factor": np.uint8(20)},
    "a scale of 16 bits": {"scale_factor": np.int16(2000)},
    "a scale of half precision": {"scale_factor": np.float16(20000)},
    "an offset of 8 bits": {"add_offset": np.uint8(200)},
    "both": {"scale_factor": np.int8(100), "add_offset": np.int8(100)},
}


@pytest.mark.parametrize("case", NOT_TO_OVERFLOW)
def test_values_do_not_overflow_in_the_type_of_an_attribute_as_they_do_for_xarray(case, tmp_path):
    attributes = NOT_TO_OVERFLOW[case]
    expected = PACKED * float(attributes.get("scale_factor", 1)) + float(attributes.get("add_offset", 0))
    source = open_source(hdf5(PACKED.astype("i2"), attributes, tmp_path))
    assert source.dtype == "float64"
    np.testing.assert_array_equal(source.read(0, ROWS), expected)


def test_double_precision_is_not_unpacked_in_single(tmp_path):
    values = np.full((6, 4), 1e-60)
    np.testing.assert_array_equal(open_source(hdf5(values, {"scale_factor": SINGLE(4)}, tmp_path)).read(0, 6), 4e-60)


@pytest.mark.broad(3)
@pytest.mark.parametrize("packing", ["scale", "both", "unsigned and scaled"])
def test_the_fit_is_that_of_the_values(stored, packing):
    dtype, attributes = PACKINGS[packing]
    data = stored(PACKED.astype(dtype), **attributes)
    values = open_source(data).read(0, ROWS)
    of_stored, of_values = (dnmf.fit(each, 2, max_passes=3, dtype="float64") for each in (data, values))
    np.testing.assert_array_equal(of_stored.H, of_values.H)


REFUSED = {
    "a fill value": (
        "i2",
        {"_FillValue": np.int16(6)},
        r"element \(1, 2\) is 6, which is missing there \(_FillValue\)",
    ),
    "a missing value": ("f4", {"missing_value": SINGLE(1e20)}, r"element \(0, 0\) is 1e\+20, .*\(missing_value\)"),
    "several": ("i4", {"missing_value": np.array([-9, 7], "i4")}, r"element \(1, 3\) is 7, which is missing"),
    "zero": ("u2", {"_FillValue": np.uint16(0)}, r"element \(0, 0\) is 0, which is missing"),
    "among scaled": ("i2", {"_FillValue": np.int16(6), "scale_factor": DOUBLE(0.1)}, r"element \(1, 2\) is 6"),
    "an unsigned fill value": ("i1", {"_FillValue": np.int8(-1), "_Unsigned": "true"}, r"element \(0, 0\) is 255"),
    "too large": ("i2", {"valid_range": np.array([0, 22], "i2")}, r"element \(5, 3\) is 23, .*valid_max 22"),
    "too large once unpacked": ("i2", {"valid_max": DOUBLE(2.1), "scale_factor": DOUBLE(0.1)}, r"\(5, 2\) is 2\.2"),
    "too small": ("f8", {"valid_min": DOUBLE(1)}, r"element \(0, 0\) is 0\.0, which is not valid \(valid_min 1"),
    "a scale of zero": ("i2", {"scale_factor": DOUBLE(0)}, "scale_factor is 0, which would leave nothing but zeros"),
    "a scale for each column": ("i2", {"scale_factor": [0.5, 2.0]}, "scale_factor holds 2 numbers, not one"),
    "an offset for each column": ("i2", {"add_offset": [0.5, 2.0]}, "add_offset holds 2 numbers, not one"),
    "times": ("i4", {"units": "days since 2001-01-01"}, "holds times"),
    "one end of a range": ("i2", {"valid_range": [5]}, "valid_range holds 1 numbers, not 2"),
    "three ends of a range": ("i2", {"valid_range": [0, 5, 90]}, "valid_range holds 3 numbers, not 2"),
    "two limits": ("i2", {"valid_max": [5, 90]}, "valid_max holds 2 numbers, not 1"),
    "scaled bool": ("bool", {"scale_factor": DOUBLE(2)}, "holds bool, which stands for something else by scale_factor"),
    "missing bool": ("bool", {"_FillValue": 1}, "holds bool, which stands for something else by _FillValue"),
    "not a number": ("i2", {"scale_factor": "tenths"}, "attribute scale_factor is 'tenths', which is not a number"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.broad(9)
def test_what_is_missing_or_not_valid_is_refused_with_its_place(stored, case):
    dtype, attributes, message = REFUSED[case]
    packed = PACKED.astype(dtype)
    packed[0, 0] = {"a missing value": 1e20, "an unsigned fill value": -1}.get(case, 0)
    data = stored(packed, **attributes)
    for door in (lambda: open_source(data).read(0, ROWS), lambda: dnmf.fit(data, 2, max_passes=2)):
        with pytest.raises(InputError, match=message):
            door()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_what_xarray_writes_is_read_as_xarray_reads_it(tmp_path, zarr_format):
    values = np.round(np.random.default_rng(0).random((6, 4)), 2)
    packing = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 0.5, "_FillValue": -99}
    whole = xarray.Dataset({"x": (("r", "c"), values)})
    whole.to_zarr(tmp_path / "a.zarr", encoding={"x": packing}, zarr_format=zarr_format, consolidated=False)
    np.testing.assert_array_equal(
        open_source(f"{tmp_path / 'a.zarr'}::x").read(0, 6), xarray.open_zarr(tmp_path / "a.zarr", consolidated=False).x
    )
    values[4, 1] = np.nan
    whole = xarray.Dataset({"x": (("r", "c"), values)})
    for name, encoding in (("b", packing), ("c", {}), ("d", {"dtype": "uint16", "_FillValue": 65535})):
        whole.to_zarr(tmp_path / name, encoding={"x": encoding}, zarr_format=zarr_format, consolidated=False)
        with pytest.raises(InputError, match=r"element \(4, 1\)|a NaN at row 4, column 1"):
            dnmf.fit(f"{tmp_path / name}::x", 2, max_passes=2)


def test_a_fill_value_of_hdf5_is_a_mark_for_what_was_never_written(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("x", (6, 4), "f4", chunks=(6, 4), fillvalue=9.97e36)
        dataset[:5] = 1
    with pytest.raises(InputError, match=r"element \(5, 0\) is .*which is missing there \(its fill value\)"):
        open_source(tmp_path / "a.h5").read(0, 6)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["x"][5] = 2
    assert open_source(tmp_path / "a.h5").read(0, 6).sum() == 28


def virtual(folder, attributes, own=(), dtype="i2", of="i2", fillvalue=0, own_fill=0):
    """A virtual dataset of two files, of which the second one has `attributes`, over another one."""
    for number, rows in enumerate((PACKED[:3], PACKED[3:])):
        with h5py.File(folder / f"part{number}.h5", "w") as file:
            dataset = file.create_dataset("d", data=rows.astype(of), fillvalue=fillvalue * number)
            dataset.attrs.update(attributes if number else {})
    layout = h5py.VirtualLayout(shape=PACKED.shape, dtype=dtype)
    for number in range(2):
        layout[3 * number : 3 * number + 3] = h5py.VirtualSource(f"part{number}.h5", "d", shape=(3, 4))
    over = h5py.VirtualLayout(shape=PACKED.shape, dtype=dtype)
    over[:] = h5py.VirtualSource("inner.h5", "x", shape=PACKED.shape)
    for name, which in (("inner", layout), ("p", over)):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file.create_virtual_dataset("x", which, fillvalue=own_fill).attrs.update(own)
    return f"{folder / 'p.h5'}::x"


SOURCES = {
    "a scale": ({"attributes": {"scale_factor": 0.5}}, r"part1\.h5::d: says of its values \(scale_factor\)"),
    "another scale": ({"attributes": {"scale_factor": 0.5}, "own": {"scale_factor": 2.0}}, r"\(scale_factor\)"),
    "an offset": ({"attributes": {"add_offset": 1.0}}, r"\(add_offset\)"),
    "a sign": ({"attributes": {"_Unsigned": "true"}}, r"\(_Unsigned\)"),
    "a missing value": ({"attributes": {"_FillValue": np.int16(40)}}, r"\(_FillValue\)"),
    "a limit": ({"attributes": {"valid_max": np.int16(3)}}, r"\(valid_max\)"),
    "a fill value": ({"attributes": {}, "fillvalue": 7}, r"\(its fill value\)"),
    "times": ({"attributes": {"units": "days since 2001-01-01"}}, r"part1\.h5::d: holds times"),
    "wider integers": (
        {"attributes": {}, "of": "i4"},
        r"part0\.h5::d: has dtype int32, .* int16, which cannot hold it",
    ),
    "integers with a sign": ({"attributes": {}, "of": "i2", "dtype": "u2"}, r"int16, .* uint16, which cannot hold it"),
    "floats": ({"attributes": {}, "of": "f4", "dtype": "i4"}, r"float32, .* int32, which cannot hold it"),
    "wider floats": ({"attributes": {}, "of": "f8", "dtype": "f4"}, r"float64, .* float32, which cannot hold it"),
}


@pytest.mark.parametrize("case", SOURCES)
def test_sources_of_a_virtual_dataset_whose_values_are_others_there_are_refused(case, tmp_path):
    how, message = SOURCES[case]
    path = virtual(tmp_path, **how)
    for door in (lambda: open_source(path), lambda: dnmf.fit(PACKED + 1.0, 4, H=opened_array(path))):
        with pytest.raises(InputError, match=message):
            door()


REPEATED = {
    "nothing": ({"attributes": {}}, 1),
    "a scale of the virtual dataset": ({"attributes": {}, "own": {"scale_factor": 0.5}}, 0.5),
    "the same scale": ({"attributes": {"scale_factor": 0.5}, "own": {"scale_factor": 0.5}}, 0.5),
    "the same fill value": ({"attributes": {}, "fillvalue": 99, "own_fill": 99}, 1),
    "NaN for missing ones": ({"attributes": {"_FillValue": np.nan}, "of": "f4", "dtype": "f8"}, 1),
    "an amount of time": ({"attributes": {"units": "days"}}, 1),
    "narrower integers": ({"attributes": {}, "of": "u1", "dtype": "f4"}, 1),
}


@pytest.mark.parametrize("case", REPEATED)
def test_a_virtual_dataset_that_says_what_its_sources_say_is_read(case, tmp_path):
    how, factor = REPEATED[case]
    np.testing.assert_array_equal(open_source(virtual(tmp_path, **how)).read(0, ROWS), PACKED * factor)


@pytest.mark.slow
def test_entries_that_a_sparse_matrix_leaves_out_are_within_limits_that_hold_zero(tmp_path):
    path = sparse_store(tmp_path, valid_range=[0, 23])
    np.testing.assert_array_equal(read(open_source(path), 0, ROWS), PACKED)


def sparse_store(folder, **attributes):
    matrix = scipy.sparse.csr_array(PACKED.astype("i2"))
    group = zarr.open_group(folder / "s.zarr", mode="w").create_group(
        "X", attributes={"encoding-type": "csr_matrix", "shape": list(PACKED.shape)}
    )
    for name in ("data", "indices", "indptr"):
        values = getattr(matrix, name)
        group.create_array(name, data=values, chunks=(5,), config={"write_empty_chunks": True})
    group["data"].attrs.update(attributes)
    return folder / "s.zarr"


@pytest.mark.slow
def test_entries_of_a_sparse_matrix_are_unpacked(tmp_path):
    path = sparse_store(tmp_path, scale_factor=0.5)
    np.testing.assert_array_equal(read(open_source(path), 0, ROWS), PACKED * 0.5)
    assert dnmf.convert(path, tmp_path / "converted.zarr").dtype == "float64"
    np.testing.assert_array_equal(read(open_source(tmp_path / "converted.zarr"), 0, ROWS), PACKED * 0.5)


@pytest.mark.broad(4)
@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"add_offset": 3.0}, "add_offset is 3.0, so that no entry that is not stored is zero"),
        ({"_FillValue": 0}, "zero stands for a missing entry"),
        ({"missing_value": 6}, "element 5 is 6, which is missing there"),
        ({"valid_min": 1}, r"zero is not valid \(from 1 to None\)"),
        ({"valid_range": [1, 99]}, r"zero is not valid \(from 1 to 99\)"),
        ({"valid_max": -1.5}, r"zero is not valid \(from None to -1.5\)"),
    ],
)
def test_what_a_sparse_matrix_cannot_mean_is_refused(tmp_path, attributes, message):
    with pytest.raises(InputError, match=message):
        open_source(sparse_store(tmp_path, **attributes)).read(0, ROWS)


@pytest.mark.broad(1)
@pytest.mark.parametrize("store", [zarr_array, hdf5])
def test_a_conversion_writes_values_not_packed_ones(tmp_path, store):
    path = store(PACKED.astype("i2"), {"scale_factor": DOUBLE(0.25)}, tmp_path)
    assert dnmf.convert(path, tmp_path / "converted.zarr").dtype == "float64"
    np.testing.assert_array_equal(read(open_source(tmp_path / "converted.zarr"), 0, ROWS), PACKED * 0.25)
    path = store(PACKED.astype("i2"), {"_FillValue": np.int16(6)}, tmp_path)
    with pytest.raises(InputError, match=r"element \(1, 2\) is 6, which is missing there"):
        dnmf.convert(path, tmp_path / "other.zarr")


@pytest.mark.parametrize("codec", ["v2 FixedScaleOffset", "v3 FixedScaleOffset"])
def test_codecs_that_scale_are_decoded_by_zarr(tmp_path, codec):
    values = PACKED / 10
    if codec.startswith("v2"):
        import numcodecs

        filters = [numcodecs.FixedScaleOffset(offset=0, scale=10, dtype="f8", astype="u1")]
        how = {"zarr_format": 2, "filters": filters}
    else:
        pytest.importorskip("numcodecs.zarr3")
        from numcodecs.zarr3 import FixedScaleOffset

        how = {"filters": [FixedScaleOffset(offset=0, scale=10, dtype="f8", astype="u1")]}
    array = zarr.create_array(tmp_path / "a.zarr", shape=values.shape, chunks=(6, 4), dtype="f8", **how)
    array[:] = values
    np.testing.assert_allclose(open_source(tmp_path / "a.zarr").read(0, 6), values, atol=1e-12)


HOLES = {
    "_FillValue": (PACKED.astype("i2"), {"_FillValue": np.int16(5)}, PACKED == 5),
    "missing_value of packed ones": (
        PACKED.astype("i2"), {"missing_value": np.int16(5), "scale_factor": 0.5, "add_offset": 1.0}, PACKED == 5
    ),
    "valid_range": (PACKED.astype("i2"), {"valid_range": np.array([3, 19], "i2")}, (PACKED < 3) | (PACKED > 19)),
    "fill value below what is valid": (
        PACKED.astype("f4") - 1, {"_FillValue": np.float32(-1), "valid_min": np.float32(0)}, PACKED == 0
    ),
}  # fmt: skip


@pytest.mark.broad(6)
@pytest.mark.parametrize("case", HOLES)
def test_what_is_missing_or_not_valid_was_not_observed_where_that_is_said(stored, case):
    packed, attributes, holes = HOLES[case]
    place = stored(packed, **attributes)
    source = open_source(place, missing="nan")
    values = packed * attributes.get("scale_factor", 1) + attributes.get("add_offset", 0)
    rows = source.read(0, ROWS)
    assert rows.dtype == source.dtype
    np.testing.assert_array_equal(rows, np.where(holes, np.nan, values))
    with pytest.raises(InputError, match="missing='nan'"):
        open_source(place).read(0, ROWS)
