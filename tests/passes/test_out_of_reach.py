"""Values in columns where H is zero: no W predicts them, so that they say nothing of W, and the loss is infinite."""

import numpy as np
import pytest
import scipy.sparse
import zarr
from command_line import call

import dnmf
from dnmf.errors import InputError, UnsolvedWarning
from dnmf.losses import loss_named
from dnmf.passes.terms import Terms
from dnmf.passes.visitors.curved import SolveCurvedRows
from dnmf.passes.visitors.visitor import Block
from dnmf.sources.rows import CsrRows

pytestmark = pytest.mark.numeric
SEEN, EMPTY = np.array([[4.0, 2, 0], [2, 4, 0], [1, 5, 0], [6, 1, 0]]), 2
NEW = np.array([[4.0, 2, 10], [1, 1, 0]])
SAID = "1 of 2 rows have values in columns where H is 0"


@pytest.fixture(scope="module")
def model():
    """Of counts whose last column is empty."""
    return dnmf.fit(SEEN, 2, loss="kullback-leibler", dtype="float64", tol=1e-10)


DOORS = {
    "transform": lambda model, rows: model.transform(rows),
    "transform of sparse rows": lambda model, rows: model.transform(scipy.sparse.csr_array(rows)),
    "of rows whose zeros were seen": lambda model, rows: model.transform(dnmf.open_source(rows, missing="nan")),
    "of weighted rows": lambda model, rows: model.transform(dnmf.open_source(rows, weights=np.full(rows.shape, 2.0))),
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_rows_are_those_of_the_other_columns(model, door):
    with pytest.warns(UnsolvedWarning, match=SAID):
        found = np.asarray(door(model, NEW))
    np.testing.assert_allclose((found * model.d) @ model.H, [[4, 2, 0], [1, 1, 0]], atol=1e-5)


def test_the_estimator_finds_them_too():
    estimator = dnmf.NMF(2, beta_loss="kullback-leibler", dtype="float64", tol=1e-10, random_state=0).fit(SEEN)
    with pytest.warns(UnsolvedWarning, match=SAID):
        found = estimator.transform(NEW)
    np.testing.assert_allclose(found @ estimator.components_, [[4, 2, 0], [1, 1, 0]], atol=1e-5)


@pytest.mark.parametrize("measure", ["loss", "relative_error", "held_out"])
def test_all_measures_say_that_the_loss_is_infinite(model, measure):
    if measure == "held_out":
        assert dnmf.measures.held_out(model, ([0], [EMPTY], [10.0])).loss == np.inf
        assert dnmf.measures.held_out(model, ([0], [EMPTY], [0.0])).loss == 0
    else:
        with pytest.warns(UnsolvedWarning, match=SAID):
            assert getattr(dnmf.measures, measure)(model, NEW) == np.inf


def test_nothing_is_said_of_columns_where_nothing_is(model, recwarn):
    assert np.isfinite(dnmf.measures.loss(model, SEEN))
    assert not [each for each in recwarn if each.category is UnsolvedWarning]


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("observed", [False, True])
@pytest.mark.parametrize("loss", ["kullback-leibler", "itakura-saito"])
def test_a_row_is_solved_as_if_the_column_were_not_there(loss, observed, sparse):
    rng = np.random.default_rng(0)
    A, H, dark = rng.gamma(2.0, size=(20, 9)) + 0.1, rng.random((3, 9)), [2, 5]
    H[:, dark] = 0
    without = np.delete(np.arange(9), dark)
    found = [rows_of(A[:, some], H[:, some], loss, observed, sparse=sparse) for some in (np.arange(9), without)]
    np.testing.assert_array_equal(found[0].G, found[1].G)
    assert (found[0].unreached, found[1].unreached) == (20, 0)
    assert (found[0].unsolved, found[0].value) == (0, np.inf)
    assert found[0].whole > found[1].whole


def rows_of(A, H, loss, observed, *, sparse):
    visitor = SolveCurvedRows.for_factor(loss_named(loss), H, Terms(), observed=observed, first=True)
    sums = visitor.begin(A.shape[1], "float64", residual=False)
    columns, offsets = np.tile(np.arange(A.shape[1], dtype=np.int32), len(A)), A.shape[1] * np.arange(len(A) + 1)
    visitor.visit(Block(CsrRows(A.ravel(), columns, offsets) if sparse else A, 0), sums, None)
    return sums.finish()


GIVEN = np.array([[1.0, 1, 0], [1, 2, 0]])


def test_a_fit_with_no_component_for_a_column_is_refused_and_one_with_a_free_one_is_not():
    guided = dnmf.Constraints(fixed_H=GIVEN)
    with pytest.raises(InputError, match="4 rows have values in columns where H is 0 in every component.*fixed_H"):
        dnmf.fit(SEEN + 1, 2, loss="kullback-leibler", constraints=guided)
    assert np.isfinite(dnmf.fit(SEEN + 1, 3, loss="kullback-leibler", constraints=guided).loss)
    assert np.isfinite(dnmf.fit(SEEN, 2, loss="kullback-leibler", constraints=guided).loss)


def test_the_command_line_says_it_and_goes_on(model, tmp_path):
    model.save(tmp_path / "model.dnmf")
    zarr.save_array(tmp_path / "new.zarr", NEW)
    ended = call("transform", tmp_path / "model.dnmf", tmp_path / "new.zarr", "--out", tmp_path / "W.zarr")
    assert ended.exit_code == 0, ended.output
    assert SAID in ended.stderr
