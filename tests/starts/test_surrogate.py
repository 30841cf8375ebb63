"""The start from a surrogate: one read of the data, some rows of it kept small, the same bits wherever it runs."""

import itertools

import dask.array
import numpy as np
import pytest
import scipy.sparse
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import dnmf
from dnmf.fitting.events import Planned, Started
from dnmf.fitting.loop import Engine
from dnmf.memory import Machine, Shape
from dnmf.options import FitOptions
from dnmf.passes.executor import run_pass
from dnmf.passes.threads import InProcess
from dnmf.passes.visitors.project import ProjectRows
from dnmf.passes.work import Work
from dnmf.schemes.least_squares import LeastSquares
from dnmf.sources import open_source
from dnmf.sources.memory import MemorySource
from dnmf.sources.source import Layout
from dnmf.starts.choose import count_directions, makes_surrogate, plan_with_start
from dnmf.starts.race import SampleProblem, engine_in_memory
from dnmf.starts.start import race_on_sample
from dnmf.starts.surrogate import SurrogateProblem, coefficients, directions, project, start_from_surrogate

pytestmark = pytest.mark.numeric

OPTIONS = FitOptions(5, init="surrogate", dtype="float64", seed=3, max_passes=100, tol=0.0)
SCHEME = LeastSquares()


@pytest.fixture(scope="module")
def low_rank():
    """A matrix (700 × 90) of rank 4 that only one factorization explains."""
    rng = np.random.default_rng(5)
    W = rng.random((700, 4)) ** 3 * (rng.random((700, 4)) < 0.5)
    return W @ (rng.random((4, 90)) * (rng.random((4, 90)) < 0.4))


def engine_on(matrix, options=OPTIONS):
    source, executor = open_source(matrix), InProcess(1)
    plan, _ = plan_with_start(executor, source, options, kept_rows=0, memory_bytes=None)
    return Engine(executor, source, plan, source.layout())


def bits(model):
    return model.H.tobytes(), model.d.tobytes(), model.read_W().tobytes()


def started(source, rank, **options):
    """The model, and the event that says where it began."""
    events = []
    model = dnmf.fit(source, rank, callbacks=[events.append], **options)
    return model, next(event for event in events if isinstance(event, Started))


# What one read gives


@pytest.mark.parametrize("wrap", [np.asarray, scipy.sparse.csr_array])
def test_a_projection_folds_the_products_with_every_row_whatever_its_signs(planted, wrap):
    V = np.random.default_rng(0).standard_normal((80, 7))
    engine = engine_on(wrap(planted))
    statistics = project(engine, V, OPTIONS, one_in=1)
    Y = planted @ V
    np.testing.assert_allclose(np.concatenate(list(statistics.models[0].kept.values())), Y, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(statistics.models[0].G, Y.T @ Y, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(statistics.models[0].P, planted.T @ Y, rtol=1e-9, atol=1e-9)
    assert statistics.squares == pytest.approx((planted**2).sum())
    assert statistics.bytes_read == pytest.approx(engine.layout.total_bytes, rel=1e-3)


@settings(max_examples=50, deadline=None)
@given(one_in=st.integers(1, 9), seed=st.integers(0, 2**40), cuts=st.lists(st.integers(1, 99), max_size=4))
def test_one_of_every_so_many_rows_is_drawn_however_they_are_cut(one_in, seed, cuts):
    project, borders = ProjectRows(np.zeros((1, 8)), 1, one_in, seed), sorted({0, 100, *cuts})
    drawn = [low + project.drawn_rows(low, high - low) for low, high in itertools.pairwise(borders)]
    whole = project.drawn_rows(0, 100)
    np.testing.assert_array_equal(np.concatenate(drawn), whole)
    assert set(np.arange(100 // one_in)) <= set(whole // one_in)
    assert len(set(whole // one_in)) == len(whole)


def test_rows_are_not_drawn_with_a_period():
    drawn = ProjectRows(np.zeros((1, 8)), 1, 10, seed=1).drawn_rows(0, 1000)
    counts = np.bincount(drawn % 10, minlength=10)
    assert counts.max() < 30
    assert np.count_nonzero(counts) > 5


def test_the_surrogate_is_the_data_projected_on_what_the_projection_spans(planted):
    V = np.random.default_rng(0).standard_normal((80, 12))
    statistics = project(engine_on(planted), V, OPTIONS, one_in=1)
    Q = np.linalg.qr(planted @ V)[0]
    C = coefficients(statistics.models[0], 1e-13)
    np.testing.assert_allclose(planted @ V @ C, Q @ (Q.T @ planted), atol=1e-8)


def test_directions_that_say_the_same_are_taken_for_one(low_rank):
    V = np.random.default_rng(0).standard_normal((90, 12))
    statistics = project(engine_on(low_rank), V, OPTIONS, one_in=1)
    C = coefficients(statistics.models[0], 1e-13)
    assert np.linalg.matrix_rank(C) == 4
    np.testing.assert_allclose(low_rank @ V @ C, low_rank, atol=1e-8)


def test_alternating_on_the_surrogate_is_alternating_on_its_product(planted):
    V = np.random.default_rng(0).standard_normal((80, 12))
    C = coefficients(project(engine_on(planted), V, OPTIONS, one_in=1).models[0], 1e-13)
    H, Y = np.random.default_rng(1).random((5, 80)), planted @ V
    problems = (
        SurrogateProblem(Y, C, OPTIONS, SCHEME, 1),
        SampleProblem(engine_in_memory(MemorySource(Y @ C), OPTIONS), SCHEME),
    )
    mine, plain = (
        problem.sums(run_pass(problem.engine.executor, problem.engine.source, problem.engine.plan,
                             Work((problem.visitor(H, first=False),), "float64")).models[0])
        for problem in problems
    )  # fmt: skip
    np.testing.assert_allclose(mine.P, plain.P, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(mine.G, plain.G, rtol=1e-4, atol=1e-6)
    assert problems[0].squares == pytest.approx(((Y @ C) ** 2).sum())


def test_directions_are_orthonormal_and_hold_the_factor_of_the_sample(planted):
    raced = race_on_sample(engine_on(planted), OPTIONS)
    V = directions(raced, OPTIONS, 600)
    assert V.shape == (80, count_directions(5, planted.shape)) == (80, 20)
    np.testing.assert_allclose(V.T @ V, np.eye(20), atol=1e-10)
    np.testing.assert_allclose(V @ (V.T @ raced.H.T), raced.H.T, atol=1e-10)


# What a fit gets from it


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_matrix_of_low_rank_is_found_by_the_first_pass(low_rank, dtype):
    model, start = started(low_rank, 4, init="surrogate", max_passes=1, dtype=dtype)
    assert model.relative_error < 1e-3
    assert start.init == "surrogate"
    assert model.reads == pytest.approx(start.reads + 1)


@pytest.mark.slow
def test_reads_are_those_of_the_sample_and_one_more(low_rank):
    tall = np.vstack([low_rank] * 10)
    _, sampled = started(tall, 4, init="sample", max_passes=1)
    _, projected = started(tall, 4, init="surrogate", max_passes=1)
    assert 0.1 < sampled.reads < 0.2
    assert projected.reads == pytest.approx(sampled.reads + 1)


@pytest.mark.slow
def test_where_the_sample_is_too_small_a_surrogate_saves_more_reads_than_it_takes(planted, monkeypatch):
    monkeypatch.setattr("dnmf.starts.draw.affordable_rows", lambda _: 25)
    tall = np.vstack([planted] * 4)
    after_three = dnmf.fit(tall, 5, init="sample", max_passes=3, tol=0)
    after_one = dnmf.fit(tall, 5, init="surrogate", max_passes=1, tol=0)
    assert after_one.reads < after_three.reads
    assert after_one.relative_error < after_three.relative_error


@pytest.mark.slow
def test_some_rows_of_the_projection_are_enough(planted, monkeypatch):
    monkeypatch.setattr("dnmf.starts.choose.LEAST_PROJECTED_BYTES", 0)
    monkeypatch.setattr("dnmf.starts.choose.sample_bytes", lambda _: 2 * 300 * 20 * 8)
    tall = np.vstack([planted] * 4)
    engine = engine_on(tall)
    assert engine.plan.projected_rows == 300
    some = start_from_surrogate(engine, OPTIONS).H
    monkeypatch.undo()
    every = start_from_surrogate(engine_on(tall), OPTIONS).H
    from_some, from_every = (dnmf.fit(tall, 5, H=H, max_passes=1).relative_error for H in (some, every))
    assert from_some < 1.05 * from_every


def test_the_values_are_checked_where_they_are_first_read(planted):
    broken = np.vstack([planted] * 5)
    broken[2500, 3] = -1.0
    with pytest.raises(dnmf.InputError, match="negative value -1.0 at row 2500, column 3"):
        start_from_surrogate(engine_on(broken), OPTIONS)


@pytest.mark.slow
def test_zeros_and_components_that_die_do_no_harm(low_rank):
    assert dnmf.fit(np.zeros((40, 30)), 2, init="surrogate", max_passes=2).relative_error == 0
    model = dnmf.fit(low_rank, 9, init="surrogate", max_passes=3, tol=0)
    assert np.isfinite(model.H).all()
    assert model.relative_error < 0.01


# Where the data lies, and where it runs


def csc_store(path, matrix):
    group = zarr.open_group(path, mode="w").create_group("X")
    group.attrs.update({"encoding-type": "csc_matrix", "encoding-version": "0.1.0", "shape": list(matrix.shape)})
    for name in ("data", "indices", "indptr"):
        group.create_array(name, data=getattr(matrix, name), chunks=(8_000,))
    return path


@pytest.mark.broad(1)
@pytest.mark.parametrize(
    "wrap",
    [np.asfortranarray, scipy.sparse.csr_array, scipy.sparse.csc_array, lambda A: dask.array.from_array(A, (97, 80))],
    ids=["dense", "csr", "csc in memory", "dask"],
)
def test_every_source_has_the_same_surrogate(planted, wrap):
    expected = dnmf.fit(planted, 5, init="surrogate", max_passes=2, dtype="float64")
    found = dnmf.fit(wrap(planted), 5, init="surrogate", max_passes=2, dtype="float64")
    np.testing.assert_allclose(found.H, expected.H, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_a_csc_store_begins_with_the_surrogate_of_its_transpose(planted, tmp_path):
    wide = np.ascontiguousarray(planted.T)
    path = csc_store(tmp_path / "csc.zarr", scipy.sparse.csc_array(wide))
    model = dnmf.fit(path, 5, init="surrogate", max_passes=2)
    assert model.relative_error == pytest.approx(
        dnmf.fit(planted, 5, init="surrogate", max_passes=2).relative_error, rel=1e-3
    )


@pytest.mark.broad(1)
@pytest.mark.parametrize("scale", ["objective", "absolute"])
def test_a_penalty_plays_no_part_but_for_the_scale(planted, scale):
    penalty = dnmf.Penalty(l1=0.01, scale=scale)
    model = dnmf.fit(planted, 5, init="surrogate", penalty=penalty, max_passes=20)
    other = dnmf.fit(planted, 5, init="sample", penalty=penalty, max_passes=20)
    assert model.history[-1].objective == pytest.approx(other.history[-1].objective, rel=0.03)


@pytest.fixture
def stored(planted, tmp_path, monkeypatch):
    """A store that is cut into several tasks."""
    monkeypatch.setattr("dnmf.plan.LEAST_GROUP_BYTES", 2**14)
    monkeypatch.setattr("dnmf.plan.STATISTICS_SHARE", 0)
    monkeypatch.setattr("dnmf.plan.OBJECTS_IN_GROUP", 1)
    path = tmp_path / "data.zarr"
    zarr.create_array(path, data=np.vstack([planted] * 3), chunks=(64, 80))
    return path


@pytest.mark.slow
def test_threads_workers_and_stores_give_the_same_bits(stored, client, tmp_path, monkeypatch):
    options = {"init": "surrogate", "max_passes": 2, "tol": 0.0}
    events = []
    expected = bits(dnmf.fit(stored, 4, callbacks=[events.append], **options))
    assert next(event for event in events if isinstance(event, Planned)).tasks > 3
    assert bits(dnmf.fit(stored, 4, client=client, **options)) == expected
    assert bits(dnmf.fit(stored, 4, store=tmp_path / "run.dnmf", **options)) == expected
    monkeypatch.setattr("dnmf.passes.threads._processors", lambda: 1)
    assert bits(dnmf.fit(stored, 4, **options)) == expected


@pytest.mark.slow
def test_a_store_holds_nothing_of_the_surrogate(stored, tmp_path):
    def names(init):
        dnmf.fit(stored, 4, init=init, max_passes=2, store=tmp_path / f"{init}.dnmf")
        return sorted(path.name.split("-")[0] for path in (tmp_path / f"{init}.dnmf").iterdir())

    assert names("surrogate") == names("sample")


# When it is made


def layout_of(rows, row_bytes):
    cuts = np.array([0, rows])
    return Layout(cuts, cuts * row_bytes)


@pytest.mark.parametrize(
    ("rows", "columns", "row_bytes", "chosen"),
    [
        (100_000, 3_000, 10_000, False),  # 128 MiB are 13 thousand rows
        (100_000, 100_000, 400_000, True),  # 335 rows for 20 components
        (300, 100_000, 400_000, False),  # the sample is the matrix
        (100_000, 400_000, 1_600_000, False),  # the sums of a projection would take 256 MB
    ],
)
def test_it_is_chosen_where_the_sample_has_few_rows_and_its_sums_fit(rows, columns, row_bytes, chosen):
    layout, shape, sample = layout_of(rows, row_bytes), Shape(columns, 20, 4), 128 * 2**20
    assert makes_surrogate(FitOptions(20), layout, shape, sample) is chosen
    assert makes_surrogate(FitOptions(20, init="surrogate"), layout, shape, sample)
    assert not makes_surrogate(FitOptions(20, init="sample"), layout, shape, sample)
    assert not makes_surrogate(FitOptions(20, init="random"), layout, shape, sample)


def test_small_data_begins_with_a_sample(planted):
    assert started(planted, 5, max_passes=1)[1].init == "sample"


def test_data_of_which_memory_holds_few_rows_begins_with_a_surrogate(planted, monkeypatch):
    monkeypatch.setattr("dnmf.starts.choose.sample_bytes", lambda _: 100 * planted[0].nbytes)
    assert started(planted, 5, max_passes=1)[1].init == "surrogate"


@pytest.mark.slow
def test_what_does_not_fit_is_refused_if_asked_for_and_else_not_made(monkeypatch):
    monkeypatch.setattr("dnmf.starts.choose.makes_surrogate", lambda options, *_: options.init != "sample")
    monkeypatch.setattr(InProcess, "machine", lambda _, memory, kernels: Machine(1, memory, 0, starts=True))
    source = open_source(np.ones((400, 50_000), np.float32))

    def plan_of(init, memory):
        options = FitOptions(8, init=init)
        return plan_with_start(InProcess(1), source, options, kept_rows=0, memory_bytes=memory)[0]

    def fits(init, memory):
        try:
            return bool(plan_of(init, memory))
        except dnmf.BudgetError:
            return False

    enough = next(memory for memory in range(2**24, 2**30, 2**22) if fits("sample", memory))
    with pytest.raises(dnmf.BudgetError, match=r"a worker would need .*; init='sample' needs less"):
        plan_of("surrogate", enough)
    assert plan_of("auto", enough).projected_rows == 0
    assert plan_of("auto", 2**34).projected_rows > 0
