"""What an AnnData store knows of rows and columns is carried over; what is not is named."""

import shutil
import tracemalloc
import warnings

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from breadth import quickly
from pandas.testing import assert_frame_equal
from scipy import sparse

import dnmf
from dnmf.conversion import convert
from dnmf.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
ROWS, COLUMNS = 30, 12
WHOLE = {"array.write_empty_chunks": True}


def obs():
    rng = np.random.default_rng(0)
    types = pd.Categorical.from_codes(rng.integers(-1, 3, ROWS), ["B cell", "été", "NK"])
    return pd.DataFrame(
        {
            "cell type": types,
            "stage": pd.Categorical.from_codes(rng.integers(0, 2, ROWS), ["early", "late"], ordered=True),
            "depth": rng.random(ROWS),
            "counts": rng.integers(0, 2**40, ROWS),
            "small": rng.integers(0, 9, ROWS).astype("uint8"),
            "kept": rng.random(ROWS) < 0.5,
            "none": np.zeros(ROWS),
            "note": [f"π {i}" if i else "" for i in range(ROWS)],
            "whole": pd.array(np.where(np.arange(ROWS) % 3, 4, None), dtype="Int32"),
            "flag": pd.array(np.where(np.arange(ROWS) % 4, True, None), dtype="boolean"),
        },
        index=pd.Index([f"cell {i}\t" if i % 5 else "" for i in range(ROWS)], name="cell_id"),
    )


def var():
    return pd.DataFrame(
        {"ids": [f"ENSG{i}" for i in range(COLUMNS)], "hv": np.arange(COLUMNS) % 2 == 0},
        index=["twice", "twice", *(f"gene-{i}" for i in range(COLUMNS - 2))],
    )


def example(**parts):
    X = sparse.csr_array(np.random.default_rng(1).poisson(0.5, (ROWS, COLUMNS)).astype("float32"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return anndata.AnnData(sparse.csr_matrix(X), obs=obs(), var=var(), layers={"counts": X.copy()}, **parts)


def written(data, path, zarr_format=3):
    if path.suffix == ".h5ad":
        data.write_h5ad(path)
        return path
    with zarr.config.set(WHOLE), anndata.settings.override(zarr_write_format=zarr_format):
        data.write_zarr(path)
    return path


@pytest.fixture(params=["a.h5ad", "v2/a.zarr", "v3/a.zarr"])
def store(request, tmp_path):
    path = tmp_path / request.param
    path.parent.mkdir(exist_ok=True)
    return written(example(), path, 2 if "v2" in request.param else 3)


@pytest.mark.parametrize("zarr_format", quickly([3], of=[2, 3]))
@pytest.mark.parametrize("inner", ["", "::layers/counts"])
@pytest.mark.broad(1)
def test_all_columns_are_carried_over(tmp_path, store, inner, zarr_format):
    convert(f"{store}{inner}", tmp_path / "out.zarr", zarr_format=zarr_format)
    original = anndata.read_h5ad(store) if store.suffix == ".h5ad" else anndata.read_zarr(store)
    result = anndata.read_zarr(tmp_path / "out.zarr")
    assert_frame_equal(result.obs, original.obs)
    assert_frame_equal(result.var, original.var)


@pytest.mark.slow
def test_the_transpose_exchanges_them(tmp_path, store):
    convert(store, tmp_path / "out.zarr", transpose=True)
    result = anndata.read_zarr(tmp_path / "out.zarr")
    assert_frame_equal(result.obs, var(), check_dtype=False)
    assert list(result.var.columns) == list(obs().columns)


@pytest.mark.broad(1)
@pytest.mark.parametrize("kind", [sparse.csc_matrix, np.asarray])
def test_a_matrix_by_columns_or_dense_keeps_them(tmp_path, kind):
    data = example()
    data.X = kind(data.X.toarray())
    convert(written(data, tmp_path / "a.h5ad"), tmp_path / "out.zarr")
    result = anndata.read_zarr(tmp_path / "out.zarr")
    assert_frame_equal(result.obs, anndata.read_h5ad(tmp_path / "a.h5ad").obs)
    np.testing.assert_allclose(np.asarray(result.X.todense() if sparse.issparse(result.X) else result.X), data.to_df())


@pytest.mark.slow
def test_raw_has_columns_of_its_own(tmp_path):
    data = example()
    data.raw = data.copy()
    convert(f"{written(data[:, 3:].copy(), tmp_path / 'a.h5ad')}::raw/X", tmp_path / "out.zarr")
    result = anndata.read_zarr(tmp_path / "out.zarr")
    assert list(result.var["ids"]) == list(var()["ids"])
    assert list(result.obs.columns) == list(obs().columns)


@pytest.mark.slow
def test_what_is_not_carried_over_is_named(tmp_path, caplog):
    data = example(obsm={"X_pca": np.ones((ROWS, 2))}, uns={"how": "so"})
    report = convert(written(data, tmp_path / "a.h5ad"), tmp_path / "out.zarr")
    assert [note.split(": ", 1)[1] for note in report.notes] == ["not carried over: layers/counts, obsm/X_pca, uns/how"]
    assert caplog.messages == list(report.notes)
    report = convert(f"{tmp_path / 'a.h5ad'}::layers/counts", tmp_path / "b.zarr")
    assert report.notes[0].endswith("not carried over: X, obsm/X_pca, uns/how")
    assert convert(tmp_path / "b.zarr", tmp_path / "c.zarr").notes == ()


@pytest.mark.slow
def test_modalities_have_frames_of_their_own(tmp_path):
    data = example()
    with h5py.File(tmp_path / "a.h5mu", "w") as file:
        for name, some in (("rna", data[:, :5].copy()), ("prot", data[:, 5:].copy())):
            anndata.io.write_elem(file.require_group("mod"), name, some)
    convert(f"{tmp_path / 'a.h5mu'}::mod/prot", tmp_path / "out.zarr")
    report = convert(f"{tmp_path / 'a.h5mu'}::mod/rna/layers/counts", tmp_path / "b.zarr")
    assert report.notes[0].endswith("not carried over: mod/rna/X")
    assert list(anndata.read_zarr(tmp_path / "out.zarr").var["ids"]) == list(var()["ids"])[5:]


def old_file(path, write_frame):
    """A file as anndata before 0.8 wrote it: matrices without encodings, frames of two ages."""
    X = example().X
    with h5py.File(path, "w") as file:
        group = file.create_group("X")
        group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = "csr", np.array(X.shape)
        for part in ("data", "indices", "indptr"):
            group[part] = getattr(X, part)
        for name, frame in (("obs", obs()[["cell type", "depth"]]), ("var", var()[["ids"]])):
            write_frame(file, name, frame)
    return path


def as_table(file, name, frame):
    columns = {"index": frame.index.to_numpy("S12")}
    for column, values in frame.items():
        if values.dtype == "category":
            columns[column] = values.cat.codes.to_numpy()
            file[f"uns/{column}_categories"] = values.cat.categories.to_numpy(object)
        else:
            columns[column] = values.to_numpy() if values.dtype == float else values.to_numpy("S12")
    table = np.empty(len(frame), [(key, values.dtype) for key, values in columns.items()])
    for key, values in columns.items():
        table[key] = values
    file[name] = table


def as_in_0_7(file, name, frame):
    group = file.create_group(name)
    attributes = {"encoding-type": "dataframe", "encoding-version": "0.1.0", "_index": "cell_id"}
    group.attrs.update({**attributes, "column-order": list(frame.columns)})
    group["cell_id"] = frame.index.to_numpy(object)
    for column, values in frame.items():
        if values.dtype == "category":
            group[column] = values.cat.codes.to_numpy()
            group[f"__categories/{column}"] = values.cat.categories.to_numpy(object)
            group[f"__categories/{column}"].attrs["ordered"] = False
            group[column].attrs["categories"] = group[f"__categories/{column}"].ref
        else:
            group[column] = values.to_numpy() if values.dtype == float else values.to_numpy(object)


@pytest.mark.parametrize("write_frame", [as_table, as_in_0_7])
def test_frames_of_earlier_anndata_are_carried_over(tmp_path, write_frame):
    path = old_file(tmp_path / "old.h5ad", write_frame)
    convert(path, tmp_path / "out.zarr")
    result = anndata.read_zarr(tmp_path / "out.zarr")
    for found, given in ((result.obs, obs()[["cell type", "depth"]]), (result.var, var()[["ids"]])):
        given.index = given.index.str.strip("\0")
        assert_frame_equal(found.astype(given.dtypes), given, check_names=False)


@pytest.mark.slow
def test_a_column_that_no_store_can_hold_is_named(tmp_path):
    written(example(), tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "a") as file:
        del file["obs/depth"]
        file["obs/depth"] = np.ones((ROWS, 2))
    report = convert(tmp_path / "a.h5ad", tmp_path / "out.zarr")
    assert any("obs/depth" in note and "left out" in note for note in report.notes)
    assert "depth" not in anndata.read_zarr(tmp_path / "out.zarr").obs


@pytest.mark.broad(1)
@pytest.mark.parametrize("place", ["obs/cell_id", "var/_index"])
def test_lost_names_are_refused(tmp_path, nothing_left, place):
    written(example(), tmp_path / "a.zarr")
    (chunks,) = (path for path in (tmp_path / "a.zarr" / place).rglob("c") if "mask" not in path.parts)
    shutil.rmtree(chunks)
    with pytest.raises(InputError, match=f"{place}.*missing"):
        convert(tmp_path / "a.zarr", tmp_path / "out.zarr")
    nothing_left("a.zarr")


def index_of(obs, kind):
    """Names of the rows of `obs` in two chunks, as text, as numbers, or by their number in a list."""
    del obs["_index"]
    if kind == "numbers":
        obs.create_array("_index", data=np.array([3, 7, 4, 9]), chunks=(2,))
    else:
        index = obs.create_group("_index", attributes={"encoding-type": "categorical", "ordered": False})
        index.create_array("codes", data=np.arange(4, dtype="i1"), chunks=(2,))
        index.create_array("categories", data=np.array(list("abcd")), chunks=(4,))


@pytest.mark.broad(1)
@pytest.mark.parametrize(
    ("kind", "lost"),
    [
        ("numbers", "c/0"),
        ("numbers", "c/1"),
        ("codes", "codes/c/0"),
        ("codes", "codes/c/1"),
        ("codes", "categories/c/0"),
    ],
)
def test_names_by_number_do_not_become_the_first_where_numbers_are_lost(tmp_path, kind, lost):
    with anndata.settings.override(zarr_write_format=3):
        anndata.AnnData(np.eye(4), obs=pd.DataFrame(index=list("dcba"))).write_zarr(tmp_path / "a.zarr")
    index_of(zarr.open_group(tmp_path / "a.zarr")["obs"], kind)
    assert len(set(dnmf.open_source(tmp_path / "a.zarr").row_names())) == 4
    (tmp_path / "a.zarr/obs/_index" / lost).unlink()
    for read in (lambda path: dnmf.open_source(path).row_names(), lambda path: convert(path, tmp_path / "out.zarr")):
        with pytest.raises(InputError, match="_index.*missing"):
            read(tmp_path / "a.zarr")


def test_a_table_of_names_that_was_never_written_is_refused(tmp_path):
    with h5py.File(old_file(tmp_path / "old.h5ad", as_table), "a") as file:
        shape, dtype = file["obs"].shape, file["obs"].dtype
        del file["obs"]
        file.create_dataset("obs", shape, dtype, chunks=shape)
    for read in (lambda path: dnmf.open_source(path).row_names(), lambda path: convert(path, tmp_path / "out.zarr")):
        with pytest.raises(InputError, match="obs.*missing"):
            read(tmp_path / "old.h5ad")


@pytest.mark.slow
def test_a_column_whose_chunks_are_not_there_is_named(tmp_path):
    """Zarr leaves out chunks of zeros, so they may be that; or lost."""
    written(example(), tmp_path / "a.zarr")
    shutil.rmtree(tmp_path / "a.zarr/obs/none/c")
    report = convert(tmp_path / "a.zarr", tmp_path / "out.zarr")
    assert any("obs/none" in note and "taken for zeros" in note for note in report.notes)
    assert_frame_equal(anndata.read_zarr(tmp_path / "out.zarr").obs, anndata.read_zarr(tmp_path / "a.zarr").obs)


@pytest.mark.slow
def test_what_anndata_leaves_out_is_not_missed(tmp_path):
    """Masks where nothing is masked, the first of the categories: Zarr writes no chunks of zeros."""
    data = example()
    data.obs["one"] = pd.Categorical(["only"] * ROWS)
    data.obs["whole"] = pd.array([7] * ROWS, dtype="Int32")
    data.obs.index = data.obs.index.astype("string")
    with anndata.settings.override(allow_write_nullable_strings=True):
        data.write_zarr(tmp_path / "a.zarr")
    report = convert(tmp_path / "a.zarr", tmp_path / "out.zarr")
    assert_frame_equal(anndata.read_zarr(tmp_path / "out.zarr").obs, anndata.read_zarr(tmp_path / "a.zarr").obs)
    assert not any("obs/whole" in note for note in report.notes)


def test_a_column_of_another_length_is_refused(tmp_path, nothing_left):
    written(example(), tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "a") as file:
        del file["obs/depth"]
        file["obs/depth"] = np.ones(ROWS + 1)
    with pytest.raises(InputError, match=r"obs/depth: 31 values for 30"):
        convert(tmp_path / "a.h5ad", tmp_path / "out.zarr")
    nothing_left("a.h5ad")


@pytest.mark.parametrize("transpose", [False, True])
def test_given_names_are_those_of_the_target(tmp_path, transpose):
    np.save(tmp_path / "a.npy", np.ones((3, 4), "float32"))
    rows, columns = (4, 3) if transpose else (3, 4)
    names = {"row_names": [f"r{i}" for i in range(rows)], "column_names": [f"c{i}" for i in range(columns)]}
    convert(tmp_path / "a.npy", tmp_path / "out.zarr", transpose=transpose, **names)
    result = anndata.read_zarr(tmp_path / "out.zarr")
    assert [list(result.obs_names), list(result.var_names)] == [*names.values()]
    with pytest.raises(InputError, match="5 names were given"):
        convert(tmp_path / "a.npy", tmp_path / "b.zarr", transpose=transpose, column_names=list("abcde"))


@pytest.mark.slow
def test_given_names_leave_the_other_columns(tmp_path):
    convert(written(example(), tmp_path / "a.h5ad"), tmp_path / "out.zarr", row_names=range(100, 100 + ROWS))
    result = anndata.read_zarr(tmp_path / "out.zarr")
    assert result.obs_names[0] == "100"
    assert list(result.obs.columns) == list(obs().columns)


def test_rows_without_names_are_numbered(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((3, 4), "float32"))
    convert(tmp_path / "a.npy", tmp_path / "out.zarr")
    result = anndata.read_zarr(tmp_path / "out.zarr")
    assert [list(result.obs_names), list(result.var_names)] == [list("012"), list("0123")]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_frame(tmp_path):
    def peak(rows):
        frame = {"text": [f"a text of some length {i}" for i in range(rows)], "number": np.arange(rows)}
        data = anndata.AnnData(sparse.csr_matrix((rows, 2), dtype="float32"), obs=pd.DataFrame(frame))
        data.obs_names = [f"cell-{i}" for i in range(rows)]
        data.write_h5ad(tmp_path / f"{rows}.h5ad")
        del data, frame
        tracemalloc.start()
        try:
            convert(tmp_path / f"{rows}.h5ad", tmp_path / f"{rows}.zarr", memory_bytes=2**20, chunk_bytes=2**16)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1000)
    assert peak(80_000) < 1.3 * peak(40_000)
