"""Data kept in memory between passes changes what is read, and nothing else."""

import contextlib
import os
import signal
import time

import dask
import numpy as np
import pytest
import zarr

import dnmf
from dnmf.fitting.events import Planned
from dnmf.planned import choose_keep
from dnmf.sources.kept import KEPT


@pytest.fixture
def stored(planted, tmp_path):
    path = tmp_path / "data.zarr"
    zarr.create_array(path, data=np.vstack([planted] * 3), chunks=(64, 80))
    return path


def fitted(path, keep, max_passes=4, **options):
    events = []
    model = dnmf.fit(path, 4, max_passes=max_passes, tol=0, keep=keep, callbacks=[events.append], **options)
    planned = next(event for event in events if isinstance(event, Planned))
    return model, planned


def assert_same_bits(a, b):
    assert a.H.tobytes() == b.H.tobytes()
    assert a.d.tobytes() == b.d.tobytes()
    assert a.read_W().tobytes() == b.read_W().tobytes()


def test_kept_data_gives_the_same_bits_and_the_history_says_where_it_came_from(stored):
    (kept, planned), (streamed, plain) = fitted(stored, "auto"), fitted(stored, "stream")
    assert_same_bits(kept, streamed)
    assert [record.from_memory for record in kept.history] == [0.0, 1.0, 1.0, 1.0]
    assert [record.from_memory for record in streamed.history] == [0.0] * 4
    assert [record.reads for record in kept.history] == [record.reads for record in streamed.history]
    assert (planned.keeps, plain.keeps) == (True, False)


def test_nothing_is_kept_after_a_fit_even_one_that_failed(stored):
    fitted(stored, "memory")

    def fails(event):
        if isinstance(event, dnmf.fitting.events.PassDone):
            raise RuntimeError("a callback of the user's")

    with pytest.raises(RuntimeError, match="of the user's"):
        dnmf.fit(stored, 4, keep="memory", callbacks=[fails])
    assert KEPT._rows == {}


@pytest.fixture
def workers(monkeypatch):
    """A client of so many workers of one thread; no task is moved to another worker on a machine under load."""
    from distributed import Client, LocalCluster

    monkeypatch.setattr("dnmf.plan.LEAST_GROUP_BYTES", 2**14)
    monkeypatch.setattr("dnmf.plan.OBJECTS_IN_GROUP", 1)

    @contextlib.contextmanager
    def some(count):
        with (
            dask.config.set({"distributed.scheduler.work-stealing": False}),
            LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            yield client

    return some


@pytest.mark.slow
def test_workers_keep_their_part_and_get_it_again(stored, workers):
    def marks():
        from dnmf.sources.kept import KEPT

        return sorted(KEPT._rows)

    with workers(2) as client:
        model, planned = fitted(stored, "auto", client=client, init="random")
        assert set(map(len, client.run(marks).values())) == {0}
    streamed, _ = fitted(stored, "stream", init="random")
    assert planned.tasks > 3
    assert_same_bits(model, streamed)
    assert model.history[0].from_memory == 0
    assert max(record.from_memory for record in model.history) > 0


@pytest.mark.slow
def test_a_worker_that_is_alone_gets_all_of_it_again(stored, workers):
    with workers(1) as client:
        model, planned = fitted(stored, "auto", client=client, init="random")
    assert planned.tasks > 3
    assert [record.from_memory for record in model.history] == [0, 1, 1, 1]


@pytest.mark.slow
def test_when_a_worker_dies_its_rows_are_kept_by_those_there_are(stored, workers):
    with workers(2) as client:

        def kill_one(event):
            if isinstance(event, dnmf.fitting.events.PassDone) and event.record.number == 2:
                pids = client.run(os.getpid)
                os.kill(min(pids.values()), signal.SIGKILL)
                while len(now := set(client.scheduler_info(n_workers=-1)["workers"])) < 2 or now == set(pids):
                    time.sleep(0.1)

        options = {"keep": "memory", "max_passes": 8, "tol": 0.0}
        model = dnmf.fit(stored, 4, client=client, callbacks=[kill_one], **options)
    assert_same_bits(model, dnmf.fit(stored, 4, client=None, keep="stream", max_passes=8, tol=0.0))
    shares = [record.from_memory for record in model.history]
    assert 0 in shares[2:5]  # all are shared out anew
    assert max(shares[4:]) > 0.5


def test_data_that_does_not_fit_is_streamed_or_refused_by_wish(stored, monkeypatch):
    monkeypatch.setattr("dnmf.planned.keeping", lambda plan, *_: (plan, 0))
    model, planned = fitted(stored, "auto")
    assert not planned.keeps
    assert model.history[-1].from_memory == 0
    with pytest.raises(dnmf.BudgetError, match="do not fit in the memory of 1 process.*keep='stream'"):
        fitted(stored, "memory")


def test_an_unknown_policy_is_refused_and_so_is_keeping_blocks_of_dask(stored, planted):
    import dask.array

    with pytest.raises(dnmf.InputError, match="keep='never': use one of auto, memory, stream"):
        fitted(stored, "never")
    with pytest.raises(dnmf.InputError, match=r"array\.persist"):
        fitted(dask.array.from_array(planted, chunks=(100, 80)), "memory")


def test_data_in_memory_is_not_kept_twice(planted):
    plan, keep = choose_keep("auto", dnmf.open_source(planted), None, None, 1)
    assert (plan, keep) == (None, None)
