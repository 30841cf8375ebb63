"""The start from singular vectors: scikit-learn's NNDSVD, from two reads, the same bits wherever it runs."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
import zarr
from distributed import Client, LocalCluster
from engines import engine_on

import dnmf
from dnmf.constraints import Guides
from dnmf.fitting.events import Planned, Started
from dnmf.memory import Machine, Shape
from dnmf.options import SVD_INITS, FitOptions
from dnmf.passes.threads import InProcess
from dnmf.penalty import Penalty
from dnmf.plan import make_plan
from dnmf.sources import open_source
from dnmf.starts.begin import begin
from dnmf.starts.choose import plan_with_directions, plan_with_start

pytestmark = pytest.mark.numeric

RANK = 5
SCALE_LEFT_ALONE = Penalty(scale="absolute", diagonal=False)


@pytest.fixture(scope="module")
def A():
    """A matrix (500 × 60) of rank 5 with noise."""
    rng = np.random.default_rng(3)
    W = rng.random((500, 5)) ** 2 * (rng.random((500, 5)) < 0.5) * np.array([6, 5, 4, 3, 2])
    A = W @ (rng.random((5, 60)) * (rng.random((5, 60)) < 0.5))
    return A * (1 + 0.02 * rng.random(A.shape))


def nndsvd_of_sklearn(A, init, rank=RANK):
    """The W and the H that scikit-learn begins with."""
    from sklearn.decomposition._nmf import _initialize_nmf

    return _initialize_nmf(A, rank, init, random_state=0)


def begun(matrix, init, rank=RANK, *, keeps=True, **options):
    """How a fit begins, as its engine sees it, where all rows on the directions can be kept or none."""
    engine = engine_on(matrix)
    plan = replace(engine.plan, projected_rows=engine.plan.n_rows if keeps else 0)
    return begin(replace(engine, plan=plan), FitOptions(rank, init=init, **options), None, None, Guides())


def started(matrix, init, rank=RANK, **options):
    """The H of it."""
    return begun(matrix, init, rank, **options).H


def shares(H):
    return H / H.sum(axis=1, keepdims=True)


def csc_store(path, A):
    matrix, group = scipy.sparse.csc_array(A), zarr.open_group(path, mode="w").create_group("X")
    group.attrs.update({"encoding-type": "csc_matrix", "encoding-version": "0.1.0", "shape": list(A.shape)})
    for name in ("data", "indices", "indptr"):
        group.create_array(name, data=getattr(matrix, name), chunks=(8_000,))
    return path


WRAPPED = {
    "float64": np.asarray,
    "float32": lambda A: A.astype(np.float32),
    "csr": scipy.sparse.csr_array,
    "csc in memory": scipy.sparse.csc_array,
}


@pytest.mark.broad(2)
@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("init", ["nndsvd", "nndsvda"])
def test_a_fit_begins_with_the_H_of_scikit_learn_up_to_its_scale(A, init, wrap):
    found, expected = started(wrap(A), init), shares(nndsvd_of_sklearn(A, init)[1])
    np.testing.assert_allclose(found, expected, atol=1e-3 * expected.max())


@pytest.mark.slow
def test_where_scale_is_left_alone_it_is_that_of_scikit_learn(A):
    found = started(A, "nndsvda", dtype="float64", penalty=SCALE_LEFT_ALONE)
    np.testing.assert_allclose(found, nndsvd_of_sklearn(A, "nndsvda")[1], rtol=1e-2, atol=1e-3)


@pytest.mark.slow
def test_zeros_filled_at_random_are_small_and_all_else_is_as_it_was(A):
    options = {"dtype": "float64", "penalty": SCALE_LEFT_ALONE}
    plain, filled = started(A, "nndsvd", **options), started(A, "nndsvdar", **options)
    zeros = plain == 0
    assert 0.1 < zeros.mean() < 0.9
    np.testing.assert_array_equal(filled[~zeros], plain[~zeros])
    assert 0 < filled[zeros].min() < filled[zeros].max() < 0.05 * A.mean()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("unit", [1e-12, 1e-8, 1e8])
def test_data_in_another_unit_begins_alike(A, unit, dtype):
    np.testing.assert_allclose(started(A * unit, "nndsvd", dtype=dtype), started(A, "nndsvd", dtype=dtype), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("unit", [1e-12, 1e-8, 1e8])
@pytest.mark.parametrize("init", SVD_INITS)
def test_the_unit_of_the_data_decides_neither_what_is_zero_nor_what_is_not(A, init, unit, dtype):
    options = {"dtype": dtype, "penalty": SCALE_LEFT_ALONE}
    plain, filled = started(A, "nndsvd", **options), started(A * unit, init, **options)
    zeros = plain == 0
    np.testing.assert_allclose(filled[~zeros], np.sqrt(unit) * plain[~zeros], rtol=1e-2)
    least, most = {"nndsvd": (0, 0), "nndsvda": (0.999, 1.001), "nndsvdar": (0, 0.05)}[init]
    assert least * A.mean() * unit <= filled[zeros].min() <= filled[zeros].max() <= most * A.mean() * unit


@pytest.mark.parametrize("unit", [1.0, 1e-8, 1e8])
def test_components_that_a_matrix_has_not_are_as_large_as_the_others_in_any_unit(unit):
    rng = np.random.default_rng(2)
    A = unit * (rng.random((90, 2)) @ rng.random((2, 30)))
    H = started(A, "nndsvd", rank=6, dtype="float64", penalty=SCALE_LEFT_ALONE)
    assert 0.01 < H[2:].mean() / H[:2].mean() < 100


@pytest.mark.parametrize("init", ["nndsvd", "nndsvda"])
def test_a_csc_store_begins_with_the_W_of_scikit_learn(A, init, tmp_path):
    found = started(str(csc_store(tmp_path / "csc.zarr", A)), init)
    expected = shares(nndsvd_of_sklearn(A, init)[0].T)
    np.testing.assert_allclose(found, expected, atol=1e-3 * expected.max())


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("shape", [(500, 15), (15, 500)])
def test_few_rows_or_columns_are_decomposed_exactly_in_a_read_less(shape, keeps):
    A = np.random.default_rng(0).random(shape)  # no gap between singular values
    start = begun(A, "nndsvd", dtype="float64", keeps=keeps)
    np.testing.assert_allclose(start.H, shares(nndsvd_of_sklearn(A, "nndsvd")[1]), atol=1e-6)
    assert start.bytes_read == (1 if keeps else 2) * A.nbytes


@pytest.mark.parametrize("wrap", [np.asarray, scipy.sparse.csr_array])
def test_rows_that_cannot_be_kept_are_measured_in_a_read_of_their_own(A, wrap):
    kept, read = (begun(wrap(A), "nndsvda", keeps=keeps, penalty=SCALE_LEFT_ALONE) for keeps in (True, False))
    np.testing.assert_allclose(read.H, kept.H, rtol=1e-3, atol=1e-3)
    assert read.bytes_read == pytest.approx(kept.bytes_read * 3 / 2)


@pytest.mark.parametrize(("room", "reads"), [(2**20, 2.0), (2**10, 3.0)])
@pytest.mark.parametrize("init", SVD_INITS)
def test_its_reads_are_counted(A, init, room, reads, monkeypatch):
    monkeypatch.setattr("dnmf.starts.choose.sample_bytes", lambda _: room)
    events = []
    model = dnmf.fit(A, RANK, init=init, max_passes=2, callbacks=[events.append])
    (start,) = (event for event in events if isinstance(event, Started))
    assert (start.init, start.reads, model.reads) == (init, reads, reads + 2)


def test_values_are_checked_where_they_are_first_read(A):
    broken = A.copy()
    broken[321, 7] = -1.0
    with pytest.raises(dnmf.InputError, match="negative value -1.0 at row 321, column 7"):
        started(broken, "nndsvd")


@pytest.mark.parametrize("init", SVD_INITS)
def test_components_that_a_matrix_has_not_are_alive_and_differ(init):
    rng = np.random.default_rng(2)
    H = started(rng.random((90, 2)) @ rng.random((2, 30)), init, rank=6, dtype="float64")
    assert H.any(axis=1).all()
    assert np.linalg.matrix_rank(H, 1e-8) == 6
    assert dnmf.fit(np.zeros((30, 20)), 3, init=init, max_passes=2).relative_error == 0


@pytest.mark.slow
def test_what_is_given_comes_first_and_the_singular_vectors_behind_it(A):
    given = np.random.default_rng(1).random((2, 60))
    H = begin(
        engine_on(A), FitOptions(RANK + 2, init="nndsvd", limits=dnmf.Constraints(fixed_H=given).limits), None, None,
        dnmf.Constraints(fixed_H=given).guides(A.shape, RANK + 2, transposed=False, dtype="float32"),
    ).H  # fmt: skip
    np.testing.assert_allclose(shares(H[:2]), shares(given), rtol=1e-5)
    expected = shares(nndsvd_of_sklearn(A, "nndsvd")[1])
    np.testing.assert_allclose(shares(H[2:]), expected, atol=1e-3 * expected.max())


GOES_WITH = {
    "L1 in the objective": {"penalty": Penalty(l1=0.05, scale="objective")},
    "L1 by a rule": {"penalty": Penalty(l1=0.05)},
    "fractions": {"penalty": Penalty(l1=0.1, scale="fraction")},
    "bounds": {"penalty": Penalty(scale="objective"), "constraints": dnmf.Constraints(upper=(np.inf, 2.0))},
    "given columns": {"constraints": dnmf.Constraints(fixed_W=np.ones(500))},
    "only given rows": {"constraints": dnmf.Constraints(fixed_H=np.eye(60)[:RANK])},
    "counts": {"loss": "kullback-leibler"},
}


@pytest.mark.broad(3)
@pytest.mark.parametrize("options", GOES_WITH.values(), ids=GOES_WITH)
def test_a_fit_ends_as_well_as_from_a_sample(A, options):
    ends = [dnmf.fit(A, RANK, init=init, max_passes=15, **options) for init in ("nndsvd", "sample")]
    found, sampled = (model.history[-1].objective for model in ends)
    assert found < 1.2 * sampled


REFUSED = {
    "missing entries": ({"missing": "nan"}, "takes all for observed"),
    "missing counts": ({"missing": "nan", "loss": "kullback-leibler"}, "takes all for observed"),
    "weights of rows": ({"row_weights": np.arange(1.0, 501.0)}, "takes all for observed"),
    "implicit feedback": ({"implicit": 2.0}, "takes all for observed"),
    "a factor of any sign": ({"constraints": dnmf.Constraints(free="W")}, "needs both factors to be non-negative"),
}


@pytest.mark.parametrize("init", SVD_INITS)
@pytest.mark.parametrize(("options", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_it_does_not_go_with_is_refused_at_the_door(A, options, reason, init):
    if "missing" in options:
        A = np.where(np.arange(60) == 3, np.nan, A)
    with pytest.raises(dnmf.InputError, match=f"init='{init}' {reason}"):
        dnmf.fit(A, RANK, init=init, **options)


@pytest.mark.parametrize("init", ["surrogate", "nndsvd"])
def test_a_model_that_began_with_all_entries_takes_rows_of_which_some_are_missing(A, init):
    model = dnmf.fit(A, RANK, init=init, max_passes=3)
    rows = np.where(np.arange(60) == 3, np.nan, A[:4])
    assert np.isfinite(model.transform(rows, missing="nan")).all()


# Memory


@pytest.mark.parametrize("curvature", [0, 20 * 21 // 2])
def test_its_plan_has_room_for_the_directions_and_for_the_fit(curvature):
    layout, machine = open_source(np.ones((200, 20_000), np.float32)).layout(), Machine(2, 2**32, 0, starts=True)
    shape = Shape(20_000, 20, 4, curvature=curvature)
    plan = plan_with_directions(layout, shape, machine)
    alone, wide = (make_plan(layout, each, machine) for each in (shape, Shape(20_000, 80, 4)))
    assert plan.need.statistics >= 0.95 * max(alone.need.statistics, wide.need.statistics)


@pytest.mark.parametrize(("rows", "kept"), [(2_000, 2_000), (2_001, 0)])
def test_all_rows_on_the_directions_are_kept_where_they_take_half_a_sample_or_none(rows, kept, monkeypatch):
    monkeypatch.setattr("dnmf.starts.choose.sample_bytes", lambda _: 2 * 2_000 * 4 * RANK * 4)
    layout, machine = open_source(np.ones((rows, 60), np.float32)).layout(), Machine(2, 2**32, 0, starts=True)
    plan = plan_with_directions(layout, Shape(60, RANK, 4), machine)
    assert plan.projected_rows == kept
    assert plan.need.factors >= kept * 4 * RANK * 4
    again = plan_with_directions(layout, Shape(60, RANK, 4), machine, plan.cuts_json())
    assert (again, again.projected_rows, again.need) == (plan, kept, plan.need)


@pytest.mark.slow
def test_what_does_not_fit_is_refused_with_what_does(monkeypatch):
    monkeypatch.setattr(InProcess, "machine", lambda _, memory, kernels: Machine(1, memory, 0, starts=True))
    source = open_source(np.ones((400, 50_000), np.float32))

    def plan_of(init, memory):
        return plan_with_start(InProcess(1), source, FitOptions(8, init=init), kept_rows=0, memory_bytes=memory)[0]

    def fits(memory):
        try:
            return bool(plan_of("random", memory))
        except dnmf.BudgetError:
            return False

    enough = next(memory for memory in range(2**24, 2**30, 2**22) if fits(memory))
    with pytest.raises(dnmf.BudgetError, match=r"a worker would need .*; init='sample' and init='random' need less"):
        plan_of("nndsvda", enough)
    assert plan_of("nndsvda", 2**32)


# Where it runs


@pytest.fixture
def stored(A, tmp_path, monkeypatch):
    """A store that is cut into several tasks."""
    monkeypatch.setattr("dnmf.plan.LEAST_GROUP_BYTES", 2**14)
    monkeypatch.setattr("dnmf.plan.STATISTICS_SHARE", 0)
    monkeypatch.setattr("dnmf.plan.OBJECTS_IN_GROUP", 1)
    zarr.create_array(tmp_path / "data.zarr", data=A, chunks=(64, 60))
    return tmp_path / "data.zarr"


def bits(model):
    return model.H.tobytes(), model.d.tobytes(), model.read_W().tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("init", SVD_INITS)
def test_threads_workers_and_stores_give_the_same_bits(stored, client, tmp_path, monkeypatch, init):
    options, events = {"init": init, "max_passes": 2, "tol": 0.0}, []
    expected = bits(dnmf.fit(stored, 4, callbacks=[events.append], **options))
    assert next(event for event in events if isinstance(event, Planned)).tasks > 3
    assert bits(dnmf.fit(stored, 4, client=client, **options)) == expected
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as alone,
    ):
        assert bits(dnmf.fit(stored, 4, client=alone, **options)) == expected
    assert bits(dnmf.fit(stored, 4, store=tmp_path / "run.dnmf", keep="stream", **options)) == expected
    monkeypatch.setattr("dnmf.passes.threads._processors", lambda: 1)
    assert bits(dnmf.fit(stored, 4, **options)) == expected


def test_every_seed_of_a_path_begins_with_it(A):
    path = dnmf.path(A, 3, Penalty(l1=1.0), [0, 0.1], seeds=2, init="nndsvd", max_passes=3, measures="cheap")
    errors = [row.relative_error for row in path.rows if row.strength == 0]
    assert errors[0] == pytest.approx(errors[1], rel=1e-3)
