"""What was observed of data is checked, and what does not go with it is refused with its place."""

import numpy as np
import pytest
import scipy.sparse
from observed_stores import KINDS, MASK, WEIGHTS
from source_contract import COLUMNS, ROWS, small_matrix

from dnmf import InputError, open_source
from dnmf.passes.check import check_rows
from dnmf.passes.work import Demands
from dnmf.sources.given import read_whole


def test_what_is_given_beside_the_data_has_no_missing_entries():
    with pytest.raises(InputError, match="only the data may have missing entries"):
        read_whole(open_source(small_matrix(), mask=MASK))


REFUSED = {
    "mask of another shape": (dict(mask=MASK[:-1]), rf"mask numpy.*shape \({ROWS - 1}, {COLUMNS}\), the data"),
    "weights of another shape": (dict(weights=WEIGHTS.T), r"weights numpy.*shape .* the data"),
    "a mask with NaN": (dict(mask=np.where(MASK, 1.0, np.nan)), r"mask of .* NaN at row 0, column"),
    "a sparse mask with NaN": (
        dict(mask=scipy.sparse.csr_array(np.where(MASK, 1.0, np.nan))), r"mask of .* NaN at row 0, column"
    ),
    "no such word": (dict(missing="zero"), "missing='zero'"),
    "no word": (dict(missing=np.array([1, 2])), r"missing=array\(\[1, 2\]\)"),
    "unstored of dense data": (dict(missing="unstored"), "missing='unstored' is for sparse data.*missing='nan'"),
    "a mask that misses some itself": (dict(mask=np.ma.array(MASK, mask=MASK)), "masked array"),
    "a mask of text": (dict(mask=np.full((ROWS, COLUMNS), "x")), "mask: .*dtype"),
    "weights of three dimensions": (dict(weights=WEIGHTS[None]), "weights: .*an array of 3 axes"),
    "a mask that is not there": (dict(mask="no/such/mask.zarr"), "mask: .*nothing at this path"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_with_the_data_is_refused(case):
    given, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        open_source(small_matrix(), **given).read(0, ROWS)


def test_a_nan_in_sparse_data_is_no_missing_entry():
    with pytest.raises(InputError, match="missing='nan' is for dense data.*missing='unstored'"):
        open_source(scipy.sparse.csr_array(small_matrix()), missing="nan")


def test_nothing_is_said_twice():
    with pytest.raises(InputError, match="says already"):
        open_source(open_source(small_matrix(), mask=MASK), missing="nan")


@pytest.mark.parametrize("what", ["mask", "weights"])
def test_names_that_are_not_those_of_the_data_are_refused(what):
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pd.DataFrame(small_matrix(), columns=[f"gene{j}" for j in range(COLUMNS)])
    beside = pd.DataFrame(WEIGHTS, columns=frame.columns)
    assert open_source(frame, **{what: beside}).column_names()[0] == "gene0"
    with pytest.raises(InputError, match=f"{what} .* column 0 is named 'gene10', in the data 'gene0'"):
        open_source(frame, **{what: beside[frame.columns[::-1]]})


def test_a_nan_that_a_mask_says_was_observed_is_refused_with_its_place():
    A = small_matrix()
    A[6, 2] = A[7, 1] = np.nan
    mask = np.ones(A.shape)
    mask[7, 1] = 0
    with pytest.raises(InputError, match=r"a NaN at row 6, column 2, which the mask says.*missing='nan'"):
        open_source(A, mask=mask).read(3, 9)
    mask[6, 2] = 0
    assert np.isnan(open_source(A, mask=mask).read(3, 9)[3, 2])
    assert np.isnan(open_source(A, mask=np.ones(A.shape), missing="nan").read(3, 9)[3, 2])


class TestCheck:
    """The first pass trusts nothing that was observed."""

    @pytest.mark.parametrize("kind", ["array", "float32", "int16", "csr"])
    @pytest.mark.parametrize("weights", [None, WEIGHTS])
    @pytest.mark.parametrize("signed", [False, True])
    def test_squares_are_those_of_what_was_observed_times_its_weights(self, tmp_path, kind, weights, signed):
        A = small_matrix()
        source = open_source(KINDS[kind](A, tmp_path), mask=MASK, weights=weights)
        of_each = MASK * (1.0 if weights is None else weights)
        found = check_rows(source, 4, source.read(4, 15), demands=Demands(signed=signed))
        assert found == pytest.approx((of_each * A**2)[4:15].sum(), rel=1e-6)

    @pytest.mark.parametrize("value", [-1.0, np.inf, np.nan])
    @pytest.mark.parametrize("kind", ["array", "csr"])
    @pytest.mark.parametrize("weights", [None, np.ones((ROWS, COLUMNS))])
    def test_bad_values_are_found_where_they_were_observed(self, tmp_path, kind, weights, value):
        A, mask = small_matrix(), np.ones((ROWS, COLUMNS))
        A[6, 2], mask[6, 2] = value, 0
        source = open_source(KINDS[kind](A, tmp_path), mask=mask, weights=weights)
        check_rows(source, 5, source.read(5, 9))
        mask[6, 2] = 1
        source = open_source(KINDS[kind](A, tmp_path), mask=mask, weights=weights)
        with pytest.raises(InputError, match="at row 6, column 2"):
            check_rows(source, 5, source.read(5, 9))

    @pytest.mark.parametrize("weight", [-1.0, np.inf, np.nan])
    @pytest.mark.parametrize("kind", ["array", "csr", "csc"])
    def test_weights_are_finite_and_not_negative(self, tmp_path, kind, weight):
        weights = WEIGHTS.copy()
        weights[6, 2] = weight
        source = open_source(KINDS[kind](small_matrix(), tmp_path), weights=weights)
        with pytest.raises(InputError, match=f"the weight {weight} at row 6, column 2; weights are finite"):
            check_rows(source, 0, source.read(0, ROWS))

    @pytest.mark.parametrize("beside", [dict(missing="nan"), dict(weights=np.zeros((ROWS, COLUMNS)))])
    def test_nothing_observed_is_no_error(self, beside):
        source = open_source(np.full((ROWS, COLUMNS), np.nan if "missing" in beside else 1.0), **beside)
        assert check_rows(source, 0, source.read(0, ROWS), demands=Demands(signed=True)) == 0

    def test_squares_that_vanish_or_overflow_are_refused(self):
        A = np.where(MASK, 1e-30, np.nan)
        for factor in (1.0, 1e60):
            source = open_source(A * factor, missing="nan")
            with pytest.raises(InputError, match="overflow or vanish"):
                check_rows(source, 0, source.read(0, ROWS) ** 6)
        source = open_source(np.full((ROWS, COLUMNS), 1e30), weights=np.full((ROWS, COLUMNS), 1e120))
        with pytest.raises(InputError, match="overflow or vanish"):
            check_rows(source, 0, source.read(0, ROWS))
