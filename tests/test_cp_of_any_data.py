"""CP of whatever holds an array of three axes: the same factors, and the same words for what cannot be used."""

import shutil

import dask.array
import numpy as np
import pytest
import sparse
import zarr
from cubes import congruence, planted

import dnmf
from dnmf.errors import InputError

SHAPE, RANK, DIMS = (6, 40, 5), 3, ("time", "place", "band")
BAD_AT = (4, 17, 2)


@pytest.fixture(scope="module")
def cube():
    return planted(SHAPE, RANK, noise=0.05)[0]


@pytest.fixture(scope="module")
def expected(cube):
    return dnmf.cp(cube, RANK, seed=1)


def in_zarr(**how):
    """What writes an array to a Zarr store in this way."""

    def write(cube, folder):
        names = {} if how.get("zarr_format") == 2 else {"dimension_names": DIMS}
        zarr.create_array(folder / "c.zarr", shape=cube.shape, dtype=cube.dtype, **names, **how)[:] = cube
        return folder / "c.zarr"

    return write


def in_hdf5(chunks):
    def write(cube, folder):
        h5py = pytest.importorskip("h5py", reason="h5py is not installed")
        with h5py.File(folder / "c.h5", "w") as file:
            file.create_dataset("film", data=cube, chunks=chunks)
        return f"{folder / 'c.h5'}::film"

    return write


def labelled(cube, folder):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    return xarray.DataArray(cube, dims=DIMS)


def in_group(cube, folder):
    group = zarr.open_group(folder / "g.zarr", mode="w")
    group.create_array("film", shape=cube.shape, dtype=cube.dtype, chunks=(2, 10, 5))[:] = cube
    return folder / "g.zarr"


def mapped(cube, folder):
    np.save(folder / "c.npy", cube)
    return np.load(folder / "c.npy", mmap_mode="r")


def lines_of(cube, separator, first):
    return "".join(
        separator.join([*map(str, np.add(at, first)), repr(float(cube[at]))]) + "\n" for at in np.ndindex(cube.shape)
    )


def from_coordinates(cube, folder):
    (folder / "c.tns").write_text(lines_of(cube, " ", 1))
    dnmf.convert(folder / "c.tns", folder / "c.zarr", row_axes="longest", dtype="float64")
    return folder / "c.zarr"


def from_table(cube, folder):
    (folder / "c.csv").write_text(",".join((*DIMS, "value")) + "\n" + lines_of(cube, ",", 0))
    dnmf.convert(folder / "c.csv", folder / "c.zarr", long=(*DIMS, "value"), row_axes="longest", dtype="float64")
    return folder / "c.zarr"


def converted(cube, folder):
    np.save(folder / "c.npy", cube)
    dnmf.convert(folder / "c.npy", folder / "c.zarr", row_axes="longest")
    return folder / "c.zarr"


HOLDERS = {
    "numpy": lambda cube, folder: cube,
    "numpy in Fortran order": lambda cube, folder: np.asfortranarray(cube),
    "numpy in single precision": lambda cube, folder: cube.astype(np.float32),
    "numpy in a file": mapped,
    "dask": lambda cube, folder: dask.array.from_array(cube, chunks=(4, 7, 2)),
    "dask of sparse blocks": lambda cube, folder: dask.array.from_array(cube, chunks=(6, 7, 5)).map_blocks(
        sparse.COO.from_numpy
    ),
    "dask of Zarr": lambda cube, folder: dask.array.from_zarr(in_zarr(chunks=(2, 10, 5))(cube, folder)),
    "COO": lambda cube, folder: sparse.COO.from_numpy(cube),
    "GCXS": lambda cube, folder: sparse.GCXS.from_numpy(cube),
    "xarray": labelled,
    "xarray of dask": lambda cube, folder: labelled(cube, folder).chunk(time=2, place=7),
    "Zarr along the long axis": in_zarr(chunks=(6, 7, 5)),
    "Zarr along a short axis": in_zarr(chunks=(1, 40, 5)),
    "Zarr in bricks": in_zarr(chunks=(4, 9, 2)),
    "Zarr in one chunk": in_zarr(chunks=SHAPE),
    "Zarr in shards": in_zarr(chunks=(2, 4, 5), shards=(6, 8, 5)),
    "Zarr v2": in_zarr(chunks=(2, 40, 5), zarr_format=2),
    "Zarr v2 in Fortran order": in_zarr(chunks=(2, 7, 3), zarr_format=2, order="F"),
    "Zarr in a group": in_group,
    "an opened Zarr array": lambda cube, folder: zarr.open(in_zarr(chunks=(2, 10, 5))(cube, folder), mode="r"),
    "HDF5": in_hdf5((2, 7, 5)),
    "HDF5 along a short axis": in_hdf5((1, 40, 5)),
    "HDF5 in one piece": in_hdf5(None),
    "converted": converted,
}
TABLES = {"coordinates": from_coordinates, "a long table": from_table}  # which are refused before CP sees them


@pytest.mark.broad(6)
@pytest.mark.parametrize("holder", [*HOLDERS, *TABLES])
def test_the_factors_are_the_same(holder, cube, expected, tmp_path):
    model = dnmf.cp({**HOLDERS, **TABLES}[holder](cube, tmp_path), RANK, seed=1)
    assert list(model.lengths.values()) == list(SHAPE)
    assert model.relative_error == pytest.approx(expected.relative_error, rel=1e-3)
    assert congruence(list(model.factors.values()), list(expected.factors.values())) > 0.9999


@pytest.mark.broad(6)
@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "a NaN"), (-2.0, "the negative value -2"), (np.inf, "an infinity")]
)
@pytest.mark.parametrize("holder", [name for name in HOLDERS if name != "converted"])
def test_a_bad_value_is_named_with_its_place_along_all_axes(holder, value, words, cube, tmp_path):
    bad = cube.copy()
    bad[BAD_AT] = value
    with pytest.raises(InputError, match=rf"{words}\S* at row 17, column 22 \(\w+ 4, \w+ 17, \w+ 2\)"):
        dnmf.cp(HOLDERS[holder](bad, tmp_path), RANK)


def test_of_what_cp_does_not_take_the_message_is_silent(cube):
    bad = cube.copy()
    bad[BAD_AT] = -1.0
    for asked in ({}, {"penalty": dnmf.Penalty(l2=0.1, scale="objective")}, {"loss": "kullback-leibler"}):
        with pytest.raises(InputError, match="a mask= of the others") as refused:
            dnmf.cp(bad, RANK, **asked)
        assert "free=" not in str(refused.value)


LOST = {
    "Zarr v3": (in_zarr(chunks=(2, 10, 5)), "c.zarr/c/1/2/0", r"c/1/2/0"),
    "Zarr v2": (in_zarr(chunks=(2, 10, 5), zarr_format=2), "c.zarr/1.2.0", r"1\.2\.0"),
    "a shard": (in_zarr(chunks=(2, 4, 5), shards=(6, 8, 5)), "c.zarr/c/0/3/0", r"c/0/3/0"),
    "dask of Zarr": (HOLDERS["dask of Zarr"], "c.zarr/c/1/2/0", r"c/1/2/0"),
    "a dense matrix that was converted": (converted, "c.zarr/X/c/0/0", r"c/0/0"),
    "values of a sparse one": (from_table, "c.zarr/X/data/c/0", r"c/0"),
    "column numbers of a sparse one": (from_coordinates, "c.zarr/X/indices/c/0", r"c/0"),
}


@pytest.mark.parametrize("case", LOST)
@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_chunk_that_is_lost_is_named(case, how, cube, tmp_path):
    holds, chunk, words = LOST[case]
    data = holds(cube, tmp_path)
    assert (tmp_path / chunk).is_file()
    if how == "gone":
        (tmp_path / chunk).unlink()
    else:
        (tmp_path / chunk).write_bytes(b"")
    with pytest.raises(InputError, match=words):
        dnmf.cp(data, RANK)


def test_a_file_that_is_cut_off_is_named(cube, tmp_path):
    address = in_hdf5(None)(cube, tmp_path)
    with (tmp_path / "c.h5").open("r+b") as file:
        file.truncate((tmp_path / "c.h5").stat().st_size // 2)
    with pytest.raises(InputError, match=r"c\.h5"):
        dnmf.cp(address, RANK)


WRONG = {
    "one axis": (lambda cube, folder: cube[0, :, 0], "a matrix has 2 dimensions, this has 1"),
    "a matrix": (lambda cube, folder: cube[0], "is a matrix; dnmf.fit"),
    "a stored matrix": (lambda cube, folder: in_hdf5(None)(cube[0], folder), "is a matrix; dnmf.fit"),
    "no entries along one axis": (lambda cube, folder: cube[:, :, :0], "is empty"),
    "a stored array without entries": (
        lambda cube, folder: in_hdf5(None)(cube[:, :, :0], folder),
        r"c\.h5::film: the array is empty .shape 6 × 40 × 0",
    ),
    "text": (lambda cube, folder: cube.astype(str), "dtype <U32"),
    "complex numbers": (lambda cube, folder: cube + 1j, "dtype complex128"),
    "stored complex numbers": (
        lambda cube, folder: in_zarr(chunks=SHAPE)(cube + 1j, folder),
        r"c\.zarr: the values have dtype complex128",
    ),
    "objects": (lambda cube, folder: cube.astype(object), "dtype object"),
    "dates": (lambda cube, folder: cube.astype("M8[s]"), "dtype datetime64"),
    "zeros that are not zero": (lambda cube, folder: sparse.COO.from_numpy(cube, fill_value=1.0), "fill value 1.0"),
    "masked values": (
        lambda cube, folder: np.ma.masked_less(cube, np.median(cube)),
        "row 0, column 1 is masked, as 600 of 1200",
    ),
    "values that overflow": (lambda cube, folder: cube * 1e30, "overflow or vanish in float32; rescale"),
    "a data set of xarray": (
        lambda cube, folder: labelled(cube, folder).to_dataset(name="film"),
        "give one variable of a Dataset",
    ),
    "nothing": (lambda cube, folder: folder / "there_is_nothing.zarr", "nothing at this path"),
    "a file of coordinates": (
        lambda cube, folder: shutil.copy(from_coordinates(cube, folder).with_suffix(".tns"), folder / "d.tns"),
        r"dnmf convert \S+ out\.zarr --row-axes longest",
    ),
    "a table": (
        lambda cube, folder: from_table(cube, folder).with_suffix(".csv"),
        "--long user,item,month,plays --row-axes longest",
    ),
    "a list": (lambda cube, folder: cube.tolist(), "give more axes as an array of numpy, dask"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_array_of_three_axes_with_numbers_is_refused(case, cube, tmp_path):
    holds, words = WRONG[case]
    with pytest.raises(InputError, match=words):
        dnmf.cp(holds(cube, tmp_path), RANK)


@pytest.mark.parametrize("axes", [3, -4, "depth", (0, 0), (), (0, 1, 2), (0, 1), None, 1.5, object()], ids=str)
@pytest.mark.parametrize("holder", ["numpy", "Zarr in bricks", "HDF5", "COO", "xarray", "dask"])
@pytest.mark.broad(4)
def test_axes_that_cannot_be_the_long_one_are_refused(holder, axes, cube, tmp_path):
    with pytest.raises(InputError, match="axes"):
        dnmf.cp(HOLDERS[holder](cube, tmp_path), RANK, row_axes=axes)
