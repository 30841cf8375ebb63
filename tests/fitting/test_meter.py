"""How far a read is: what is told, how often, and that telling changes nothing."""

import numpy as np
import pytest

import dnmf
from dnmf.fitting import meter as meters
from dnmf.fitting.events import PassProgress, PathPassDone, Started
from dnmf.fitting.meter import Meter
from dnmf.passes.executor import ignore


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def told_of(meter, clock, tasks, seconds_a_task, what="pass"):
    told = []
    meter.listen(told.append)
    rows_back = meter.begin(what, 10 * tasks)
    for _ in range(tasks):
        clock.now += seconds_a_task
        rows_back(10)
    return told


def test_a_read_is_told_of_at_most_four_times_a_second_and_not_before_a_quarter():
    clock = Clock()
    told = told_of(Meter(clock=clock), clock, tasks=1000, seconds_a_task=0.01)
    assert 35 < len(told) <= 40
    assert told[0].seconds >= 0.25
    assert all(event.seconds - event.seconds_before >= 0.25 for event in told)


def test_what_is_over_sooner_is_not_told_of():
    clock = Clock()
    assert told_of(Meter(clock=clock), clock, tasks=20, seconds_a_task=0.01) == []


def test_rows_seconds_and_what_is_left_follow_the_tasks_that_are_back():
    clock = Clock()
    told = told_of(Meter(clock=clock), clock, tasks=4, seconds_a_task=32.0, what="start")
    assert [(event.what, event.rows_done, event.rows, event.seconds, event.left_s) for event in told] == [
        ("start", 10, 40, 32.0, 96.0), ("start", 20, 40, 64.0, 64.0), ("start", 30, 40, 96.0, pytest.approx(32.0)),
        ("start", 40, 40, 128.0, 0.0),
    ]  # fmt: skip


def test_the_number_of_a_pass_follows_what_is_over():
    clock, numbers = Clock(), []
    meter = Meter([lambda event: numbers.append(event.number)], clock=clock)
    for event in (None, Started("sample", 0.1), PathPassDone(3, 1, 0, 2, 1.0, 1.0, True), Started("given", 0, 7)):
        if event is not None:
            meter(event)
        rows_back = meter.begin("pass", 10)
        clock.now += 1.0
        rows_back(10)
    assert numbers == [1, 1, 4, 8]


def test_nobody_counts_where_nobody_listens():
    assert Meter().begin("pass", 10) is ignore


@pytest.fixture
def impatient(monkeypatch):
    """Every task that is back is told of."""
    monkeypatch.setattr(meters.Meter.__init__, "__defaults__", ((), 0.0, meters.time.monotonic))


@pytest.mark.parametrize("where", ["in process", "cluster"])
@pytest.mark.broad(1)
def test_every_read_of_a_fit_is_told_of_and_the_bits_stay(impatient, planted, tmp_path, request, where):
    del impatient
    client = None if where == "in process" else request.getfixturevalue("client")
    options = {"max_passes": 3, "tol": 0, "memory_limit": "8GB", "client": client}
    np.save(tmp_path / "a.npy", planted)
    dnmf.convert(tmp_path / "a.npy", tmp_path / "a.zarr", chunk_bytes=2**13)
    told = []
    silent = dnmf.fit(tmp_path / "a.zarr", 3, store=tmp_path / "a.dnmf", **options)
    model = dnmf.fit(tmp_path / "a.zarr", 3, store=tmp_path / "b.dnmf", callbacks=[told.append], **options)
    progress = [event for event in told if isinstance(event, PassProgress)]
    kinds = list(dict.fromkeys((event.what, event.number) for event in progress))
    if where == "in process":
        assert kinds == [("sample", 1), ("pass", 1), ("pass", 2), ("last", 3), ("copy", 3)]
        ends = [event for event in progress if event.rows_done == event.rows]
        assert [(event.what, event.number) for event in ends] == kinds
    assert all(0 < event.rows_done <= event.rows for event in progress)
    for name in ("W", "d", "H"):
        np.testing.assert_array_equal(np.asarray(getattr(model, name)), np.asarray(getattr(silent, name)))


@pytest.mark.parametrize("kept", ["in memory", "on disk"])
def test_the_rows_of_other_data_are_told_of_too(impatient, planted, tmp_path, kept):
    del impatient
    model, told = dnmf.fit(planted, 3, max_passes=2), []
    out = None if kept == "in memory" else tmp_path / "W.zarr"
    model.transform(planted, out=out, callbacks=[told.append])
    assert {(event.what, event.rows) for event in told} == {("transform", len(planted))}
    assert told[-1].rows_done == len(planted)


def test_the_measures_of_a_path_are_told_of_as_such_and_as_nothing_else(impatient, planted):
    del impatient
    told = []
    dnmf.path(planted, 2, dnmf.Penalty(l1=0.1), [0, 1], max_passes=2, callbacks=[told.append])
    kinds = list(dict.fromkeys(type(event).__name__ for event in told))
    assert kinds.count("Started") == kinds.count("PathFinished") == 1
    assert "PassDone" not in kinds
    ends = [at for at, event in enumerate(told) if isinstance(event, PathPassDone)]
    assert {event.what for event in told[ends[-1] :] if isinstance(event, PassProgress)} == {"measure"}


def test_a_callback_may_end_a_fit_inside_a_pass(impatient, planted):
    del impatient

    class EnoughError(Exception):
        pass

    def stop(event):
        if isinstance(event, PassProgress) and event.what == "pass":
            raise EnoughError

    with pytest.raises(EnoughError):
        dnmf.fit(planted, 3, callbacks=[stop])
