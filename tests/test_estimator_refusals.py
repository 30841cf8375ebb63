"""Starts of the caller, and what the estimator refuses or warns of, when, and in whose line."""

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from breadth import quickly
from estimator_data import planted
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline

import dnmf
from dnmf import NMF, BudgetError, InputError

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


@pytest.mark.broad(5)
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


def test_columns_that_are_numbered_in_another_order_are_refused():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(np.random.default_rng(0).random((40, 6)))
    nmf = NMF(2, random_state=0, max_iter=3, tol=0).fit(frame)
    for other in (frame.iloc[:, ::-1], frame[[1, 0, 2, 3, 4, 5]], frame.set_axis(range(1, 7), axis=1)):
        with pytest.raises(dnmf.InputError, match="is named"):
            nmf.transform(other)
    np.testing.assert_array_equal(nmf.transform(frame), nmf.transform(frame.to_numpy()))
