"""Beyond non-negative: each constraint does what it says, and none breaks what every fit promises."""

import itertools

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
import zarr
from breadth import quickly
from constraint_cases import (
    CASES,
    CHAIN,
    GIVEN_H,
    GIVEN_W,
    RANK,
    TARGET,
    data_of,
    dense_objective,
    factors_of,
    fitted,
    objective,
)

import dnmf
from dnmf.constraints import Constraints, Guides, Limits
from dnmf.errors import InputError
from dnmf.passes.statistics import ModelSums
from dnmf.penalty import Penalty
from dnmf.schemes.of_options import least_squares

pytestmark = pytest.mark.numeric


RULES = [name for name in CASES if name.startswith("relative")]
OBJECTIVES = [name for name in CASES if name not in RULES]
FEW = ("bounded", "free-W", "angular", "smooth", "fixed-H-penalized", "fixed-W-penalized", "target", "relative-fixed")
few_when_time_is_short = pytest.mark.parametrize("name", quickly(FEW, CASES))
few_objectives = pytest.mark.parametrize("name", quickly(FEW, OBJECTIVES))


@pytest.fixture(scope="module")
def signed(planted):
    return planted - 0.2


@few_objectives
@pytest.mark.parametrize("extrapolate", [True, False])
@pytest.mark.slow
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
@pytest.mark.broad(1)
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


@few_when_time_is_short
def test_rows_of_the_fit_are_transformed_to_W(name, planted, signed):
    A = data_of(name, planted, signed)
    model = fitted(A, name, max_passes=8)
    constraints = CASES[name][1] or Constraints()
    again = model.transform(A, fixed_W=constraints.fixed_W).compute()
    np.testing.assert_allclose(again, model.read_W(), atol=1e-9)


@pytest.mark.broad(5)
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


@pytest.mark.slow
def test_a_graph_makes_neighbours_alike(planted):
    def roughness(model):
        return (np.diff(model.H, axis=1) ** 2).sum() / (model.H**2).sum()

    graphs = [None, Constraints(graph=CHAIN), Constraints(graph=CHAIN)]
    rough, smooth, smoother = (
        dnmf.fit(planted, RANK, dtype="float64", penalty=Penalty(smooth=strength), constraints=graph)
        for strength, graph in zip((0, 0.5, 0.95), graphs, strict=True)
    )
    assert roughness(smoother) < 0.5 * roughness(smooth) < 0.25 * roughness(rough)


@pytest.mark.parametrize(
    "name",
    quickly(
        ("fixed-W-penalized", "fixed-H", "bounded"),
        ("fixed-W", "fixed-W-penalized", "fixed-H", "fixed-H-penalized", "free-W", "relative-fixed-W", "bounded"),
    ),
)
@pytest.mark.broad(1)
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


@pytest.mark.slow
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


def test_constraints_of_another_kind_are_refused(planted):
    with pytest.raises(InputError, match="dnmf.Constraints"):
        dnmf.fit(planted, 3, constraints={"free": "W"})


def test_limits_survive_json():
    limits = Limits((1.0, np.inf), "H", (0, 2))
    assert Limits.from_json(limits.to_json()) == limits
    assert limits.swapped().swapped() == limits
