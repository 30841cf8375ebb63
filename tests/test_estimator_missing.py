"""Missing entries in scikit-learn's interface."""

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import zarr
from sklearn.base import clone

import dnmf
from dnmf.errors import InputError
from dnmf.estimator import NMF

rng = np.random.default_rng(0)
X = rng.random((80, 3)) @ rng.random((3, 9))
HIDDEN = rng.random(X.shape) < 0.15
HOLES = np.where(HIDDEN, np.nan, X)
H = rng.random((3, 9)) + 0.1


def stored(folder):
    zarr.create_array(folder / "x.zarr", data=HOLES, chunks=(20, 9))
    return str(folder / "x.zarr")


def sparse_of(kind):
    return kind(scipy.sparse.csr_array((X[~HIDDEN], np.nonzero(~HIDDEN)), shape=X.shape))


KINDS = {
    "array": ("nan", lambda folder: HOLES),
    "masked array": ("nan", lambda folder: np.ma.MaskedArray(X, HIDDEN)),
    "frame": ("nan", lambda folder: pd.DataFrame(HOLES, columns=[f"c{j}" for j in range(9)])),
    "nullable frame": ("nan", lambda folder: pd.DataFrame(X).astype("Float64").mask(HIDDEN)),
    "zarr": ("nan", stored),
    "dask": ("nan", lambda folder: da.from_array(HOLES, chunks=(30, 4))),
    "csr": ("unstored", lambda folder: sparse_of(scipy.sparse.csr_array)),
    "csc": ("unstored", lambda folder: sparse_of(scipy.sparse.csc_array)),
    "dask of csr": ("unstored", lambda folder: da.from_array(np.where(HIDDEN, 0, X), chunks=(30, 9)).map_blocks(
        scipy.sparse.csr_array)),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.broad(1)
def test_what_was_hidden_is_found(kind, tmp_path):
    missing, make = KINDS[kind]
    data = make(tmp_path)
    nmf = NMF(3, missing=missing, init="custom", tol=1e-7, dtype="float64")
    W = np.asarray(nmf.fit_transform(data, H=H))
    np.testing.assert_allclose(W @ nmf.components_, X, atol=0.02)
    again = np.asarray(nmf.transform(data))
    np.testing.assert_allclose(again @ nmf.components_, W @ nmf.components_, atol=1e-3)
    assert again.shape == (80, 3)


def test_missing_is_a_parameter_like_others():
    nmf = clone(NMF(2, missing="nan"))
    assert nmf.get_params()["missing"] == "nan"
    assert nmf.__sklearn_tags__().input_tags.allow_nan
    assert not NMF(2).__sklearn_tags__().input_tags.allow_nan
    with pytest.raises(InputError, match="missing='zero' cannot be used; give 'refuse', 'nan'"):
        NMF(2, missing="zero").fit(X)


@pytest.mark.parametrize(
    ("missing", "data", "message"),
    [
        ("refuse", HOLES, "NaN"),
        ("unstored", X, "missing='unstored' is for sparse data"),
        ("nan", sparse_of(scipy.sparse.csr_array), "missing='nan' is for dense data"),
        ("nan", np.where(HIDDEN, np.inf, X), "infinity"),
    ],
)
def test_what_was_not_asked_for_is_refused(missing, data, message):
    with pytest.raises(ValueError, match=message):
        NMF(2, missing=missing).fit(data)


@pytest.mark.parametrize(
    ("data", "way"), [(HOLES, "missing='nan'"), (scipy.sparse.csr_array(HOLES), "missing='unstored'")]
)
def test_a_NaN_that_nobody_spoke_of_is_refused_with_the_way_to_ask(data, way):
    for use in (NMF(2).fit, NMF(2).fit(X).transform):
        with pytest.raises(InputError, match=f"contains NaN; .*{way}") as told:
            use(data)
        assert "imputer" not in str(told.value)


def test_masks_and_weights_come_with_a_source():
    source = dnmf.open_source(X, weights=1.0 + ~HIDDEN, row_weights=np.arange(80) % 2)
    nmf = NMF(2, init="custom", dtype="float64").fit(source, H=H[:2])
    expected = dnmf.fit(source, 2, H=H[:2], dtype="float64", max_passes=200)
    np.testing.assert_array_equal(nmf.model_.H, expected.H)
