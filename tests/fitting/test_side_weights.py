"""Weights of whole rows and columns, at every door that takes them."""

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import zarr

import dnmf
from dnmf.errors import InputError
from dnmf.sources import CsrRows
from dnmf.sources.guard import guard_source

pytestmark = pytest.mark.numeric

rng = np.random.default_rng(0)
ROWS, COLUMNS = 60, 12
A = rng.random((ROWS, 3)) @ rng.random((3, COLUMNS)) + 0.2 * rng.random((ROWS, COLUMNS))
SEEN = rng.random(A.shape) < 0.7
H = rng.random((2, COLUMNS)) + 0.1
OF_ROWS, OF_COLUMNS = rng.integers(0, 4, ROWS) / 2, rng.integers(0, 4, COLUMNS) / 2
CLOSELY = {"dtype": "float64", "tol": 1e-11, "max_passes": 200}


def product(model):
    return (model.read_W() * model.d) @ model.H


def sparse_of(values, kind=scipy.sparse.csr_array):
    rows, columns = np.nonzero(SEEN)
    return kind(scipy.sparse.csr_array((values[SEEN], (rows, columns)), shape=A.shape))


def test_a_row_of_weight_two_is_the_row_twice_and_one_of_weight_zero_is_not_there():
    weights = np.ones(ROWS)
    weights[:5], weights[10:13] = 2, 0
    kept = np.delete(A, slice(10, 13), axis=0)
    weighted = dnmf.fit(A, 2, H=H, row_weights=weights, **CLOSELY)
    twice = dnmf.fit(np.concatenate([kept, A[:5]]), 2, H=H, **CLOSELY)
    np.testing.assert_allclose(
        np.delete(product(weighted), slice(10, 13), axis=0), product(twice)[: ROWS - 3], atol=1e-6
    )
    assert weighted.history[-1].loss == pytest.approx(twice.history[-1].loss, rel=1e-8)


def test_a_column_of_weight_two_is_the_column_twice_and_one_of_weight_zero_is_not_there():
    weights = np.ones(COLUMNS)
    weights[1], weights[4] = 2, 0
    weighted = dnmf.fit(A, 2, H=H, column_weights=weights, **CLOSELY)
    others = np.delete(np.arange(COLUMNS), 4)
    chosen = np.append(others, 1)
    twice = dnmf.fit(A[:, chosen], 2, H=H[:, chosen], **CLOSELY)
    np.testing.assert_allclose(product(weighted)[:, others], product(twice)[:, :-1], atol=1e-6)
    assert weighted.history[-1].loss == pytest.approx(twice.history[-1].loss, rel=1e-8)


def stored(folder):
    zarr.create_array(folder / "a.zarr", data=A, chunks=(7, COLUMNS), overwrite=True)
    return str(folder / "a.zarr")


DATA = {
    "array": (lambda folder: A, {}),
    "int": (lambda folder: (9 * A).astype(int), {}),
    "NaN": (lambda folder: np.where(SEEN, A, np.nan), {"missing": "nan"}),
    "mask": (lambda folder: A, {"mask": SEEN}),
    "weights": (lambda folder: A, {"weights": 1.0 + SEEN}),
    "csr": (lambda folder: sparse_of(A), {"missing": "unstored"}),
    "csc": (lambda folder: sparse_of(A, scipy.sparse.csc_array), {"missing": "unstored"}),
    "csr with a mask": (lambda folder: sparse_of(A), {"mask": SEEN}),
    "dask": (lambda folder: da.from_array(A, chunks=(7, 5)), {}),
    "zarr": (stored, {}),
}


def unfolded(source):
    """Values and weights as the user has them."""
    panel = source.read(0, source.shape[0]) if not source.blocks_are_tasks else computed(source)
    values, weights = panel
    if isinstance(values, CsrRows):
        of = [scipy.sparse.csr_array((part, values.indices, values.indptr), shape=source.shape).toarray()
              for part in (values.data, weights)]  # fmt: skip
        values, weights = of
    return (values.T, weights.T) if source.transposed else (values, weights)


def computed(source):
    part = source.for_rows(0, source.shape[0])
    return part.with_blocks(dask.compute(part.blocks(), scheduler="synchronous")[0]).read(0, source.shape[0])


@pytest.mark.parametrize("kind", DATA)
def test_they_multiply_what_each_entry_counts(kind, tmp_path):
    make, said = DATA[kind]
    data = make(tmp_path)
    source = dnmf.open_source(data, row_weights=OF_ROWS, column_weights=OF_COLUMNS, **said)
    values, weights = unfolded(source)
    before = said.get("weights", SEEN if {"missing", "mask"} & set(said) else np.ones(A.shape))
    np.testing.assert_allclose(weights, before * np.outer(OF_ROWS, OF_COLUMNS), rtol=1e-6)
    expected = (9 * A).astype(int) if kind == "int" else A
    np.testing.assert_allclose(values, np.where(weights > 0, expected, 0), rtol=1e-6)
    guard_source(source).check()
    assert source.has_missing
    assert source.weighted
    assert {"row_weights", "column_weights"} <= set(source.said()) & set(source.fingerprint())


@pytest.mark.parametrize("kind", ["NaN", "csr", "csc", "zarr", "dask"])
def test_a_fit_is_that_with_the_products_as_weights(kind, tmp_path):
    make, said = DATA[kind]
    data = make(tmp_path)
    said = {
        **said,
        "H": np.random.default_rng(0).random((2, A.shape[1])),
        "dtype": "float64",
        "max_passes": 4,
        "tol": 0,
    }
    of_sides = dnmf.fit(data, 2, row_weights=OF_ROWS, column_weights=OF_COLUMNS, **said)
    of_each = dnmf.fit(data, 2, weights=np.outer(OF_ROWS, OF_COLUMNS), **said)
    assert of_sides.history[-1].loss == pytest.approx(of_each.history[-1].loss, rel=1e-5)
    np.testing.assert_allclose(of_sides.H, of_each.H, atol=1e-5)


def test_what_stays_in_memory_are_the_values_without_weights(tmp_path):
    fits = [
        dnmf.fit(stored(tmp_path), 2, row_weights=OF_ROWS, tol=0, max_passes=4, keep=keep)
        for keep in ("memory", "stream")
    ]
    assert fits[0].H.tobytes() == fits[1].H.tobytes()
    assert [record.from_memory for record in fits[0].history][-1] == 1.0
    assert not any(record.from_memory for record in fits[1].history)


def test_other_rows_are_solved_for_with_the_weights_of_columns():
    model = dnmf.fit(A, 2, column_weights=OF_COLUMNS, dtype="float64")
    np.testing.assert_allclose(model.transform(A, column_weights=OF_COLUMNS).compute(), model.read_W(), atol=1e-12)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"row_weights": OF_ROWS[:-1]}, r"row_weights: has shape \(59,\).*each of 60 rows"),
        ({"column_weights": OF_ROWS}, "each of 12 columns"),
        ({"row_weights": -OF_ROWS}, "row_weights: the weight -.* finite and not negative"),
        ({"column_weights": np.full(COLUMNS, np.nan)}, "the weight nan of column 0"),
        ({"row_weights": np.full(ROWS, "heavy")}, "dtype <U5"),
        ({"row_weights": "nowhere.npy"}, "nothing at this path"),
        ({"row_weights": pd.Series(OF_ROWS, [f"other{i}" for i in range(ROWS)])}, "row_weights"),
    ],
)
def test_what_are_no_weights_is_refused(given, message):
    named = dnmf.open_source(A, row_names=[f"row{i}" for i in range(ROWS)])
    with pytest.raises(InputError, match=message):
        dnmf.fit(named, 2, **given)


def test_sparse_data_whose_zeros_count_cannot_be_weighed():
    with pytest.raises(InputError, match="every zero in it; leave out rows and columns .* say missing='unstored'"):
        dnmf.fit(sparse_of(A), 2, row_weights=OF_ROWS)


@pytest.mark.slow
def test_a_run_goes_on_with_weights_of_files_and_asks_for_those_of_arrays(tmp_path):
    data, of_rows, of_columns = stored(tmp_path), tmp_path / "rows.npy", tmp_path / "columns.txt"
    np.save(of_rows, OF_ROWS)
    np.savetxt(of_columns, OF_COLUMNS)
    given = {"row_weights": of_rows, "column_weights": of_columns, "tol": 0}
    whole = dnmf.fit(data, 2, **given, max_passes=6)
    dnmf.fit(data, 2, **given, max_passes=3, store=tmp_path / "run.dnmf")
    assert dnmf.resume(tmp_path / "run.dnmf", max_passes=6).H.tobytes() == whole.H.tobytes()
    np.save(of_rows, OF_ROWS + 1)
    with pytest.raises(dnmf.CheckpointError, match="the row weights are not what the fit began with"):
        dnmf.resume(tmp_path / "run.dnmf", max_passes=7)
    dnmf.fit(data, 2, row_weights=OF_ROWS, tol=0, max_passes=1, store=tmp_path / "other.dnmf")
    with pytest.raises(InputError, match=r"give the data with it again: source=dnmf.open_source\(…, row_weights=…\)"):
        dnmf.resume(tmp_path / "other.dnmf", max_passes=2)
    again = dnmf.open_source(data, row_weights=OF_ROWS)
    assert len(dnmf.resume(tmp_path / "other.dnmf", source=again, max_passes=2).history) == 2
