"""Fits of data of which not all entries were observed, or count alike."""

import itertools

import numpy as np
import pytest
import scipy.sparse
import zarr
from breadth import quickly

import dnmf
from dnmf.constraints import Constraints
from dnmf.errors import InputError, UnsolvedWarning
from dnmf.options import FitOptions
from dnmf.passes.visit import visit_group
from dnmf.passes.work import Work
from dnmf.penalty import Penalty
from dnmf.plan import Group
from dnmf.schemes.facts import Facts
from dnmf.schemes.of_options import scheme_of

pytestmark = pytest.mark.numeric

rng = np.random.default_rng(0)
W = rng.random((300, 5)) * (rng.random((300, 5)) < 0.6)
H = rng.random((5, 50)) * (rng.random((5, 50)) < 0.6)
A = W @ H
HIDDEN = rng.random(A.shape) < 0.2
WITH_HOLES = np.where(HIDDEN, np.nan, A)
RIDGE = Penalty(l2=0.02, scale="objective")
COUNTS = Penalty(l2=0.001, scale="counts")


def product(model):
    return (model.read_W().astype(float) * model.d) @ model.H


def as_csr(values, seen):
    """What was seen of a matrix, zeros too."""
    rows, columns = np.nonzero(seen)
    return scipy.sparse.csr_array((values[seen], (rows, columns)), shape=values.shape)


SAID = {
    "nan": (WITH_HOLES, {"missing": "nan"}),
    "nan float32": (WITH_HOLES.astype(np.float32), {"missing": "nan"}),
    "unstored": (as_csr(A, ~HIDDEN), {"missing": "unstored"}),
    "unstored csc": (scipy.sparse.csc_array(as_csr(A, ~HIDDEN)), {"missing": "unstored"}),
    "mask": (np.where(HIDDEN, 7.0, A), {"mask": ~HIDDEN}),
    "sparse mask": (np.where(HIDDEN, 7.0, A), {"mask": scipy.sparse.csr_array(~HIDDEN)}),
    "mask of sparse": (scipy.sparse.csr_array(A), {"mask": ~HIDDEN}),
    "weights": (np.where(HIDDEN, 7.0, A), {"weights": np.where(HIDDEN, 0.0, 1.0)}),
    "masked array": (np.ma.MaskedArray(A, HIDDEN), {"missing": "nan"}),
}


@pytest.mark.parametrize("how", quickly(("nan", "unstored", "mask of sparse", "weights"), of=SAID))
def test_what_was_hidden_of_a_planted_matrix_is_recovered(how):
    data, said = SAID[how]
    model = dnmf.fit(data, 5, **said, tol=1e-7, max_passes=100)
    assert np.linalg.norm(product(model) - A) <= 1e-3 * np.linalg.norm(A)


@pytest.mark.parametrize("penalty", quickly((COUNTS,), of=(Penalty(), RIDGE, COUNTS)))
@pytest.mark.broad(1)
def test_the_same_entries_give_the_same_fit_however_they_are_said(penalty):
    models = [
        dnmf.fit(data, 5, **said, penalty=penalty, H=H, dtype="float64", tol=1e-12, max_passes=12)
        for data, said in (SAID[how] for how in ("nan", "mask", "unstored", "weights", "unstored csc"))
    ]
    for other in models[1:-1]:
        np.testing.assert_allclose(product(other), product(models[0]), atol=1e-8)
        assert other.history[-1].objective == pytest.approx(models[0].history[-1].objective, rel=1e-6, abs=1e-9)
    assert models[-1].relative_error == pytest.approx(models[0].relative_error, abs=1e-3)


def loss_of(model, data, weights):
    return 0.5 * float((weights * (np.nan_to_num(data) - product(model)) ** 2).sum())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("missing", quickly((0.5,), of=(0.02, 0.5, 0.9)))
def test_loss_and_error_are_over_what_was_observed(missing, dtype):
    draw = np.random.default_rng(1)
    noisy = A + 0.1 * draw.random(A.shape)
    data = np.where(draw.random(A.shape) < missing, np.nan, noisy)
    model = dnmf.fit(data, 4, missing="nan", dtype=dtype, penalty=RIDGE, tol=1e-4)
    seen = ~np.isnan(data)
    assert model.history[-1].loss == pytest.approx(loss_of(model, data, seen), rel=2e-3 if dtype == "float32" else 1e-7)
    whole = 0.5 * np.nansum(data**2)
    assert model.relative_error == pytest.approx(np.sqrt(model.history[-1].loss / whole), rel=1e-6)


@pytest.mark.broad(2)
@pytest.mark.parametrize("penalty", [Penalty(), RIDGE, COUNTS], ids=lambda penalty: penalty.scale)
@pytest.mark.parametrize("missing", [0.1, 0.8])
def test_the_objective_of_accepted_passes_falls(penalty, missing):
    draw = np.random.default_rng(2)
    data = np.where(draw.random(A.shape) < missing, np.nan, A + 0.1 * draw.random(A.shape))
    history = dnmf.fit(data, 6, missing="nan", penalty=penalty, init="random", tol=1e-5).history
    objectives = [record.objective for record in history if record.accepted]
    slack = 1e-6 * 0.5 * np.nansum(data**2)
    assert all(later <= earlier + slack for earlier, later in itertools.pairwise(objectives))


def test_a_weight_of_two_is_the_row_twice():
    draw = np.random.default_rng(3)
    noisy = A[:60] + 0.2 * draw.random((60, 50))
    weights = np.where(np.arange(60)[:, None] < 10, 2.0, 1.0) * np.ones((60, 50))
    once = dnmf.fit(noisy, 3, weights=weights, H=H[:3], dtype="float64", tol=1e-10, max_passes=100)
    twice = dnmf.fit(np.concatenate([noisy, noisy[:10]]), 3, H=H[:3], dtype="float64", tol=1e-10, max_passes=100)
    np.testing.assert_allclose(product(once), product(twice)[:60], atol=1e-4)
    assert once.history[-1].loss == pytest.approx(twice.history[-1].loss, rel=1e-6)


def test_a_row_or_a_column_of_which_nothing_was_observed_is_no_error():
    data = WITH_HOLES.copy()
    data[7], data[:, 3] = np.nan, np.nan
    model = dnmf.fit(data, 5, missing="nan", penalty=RIDGE)
    assert np.isfinite(product(model)).all()
    assert not model.read_W()[7].any()


@pytest.mark.broad(2)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seen", [0, 1, 3])
def test_a_column_of_which_little_was_observed_is_nothing_but_that(seen, dtype):
    hidden = np.zeros(A.shape, bool)
    hidden[seen:, 3] = True
    model = dnmf.fit(A, 5, mask=~hidden, dtype=dtype, seed=1, max_passes=20)
    kept = dnmf.fit(np.delete(A, 3, axis=1), 5, dtype=dtype, seed=1, max_passes=20)
    assert np.isfinite(model.H).all()
    assert model.relative_error == pytest.approx(kept.relative_error, abs=0.02)
    assert model.relative_error == pytest.approx(
        np.sqrt(2 * loss_of(model, A, ~hidden) / (A[~hidden] ** 2).sum()), abs=1e-3
    )


def test_new_rows_with_holes_are_solved_for_from_what_was_seen_of_them():
    model = dnmf.fit(A, 5, tol=1e-8, dtype="float64")
    rows = dnmf.open_source(WITH_HOLES[:40], missing="nan")
    found = (model.transform(rows).compute() * model.d) @ model.H
    np.testing.assert_allclose(found, A[:40], atol=2e-2 * A.max())


def test_whole_rows_are_held_down_by_all_of_their_entries_where_the_ridge_is_by_counts():
    model = dnmf.fit(WITH_HOLES, 3, missing="nan", penalty=COUNTS, dtype="float64", tol=1e-3)
    all_seen = {"mask": np.ones(A.shape, bool)}
    np.testing.assert_allclose(model.transform(A).compute(), model.transform(A, **all_seen).compute(), atol=1e-9)
    off = dnmf.measures.relative_error(model, A), dnmf.measures.relative_error(model, dnmf.open_source(A, **all_seen))
    assert off[0] == pytest.approx(off[1], rel=1e-6)
    with pytest.raises(InputError, match="missing='unstored'"):
        model.transform(scipy.sparse.csr_array(A))


@pytest.mark.broad(1)
@pytest.mark.parametrize("penalty", [RIDGE, COUNTS], ids=lambda penalty: penalty.scale)
def test_rows_of_a_matrix_by_columns_come_out_again(penalty):
    by_columns = scipy.sparse.csc_array(as_csr(A, ~HIDDEN))
    model = dnmf.fit(by_columns, 3, missing="unstored", penalty=penalty, dtype="float64", tol=1e-9, max_passes=200)
    again = model.transform(by_columns, missing="unstored").compute()
    np.testing.assert_allclose((again * model.d) @ model.H, product(model), atol=1e-3)


def test_biases_of_rows_and_columns_are_given_ones():
    draw = np.random.default_rng(4)
    users, items = draw.random(200), draw.random(30)
    ratings = 1 + users[:, None] + items + 0.3 * np.outer(draw.random(200) ** 4, draw.random(30))
    data = np.where(draw.random(ratings.shape) < 0.5, np.nan, ratings)
    ones = Constraints(fixed_W=np.ones(200), fixed_H=np.ones(30))
    model = dnmf.fit(data, 3, missing="nan", constraints=ones, penalty=Penalty(l2=1e-3, scale="counts"), tol=1e-6)
    assert np.abs(product(model) - ratings)[np.isnan(data)].mean() < 0.05
    np.testing.assert_allclose(model.read_W()[:, 0], 1 / 200, rtol=1e-5)
    np.testing.assert_allclose(model.H[1], 1 / 30, rtol=1e-5)


@pytest.mark.broad(1)
@pytest.mark.parametrize("beside_given", [0.3, 1.0])
def test_biases_of_many_rows_are_as_exact_in_float32(beside_given):
    draw = np.random.default_rng(7)
    values = 1 + draw.random((3000, 1)) + draw.random(20) + draw.random((3000, 2)) @ draw.random((2, 20))
    data = np.where(draw.random(values.shape) < 0.7, np.nan, values)
    ones = Constraints(fixed_W=np.ones(3000), fixed_H=np.ones(20))
    penalty = Penalty(l2=0.05, scale="counts", beside_given=beside_given)
    asked = {"constraints": ones, "penalty": penalty, "extrapolate": False, "prune": "off", "tol": 0, "max_passes": 8}
    single, double = (dnmf.fit(data, 4, missing="nan", **asked, dtype=dtype) for dtype in ("float32", "float64"))
    assert all(record.accepted for record in single.history)
    assert single.history[-1].objective == pytest.approx(double.history[-1].objective, rel=1e-3)


def test_implicit_feedback_trusts_what_is_there():
    counts = scipy.sparse.csr_array(np.random.default_rng(5).poisson(0.3 * A).astype(float))
    model = dnmf.fit(counts, 4, implicit=5.0, penalty=Penalty(l2=0.1, scale="objective"), dtype="float64")
    there = counts.toarray() > 0
    confidence, P = 1 + 5.0 * counts.toarray(), product(model)
    expected = 0.5 * float((confidence * (there - P) ** 2).sum())
    assert model.history[-1].loss == pytest.approx(expected, rel=1e-6)
    assert P[there].mean() > 1.5 * P[~there].mean()


def test_counts_with_holes_by_kullback_leibler():
    draw = np.random.default_rng(6)
    counts = draw.poisson(5 * A).astype(float)
    model = dnmf.fit(np.where(HIDDEN, np.nan, counts), 5, missing="nan", loss="kullback-leibler", tol=1e-5)
    P, seen = product(model), ~HIDDEN
    some = seen & (counts > 0)
    expected = (counts[some] * np.log(counts[some] / P[some])).sum() - counts[seen].sum() + P[seen].sum()
    assert model.history[-1].loss == pytest.approx(expected, rel=1e-4)
    assert np.corrcoef(P[HIDDEN], A[HIDDEN])[0, 1] > 0.9


@pytest.mark.slow
def test_a_stopped_fit_goes_on_to_the_same_bits(tmp_path):
    data, mask = tmp_path / "data.zarr", tmp_path / "mask.zarr"
    zarr.create_array(str(data), data=A, chunks=(64, 50))
    zarr.create_array(str(mask), data=~HIDDEN, chunks=(100, 50))
    said = {"mask": str(mask), "tol": 0, "seed": 2}
    whole = dnmf.fit(str(data), 4, **said, max_passes=7)
    dnmf.fit(str(data), 4, **said, max_passes=4, store=tmp_path / "run.dnmf")
    resumed = dnmf.resume(tmp_path / "run.dnmf", max_passes=7)
    assert resumed.H.tobytes() == whole.H.tobytes()
    assert resumed.read_W().tobytes() == whole.read_W().tobytes()


def losses_of(scheme, start, passes):
    """The loss of each pass without extrapolation."""
    noisy = WITH_HOLES + np.random.default_rng(8).random(A.shape)
    source, group, H, losses = dnmf.open_source(noisy, missing="nan"), Group(0, 300, ((0, 300),)), start, []
    for _ in range(passes):
        work = Work((scheme.visitor(H, first=True),), "float64", check=True)
        statistics = visit_group(source, group, work)
        losses.append(scheme.measure(statistics.models[0], H, scheme.of_data(statistics)).loss)
        H = scheme.update(statistics.models[0], H).H
    return losses


def test_where_there_is_room_for_a_diagonal_only_passes_descend_more_slowly():
    options = FitOptions(5, dtype="float64")
    start = scheme_of(options, Facts(observed=True)).enter(np.random.default_rng(9).random((5, 50)))
    exact, bound = (
        losses_of(scheme_of(options, Facts(observed=True, diagonal=diagonal)), start, 15) for diagonal in (False, True)
    )
    assert bound[0] == pytest.approx(exact[0])
    assert all(later <= earlier + 1e-9 for earlier, later in itertools.pairwise(bound))
    assert exact[-1] < bound[-1] < bound[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalty": Penalty(l1=0.1)}, "measured by all entries"),
        ({"init": "surrogate"}, "takes all for observed"),
        ({"implicit": 3.0}, "leave missing=, masks and weights out"),
    ],
)
def test_what_has_no_meaning_beside_holes_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        dnmf.fit(WITH_HOLES, 2, missing="nan", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalty": COUNTS}, "not all was observed"),
        ({"constraints": Constraints(fixed_W=np.ones(300), fixed_H=np.ones(50))}, "give one of"),
        ({"implicit": -1.0}, "at least 0"),
    ],
)
def test_what_has_a_meaning_only_beside_holes_is_refused_without(options, message):
    with pytest.raises(InputError, match=message):
        dnmf.fit(A, 2, **options)


DOORS = {
    "fit": lambda data: dnmf.fit(data, 2),
    "path": lambda data: dnmf.path(data, 2, Penalty(l1=0.1), [0.1]),
    "transform": lambda data: dnmf.fit(A, 2, max_passes=2).transform(data),
    "relative_error": lambda data: dnmf.measures.relative_error(dnmf.fit(A, 2, max_passes=2), data),
    "kmeans_centres": lambda data: dnmf.measures.kmeans_centres(data, 2),
    "counts": lambda data: dnmf.fit(data, 2, loss="kullback-leibler"),
}
UNSAID = {
    "NaN": (WITH_HOLES, "missing='nan'"),
    "masked": (np.ma.MaskedArray(A, HIDDEN), "missing='nan'"),
    "NaN in sparse": (scipy.sparse.csr_array(WITH_HOLES), "missing='unstored'"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", UNSAID)
def test_a_missing_entry_that_nobody_spoke_of_is_refused_with_the_way_to_ask(door, kind):
    data, way = UNSAID[kind]
    with pytest.raises(InputError, match=f"{way}.*mask=.*open_source"):
        DOORS[door](data)


def test_a_mask_with_missing_entries_is_told_to_say_so_itself():
    with pytest.raises(InputError, match="mask: .*is masked.*give 0 for what was not observed"):
        dnmf.fit(A, 2, mask=np.ma.MaskedArray(A, HIDDEN))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_helps_rows_that_are_not_solved_is_never_the_dtype_they_have(dtype, monkeypatch):
    monkeypatch.setattr("dnmf.fitting.events.PassRecord.unsolved", "3 rows of W")
    with pytest.warns(UnsolvedWarning, match="3 rows of W of pass 2 are not solved") as told:
        dnmf.fit(np.eye(4) + 1, 1, dtype=dtype, max_passes=2)
    assert ("use dtype='float64'" in str(told[0].message)) == (dtype == "float32")
