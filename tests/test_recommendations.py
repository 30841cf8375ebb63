"""What a model recommends is what the whole product says, for any rows, out of any data, without what a row has."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
import zarr
from anndata.io import write_elem
from example_models import model_of, random_model, stored, watched
from hypothesis import given, settings
from hypothesis import strategies as st

import dnmf
from dnmf import measures, recommendations
from dnmf.errors import InputError

pytestmark = pytest.mark.numeric

ROWS, COLUMNS = 40, 12
HAD = np.random.default_rng(1).random((ROWS, COLUMNS)) < 0.3
RATINGS = HAD * np.random.default_rng(2).integers(1, 6, HAD.shape)


def naive(model, row, n, had=None):
    scores = (model.read_W().astype(float)[row] * model.d) @ model.H
    order = sorted(np.flatnonzero(scores), key=lambda j: (-scores[j], j))
    return [int(j) for j in order if had is None or not had[row, j]][:n]


def columns_of(found, row):
    return [each.column for each in found.of(row)]


@settings(max_examples=30, deadline=None)
@given(
    rank=st.integers(1, 4), n=st.integers(1, 15), seed=st.integers(0, 99), chunk_rows=st.integers(1, 50),
    excluded=st.booleans(),
)  # fmt: skip
def test_the_largest_predictions_come_first_however_W_is_cut(rank, n, seed, chunk_rows, excluded):
    model = watched(random_model(rank=rank, seed=seed), chunk_rows)
    rows = np.random.default_rng(seed).permutation(ROWS)[:9]
    found = model.recommend(rows, n, exclude=scipy.sparse.csr_array(RATINGS) if excluded else None)
    whole = random_model(rank=rank, seed=seed)
    for row in rows.tolist():
        assert columns_of(found, row) == naive(whole, row, n, HAD if excluded else None)
        scores = [each.score for each in found.of(row)]
        np.testing.assert_allclose(scores, whole.predict(row, columns_of(found, row)) if scores else [], rtol=1e-12)
    asked = [row for row in rows.tolist() if found.of(row)]
    assert list(dict.fromkeys(each.row for each in found)) == asked  # in the order they were asked for


def in_store(folder):
    root = zarr.open_group(folder / "had.zarr", mode="w")
    write_elem(root, "X", scipy.sparse.csr_array(RATINGS))
    return folder / "had.zarr"


FORMS = {
    "csr": lambda folder: scipy.sparse.csr_array(RATINGS),
    "coo": lambda folder: scipy.sparse.coo_array(RATINGS),
    "dense": lambda folder: RATINGS,
    "bool": lambda folder: HAD,
    "nan": lambda folder: np.where(HAD, RATINGS, np.nan),
    "masked": lambda folder: np.ma.array(np.where(HAD, 0, 7), mask=~HAD),
    "mask": lambda folder: dnmf.open_source(np.ones(HAD.shape), mask=HAD),
    "unstored": lambda folder: dnmf.open_source(scipy.sparse.csr_array(RATINGS), missing="unstored"),
    "dask": lambda folder: da.from_array(RATINGS, chunks=(7, 5)),
    "zarr": lambda folder: zarr.create_array(folder / "had.zarr", data=RATINGS, chunks=(8, 12)),
    "anndata": in_store,
}


@pytest.mark.parametrize("form", FORMS)
def test_what_a_row_has_is_left_out_whatever_it_is_given_in(tmp_path, form, monkeypatch):
    monkeypatch.setattr("dnmf.sources.spans.BYTES_AT_ONCE", 256)
    model, had = random_model(rank=3), FORMS[form](tmp_path)
    found = model.recommend(np.arange(ROWS), 5, exclude=had)
    for row in range(ROWS):
        assert columns_of(found, row) == naive(model, row, 5, HAD)


def test_a_stored_zero_is_something_that_a_row_has():
    A = scipy.sparse.csr_array((np.zeros(HAD.sum()), np.nonzero(HAD)), shape=HAD.shape)
    model = random_model(rank=3)
    assert model.recommend(4, 3, exclude=A).names() == model.recommend(4, 3, exclude=HAD).names()


def test_a_row_is_recommended_the_same_bits_whoever_else_asks(tmp_path, monkeypatch):
    model = stored(random_model(rows=90, columns=50, rank=9, dtype="float32"), tmp_path)
    together = model.recommend(range(90), 4)
    monkeypatch.setattr(recommendations, "SCORES_AT_ONCE", 100)
    assert model.recommend(range(90), 4) == together
    assert [each for row in (80, 3) for each in model.recommend(row, 4)] == [*together.of(80), *together.of(3)]


def test_of_equals_the_first_column_comes_first_and_zero_is_no_recommendation():
    model = model_of([[1.0], [0.0]], [[2.0, 0, 3, 2, 3]])
    assert columns_of(model.recommend([0, 1], 10), 0) == [2, 4, 0, 3]
    assert len(model.recommend(1, 10)) == 0


def test_rows_and_columns_go_by_their_names():
    model = random_model(rank=3).with_names(
        row_names=[f"user {i}" for i in range(ROWS)], column_names=[f"film {j}" for j in range(COLUMNS)]
    )
    found = model.recommend(["user 7", "user 2"], 3)
    assert list(found.names()) == ["user 7", "user 2"]
    assert found.names()["user 7"] == [f"film {j}" for j in naive(model, 7, 3)]
    assert found.of("user 7") == found.of(7)
    assert repr(found).splitlines()[1].startswith("user 7: film")
    assert "<td>user 7</td>" in found._repr_html_()
    frame = found.to_pandas()
    assert list(frame.columns) == ["row", "row_name", "place", "column", "name", "score"]
    assert frame.row_name.tolist() == ["user 7"] * 3 + ["user 2"] * 3


@pytest.mark.parametrize(
    ("rows", "more", "message"),
    [
        (40, {}, "rows: 40 is not one of 0 to 39"),
        (["nobody"], {}, "the model has no names of rows"),
        (0, {"n": 0}, "n=0: a whole number, at least 1"),
        (0, {"exclude": HAD[:5]}, r"exclude: .* has shape \(5, 12\), the model \(40, 12\)"),
        (0, {"exclude": 3}, "int"),
    ],
)
def test_what_cannot_be_asked_is_refused(rows, more, message):
    with pytest.raises(InputError, match=message):
        random_model().recommend(rows, **more)


def naive_recall(model, held, n, had):
    shares = []
    for row in np.flatnonzero(held.any(axis=1)):
        wanted = set(np.flatnonzero(held[row]))
        hits = len(wanted & set(naive(model, row, n, had)))
        shares.append((hits / len(wanted), hits / n))
    return np.mean(shares, axis=0)


@pytest.mark.parametrize("form", FORMS)
def test_recall_is_the_share_of_held_entries_that_are_recommended(tmp_path, form):
    model, seen = random_model(rank=3), np.random.default_rng(5).random(HAD.shape) < 0.2
    seen &= ~HAD
    found = measures.recall(model, FORMS[form](tmp_path), 4, exclude=seen)
    assert (found.rows, found.entries) == (HAD.any(axis=1).sum(), HAD.sum())
    np.testing.assert_allclose([found.recall, found.precision], naive_recall(model, HAD, 4, seen))
    pairs = np.nonzero(HAD)
    assert measures.recall(model, pairs, 4, exclude=seen) == found
    assert measures.recall(model, (*pairs, RATINGS[HAD]), 4, exclude=seen) == found


def test_of_no_entries_there_is_no_recall():
    with pytest.raises(InputError, match="no entries were held out"):
        measures.recall(random_model(), np.zeros((ROWS, COLUMNS)))
    with pytest.raises(InputError, match="arrays of 2 and 1 places make no pairs"):
        measures.recall(random_model(), ([0, 1], [2]))


def test_a_fit_recommends_what_was_hidden():
    rng = np.random.default_rng(0)
    likes = rng.integers(4, size=200)[:, None] == rng.integers(4, size=60)
    there = likes * (rng.random(likes.shape) < 0.6)
    hidden = there & (rng.random(likes.shape) < 0.2)
    train = scipy.sparse.csr_array((there & ~hidden).astype(float))
    model = dnmf.fit(train, 4, implicit=5.0)
    assert measures.recall(model, hidden, 20, exclude=train).recall > 0.9
