"""Arrays of more than two axes as matrices: whatever holds them, whichever axes make the rows."""

import math
import pickle

import dask.array
import numpy as np
import pytest
import scipy.sparse
import sparse
import zarr
from source_contract import as_dense

import dnmf
from dnmf import open_source
from dnmf.errors import BudgetError, CheckpointError, InputError
from dnmf.memory import Machine, Shape
from dnmf.plan import make_plan
from dnmf.sources.unfolded import Unfolding

CUBE = (np.random.default_rng(0).random((30, 4, 6)) ** 3 + 0.01).astype(np.float32)
DIMS = ("time", "y", "x")
TIMES = np.arange(30) * 0.5
CHUNKS = {"slabs": (7, 4, 6), "columns": (30, 2, 3), "bricks": (7, 3, 4)}
ROWS = [(0,), (1,), (2,), (0, 1), (1, 2), (2, 0)]


def matrix(rows, cube=CUBE):
    """The matrix, as numpy makes it."""
    others = [axis for axis in range(cube.ndim) if axis not in rows]
    return cube.transpose(*rows, *others).reshape(math.prod(cube.shape[axis] for axis in rows), -1)


def stored(folder, how="bricks", *, version=3, cube=CUBE, **options):
    path = folder / f"{how}-{version}.zarr"
    names = {"dimension_names": DIMS} if version == 3 else {"attributes": {"_ARRAY_DIMENSIONS": list(DIMS)}}
    made = {"shape": cube.shape, "chunks": CHUNKS[how], "dtype": cube.dtype, "zarr_format": version, **names, **options}
    zarr.create_array(path, **made)[:] = cube
    return path


def in_hdf5(folder, chunks=(7, 2, 6)):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File(folder / "a.h5", "w") as file:
        dataset = file.create_dataset("film", data=CUBE, chunks=chunks)
        for number, name in enumerate(DIMS):
            dataset.dims[number].label = name
    return f"{folder / 'a.h5'}::film"


def labelled(**chunks):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    found = xarray.DataArray(CUBE, dims=DIMS, coords={"time": TIMES})
    return found.chunk(chunks) if chunks else found


HOLDERS = {
    "numpy": lambda folder: CUBE,
    "Fortran order": lambda folder: np.asfortranarray(CUBE),
    "dask": lambda folder: dask.array.from_array(CUBE, chunks=(7, 2, 6)),
    "dask of Zarr": lambda folder: dask.array.from_zarr(stored(folder)),
    "sparse": lambda folder: sparse.COO.from_numpy(CUBE),
    "xarray": lambda folder: labelled(),
    "xarray of dask": lambda folder: labelled(time=10, x=3),
    "Zarr in slabs": lambda folder: stored(folder, "slabs"),
    "Zarr in columns": lambda folder: stored(folder, "columns"),
    "Zarr in bricks": lambda folder: stored(folder, "bricks"),
    "Zarr v2": lambda folder: stored(folder, "bricks", version=2),
    "Zarr in shards": lambda folder: stored(folder, "bricks", shards=(14, 3, 4)),
    "an opened array": lambda folder: zarr.open(stored(folder), mode="r"),
    "HDF5": in_hdf5,
    "HDF5 in one piece": lambda folder: in_hdf5(folder, chunks=None),
}
NAMED = {name: holds for name, holds in HOLDERS.items() if name.split()[0] in ("xarray", "Zarr", "HDF5", "an")}


@pytest.mark.broad(8)
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("holder", HOLDERS)
def test_rows_are_those_of_the_matrix(holder, rows, tmp_path):
    source, expected = open_source(HOLDERS[holder](tmp_path), row_axes=rows), matrix(rows)
    assert source.shape == expected.shape
    np.testing.assert_array_equal(as_dense(source.read(0, len(expected)), expected.shape[1]), expected)
    sent = pickle.loads(pickle.dumps(source.for_rows(0, len(expected))))
    for start, stop in ((0, 1), (len(expected) // 3, len(expected) // 2 + 1), (len(expected) - 1, len(expected))):
        np.testing.assert_array_equal(as_dense(sent.read(start, stop), expected.shape[1]), expected[start:stop])


@pytest.mark.broad(2)
@pytest.mark.parametrize("rows", [(0,), (2,), (2, 0)])
@pytest.mark.parametrize("holder", ["numpy", "sparse", "Zarr in slabs", "Zarr in columns", "HDF5"])
def test_a_fit_is_that_of_the_matrix(holder, rows, tmp_path):
    model = dnmf.fit(HOLDERS[holder](tmp_path), 3, row_axes=rows, seed=0, max_passes=4)
    expected = matrix(rows) if holder != "sparse" else scipy.sparse.csr_array(matrix(rows))
    other = dnmf.fit(expected, 3, seed=0, max_passes=4)
    np.testing.assert_array_equal(model.H, other.H)
    np.testing.assert_array_equal(model.W.compute(), other.W.compute())


@pytest.mark.broad(5)
@pytest.mark.parametrize("holder", NAMED)
def test_axes_have_the_names_of_the_data(holder, tmp_path):
    data = NAMED[holder](tmp_path)
    np.testing.assert_array_equal(open_source(data, row_axes="y").read(0, 4), matrix((1,)))
    source = open_source(data, row_axes=("x", "time"))
    assert source.unfolding == Unfolding(CUBE.shape, (2, 0), DIMS)
    np.testing.assert_array_equal(source.read(0, 180), matrix((2, 0)))
    with pytest.raises(InputError, match=r"no axis 'band' among time: 30, y: 4, x: 6"):
        open_source(data, row_axes="band")


def test_the_labels_of_the_one_axis_of_the_rows_are_their_names():
    assert open_source(labelled(), row_axes="time").row_names().tolist() == [str(time) for time in TIMES]
    assert open_source(labelled(), row_axes=("y", "x")).column_names().tolist() == [str(time) for time in TIMES]
    assert open_source(labelled(), row_axes=("time", "y")).row_names() is None


@pytest.mark.parametrize(("how", "rows", "reads"), [("slabs", (0,), 5), ("columns", (1,), 2), ("bricks", (2, 0), 2)])
def test_every_chunk_lies_in_one_panel(how, rows, reads, tmp_path):
    layout = open_source(stored(tmp_path, how), row_axes=rows).layout()
    assert len(layout.cuts) - 1 == reads
    assert layout.total_bytes == CUBE.nbytes


@pytest.mark.parametrize("asked", ["band", 3, -4, (0, 0), (0, 1, 2), (), True, 1.5, "0,9", "--1", "²"])
def test_axes_that_cannot_make_rows_are_refused(asked):
    with pytest.raises(InputError, match=r"row_axes.*(0: 30, 1: 4, 2: 6)"):
        open_source(CUBE, row_axes=asked)


@pytest.mark.parametrize("holder", HOLDERS)
def test_who_does_not_say_which_axes_make_the_rows_is_told_how(holder, tmp_path):
    with pytest.raises(InputError, match=r"an array of 3 axes \(.*30.* 4.* 6\).*row_axes="):
        open_source(HOLDERS[holder](tmp_path))


def test_a_matrix_has_its_rows_already():
    with pytest.raises(InputError, match=r"has rows and columns already, 4 × 6; row_axes= \(--row-axes\)"):
        open_source(CUBE[0], row_axes=1)


@pytest.mark.parametrize("rows", [(0,), (2,)])
def test_a_chunk_that_is_lost_is_named(rows, tmp_path):
    path = stored(tmp_path)
    (path / "c" / "1" / "1" / "0").unlink()
    source = open_source(path, row_axes=rows)
    with pytest.raises(InputError, match="chunk c/1/1/0"):
        source.read(0, source.shape[0])
    zeros = open_source(path, row_axes=rows, missing_chunks="zeros")
    expected = CUBE.copy()
    expected[7:14, 3:, :4] = 0
    np.testing.assert_array_equal(zeros.read(0, zeros.shape[0]), matrix(rows, expected))


@pytest.mark.parametrize("rows", [(0,), (1, 2)])
@pytest.mark.parametrize(("value", "words"), [(np.nan, "NaN"), (-1.0, "negative")])
def test_bad_values_are_refused(rows, value, words, tmp_path):
    cube = CUBE.copy()
    cube[3, 1, 2] = value
    with pytest.raises(InputError, match=words):
        dnmf.fit(stored(tmp_path, cube=cube), 2, row_axes=rows)


@pytest.mark.slow
def test_missing_entries_and_masks_have_the_same_axes(tmp_path):
    cube, seen = CUBE.copy(), np.random.default_rng(1).random(CUBE.shape) > 0.2
    cube[~seen] = np.nan
    expected = dnmf.fit(matrix((2, 0)), 2, mask=matrix((2, 0), seen), seed=0, max_passes=5)
    for data, said in (
        (cube, {"missing": "nan"}),
        (CUBE, {"mask": seen}),
        (stored(tmp_path, cube=cube), {"missing": "nan"}),
        (np.ma.masked_array(CUBE, ~seen), {"missing": "nan"}),
    ):
        model = dnmf.fit(data, 2, row_axes=(2, 0), seed=0, max_passes=5, **said)
        np.testing.assert_allclose(model.H, expected.H, atol=1e-5)


@pytest.mark.broad(1)
@pytest.mark.parametrize("rows", [(0,), (2, 1)])
def test_a_run_goes_on_and_ends_with_the_same_bits(rows, tmp_path):
    path, whole = stored(tmp_path), tmp_path / "whole.dnmf"
    dnmf.fit(path, 3, row_axes=rows, seed=0, tol=0, max_passes=6, store=whole)

    class Stop(Exception):
        pass

    def stop(event):
        if getattr(event, "record", None) is not None and event.record.number == 3:
            raise Stop

    with pytest.raises(Stop):
        dnmf.fit(path, 3, row_axes=rows, seed=0, tol=0, max_passes=6, store=tmp_path / "cut.dnmf", callbacks=[stop])
    resumed, expected = dnmf.resume(tmp_path / "cut.dnmf"), dnmf.load(whole)
    np.testing.assert_array_equal(resumed.H, expected.H)
    np.testing.assert_array_equal(resumed.W.compute(), expected.W.compute())
    assert resumed.unfolding == expected.unfolding == Unfolding(CUBE.shape, rows, DIMS)


def test_other_data_of_these_axes_is_transformed(tmp_path):
    model = dnmf.fit(stored(tmp_path), 3, row_axes="time", seed=0)
    expected = model.transform(matrix((0,))).compute()
    for later in (CUBE, dask.array.from_array(CUBE, chunks=(10, 4, 3)), str(tmp_path / "bricks-3.zarr")):
        np.testing.assert_allclose(model.transform(later).compute(), expected, rtol=1e-5)
    with pytest.raises(InputError, match=r"axes of its columns are \(6, 4\), those of the fit \(4, 6\)"):
        model.transform(CUBE.transpose(0, 2, 1))


def test_a_model_keeps_its_axes_and_draws_planes_as_images(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from dnmf import plots

    data = labelled()
    model = dnmf.fit(data, 3, row_axes="time", seed=0).save(tmp_path / "kept.dnmf")
    assert (model.row_pixels, model.column_pixels) == (None, (4, 6))
    assert model.unfolding == Unfolding(CUBE.shape, (0,), DIMS)
    assert model.unfolding.coords[0].tolist() == [str(time) for time in TIMES]
    assert plots.components(dnmf.load(tmp_path / "kept.dnmf"))[0].images
    few = dnmf.fit(open_source(CUBE, row_axes=0, columns=np.arange(5)), 2)
    assert few.column_pixels is None  # they are no image any more


@pytest.mark.slow
@pytest.mark.broad(1)
@pytest.mark.parametrize("rows", [(0,), (2, 0)])
def test_workers_make_the_same_bits(rows, tmp_path, client):
    path = stored(tmp_path)
    here = dnmf.fit(path, 3, row_axes=rows, seed=0, max_passes=4, client=None, store=tmp_path / "here.dnmf")
    there = dnmf.fit(path, 3, row_axes=rows, seed=0, max_passes=4, client=client, store=tmp_path / "there.dnmf")
    np.testing.assert_array_equal(here.H, there.H)
    np.testing.assert_array_equal(here.W.compute(), there.W.compute())


@pytest.mark.slow
def test_studies_take_the_same_axes(tmp_path):
    path = stored(tmp_path)
    found = dnmf.ranks(path, [2, 3], row_axes="time", seeds=2, folds=2, max_passes=5, store=tmp_path / "ranks.dnmf")
    assert found.model(2).column_pixels == (4, 6)
    assert dnmf.load_ranks(tmp_path / "ranks.dnmf").model(3).unfolding.rows == (0,)
    assert dnmf.consensus(path, 2, row_axes="time", seeds=3, max_passes=5).shape == (30, 24)


def test_where_no_slab_fits_the_plan_says_what_does(tmp_path):
    path = tmp_path / "deep.zarr"
    zarr.create_array(path, shape=(400, 200, 200), chunks=(400, 50, 50), dtype="f4", dimension_names=DIMS)
    layout = open_source(path, row_axes="time").layout()
    with pytest.raises(BudgetError, match="others as row_axes, or chunks shorter along the axis 'time'"):
        make_plan(layout, Shape(40_000, 2, 4), Machine(1, 100 * 2**20, 10 * 2**20))


@pytest.mark.parametrize("rows", [("time",), ("y", "x"), ("x", "time")])
def test_the_factors_come_back_with_the_axes_and_labels_of_the_data(rows, tmp_path):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    data = labelled()
    model = dnmf.fit(data, 3, row_axes=rows, seed=0)
    for each in (model, model.save(tmp_path / "kept.dnmf")):
        found = each.to_xarray()
        product = xarray.dot(found.W * found.d, found.H, dim="component").transpose(*DIMS)
        others = [dim for dim in DIMS if dim not in rows]
        W, H = (found.W.transpose(*rows, "component"), found.H.transpose("component", *others))
        expected = (np.asarray(W).reshape(-1, 3) * model.d) @ np.asarray(H).reshape(3, -1)
        np.testing.assert_allclose(matrix(tuple(map(DIMS.index, rows)), np.asarray(product)), expected, rtol=1e-5)
        assert found.time.values.tolist() == list(TIMES)


def test_of_a_matrix_they_have_rows_and_columns():
    pytest.importorskip("xarray", reason="xarray is not installed")
    found = dnmf.fit(matrix((0,)), 2, row_names=[f"r{i}" for i in range(30)], seed=0).to_xarray()
    assert dict(found.sizes) == {"row": 30, "component": 2, "column": 24}
    assert found.row.values[3] == "r3"


def test_the_same_cube_with_other_axes_as_rows_is_other_data(tmp_path):
    path, cube = tmp_path / "cube.zarr", np.random.default_rng(0).random((8, 8, 8))
    zarr.create_array(path, data=cube, chunks=(4, 4, 4))
    asked = {"seed": 0, "max_passes": 3, "store": tmp_path / "run.dnmf", "resume": "auto"}
    dnmf.fit(path, 2, row_axes=0, **asked)
    with pytest.raises(CheckpointError, match=r"holds a run of other data .*row_axes"):
        dnmf.fit(path, 2, row_axes=1, **asked)


@pytest.mark.broad(1)
@pytest.mark.parametrize("rows", [(0,), (2, 1)])
def test_a_matrix_that_was_unfolded_before_is_taken_as_it_is(rows, tmp_path):
    path, flat = stored(tmp_path), matrix(rows)
    model = dnmf.fit(path, 3, row_axes=rows, seed=0, max_passes=3, store=tmp_path / "run.dnmf")
    np.testing.assert_array_equal(model.transform(flat).compute(), model.transform(CUBE).compute())
    ranks = dnmf.ranks(path, [2, 3], row_axes=rows, seeds=2, folds=0, max_passes=5)
    np.testing.assert_allclose(ranks.consensus(3, flat).H, ranks.consensus(3, path).H, atol=1e-5)


def test_what_cannot_be_read_along_another_axis_is_said_of_that(tmp_path):
    path = stored(tmp_path)
    (path / "c" / "1" / "1" / "0").write_bytes(b"no chunk")
    source = open_source(path, row_axes="x")
    with pytest.raises(InputError, match="elements 0:6 of axis 2 cannot be read"):
        source.read(0, 6)
