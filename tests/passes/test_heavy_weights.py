"""Weights that the dtype of the computation does not hold are refused with their place, whatever they are made of."""

import warnings

import numpy as np
import pytest
import scipy.sparse

import dnmf
from dnmf.errors import InputError

pytestmark = pytest.mark.numeric
ROWS, COLUMNS = 40, 12
A = np.random.default_rng(0).random((ROWS, COLUMNS)) + 0.1
A[3, 4] = 0


def one(weight):
    """Weights of entries, one of them large, where the value is 0 and its product with it tells nothing."""
    weights = np.ones(A.shape)
    weights[3, 4] = weight
    return {"weights": weights}


def sides(of_rows, of_columns):
    return {"row_weights": np.full(ROWS, of_rows), "column_weights": np.full(COLUMNS, of_columns)}


TOO_MUCH = {
    "an entry": (one(1e39), "float32", r"the weight 1e\+39 at row 3, column 4 is too large for float32.*float64"),
    "an entry whose products overflow": (one(1e36), "float32", "at row 3, column 4 is too large for float32"),
    "an entry in float64": (one(1e200), "float64", r"1e\+200 at row 3, column 4 is too large for float64, .* number$"),
    "an infinite one": (one(np.inf), "float64", "the weight inf at row 3, column 4; weights are finite"),
    "sides": (sides(1e20, 1e20), "float32", r"the weight 1e\+40 at row 0, column 0 .* is too large for float32"),
    "sides in float64": (sides(1e200, 1e200), "float64", "the weight inf at row 0, column 0 .* its row and its column"),
    "an entry and its row": (
        {**one(2.0**100), "row_weights": np.full(ROWS, 2.0**100)}, "float32", "at row 3, column 4 is too large"
    ),
    "sides that vanish": (sides(1e-30, 1e-30), "float32", "overflow or vanish in float32"),
}  # fmt: skip


@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
@pytest.mark.parametrize(("said", "dtype", "message"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_it_is_refused_without_any_other_word(said, dtype, message, loss):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=message):
            dnmf.fit(A, 2, loss=loss, dtype=dtype, **said)


def test_it_is_refused_where_entries_are_stored():
    stored = scipy.sparse.csr_array(A)
    with pytest.raises(InputError, match=r"row 0, column 0 .* is too large for float32"):
        dnmf.fit(stored, 2, missing="unstored", **sides(1e20, 1e20))


@pytest.mark.parametrize("said", [sides(2.0**70, 2.0**70), sides(1e20, 1e20)], ids=["exact in float32", "not exact"])
def test_products_that_float64_holds_are_made_in_it(said):
    plain, weighted = (dnmf.fit(A, 2, dtype="float64", max_passes=5, mask=A > -1, **more) for more in ({}, said))
    assert weighted.relative_error == pytest.approx(plain.relative_error, rel=1e-6)
