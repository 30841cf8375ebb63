"""Steps between reads: what they save, that they are taken back where they mislead, and that they are the same bits."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

import dnmf
from dnmf import refinement_memory
from dnmf.fitting.damping import MOST, broke_promise, kept_promise
from dnmf.fitting.state import FIRST_DAMPING, LEAST_DAMPING, Initial
from dnmf.fitting.step import first_state
from dnmf.memory import Machine, Shape
from dnmf.options import FitOptions
from dnmf.plan import make_plan
from dnmf.refinement_memory import count_refining_rows
from dnmf.sources.source import Layout

RANK = 4
pytestmark = pytest.mark.numeric


def counts(rows=9000, columns=60, seed=0):
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.5, size=(rows, RANK)) @ rng.gamma(0.5, size=(RANK, columns))
    return sparse.csr_array(rng.poisson(0.5 * rate / rate.mean()).astype(np.float32))


@pytest.fixture
def small_room(monkeypatch):
    """A sample of a third of the rows, however small the data."""
    monkeypatch.setattr(refinement_memory, "MOST_BYTES", 2**19)
    monkeypatch.setattr(refinement_memory, "LEAST_DATA", 1)


def passes_to(model, gradient):
    """The pass from which on the projected gradient stays below this."""
    above = [record.number for record in model.history if record.accepted and record.gradient > gradient]
    return above[-1] + 1 if above else 1


@pytest.mark.broad(1)
@pytest.mark.parametrize("seed", range(3))
def test_they_settle_components_in_fewer_reads(small_room, monkeypatch, seed):
    A = counts(seed=seed)
    options = {"tol": 0.0, "max_passes": 25, "seed": seed, "init": "random"}
    refined = dnmf.fit(A, RANK, **options)
    monkeypatch.setattr(refinement_memory, "LEAST_DATA", 10**9)
    plain = dnmf.fit(A, RANK, **options)
    assert any(record.refined for record in refined.history)
    assert not any(record.refined for record in plain.history)
    assert passes_to(refined, 1e-3) < passes_to(plain, 1e-3)


def test_the_sample_is_counted_once(small_room):
    model = dnmf.fit(counts(), RANK, tol=0.0, max_passes=6, init="random")
    of_passes = np.diff([0.0, *(record.reads for record in model.history)])
    assert np.isclose(of_passes, 1, atol=0.01).sum() == len(of_passes) - 1
    assert 1.2 < of_passes.max() < 2


@pytest.mark.slow
def test_the_objective_of_accepted_passes_falls(small_room):
    objectives = [record.objective for record in dnmf.fit(counts(seed=4), RANK, tol=0.0).history if record.accepted]
    assert all(after <= before * (1 + 1e-6) for before, after in itertools.pairwise(objectives))


@pytest.mark.slow
def test_a_sample_that_says_nothing_of_the_rest_is_asked_no_more(small_room):
    """The sample of every seed has rows of the first half, which is another matrix than the second."""
    rng = np.random.default_rng(0)
    A = counts().toarray()
    heavy = rng.random(len(A)) < 0.002
    A[heavy] = 500 * rng.random((heavy.sum(), A.shape[1])) ** 8
    model = dnmf.fit(A, RANK, tol=1e-6, dtype="float64")
    assert model.stop_reason.startswith("tol")
    assert sum(not record.accepted for record in model.history if record.refined) <= 6


def test_no_component_dies_of_a_sample_where_few_rows_have_most_of_the_data(monkeypatch):
    """Of this matrix the sample has sums that, carried to all rows, no rows have: a loss below zero was promised."""
    monkeypatch.setattr(refinement_memory, "MOST_BYTES", 2**18)
    monkeypatch.setattr(refinement_memory, "LEAST_DATA", 0.1)
    rng = np.random.default_rng(1141)
    rows, rank = 4000 + int(rng.integers(3000)), int(rng.choice([3, 6]))
    A = rng.gamma(0.3, size=(rows, rank)) @ rng.gamma(0.3, size=(rank, 40))
    A += 0.05 * A.mean() * rng.random(A.shape)
    A[rng.random(rows) < 0.002] *= 300
    model = dnmf.fit(A, rank, init="random", seed=141, dtype="float64", tol=1e-6, max_passes=12)
    assert model.alive == rank
    assert model.relative_error < 0.05


@pytest.mark.broad(1)
@pytest.mark.parametrize(
    "extra", [{"extrapolate": False}, {"penalty": dnmf.Penalty(l2=0.1)}, {"loss": "kullback-leibler"}]
)
def test_only_plain_least_squares_that_may_go_beyond_an_update_takes_them(small_room, extra):
    model = dnmf.fit(counts(3000), RANK, max_passes=6, tol=0.0, **extra)
    assert not any(record.refined for record in model.history)


@pytest.mark.slow
def test_small_data_takes_none():
    assert not any(record.refined for record in dnmf.fit(counts(), RANK, tol=0.0, max_passes=6).history)


@pytest.mark.broad(1)
@pytest.mark.parametrize("passes", [3, 4, 7])
def test_a_fit_that_was_ended_goes_on_as_if_it_had_not(small_room, tmp_path, passes):
    A, options = counts(), {"tol": 0.0, "seed": 1, "init": "random"}
    dnmf.fit(A, RANK, store=tmp_path / "run.dnmf", max_passes=passes, **options)
    went_on = dnmf.resume(tmp_path / "run.dnmf", source=A, max_passes=10)
    whole = dnmf.fit(A, RANK, max_passes=10, **options)
    assert np.array_equal(went_on.H, whole.H)
    assert np.array_equal(went_on.read_W(), whole.read_W())
    assert [record.reads for record in went_on.history] == [record.reads for record in whole.history]


LAYOUT = Layout(np.arange(0, 200_001, 1000), np.arange(201) * 2**21)  # 400 MiB
SHAPE = Shape(5000, 20, 4)


@pytest.mark.parametrize(
    ("memory_bytes", "rows"),
    [
        (2**34, 0),
        (2**31, 0),
        (2 * 10**9, 64_000),
        (2**30, 64_000),
        (10**9, 32_000),
        (2**29, 32_000),
        (2**27, 8_000),
        (2**25, 0),
    ],
)
def test_the_sample_follows_from_the_data_and_the_memory_limit(memory_bytes, rows):
    """Of 400 MiB: none beside much memory, where reads cost little, and none that would be too small to tell."""
    assert count_refining_rows(LAYOUT, 20, 5_000, Machine(2, memory_bytes, 0)) == rows


def test_a_plan_has_room_for_the_sample_and_keeps_it_in_its_record():
    shape, machine = replace(SHAPE, refining_rows=64_000), Machine(2, 2**30, 2**27, starts=True)
    plan, without = make_plan(LAYOUT, shape, machine), make_plan(LAYOUT, SHAPE, machine)
    assert plan.need.start - without.need.start > 0.5 * 128 * 2**20
    assert plan.need.total <= 0.7 * 2**30
    assert plan.cuts_json()["refining_rows"] == 64_000
    assert "refining_rows" not in without.cuts_json()


def test_a_client_that_lets_workers_read_has_its_sample_in_no_plan():
    shape, machine = replace(SHAPE, refining_rows=64_000), Machine(2, 2**30, 2**27)
    assert make_plan(LAYOUT, shape, machine).need == make_plan(LAYOUT, SHAPE, machine).need


def state_at(objective, promised, damping=FIRST_DAMPING):
    options = FitOptions(2)
    state = first_state(Initial(np.ones((2, 3))), options)
    return replace(state, objective=objective, promised=promised, damping=damping)


@pytest.mark.parametrize(
    ("objective", "times"), [(9.0, 1 / 3), (9.2, 1 / 3), (9.5, 1.0), (9.9, 4.0), (9.99, 4.0)],
)  # fmt: skip
def test_steps_become_longer_where_promises_come_true_and_shorter_where_not(objective, times):
    assert kept_promise(state_at(10.0, 9.0), objective).damping == pytest.approx(
        max(LEAST_DAMPING, times * FIRST_DAMPING)
    )


def test_what_failed_is_not_tried_again():
    state = state_at(10.0, 9.0)
    failed = broke_promise(state)
    assert failed.damping > state.damping
    for _ in range(10):
        failed = kept_promise(replace(failed, objective=10.0, promised=9.0), 9.0)
    assert failed.damping > state.damping
    for _ in range(5):
        failed = broke_promise(failed)
    assert failed.damping > MOST
