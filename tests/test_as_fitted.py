"""What was said of the entries of a fit's data holds for other rows, or they are refused: never read as zeros."""

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
import zarr
from anndata.io import write_elem
from command_line import assert_one_clear_line, call

import dnmf
from dnmf import InputError, measures
from dnmf.estimator import NMF

pytestmark = pytest.mark.numeric

rng = np.random.default_rng(3)
A = 1.0 + rng.poisson(4 * rng.gamma(0.8, size=(40, 2)) @ rng.gamma(0.8, size=(2, 8)))
SEEN = rng.random(A.shape) < 0.6
SEEN[:, 0] = True
NAN = np.where(SEEN, A, np.nan)
CSR = scipy.sparse.csr_array((A[SEEN], np.nonzero(SEEN)), shape=A.shape)
WEIGHTS = SEEN * rng.integers(1, 4, A.shape)
COLUMNS = rng.random(8) + 0.5

FITS = {
    "all": (A, {}),
    "nan": (NAN, {"missing": "nan"}),
    "unstored": (CSR, {"missing": "unstored"}),
    "unstored, by columns": (CSR.tocsc(), {"missing": "unstored"}),
    "mask": (A, {"mask": SEEN}),
    "mask of sparse": (CSR, {"mask": SEEN}),
    "weights": (A, {"weights": WEIGHTS}),
    "nan and weights": (NAN, {"missing": "nan", "weights": WEIGHTS + 1.0}),
    "column weights": (A, {"column_weights": COLUMNS}),
    "unstored, column weights": (CSR, {"missing": "unstored", "column_weights": COLUMNS}),
    "nan, column weights": (NAN, {"missing": "nan", "column_weights": COLUMNS}),
}
ASKED_AGAIN = {
    "mask": "a mask of what was observed, .*give theirs, (mask=|--mask)",
    "mask of sparse": "a mask of what was observed, .*give theirs, (mask=|--mask)",
    "weights": "weights of its entries, .*give theirs, (weights=|--weights)",
    "nan and weights": "weights of its entries, .*give theirs, (weights=|--weights)",
}


OF_COUNTS = ["all", "unstored", "mask", "nan, column weights"]
CASES = [*((name, "frobenius") for name in FITS), *((name, "kullback-leibler") for name in OF_COUNTS)]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}, {case[1]}")
def fitted(request, tmp_path_factory):
    name, loss = request.param
    data, said = FITS[name]
    store = tmp_path_factory.mktemp("fits") / "a.dnmf"
    model = dnmf.fit(data, 2, loss=loss, dtype="float64", max_passes=4, tol=0, **said)
    return name, data, said, model.save(store)


def by_transform(model, data, said, folder):
    return np.asarray(model.transform(data, **said))


def by_source(model, data, said, folder):
    return np.asarray(model.transform(dnmf.open_source(data, **said)))


def by_command(model, data, said, folder):
    options = [part for name, value in said.items() for part in (f"--{name.replace('_', '-')}", kept(folder, value))]
    result = call("transform", model.path, kept(folder, data), "--out", folder / "w.zarr", *options)
    if result.exit_code:
        assert_one_clear_line(result)
        raise InputError(result.stderr)
    return zarr.open_array(folder / "w.zarr")[:]


def kept(folder, value):
    """Where data, a mask or weights lie as the command reads them; words as they are."""
    place = folder / f"{len(list(Path(folder).iterdir()))}.zarr"
    if isinstance(value, str):
        return value
    if scipy.sparse.issparse(value):
        write_elem(zarr.open_group(place, mode="a"), "X", value)
    elif value.ndim == 1:
        np.save(place.with_suffix(".npy"), value)
        return place.with_suffix(".npy")
    else:
        zarr.create_array(place, data=value)
    return place


WAYS = [by_transform, by_source, by_command]


@pytest.mark.parametrize("again", [False, True], ids=["nothing said", "said again"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.broad(8)
def test_rows_of_the_fit_come_out_again_or_are_refused(fitted, way, again, tmp_path):
    name, data, said, model = fitted
    if not again and name in ASKED_AGAIN:
        with pytest.raises(InputError, match=ASKED_AGAIN[name]):
            way(model, data, {}, tmp_path)
        return
    found = way(model, data, said if again else {}, tmp_path)
    np.testing.assert_allclose(found * model.d, model.read_W() * model.d, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["nan", "unstored, column weights"])
def test_a_model_that_is_saved_knows_it_too(name, tmp_path):
    data, said = FITS[name]
    model = dnmf.fit(data, 2, dtype="float64", max_passes=4, tol=0, **said)
    saved = model.reordered([1, 0]).save(tmp_path / "saved.dnmf")
    np.testing.assert_allclose(saved.transform(data), model.read_W()[:, [1, 0]], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("again", [False, True], ids=["nothing said", "said again"])
def test_the_loss_of_the_rows_of_the_fit_is_that_of_the_fit_or_they_are_refused(fitted, again):
    name, data, said, model = fitted
    said = said if again else {}
    if not again and name in ASKED_AGAIN:
        for measure in (measures.loss, measures.relative_error):
            with pytest.raises(InputError, match=ASKED_AGAIN[name]):
                measure(model, data)
        return
    assert measures.loss(model, data, **said) == pytest.approx(model.loss, rel=1e-6)
    if name != "unstored, by columns":  # of other losses than least squares it counts against means of its columns
        assert measures.relative_error(model, data, **said) == pytest.approx(model.relative_error, rel=1e-6)


def in_blocks(data):
    if not scipy.sparse.issparse(data):
        return da.from_array(data, chunks=(15, 5))
    return da.from_array(data.toarray(), chunks=(15, 8)).map_blocks(scipy.sparse.csr_array)


@pytest.mark.broad(3)
@pytest.mark.parametrize("blocks", [False, True], ids=["in memory", "dask"])
@pytest.mark.parametrize("name", ["nan", "unstored", "mask", "weights", "unstored, column weights"])
def test_the_estimator_transforms_as_it_was_fitted_or_refuses(name, blocks):
    data, said = FITS[name]
    data = in_blocks(data) if blocks else data
    source = dnmf.open_source(data, **said)
    nmf = NMF(2, max_iter=4, tol=0, random_state=0, dtype="float64")
    W = np.asarray(nmf.fit_transform(source))
    np.testing.assert_allclose(np.asarray(nmf.transform(source)), W, rtol=1e-4, atol=1e-5)
    if name in ASKED_AGAIN:
        with pytest.raises(ValueError, match=f"{ASKED_AGAIN[name]}|NaN"):
            nmf.transform(data)
    elif "nan" not in name or blocks:  # scikit-learn's checks refuse a NaN in memory
        np.testing.assert_allclose(np.asarray(nmf.transform(data)), W, rtol=1e-4, atol=1e-5)


OTHER_KINDS = {
    "unstored": (A, "of the sparse data of the fit what is stored .*this is dense; .*missing='nan'"),
    "nan": (CSR, "of the dense data of the fit what is not NaN .*this is sparse; .*missing='unstored'"),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_data_of_another_kind_is_asked_what_of_it_was_observed(kind):
    fit_data, said = FITS[kind]
    model, (data, message) = dnmf.fit(fit_data, 2, max_passes=2, **said), OTHER_KINDS[kind]
    for use in (model.transform, model.solve, lambda rows: measures.loss(model, rows)):
        with pytest.raises(InputError, match=message):
            use(data)
    assert model.transform(data, mask=SEEN).shape == (40, 2)


@pytest.mark.parametrize("kind", ["mask", "weights", "nan", "unstored"])
def test_that_all_of_other_rows_was_observed_can_be_said(kind):
    data, said = FITS[kind]
    model = dnmf.fit(data, 2, max_passes=2, dtype="float64", **said)
    whole = model.transform(A, missing="refuse").compute()
    np.testing.assert_allclose(model.transform(A, mask=np.ones(A.shape)).compute(), whole, rtol=1e-4, atol=1e-6)
    error = measures.relative_error(model, A, missing="refuse")
    assert error == pytest.approx(measures.relative_error(model, A, mask=np.ones(A.shape)), rel=1e-6)


@pytest.mark.slow
def test_whole_dense_rows_are_taken_by_a_fit_of_rows_with_holes():
    model = dnmf.fit(NAN, 2, missing="nan", max_passes=2, dtype="float64")
    for rows in (A[:5], A[:5].astype(int)):
        np.testing.assert_allclose(
            model.transform(rows).compute(), model.transform(A[:5], missing="refuse").compute(), rtol=1e-4, atol=1e-6
        )


def test_columns_that_are_matched_by_name_have_the_weights_they_had_in_the_fit():
    names, order = [f"c{j}" for j in range(8)], rng.permutation(8)
    model = dnmf.fit(A, 2, column_weights=COLUMNS, column_names=names, dtype="float64", max_passes=3, tol=0)
    shuffled = dnmf.open_source(A[:, order], column_names=[names[j] for j in order])
    again = model.transform(shuffled, columns="match").compute()
    np.testing.assert_allclose(again, model.read_W(), rtol=1e-4, atol=1e-6)
    ones = model.transform(A, column_weights=np.ones(8)).compute()
    np.testing.assert_allclose(ones, model.transform(A, mask=np.ones(A.shape), column_weights=np.ones(8)), rtol=1e-4,
                               atol=1e-6)  # fmt: skip
    assert abs(ones - again).max() > 1e-3


@pytest.mark.slow
def test_a_model_says_what_was_observed(tmp_path):
    model = dnmf.fit(CSR, 2, missing="unstored", row_weights=np.arange(40), column_weights=COLUMNS, max_passes=2,
                     store=tmp_path / "a.dnmf")  # fmt: skip
    for found in (model.observed, dnmf.load(tmp_path / "a.dnmf").observed):
        assert (found.missing, found.mask, found.weights, found.row_weights) == ("unstored", False, False, True)
        np.testing.assert_allclose(found.column_weights, COLUMNS)
        assert repr(found) == "<observed: what is stored, with row weights and column weights>"
    assert repr(dnmf.fit(A, 2, max_passes=2).observed) == "<observed: all entries>"
    assert repr(dnmf.fit(A, 2, mask=A > 0, max_passes=2).observed) == "<observed: the entries of a mask>"


@pytest.mark.parametrize(
    ("source", "looks"),
    [
        (lambda: dnmf.open_source(A), "<dense memory of numpy.ndarray: 40 × 8, float64>"),
        (lambda: dnmf.open_source(A, mask=SEEN), "<dense memory with mask of numpy.ndarray: 40 × 8, float64>"),
        (
            lambda: dnmf.open_source(CSR.tocsc()[:, :3], missing="unstored"),
            "<sparse memory, unstored is missing of scipy.csc_array: 40 × 3, float64>",
        ),
    ],
)
def test_a_source_says_what_it_is(source, looks):
    assert repr(source()) == looks


IMPLICIT = {
    "nan": {"missing": "nan"},
    "mask": {"mask": SEEN},
    "weights": {"weights": WEIGHTS},
    "row weights": {"row_weights": np.ones(40)},
    "column weights": {"column_weights": COLUMNS},
}


@pytest.mark.parametrize("kind", [*IMPLICIT, "unstored"])
def test_a_model_of_implicit_feedback_refuses_what_its_fit_refuses(kind, tmp_path):
    data, said = FITS["unstored"] if kind == "unstored" else (A, IMPLICIT[kind])
    model = dnmf.fit(CSR, 2, implicit=2.0, max_passes=2)
    for use in (
        lambda: dnmf.fit(data, 2, implicit=2.0, **said),
        lambda: model.transform(data, **said),
        lambda: measures.loss(model, data, **said),
    ):
        with pytest.raises(InputError, match="implicit= takes all that is not there for zeros"):
            use()
    with pytest.raises(InputError, match="a NaN at"):
        model.transform(NAN)
