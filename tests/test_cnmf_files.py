"""Counts are prepared as cNMF prepares them, and what is found is in files that its own loaders read."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from command_line import assert_one_clear_line, call

import dnmf
from dnmf.cnmf import prepare, write, write_k_selection
from dnmf.errors import InputError

M, N, K, GENES = 150, 60, 3, 24
CELLS = [f"cell {i}" for i in range(M)]
NAMES = [f"gene{j}" for j in range(N)]
RNG = np.random.default_rng(0)
A = RNG.poisson(RNG.gamma(0.4, size=(M, K)) ** 2 @ RNG.gamma(0.6, size=(K, N)) * 3 + 0.05).astype("f4")
A[:, 7] = 0
A[3] = 0


def counts():
    return dnmf.open_source(scipy.sparse.csr_array(A), row_names=CELLS, column_names=NAMES)


@pytest.fixture(scope="module")
def prepared():
    return prepare(counts(), GENES)


@pytest.fixture(scope="module")
def agreed(prepared):
    return dnmf.consensus(prepared.counts, K, seeds=4, init="random")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, agreed, prepared):
    found = write(agreed, tmp_path_factory.mktemp("out") / "planted", prepared.tpm, top=5)
    ranks = dnmf.ranks(prepared.counts, [2, 3], seeds=2, folds=0)
    return write_k_selection(ranks, found)


def rows_of(source):
    [rows] = [source.read(0, source.shape[0])]
    found = scipy.sparse.csr_array((rows.data, rows.indices, rows.indptr), shape=source.shape)
    return found.toarray().astype("f8")


def tpm_of(A):
    total = A.sum(axis=1, keepdims=True, dtype="f8")
    return A / np.where(total > 0, total, 1) * 1e6


def test_variable_columns_have_unit_variance_and_rows_one_total(prepared):
    chosen = dnmf.measures.variable_columns(A, GENES).chosen
    np.testing.assert_allclose(rows_of(prepared.counts), A[:, chosen] / A[:, chosen].std(axis=0, ddof=1), rtol=1e-6)
    np.testing.assert_allclose(rows_of(prepared.tpm), tpm_of(A), rtol=1e-6)
    assert prepared.counts.column_names().tolist() == np.array(NAMES)[chosen].tolist()


def test_columns_may_be_given():
    some = prepare(counts(), columns=["gene9", "gene2"])
    assert some.counts.column_names().tolist() == ["gene9", "gene2"]
    np.testing.assert_allclose(rows_of(some.counts), A[:, [9, 2]] / A[:, [9, 2]].std(axis=0, ddof=1), rtol=1e-6)
    with pytest.raises(InputError, match="per=0: give a total above zero"):
        prepare(counts(), per=0)


def of_npz(folder, kind):
    """What is in a file of arrays, none of them pickled."""
    with np.load(folder / "cnmf_tmp" / f"planted.{kind}.df.npz") as file:
        return file["data"], file["index"].tolist(), file["columns"].tolist()


@pytest.mark.slow
def test_the_numbers_are_those_of_the_procedure(folder, agreed):
    """Each step of cNMF's consensus after the medians, from dense matrices."""
    U, tpm = agreed.read_W().astype("f8") * agreed.d, tpm_of(A)
    total = U.sum(axis=1, keepdims=True)
    shares = np.divide(U, total, out=np.zeros_like(U), where=total > 0)
    order = np.argsort(-shares.sum(axis=0))
    U, shares = U[:, order], shares[:, order]
    spectra = np.column_stack([scipy.optimize.nnls(shares, column)[0] for column in tpm.T])
    deviation = tpm.std(axis=0)
    unit = np.where(deviation > 0, deviation, 1)
    score = np.linalg.lstsq(U, (tpm - tpm.mean(axis=0)) / unit, rcond=None)[0]
    at = [NAMES.index(name) for name in agreed.column_names.tolist()]
    scaled = spectra[:, at] / unit[at]
    usages = np.array([scipy.optimize.nnls(scaled.T, row)[0] for row in tpm[:, at] / unit[at]])
    programs, which = [1, 2, 3], "k_3.dt_0_5"
    for kind, expected, index, columns in (
        (f"gene_spectra_tpm.{which}", spectra, programs, NAMES),
        (f"gene_spectra_score.{which}", score, programs, NAMES),
        (f"usages.{which}.consensus", usages, CELLS, programs),
        (f"spectra.{which}.consensus", agreed.H[order], programs, agreed.column_names.tolist()),
        (f"starcat_spectra.{which}", (1e6 * spectra / spectra.sum(axis=1, keepdims=True) / unit)[:, at],
         ["GEP1", "GEP2", "GEP3"], agreed.column_names.tolist()),
        ("tpm_stats", np.column_stack([tpm.mean(axis=0), deviation]), NAMES, ["__mean", "__std"]),
    ):  # fmt: skip
        data, *named = of_npz(folder, kind)
        assert named == [index, columns], kind
        np.testing.assert_allclose(data, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max(), err_msg=kind)
    top, _, _ = of_npz(folder, f"top_genes.{which}")
    assert top.tolist() == np.array(NAMES)[np.argsort(-score, axis=1)[:, :5]].T.tolist()


def test_components_of_models_are_there_as_cnmf_combines_them(folder, agreed):
    spectra, index, columns = of_npz(folder, "spectra.k_3.merged")
    assert np.array_equal(spectra, agreed.spectra)
    assert len(agreed.counted) < len(agreed.seeds)
    assert index == [f"iter{seed}_topic{q}" for seed in agreed.counted for q in (1, 2, 3)]
    assert columns == agreed.column_names.tolist()
    density, same, columns = of_npz(folder, "local_density_cache.k_3.merged")
    assert [same, columns] == [index, ["local_density"]]
    assert np.array_equal(density[:, 0], agreed.distances)


def test_pandas_reads_the_text_as_the_arrays(folder):
    pandas = pytest.importorskip("pandas", reason="the files are read with pandas, of the test extra")
    for path in sorted(folder.glob("*k_3*.txt")):
        read = pandas.read_csv(path, sep="\t", index_col=0, float_precision="round_trip")
        data, index, columns = of_npz(folder, path.name.removeprefix("planted.").removesuffix(".txt"))
        assert read.index.tolist() == index
        assert read.columns.astype(str).tolist() == [str(name) for name in columns]
        assert read.to_numpy().tolist() == data.tolist()  # to the last bit
    genes = (folder / "planted.overdispersed_genes.txt").read_text().split("\n")
    assert len(genes) == GENES
    with np.load(folder / "planted.k_selection_stats.df.npz") as file:
        stats = pandas.DataFrame(**file)
    assert stats.columns.tolist() == ["k", "local_density_threshold", "silhouette", "prediction_error"]
    assert stats.k.tolist() == [2, 3]
    assert stats.prediction_error.is_monotonic_decreasing


def test_cnmf_loads_them(folder):
    cnmf = pytest.importorskip("cnmf", reason="cNMF has an environment of its own: pip install cnmf there, and dnmf")
    theirs = cnmf.cNMF(output_dir=str(folder.parent), name="planted")
    usages, score, tpm, top = theirs.load_results(3, 0.5, n_top_genes=5)
    assert usages.shape == (M, K)
    assert usages.index.tolist() == CELLS
    assert score.shape == tpm.shape == (N, K)
    assert top.to_numpy().tolist() == of_npz(folder, "top_genes.k_3.dt_0_5")[0].tolist()
    ours = of_npz(folder, "starcat_spectra.k_3.dt_0_5")
    theirs.build_reference(3, 0.5)  # from the other files
    again = cnmf.cnmf.load_df_from_npz(theirs.paths["starcat_spectra"] % (3, "0_5"))
    assert [again.index.tolist(), again.columns.tolist()] == list(ours[1:])
    np.testing.assert_allclose(again.to_numpy(), ours[0], rtol=1e-10)


def test_without_other_units_there_are_usages_and_spectra(tmp_path, agreed):
    written = write(agreed, tmp_path / "out" / "planted")
    assert sorted(path.name for path in written.glob("*.txt")) == [
        "planted.overdispersed_genes.txt", "planted.spectra.k_3.dt_0_5.consensus.txt",
        "planted.usages.k_3.dt_0_5.consensus.txt",
    ]  # fmt: skip
    usages, index, _ = of_npz(written, "usages.k_3.dt_0_5.consensus")
    assert index == CELLS
    np.testing.assert_allclose(np.sort(usages.sum(axis=0)), np.sort(agreed.d), rtol=1e-5)


def test_data_without_names_is_numbered(tmp_path):
    bare = prepare(A, GENES)
    agreed = dnmf.consensus(bare.counts, 2, seeds=2)
    written = write(agreed, tmp_path / "planted", bare.tpm)
    _, _, columns = of_npz(written, "gene_spectra_tpm.k_2.dt_0_5")
    assert columns == [str(j) for j in range(N)]
    assert of_npz(written, "spectra.k_2.dt_0_5.consensus")[2] == bare.counts.view.columns.astype(str).tolist()


def test_what_is_there_is_not_replaced_unless_asked(folder, agreed, prepared, tmp_path):
    with pytest.raises(InputError, match=r"exists already; choose another folder, or replace .* overwrite=True"):
        write(agreed, folder, prepared.tpm)
    write(agreed, tmp_path / "planted")
    write(agreed, tmp_path / "planted", overwrite=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: cannot be written .*; choose another folder"):
        write(agreed, tmp_path / "file")


def test_other_columns_than_those_of_the_fit_are_refused(agreed, prepared, tmp_path):
    few = dnmf.open_source(prepared.tpm, columns=np.arange(20))
    with pytest.raises(InputError, match="of the 24 columns of the fit are not among its 20: 'gene"):
        write(agreed, tmp_path / "planted", few)


def test_genes_of_one_name_are_told_apart_by_their_places(agreed, prepared, tmp_path):
    names = [f"gene{j // 2}" for j in range(N)]
    twice = prepare(dnmf.open_source(scipy.sparse.csr_array(A), row_names=CELLS, column_names=names), GENES)
    written = write(dnmf.consensus(twice.counts, K, seeds=4, init="random"), tmp_path / "planted", twice.tpm, top=5)
    expected = write(agreed, tmp_path / "of other names" / "planted", prepared.tpm, top=5)
    for kind in ("usages.k_3.dt_0_5.consensus", "starcat_spectra.k_3.dt_0_5"):
        assert np.array_equal(of_npz(written, kind)[0], of_npz(expected, kind)[0])
    turned = dnmf.open_source(twice.tpm, columns=np.arange(N)[::-1])
    with pytest.raises(InputError, match="names that are there twice: 'gene"):
        write(agreed.with_names(column_names=twice.counts.column_names()), tmp_path / "turned", turned)


@pytest.mark.slow
def test_on_the_command_line(tmp_path):
    anndata = pytest.importorskip("anndata")
    table = anndata.AnnData(scipy.sparse.csr_matrix(A))
    table.obs_names, table.var_names = CELLS, NAMES
    table.write_zarr(tmp_path / "A.zarr")
    out = tmp_path / "out" / "planted"
    common = ["--variable-columns", GENES, "--cnmf-files", out]
    ranks = call("ranks", tmp_path / "A.zarr", "--ranks", "2-3", "--seeds", 2, "--folds", 0, *common,
                 "--store", tmp_path / "r.dnmf")  # fmt: skip
    assert ranks.exit_code == 0, ranks.stderr
    one = ["consensus", tmp_path / "A.zarr", "--rank", 3, "--seeds", 4, "--init", "random", *common]
    result = call(*one, "--store", tmp_path / "c.dnmf")
    assert result.exit_code == 0, result.stderr
    assert (out / "planted.k_selection_stats.df.npz").exists()
    assert of_npz(out, "usages.k_3.dt_0_5.consensus")[1] == CELLS
    assert dnmf.load_consensus(tmp_path / "c.dnmf").shape == (M, GENES)
    again = call(*one, "--store", tmp_path / "another.dnmf")
    assert_one_clear_line(again, "exists already")
    assert not (tmp_path / "another.dnmf").exists()


def test_a_folder_of_other_genes_is_not_written_over(tmp_path):
    A = np.random.default_rng(0).poisson(np.kron(np.eye(2), np.full((30, 8), 4.0)) + 0.1)
    of_all, of_few = (dnmf.consensus(A[:, :n], 2, seeds=3, max_passes=5) for n in (16, 12))
    folder = dnmf.cnmf.write(of_all, tmp_path / "run[1]")
    before = {path.name: path.read_bytes() for path in folder.glob("*.txt")}
    with pytest.raises(InputError, match="exists already"):  # the brackets are no pattern
        dnmf.cnmf.write(of_all, folder)
    other = dnmf.consensus(A[:, :12], 3, seeds=3, max_passes=5)
    with pytest.raises(InputError, match="lists 16 genes, which are not the 12 of this fit"):
        dnmf.cnmf.write(other, folder)
    assert {path.name: path.read_bytes() for path in folder.glob("*.txt")} == before
    dnmf.cnmf.write(of_few, folder, overwrite=True)
    assert len((folder / "run[1].overdispersed_genes.txt").read_text().split("\n")) == 12
