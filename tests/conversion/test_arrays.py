"""Arrays of more than two axes become matrices that know their axes, whatever their chunks and in little memory."""

import numpy as np
import pytest
import zarr
from cubes import planted

import dnmf
from dnmf.conversion.arrays import boxes
from dnmf.errors import InputError
from dnmf.sources import open_source

SHAPE = (12, 10, 9)
DIMS = ("time", "y", "x")
LITTLE = 2**20


@pytest.fixture(scope="module")
def cube():
    return planted(SHAPE, 2, noise=0.1)[0].astype("f4")


def in_zarr(cube, folder, **how):
    zarr.create_array(folder / "cube.zarr", data=cube, dimension_names=DIMS, **how)
    return folder / "cube.zarr"


def in_npy(cube, folder):
    np.save(folder / "cube.npy", cube)
    return folder / "cube.npy"


def in_fortran_order(cube, folder):
    return in_npy(np.asfortranarray(cube), folder)


def in_hdf5(cube, folder):
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "cube.h5", "w") as file:
        file.create_dataset("cube", data=cube, chunks=(5, 4, 9))
    return f"{folder / 'cube.h5'}::cube"


KINDS = {
    "slabs": lambda cube, folder: in_zarr(cube, folder, chunks=(4, 10, 9)),
    "boxes": lambda cube, folder: in_zarr(cube, folder, chunks=(5, 4, 2)),
    "shards": lambda cube, folder: in_zarr(cube, folder, chunks=(2, 5, 3), shards=(4, 10, 3)),
    "npy": in_npy,
    "npy in Fortran order": in_fortran_order,
    "HDF5": in_hdf5,
}


@pytest.mark.parametrize("row_axes", [0, 1, (2, 0), (1, 0), "longest"], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_the_result_is_the_matrix_of_these_rows_and_knows_its_axes(kind, row_axes, cube, tmp_path):
    report = dnmf.convert(KINDS[kind](cube, tmp_path), tmp_path / "out.zarr", row_axes=row_axes)
    source = open_source(tmp_path / "out.zarr")
    assert source.unfolding.shape == SHAPE
    assert source.unfolding.rows == {"longest": (0,), 0: (0,), 1: (1,)}.get(row_axes, row_axes)
    assert report.shape == source.shape == source.unfolding.matrix_shape
    np.testing.assert_array_equal(source.read(0, source.shape[0]), source.unfolding.matrix(cube))


@pytest.mark.parametrize("chunks", [(256, 256, 8), (256, 4, 256), (8, 256, 256), (64, 64, 64)], ids=str)
def test_where_a_slab_is_larger_than_the_memory_it_goes_through_a_file_and_the_result_is_the_same(chunks, tmp_path):
    values = np.random.default_rng(0).integers(0, 200, (256, 256, 32), dtype=np.uint8)
    zarr.create_array(tmp_path / "cube.zarr", data=values, chunks=tuple(map(min, chunks, values.shape)))
    dnmf.convert(tmp_path / "cube.zarr", tmp_path / "out.zarr", row_axes=1, memory_bytes=LITTLE)
    source = open_source(tmp_path / "out.zarr")
    np.testing.assert_array_equal(source.read(0, 256), source.unfolding.matrix(values))


@pytest.mark.parametrize("most", [1, 7, 40, 10**6])
def test_boxes_are_whole_chunks_and_make_up_the_array(most):
    shape, chunk = (7, 5, 6), (3, 2, 4)
    seen = np.zeros(shape, int)
    for bounds in boxes(shape, chunk, most):
        seen[tuple(slice(*bound) for bound in bounds)] += 1
        assert all(start % side == 0 for (start, _), side in zip(bounds, chunk, strict=True))
        sides = [stop - start for start, stop in bounds]
        assert np.prod(sides) <= max(most, np.prod(chunk))
    assert (seen == 1).all()


def test_names_of_axes_and_labels_along_them_are_kept(cube, tmp_path):
    xarray = pytest.importorskip("xarray")
    labels = {"time": [f"t{i}" for i in range(12)], "x": [f"x{i}" for i in range(9)]}
    xarray.Dataset({"cube": (DIMS, cube)}, coords=labels).to_zarr(tmp_path / "set.zarr", zarr_format=3)
    dnmf.convert(f"{tmp_path / 'set.zarr'}::cube", tmp_path / "out.zarr", row_axes="time")
    assert open_source(tmp_path / "out.zarr").unfolding.dims == DIMS


def test_fits_take_the_result_as_it_is_and_refuse_other_rows(cube, tmp_path):
    dnmf.convert(KINDS["boxes"](cube, tmp_path), tmp_path / "out.zarr", row_axes="y")
    model = dnmf.cp(tmp_path / "out.zarr", 2, seed=1)
    assert list(model.lengths.items()) == list(zip(DIMS, SHAPE, strict=True))
    assert model.long_axis == "y"
    np.testing.assert_allclose(model.H, dnmf.cp(cube, 2, row_axes=1, seed=1).H, atol=1e-6)
    assert dnmf.fit(tmp_path / "out.zarr", 2).column_pixels == (12, 9)
    with pytest.raises(InputError, match="as it was converted; for row_axes='time' convert the array again"):
        dnmf.cp(tmp_path / "out.zarr", 2, row_axes="time")


def test_a_run_of_the_result_goes_on_and_new_slabs_are_transformed(cube, tmp_path):
    dnmf.convert(KINDS["boxes"](cube, tmp_path), tmp_path / "out.zarr", row_axes="y")
    dnmf.cp(tmp_path / "out.zarr", 2, tol=0, init="random", max_passes=2, store=tmp_path / "run.dnmf")
    model = dnmf.resume(tmp_path / "run.dnmf", max_passes=4)
    assert len(model.history) == 4
    np.testing.assert_allclose(np.asarray(model.transform(cube)), model.read_W(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "say which axes make the rows"),
        ({"row_axes": "depth"}, "no axis 'depth'"),
        ({"row_axes": 0, "transpose": True}, "leave transpose out"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_left(asked, words, cube, tmp_path):
    path = KINDS["boxes"](cube, tmp_path)
    with pytest.raises(InputError, match=words):
        dnmf.convert(path, tmp_path / "out.zarr", **asked)
    assert not (tmp_path / "out.zarr").exists()


def test_a_bad_value_and_a_chunk_that_is_gone_are_named(cube, tmp_path):
    bad = cube.copy()
    bad[3, 2, 1] = -1
    with pytest.raises(InputError, match=r"row 3, column 19 \(axis_0 3, axis_1 2, axis_2 1\): -1\.0 is a negative"):
        dnmf.convert(in_npy(bad, tmp_path), tmp_path / "out.zarr", row_axes=0)
    path = KINDS["boxes"](cube, tmp_path)
    (path / "c" / "1" / "2" / "0").unlink()
    for memory_bytes in (LITTLE, 2**30):
        with pytest.raises(InputError, match="c/1/2/0"):
            dnmf.convert(path, tmp_path / "out.zarr", row_axes=1, memory_bytes=memory_bytes)


@pytest.mark.parametrize("row_axes", [1, "time", (0, 1)], ids=str)
def test_what_is_a_matrix_has_its_rows_already(row_axes, tmp_path):
    (tmp_path / "a.mtx").write_text("%%MatrixMarket matrix coordinate real general\n2 3 1\n1 2 5\n")
    for path in (in_npy(np.eye(3), tmp_path), tmp_path / "a.mtx"):
        with pytest.raises(InputError, match=r"has rows and columns already, . × 3; row_axes= .*leave it out"):
            dnmf.convert(path, tmp_path / "out.zarr", row_axes=row_axes)
    assert dnmf.convert(tmp_path / "a.mtx", tmp_path / "out.zarr", row_axes="longest").shape == (2, 3)  # as of any data


def test_a_sparse_array_in_an_npz_file_is_taken_in_memory(cube, tmp_path):
    sparse = pytest.importorskip("sparse")
    sparse.save_npz(tmp_path / "a.npz", sparse.COO.from_numpy(cube))
    with pytest.raises(
        InputError, match=r"shape \(.*\); dnmf\.cp\(sparse\.load_npz\('.*a\.npz'\), rank\) takes it in memory"
    ):
        dnmf.convert(tmp_path / "a.npz", tmp_path / "out.zarr", row_axes=0)


OF_ANOTHER = {"shape": [1, 2, 3], "rows": [0], "dims": [], "coords": []}


@pytest.mark.parametrize(("said", "words"), [(OF_ANOTHER, "another shape"), (7, "damaged"), ({"shape": 3}, "damaged")])
def test_an_attribute_that_is_damaged_is_an_error(said, words, cube, tmp_path):
    dnmf.convert(in_npy(cube, tmp_path), tmp_path / "out.zarr", row_axes=0)
    zarr.open(tmp_path / "out.zarr", mode="r+")["X"].attrs["dnmf_axes"] = said
    with pytest.raises(InputError, match=words):
        open_source(tmp_path / "out.zarr")
