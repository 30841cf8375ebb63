"""The estimator keeps scikit-learn's contract, finds what scikit-learn's NMF finds, and gives back what it got."""

import copy
import pickle

import cloudpickle
import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sparse
import zarr
from breadth import quickly
from random_matrices import random_csr
from sklearn import decomposition
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import dnmf
from dnmf import NMF, BudgetError, InputError

CHUNK_KINDS = {
    "numpy": lambda block: block.toarray(),
    "scipy CSR array": scipy.sparse.csr_array,
    "scipy CSR matrix": scipy.sparse.csr_matrix,
    "scipy CSC array": scipy.sparse.csc_array,
    "GCXS": sparse.GCXS.from_scipy_sparse,
    "COO": sparse.COO.from_scipy_sparse,
}
IN_MEMORY_KINDS = {
    **CHUNK_KINDS,
    "scipy COO array": scipy.sparse.coo_array,
    "Fortran order": lambda matrix: np.asfortranarray(matrix.toarray()),
    "DataFrame": lambda matrix: pd.DataFrame(matrix.toarray()),
    "list": lambda matrix: matrix.toarray().tolist(),
}


@parametrize_with_checks([NMF(n_components=2, tol=1e-6, max_iter=2000, random_state=0)])
def test_scikit_learns_common_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([NMF(n_components=2, beta_loss=1, solver="mu", tol=1e-6, max_iter=2000, random_state=0)])
def test_scikit_learns_common_checks_of_an_estimator_of_counts(estimator, check):
    check(estimator)


def planted(seed, m=120, n=30, k=4, noise=0.05):
    """Sparse planted factors under clipped noise."""
    rng = np.random.default_rng(seed)
    W = rng.random((m, k)) * (rng.random((m, k)) < 0.5)
    H = rng.random((k, n)) * (rng.random((k, n)) < 0.5)
    return np.maximum(W @ H + noise * rng.standard_normal((m, n)), 0)


def sklearn_objective(X, W, H, alpha_W, alpha_H, l1_ratio):
    def norm(factor):
        return l1_ratio * factor.sum() + 0.5 * (1 - l1_ratio) * (factor**2).sum()

    m, n = X.shape
    return 0.5 * np.linalg.norm(X - W @ H) ** 2 + alpha_W * n * norm(W) + alpha_H * m * norm(H)


def sparse_matrix(m=60, n=20):
    return random_csr((m, n), 0.4)


def as_dask(matrix, convert, rows=(25, 35), columns=None):
    """A dask array whose chunks are of any kind; dask itself cannot make it from a sparse matrix."""
    columns = columns or (matrix.shape[1],)
    meta = convert(matrix[:0, :0])  # cutting it from a block would compile for seconds in GCXS
    bands, low = [], 0
    for height in rows:
        band, left = [], 0
        for width in columns:
            block = convert(matrix[low : low + height, left : left + width])
            band.append(da.from_delayed(dask.delayed(block), block.shape, meta=meta))
            left += width
        bands.append(band)
        low += height
    return da.block(bands)


@pytest.fixture
def reference():
    """The fit of the sparse matrix as a numpy array, and its W."""
    nmf = NMF(3, random_state=0, tol=1e-8)
    return nmf, nmf.fit_transform(sparse_matrix().toarray())


# ---- the factorization is scikit-learn's, or better ----------------------------------------------------------


@pytest.mark.parametrize("init", [None, "random", "nndsvda"])
@pytest.mark.parametrize("seed", [0, 1])
def test_error_is_scikit_learns_or_lower(seed, init):
    X = planted(seed)
    theirs = decomposition.NMF(4, random_state=0, tol=1e-6, max_iter=2000).fit(X)
    mine = NMF(4, init=init, random_state=0, tol=1e-6).fit(X)
    assert mine.reconstruction_err_ <= 1.01 * theirs.reconstruction_err_


@pytest.mark.parametrize("alpha_H", ["same", 1e-4])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("alpha_W", [1e-3, 5e-3])
def test_penalized_objective_is_scikit_learns_or_lower(alpha_W, alpha_H, l1_ratio):
    X, alphas = planted(2), {"alpha_W": alpha_W, "alpha_H": alpha_H, "l1_ratio": l1_ratio}
    theirs = decomposition.NMF(4, random_state=0, tol=1e-6, max_iter=3000, **alphas)
    mine = NMF(4, random_state=0, tol=1e-6, **alphas)
    values = {**alphas, "alpha_H": alpha_W if alpha_H == "same" else alpha_H}
    W_theirs, W_mine = theirs.fit_transform(X), mine.fit_transform(X)
    objective = sklearn_objective(X, W_mine, mine.components_, **values)
    assert objective <= 1.01 * sklearn_objective(X, W_theirs, theirs.components_, **values)


@pytest.mark.parametrize("penalty", [{}, {"alpha_W": 1e-3}, {"alpha_W": 1e-3, "l1_ratio": 0.7}])
@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-3), ("float64", 1e-9)])
def test_reconstruction_err_is_the_norm_of_the_residual(penalty, dtype, rtol):
    X = planted(3)
    nmf = NMF(4, random_state=0, dtype=dtype, **penalty)
    residual = X - nmf.fit_transform(X) @ nmf.components_
    assert nmf.reconstruction_err_ == pytest.approx(np.linalg.norm(residual), rel=rtol)


@pytest.mark.parametrize("penalty", [{}, {"alpha_W": 1e-3, "l1_ratio": 0.5}])
def test_transform_of_the_training_rows_is_fit_transform(penalty):
    X = planted(4)
    nmf = NMF(4, random_state=0, **penalty)
    np.testing.assert_allclose(nmf.fit_transform(X), nmf.transform(X), rtol=1e-10, atol=1e-14)


def test_transform_finds_what_scikit_learn_finds_for_the_same_components():
    X, other = planted(5), planted(5, m=30)
    for alphas in ({}, {"alpha_W": 1e-3, "l1_ratio": 0.5}):
        nmf = NMF(4, random_state=0, **alphas).fit(X)
        theirs = decomposition.NMF(4, tol=1e-10, max_iter=10_000, **alphas)
        theirs.fit(X)
        theirs.components_ = nmf.components_
        np.testing.assert_allclose(nmf.transform(other), theirs.transform(other), atol=1e-6)


def test_scale_is_shared_evenly_without_a_penalty():
    nmf = NMF(4, random_state=0)
    W = nmf.fit_transform(planted(6))
    np.testing.assert_allclose(W.sum(axis=0), nmf.components_.sum(axis=1), rtol=1e-10)


def test_a_dead_component_is_zero_on_both_sides_and_stays_so():
    X = planted(7)
    nmf = NMF(4, random_state=0, alpha_W=0.1, l1_ratio=0.5)
    W = nmf.fit_transform(X)
    dead = ~W.any(axis=0)
    assert dead.any()
    assert not nmf.components_[dead].any()
    assert not nmf.transform(X)[:, dead].any()


# ---- same container out as in --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", IN_MEMORY_KINDS)
def test_in_memory_data_gives_numpy(kind, reference):
    X = IN_MEMORY_KINDS[kind](sparse_matrix())
    nmf = clone(reference[0])
    for W in (nmf.fit_transform(X), nmf.transform(X)):
        assert type(W) is np.ndarray
        np.testing.assert_allclose(W, reference[1], atol=1e-12)


@pytest.mark.parametrize("columns", quickly([(7, 13)], of=[(20,), (7, 13)]))
@pytest.mark.parametrize("kind", quickly(CHUNK_KINDS.keys() - {"GCXS"}, of=CHUNK_KINDS))  # it compiles for seconds
def test_dask_gives_dask_with_the_same_row_chunks(kind, columns, reference):
    X = as_dask(sparse_matrix(), CHUNK_KINDS[kind], columns=columns)
    nmf = clone(reference[0])
    for W in (nmf.fit_transform(X), nmf.transform(X)):
        assert isinstance(W, da.Array)
        assert W.chunks == ((25, 35), (3,))
        assert isinstance(W._meta, np.ndarray)
        assert W.dtype == np.float64
        np.testing.assert_allclose(W.compute(), reference[1], atol=1e-12)


def test_paths_and_zarr_arrays_give_dask(tmp_path, reference):
    X = sparse_matrix().toarray()
    path = tmp_path / "x.zarr"
    stored = zarr.create_array(path, shape=X.shape, chunks=(25, 20), dtype=X.dtype)
    stored[:] = X
    for data in (path, str(path), stored):
        nmf = clone(reference[0])
        for W in (nmf.fit_transform(data), nmf.transform(data)):
            assert isinstance(W, da.Array)
            np.testing.assert_allclose(W.compute(), reference[1], atol=1e-12)
        assert nmf.n_features_in_ == 20


def test_a_store_in_csc_layout_is_factorized_as_it_is_and_not_as_its_transpose(tmp_path, reference):
    anndata = pytest.importorskip("anndata")
    path = tmp_path / "cells.zarr"
    anndata.AnnData(scipy.sparse.csc_matrix(sparse_matrix())).write_zarr(path)
    nmf = clone(reference[0])
    W = nmf.fit_transform(path)
    assert W.shape == (60, 3)
    assert nmf.components_.shape == (3, 20)
    assert nmf.reconstruction_err_ == pytest.approx(reference[0].reconstruction_err_, rel=0.01)
    # A CSC store is factorized as its transpose: its W is the factor the last pass was given, not one solved for
    # the final H, so the rows agree as far as the fit has converged.
    np.testing.assert_allclose(nmf.transform(path), W, atol=1e-3)


def test_column_names_come_from_whatever_has_them():
    anndata, xarray = pytest.importorskip("anndata"), pytest.importorskip("xarray")
    X, names = sparse_matrix(), [f"gene{i}" for i in range(20)]
    cells = anndata.AnnData(X, var=pd.DataFrame(index=names))
    chunked = da.from_array(X.toarray(), chunks=(25, 20))
    labelled = xarray.DataArray(chunked, dims=("cell", "gene"), coords={"gene": names})
    frame = pd.DataFrame(X.toarray(), columns=names)
    for data, container in ((cells, np.ndarray), (frame, np.ndarray), (labelled, da.Array)):
        nmf = NMF(3, random_state=0)
        assert isinstance(nmf.fit_transform(data), container)
        assert list(nmf.feature_names_in_) == names
        assert list(nmf.model_.column_names) == names
    assert not hasattr(nmf.fit(chunked), "feature_names_in_")


def test_transform_of_a_dask_array_computes_nothing_yet(reference):
    def fail(block):
        raise AssertionError("computed")

    X = da.from_array(sparse_matrix().toarray(), chunks=(25, 20)).map_blocks(fail, meta=np.empty((0, 0)))
    W = reference[0].transform(X)
    with pytest.raises(AssertionError, match="computed"):
        W.compute()


def test_components_travel_once_and_W_never():
    X = da.random.default_rng(0).random((400, 4000), chunks=(10, 4000))
    nmf = NMF(3, dtype="float32", max_iter=2, tol=0).fit(X)
    tasks = dict(nmf.transform(X).__dask_graph__())
    assert sum(len(cloudpickle.dumps(task)) for task in tasks.values()) < 2 * nmf.components_.nbytes + 40 * 5000


def test_inverse_transform_of_dask_and_of_sparse_W(reference):
    nmf, W = reference
    expected = W @ nmf.components_
    lazy = nmf.inverse_transform(da.from_array(W, chunks=(25, 3)))
    assert lazy.chunks == ((25, 25, 10), (20,))
    np.testing.assert_allclose(lazy.compute(), expected)
    np.testing.assert_allclose(nmf.inverse_transform(scipy.sparse.csr_array(W)), expected)
    with pytest.raises(InputError, match="20 columns, expected one for each of 3 components"):
        nmf.inverse_transform(expected)


@pytest.mark.parametrize(
    ("given", "computed"), [("float32", "float32"), ("float64", "float64"), ("uint8", "float64"),
                            ("int64", "float64"), ("float16", "float64"), ("bool", "float64")]
)  # fmt: skip
def test_results_have_the_dtype_of_the_data(given, computed):
    X = (10 * planted(8)).astype(given)
    nmf = NMF(2, random_state=0)
    assert nmf.fit_transform(X).dtype == nmf.transform(X).dtype == nmf.components_.dtype == computed
    assert NMF(2, dtype="float32").fit(X).components_.dtype == "float32"


# ---- set_output, pipelines, clones ---------------------------------------------------------------------------


def test_set_output_names_the_components():
    frame = NMF(3).set_output(transform="pandas").fit_transform(pd.DataFrame(planted(9)))
    assert list(frame.columns) == ["nmf0", "nmf1", "nmf2"]


def test_set_output_with_dask_is_refused_before_anything_is_computed():
    def fail(block):
        raise AssertionError("computed")

    X = da.ones((40, 10), chunks=(20, 10)).map_blocks(fail, meta=np.empty((0, 0)))
    nmf = NMF(3).set_output(transform="pandas")
    with pytest.raises(InputError, match=r"pandas DataFrame .* set_output\(transform='default'\)"):
        nmf.fit_transform(X)
    nmf.fit(planted(9, n=10))
    with pytest.raises(InputError, match="pandas DataFrame"):
        nmf.transform(X)


def test_pipeline_with_tfidf():
    texts = ["the cat sat on the mat", "a cat and a dog", "stocks fell today", "stocks rose", "the dog sat"] * 4
    pipeline = make_pipeline(TfidfVectorizer(), MaxAbsScaler(), NMF(2, random_state=0))
    W = pipeline.fit_transform(texts)
    assert W.shape == (20, 2)
    np.testing.assert_allclose(pipeline.transform(texts), W, atol=1e-10)
    assert list(pipeline.get_feature_names_out()) == ["nmf0", "nmf1"]
    terms = pipeline[:-1].get_feature_names_out()
    table, strongest = pipeline[-1].model_.top(1, names=terms), pipeline[-1].components_.argmax(axis=1)
    assert {component: [terms[at]] for component, at in enumerate(strongest)} == table.names()
    assert list(pipeline[-1].set_output(transform="pandas").transform(pipeline[:-1].transform(texts))) == [
        "nmf0", "nmf1",
    ]  # fmt: skip


def test_a_pipeline_of_frames_keeps_the_names_of_rows_and_columns():
    frame = pd.DataFrame(planted(9)).rename(lambda at: f"row {at}", axis=0).rename(lambda at: f"gene {at}", axis=1)
    pipeline = make_pipeline(MaxAbsScaler(), NMF(2, random_state=0)).set_output(transform="pandas")
    W = pipeline.fit_transform(frame)
    assert list(W.columns) == list(pipeline.get_feature_names_out()) == ["nmf0", "nmf1"]
    assert list(W.index) == list(frame.index)
    model = pipeline[-1].model_
    assert model.row_names.tolist() == list(frame.index)
    assert model.column_names.tolist() == list(frame.columns)


@pytest.mark.parametrize(
    "solver", quickly(["cd", "mu"], of=["cd", "bpp", "hals", "mu", "pg", "opl", "ipg", "admm", "als"])
)
def test_a_solver_is_the_one_that_fit_knows_by_that_name(solver):
    X = planted(16)
    model = dnmf.fit(X, 3, solver=solver, dtype="float64", max_passes=9, tol=0)
    nmf = NMF(3, solver=solver, random_state=0, max_iter=9, tol=0)
    W = nmf.fit_transform(X)
    assert nmf.reconstruction_err_ == np.sqrt(2 * model.loss)
    np.testing.assert_allclose(nmf.transform(X), W, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("beta_loss", "solver", "meant"),
    [(2, "mu", "mu"), (1, "mu", "mu"), (0, "mu", "cd"), (2, "cd", "cd"), (1, "cd", "cd"), (0, "cd", "cd")],
)
def test_a_loss_goes_with_the_default_solver_and_with_the_one_scikit_learn_asks_for(beta_loss, solver, meant):
    nmf = NMF(2, solver=solver, beta_loss=beta_loss, init="random", max_iter=2, tol=0).fit(planted(16) + 0.1)
    assert nmf.model_.options.solver == meant


@pytest.mark.parametrize("beta_loss", ["frobenius", "kullback-leibler"])
@pytest.mark.parametrize("seed", quickly([0], of=[0, 1, 2]))
def test_multiplicative_updates_end_no_higher_than_scikit_learns_with_fewer_iterations(seed, beta_loss):
    X, options = planted(seed), {"init": "random", "solver": "mu", "beta_loss": beta_loss, "random_state": seed}
    mine, theirs = NMF(4, **options).fit(X), decomposition.NMF(4, **options).fit(X)
    assert mine.reconstruction_err_ <= 1.01 * theirs.reconstruction_err_
    assert mine.n_iter_ <= theirs.n_iter_


@pytest.mark.parametrize("loss", [1, 1.0, np.float64(1), np.int32(1), np.float32(1), "kullback-leibler"])
def test_a_loss_is_known_by_its_name_and_by_any_number_that_is_its_power(loss):
    X = planted(16)
    found = NMF(2, solver="mu", beta_loss=loss, init="random", max_iter=2, tol=0).fit(X)
    assert found.model_.options.loss == "kullback-leibler"


def test_parameters_survive_a_clone():
    given = {"n_components": 3, "alpha_W": 0.1, "dtype": "float32", "client": "tcp://127.0.0.1:1",
             "memory_limit": "1GB", "store": "x.dnmf", "shuffle": True, "beta_loss": 2}  # fmt: skip
    parameters = clone(NMF(**given)).get_params()
    assert {name: parameters[name] for name in given} == given
    assert set(decomposition.NMF().get_params()) <= set(parameters)


def test_defaults_are_scikit_learns():
    mine, theirs = NMF().get_params(), decomposition.NMF().get_params()
    assert {name: mine[name] for name in theirs} == theirs


@pytest.mark.parametrize("stored", [False, True])
def test_a_fitted_estimator_pickles(stored, tmp_path):
    X = planted(10)
    nmf = NMF(3, random_state=0, store=tmp_path / "run.dnmf" if stored else None).fit(X)
    again = pickle.loads(pickle.dumps(nmf))
    np.testing.assert_array_equal(again.transform(X), nmf.transform(X))
    if stored:
        np.testing.assert_array_equal(again.model_.read_W(), nmf.model_.read_W())


def test_a_store_keeps_the_fit(tmp_path):
    X = da.from_array(planted(11), chunks=(50, 30))
    nmf = NMF(3, random_state=0, store=tmp_path / "run.dnmf")
    W = nmf.fit_transform(X)
    assert W.chunks == ((50, 50, 20), (3,))
    np.testing.assert_array_equal(dnmf.load(tmp_path / "run.dnmf").H, nmf.model_.H)
    with pytest.raises(dnmf.CheckpointError, match="holds a run already"):
        nmf.fit(X)


def test_the_seed_decides():
    X = planted(12)
    first, again = (NMF(3, init="random", random_state=1).fit_transform(X) for _ in range(2))
    drawn = NMF(3, init="random", random_state=np.random.RandomState(3)).fit_transform(X)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, drawn)
    np.testing.assert_array_equal(
        NMF(3, random_state=7).fit(X).model_.H, dnmf.fit(X, 3, seed=7, dtype="float64", max_passes=200).H
    )


def test_data_in_memory_never_meets_a_cluster(monkeypatch):
    import distributed

    def fail(*_, **__):
        raise AssertionError("a client was started or asked for")

    monkeypatch.setattr(distributed.Client, "__init__", fail)
    monkeypatch.setattr("dnmf.connections.clients.current_client", fail)
    X = planted(13)
    NMF(3).fit(X).transform(X)


def test_dask_data_runs_on_the_current_client(reference):
    distributed = pytest.importorskip("distributed")
    X = as_dask(sparse_matrix(), scipy.sparse.csr_array, columns=(7, 13))
    with distributed.LocalCluster(
        1, processes=False, threads_per_worker=2, dashboard_address=None
    ) as cluster, distributed.Client(cluster):  # fmt: skip
        nmf = clone(reference[0])
        W, transformed = nmf.fit_transform(X), nmf.transform(X)
        np.testing.assert_array_equal(W.compute(), transformed.compute())
    np.testing.assert_allclose(W.compute(), reference[1], atol=1e-12)


# ---- starts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["W", "H", "WH"])
def test_auto_takes_the_number_of_components_from_a_custom_start(given):
    X, rng = planted(14), np.random.default_rng(0)
    start = {"W": rng.random((120, 4)), "H": rng.random((4, 30))}
    nmf = NMF(init="custom").fit(X, **{name: start[name] for name in given})
    assert nmf.n_components_ == 4


@pytest.mark.parametrize("n_components", ["auto", None])
def test_auto_is_otherwise_the_number_of_features(n_components):
    assert NMF(n_components, max_iter=1, tol=0).fit(planted(14, n=5)).n_components_ == 5


def test_a_solution_as_custom_start_is_kept():
    X = planted(15)
    found = NMF(4, random_state=0, tol=1e-9, max_iter=1000).fit(X)
    again = NMF(4, init="custom").fit(X, H=found.components_)
    assert again.n_iter_ <= 3
    np.testing.assert_allclose(again.components_, found.components_, atol=1e-3)


@pytest.mark.parametrize("given", ["W", "H", "WH"])
@pytest.mark.parametrize("stored", quickly([False], of=[False, True]))
def test_components_stay_in_the_order_of_a_custom_start(given, stored, tmp_path):
    rng = np.random.default_rng(3)
    start = {"W": rng.random((90, 4)), "H": rng.random((4, 20)) ** 4}
    X = (start["W"] * [1, 20, 5, 40]) @ start["H"]
    nmf = NMF(init="custom", tol=1e-7, max_iter=500, store=tmp_path / "x.dnmf" if stored else None)
    W = nmf.fit_transform(X, **{name: start[name] for name in given})
    alike = np.corrcoef(nmf.components_, start["H"])[:4, 4:]
    assert alike.argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert not (np.diff(nmf.model_.d) <= 0).all()
    np.testing.assert_allclose(nmf.transform(X), W, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(W @ nmf.components_, X, atol=0.02 * X.max())


def test_a_start_without_custom_is_ignored_with_a_warning():
    X = planted(16)
    with pytest.warns(RuntimeWarning, match="init='custom'"):
        warned = NMF(3, random_state=0).fit(X, H=np.ones((3, 30)))
    np.testing.assert_array_equal(warned.components_, NMF(3, random_state=0).fit(X).components_)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({}, "needs a W or an H"),
        ({"H": np.zeros((3, 30))}, r"NMF \(input H\) is full of zeros"),
        ({"W": np.zeros((120, 3))}, r"NMF \(input W\) is full of zeros"),
        ({"H": -np.ones((3, 30))}, r"Negative values in data passed to NMF \(input H\)"),
        ({"H": np.full((3, 30), np.nan)}, "NaN"),
        ({"H": np.ones((3, 29))}, r"wrong second dimension passed to NMF \(input H\). Expected 30, but got 29"),
        ({"W": np.ones((119, 3))}, r"wrong first dimension passed to NMF \(input W\). Expected 120, but got 119"),
        ({"W": np.ones((120, 2)), "H": np.ones((3, 30))}, r"wrong second dimension .*W\). Expected 3, but got 2"),
    ],
)
def test_an_unusable_start_is_refused(start, message):
    with pytest.raises(ValueError, match=message):
        NMF(init="custom").fit(planted(17), **start)


# ---- refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("solver", "lbfgs"), ("beta_loss", "kl"), ("beta_loss", 1.5), ("beta_loss", True), ("init", "svd"),
        ("init", "auto"), ("init", "normal"), ("n_components", 0), ("n_components", 2.5),
        ("n_components", True), ("tol", -1e-3), ("tol", float("nan")), ("max_iter", 0), ("random_state", -1),
        ("random_state", "x"), ("alpha_W", -1), ("alpha_W", float("inf")), ("alpha_H", "other"),
        ("l1_ratio", 1.1), ("verbose", -1), ("dtype", "float16"), ("client", object()),
    ],
)  # fmt: skip
def test_an_unusable_parameter_is_named_at_fit_and_not_before(name, value):
    nmf = NMF(**{"n_components": 3, name: value})
    with pytest.raises(InputError, match=f"NMF: {name}=.* cannot be used; give "):
        nmf.fit(planted(18))


@pytest.mark.parametrize("init", [None, "sample", "random"])
@pytest.mark.parametrize(("m", "n", "k"), [(40, 6, 9), (6, 40, 9), (1, 4, 3)])
def test_more_components_than_rows_or_columns_are_taken_with_a_warning(m, n, k, init):
    X = planted(18)[:m, :n] + 0.1
    nmf = NMF(k, init=init, random_state=0)
    with pytest.warns(UserWarning, match=rf"n_components={k} is more than .* = {min(m, n)}"):
        W = nmf.fit_transform(X)
    assert W.shape == (m, k)
    np.testing.assert_allclose(W @ nmf.components_, X, atol=0.02 * X.max())
    np.testing.assert_allclose(nmf.transform(X), W, rtol=1e-10, atol=1e-14)
    for directions in ("surrogate", "nndsvd", "nndsvda", "nndsvdar"):
        with pytest.raises(InputError, match=f"init = '{directions}' can only be used when"):
            NMF(k, init=directions).fit(X)


@pytest.mark.parametrize(("value", "message"), [(np.nan, "NaN"), (np.inf, "infinity"), (-1.0, "[Nn]egative")])
def test_bad_values_are_refused_in_memory_and_lazily_with_their_place(value, message):
    X = planted(19)
    good = NMF(3, random_state=0).fit(X)
    X[70, 4] = value
    lazy = da.from_array(X, chunks=(50, 30))
    for refused in (good.transform, clone(good).fit):
        with pytest.raises(ValueError, match=message):
            refused(X)
    with pytest.raises(InputError, match=f"{message}.* row 70, column 4"):
        clone(good).fit(lazy)
    with pytest.raises(InputError, match=f"counted from row 50: .*{message}.* row 20, column 4"):
        good.transform(lazy).compute()


def test_other_columns_are_refused():
    xarray = pytest.importorskip("xarray")
    X = planted(20)
    names = [f"c{i}" for i in range(30)]
    nmf = NMF(3, random_state=0).fit(pd.DataFrame(X, columns=names))
    with pytest.raises(InputError, match="X has 29 features, but NMF is expecting 30 features"):
        nmf.transform(da.from_array(X[:, 1:]))
    turned = xarray.DataArray(da.from_array(X), dims=("r", "c"), coords={"c": names[::-1]})
    with pytest.raises(InputError, match=r"column 0 is named 'c29', in the fit 'c0'"):
        nmf.transform(turned)


def test_a_failed_or_missing_fit_cannot_transform(tmp_path):
    X = planted(21)
    for unfitted in (NMF(3), NMF(3, memory_limit="1 kB")):
        if unfitted.memory_limit:
            with pytest.raises(BudgetError):
                unfitted.fit(X)
        with pytest.raises(NotFittedError):
            unfitted.transform(X)
        with pytest.raises(NotFittedError):
            unfitted.inverse_transform(X)


def test_inputs_are_not_modified():
    X = planted(22)
    given = X.copy()
    nmf = NMF(3, random_state=0, init="custom")
    start = np.random.default_rng(0).random((3, 30))
    kept = start.copy()
    nmf.fit(X, H=start)
    nmf.transform(X)
    np.testing.assert_array_equal(X, given)
    np.testing.assert_array_equal(start, kept)


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
@pytest.mark.parametrize("wrapped", [lambda nmf: nmf, make_pipeline])
def test_a_warning_names_the_line_of_the_caller(method, wrapped):
    with pytest.warns(ConvergenceWarning) as warned:
        getattr(wrapped(NMF(3, init="random", tol=1e-9, max_iter=2)), method)(planted(23))
    assert [each.filename for each in warned] == [__file__]


def test_stopping_early_warns_and_verbose_prints_a_line_a_pass(capsys):
    with pytest.warns(ConvergenceWarning, match="iterations 2 reached"):
        nmf = NMF(3, init="random", tol=1e-9, max_iter=2, verbose=1, random_state=0).fit(planted(23))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == nmf.n_iter_ == 2
    assert lines[0].startswith("pass 1: objective ")


@pytest.mark.parametrize("copied", [lambda nmf: pickle.loads(pickle.dumps(nmf)), copy.deepcopy])
def test_what_is_pickled_has_no_row_of_the_training_data(copied):
    X = np.random.default_rng(0).random((20_000, 12))
    nmf = NMF(3, random_state=0, max_iter=3, tol=0).fit(X)
    assert len(pickle.dumps(nmf)) < 20_000
    again = copied(nmf)
    np.testing.assert_array_equal(again.transform(X[:50]), nmf.transform(X[:50]))
    np.testing.assert_array_equal(again.components_, nmf.components_)
    assert again.model_.shape == nmf.model_.shape == X.shape
    for ask in (lambda: again.model_.W, again.model_.read_W, lambda: again.model_.top(2, "W")):
        with pytest.raises(dnmf.InputError, match="W of the training rows was not pickled"):
            ask()
    assert nmf.model_.read_W().shape == (20_000, 3)


def test_a_W_in_a_store_is_found_again_by_a_pickled_estimator(tmp_path):
    X = np.random.default_rng(0).random((50, 12))
    nmf = NMF(3, random_state=0, store=tmp_path / "run.dnmf").fit(X)
    again = pickle.loads(pickle.dumps(nmf))
    np.testing.assert_array_equal(again.model_.read_W(), nmf.model_.read_W())


def test_columns_that_are_numbered_in_another_order_are_refused():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(np.random.default_rng(0).random((40, 6)))
    nmf = NMF(2, random_state=0, max_iter=3, tol=0).fit(frame)
    for other in (frame.iloc[:, ::-1], frame[[1, 0, 2, 3, 4, 5]], frame.set_axis(range(1, 7), axis=1)):
        with pytest.raises(dnmf.InputError, match="is named"):
            nmf.transform(other)
    np.testing.assert_array_equal(nmf.transform(frame), nmf.transform(frame.to_numpy()))
