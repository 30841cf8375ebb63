"""Predictions of single entries, and how far they are from what was held out."""

import tracemalloc

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
import zarr
from anndata.io import write_elem

import dnmf
from dnmf import measures
from dnmf.errors import InputError, UnsolvedWarning
from dnmf.measures import unseen
from dnmf.sources import spans

pytestmark = pytest.mark.numeric

rng = np.random.default_rng(0)
A = rng.random((90, 3)) @ rng.random((3, 14)) + 0.3 * rng.random((90, 14))
HIDDEN = rng.random(A.shape) < 0.2
ROWS, COLUMNS = np.nonzero(HIDDEN)
NAMES = {"row_names": [f"user{i}" for i in range(90)], "column_names": [f"film{j}" for j in range(14)]}


def fitted(**more):
    return dnmf.fit(A, 3, mask=~HIDDEN, tol=1e-3, **{**NAMES, **more})


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture(scope="module")
def product(model):
    return (model.read_W().astype(float) * model.d) @ model.H


def test_pairs_are_predicted_in_the_order_they_are_asked_for(model, product):
    order = np.random.default_rng(1).permutation(len(ROWS))
    np.testing.assert_allclose(model.predict(ROWS[order], COLUMNS[order]), product[HIDDEN][order], rtol=1e-6)
    np.testing.assert_allclose(model.predict(4, np.arange(14)), product[4], rtol=1e-6)
    np.testing.assert_allclose(
        model.predict(["user3", "user0"], ["film1", "film2"]), product[[3, 0], [1, 2]], rtol=1e-6
    )
    assert model.predict([], []).shape == (0,)
    assert model.predict([[1, 2]], [[3, 4]]).shape == (1, 2)
    all_pairs = model.predict([[3], [0]], [[1, 2, 5]])
    np.testing.assert_allclose(all_pairs, product[np.ix_([3, 0], [1, 2, 5])], rtol=1e-6)


def test_each_chunk_of_a_stored_W_is_read_once(model, product, tmp_path, monkeypatch):
    saved = model.save(tmp_path / "model.dnmf")
    monkeypatch.setattr(type(saved), "chunk_rows", 16)
    read, spans = type(saved).read_W, []
    monkeypatch.setattr(type(saved), "read_W", lambda self, *span: spans.append(span) or read(self, *span))
    rows = np.array([80, 3, 40, 5, 41, 3])
    np.testing.assert_allclose(saved.predict(rows, 2), product[rows, 2], rtol=1e-6)
    assert spans == [(3, 6), (40, 42), (80, 81)]


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([0, 90], [0, 0], "rows: 90 is not one of 0 to 89"),
        ([-1], [0], "-1 is not one of"),
        ([0], [14], "columns: 14"),
        ([0.5], [0], "whole numbers, or names"),
        ([0, 1], [0, 1, 2], "make no pairs"),
        (["nobody"], [0], "'nobody' is no name of the model's rows"),
    ],
)
def test_entries_that_are_not_there_are_refused(model, rows, columns, message):
    with pytest.raises(InputError, match=message):
        model.predict(rows, columns)


def as_csr(kind=scipy.sparse.csr_array):
    return kind(scipy.sparse.csr_array((A[HIDDEN], (ROWS, COLUMNS)), shape=A.shape))


def stored_csr(folder):
    write_elem(zarr.open_group(folder / "held.zarr", mode="a"), "X", as_csr(), dataset_kwargs={"chunks": (37,)})
    return str(folder / "held.zarr::X")


HELD = {
    "csr": lambda folder: {"held": as_csr()},
    "csc": lambda folder: {"held": as_csr(scipy.sparse.csc_array)},
    "stored csr": lambda folder: {"held": stored_csr(folder)},
    "NaN": lambda folder: {"held": np.where(HIDDEN, A, np.nan)},
    "masked array": lambda folder: {"held": np.ma.MaskedArray(A, ~HIDDEN)},
    "a mask": lambda folder: {"held": A, "mask": HIDDEN},
    "a sparse mask": lambda folder: {"held": A, "mask": scipy.sparse.csr_array(HIDDEN)},
    "a mask over sparse data": lambda folder: {"held": scipy.sparse.csr_array(A), "mask": HIDDEN},
    "weights": lambda folder: {"held": A, "weights": np.where(HIDDEN, 2.0, 0.0)},
    "a dask array": lambda folder: {"held": da.from_array(np.where(HIDDEN, A, np.nan), chunks=(40, 5))},
    "sparse blocks": lambda folder: {"held": da.from_array(as_csr(), chunks=(40, 14), asarray=False)},
    "dask arrays": lambda folder: {"held": da.from_array(A, chunks=(40, 14)), "mask": da.from_array(HIDDEN, chunks=30)},
    "a source": lambda folder: {"held": dnmf.open_source(A, mask=HIDDEN)},
    "triplets": lambda folder: {"held": (ROWS, COLUMNS, A[HIDDEN])},
    "named triplets": lambda folder: {
        "held": ([f"user{i}" for i in ROWS], [f"film{j}" for j in COLUMNS], A[HIDDEN].tolist())
    },
}


@pytest.mark.parametrize("how", HELD)
def test_errors_are_those_of_the_entries_however_they_are_given(model, product, how, tmp_path, monkeypatch):
    monkeypatch.setattr(spans, "BYTES_AT_ONCE", 300)
    monkeypatch.setattr(unseen, "MOST_ENTRIES", 9)
    off = (A - product)[HIDDEN]
    found = measures.held_out(model, **HELD[how](tmp_path))
    expected = (np.sqrt((off**2).mean()), np.abs(off).mean(), 0.5 * (off**2).mean())
    assert found.entries == HIDDEN.sum()
    np.testing.assert_allclose(found[1:], expected, rtol=1e-5)


def test_entries_count_by_their_weights(model, product):
    weights = HIDDEN * rng.random(A.shape)
    found = measures.held_out(model, A, weights=weights)
    assert found.mae == pytest.approx((weights * np.abs(A - product)).sum() / weights.sum(), rel=1e-5)


@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array], ids=["dense", "sparse"])
def test_weights_of_what_is_stored_let_no_other_entry_count(model, product, kind):
    weights = rng.random(A.shape) * (rng.random(A.shape) < 0.9)
    found = measures.held_out(model, as_csr(), weights=kind(weights))
    counted = HIDDEN & (weights > 0)
    assert found.entries == counted.sum()
    assert found.mae == pytest.approx((weights * np.abs(A - product))[counted].sum() / weights[counted].sum(), rel=1e-5)


def test_each_chunk_of_a_stored_W_is_read_once_for_all_that_was_held_out(model, tmp_path, monkeypatch):
    saved = model.save(tmp_path / "model.dnmf")
    monkeypatch.setattr(type(saved), "chunk_rows", 40)
    monkeypatch.setattr(unseen, "MOST_ENTRIES", 9)
    read, spans = type(saved).read_W, []
    monkeypatch.setattr(type(saved), "read_W", lambda self, *span: spans.append(span) or read(self, *span))
    found = measures.held_out(saved, A, mask=HIDDEN)
    assert spans == [(0, 40), (40, 80), (80, 120)]
    assert found == pytest.approx(measures.held_out(model, A, mask=HIDDEN))


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf], ids=str)
@pytest.mark.parametrize("held", [A, as_csr()], ids=["dense", "sparse"])
@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array], ids=["dense weights", "sparse weights"])
def test_weights_that_no_fit_takes_are_refused(model, held, kind, wrong):
    weights = HIDDEN.astype(float)
    weights[ROWS[-1], COLUMNS[-1]] = wrong
    with pytest.raises(InputError, match=f"the weight {wrong} at row {ROWS[-1]}, column {COLUMNS[-1]}; weights are"):
        measures.held_out(model, held, weights=kind(weights))


@pytest.mark.broad(1)
@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array], ids=["dense", "sparse"])
def test_what_is_held_of_many_entries_at_once_is_bounded(kind):
    held = kind(np.ones((4096, 1024), np.uint8))
    factors = np.ones((4096, 1), np.float32), np.ones((1, 1024), np.float32)
    model = dnmf.fit(np.outer(*(f.ravel() for f in factors)), 1, H=factors[1], max_passes=2)
    tracemalloc.start()
    assert measures.held_out(model, held).entries == 4096 * 1024
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 64 * 2**20  # 64 bytes and more for each of them would be 256 MiB


def test_predictions_may_be_cut_to_what_values_can_be(model, product):
    found = measures.held_out(model, A, mask=HIDDEN, clip=(0.4, 0.6))
    assert found.rmse == pytest.approx(np.sqrt(((A - product.clip(0.4, 0.6))[HIDDEN] ** 2).mean()), rel=1e-5)


def test_of_counts_the_loss_is_half_of_their_deviance():
    counts = rng.poisson(5 * A)
    model = dnmf.fit(counts, 1, mask=~HIDDEN, loss="kullback-leibler")
    p = model.predict(ROWS, COLUMNS)
    a = counts[HIDDEN]
    assert p.min() > 0
    expected = np.where(a > 0, a * np.log(np.maximum(a, 1) / p), 0) - a + p
    assert measures.held_out(model, counts, mask=HIDDEN).loss == pytest.approx(expected.mean(), rel=1e-5)


def test_counts_that_are_predicted_to_be_zero_are_told():
    nothing = np.zeros((1, 14))
    nothing[0, 0] = 1
    zeros = dnmf.fit(np.ones((90, 1)) * nothing, 1, loss="kullback-leibler", max_passes=2)
    with pytest.warns(UnsolvedWarning, match="2 of 3 entries are predicted to be 0 and are not"):
        assert measures.held_out(zeros, ([0, 1, 2], [0, 1, 2], [1.0, 2, 3])).loss == np.inf


@pytest.mark.parametrize(
    ("held", "more", "message"),
    [
        (A[:5], {}, r"has shape \(5, 14\), the model \(90, 14\)"),
        (scipy.sparse.csr_array(A.shape), {}, "no entries were held out"),
        ((ROWS, COLUMNS, A[HIDDEN][:-1]), {}, "values of shape"),
        ((ROWS, COLUMNS, np.full(len(ROWS), np.nan)), {}, "not finite"),
        ((ROWS, COLUMNS, A[HIDDEN]), {"mask": HIDDEN}, "are for a matrix"),
        (A, {"mask": HIDDEN, "clip": 3}, "clip=3: give the least and the largest"),
        (A, {"mask": HIDDEN, "clip": (5, 1)}, "give the least and the largest"),
        (dnmf.open_source(A, row_names=[f"other{i}" for i in range(90)]), {}, "is named 'other0'"),
    ],
)
def test_what_is_not_held_out_of_the_model_is_refused(model, held, more, message):
    with pytest.raises(InputError, match=message):
        measures.held_out(model, held, **more)


def test_preferences_have_no_error():
    model = dnmf.fit(scipy.sparse.csr_array(A), 2, implicit=2.0, max_passes=2)
    with pytest.raises(InputError, match="no values"):
        measures.held_out(model, as_csr())


def test_what_counts_nothing_may_be_infinitely_far():
    model = dnmf.fit(np.array([[4.0, 2, 0], [2, 4, 0], [1, 5, 0]]), 1, loss="kullback-leibler")
    held, weights = (scipy.sparse.csr_array(some) for some in (np.full((3, 3), 2.0), np.ones((3, 3))))
    weights.data[2::3] = 0  # of the column in which nothing is predicted
    assert 0 < dnmf.measures.held_out(model, held, weights=weights).loss < np.inf
