"""AnnData stores, plain Zarr arrays and 10x files: copied by rows, or sorted where stored by columns."""

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from breadth import quickly
from random_matrices import random_csr
from scipy import sparse

from dnmf.conversion import convert
from dnmf.errors import InputError

WHOLE = {"array.write_empty_chunks": True}


def example(kind, dtype="float32", rows=70, columns=20):
    X = random_csr((rows, columns), 0.3)
    X.data = np.ceil(X.data * 200)
    X = X.astype(dtype)
    make = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": lambda x: x.toarray()}[kind]
    data = anndata.AnnData(
        make(X),
        obs=pd.DataFrame(index=[f"cell-{i}é" for i in range(rows)]),
        var=pd.DataFrame(index=[f"gene-{i}" for i in range(columns)]),
        layers={"counts": make(X * 2)},
    )
    return X.toarray(), data


def write(data, path, zarr_format=3):
    if path.suffix == ".h5ad":
        data.write_h5ad(path)
        return path
    with zarr.config.set(WHOLE), anndata.settings.override(zarr_write_format=zarr_format):
        data.write_zarr(path, chunks=(7, data.n_vars) if isinstance(data.X, np.ndarray) else None)
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
@pytest.mark.parametrize("name", quickly(["a.h5ad"], of=["a.h5ad", "a.zarr"]))
@pytest.mark.broad(1)
def test_matrices_and_names_are_carried_over(tmp_path, read_back, name, kind, transpose):
    X, data = example(kind)
    write(data, tmp_path / name)
    for inner, stored in (("", X), ("::X", X), ("::layers/counts", 2 * X)):
        report = convert(
            f"{tmp_path / name}{inner}",
            tmp_path / "out.zarr",
            transpose=transpose,
            overwrite=True,
            chunk_bytes=600,
        )
        expected = stored.T if transpose else stored
        result = read_back(tmp_path / "out.zarr")
        result = result.toarray() if sparse.issparse(result) else result
        np.testing.assert_array_equal(result, expected)
        assert (report.shape, report.kind) == (expected.shape, "dense" if kind == "dense" else "csr")
        out = anndata.read_zarr(tmp_path / "out.zarr")
        names = (data.obs_names, data.var_names)
        assert [list(out.obs_names), list(out.var_names)] == [list(n) for n in (names[::-1] if transpose else names)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.broad(4)
def test_a_path_that_leads_into_a_store_keeps_its_names(tmp_path):
    frames = {"obs": pd.DataFrame(index=["a", "b", "c"]), "var": pd.DataFrame(index=["g", "h"])}
    anndata.AnnData(sparse.csr_matrix(np.ones((3, 2), "f4")), **frames).write_zarr(tmp_path / "a.zarr")
    convert(tmp_path / "a.zarr" / "X", tmp_path / "out.zarr")
    found = anndata.read_zarr(tmp_path / "out.zarr")
    assert (list(found.obs_names), list(found.var_names)) == (["a", "b", "c"], ["g", "h"])


@pytest.mark.filterwarnings("ignore")
def test_raw_has_genes_of_its_own(tmp_path):
    X, data = example("csr")
    data.raw = data.copy()
    write(data[:, :5].copy(), tmp_path / "a.h5ad")
    convert(f"{tmp_path / 'a.h5ad'}::raw/X", tmp_path / "out.zarr")
    out = anndata.read_zarr(tmp_path / "out.zarr")
    assert out.shape == X.shape
    assert list(out.var_names) == list(data.var_names)


@pytest.mark.broad(1)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_a_small_budget_gives_the_same_store(tmp_path, read_back, kind):
    X, data = example(kind, "uint16", rows=2000, columns=50)
    write(data, tmp_path / "a.zarr", zarr_format=2)
    convert(tmp_path / "a.zarr", tmp_path / "out.zarr", memory_bytes=2**20)
    np.testing.assert_array_equal(read_back(tmp_path / "out.zarr").toarray(), X)


@pytest.mark.parametrize("transpose", [False, True])
def test_a_plain_zarr_array_becomes_a_dense_anndata(tmp_path, read_back, transpose):
    array = np.random.default_rng(0).random((30, 8)).astype("float32")
    store = zarr.create_array(tmp_path / "a.zarr", data=array, chunks=(4, 3))
    assert store.shape == (30, 8)
    convert(tmp_path / "a.zarr", tmp_path / "out.zarr", transpose=transpose, chunk_bytes=200)
    np.testing.assert_array_equal(read_back(tmp_path / "out.zarr"), array.T if transpose else array)


@pytest.mark.broad(1)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", ["data", "indices", "indptr"])
def test_a_missing_chunk_is_never_read_as_zeros(tmp_path, nothing_left, part):
    _, data = example("csr")
    write(data, tmp_path / "a.zarr")
    (tmp_path / "a.zarr" / "X" / part / "c" / "0").unlink()
    with pytest.raises(InputError, match=f"X/{part}.*missing"):
        convert(tmp_path / "a.zarr", tmp_path / "out.zarr")
    nothing_left("a.zarr")


def test_missing_chunks_are_zeros_when_the_caller_says_so(tmp_path, read_back):
    array = zarr.create_array(tmp_path / "a.zarr", shape=(6, 2), chunks=(3, 2), dtype="float32")
    array[3:] = 1
    with pytest.raises(InputError, match="missing"):
        convert(tmp_path / "a.zarr", tmp_path / "out.zarr")
    convert(tmp_path / "a.zarr", tmp_path / "out.zarr", missing_chunks="zeros")
    assert read_back(tmp_path / "out.zarr").sum() == 6


@pytest.mark.broad(6)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
@pytest.mark.parametrize("bad", [np.nan, -3, np.inf])
def test_a_bad_value_is_refused_with_its_cell(tmp_path, nothing_left, kind, bad):
    _, data = example("dense")
    data.X[51, 13] = bad
    data.X = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}[kind](data.X)
    write(data, tmp_path / "a.h5ad")
    with pytest.raises(InputError, match="row 51, column 13"):
        convert(tmp_path / "a.h5ad", tmp_path / "out.zarr")
    nothing_left("a.h5ad")


def test_the_source_is_not_changed(tmp_path):
    _, data = example("csc")
    path = write(data, tmp_path / "a.h5ad")
    before = path.read_bytes()
    convert(path, tmp_path / "out.zarr", transpose=True)
    assert path.read_bytes() == before


def tenx_file(path, X):
    counts = sparse.csc_matrix(X.T)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(counts, name)
        group["shape"] = counts.shape
        group["barcodes"] = np.array([f"AC-{i}" for i in range(X.shape[0])], "S")
        group["features/id"] = np.array([f"ENSG{i}" for i in range(X.shape[1])], "S")
        group["features/name"] = np.array([f"gene-{i}" for i in range(X.shape[1])], "S")
    return path


@pytest.mark.parametrize("transpose", [False, True])
def test_a_10x_file_becomes_cells_by_genes(tmp_path, read_back, transpose):
    X, _ = example("dense", "int32")
    source = tenx_file(tmp_path / "filtered.h5", X)
    report = convert(source, tmp_path / "out.zarr", transpose=transpose)
    assert report.dtype == "int32"
    np.testing.assert_array_equal(read_back(tmp_path / "out.zarr").toarray(), X.T if transpose else X)
    out = anndata.read_zarr(tmp_path / "out.zarr")
    cells, genes = [f"AC-{i}" for i in range(70)], [f"gene-{i}" for i in range(20)]
    assert [list(out.obs_names), list(out.var_names)] == ([genes, cells] if transpose else [cells, genes])


def test_a_damaged_10x_file_is_refused(tmp_path, nothing_left):
    X, _ = example("dense", "int32")
    source = tenx_file(tmp_path / "filtered.h5", X)
    with h5py.File(source, "r+") as file:
        file["matrix/indices"][40] = 99
    with pytest.raises(InputError, match="holds the index 99, outside 0…19"):
        convert(source, tmp_path / "out.zarr")
    with h5py.File(source, "r+") as file:
        del file["matrix/barcodes"]
        file["matrix/barcodes"] = np.array(["AC-0"], "S")
    with pytest.raises(InputError, match="1 cells named"):
        convert(source, tmp_path / "out.zarr")
    nothing_left("filtered.h5")


@pytest.mark.parametrize("inner", ["layers/none", "obs"])
def test_a_matrix_that_is_not_there_is_refused(tmp_path, nothing_left, inner):
    _, data = example("csr")
    write(data, tmp_path / "a.h5ad")
    with pytest.raises(InputError, match=inner):
        convert(f"{tmp_path / 'a.h5ad'}::{inner}", tmp_path / "out.zarr")
    nothing_left("a.h5ad")
