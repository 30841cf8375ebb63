"""Nonnegative CP where not all entries were observed or count alike, and of counts, whatever holds them."""

import dask.array
import numpy as np
import pytest
import sparse
import zarr
from cubes import array_of, congruence, planted

import dnmf
from dnmf.errors import InputError

SHAPE, RANK = (60, 20, 15), 4
LOST = 0.4


@pytest.fixture(scope="module")
def true():
    return planted(SHAPE, RANK, noise=0.05, seed=3)


@pytest.fixture(scope="module")
def observed():
    return np.random.default_rng(0).random(SHAPE) > LOST


@pytest.fixture(scope="module")
def found(true, observed):
    return dnmf.cp(np.where(observed, true[0], np.nan), RANK, missing="nan")


@pytest.fixture(scope="module")
def counts(true):
    return np.random.default_rng(1).poisson(4 * true[0]).astype("f4")


def full(model):
    return array_of(list(model.factors.values()), model.weights)


def stored(array, path):
    zarr.create_array(path, data=array, chunks=(20, 10, 15))
    return path


KINDS = {
    "NaN in memory": lambda A, seen, _: ((np.where(seen, A, np.nan),), {"missing": "nan"}),
    "NaN on disk": lambda A, seen, at: ((stored(np.where(seen, A, np.nan), at / "c.zarr"),), {"missing": "nan"}),
    "NaN in dask": lambda A, seen, _: (
        (dask.array.from_array(np.where(seen, A, np.nan), chunks=(20, 20, 5)),), {"missing": "nan"},
    ),
    "a mask": lambda A, seen, _: ((A,), {"mask": seen}),
    "a mask on disk": lambda A, seen, at: ((stored(A, at / "c.zarr"),), {"mask": str(stored(seen, at / "m.zarr"))}),
    "weights": lambda A, seen, _: ((A,), {"weights": seen.astype(float)}),
    "what is not stored": lambda A, seen, _: ((sparse.COO.from_numpy(A * seen),), {"missing": "unstored"}),
    "masked": lambda A, seen, _: ((np.ma.masked_array(A, ~seen),), {"missing": "nan"}),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_however_it_is_said_what_was_observed_the_factors_are_the_same(kind, true, observed, found, tmp_path):
    given, said = KINDS[kind](true[0], observed, tmp_path)
    model = dnmf.cp(*given, RANK, **said)
    assert congruence(list(model.factors.values()), list(found.factors.values())) > 0.9999


def test_what_was_not_observed_is_predicted_as_well_as_what_was(true, observed, found):
    array, factors = true
    errors = [
        np.linalg.norm((full(found) - array)[which]) / np.linalg.norm(array[which]) for which in (observed, ~observed)
    ]
    assert errors[0] == pytest.approx(found.relative_error, rel=1e-3)
    assert errors[1] < 1.2 * errors[0]
    assert congruence(list(found.factors.values()), factors) > 0.99
    as_zeros = dnmf.cp(np.where(observed, array, 0), RANK)
    assert np.linalg.norm((full(as_zeros) - array)[~observed]) > 5 * np.linalg.norm((full(found) - array)[~observed])


def test_with_all_observed_it_is_the_fit_of_all(true):
    some, every = dnmf.cp(true[0], RANK, mask=np.ones(SHAPE, bool)), dnmf.cp(true[0], RANK)
    assert some.relative_error == pytest.approx(every.relative_error, rel=1e-4)


def test_weights_are_those_of_entries_of_slabs_and_of_columns(true):
    array, _ = true
    of_rows, of_columns = np.linspace(1, 3, SHAPE[0]), np.linspace(1, 2, SHAPE[1] * SHAPE[2])
    weights = np.multiply.outer(of_rows, of_columns).reshape(SHAPE)
    one = dnmf.cp(array, RANK, weights=weights)
    other = dnmf.cp(array, RANK, row_weights=of_rows, column_weights=of_columns)
    assert congruence(list(one.factors.values()), list(other.factors.values())) > 0.9999
    loss = np.sqrt((weights * (full(one) - array) ** 2).sum() / (weights * array**2).sum())
    assert one.relative_error == pytest.approx(loss, rel=1e-3)


def test_weights_of_columns_may_have_the_axes_of_these(true):
    seen = np.random.default_rng(4).random(SHAPE[1:]) < 0.8
    one, other = (dnmf.cp(true[0], RANK, column_weights=each) for each in (seen, seen.ravel().astype(float)))
    np.testing.assert_array_equal(one.H, other.H)


@pytest.mark.parametrize(
    "asked", [{}, {"loss": "kullback-leibler"}, {"loss": "kullback-leibler", "solver": "mu"}, {"solver": "mu"}], ids=str
)
def test_a_slab_of_which_nothing_was_observed_is_zero_along_its_axis(asked, true, observed):
    seen = observed.copy()
    seen[:, 3] = seen[7] = False
    model = dnmf.cp(np.where(seen, true[0], np.nan), RANK, missing="nan", **asked)
    assert not model.factor(1)[3].any()
    assert not model.factor(0)[7].any()
    assert model.alive == RANK


def test_new_slabs_with_holes_are_transformed(true, observed, found):
    array, _ = true
    holes = np.where(observed, array, np.nan)[:9]
    np.testing.assert_allclose(found.transform(holes), found.read_W(0, 9), rtol=1e-3, atol=1e-4 * found.read_W().max())


def test_counts_are_fitted_by_their_likelihood(true, counts):
    model = dnmf.cp(counts, RANK, loss="kullback-leibler")
    squares = dnmf.cp(counts, RANK)

    def divergence(found):
        P = np.maximum(full(found), 1e-12)
        return float((counts * np.log(np.where(counts > 0, counts, 1) / P) - counts + P).sum())

    assert model.history[-1].loss == pytest.approx(divergence(model), rel=1e-4)
    assert divergence(model) < divergence(squares)
    assert congruence(list(model.factors.values()), true[1]) > 0.95


def test_multiplicative_updates_and_steps_of_newton_find_the_same(counts):
    ends = [dnmf.cp(counts, RANK, loss="kullback-leibler", solver=solver, tol=1e-6) for solver in ("cd", "mu")]
    assert ends[0].history[-1].loss == pytest.approx(ends[1].history[-1].loss, rel=1e-4)
    assert len(ends[0].history) < len(ends[1].history)


def test_sparse_counts_are_those_of_the_dense_array(counts, tmp_path):
    thin = counts * (np.random.default_rng(2).random(SHAPE) < 0.3)
    models = [dnmf.cp(each, RANK, loss="kullback-leibler") for each in (thin, sparse.COO.from_numpy(thin))]
    assert congruence(*(list(model.factors.values()) for model in models)) > 0.999


@pytest.mark.slow
@pytest.mark.parametrize("asked", [{"missing": "nan"}, {"loss": "kullback-leibler", "missing": "nan"}], ids=str)
def test_ridge_takes_whole_components_away_where_some_entries_are_missing(asked, true, observed):
    holes = np.where(observed, true[0], np.nan)
    alive = [dnmf.cp(holes, 7, penalty=dnmf.Penalty(l2=l2, scale="objective"), **asked).alive for l2 in (1e-3, 3, 1e4)]
    assert alive[0] >= alive[1] >= RANK - 1
    assert alive[2] == (1 if "loss" in asked else 0)  # under Kullback–Leibler nothing is predicted by nothing


@pytest.mark.slow
@pytest.mark.parametrize("asked", [{"missing": "nan"}, {"loss": "kullback-leibler", "missing": "nan"},
                                   {"loss": "kullback-leibler"}], ids=str)  # fmt: skip
def test_the_rank_is_found_with_entries_or_blocks_held_out(asked):
    factors = planted((200, 16, 12), 3, seed=4)[1]
    rng = np.random.default_rng(5)
    array = rng.poisson(20 * array_of(factors)).astype("f4")
    if "missing" in asked:
        array = np.where(rng.random(array.shape) < 0.3, np.nan, array)
    assert dnmf.ranks(array, range(2, 6), structure="cp", seeds=2, folds=3, **asked).suggested == 3


def test_a_run_with_holes_is_gone_on_with(true, observed, tmp_path):
    path = stored(np.where(observed, true[0], np.nan), tmp_path / "c.zarr")
    asked = {"missing": "nan", "init": "random", "tol": 0.0}
    whole = dnmf.cp(path, RANK, **asked, max_passes=6)
    dnmf.cp(path, RANK, **asked, max_passes=3, store=tmp_path / "run.dnmf")
    went_on = dnmf.resume(tmp_path / "run.dnmf", max_passes=6)
    np.testing.assert_array_equal(went_on.H, whole.H)


BAD = {
    "holes that nobody speaks of": (lambda A, seen: np.where(seen, A, np.nan), {}, "missing='nan'"),
    "a mask of another shape": (lambda A, _: A, {"mask": np.ones((3, 3))}, "mask"),
    "weights of columns of another shape": (
        lambda A, _: A, {"column_weights": np.ones((15, 20))},
        r"has shape \(15, 20\) .* of 300 columns, shape \(20, 15\)",
    ),
    "a negative count": (lambda A, _: -A, {"loss": "kullback-leibler"}, "negative"),
    "fractions": (
        lambda A, seen: np.where(seen, A, np.nan),
        {"missing": "nan", "penalty": dnmf.Penalty(l2=0.1, scale="fraction")}, "objective",
    ),
    "strengths for each entry": (
        lambda A, seen: np.where(seen, A, np.nan),
        {"missing": "nan", "penalty": dnmf.Penalty(l2=0.1, scale="counts")}, "scale='objective'",
    ),
    "a surrogate": (lambda A, seen: np.where(seen, A, np.nan), {"missing": "nan", "init": "surrogate"}, "sample"),
    "implicit feedback beside counts": (lambda A, _: A, {"implicit": 1.0, "loss": "kullback-leibler"}, "least squares"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_refused_in_words(case, true, observed):
    make, asked, words = BAD[case]
    with pytest.raises(InputError, match=words):
        dnmf.cp(make(true[0], observed), RANK, **asked)
