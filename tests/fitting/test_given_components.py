"""Components whose profile or column of W is given come first and stay; the others are found beside them."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from breadth import quickly
from constraint_cases import CASES, GIVEN_H, GIVEN_W, RANK, TARGET, dense_penalty, factors_of, fitted, objective

import dnmf
from dnmf.constraints import Constraints
from dnmf.errors import InputError
from dnmf.penalty import Penalty

pytestmark = pytest.mark.numeric


@pytest.mark.parametrize("extrapolate", [True, False])
def test_a_fit_of_given_profiles_alone_goes_on_until_their_scale_is_found(extrapolate):
    draw = np.random.default_rng(0)
    A, profiles = draw.gamma(0.5, size=(300, 4)) @ draw.gamma(0.5, size=(4, 25)), draw.random((4, 25))
    model = dnmf.fit(A, 4, penalty=objective(l1=30.0), constraints=Constraints(fixed_H=profiles), dtype="float64",
                     tol=1e-9, max_passes=200, extrapolate=extrapolate)  # fmt: skip
    W, H = factors_of(model)
    t = np.array([np.ones(4), np.full(4, 0.97), np.full(4, 1.03)])
    here, smaller, larger = (dense_penalty(W * each, H * alive_of(W) / each[:, None], model.options.penalty, None)
                             for each in t)  # fmt: skip
    assert here < min(smaller, larger)
    assert model.history[-1].objective == pytest.approx(0.5 * ((A - W @ H) ** 2).sum() + here, rel=1e-9)
    assert "tol" in model.stop_reason


def alive_of(W):
    return W.any(axis=0)[:, None]


@pytest.mark.slow
def test_only_the_product_of_the_weights_counts_also_for_given_columns_that_nothing_has():
    draw = np.random.default_rng(0)
    A = draw.gamma(0.5, size=(300, 4)) @ draw.gamma(0.5, size=(4, 25)) + 0.05 * draw.random((300, 25))
    A[draw.random((300, 25)) < 0.4] = 0
    batch, H = (np.arange(300) % 2)[:, None], np.random.default_rng(1).random((4, 25))
    found = [
        dnmf.fit(A, 4, H=H, penalty=objective(l1=(3 * c, 3 / c)), constraints=Constraints(fixed_W=batch),
                 dtype="float64", tol=1e-9, max_passes=200).history[-1].objective
        for c in (0.01, 1, 100, 1000)
    ]  # fmt: skip
    np.testing.assert_allclose(found, found[0], rtol=1e-9)


@pytest.mark.parametrize("name", ["fixed-H", "fixed-H-penalized", "relative-fixed"])
def test_given_rows_of_H_stay(name, planted):
    model = fitted(planted, name, max_passes=20)
    np.testing.assert_allclose(model.H[:2], GIVEN_H / GIVEN_H.sum(axis=1, keepdims=True), rtol=1e-12)


@pytest.mark.parametrize("name", ["fixed-W", "fixed-W-penalized", "relative-fixed-W"])
def test_given_columns_of_W_stay(name, planted):
    model = fitted(planted, name, max_passes=20)
    np.testing.assert_allclose(model.read_W()[:, :2], GIVEN_W / GIVEN_W.sum(axis=0), rtol=1e-12)
    assert model.H[:2].any()


def test_a_known_covariate_takes_its_part(planted):
    """What a batch adds is found in its component, and the others are those of the data without it."""
    batch = np.arange(600) % 2
    profile = np.random.default_rng(9).random(80)
    model = dnmf.fit(planted + np.outer(batch, profile), 6, constraints=Constraints(fixed_W=batch[:, None]),
                     dtype="float64", tol=1e-9, max_passes=300)  # fmt: skip
    found = model.H[0] * model.d[0] / batch.sum()
    assert found @ profile / np.linalg.norm(found) / np.linalg.norm(profile) > 0.98


def test_other_rows_need_the_columns_that_were_given(planted):
    model = fitted(planted, "fixed-W", max_passes=4)
    with pytest.raises(InputError, match=r"fixed_W of shape \(9, 2\)"):
        model.transform(planted[:9])
    with pytest.raises(InputError, match="stay first"):
        model.reordered([1, 0, 2, 3])
    np.testing.assert_allclose(
        model.transform(planted[:9], fixed_W=GIVEN_W[:9]).compute(), model.read_W()[:9], atol=1e-9
    )


@pytest.mark.parametrize("name", ["fixed-W-penalized", "fixed-H-penalized"])
@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csc_matrix])
def test_given_components_that_nothing_has_cost_nothing(name, kind, planted, tmp_path):
    import anndata

    anndata.AnnData(kind(planted)).write_h5ad(tmp_path / "a.h5ad")
    penalty = objective(l1=100.0, l2=0.1)
    model = dnmf.fit(tmp_path / "a.h5ad", RANK, penalty=penalty, constraints=CASES[name][1], dtype="float64")
    assert model.history[-1].alive == 0
    assert model.history[-1].objective == pytest.approx(0.5 * (planted**2).sum(), rel=1e-12)


def test_columns_of_other_rows_are_checked(planted):
    model = fitted(planted, "fixed-W", max_passes=4)
    for wrong in (np.nan, -1.0):
        with pytest.raises(InputError, match="fixed_W holds a NaN"):
            model.transform(planted[:9], fixed_W=np.full((9, 2), wrong))


@pytest.mark.slow
def test_one_known_column_or_profile_may_be_a_vector(planted):
    for name, given in (("fixed_W", GIVEN_W[:, 0]), ("fixed_H", GIVEN_H[0])):
        matrix = given[:, None] if name == "fixed_W" else given[None]
        fits = [dnmf.fit(planted, RANK, constraints=Constraints(**{name: each}), max_passes=3)
                for each in (given, matrix)]  # fmt: skip
        assert fits[0].H.tobytes() == fits[1].H.tobytes()


def test_rows_of_a_frame_are_those_of_the_data(planted, tmp_path):
    import anndata
    import pandas

    cells = [f"cell {row}" for row in range(600)]
    data = anndata.AnnData(planted)
    data.obs_names = cells
    frame = pandas.DataFrame(GIVEN_W, index=cells)
    assert dnmf.fit(data, RANK, constraints=Constraints(fixed_W=frame), max_passes=2).history
    with pytest.raises(InputError, match="row 0 is named"):
        dnmf.fit(data, RANK, constraints=Constraints(fixed_W=frame[::-1]), max_passes=2)


def test_known_programs_are_found_again(planted):
    """Guided by two of the planted profiles, a fit explains as much, with those two in their places."""
    true = dnmf.fit(planted, 5, dtype="float64", tol=1e-8)
    guided = dnmf.fit(planted, 5, constraints=Constraints(fixed_H=true.H[[3, 1]]), dtype="float64", tol=1e-8)
    assert guided.relative_error == pytest.approx(true.relative_error, rel=1e-3)
    np.testing.assert_allclose(guided.H[:2], true.H[[3, 1]], atol=1e-12)


@pytest.mark.parametrize("place", [0, 2, 4])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("strength", quickly([0.5], of=[0.2, 0.5, 1.0]))
def test_a_component_that_is_pulled_to_a_profile_of_the_data_is_the_one_that_has_it(planted, place, seed, strength):
    free = dnmf.fit(planted, 5, dtype="float64", seed=seed)
    target = np.full((5, 80), np.nan)
    target[place] = GIVEN_H[0]
    model = dnmf.fit(planted, 5, dtype="float64", penalty=Penalty(target=strength), seed=seed,
                     constraints=Constraints(target_H=target))  # fmt: skip
    cosines = model.H @ GIVEN_H[0] / np.linalg.norm(model.H, axis=1) / np.linalg.norm(GIVEN_H[0])
    assert np.argmax(cosines) == place
    assert cosines[place] > 0.99
    assert model.relative_error <= free.relative_error * 1.05


def test_columns_of_W_and_profiles_of_other_components_are_held_together(planted):
    profiles = np.full((5, 80), np.nan)
    profiles[2:4] = TARGET[2:4]
    model = dnmf.fit(
        planted, 5, penalty=Penalty(target=1.0, l1=0.02), dtype="float64",
        constraints=Constraints(fixed_W=GIVEN_W, target_H=profiles),
    )  # fmt: skip
    np.testing.assert_allclose(model.read_W()[:, :2], GIVEN_W / GIVEN_W.sum(axis=0), atol=1e-12)
    np.testing.assert_allclose(model.H[2:4], TARGET[2:4] / TARGET[2:4].sum(axis=1, keepdims=True), atol=1e-12)
    assert model.history[-1].alive == 5


def test_a_given_profile_that_no_row_has_stays_and_is_found_in_others(planted):
    absent = np.zeros((1, 80))
    absent[0, :5] = 1
    rows = planted.copy()
    rows[:, :5] = 0
    model = dnmf.fit(rows, 4, constraints=Constraints(fixed_H=absent), dtype="float64")
    np.testing.assert_allclose(model.H[0], absent[0] / 5)
    assert model.d[0] == 0
    other = rows[:3] + 2 * absent
    np.testing.assert_allclose(model.transform(other).compute()[:, 0], 10, rtol=1e-9)


def test_names_of_given_profiles_are_those_of_the_data(planted):
    pandas = pytest.importorskip("pandas")
    names = [f"gene {at}" for at in range(80)]
    data = pandas.DataFrame(planted, columns=names)
    good = pandas.DataFrame(GIVEN_H, columns=names)
    assert dnmf.fit(data, 4, constraints=Constraints(fixed_H=good), max_passes=2).rank == 4
    with pytest.raises(InputError, match="column 0 is named 'gene 79'"):
        dnmf.fit(data, 4, constraints=Constraints(fixed_H=good[names[::-1]]))


@pytest.mark.parametrize("wrap", [np.asarray, scipy.sparse.csr_array])
def test_nothing_but_what_is_given_is_left_by_the_strongest_l1(planted, wrap):
    model = dnmf.fit(wrap(planted), 4, penalty=Penalty(l1=(1.0, 0.0)), constraints=Constraints(fixed_W=GIVEN_W),
                     dtype="float64")  # fmt: skip
    error = np.linalg.norm(planted - (model.read_W() * model.d) @ model.H) / np.linalg.norm(planted)
    assert model.alive == 2
    assert model.relative_error == pytest.approx(error, rel=1e-9)


@pytest.mark.parametrize("name", ["fixed-W", "fixed-W-penalized", "relative-fixed-W"])
def test_the_error_on_its_own_rows_is_that_of_the_fit(name, planted):
    model = fitted(planted, name, max_passes=20)
    found = dnmf.measures.relative_error(model, planted, fixed_W=GIVEN_W)
    assert found == pytest.approx(model.relative_error, rel=1e-9)


def test_nearly_equal_given_profiles_do_not_spoil_a_free_factor(planted):
    twice = np.vstack([GIVEN_H[0], GIVEN_H[0] * (1 + 1e-7)])
    errors = [dnmf.fit(planted, 4, constraints=Constraints(free="W", fixed_H=twice), dtype=dtype, max_passes=20)
              .relative_error for dtype in ("float32", "float64")]  # fmt: skip
    assert errors[0] == pytest.approx(errors[1], rel=1e-2)
