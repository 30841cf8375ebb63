"""One call begins a fit, goes on with it and returns it: ``resume="auto"``."""

import contextlib

import numpy as np
import pytest
import scipy.sparse
import zarr
from command_line import call

import dnmf
from dnmf.errors import CheckpointError, InputError
from dnmf.fitting.events import PassDone, Started

A = np.random.default_rng(0).random((60, 12)).astype(np.float32)
FIT = {"rank": 3, "tol": 0.0, "seed": 1}
PATH = {"rank": 3, "penalty": dnmf.Penalty(l1=1.0), "strengths": [0, 0.1], "measures": "cheap", "max_passes": 6}


@pytest.fixture
def data(tmp_path):
    zarr.create_array(tmp_path / "A.zarr", data=A, chunks=(20, 12))
    return tmp_path / "A.zarr"


@pytest.fixture
def store(tmp_path):
    return tmp_path / "run.dnmf"


class Stopped(Exception):
    """As a kill between two passes."""


def stop_after(passes):
    def listen(event):
        if isinstance(event, PassDone) and event.record.number == passes:
            raise Stopped

    return listen


def bits(model):
    return model.H.tobytes(), model.d.tobytes(), model.read_W().tobytes()


@pytest.mark.broad(1)
@pytest.mark.parametrize("source", ["stored", "in memory"])
def test_a_fit_that_was_stopped_twice_ends_as_one_that_was_not(data, store, source):
    asked = {"source": data if source == "stored" else A, **FIT, "max_passes": 9}
    for passes in (2, 5):
        with pytest.raises(Stopped):
            dnmf.fit(**asked, store=store, resume="auto", callbacks=[stop_after(passes)])
    model = dnmf.fit(**asked, store=store, resume="auto")
    assert bits(model) == bits(dnmf.fit(**asked))


def stop_after_start(event):
    if isinstance(event, Started):
        raise Stopped


@pytest.mark.broad(1)
@pytest.mark.parametrize("door", [dnmf.fit, dnmf.path])
def test_a_start_that_is_committed_is_not_made_again(data, store, door):
    asked = {**(FIT | {"max_passes": 5} if door is dnmf.fit else PATH), "init": "sample", "store": store}
    with pytest.raises(Stopped):
        door(data, **asked, resume="auto", callbacks=[stop_after_start])
    heard = []
    found = door(data, **asked, resume="auto", callbacks=[heard.append])
    assert next(event.resumed for event in heard if isinstance(event, Started))
    alone = door(data, **{**asked, "store": None})
    models = (found, alone) if door is dnmf.fit else [path.model(0.1) for path in (found, alone)]
    assert models[0].H.tobytes() == models[1].H.tobytes()


@pytest.mark.broad(1)
@pytest.mark.parametrize("other", [{"seed": 2}, {"H": np.ones((3, 12))}], ids=["another seed", "another start"])
def test_a_start_of_another_fit_is_begun_anew(data, store, other):
    given = {"H": A[:3]} if "H" in other else {}
    with pytest.raises(Stopped):
        dnmf.fit(data, **FIT, **given, max_passes=5, store=store, resume="auto", callbacks=[stop_after_start])
    asked = {**FIT, "max_passes": 5, **other}
    assert bits(dnmf.fit(data, **asked, store=store, resume="auto")) == bits(dnmf.fit(data, **asked))


def test_one_that_is_done_is_loaded_and_nothing_is_read(data, store):
    done = dnmf.fit(data, **FIT, max_passes=4, store=store, resume="auto")
    heard = []
    again = dnmf.fit(data, **FIT, max_passes=4, store=store, resume="auto", callbacks=[heard.append])
    assert bits(again) == bits(done)
    assert heard == []


@pytest.mark.slow
def test_it_goes_on_under_the_limits_of_the_call(data, store):
    for passes in (3, 6):
        model = dnmf.fit(data, **FIT, max_passes=passes, store=store, resume="auto")
        assert len(model.history) == passes
    assert bits(model) == bits(dnmf.fit(data, **FIT, max_passes=6))


class OnePassMore:
    """A deadline that is near after a pass."""

    def __init__(self, seconds):
        self.near = seconds is None

    def is_near(self, pass_seconds):
        del pass_seconds
        before, self.near = self.near, True
        return before


@pytest.mark.slow
def test_seconds_count_anew_in_each_call(data, store, monkeypatch):
    monkeypatch.setattr("dnmf.workplace.Deadline", OnePassMore)
    asked = {"source": data, **FIT, "max_seconds": 60, "store": store, "resume": "auto"}
    passes = [len(dnmf.fit(**asked).history) for _ in range(3)]
    assert passes == [2, 3, 4]


@pytest.mark.parametrize(("ends", "within"), [({"max_passes": 4}, 60), ({"tol": 0.9}, 60), ({"tol": 0.9}, 30)])
def test_seconds_that_did_not_end_a_fit_do_not_let_it_go_on(data, store, ends, within):
    asked = {"source": data, **FIT, **ends, "store": store, "resume": "auto"}
    done = dnmf.fit(**asked, max_seconds=60)
    heard = []
    again = dnmf.fit(**asked, max_seconds=within, callbacks=[heard.append])
    assert (bits(again), heard) == (bits(done), [])


OTHERS = {
    "seed": {"seed": 2},
    "rank": {"rank": 2},
    "penalty": {"penalty": dnmf.Penalty(l1=0.1, scale="objective")},
    "solver": {"solver": "hals"},
    "dtype": {"dtype": "float64"},
    "init": {"init": "random"},
}


@pytest.mark.broad(2)
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_another_fit_is_refused_and_the_one_that_is_there_stays(data, store, other):
    model = dnmf.fit(data, **FIT, max_passes=3, store=store)
    with pytest.raises(CheckpointError, match=r"holds a run with other options .* does not go on"):
        dnmf.fit(data, **{**FIT, **other}, max_passes=3, store=store, resume="auto")
    assert bits(dnmf.load(store)) == bits(model)


ONES, GRAPH = np.ones((1, 12)), np.ones((12, 12)) - np.eye(12)
GIVEN = {
    "fixed_H": ({"constraints": dnmf.Constraints(fixed_H=ONES)}, dnmf.Constraints(fixed_H=ONES + np.eye(12)[:1])),
    "fixed_W": ({"constraints": dnmf.Constraints(fixed_W=A[:, :1])}, dnmf.Constraints(fixed_W=A[:, 1:2])),
    "target_H": (
        {"constraints": dnmf.Constraints(target_H=A[:3]), "penalty": dnmf.Penalty(target=0.1)},
        dnmf.Constraints(target_H=A[3:6]),
    ),
    "graph": (
        {"constraints": dnmf.Constraints(graph=GRAPH), "penalty": dnmf.Penalty(smooth=0.1, scale="objective")},
        dnmf.Constraints(graph=2 * GRAPH),
    ),
}


@pytest.mark.parametrize("ends", [True, False], ids=["done", "on its way"])
@pytest.mark.parametrize("door", ["fit", "path"])
@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.broad(2)
def test_what_is_given_beside_the_options_is_compared_too(data, store, name, door, ends):
    asked, other = GIVEN[name]
    asked = {"rank": 3, "tol": 0.0, "max_passes": 5, **asked, "store": store, "resume": "auto"}
    if door == "path":
        penalty = asked.pop("penalty", dnmf.Penalty(l2=1.0, scale="objective"))
        asked |= {"penalty": penalty, "strengths": [1], "warm": "chain", "measures": "cheap"}

    def stop(event):
        if type(event).__name__ in ("PassDone", "PathPassDone") and not ends:
            raise Stopped

    begin = getattr(dnmf, door)
    with contextlib.suppress(Stopped):
        begin(data, **asked, callbacks=[stop])
    with pytest.raises(CheckpointError, match=rf"with other options \(other {name}\)"):
        begin(data, **{**asked, "constraints": other})
    begin(data, **asked)


def test_of_data_by_columns_it_is_named_as_it_was_given(store):
    columns = scipy.sparse.csc_array(A)
    asked = {"rank": 3, "max_passes": 3, "store": store, "resume": "auto"}
    dnmf.fit(columns, **asked, constraints=dnmf.Constraints(fixed_H=ONES))
    with pytest.raises(CheckpointError, match=r"\(other fixed_H\)"):
        dnmf.fit(columns, **asked, constraints=dnmf.Constraints(fixed_H=ONES + np.eye(12)[:1]))


def test_names_that_are_given_are_compared(data, store):
    asked = {**FIT, "max_passes": 3, "store": store, "resume": "auto"}
    names = [f"g{number}" for number in range(12)]
    dnmf.fit(data, **asked, column_names=names)
    assert list(dnmf.fit(data, **asked).column_names) == names
    with pytest.raises(CheckpointError, match=r"\(other column_names\)"):
        dnmf.fit(data, **asked, column_names=names[::-1])


def test_other_data_is_refused(data, store):
    dnmf.fit(data, **FIT, max_passes=3, store=store)
    with pytest.raises(CheckpointError, match="holds a run of other data"):
        dnmf.fit(A + 1, **FIT, max_passes=3, store=store, resume="auto")


def test_a_mask_that_is_left_out_is_told_as_that_alone(store):
    dnmf.fit(dnmf.open_source(A, mask=A > 0.5), **FIT, max_passes=2, store=store)
    with pytest.raises(CheckpointError, match=r"mask: given → none") as refused:
        dnmf.fit(A, **FIT, max_passes=2, store=store, resume="auto")
    assert "refuse" not in str(refused.value)


@pytest.mark.parametrize(
    ("asked", "told"),
    [({"resume": "yes"}, "'never', 'auto'"), ({"resume": True}, "'never', 'auto'"), ({"resume": "auto"}, "give store="),
     ({"resume": np.array([1, 2])}, "'never', 'auto'"),
     ({"resume": "auto", "overwrite": True}, "give one of them")],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(data, store, asked, told):
    where = {} if told == "give store=" else {"store": store}
    with pytest.raises(InputError, match=told):
        dnmf.fit(data, **FIT, **where, **asked)
    assert not store.exists()


@pytest.mark.slow
def test_a_path_goes_on_too_and_is_no_run(data, store):
    whole = dnmf.path(data, **PATH, store=store, resume="auto")
    again = dnmf.path(data, **PATH, store=store, resume="auto")
    assert list(map(repr, again.rows)) == list(map(repr, whole.rows))  # NaN is not itself
    with pytest.raises(CheckpointError, match="holds a regularization path with other options"):
        dnmf.path(data, **{**PATH, "strengths": [0, 0.2]}, store=store, resume="auto")
    with pytest.raises(CheckpointError, match="holds a regularization path"):
        dnmf.fit(data, **FIT, store=store, resume="auto")


@pytest.mark.broad(1)
@pytest.mark.parametrize("command", ["fit", "path"])
def test_what_is_done_needs_no_scheduler_any_more(data, store, command):
    more = ("--l1", 1, "--strengths", "0,1") if command == "path" else ()
    line = [command, data, "--rank", 2, "--max-passes", 3, "--store", store, "--resume", *more]
    gone = ("--scheduler", "gone.json")
    done, again, other = call(*line), call(*line, *gone), call(*line, *gone, "--store", f"{store}.other")
    assert (done.exit_code, again.exit_code, other.exit_code) == (0, 0, 1)
    assert again.stdout.splitlines()[-1] == done.stdout.splitlines()[-1]
    assert "neither a scheduler file that exists" in other.stderr


@pytest.mark.slow
def test_a_job_is_one_line_on_the_command_line(data, store):
    line = ["fit", data, "--rank", 3, "--tol", 0, "--max-passes", 4, "--store", store, "--resume"]
    first, second, other = call(*line), call(*line), call(*line, "--seed", 5)
    assert (first.exit_code, second.exit_code, other.exit_code) == (0, 0, 1)
    assert "after 4 passes" in second.stdout
    assert "seed: 0 → 5" in other.stderr
