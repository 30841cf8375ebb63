"""What a user of scanpy does with cells: layers and chosen genes in, usages and spectra where scanpy looks for them."""

import subprocess
import sys

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from planted_cells import KINDS, matched_cosines, planted

import dnmf
from dnmf import InputError

CHOSEN = 140


@pytest.fixture(scope="module")
def made():
    """Counts in a layer, normalized counts in X, variable genes; spectra and usages that are true."""
    adata, spectra, usages = planted()
    adata.layers["counts"] = adata.X.copy()
    adata.X = by_cell(adata.X)
    adata.var["highly_variable"] = dnmf.measures.variable_columns(adata.layers["counts"], CHOSEN).chosen
    adata.var["length"] = np.arange(adata.n_vars)
    return adata, spectra, usages


@pytest.fixture
def adata(made):
    return made[0].copy()


@pytest.fixture(scope="module")
def fitted(made):
    """One with a fit of the counts in it, not to be changed, and its model."""
    adata = made[0].copy()
    return adata, dnmf.scanpy.nmf(adata, 5, layer="counts")


def by_cell(X):
    return scipy.sparse.csr_matrix(X.multiply(1e4 / X.sum(axis=1))).astype(np.float32)


def without_scanpy(adata):
    adata.layers["counts"] = adata.X.copy()
    adata.X = by_cell(adata.X)
    adata.layers["normalized"] = adata.X.copy()
    adata.X = adata.X.log1p()
    adata.var["highly_variable"] = dnmf.measures.variable_columns(adata.layers["counts"], CHOSEN).chosen


def with_scanpy(adata):
    sc = pytest.importorskip("scanpy", reason="scanpy is not installed; without it numpy and dnmf do what it would")
    adata.layers["counts"] = adata.X.copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    adata.layers["normalized"] = adata.X.copy()
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=CHOSEN)


@pytest.mark.slow
@pytest.mark.parametrize("prepare", [without_scanpy, with_scanpy])
def test_ten_lines_of_a_user_of_scanpy_find_what_was_planted(prepare, tmp_path):
    pytest.importorskip("matplotlib")
    everything, spectra, usages = planted(500, seed=3)
    everything[:400].copy().write_h5ad(tmp_path / "cells.h5ad")
    more = everything[400:, ::-1].copy()

    adata = anndata.read_h5ad(tmp_path / "cells.h5ad")
    prepare(adata)
    found = dnmf.scanpy.ranks(adata, range(3, 8), layer="normalized", seeds=3, folds=3)
    found.plot().savefig(tmp_path / "ranks.png")
    model = dnmf.scanpy.nmf(adata, found.suggested, layer="normalized", consensus=6)
    model.plot().savefig(tmp_path / "consensus.png")
    dnmf.plots.components(model)[0].figure.savefig(tmp_path / "programs.png")
    prepare(more)
    dnmf.scanpy.project(more, adata)

    genes = adata.var["highly_variable"].to_numpy()
    assert found.suggested == 5
    assert matched_cosines(adata.varm["NMF"][genes].T, spectra[:, genes]).min() > 0.98
    assert matched_cosines(adata.obsm["X_nmf"].T, usages[:400].T).min() > 0.98
    assert matched_cosines(more.obsm["X_nmf"].T, usages[400:].T).min() > 0.98
    of_kind = dnmf.scanpy.top_genes(adata, 5)
    assert {name.rstrip("0123456789") for name in of_kind.to_numpy().ravel()} == set(KINDS)
    assert all(of_kind[q].str.rstrip("0123456789").nunique() == 1 for q in of_kind)
    assert adata.uns["nmf"]["silhouette"] > 0.9


@pytest.mark.slow
def test_neither_scanpy_nor_anndata_is_imported():
    code = (
        "import dnmf.scanpy, sys; print([name for name in ('scanpy', 'anndata', 'matplotlib') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_usages_and_spectra_are_written_and_nan_stands_outside_the_mask(fitted):
    adata, model = fitted
    genes = adata.var["highly_variable"].to_numpy()
    usages, spectra = adata.obsm["X_nmf"], adata.varm["NMF"]
    assert np.isnan(spectra[~genes]).all()
    assert np.array_equal(spectra[genes].T, model.H)
    assert np.allclose(usages, model.read_W() * model.d, rtol=1e-6)
    A = adata.layers["counts"].toarray()[:, genes]
    assert np.linalg.norm(A - usages @ spectra[genes].T) / np.linalg.norm(A) == pytest.approx(
        model.relative_error, rel=1e-4
    )
    assert np.allclose(usages.sum(axis=1), A.sum(axis=1), rtol=0.25)
    assert (np.diff(model.d) <= 0).all()


def test_what_was_asked_for_and_what_came_of_it_is_in_uns(fitted):
    adata, model = fitted
    said = adata.uns["nmf"]
    assert said["params"] == {
        "n_comps": 5, "layer": "counts", "mask_var": "highly_variable", "loss": "frobenius", "seed": 0, "tol": 1e-4,
    }  # fmt: skip
    assert (said["d"] == model.d).all()
    assert (said["relative_error"], said["reads"]) == (model.relative_error, model.reads)
    assert said["stop_reason"] == model.stop_reason


@pytest.mark.broad(1)
@pytest.mark.parametrize("kind", ["backed", "lazy h5ad", "lazy zarr", "by columns", "dense"])
@pytest.mark.filterwarnings("ignore:Writing zarr v2")
def test_backed_and_lazy_ones_come_to_what_one_in_memory_does(made, kind, tmp_path):
    adata = made[0].copy()
    expected = dnmf.scanpy.nmf(adata, 5, tol=1e-6)
    changed = {"by columns": adata.X.tocsc, "dense": adata.X.toarray}
    if kind in changed:
        other = made[0].copy()
        other.X = changed[kind]()
    elif kind == "backed":
        made[0].write_h5ad(tmp_path / "a.h5ad")
        other = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    else:
        pytest.importorskip("xarray")
        path = tmp_path / f"a.{kind.split()[1]}"
        getattr(made[0], f"write_{kind.split()[1]}")(path)
        other = anndata.experimental.read_lazy(path)
    found = dnmf.scanpy.nmf(other, 5, tol=1e-6)
    assert found.column_names.tolist() == expected.column_names.tolist()
    assert found.relative_error == pytest.approx(expected.relative_error, rel=1e-4)
    assert matched_cosines(other.obsm["X_nmf"].T, adata.obsm["X_nmf"].T).min() > 0.999
    assert (np.isnan(other.varm["NMF"]) == np.isnan(adata.varm["NMF"])).all()
    assert dnmf.scanpy.top_genes(other, 3).shape == (3, 5)


@pytest.mark.broad(1)
@pytest.mark.filterwarnings("ignore:Writing zarr v2")
@pytest.mark.parametrize("format", ["h5ad", "zarr"])
def test_a_file_holds_the_whole_model(fitted, format, tmp_path):
    adata, model = fitted
    getattr(adata, f"write_{format}")(tmp_path / "saved")
    again = getattr(anndata, f"read_{format}")(tmp_path / "saved")
    kept = dnmf.scanpy.model(again)
    assert np.array_equal(kept.H, model.H)
    assert np.allclose(kept.read_W(), model.read_W(), rtol=1e-5)
    assert kept.column_names.tolist() == model.column_names.tolist()
    assert kept.row_names.tolist() == adata.obs_names.tolist()
    assert kept.options == model.options
    assert kept.summary == model.summary
    assert kept.top(3).names() == model.top(3).names()
    few = dnmf.scanpy.model(again[:30, ::-1])  # genes are those of the fit, cells those that are left
    assert np.array_equal(few.read_W(), kept.read_W()[:30])
    assert np.array_equal(few.H, model.H)


def test_by_default_variable_genes_are_taken_where_some_are_marked(adata):
    assert dnmf.scanpy.nmf(adata, 3, max_passes=2).shape[1] == CHOSEN
    assert dnmf.scanpy.nmf(adata, 3, max_passes=2, mask_var=None).shape[1] == adata.n_vars
    assert not np.isnan(adata.varm["NMF"]).any()
    del adata.var["highly_variable"]
    assert dnmf.scanpy.nmf(adata, 3, max_passes=2).shape[1] == adata.n_vars
    assert "mask_var" not in adata.uns["nmf"]["params"]


@pytest.mark.parametrize("given", [np.asarray, list, pd.Series, lambda flags: pd.array(flags, dtype="boolean")])
def test_a_mask_may_be_any_array_of_bools(adata, given):
    flags = np.arange(adata.n_vars) % 3 == 0
    mask = given(flags) if given is not pd.Series else pd.Series(flags, index=adata.var_names)
    model = dnmf.scanpy.nmf(adata, 3, max_passes=2, mask_var=mask)
    assert model.column_names.tolist() == adata.var_names[flags].tolist()
    assert (np.isnan(adata.varm["NMF"]).any(axis=1) == ~flags).all()


@pytest.mark.slow
def test_what_was_observed_and_how_much_it_counts_is_said_of_all_genes(adata):
    counts = adata.layers["counts"].toarray()
    seen = np.random.default_rng(0).random(adata.shape) < 0.8
    genes = np.flatnonzero(adata.var["highly_variable"])
    found = dnmf.scanpy.nmf(adata, 5, layer="counts", mask=seen)
    expected = dnmf.fit(counts[:, genes] * seen[:, genes], 5, mask=seen[:, genes])
    assert found.observed.mask
    assert matched_cosines(found.H, expected.H).min() > 0.999
    ranked = dnmf.scanpy.ranks(adata, [2], weights=np.where(seen, 1.0, 0.0), seeds=1, folds=0, max_passes=2)
    assert ranked.model(2).observed.weights


def test_a_mask_with_other_labels_is_refused(adata):
    with pytest.raises(InputError, match="named"):
        dnmf.scanpy.nmf(adata, 3, mask_var=adata.var["highly_variable"][::-1])


def test_key_added_names_all_three(adata):
    dnmf.scanpy.nmf(adata, 3, max_passes=2, key_added="programs")
    assert set(adata.obsm) == set(adata.varm) == set(adata.uns) == {"programs"}
    assert dnmf.scanpy.model(adata, "programs").rank == 3
    assert dnmf.scanpy.top_genes(adata, 2, key="programs").shape == (2, 3)
    more = adata[:9].copy()
    dnmf.scanpy.project(more, adata, key="programs", key_added="of programs")
    assert np.allclose(more.obsm["of programs"], adata.obsm["programs"][:9], rtol=1e-3, atol=1)


def test_a_copy_is_written_to_in_place_of_what_is_given(adata):
    found = dnmf.scanpy.nmf(adata, 3, max_passes=2, copy=True)
    assert "X_nmf" not in adata.obsm
    assert found.obsm["X_nmf"].shape == (adata.n_obs, 3)
    assert dnmf.scanpy.project(found[:5], found, key_added="again", copy=True).obsm["again"].shape == (5, 3)


@pytest.mark.filterwarnings("ignore:Setting element")
def test_a_view_becomes_one_of_its_own_as_with_scanpy(adata):
    some = adata[:100]
    dnmf.scanpy.nmf(some, 3, max_passes=2)
    assert some.obsm["X_nmf"].shape == (100, 3)
    assert "X_nmf" not in adata.obsm


@pytest.mark.parametrize("consensus", [3, [4, 7, 9]])
def test_a_consensus_says_how_stable_it_is(adata, consensus):
    found = dnmf.scanpy.nmf(adata, 5, consensus=consensus, density=0.4)
    said = adata.uns["nmf"]
    assert isinstance(found, dnmf.Consensus)
    assert said["params"]["seeds"].tolist() == (list(range(3)) if consensus == 3 else consensus)
    assert (said["params"]["density"], said["params"]["best"]) == (0.4, 0.5)
    assert said["silhouette"] == found.silhouette
    assert said["stability"].shape == (5,)
    assert said["share_kept"] == found.share_kept


@pytest.mark.slow
def test_a_consensus_of_the_models_of_ranks_reads_twice(adata):
    ranked = dnmf.scanpy.ranks(adata, [4, 5], layer="counts", seeds=4, folds=0)
    found = dnmf.scanpy.nmf(adata, 5, layer="counts", consensus=ranked, density=0.6)
    assert found.reads == 2
    assert adata.uns["nmf"]["params"]["density"] == 0.6
    assert adata.obsm["X_nmf"].shape == (adata.n_obs, 5)
    with pytest.raises(InputError, match="rank 3 was not tried"):
        dnmf.scanpy.nmf(adata, 3, layer="counts", consensus=ranked)


def test_a_consensus_is_of_twenty_seeds_where_nobody_says(adata):
    found = dnmf.scanpy.nmf(adata, 5, consensus=True, init="random", max_passes=3)
    assert len(found.seeds) == 20


def test_cells_of_the_reference_get_their_usages_again(fitted):
    adata, model = fitted
    new = adata[50:90, ::-1].copy()
    for reference in (adata, model):  # the layer comes with an AnnData only
        new.obsm.clear()
        layer = "counts" if reference is model else None
        assert dnmf.scanpy.project(new, reference, layer=layer) is None
        assert np.allclose(new.obsm["X_nmf"], adata.obsm["X_nmf"][50:90], rtol=1e-3, atol=0.1)
    dnmf.scanpy.project(new, adata, layer="X", key_added="normalized")
    assert np.abs(new.obsm["normalized"] - new.obsm["X_nmf"]).max() > 100


def test_a_penalty_holds_for_other_cells_too(adata):
    dnmf.scanpy.nmf(adata, 5, penalty=dnmf.Penalty(l1=(0.2, 0.0)))
    new = adata[:20].copy()
    dnmf.scanpy.project(new, adata, key_added="again")
    assert np.allclose(new.obsm["again"], adata.obsm["X_nmf"][:20], rtol=1e-3, atol=0.5)


def test_genes_that_are_missing_are_named(fitted):
    adata = fitted[0]
    with pytest.raises(InputError, match="of the 140 columns of the fit are not among its 60: 'NK"):
        dnmf.scanpy.project(adata[:, :60].copy(), adata)


@pytest.mark.slow
def test_the_model_of_a_rank_is_written_afterwards(adata):
    found = dnmf.scanpy.ranks(adata, [4, 5], layer="counts", seeds=1, folds=2)
    assert found.model(5).column_names.tolist() == adata.var_names[adata.var["highly_variable"]].tolist()
    dnmf.scanpy.annotate(adata, found.model(5))
    assert adata.obsm["X_nmf"].shape == (adata.n_obs, 5)
    assert (np.isnan(adata.varm["NMF"]).any(axis=1) == ~adata.var["highly_variable"]).all()
    dnmf.scanpy.annotate(adata, found.model(4).with_names(column_names=np.arange(CHOSEN)))  # by the view of the fit
    assert (np.isnan(adata.varm["NMF"]).any(axis=1) == ~adata.var["highly_variable"]).all()


def test_genes_of_unit_variance_are_divided_for_other_cells_too(adata):
    chosen = dnmf.measures.variable_columns(adata.layers["counts"], CHOSEN)
    named = {"row_names": adata.obs_names, "column_names": adata.var_names}
    source = dnmf.open_source(adata.layers["counts"], **named, columns=chosen.chosen, column_scale=chosen.scale)
    dnmf.scanpy.annotate(adata, dnmf.consensus(source, 5, seeds=4))
    new = adata[:20, ::-1].copy()
    dnmf.scanpy.project(new, adata, layer="counts", key_added="again")
    assert np.allclose(new.obsm["again"], adata.obsm["X_nmf"][:20], rtol=1e-3, atol=1e-2)


def test_a_model_of_other_cells_or_genes_is_refused(fitted):
    adata, model = fitted
    with pytest.raises(InputError, match=r"400 cells, the AnnData has 30; .*dnmf.scanpy.project"):
        dnmf.scanpy.annotate(adata[:30].copy(), model)
    with pytest.raises(InputError, match="row 0 is named 'cell399', in the fit 'cell0'"):
        dnmf.scanpy.annotate(adata[::-1].copy(), model)
    with pytest.raises(InputError, match="genes of the model are not in the AnnData: "):
        dnmf.scanpy.annotate(adata[:, :60].copy(), model)
    with pytest.raises(InputError, match=r"5 columns without names, .*with_names"):
        dnmf.scanpy.annotate(adata, dnmf.fit(np.ones((400, 5)), 1))
    twice = adata.copy()
    twice.var_names = ["T00", *twice.var_names[:-1]]
    with pytest.raises(InputError, match="var_names_make_unique"):
        dnmf.scanpy.annotate(twice, model)


REFUSED = {
    "layer='nope': there is no such layer, only 'counts'": {"layer": "nope"},
    r"layer=3: there is no such layer": {"layer": 3},
    r"var has no column 'nope' \(those that are true or false: 'highly_variable'\)": {"mask_var": "nope"},
    r"var\['length'\]: has dtype int64, expected true or false": {"mask_var": "length"},
    r"mask_var: has dtype bool and shape \(3,\)": {"mask_var": [True, False, True]},
    "mask_var: has dtype int64": {"mask_var": [1, 2, 3]},
    "mask_var": {"mask_var": lambda genes: genes},
    "none is chosen": {"mask_var": np.zeros(300, bool)},
    "consensus=0: True or False, how many seeds, or which": {"consensus": 0},
    "consensus=None": {"consensus": None},
    "key_added=3: give a name": {"key_added": 3},
    "n_comps=None: no rank is suggested": {"n_comps": None},
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_written(adata, message):
    with pytest.raises(InputError, match=message):
        dnmf.scanpy.nmf(adata, **{"n_comps": 3, **REFUSED[message]})
    assert not len(adata.obsm) + len(adata.varm) + len(adata.uns)


def test_what_is_not_there_is_said(adata):
    for function in (dnmf.scanpy.nmf, dnmf.scanpy.ranks):
        with pytest.raises(InputError, match=r"a str is no AnnData; open one, anndata.read_h5ad"):
            function("cells.h5ad", 3)
    with pytest.raises(InputError, match=r"holds no model under uns\['nmf'\] and obsm\['X_nmf'\]"):
        dnmf.scanpy.project(adata, adata)
    with pytest.raises(InputError, match=r"no varm\['programs'\]"):
        dnmf.scanpy.top_genes(adata, key="programs")
    with pytest.raises(InputError, match=r"a Ranks is no model; give one, such as found.model\(\)"):
        dnmf.scanpy.annotate(adata, dnmf.scanpy.ranks(adata, [2], seeds=1, folds=0, max_passes=2))
    with pytest.raises(TypeError, match="no_option"):
        dnmf.scanpy.nmf(adata, 3, no_option=1)
    with pytest.raises(InputError, match="the AnnData has no X; say which layer= it is: 'counts'"):
        dnmf.scanpy.nmf(anndata.AnnData(layers={"counts": adata.X}), 3)


def test_what_cannot_be_written_to_is_refused_first(adata, tmp_path):
    adata.write_h5ad(tmp_path / "a.h5ad")
    backed = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    with pytest.raises(InputError, match=r"copy=True: the AnnData is backed by .*to_memory"):
        dnmf.scanpy.nmf(backed, 3, copy=True)
    with pytest.raises(InputError, match=r"a view of the AnnData backed by .*mask_var="):
        dnmf.scanpy.nmf(backed[:, :50], 3)


def test_top_genes_end_where_a_spectrum_does():
    spectra = np.array([[2.0, 0, 1, np.nan], [0, 0, 3, np.nan]]).T
    adata = anndata.AnnData(np.ones((2, 4)), varm={"NMF": spectra})
    adata.var_names = ["a", "b", "c", "d"]
    assert dnmf.scanpy.top_genes(adata, 2).to_numpy().tolist() == [["a", "c"], ["c", None]]
