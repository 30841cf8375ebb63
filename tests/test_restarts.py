"""Restarts: the model is that of the best of so many fits, to the bit, and they share their reads."""

import signal
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
import zarr
from command_line import call, records

import dnmf
from dnmf.fitting.events import PassDone, Planned, Started
from dnmf.fitting.loop import run_until_last
from dnmf.fitting.state import State
from dnmf.options import FitOptions
from dnmf.penalty import Penalty
from dnmf.plots.asked import data_section
from dnmf.progress.lines import event_lines
from dnmf.starts.choose import plan_for_many
from dnmf.unfinished import so_far

pytestmark = pytest.mark.numeric

RESTARTS = 4
FIT = {"rank": 3, "init": "random", "seed": 5, "tol": 1e-5, "max_passes": 40}


@pytest.fixture(scope="module")
def A():
    """A matrix (240 × 30) of which fits of rank 3 end in several minima, after different numbers of passes."""
    rng = np.random.default_rng(4)
    W = rng.random((240, 8)) * (rng.random((240, 8)) < 0.3)
    return W @ (rng.random((8, 30)) * (rng.random((8, 30)) < 0.4)) + 0.02 * rng.random((240, 30))


@pytest.fixture
def stored(A, tmp_path, monkeypatch):
    """A store that is cut into several tasks."""
    monkeypatch.setattr("dnmf.plan.LEAST_GROUP_BYTES", 2**13)
    monkeypatch.setattr("dnmf.plan.STATISTICS_SHARE", 0)
    monkeypatch.setattr("dnmf.plan.OBJECTS_IN_GROUP", 1)
    zarr.create_array(tmp_path / "data.zarr", data=A, chunks=(32, 30))
    return tmp_path / "data.zarr"


@pytest.fixture
def two_at_once(monkeypatch):
    """Memory that holds two models in a pass."""
    monkeypatch.setattr("dnmf.planned.plan_for_many", at_most(2))


def at_most(count):
    def planned(*args, **options):
        plan, machine, models = plan_for_many(*args, **options)
        return plan, machine, min(models, count)

    return planned


def bits(model):
    return model.H.tobytes(), model.d.tobytes(), model.read_W().tobytes(), [r.objective for r in model.history]


def one_by_one(source, **options):
    """The fits of the seeds, and which of them has the lowest objective."""
    how = {**FIT, **options}
    seed = how.pop("seed")
    fits = [dnmf.fit(source, **how, seed=seed + number) for number in range(RESTARTS)]
    return fits, min(fits, key=lambda model: model.history[-1].objective)


def stopping(after):
    """A callback that stops a fit after so many passes."""
    left = [after]

    def stop(event):
        left[0] -= isinstance(event, PassDone)
        if not left[0]:
            raise dnmf.Interrupted(signal.SIGTERM, "enough")

    return stop


BEST_OF = {
    "random": {},
    "sample": {"init": "sample"},
    "NNDSVD with noise": {"init": "nndsvdar"},
    "multiplicative updates of both factors": {"solver": "mu", "exact_rows": False},
    "counts": {"loss": "kullback-leibler", "max_passes": 8},
    "L1 in the objective": {"penalty": Penalty(l1=0.02, scale="objective")},
    "two components too many": {"rank": 8, "penalty": Penalty(l1=0.3, scale="objective"), "prune": "refit"},
}


@pytest.mark.broad(1)
@pytest.mark.parametrize("options", BEST_OF.values(), ids=BEST_OF)
def test_the_model_is_that_of_a_fit_than_which_none_is_better(A, options):
    fits, best = one_by_one(A, **options)
    model = dnmf.fit(A, **{**FIT, **options}, restarts=RESTARTS)
    assert bits(model) == bits(fits[model.best_seed - FIT["seed"]])
    assert model.history[-1].objective <= (1 + FIT["tol"]) * best.history[-1].objective


@pytest.mark.slow
def test_fractions_are_of_the_same_for_all_of_them(A):
    penalized = {"penalty": Penalty(l1=0.05, scale="fraction"), "dtype": "float64"}
    fits, best = one_by_one(A, **penalized)
    model = dnmf.fit(A, **{**FIT, **penalized}, restarts=RESTARTS)
    assert model.penalty == fits[0].penalty
    assert model.history[-1].objective == pytest.approx(best.history[-1].objective, rel=1e-3)
    assert model.reads < sum(each.reads for each in fits) - RESTARTS


@pytest.mark.broad(1)
@pytest.mark.parametrize("wrap", [scipy.sparse.csr_array, scipy.sparse.csc_array])
def test_so_it_is_of_sparse_data(A, wrap):
    thin = wrap(A * (A > 0.2))
    assert bits(dnmf.fit(thin, **FIT, restarts=RESTARTS)) == bits(one_by_one(thin)[1])


def test_which_fit_is_best_shows_late(A):
    fits, best = one_by_one(A)
    assert len({model.history[-1].objective for model in fits}) == RESTARTS
    assert len({len(model.history) for model in fits}) > 1
    early = min(fits, key=lambda model: model.history[2].objective)
    assert early.history[-1].objective > best.history[-1].objective


@pytest.mark.parametrize(("init", "of_start"), [("random", 0), ("nndsvdar", 2 * RESTARTS)])
def test_passes_are_shared_and_every_read_is_counted(A, init, of_start):
    longest = max(len(model.history) for model in one_by_one(A, init=init)[0])
    events = []
    model = dnmf.fit(A, **{**FIT, "init": init}, restarts=RESTARTS, callbacks=[events.append])
    (start,) = (event for event in events if isinstance(event, Started))
    assert (start.init, start.reads, start.restarts) == (init, of_start, RESTARTS)
    assert model.reads == of_start + longest
    assert [event.record.number for event in events if isinstance(event, PassDone)][:-1] == list(range(1, longest))


def test_where_memory_holds_fewer_they_take_turns_to_the_same_bits(A, two_at_once):
    fits, best = one_by_one(A)
    model = dnmf.fit(A, **FIT, restarts=RESTARTS)
    lengths = [len(each.history) - 1 for each in fits]
    assert bits(model) == bits(best)
    assert model.reads == max(lengths[:2]) + max(lengths[2:]) + 1


@pytest.mark.broad(1)
@pytest.mark.parametrize("at_once", [1, RESTARTS])
def test_steps_between_reads_are_those_of_each_fit_and_their_sample_is_read_once(A, monkeypatch, at_once):
    monkeypatch.setattr("dnmf.refinement_memory.MOST_BYTES", 2**19)
    monkeypatch.setattr("dnmf.refinement_memory.LEAST_DATA", 1)
    monkeypatch.setattr("dnmf.planned.plan_for_many", at_most(at_once))
    tall, short = np.vstack([A] * 20), {"tol": 0.0, "max_passes": 8}
    fits, best = one_by_one(tall, **short)
    assert any(record.refined for model in fits for record in model.history)
    model = dnmf.fit(tall, **{**FIT, **short}, restarts=RESTARTS)
    assert bits(model) == bits(best)
    assert model.reads == pytest.approx(best.reads + 7 * (RESTARTS // at_once - 1))


def test_those_whose_turn_never_comes_are_out_of_it(A, two_at_once, monkeypatch):
    waves = []

    def until_time_is_up(engine, fits, after_pass):
        waves.append(len(fits))
        if len(waves) == 1:
            return run_until_last(engine, fits, after_pass)
        return [fit.at(replace(fit.state, reason="no time is left")) for fit in fits]

    monkeypatch.setattr("dnmf.restarts.run_until_last", until_time_is_up)
    model = dnmf.fit(A, **FIT, restarts=RESTARTS)
    assert waves[:2] == [2, 2]
    assert bits(model) == bits(min(one_by_one(A)[0][:2], key=lambda each: each.history[-1].objective))


# Stores


@pytest.mark.slow
@pytest.mark.parametrize(("after", "resumed_with"), [(1, RESTARTS), (9, 1), (30, RESTARTS)])
@pytest.mark.broad(1)
def test_a_stop_and_a_resume_with_other_memory_end_with_the_same_bits(
    A, tmp_path, after, resumed_with, two_at_once, monkeypatch
):
    expected = bits(dnmf.fit(A, **FIT, restarts=RESTARTS))
    with pytest.raises(dnmf.Interrupted):
        dnmf.fit(A, **FIT, restarts=RESTARTS, store=tmp_path / "run.dnmf", callbacks=[stopping(after)])
    monkeypatch.setattr("dnmf.planned.plan_for_many", at_most(resumed_with))
    assert bits(dnmf.resume(tmp_path / "run.dnmf", source=A)) == expected
    assert bits(dnmf.load(tmp_path / "run.dnmf")) == expected


@pytest.mark.slow
def test_a_store_that_was_stopped_tells_of_the_best_so_far(A, tmp_path):
    with pytest.raises(dnmf.Interrupted):
        dnmf.fit(A, **FIT, restarts=RESTARTS, store=tmp_path / "run.dnmf", callbacks=[stopping(6)])
    found, sixth = so_far(tmp_path / "run.dnmf"), [model.history[5].objective for model in one_by_one(A)[0]]
    assert (len(found.history), found.history[-1].objective) == (6, min(sixth))
    leading = FIT["seed"] + int(np.argmin(sixth))
    assert found.best_seed == leading
    told = call("status", tmp_path / "run.dnmf").stdout
    assert f"starts    4, of seeds 5 to 8; the best so far is that of seed {leading}" in told
    assert f"the best so far is that of seed {leading}" in asked_and_answered(found)


def asked_and_answered(model):
    """The part of a report that says what a fit was asked for."""
    return " ".join(data_section(model))


@pytest.fixture
def run(A, tmp_path):
    """A store with the best of four starts."""
    dnmf.fit(A, **FIT, restarts=RESTARTS, store=tmp_path / "run.dnmf")
    return tmp_path / "run.dnmf"


@pytest.mark.slow
def test_which_seed_made_the_model_is_said_wherever_it_is_shown(A, run):
    model = dnmf.load(run)
    seed = model.best_seed
    assert bits(model) == bits(dnmf.fit(A, **{**FIT, "seed": seed}))
    for shown in (repr(model), model._repr_html_()):
        assert f"from seed {seed}, the best of 4 starts" in shown
    assert f"4 starts, of seeds 5 to 8; the best is that of seed {seed}" in asked_and_answered(model)
    for command in ("status", "inspect"):
        assert f"starts    4, of seeds 5 to 8; the model is that of seed {seed}" in call(command, run).stdout
        (found,) = records(call(command, run, "--json"))
        assert (found["seed"], found["restarts"], found["best_seed"]) == (5, 4, seed)


@pytest.mark.slow
def test_which_seed_it_was_is_known_after_all_that_becomes_of_a_model(A, run, tmp_path):
    model = dnmf.load(run)
    others = {
        "resumed": dnmf.resume(run),
        "reordered": model.reordered([2, 0, 1]),
        "saved": model.save(tmp_path / "saved.dnmf"),
        "with other limits": dnmf.resume(run, source=A, max_passes=len(model.history) - 2),
    }
    assert {name: other.best_seed for name, other in others.items()} == dict.fromkeys(others, model.best_seed)


@pytest.mark.slow
def test_which_seed_it_is_is_known_to_who_was_killed_in_the_last_pass(A, run, tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr("dnmf.run.finish", killed)
        with pytest.raises(KeyboardInterrupt):
            dnmf.fit(A, **FIT, restarts=RESTARTS, store=tmp_path / "killed.dnmf")
    expected = dnmf.load(run).best_seed
    assert so_far(tmp_path / "killed.dnmf").best_seed == expected
    assert dnmf.resume(tmp_path / "killed.dnmf", source=A).best_seed == expected


def test_a_model_of_one_start_is_of_the_seed_that_was_asked_for(A):
    assert dnmf.fit(A, **FIT).best_seed == 5
    assert "seed" not in repr(dnmf.fit(A, **FIT))
    path = dnmf.path(A, 3, Penalty(l1=1.0), [0, 0.1], seeds=(3, 7), max_passes=2, measures="cheap")
    assert {cell.seed: model.best_seed for cell, model in path.models.items()} == {3: 3, 7: 7}


@pytest.mark.slow
def test_lines_of_progress_say_how_many_starts_there_are_and_which_was_the_best(A):
    lines = []
    model = dnmf.fit(A, **FIT, restarts=RESTARTS, callbacks=[lambda event: lines.extend(event_lines(event))])
    assert "start     4 starts, each at random, 0.0 reads" in lines
    of_all = min(len(each.history) for each in one_by_one(A)[0]) - 1
    assert sum("the best of 4 starts" in line for line in lines) == of_all
    assert lines[-1].endswith(f"from seed {model.best_seed}, the best of its starts")


@pytest.mark.slow
def test_a_finished_run_is_one_of_a_single_fit_and_the_best_goes_on_under_new_limits(A, tmp_path):
    few = {**FIT, "max_passes": 6}
    short = dnmf.fit(A, **few, restarts=RESTARTS, store=tmp_path / "run.dnmf")
    _, best = one_by_one(A, max_passes=6)
    assert bits(short) == bits(best)
    at = [dnmf.fit(A, **{**few, "seed": FIT["seed"] + n}).history[-1].objective for n in range(RESTARTS)]
    longer = dnmf.fit(A, **{**FIT, "seed": FIT["seed"] + int(np.argmin(at))})
    assert bits(dnmf.resume(tmp_path / "run.dnmf", source=A, max_passes=40)) == bits(longer)


@pytest.mark.slow
def test_new_limits_reach_those_that_are_on_their_way(A, tmp_path):
    with pytest.raises(dnmf.Interrupted):
        dnmf.fit(A, **FIT, restarts=RESTARTS, store=tmp_path / "run.dnmf", callbacks=[stopping(3)])
    model = dnmf.resume(tmp_path / "run.dnmf", source=A, max_passes=7)
    assert bits(model) == bits(one_by_one(A, max_passes=7)[1])


@pytest.mark.slow
def test_another_number_of_restarts_is_another_fit(A, tmp_path):
    dnmf.fit(A, **FIT, restarts=2, store=tmp_path / "run.dnmf")
    with pytest.raises(dnmf.CheckpointError, match="restarts: 2 → 3"):
        dnmf.fit(A, **FIT, restarts=3, store=tmp_path / "run.dnmf")


def test_options_of_before_have_one_start():
    record = FitOptions(3).to_json()
    del record["restarts"]
    assert FitOptions.from_json(record) == FitOptions(3)


@pytest.mark.slow
def test_a_store_that_did_not_note_the_seed_goes_on_and_says_none(A, tmp_path, monkeypatch):
    with monkeypatch.context() as before:
        scalars = State.scalars
        before.setattr(State, "scalars", lambda state: {n: v for n, v in scalars(state).items() if n != "seed"})
        with pytest.raises(dnmf.Interrupted):
            dnmf.fit(A, **FIT, store=tmp_path / "run.dnmf", callbacks=[stopping(3)])
    assert so_far(tmp_path / "run.dnmf").best_seed is None
    model = dnmf.resume(tmp_path / "run.dnmf", source=A)
    assert model.best_seed is None
    assert bits(model) == bits(dnmf.fit(A, **FIT))


@pytest.mark.slow
def test_the_command_line_has_them(stored, tmp_path):
    call("fit", stored, "--rank", 3, "--init", "random", "--seed", 5, "--tol", 1e-5, "--restarts", RESTARTS,
         "--store", tmp_path / "run.dnmf")  # fmt: skip
    expected = dnmf.fit(stored, **{**FIT, "max_passes": 50}, restarts=RESTARTS)
    assert bits(dnmf.load(tmp_path / "run.dnmf")) == bits(expected)


# Workers


@pytest.mark.slow
def test_threads_and_workers_give_the_same_bits(stored, client, tmp_path, monkeypatch):
    events = []
    expected = bits(dnmf.fit(stored, **FIT, restarts=RESTARTS, callbacks=[events.append]))
    assert next(event for event in events if isinstance(event, Planned)).tasks > 3
    assert bits(dnmf.fit(stored, **FIT, restarts=RESTARTS, client=client)) == expected
    with pytest.raises(dnmf.Interrupted):
        dnmf.fit(stored, **FIT, restarts=RESTARTS, store=tmp_path / "run.dnmf", callbacks=[stopping(4)])
    assert bits(dnmf.resume(tmp_path / "run.dnmf", client=client)) == expected
    monkeypatch.setattr("dnmf.passes.threads._processors", lambda: 1)
    assert bits(dnmf.fit(stored, **FIT, restarts=RESTARTS)) == expected


# Refusals

REFUSED = {
    "none": ({"restarts": 0}, "restarts=0: a whole number, at least 1"),
    "a half": ({"restarts": 1.5}, "restarts=1.5: a whole number, at least 1"),
    "a start that is given": ({"H": np.ones((3, 30)), "init": "auto"}, "a start that is given is the same every time"),
    "singular vectors": ({"init": "nndsvda"}, "init='nndsvda' is the same every time"),
    "a rule": ({"penalty": Penalty(l1=0.1)}, "a rule, without an objective"),
    "one pass": ({"max_passes": 1}, "leaves no pass to compare starts by"),
}


@pytest.mark.parametrize(("options", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_restarts_cannot_be_is_refused_with_the_reason(A, options, reason):
    with pytest.raises(dnmf.InputError, match=reason):
        dnmf.fit(A, **{**FIT, "restarts": 3, **options})
