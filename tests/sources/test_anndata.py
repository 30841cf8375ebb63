"""AnnData: stores written by anndata (Zarr v2, v3, .h5ad), objects in memory, backed, and dask-backed."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
import zarr
from source_contract import COLUMN_NAMES, COLUMNS, ROW_NAMES, ROWS, SourceContract, StoredContract, read, small_matrix

from dnmf import fit, open_source
from dnmf.errors import InputError
from dnmf.sources.choices import view_in_file

anndata = pytest.importorskip("anndata", reason="anndata is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")  # about Zarr's versions
pd = pytest.importorskip("pandas", reason="pandas is not installed")


def annotated(X, **layers):
    frames = {"obs": pd.DataFrame(index=ROW_NAMES), "var": pd.DataFrame(index=COLUMN_NAMES)}
    return anndata.AnnData(X, **frames, layers=layers)


def written(adata, folder, suffix):
    path = folder / f"a{suffix[-5:]}"
    if suffix == ".h5ad":
        adata.write_h5ad(path)
        return path
    with anndata.settings.override(zarr_write_format=int(suffix[1])):
        adata.write_zarr(path)
    return path


def store(convert, suffix, inner="", layer=False):
    def make(A, folder):
        X = convert(A)
        adata = annotated(np.ones_like(A), counts=X) if layer else annotated(X)
        path = written(adata, folder, suffix)
        return f"{path}{inner}" if inner else path

    return make


def formats(name, convert):
    return {f"{name} {suffix}": store(convert, suffix) for suffix in ("v2.zarr", "v3.zarr", ".h5ad")}


csr, csc = scipy.sparse.csr_matrix, scipy.sparse.csc_matrix


def with_indices(matrix, dtype):
    matrix.indices, matrix.indptr = matrix.indices.astype(dtype), matrix.indptr.astype(dtype)
    return matrix


def short_columns(A, folder):
    """Column numbers of 16 bits, which scipy does not have but a store can."""
    path = written(annotated(csr(A)), folder, "v3.zarr")
    group = zarr.open_group(path, mode="r+")["X"]
    group.create_array("indices", data=group["indices"][:].astype(np.uint16), overwrite=True)
    zarr.consolidate_metadata(path)
    return path


class AnnDataContract(StoredContract):
    NAMED = True

    def change(self, data):
        path = Path(data.partition("::")[0])
        A = small_matrix()
        A[1, 1] += 1
        A[2] = 3
        for old in [path] if path.is_file() else sorted(path.rglob("*"), reverse=True):
            old.rmdir() if old.is_dir() else old.unlink()
        if path.is_dir():
            path.rmdir()
        layer = {"counts": csr(A)} if "layers" in data else {}
        written(annotated(csr(A), **layer), path.parent, ".h5ad" if path.suffix == ".h5ad" else "v3.zarr")


class TestStoredCsr(AnnDataContract):
    SPARSE = True
    CASES = {
        **formats("CSR", csr),
        "layer v3.zarr": store(csr, "v3.zarr", "::layers/counts", layer=True),
        "layer .h5ad": store(csr, ".h5ad", "::layers/counts", layer=True),
        "by name": store(csr, "v3.zarr", "::X"),
        "CSR array, integers": store(lambda A: scipy.sparse.csr_array(A.astype(np.uint16)), "v3.zarr"),
        "long columns": store(lambda A: with_indices(csr(A), np.int64), "v3.zarr"),
        "short columns": short_columns,
    }


class TestStoredCsc(AnnDataContract):
    """Served as the transpose, which is CSR."""

    SPARSE = True
    CASES = {**formats("CSC", csc), "layer v3.zarr": store(csc, "v3.zarr", "::layers/counts", layer=True)}

    def test_rows_and_columns_are_exchanged(self, source):
        assert source.transposed
        assert source.shape == (COLUMNS, ROWS)


class TestStoredDense(AnnDataContract):
    SPARSE = False
    CASES = {
        **formats("dense", np.asarray),
        "layer .h5ad": store(np.asarray, ".h5ad", "::layers/counts", layer=True),
        "integers": store(lambda A: A.astype(np.int32), "v3.zarr"),
    }


class TestInMemory(SourceContract):
    NAMED, SPARSE = True, True
    CASES = {
        "CSR": lambda A, folder: annotated(csr(A)),
        "CSC": lambda A, folder: annotated(csc(A)),
        "CSR array": lambda A, folder: annotated(scipy.sparse.csr_array(A)),
        "a view": lambda A, folder: anndata.concat([annotated(csr(A)), annotated(csr(A))], index_unique="")[:ROWS],
    }

    def test_names_are_carried(self, source, case):
        if case != "a view":  # concat renames
            super().test_names_are_carried(source)


class TestInMemoryDense(SourceContract):
    NAMED, SPARSE = True, False
    CASES = {
        "dense": lambda A, folder: annotated(A),
        "a view": lambda A, folder: annotated(A)[:, :],
    }


def backed(A, folder):
    return anndata.read_h5ad(written(annotated(csr(A)), folder, ".h5ad"), backed="r")


class TestBacked(SourceContract):
    NAMED, SPARSE = True, True
    CASES = {"CSR": backed, "its X": lambda A, folder: backed(A, folder).X}


def dask_backed(convert):
    def make(A, folder):
        import dask.array

        X = dask.array.from_array(A, chunks=(6, COLUMNS)).map_blocks(convert)
        return annotated(X)

    return make


class TestDaskBacked(SourceContract):
    NAMED, SPARSE = True, True
    CASES = {"CSR": dask_backed(csr), "CSR array": dask_backed(scipy.sparse.csr_array)}


def test_a_view_of_a_backed_object_is_a_view_of_its_file(tmp_path):
    A, seen = small_matrix(), np.arange(COLUMNS) % 3 > 0
    whole = backed(A, tmp_path)
    for view, expected in ((whole[:5], A[:5]), (whole[[7, 2]], A[[7, 2]]), (whole[3:9, seen], A[3:9][:, seen])):
        source = open_source(view)
        np.testing.assert_array_equal(read(source, 0, len(expected)), expected)
        assert source.row_names().tolist() == view.obs_names.tolist()
        assert source.column_names().tolist() == view.var_names.tolist()
        assert source.stored_arrays()


def test_a_view_of_a_backed_object_that_does_not_say_what_it_shows_is_refused(tmp_path):
    silent = SimpleNamespace(filename=tmp_path / "a.h5ad")
    with pytest.raises(InputError, match=r"a view of the AnnData backed by .*a\.h5ad.*rows=…, columns=…"):
        view_in_file(silent, open_source)


def test_an_object_without_X_is_refused():
    adata = annotated(None)
    adata.layers["spliced"] = csr(small_matrix())
    with pytest.raises(
        InputError, match=r"has no X; .*layers\['spliced'\], with row_names=adata.obs_names, column_names"
    ):
        open_source(adata)
    source = open_source(adata.layers["spliced"], row_names=adata.obs_names, column_names=adata.var_names)
    assert (source.row_names().tolist(), source.column_names().tolist()) == (ROW_NAMES, COLUMN_NAMES)


@pytest.mark.parametrize("place", ["X", "layers/counts", "layers", "X/", "layers::counts"])
@pytest.mark.parametrize("suffix", ["v3.zarr", "v2.zarr"])
@pytest.mark.broad(2)
def test_a_path_that_leads_into_a_store_keeps_its_names(suffix, place, tmp_path):
    path = written(annotated(csr(small_matrix()), counts=csr(small_matrix())), tmp_path, suffix)
    source = open_source(f"{path}/{place}")
    assert source.row_names().tolist() == ROW_NAMES
    assert source.column_names().tolist() == COLUMN_NAMES
    assert source.address.startswith(f"{path}::")


def test_a_matrix_in_a_store_of_another_kind_is_opened_where_it_is(tmp_path):
    zarr.create_group(tmp_path / "g.zarr").create_array("X", data=small_matrix())
    assert open_source(tmp_path / "g.zarr" / "X").address == str(tmp_path / "g.zarr" / "X")


@pytest.mark.broad(3)
@pytest.mark.parametrize("layers", [["counts"], ["counts", "spliced"]])
@pytest.mark.parametrize("suffix", ["v3.zarr", "v2.zarr", ".h5ad"])
def test_a_store_without_X_asks_which_matrix_is_meant(suffix, layers, tmp_path):
    adata = annotated(None)
    adata.layers.update({name: csr(small_matrix()) for name in layers})
    with pytest.raises(InputError, match=r"say which matrix with .*::NAME; it holds layers/counts"):
        open_source(written(adata, tmp_path, suffix))


def test_messages_call_an_object_what_the_caller_has():
    with pytest.raises(InputError, match=r"AnnData.*negative|AnnData.*-1"):
        fit(annotated(csr(-1.0 - small_matrix())), rank=2)


def test_an_object_of_several_modalities_is_refused_by_what_to_give():
    class MuData:
        obs_names, var_names, X, mod = ["a"], ["b"], None, {}

    with pytest.raises(InputError, match=r"MuData holds several matrices; .*mdata\['rna'\]"):
        open_source(MuData())


@pytest.mark.parametrize("suffix", ["v3.zarr", ".h5ad"])
def test_other_matrices_carry_the_names_that_fit_them(tmp_path, suffix):
    adata = annotated(csr(small_matrix()))
    adata.obsm["scores"], adata.varm["loadings"] = np.ones((ROWS, 3)), np.ones((COLUMNS, 2))
    adata.raw = adata
    adata = adata[:, :6].copy()
    path = written(adata, tmp_path, suffix)
    scores = open_source(f"{path}::obsm/scores")
    assert (scores.row_names().tolist(), scores.column_names()) == (ROW_NAMES, None)
    assert open_source(f"{path}::varm/loadings").row_names().tolist() == COLUMN_NAMES[:6]
    raw = open_source(f"{path}::raw/X")
    assert raw.row_names().tolist() == ROW_NAMES
    assert raw.column_names().tolist() == COLUMN_NAMES
    assert open_source(path).column_names().tolist() == COLUMN_NAMES[:6]


@pytest.mark.broad(3)
@pytest.mark.parametrize("suffix", ["v2.zarr", "v3.zarr", ".h5ad"])
@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_names_of_any_text_type_are_read(tmp_path, suffix, dtype):
    adata = annotated(csr(small_matrix()))
    adata.obs["key"] = pd.array(ROW_NAMES, dtype=dtype)
    with anndata.settings.override(allow_write_nullable_strings=True):
        adata.obs = adata.obs.set_index("key")
        path = written(adata, tmp_path, suffix)
    assert open_source(path).row_names().tolist() == ROW_NAMES


def test_damaged_names_are_refused_not_read_as_empty(tmp_path):
    path = written(annotated(csr(small_matrix())), tmp_path, "v3.zarr")
    files = (p for p in (path / "obs/_index").rglob("*") if p.is_file() and p.name != "zarr.json")
    next(p for p in files if "mask" not in p.parts).unlink()
    with pytest.raises(InputError, match=r"obs/_index.*names is missing or empty"):
        open_source(path).row_names()


def test_an_all_zero_sparse_store_reads_where_absence_is_said_to_mean_zeros(tmp_path):
    path = written(annotated(csr((ROWS, COLUMNS), dtype=np.float32)), tmp_path, "v3.zarr")
    source = open_source(path, missing_chunks="zeros")
    assert not read(source, 0, ROWS).any()


def stored_without_X(folder, kind):
    """A store whose X is None, as older anndata writes it: a scalar of Zarr, a dataset without a shape."""
    null = {"encoding-type": "null", "encoding-version": "0.1.0"}
    if kind == ".h5ad":
        h5py = pytest.importorskip("h5py", reason="h5py is not installed")
        with h5py.File(folder / "a.h5ad", "w") as file:
            file.create_dataset("X", data=h5py.Empty("f")).attrs.update(null)
            file["layers/counts"] = small_matrix()
        return folder / "a.h5ad"
    root = zarr.open_group(folder / "a.zarr", mode="w", zarr_format=int(kind[1]))
    root.create_array("X", shape=(), dtype="bool", attributes=null)
    root.create_group("layers").create_array("counts", data=small_matrix())
    return folder / "a.zarr"


@pytest.mark.parametrize("kind", ["v2.zarr", "v3.zarr", ".h5ad"])
def test_an_X_that_is_nothing_is_none(kind, tmp_path):
    path = stored_without_X(tmp_path, kind)
    with pytest.raises(InputError, match=r"say which matrix with .*::NAME; it holds layers/counts"):
        open_source(path)
    with pytest.raises(InputError, match=r"::X: there is nothing in it; the store holds layers/counts"):
        open_source(f"{path}::X")
    assert open_source(f"{path}::layers/counts").shape == small_matrix().shape


def test_the_raw_of_a_backed_anndata_is_read_with_its_names(tmp_path):
    adata = annotated(csr(small_matrix()))
    adata.raw = adata
    path = written(adata[:, :6].copy(), tmp_path, ".h5ad")
    raw = open_source(anndata.read_h5ad(path, backed="r").raw)
    np.testing.assert_array_equal(read(raw, 0, ROWS), small_matrix())
    assert (raw.row_names().tolist(), raw.column_names().tolist()) == (ROW_NAMES, COLUMN_NAMES)
