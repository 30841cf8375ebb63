"""Beyond non-negative: each constraint does what it says, and none breaks what every fit promises."""

import itertools

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
import zarr
from breadth import quickly

import dnmf
from dnmf.constraints import Constraints, Guides, Limits
from dnmf.errors import InputError
from dnmf.passes.statistics import ModelSums
from dnmf.penalty import Penalty
from dnmf.schemes.of_options import least_squares

pytestmark = pytest.mark.numeric

RANK = 4
rng = np.random.default_rng(5)
CHAIN = scipy.sparse.diags_array([np.ones(79), np.ones(79)], offsets=[-1, 1])
TRUE = np.random.default_rng(7)  # as the fixture `planted` draws them: what is given survives a penalty
GIVEN_W = (TRUE.random((600, 5)) * (TRUE.random((600, 5)) < 0.5))[:, :2]
ALL_OF_H = (TRUE.random((5, 80)) * (TRUE.random((5, 80)) < 0.5))[:RANK]
GIVEN_H = ALL_OF_H[:2]
TARGET = np.where(np.arange(RANK)[:, None] == 1, np.nan, rng.random((RANK, 80)))


def objective(**strengths):
    return Penalty(**strengths, scale="objective")


CASES = {
    "bounded": (objective(), Constraints(upper=(1.0, 0.3))),
    "bounded-W-penalized": (objective(l1=0.05, l2=0.05), Constraints(upper=(0.2, None))),
    "bounded-H-penalized": (objective(l1=0.05, l2=0.05), Constraints(upper=(None, 0.2))),
    "free-W": (Penalty(), Constraints(free="W")),
    "free-H": (Penalty(), Constraints(free="H")),
    "free-W-penalized": (objective(l1=(0, 0.05), l2=(0.1, 0)), Constraints(free="W")),
    "angular": (objective(angular=(0.3, 0.2)), None),
    "angular-and-others": (objective(angular=(0.3, 0.0), l1=(0, 0.1), l2=(0.05, 0.05)), None),
    "smooth": (objective(smooth=0.5, l2=(0.2, 0)), Constraints(graph=CHAIN)),
    "fixed-H": (Penalty(), Constraints(fixed_H=GIVEN_H)),
    "fixed-H-penalized": (objective(l1=0.05, l2=0.05), Constraints(fixed_H=GIVEN_H)),
    "fixed-H-angular": (objective(angular=(0.1, 0.2), l2=0.05), Constraints(fixed_H=GIVEN_H)),
    "fixed-W": (Penalty(), Constraints(fixed_W=GIVEN_W)),
    "fixed-W-penalized": (objective(l1=0.05, l2=0.05), Constraints(fixed_W=GIVEN_W)),
    "fixed-W-smooth-angular": (
        objective(l1=0.05, l2=0.05, smooth=0.5, angular=(0, 0.2)),
        Constraints(fixed_W=GIVEN_W, graph=CHAIN),
    ),
    "all-H-fixed": (objective(l1=1.0, l2=0.05), Constraints(fixed_H=ALL_OF_H)),
    "target": (objective(target=0.5, l1=(0.05, 0)), Constraints(target_H=TARGET)),
    "relative-angular": (Penalty(angular=0.3), None),
    "relative-smooth": (Penalty(smooth=0.3), Constraints(graph=CHAIN)),
    "relative-target": (Penalty(target=0.3), Constraints(target_H=TARGET)),
    "relative-fixed": (Penalty(l1=0.05), Constraints(fixed_H=GIVEN_H)),
    "relative-fixed-W": (Penalty(l1=0.05, l2=0.1), Constraints(fixed_W=GIVEN_W)),
    "relative-free-W": (Penalty(l2=0.3), Constraints(free="W")),
}
RULES = [name for name in CASES if name.startswith("relative")]
OBJECTIVES = [name for name in CASES if name not in RULES]
FEW = ("bounded", "free-W", "angular", "smooth", "fixed-H-penalized", "fixed-W-penalized", "target", "relative-fixed")
few_when_time_is_short = pytest.mark.parametrize("name", quickly(FEW, CASES))
few_objectives = pytest.mark.parametrize("name", quickly(FEW, OBJECTIVES))


@pytest.fixture(scope="module")
def signed(planted):
    return planted - 0.2


def data_of(name, planted, signed):
    return signed if "free" in name else planted


def fitted(A, name, **options):
    penalty, constraints = CASES[name]
    return dnmf.fit(A, RANK, penalty=penalty, constraints=constraints, **{"dtype": "float64", **options})


def factors_of(model):
    """Those of A ≈ WH; the scale of a component whose W was given is in H."""
    return model.read_W() * model.row_scale, model.h_scale[:, None] * model.H


def at_best_scale(W, H, penalty, constraints):
    """The same product, each of the given columns on the scale at which it is penalized least: by search."""
    W, H, held = W.copy(), H.copy(), constraints.limits.held[0]
    unused = (np.arange(len(H)) < held) & ~H.any(axis=1)
    W[:, unused] = 0

    def value(u):
        t = np.concatenate([np.exp(u), np.ones(len(H) - held)])
        return dense_penalty(W * t, H / t[:, None], penalty, constraints)

    exact = {"xatol": 1e-9, "fatol": 1e-12, "maxfev": 4000}
    best = scipy.optimize.minimize(value, np.zeros(held), method="Nelder-Mead", options=exact)
    t = np.concatenate([np.exp(best.x), np.ones(len(H) - held)])
    return W * t, H / t[:, None]


def dense_penalty(W, H, penalty, constraints):
    value = 0.0
    for X, at in ((W, 0), (H.T, 1)):
        value += penalty.l1[at] * np.abs(X).sum() + 0.5 * penalty.l2[at] * (X**2).sum()
        value += 0.5 * penalty.angular[at] * (X.sum(axis=1) ** 2).sum()
    if penalty.smooth:
        i, j = np.nonzero(np.triu(constraints.graph.toarray()))
        value += 0.5 * penalty.smooth * ((H[:, i] - H[:, j]) ** 2).sum()
    if penalty.target:
        value += 0.5 * penalty.target * np.nansum((H - constraints.target_H) ** 2)
    return value


def dense_objective(A, W, H, penalty, constraints):
    if penalty.active and constraints is not None and constraints.fixed_W is not None:
        W, H = at_best_scale(W, H, penalty, constraints)
    return 0.5 * ((A - W @ H) ** 2).sum() + dense_penalty(W, H, penalty, constraints)


@few_objectives
@pytest.mark.parametrize("extrapolate", [True, False])
def test_the_objective_never_rises_and_is_the_dense_one(name, extrapolate, planted, signed):
    A = data_of(name, planted, signed)
    model = fitted(A, name, extrapolate=extrapolate, tol=0, max_passes=40)
    kept = [record.objective for record in model.history if record.accepted and not record.trial]
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in itertools.pairwise(kept))
    if not extrapolate:
        assert all(record.accepted for record in model.history if not record.trial)
    penalty, constraints = CASES[name]
    dense = dense_objective(A, *factors_of(model), penalty if penalty.in_objective else Penalty(), constraints)
    assert model.history[-1].objective == pytest.approx(dense, rel=1e-9)


@few_objectives
def test_no_step_nearby_is_better(name, planted, signed):
    """At the end of a long fit the objective is stationary in every direction that is allowed."""
    A = data_of(name, planted, signed)
    model = fitted(A, name, tol=0, max_passes=3000)
    penalty, constraints = CASES[name]
    penalty = penalty if penalty.in_objective else Penalty()
    limits = (constraints or Constraints()).limits
    W, H = factors_of(model)
    here, draw = dense_objective(A, W, H, penalty, constraints), np.random.default_rng(0)
    assert model.history[-1].gradient < 1e-4
    if penalty.active and not penalty.target and not limits.bounded:
        for q, t in itertools.product(range(RANK), (0.99, 1.01)):
            scale = np.where(np.arange(RANK) == q, t, 1.0)
            assert dense_objective(A, W * scale, H / scale[:, None], penalty, constraints) >= here * (1 - 1e-9)
    for step, side in itertools.product((1e-2, 1e-3), ("W", "H")):
        for _ in range(20):
            moved = {"W": W, "H": H}
            X = moved[side] + step * draw.normal(size=moved[side].shape) * np.abs(moved[side]).mean()
            X = X if limits.is_free(side) else np.clip(X, 0, limits.upper["WH".index(side)])
            if side == "H":
                X[: limits.held[1]] = H[: limits.held[1]]
            else:
                X[:, : limits.held[0]] = W[:, : limits.held[0]]
            moved[side] = X
            assert dense_objective(A, moved["W"], moved["H"], penalty, constraints) >= here * (1 - 1e-7)


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


@few_when_time_is_short
def test_rows_of_the_fit_are_transformed_to_W(name, planted, signed):
    A = data_of(name, planted, signed)
    model = fitted(A, name, max_passes=8)
    constraints = CASES[name][1] or Constraints()
    again = model.transform(A, fixed_W=constraints.fixed_W).compute()
    np.testing.assert_allclose(again, model.read_W(), atol=1e-9)


@few_when_time_is_short
def test_the_reported_error_is_that_of_the_model(name, planted, signed):
    A = data_of(name, planted, signed)
    model = fitted(A, name, max_passes=8, dtype="float32")
    error = np.linalg.norm(A - (model.read_W().astype(np.float64) * model.d) @ model.H) / np.linalg.norm(A)
    assert model.relative_error == pytest.approx(error, rel=1e-5)


@pytest.mark.slow
@few_when_time_is_short
def test_a_resumed_fit_has_the_same_bits(name, planted, signed, tmp_path):
    A = data_of(name, planted, signed)
    whole = fitted(A, name, tol=0, max_passes=7, store=tmp_path / "whole.dnmf", dtype="float32")
    fitted(A, name, tol=0, max_passes=3, store=tmp_path / "part.dnmf", dtype="float32")
    again = dnmf.resume(tmp_path / "part.dnmf", source=A, max_passes=7)
    assert again.H.tobytes() == whole.H.tobytes()
    assert again.read_W().tobytes() == whole.read_W().tobytes()
    assert (again.options.penalty, again.options.limits) == (whole.options.penalty, whole.options.limits)


@pytest.mark.slow
@few_when_time_is_short
def test_a_cluster_has_the_same_bits(name, planted, signed, tmp_path, client):
    A = data_of(name, planted, signed)
    zarr.create_array(tmp_path / "a.zarr", data=A, chunks=(60, 80), config={"write_empty_chunks": True})
    here, there = (
        fitted(tmp_path / "a.zarr", name, tol=0, max_passes=4, memory_limit="3GiB", client=where)
        for where in (None, client)
    )
    assert here.H.tobytes() == there.H.tobytes()
    assert here.d.tobytes() == there.d.tobytes()


def test_bounds_are_kept_and_bind(planted):
    for name in ("bounded", "bounded-W-penalized"):
        model, (of_W, of_H) = fitted(planted, name, max_passes=50), CASES[name][1].upper
        W, H = factors_of(model)
        assert W.max() <= of_W * (1 + 1e-12)
        assert (of_W * (1 - 1e-9) < W).any()
        assert H.max() <= of_H * (1 + 1e-12)


def test_a_free_factor_explains_more(planted, signed):
    plain, free = dnmf.fit(planted, RANK, dtype="float64", tol=1e-8), fitted(planted, "free-W", tol=1e-8)
    assert free.relative_error < plain.relative_error
    assert (free.read_W() < 0).any()
    assert (free.H >= 0).all()
    of_H = fitted(signed, "free-H")
    assert (of_H.H < 0).any()
    assert (of_H.read_W() >= 0).all()
    np.testing.assert_allclose(np.abs(of_H.H).sum(axis=1), 1)


def test_negative_data_is_refused_unless_a_factor_is_free(signed):
    with pytest.raises(InputError, match="negative value"):
        dnmf.fit(signed, RANK)


def test_angular_keeps_components_apart(planted):
    def overlap(X):
        X = X / np.linalg.norm(X, axis=0)
        return (X.T @ X).sum() - X.shape[1]

    plain = dnmf.fit(planted, RANK, dtype="float64")
    apart = dnmf.fit(planted, RANK, penalty=Penalty(angular=(0.0, 0.8)), dtype="float64")
    assert overlap(apart.H.T) < 0.5 * overlap(plain.H.T)
    alone = dnmf.fit(planted, RANK, penalty=Penalty(angular=(0.0, 1.0)), dtype="float64")
    assert ((alone.H > 0).sum(axis=0) <= 1).all()  # every column belongs to one component


def test_a_graph_makes_neighbours_alike(planted):
    def roughness(model):
        return (np.diff(model.H, axis=1) ** 2).sum() / (model.H**2).sum()

    graphs = [None, Constraints(graph=CHAIN), Constraints(graph=CHAIN)]
    rough, smooth, smoother = (
        dnmf.fit(planted, RANK, dtype="float64", penalty=Penalty(smooth=strength), constraints=graph)
        for strength, graph in zip((0, 0.5, 0.95), graphs, strict=True)
    )
    assert roughness(smoother) < 0.5 * roughness(smooth) < 0.25 * roughness(rough)


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


@pytest.mark.parametrize(
    "name",
    quickly(
        ("fixed-W-penalized", "fixed-H", "bounded"),
        ("fixed-W", "fixed-W-penalized", "fixed-H", "fixed-H-penalized", "free-W", "relative-fixed-W", "bounded"),
    ),
)
def test_a_csc_store_is_constrained_as_its_csr_twin_is(name, planted, signed, tmp_path):
    import anndata

    models = []
    for kind in (scipy.sparse.csr_matrix, scipy.sparse.csc_matrix):
        path = tmp_path / f"{kind.__name__}.h5ad"
        anndata.AnnData(kind(data_of(name, planted, signed))).write_h5ad(path)
        models.append(fitted(path, name, tol=0, max_passes=3000, H=np.random.default_rng(0).random((RANK, 80))))
    csr, csc = models
    assert csc.relative_error == pytest.approx(csr.relative_error, rel=1e-2 if name == "bounded" else 1e-4)
    given = CASES[name][1]
    again = csc.transform(data_of(name, planted, signed), fixed_W=given.fixed_W).compute()
    np.testing.assert_allclose(again, csc.read_W(), atol=1e-5)
    if CASES[name][0].in_objective:
        np.testing.assert_allclose(csc.row_scale * csc.h_scale, csc.d, rtol=1e-12)
        assert (csc.read_W() * csc.row_scale).max() <= csc.options.limits.upper[0] * (1 + 1e-12)


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


def test_a_target_is_met_at_one_and_approached_before(planted):
    wanted = TARGET / TARGET.sum(axis=1, keepdims=True)
    pulled = ~np.isnan(wanted).any(axis=1)
    distances = []
    for strength in (0.1, 0.6, 0.95, 1.0):
        penalty, target = Penalty(target=strength), Constraints(target_H=TARGET)
        model = dnmf.fit(planted, RANK, penalty=penalty, constraints=target, dtype="float64")
        distances.append(np.abs(model.H - wanted)[pulled].sum())
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 1e-9


@pytest.mark.parametrize("smooth", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("free", ["", "H"])
def test_the_smoothed_half_step_is_exact(smooth, free):
    draw = np.random.default_rng(1)
    W, A = draw.random((30, 3)), draw.random((30, 12)) - (0.5 if free else 0)
    graph = scipy.sparse.csr_array(np.triu(draw.random((12, 12)) < 0.3, 1).astype(float))
    graph = graph + graph.T
    laplacian = scipy.sparse.csgraph.laplacian(graph).toarray()
    sums = ModelSums(W.T @ W, A.T @ W, W.sum(axis=0), np.zeros(3))
    penalty, guides = objective(smooth=smooth, l2=(1.0, 0.0)), Guides(laplacian=scipy.sparse.csr_array(laplacian))
    found = least_squares(penalty, Limits(free=free), guides).solve(sums, draw.random((3, 12))).H

    def value(x):
        H = x.reshape(3, 12)
        slope = sums.G @ H - sums.P.T + smooth * H @ laplacian
        fit = 0.5 * np.vdot(sums.G @ H, H) - np.vdot(sums.P.T, H)
        return fit + 0.5 * smooth * np.vdot(H @ laplacian, H), slope.ravel()

    bounds = None if free else [(0, None)] * 36
    best = scipy.optimize.minimize(value, np.ones(36), jac=True, method="L-BFGS-B", bounds=bounds,
                                   options={"ftol": 1e-15, "gtol": 1e-12, "maxiter": 10000})  # fmt: skip
    np.testing.assert_allclose(found.ravel(), best.x, atol=1e-5)
    assert value(found.ravel())[0] <= best.fun + 1e-9


@pytest.mark.parametrize(("dtype", "apart"), [("float64", 1e-9), ("float32", 1e-3)])
@pytest.mark.parametrize("side", ["W", "H"])
def test_a_factor_that_is_given_whole_leaves_non_negative_least_squares_for_the_other(side, dtype, apart):
    draw = np.random.default_rng(4)
    A, W, H = draw.random((40, 12)), draw.random((40, 3)), draw.random((3, 12))
    given = Constraints(fixed_W=W) if side == "W" else Constraints(fixed_H=H)
    model = dnmf.fit(A, 3, constraints=given, dtype=dtype, tol=1e-9)
    known, data = (W, A) if side == "W" else (H.T, A.T)
    best = known @ np.column_stack([scipy.optimize.nnls(known, column)[0] for column in data.T])
    found = (model.read_W() * model.d) @ model.H
    np.testing.assert_allclose(found if side == "W" else found.T, best, atol=apart)
    scales = model.read_W() / W if side == "W" else (model.H / H).T
    assert np.ptp(scales, axis=0).max() < apart  # the given components, in their places


@pytest.mark.parametrize("smooth", [0.0, 2.0])
def test_the_half_step_beside_given_rows_is_exact(smooth):
    draw = np.random.default_rng(2)
    W, A, H = draw.random((30, 4)), draw.random((30, 12)), draw.random((4, 12))
    laplacian = scipy.sparse.csr_array(scipy.sparse.csgraph.laplacian(CHAIN.toarray()[:12, :12]))
    penalty = objective(smooth=smooth, l1=(0, 0.3), l2=(0, 1.0), angular=(0, 3.0))
    sums, limits, given = ModelSums(W.T @ W, A.T @ W, W.sum(axis=0), np.zeros(4)), Limits(held=(0, 2)), H[:2].copy()
    found = least_squares(penalty, limits, Guides(H=given, laplacian=laplacian)).solve(sums, H).H

    def value(x):
        X = np.concatenate([given, x.reshape(2, 12)])
        slope = sums.G @ X - sums.P.T + smooth * X @ laplacian + 0.3 + X + 3.0 * X.sum(axis=0)
        rest = 0.3 * X.sum() + 0.5 * (X**2).sum() + 1.5 * (X.sum(axis=0) ** 2).sum()
        fit = 0.5 * np.vdot(sums.G @ X, X) - np.vdot(sums.P.T, X) + 0.5 * smooth * np.vdot(X @ laplacian, X)
        return fit + rest, slope[2:].ravel()

    best = scipy.optimize.minimize(value, np.ones(24), jac=True, method="L-BFGS-B", bounds=[(0, None)] * 24,
                                   options={"ftol": 1e-15, "gtol": 1e-12, "maxiter": 10000})  # fmt: skip
    assert found[:2].tobytes() == given.tobytes()
    np.testing.assert_allclose(found[2:].ravel(), best.x, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("smooth", [1.0, 1e2, 1e4, 1e5])
def test_a_long_chain_smoothed_ever_more_strongly_is_solved_to_its_minimum(smooth, dtype):
    draw, n = np.random.default_rng(0), 200
    W, A = draw.random((100, 4)), draw.random((100, n)) + 1 + np.sin(np.arange(n) / 20)
    chain = scipy.sparse.diags_array([1.0] * (n - 1), offsets=1, shape=(n, n))
    laplacian = scipy.sparse.csr_array(scipy.sparse.csgraph.laplacian(chain + chain.T))
    sums = ModelSums(W.T @ W, A.T @ W, W.sum(axis=0), np.zeros(4))
    whole = np.kron(sums.G, np.eye(n)) + smooth * np.kron(np.eye(4), laplacian.toarray())
    exact = np.linalg.solve(whole, sums.P.T.ravel())
    start = draw.random((4, n)).astype(dtype)
    scheme = least_squares(objective(smooth=smooth), Limits(free="H"), Guides(laplacian=laplacian))
    found = scheme.solve(sums, start).H.astype(np.float64).ravel()
    assert (found - exact) @ whole @ (found - exact) <= 1e-8 * (exact @ whole @ exact)


@pytest.mark.parametrize(
    ("penalty", "constraints", "message"),
    [
        (Penalty(), Constraints(upper=1.0), "scale='objective'"),
        (Penalty(l1=0.1), Constraints(free="W"), "free to be negative"),
        (Penalty(smooth=0.1), None, "nothing it pulls to; give graph"),
        (Penalty(), Constraints(graph=CHAIN), "without a strength"),
        (Penalty(target=0.1), None, "give target_H"),
        (Penalty(), Constraints(fixed_H=GIVEN_H[:, 1:]), "fixed_H.*expected"),
        (Penalty(), Constraints(fixed_H=np.ones((9, 80))), "fixed_H.*or fewer rows"),
        (objective(angular=0.2), Constraints(fixed_W=GIVEN_W), "angular penalty on W cannot act on a given W"),
        (Penalty(smooth=0.1), Constraints(graph=np.eye(3)), "graph.*expected"),
        (Penalty(target=0.1), Constraints(target_H=TARGET[:2]), "target_H.*expected"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_go_together_is_refused(planted, penalty, constraints, message):
    with pytest.raises(InputError, match=message):
        dnmf.fit(planted, RANK, penalty=penalty, constraints=constraints)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"free": "both"}, "free"), ({"upper": -1}, "above zero"), ({"upper": "high"}, "upper"),
        ({"upper": (1.0, 1e-300)}, "the least is 1e-16"), ({"upper": 5e-324}, "the least is 1e-16"),
        ({"free": "W", "upper": 1.0}, "free and has an upper bound"), ({"fixed_H": -GIVEN_H}, "negative"),
        ({"fixed_H": np.full((1, 3), np.nan)}, "NaN"), ({"fixed_W": "columns"}, "expected a matrix"),
        ({"graph": np.array([[0, 1.0], [0, 0]])}, "symmetric"), ({"graph": -np.eye(2)}, "not negative"),
        ({"fixed_H": GIVEN_H, "upper": 1.0}, "cut what is given"), ({"target_H": -GIVEN_H}, "negative"),
        ({"graph": np.ones((2, 3))}, "one row and column"), ({"target_H": np.array([[1.0, np.nan]])}, "row of NaN"),
        ({"target_H": np.full((2, 3), np.nan)}, "every row is NaN"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)  # fmt: skip
def test_constraints_that_make_no_sense_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        Constraints(**wrong)


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


def test_constraints_of_another_kind_are_refused(planted):
    with pytest.raises(InputError, match="dnmf.Constraints"):
        dnmf.fit(planted, 3, constraints={"free": "W"})


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


def test_limits_survive_json():
    limits = Limits((1.0, np.inf), "H", (0, 2))
    assert Limits.from_json(limits.to_json()) == limits
    assert limits.swapped().swapped() == limits
