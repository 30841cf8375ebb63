"""Fits of counts, and of other data whose loss has a curvature of its own in every entry."""

import itertools

import numpy as np
import pytest
import scipy.sparse
from breadth import quickly

import dnmf
from dnmf.constraints import Constraints
from dnmf.errors import BudgetError, InputError
from dnmf.memory import Machine, Shape
from dnmf.penalty import Penalty
from dnmf.starts import choose
from dnmf.starts.choose import plan_for_curvature

pytestmark = pytest.mark.numeric

rng = np.random.default_rng(3)
W, H = rng.gamma(0.5, 1, (300, 4)), rng.gamma(0.5, 1, (4, 40))
COUNTS = rng.poisson(3 * W @ H).astype(float)
POSITIVE = (W @ H + 0.01) * rng.gamma(5, 0.2, (300, 40))
KL = {"loss": "kullback-leibler"}
OBJECTIVE = Penalty(scale="objective")


def product(model):
    return (model.read_W().astype(float) * model.d) @ model.H


def divergence(A, P):
    some = A > 0
    return float((A[some] * np.log(A[some] / P[some])).sum() - A.sum() + P.sum())


KINDS = {
    "dense": (COUNTS, {}),
    "integers": (COUNTS.astype(np.uint16), {}),
    "csr": (scipy.sparse.csr_array(COUNTS), {}),
    "csc": (scipy.sparse.csc_array(COUNTS), {}),
    "float64": (COUNTS, {"dtype": "float64"}),
    "random": (COUNTS, {"init": "random"}),
    "W given": (COUNTS, {"W": W}),
    "H given": (COUNTS, {"H": H}),
    "a row of zeros": (np.where(np.arange(300)[:, None] == 7, 0, COUNTS), {}),
    "a column of zeros": (np.where(np.arange(40) == 7, 0, COUNTS), {}),
    "L1": (COUNTS, {"penalty": Penalty(l1=0.5, scale="objective")}),
    "L2": (COUNTS, {"penalty": Penalty(l2=0.5, scale="objective")}),
    "bounds": (COUNTS, {"penalty": OBJECTIVE, "constraints": Constraints(upper=(2.0, 1.0))}),
    "rows given": (COUNTS, {"constraints": Constraints(fixed_H=H[:2])}),
    "columns given": (COUNTS, {"constraints": Constraints(fixed_W=W[:, :2])}),
}


QUICK = ("dense", "csr", "random", "L1", "rows given", "columns given")


@pytest.fixture(scope="module", params=quickly(QUICK, of=KINDS))
def fitted(request):
    A, options = KINDS[request.param]
    dense = A.toarray() if scipy.sparse.issparse(A) else np.asarray(A, float)
    return dense, dnmf.fit(A, 4, **KL, **options), request.param


def test_the_loss_of_the_last_pass_is_the_divergence_of_the_model(fitted):
    A, model, _ = fitted
    assert model.history[-1].loss == pytest.approx(divergence(A, product(model)), rel=1e-5)


def test_the_objective_of_accepted_passes_falls(fitted):
    _, model, _ = fitted
    objectives = [record.objective for record in model.history if record.accepted]
    slack = 1e-6 * abs(objectives[0])
    assert all(later <= earlier + slack for earlier, later in itertools.pairwise(objectives))


def test_what_is_not_explained_is_measured_by_the_means_of_rows(fitted):
    A, model, _ = fitted
    mean = np.broadcast_to(A.mean(axis=1, keepdims=True), A.shape)
    share = divergence(A, product(model)) / divergence(A, np.maximum(mean, 1e-300))
    assert model.relative_error**2 == pytest.approx(share, rel=1e-4)


def test_it_explains_counts_as_well_as_scikit_learn_does(fitted):
    decomposition = pytest.importorskip("sklearn.decomposition")
    A, model, name = fitted
    if name in ("rows given", "columns given", "L1", "L2", "bounds"):
        return
    other = decomposition.NMF(4, beta_loss="kullback-leibler", solver="mu", max_iter=500, init="nndsvda", tol=0).fit(A)
    assert model.history[-1].loss <= 1.002 * other.reconstruction_err_**2 / 2


@pytest.mark.broad(3)
def test_rows_of_the_fit_are_found_again(fitted):
    A, model, name = fitted
    if name == "csc":
        return  # its rows were found as columns, by another solver
    more = {"fixed_W": W[:, :2]} if name == "columns given" else {}
    again = model.transform(A, **more).compute()
    np.testing.assert_allclose(again, model.read_W(), atol=2e-4 * model.read_W().max())


def test_given_parts_stay():
    of_H = dnmf.fit(COUNTS, 4, **KL, constraints=Constraints(fixed_H=H[:2]))
    np.testing.assert_allclose(of_H.H[:2], H[:2] / H[:2].sum(axis=1, keepdims=True), rtol=1e-5)
    of_W = dnmf.fit(COUNTS, 4, **KL, constraints=Constraints(fixed_W=W[:, :2]))
    np.testing.assert_allclose(of_W.read_W()[:, :2], W[:, :2] / W[:, :2].sum(axis=0), rtol=1e-5)


def test_bounds_hold():
    model = dnmf.fit(COUNTS, 4, **KL, penalty=OBJECTIVE, constraints=Constraints(upper=(0.5, 2.0)))
    assert (model.read_W() * model.w_scale).max() <= 0.5 * (1 + 1e-6)
    assert (model.h_scale[:, None] * model.H).max() <= 2.0 * (1 + 1e-6)


@pytest.mark.slow
def test_the_stronger_l1_the_less_is_explained_with_less():
    models = [dnmf.fit(COUNTS, 4, **KL, penalty=Penalty(l1=l1, scale="objective"), tol=1e-6) for l1 in (0, 5, 20, 50)]
    losses, weights = (
        [each(model) for model in models] for each in (lambda m: m.history[-1].loss, lambda m: m.d.sum())
    )
    assert losses == sorted(losses)
    assert weights == sorted(weights, reverse=True)
    assert models[-1].alive < 4


@pytest.mark.slow
def test_positive_data_by_itakura_saito():
    decomposition = pytest.importorskip("sklearn.decomposition")
    model = dnmf.fit(POSITIVE, 4, loss="itakura-saito")
    P = product(model)
    assert model.history[-1].loss == pytest.approx((POSITIVE / P - np.log(POSITIVE / P) - 1).sum(), rel=1e-4)
    other = decomposition.NMF(4, beta_loss="itakura-saito", solver="mu", max_iter=500, init="nndsvda").fit(POSITIVE)
    assert model.history[-1].loss <= 1.01 * other.reconstruction_err_**2 / 2


def test_the_same_bits_with_fewer_options_that_say_the_same(tmp_path):
    one, other = (dnmf.fit(scipy.sparse.csr_array(COUNTS), 4, **KL, seed=3) for _ in range(2))
    assert one.H.tobytes() == other.H.tobytes()
    assert one.read_W().tobytes() == other.read_W().tobytes()


@pytest.mark.slow
def test_a_stopped_fit_goes_on_to_the_same_bits(tmp_path):
    whole = dnmf.fit(COUNTS, 4, **KL, tol=0, max_passes=7)
    dnmf.fit(COUNTS, 4, **KL, tol=0, max_passes=4, store=tmp_path / "run.dnmf")
    resumed = dnmf.resume(tmp_path / "run.dnmf", source=COUNTS, max_passes=7)
    assert resumed.H.tobytes() == whole.H.tobytes()
    assert resumed.read_W().tobytes() == whole.read_W().tobytes()


@pytest.mark.parametrize("loss", ["kullback-leibler", "itakura-saito"])
@pytest.mark.broad(1)
def test_a_single_component_descends_where_entries_are_missing(loss):
    holes = np.where(np.random.default_rng(2).random(POSITIVE.shape) < 0.2, np.nan, POSITIVE)
    more = {"dtype": "float64", "init": "random", "tol": 1e-10, "extrapolate": False}
    model = dnmf.fit(holes, 1, loss=loss, missing="nan", **more)
    losses = [record.loss for record in model.history]
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in itertools.pairwise(losses))


def test_where_memory_is_short_the_curvature_of_columns_is_kept_on_its_diagonal():
    layout = dnmf.open_source(scipy.sparse.csr_array(COUNTS)).layout()
    shape = Shape(20_000, 20, 4, curvature=210)
    full, less = (plan_for_curvature(layout, shape, Machine(2, megabytes * 2**20, 0)) for megabytes in (4000, 200))
    assert less.diagonal
    assert not full.diagonal
    assert not full.gave_up
    assert any("diagonal" in what for what in less.gave_up)
    assert plan_for_curvature(layout, shape, Machine(2, 4000 * 2**20, 0), less.cuts_json()).diagonal
    with pytest.raises(BudgetError):
        plan_for_curvature(layout, shape, Machine(2, 40 * 2**20, 0))


@pytest.mark.parametrize(("rank", "numbers", "diagonal"), [(20, 20, True), (20, 210, False), (1, 1, False)])
def test_the_cuts_of_first_plans_told_a_diagonal_by_its_numbers(rank, numbers, diagonal):
    layout = dnmf.open_source(scipy.sparse.csr_array(COUNTS)).layout()
    shape = Shape(20_000, rank, 4, curvature=rank * (rank + 1) // 2)
    cuts = plan_for_curvature(layout, shape, Machine(2, 4000 * 2**20, 0)).cuts_json() | {"curvature": numbers}
    assert plan_for_curvature(layout, shape, Machine(2, 4000 * 2**20, 0), cuts).diagonal is diagonal


@pytest.mark.slow
def test_a_fit_with_the_diagonal_of_curvatures_comes_near_one_with_all_of_them(monkeypatch):
    full, make_plan = dnmf.fit(COUNTS, 4, **KL, tol=1e-6), choose.make_plan

    def plan(layout, shape, machine, cuts=None):
        if shape.curvature > shape.rank:
            raise BudgetError("as if there was no room")
        return make_plan(layout, shape, machine, cuts)

    monkeypatch.setattr(choose, "make_plan", plan)
    less = dnmf.fit(COUNTS, 4, **KL, tol=1e-6, max_passes=100)
    losses = [record.loss for record in less.history if record.accepted]
    assert all(later <= earlier * (1 + 1e-6) for earlier, later in itertools.pairwise(losses))
    assert less.history[-1].loss <= 1.001 * full.history[-1].loss


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalty": Penalty(l1=0.1)}, "scale 'relative' is measured by least squares"),
        ({"penalty": Penalty(l1=0.1, scale="fraction")}, "scale 'fraction' is measured by least squares"),
        ({"constraints": Constraints(free="W")}, "not negative"),
        ({"init": "surrogate"}, "use 'sample'"),
    ],
)
def test_what_has_no_meaning_beside_it_is_refused_with_the_reason(options, message):
    with pytest.raises(InputError, match=message):
        dnmf.fit(COUNTS, 2, **KL, **options)


HELD_BACK = {
    "L1": {"penalty": Penalty(l1=0.1, scale="objective")},
    "a bound": {"penalty": Penalty(l2=0.1, scale="objective"), "constraints": Constraints(upper=(np.inf, 0.5))},
}


@pytest.mark.parametrize("seed", [8, 24, 29])
@pytest.mark.parametrize("held_back", HELD_BACK)
@pytest.mark.broad(1)
def test_a_step_that_went_too_far_is_made_shorter(held_back, seed):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(3 * rng.random((60, 3)) @ rng.random((3, 12)))
    found = {
        init: dnmf.fit(counts, 4, **KL, **HELD_BACK[held_back], init=init, seed=seed, tol=1e-5, max_passes=100)
        for init in ("auto", "random")
    }
    ends = {init: model.history[-1].objective for init, model in found.items()}
    assert ends["random"] <= 1.2 * ends["auto"]  # a fit that ends with such a step is half as bad again
    assert "tol" in found["random"].stop_reason


def test_data_that_a_loss_is_not_for_is_refused_with_the_place():
    with pytest.raises(InputError, match=r"a zero at row 0, column \d+ .*above zero everywhere"):
        dnmf.fit(COUNTS, 2, loss="itakura-saito")
    with pytest.raises(InputError, match="every zero in it"):
        dnmf.fit(scipy.sparse.csr_array(POSITIVE), 2, loss="itakura-saito")
    with pytest.raises(InputError, match="negative value"):
        dnmf.fit(COUNTS - 1, 2, **KL)
