"""Stores of other programs, and of AnnData in its earlier layouts, are read or sent to what reads them."""

import h5py
import numpy as np
import pytest
from scipy import sparse

import dnmf
from dnmf.errors import InputError

A = np.random.default_rng(0).poisson(0.4, (40, 12)).astype("float32")


def old_matrix(file, name, kind):
    if kind == "dense":
        file[name] = A
        return
    matrix = sparse.csr_array(A) if kind == "csr" else sparse.csc_array(A)
    group = file.create_group(name)
    group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = kind, np.array(A.shape)
    for part in ("data", "indices", "indptr"):
        group[part] = getattr(matrix, part)


def rows_of(source):
    rows = source.read(0, source.shape[0])
    if not isinstance(rows, np.ndarray):
        rows = sparse.csr_array(tuple(rows), shape=source.shape).toarray()
    return rows.T if source.transposed else rows


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
def test_an_h5ad_of_before_0_7_is_read_with_its_names(tmp_path, kind):
    with h5py.File(tmp_path / "old.h5ad", "w") as file:
        old_matrix(file, "X", kind)
        for frame, length in (("obs", 40), ("var", 12)):
            rows = [(f"{frame}{i}".encode(), i) for i in range(length)]
            file[frame] = np.array(rows, dtype=[("index", "S6"), ("depth", "i4")])
    source = dnmf.open_source(tmp_path / "old.h5ad")
    np.testing.assert_array_equal(rows_of(source), A)
    names = [source.row_names(), source.column_names()][:: -1 if source.transposed else 1]
    assert [list(names[0][:2]), list(names[1][:2])] == [["obs0", "obs1"], ["var0", "var1"]]


def modalities(path, *names):
    with h5py.File(path, "w") as file:
        for name in names:
            old_matrix(file, f"mod/{name}/X", "csr")
            file[f"mod/{name}/layers/raw"] = 2 * A
    return path


def test_a_modality_means_its_x(tmp_path):
    path = modalities(tmp_path / "a.h5mu", "rna", "prot")
    np.testing.assert_array_equal(rows_of(dnmf.open_source(f"{path}::mod/rna")), A)
    np.testing.assert_array_equal(rows_of(dnmf.open_source(f"{path}::mod/prot/layers/raw")), 2 * A)
    dnmf.convert(f"{path}::mod/rna", tmp_path / "out.zarr")
    np.testing.assert_array_equal(rows_of(dnmf.open_source(tmp_path / "out.zarr")), A)


@pytest.mark.parametrize("call", [dnmf.open_source, lambda path: dnmf.convert(path, path.with_suffix(".zarr"))])
def test_several_modalities_ask_which(tmp_path, call):
    with pytest.raises(InputError, match=r"a\.h5mu::mod/prot, .*a\.h5mu::mod/rna"):
        call(modalities(tmp_path / "a.h5mu", "rna", "prot"))


def test_what_there_is_names_the_matrices_in_groups(tmp_path):
    with pytest.raises(InputError, match=r"it holds mod/rna/?"):
        dnmf.open_source(f"{modalities(tmp_path / 'a.h5mu', 'rna')}::mod/none")


OTHERS = {
    "loom": (("matrix", "row_attrs/Gene", "col_attrs/CellID"), "genes × cells.*read_loom"),
    "h5Seurat": (("assays/RNA/counts/data", "cell.names"), "SeuratDisk"),
    "10x": (tuple(f"matrix/{part}" for part in ("barcodes", "data", "indices", "indptr", "shape")), "dnmf convert"),
}


@pytest.mark.parametrize("layout", OTHERS)
def test_the_layout_of_another_program_is_told(tmp_path, layout):
    places, way = OTHERS[layout]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for place in places:
            file[place] = A
    with pytest.raises(InputError, match=way):
        dnmf.open_source(tmp_path / "a.h5")


def test_a_matrix_of_another_program_is_read_where_it_is_named(tmp_path):
    with h5py.File(tmp_path / "a.loom", "w") as file:
        for place in OTHERS["loom"][0]:
            file[place] = A
    np.testing.assert_array_equal(rows_of(dnmf.open_source(f"{tmp_path / 'a.loom'}::matrix")), A)


@pytest.fixture
def with_a_named_type(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["T"], file["M"] = np.dtype("f8"), A
    return tmp_path / "a.h5"


def test_a_named_data_type_is_no_matrix(with_a_named_type):
    refused = "a.h5::T: no matrix, a Datatype; the store holds M, T"
    with h5py.File(with_a_named_type) as file:
        for data in (f"{with_a_named_type}::T", file["T"]):
            with pytest.raises(InputError, match=refused):
                dnmf.open_source(data)


def test_a_named_data_type_does_not_hide_the_matrix_beside_it(with_a_named_type):
    np.testing.assert_array_equal(rows_of(dnmf.open_source(with_a_named_type)), A)
