"""What dnmf wrote and reads again is there as it was written, or an error says what is missing: never zeros."""

import ast
import pickle
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import dask.array as da
import h5py
import numpy as np
import pytest
import zarr
from example_models import random_model, stored

import dnmf
from dnmf import measures
from dnmf.passes.rows_out import Columns, rescale_rows
from dnmf.plots.sides import take_side
from dnmf.plots.sums import factor_sums
from dnmf.sources.stored_factor import StoredFactor

ROWS = 40


def _chunks(array):
    return sorted(path for path in array.rglob("*") if path.is_file() and path.name != "zarr.json")


def _flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


HARMS = {
    "its store was moved": lambda array: array.parent.rename(array.parent.with_name("elsewhere")),
    "it was moved": lambda array: array.rename(array.with_name("elsewhere.zarr")),
    "it was deleted": shutil.rmtree,
    "its chunks were deleted": lambda array: [path.unlink() for path in _chunks(array)],
    "a chunk was deleted": lambda array: _chunks(array)[0].unlink(),
    "a chunk was emptied": lambda array: _chunks(array)[0].write_bytes(b""),
    "a chunk was cut short": lambda array: _chunks(array)[0].write_bytes(_chunks(array)[0].read_bytes()[:20]),
    "a bit of a chunk was flipped": lambda array: _flip_a_bit(_chunks(array)[0]),
}

READERS = {
    "read_W": lambda model, _: model.read_W(),
    "some rows": lambda model, _: model.read_W(2, 5),
    "W": lambda model, _: model.W.compute(),
    "a slice of W": lambda model, _: model.W[3:6, 1].compute(),
    "a row of W": lambda model, _: model.W[2].compute(),
    "every second row of W": lambda model, _: model.W[::2].compute(),
    "W times d": lambda model, _: (model.W * model.d).compute(),
    "W in other chunks": lambda model, _: model.W.rechunk((11, 1)).compute(),
    "W pickled": lambda model, _: pickle.loads(pickle.dumps(model.W)).compute(),
    "the model pickled": lambda model, _: pickle.loads(pickle.dumps(model)).read_W(),
    "W reordered": lambda model, _: model.reordered([2, 0, 1]).W.compute(),
    "read_W reordered": lambda model, _: model.reordered([2, 0, 1]).read_W(),
    "the transpose": lambda model, _: model._transposed(),
    "numpy": lambda model, _: np.asarray(model.stored_W),
    "save": lambda model, folder: model.save(folder / "saved.dnmf"),
    "with_W_in": lambda model, folder: model.with_W_in(folder),
    "similarity": lambda model, _: measures.similarity(model, model, side="W"),
    "sparsity": lambda model, _: measures.sparsity(model),
    "a side of a picture": lambda model, _: take_side(model, "W"),
    "the sums of a report": lambda model, _: factor_sums(model),
}


@pytest.fixture
def model(tmp_path):
    (tmp_path / "run.dnmf").mkdir()
    return stored(random_model(ROWS), tmp_path / "run.dnmf", chunk_rows=7)


@pytest.mark.broad(30)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("harm", HARMS)
def test_a_W_that_is_gone_or_damaged_is_an_error_that_names_it(model, tmp_path, harm, reader):
    HARMS[harm](model.stored_W.path)
    with pytest.raises(dnmf.CheckpointError, match=r"run\.dnmf/W-chunked\.zarr"):
        READERS[reader](model, tmp_path)


@pytest.mark.parametrize("harm", HARMS)
def test_a_W_that_is_taken_lazily_is_looked_at_when_it_is_computed(model, harm):
    lazy = (model.W * model.d).rechunk((9, 2))[5:20]
    HARMS[harm](model.stored_W.path)
    with pytest.raises(dnmf.CheckpointError, match=r"W-chunked\.zarr"):
        lazy.compute()


@pytest.mark.parametrize("harm", HARMS)
def test_rows_outside_the_damage_can_still_be_read(model, harm):
    whole = model.read_W()
    HARMS[harm](model.stored_W.path)
    if model.stored_W.path.exists() and len(_chunks(model.stored_W.path)) > 1:
        np.testing.assert_array_equal(model.W[35:].compute(), whole[35:])
        np.testing.assert_array_equal(model.read_W(35), whole[35:])


@pytest.mark.parametrize("harm", HARMS)
def test_a_result_for_other_rows_is_looked_at_when_it_is_read(model, tmp_path, harm):
    rows = np.random.default_rng(0).random((30, 12))
    out = tmp_path / "results" / "rows.zarr"
    out.parent.mkdir()
    found = model.transform(rows, out=out)
    np.testing.assert_array_equal(found.compute(), model.transform(rows).compute())
    HARMS[harm](out)
    with pytest.raises(dnmf.CheckpointError, match=r"results/rows\.zarr"):
        found.compute()


@pytest.mark.broad(2)
@pytest.mark.parametrize("harm", HARMS)
def test_the_lazy_W_of_the_estimator_is_looked_at_when_it_is_computed(tmp_path, harm):
    zarr.create_array(tmp_path / "x.zarr", data=np.random.default_rng(0).random((50, 9)), chunks=(10, 9))
    nmf = dnmf.NMF(2, random_state=0, max_iter=2, store=tmp_path / "run.dnmf", tol=0)
    lazy = nmf.fit_transform(str(tmp_path / "x.zarr"))
    assert lazy.any().compute()
    HARMS[harm](nmf.model_.stored_W.path)
    for each in (lazy, lazy[:5], lazy * 2):
        with pytest.raises(dnmf.CheckpointError, match=r"run\.dnmf/W-"):
            each.compute()


@pytest.mark.broad(3)
@pytest.mark.parametrize("harm", [*HARMS, "its description was deleted"])
def test_a_run_whose_W_is_not_whole_is_not_loaded_or_says_so_when_it_is_read(tmp_path, harm):
    path = tmp_path / "run.dnmf"
    model = dnmf.fit(np.random.default_rng(0).random((50, 9)), 2, max_passes=2, store=path)
    (HARMS | {"its description was deleted": lambda array: (array / "zarr.json").unlink()})[harm](model.stored_W.path)
    with pytest.raises(dnmf.CheckpointError, match=r"run\.dnmf"):
        dnmf.load(path).read_W()


def test_a_row_that_was_not_scaled_yet_is_never_taken_for_zeros(model, tmp_path):
    raw = model.stored_W.path
    _chunks(raw)[1].unlink()
    shutil.copytree(raw, tmp_path / "W.zarr")
    with pytest.raises(dnmf.CheckpointError, match=r"W-chunked\.zarr.*missing"):
        rescale_rows(str(raw), str(tmp_path / "W.zarr"), Columns(np.arange(3), np.ones(3)), 0, ROWS)


@pytest.mark.slow
def test_workers_that_do_not_find_W_say_so(model, client):
    np.testing.assert_array_equal(client.compute(model.W).result(), model.read_W())
    lazy = model.W * model.d
    HARMS["its store was moved"](model.stored_W.path)
    with pytest.raises(dnmf.CheckpointError, match=r"W-chunked\.zarr: this array is gone.*see the path"):
        client.compute(lazy).result()


INDICES = [
    3, -1, slice(None), slice(2, 9), slice(-5, None), slice(30, 2, -3), slice(9, 9), slice(0, None, 7), [1, 30],
    (slice(3, 20), 1), (slice(3, 20), slice(None, 2)), (4, 2), (slice(None), [2, 0]), (slice(9, 9), 1), Ellipsis,
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_a_factor_on_disk_is_indexed_as_an_array_is(model, index):
    np.testing.assert_array_equal(model.stored_W[index], model.read_W()[index])


def test_a_row_beyond_the_end_is_an_IndexError(model):
    with pytest.raises(IndexError):
        model.stored_W[ROWS]


def test_W_has_one_name_as_long_as_its_files_are_the_same(model):
    assert model.W.name == opened_again(model).W.name
    zarr.open_array(model.stored_W.path, mode="r+")[:7] = 1
    assert model.W.name != opened_again(model).W.name


def opened_again(model):
    """The model with its W opened again."""
    return replace(model, stored_W=StoredFactor(model.stored_W.path))


def _zarr_with_a_hole(folder, values):
    array = zarr.create_array(folder / "given.zarr", data=values, chunks=(2, *values.shape[1:]))
    _chunks(folder / "given.zarr")[0].unlink()
    return array


def _hdf5_with_a_hole(folder, values):
    file = h5py.File(folder / "given.h5", "w")
    array = file.create_dataset("given", shape=values.shape, dtype=values.dtype, chunks=(2, *values.shape[1:]))
    array[2:] = values[2:]
    return array


def _as_dask(write):
    def given(folder, values):
        return da.from_array(write(folder, values), chunks=(2, *values.shape[1:]))

    return given


def _in_xarray(**how):
    def given(folder, values):
        xarray = pytest.importorskip("xarray")
        xarray.Dataset({"given": (("rows", "columns"), np.ceil(values).astype(int))}).to_zarr(
            folder / "given.zarr", zarr_format=2, encoding={"given": {"chunks": (2, *values.shape[1:])}}
        )
        (folder / "given.zarr" / "given" / "0.0").unlink()
        return xarray.open_dataset(folder / "given.zarr", engine="zarr", **how)["given"]

    return given


GIVEN_AS = {
    "Zarr": _zarr_with_a_hole, "HDF5": _hdf5_with_a_hole, "dask over Zarr": _as_dask(_zarr_with_a_hole),
    "dask over HDF5": _as_dask(_hdf5_with_a_hole), "xarray over dask": _in_xarray(chunks={}), "xarray": _in_xarray(),
}  # fmt: skip
A = np.random.default_rng(5).random((40, 12)) + 0.1


@cache
def _with_a_column():
    return dnmf.fit(A, 2, max_passes=1, constraints=dnmf.Constraints(fixed_W=A[:, :1]))


GIVEN_TO = {
    "fixed_H": (3, 12, lambda given, _: dnmf.Constraints(fixed_H=given)),
    "fixed_W": (40, 3, lambda given, _: dnmf.Constraints(fixed_W=given)),
    "target_H": (3, 12, lambda given, _: dnmf.Constraints(target_H=given)),
    "graph": (12, 12, lambda given, _: dnmf.Constraints(graph=given)),
    "H": (3, 12, lambda given, _: dnmf.fit(A, 3, H=given)),
    "W": (40, 3, lambda given, _: dnmf.fit(A, 3, W=given)),
    "H of a path": (3, 12, lambda given, _: dnmf.path(A, 3, dnmf.Penalty(l1=1), [0], H=given)),
    "similarity in W": (40, 3, lambda given, model: measures.similarity(model, given, side="W")),
    "similarity in H": (3, 12, lambda given, model: measures.similarity(model, given, side="H")),
    "H of the estimator": (3, 12, lambda given, _: dnmf.NMF(3, init="custom").fit(A, H=given)),
    "fixed_W of other rows": (40, 1, lambda given, _: _with_a_column().transform(A, fixed_W=given)),
    "matched in H": (3, 12, lambda given, model: measures.match(model, given, "H")),
    "the data": (40, 12, lambda given, _: dnmf.open_source(given).read(0, 40)),
    "data of the estimator": (40, 12, lambda given, _: dnmf.NMF(2).fit(given)),
    "a pair": (40, 3, lambda given, model: measures.similarity(model, (given, model.H), side="W")),
}


@pytest.mark.broad(20)
@pytest.mark.parametrize("kind", GIVEN_AS)
@pytest.mark.parametrize("door", GIVEN_TO)
def test_an_array_on_disk_that_is_given_beside_the_data_is_read_whole_or_refused(tmp_path, door, kind):
    rows, columns, use = GIVEN_TO[door]
    values = np.random.default_rng(1).random((rows, columns)) + 0.1
    with pytest.raises(dnmf.InputError, match="is missing or empty.* would read as zeros"):
        use(GIVEN_AS[kind](tmp_path, values), random_model(40, 12))


READS_STORES = {"sources/stored.py", "sources/datasets.py", "sources/zarr_stores.py"}
WRITES_STORES = {"passes/rows_out.py", "conversion/anndata_layout.py"}
OPENERS = {
    "zarr": {"open", "open_array", "open_group", "open_consolidated", "load"}, "h5py": {"File"},
    "array": {"from_zarr"}, "anndata": {"read_zarr", "read_h5ad", "read_elem"},
}  # fmt: skip


def _openings(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        holder = node.func.value
        name = holder.id if isinstance(holder, ast.Name) else getattr(holder, "attr", "")
        if node.func.attr in OPENERS.get(name, ()):
            modes = [keyword.value.value for keyword in node.keywords if keyword.arg == "mode"]
            yield modes[0] if modes else "r"


@pytest.mark.broad(90)
@pytest.mark.parametrize("path", sorted(Path(dnmf.__file__).parent.rglob("*.py")), ids=lambda path: path.name)
def test_stores_are_opened_for_reading_only_where_their_parts_are_looked_for(path):
    where, modes = path.relative_to(Path(dnmf.__file__).parent).as_posix(), set(_openings(path))
    assert not modes or where in READS_STORES or (where in WRITES_STORES and "r" not in modes)
