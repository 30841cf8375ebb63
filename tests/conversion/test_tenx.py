"""Matrices of 10x Genomics, as HDF5 and as directories: cells × features, with all that names them."""

import bz2
import gzip
import re

import anndata
import h5py
import numpy as np
import pytest
from scipy import io, sparse

import dnmf
from dnmf.conversion import convert
from dnmf.errors import InputError

CELLS, FEATURES = 25, 10
A = np.random.default_rng(0).poisson(0.6, (CELLS, FEATURES)).astype("int32")
BARCODES = [f"BC{i}-1" for i in range(CELLS)]
SYMBOLS = [f"gene{i}" if i else "twice" for i in range(FEATURES - 1)] + ["twice"]
IDS = [f"ENSG{i}" for i in range(FEATURES)]
TYPES = ["Gene Expression"] * 6 + ["Peaks"] * 3 + ["Antibody Capture"]
OF_GENES = np.array(TYPES) == "Gene Expression"


def text(values):
    return np.array([value.encode() for value in values])


def matrix_into(group, X):
    counts = sparse.csr_array(X)  # columns of features × cells
    group["shape"] = np.array(X.shape[::-1], "i4")
    for part in ("data", "indices", "indptr"):
        group[part] = getattr(counts, part)
    group["barcodes"] = text(BARCODES)


def version_3(path, types=("Gene Expression",) * FEATURES):
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        matrix_into(group, A)
        for name, values in {
            "name": SYMBOLS,
            "id": IDS,
            "feature_type": types,
            "genome": ["GRCh38"] * FEATURES,
        }.items():
            group[f"features/{name}"] = text(values)
        group["features/_all_tag_keys"] = text(["genome"])
    return path


def version_2(path, *genomes):
    with h5py.File(path, "w") as file:
        for number, genome in enumerate(genomes, 1):
            group = file.create_group(genome)
            matrix_into(group, A * number)
            group["gene_names"], group["genes"] = text(SYMBOLS), text(IDS)
    return path


def table(*columns):
    return "".join("\t".join(line) + "\n" for line in zip(*columns, strict=True)).encode()


def directory(path, types=("Gene Expression",) * FEATURES, pack=gzip.compress, ending=".gz", prefix="", genes=False):
    path.mkdir()
    io.mmwrite(path / "plain.mtx", sparse.coo_array(A.T), field="integer")
    (path / f"{prefix}matrix.mtx{ending}").write_bytes(pack((path / "plain.mtx").read_bytes()))
    (path / "plain.mtx").unlink()
    named = table(IDS, SYMBOLS) if genes else table(IDS, SYMBOLS, types)
    (path / f"{prefix}{'genes' if genes else 'features'}.tsv{ending}").write_bytes(pack(named))
    (path / f"{prefix}barcodes.tsv{ending}").write_bytes(pack(table(BARCODES)))
    return path


WHOLE = {
    "version 3": version_3,
    "version 2": lambda path: version_2(path, "hg19"),
    "directory": directory,
    "directory of Cell Ranger 2": lambda path: directory(path, pack=bytes, ending="", genes=True),
    "directory by bzip2": lambda path: directory(path, pack=bz2.compress, ending=".bz2"),
    "directory with a prefix": lambda path: directory(path, prefix="GSM1_"),
}


@pytest.mark.parametrize(
    "place", ["shape", "barcodes", "features/name", "features/id", "features/feature_type", "data"]
)
def test_parts_that_were_never_written_are_not_read_as_zeros_or_empty_text(tmp_path, place):
    path = version_3(tmp_path / "source.h5")
    with h5py.File(path, "a") as file:
        shape, dtype = file[f"matrix/{place}"].shape, file[f"matrix/{place}"].dtype
        del file[f"matrix/{place}"]
        file.create_dataset(f"matrix/{place}", shape, dtype, chunks=shape)
    with pytest.raises(InputError, match=rf"{place}.*missing"):
        convert(path, tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.broad(2)
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("kind", WHOLE)
def test_cells_and_features_keep_their_names(tmp_path, read_back, kind, transpose):
    report = convert(WHOLE[kind](tmp_path / "source"), tmp_path / "out.zarr", transpose=transpose)
    X = read_back(tmp_path / "out.zarr").toarray()
    np.testing.assert_array_equal(X, A.T if transpose else A)
    result = anndata.read_zarr(tmp_path / "out.zarr")
    cells, features = (result.var, result.obs) if transpose else (result.obs, result.var)
    assert list(cells.index) == BARCODES
    assert list(features.index) == SYMBOLS
    assert list(features["gene_ids"]) == IDS
    assert ["features as rows" in note for note in report.notes] == [True] * transpose


def multiome(kind, path):
    return version_3(path, TYPES) if kind == "file" else directory(path, TYPES)


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_features_of_several_types_are_told_apart_and_the_user_told(tmp_path, kind, caplog):
    report = convert(multiome(kind, tmp_path / "source"), tmp_path / "out.zarr")
    assert list(anndata.read_zarr(tmp_path / "out.zarr").var["feature_types"]) == TYPES
    (note,) = report.notes
    assert "'Antibody Capture' (1), 'Gene Expression' (6), 'Peaks' (3)" in note
    assert "--feature-type" in note
    assert caplog.messages == [note]


@pytest.mark.broad(2)
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_features_of_one_type_are_chosen(tmp_path, read_back, kind, transpose):
    source = multiome(kind, tmp_path / "source")
    calls = []
    report = convert(
        source, tmp_path / "out.zarr", feature_type="Gene Expression", transpose=transpose,
        progress=lambda *call: calls.append(call),
    )  # fmt: skip
    chosen = A[:, OF_GENES]
    X = read_back(tmp_path / "out.zarr").toarray()
    np.testing.assert_array_equal(X, chosen.T if transpose else chosen)
    result = anndata.read_zarr(tmp_path / "out.zarr")
    features = result.obs if transpose else result.var
    assert list(features["gene_ids"]) == IDS[:6]
    assert (len(report.notes), report.nonzeros) == (int(transpose), np.count_nonzero(chosen))
    assert calls[-1][0] == calls[-1][1]


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_type_that_is_not_there_is_refused(tmp_path, kind):
    with pytest.raises(InputError, match=r"no features of type 'Gene'; it holds 'Antibody Capture' \(1\)"):
        convert(multiome(kind, tmp_path / "source"), tmp_path / "out.zarr", feature_type="Gene")


def test_a_type_of_a_matrix_without_types_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", A)
    with pytest.raises(InputError, match="not a matrix of 10x Genomics"):
        convert(tmp_path / "a.npy", tmp_path / "out.zarr", feature_type="Peaks")


def test_several_genomes_ask_which(tmp_path, read_back):
    path = version_2(tmp_path / "two.h5", "hg19", "mm10")
    with pytest.raises(InputError, match=r"name one: .*two\.h5::hg19, .*two\.h5::mm10"):
        convert(path, tmp_path / "out.zarr")
    convert(f"{path}::mm10", tmp_path / "out.zarr")
    np.testing.assert_array_equal(read_back(tmp_path / "out.zarr").toarray(), 2 * A)


@pytest.mark.broad(1)
@pytest.mark.parametrize("make", [version_3, lambda path: version_2(path, "hg19")])
def test_what_the_refusal_says_works(tmp_path, make):
    path = make(tmp_path / "a.h5")
    with pytest.raises(InputError, match=f"dnmf convert {path} out.zarr"):
        dnmf.fit(path, 3)
    convert(path, tmp_path / "out.zarr")
    assert dnmf.fit(tmp_path / "out.zarr", 3, max_passes=2).column_names.tolist() == SYMBOLS


@pytest.mark.parametrize("transpose", [False, True])
def test_names_beside_a_matrix_file_are_used(tmp_path, transpose):
    folder = directory(tmp_path / "d", TYPES)
    report = convert(folder / "matrix.mtx.gz", tmp_path / "out.zarr", transpose=transpose)
    result = anndata.read_zarr(tmp_path / "out.zarr")
    cells, features = (result.obs, result.var) if transpose else (result.var, result.obs)
    assert (list(cells.index), list(features["feature_types"])) == (BARCODES, TYPES)
    assert "features of several types" in report.notes[0]


@pytest.mark.slow
def test_names_beside_a_matrix_of_cells_by_features_are_used(tmp_path):
    folder = directory(tmp_path / "d")
    io.mmwrite(folder / "cells.mtx", sparse.coo_array(A), field="integer")
    convert(folder / "cells.mtx", tmp_path / "out.zarr")
    result = anndata.read_zarr(tmp_path / "out.zarr")
    assert (list(result.obs_names), list(result.var_names)) == (BARCODES, SYMBOLS)


def test_names_beside_that_are_of_another_matrix_are_not_used(tmp_path):
    folder = directory(tmp_path / "d")
    (folder / "barcodes.tsv.gz").write_bytes(gzip.compress(b"one\n"))
    report = convert(folder / "matrix.mtx.gz", tmp_path / "out.zarr", transpose=True)
    assert any("barcodes.tsv.gz: names 1," in note and "not used" in note for note in report.notes)
    assert list(anndata.read_zarr(tmp_path / "out.zarr").obs_names) == [str(i) for i in range(CELLS)]
    with pytest.raises(InputError, match=r"barcodes\.tsv\.gz: names 1, but matrix\.mtx\.gz has 25 columns"):
        convert(folder, tmp_path / "b.zarr")


@pytest.mark.parametrize(
    ("wrong", "fits"), [("barcodes.tsv.gz", "features.tsv.gz"), ("features.tsv.gz", "barcodes.tsv.gz")]
)
def test_of_two_files_beside_a_matrix_it_is_said_which_does_not_fit(tmp_path, wrong, fits):
    folder = directory(tmp_path / "d")
    (folder / wrong).write_bytes(gzip.compress(b"one\n"))
    first, second = convert(folder / "matrix.mtx.gz", tmp_path / "out.zarr").notes
    assert f"{wrong}: names 1, which do not fit matrix.mtx.gz of shape 10 × 25; it is not used" in first
    assert f"{fits}: is not used either, though it fits" in second


@pytest.mark.parametrize("transpose", [False, True])
def test_features_that_stay_the_rows_of_a_matrix_file_are_told_of(tmp_path, transpose):
    report = convert(directory(tmp_path / "d") / "matrix.mtx.gz", tmp_path / "out.zarr", transpose=transpose)
    assert ["features as rows; cells are the rows with --transpose" in note for note in report.notes] == [True] * (
        not transpose
    )


@pytest.mark.broad(3)
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("kind", WHOLE)
def test_the_report_says_what_was_carried_over(tmp_path, kind, transpose):
    report = convert(WHOLE[kind](tmp_path / "source"), tmp_path / "out.zarr", transpose=transpose)
    result = anndata.read_zarr(tmp_path / "out.zarr")
    assert (report.row_names, report.column_names) == (True, True)
    assert (list(report.obs), list(report.var)) == (list(result.obs.columns), list(result.var.columns))
    assert "gene_ids" in (report.obs if transpose else report.var)


def test_names_beside_that_cannot_be_read_are_not_used(tmp_path):
    folder = directory(tmp_path / "d")
    (folder / "features.tsv.gz").write_bytes(b"caf\xe9")
    report = convert(folder / "matrix.mtx.gz", tmp_path / "out.zarr", transpose=True)
    assert "not UTF-8" in report.notes[0]
    with pytest.raises(InputError, match="not UTF-8"):
        convert(folder, tmp_path / "b.zarr")


def test_places_of_peaks_are_columns(tmp_path):
    folder = directory(tmp_path / "d", [f"Peaks\tchr1\t{i}\t{i + 5}" for i in range(FEATURES)])
    convert(folder, tmp_path / "out.zarr")
    var = anndata.read_zarr(tmp_path / "out.zarr").var
    assert var[["chrom", "start", "end"]].iloc[2].tolist() == ["chr1", "2", "7"]


def test_a_directory_without_features_says_so(tmp_path):
    folder = directory(tmp_path / "d")
    (folder / "features.tsv.gz").unlink()
    report = convert(folder, tmp_path / "out.zarr")
    assert "there is no features.tsv" in report.notes[0]
    assert list(anndata.read_zarr(tmp_path / "out.zarr").obs_names) == BARCODES


@pytest.mark.parametrize("first", ["one_matrix.mtx.gz", "matrix.mtx.gz", "GSM1_matrix.mtx.gz"])
@pytest.mark.parametrize("second", ["matrix.mtx", "two_matrix.mtx", "MATRIX.MTX.bz2", "GSM2_matrix.mtx.gz"])
def test_a_directory_of_several_matrices_asks_which(tmp_path, first, second):
    folder = directory(tmp_path / "d", prefix=first.removesuffix("matrix.mtx.gz"))
    (folder / second).write_bytes(b"")
    listed = ", ".join(sorted((first, second)))
    with pytest.raises(InputError, match=f"{re.escape(listed)}; name one"):
        convert(folder, tmp_path / "out.zarr")


@pytest.mark.parametrize("beside", ["matrix.mtx.gz.md5", "matrix.mtx.bak", "notes on matrix.mtx.txt", ".matrix.mtx"])
def test_what_only_speaks_of_a_matrix_is_no_second_one(tmp_path, beside):
    folder = directory(tmp_path / "d")
    (folder / beside).write_bytes(b"")
    assert convert(folder, tmp_path / "out.zarr").shape == A.shape


def test_a_target_may_lie_in_the_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(directory(tmp_path / "d"))
    assert convert(".", "out.zarr").shape == A.shape
    with pytest.raises(InputError, match="overlap|exists"):
        convert(".", tmp_path / "d")
