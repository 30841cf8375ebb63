"""Fits on a real scheduler: what its HTTP server says of them, and that no fit depends on it."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

import dask
import numpy as np
import pytest
from distributed import Client, LocalCluster

import dnmf
from dnmf.fitting.events import PassDone

MATRIX = np.random.default_rng(0).random((400, 30))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A matrix that workers read."""
    import zarr

    path = tmp_path_factory.mktemp("watched") / "counts.zarr"
    zarr.create_array(path, data=MATRIX, chunks=(50, 30))
    return path


def start(**options):
    """A cluster in this process."""
    given = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": "127.0.0.1:0"}
    return LocalCluster(**{**given, **options})


@pytest.fixture(scope="module")
def place():
    """A cluster with a dashboard, that fits are told to."""
    with start() as cluster:
        yield cluster


@pytest.fixture
def client(place):
    """A client that is not the current one."""
    with Client(place, set_as_default=False) as client:
        yield client


def get(cluster, page):
    """What the HTTP server of a scheduler answers."""
    port = cluster.scheduler.http_server.port
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=60) as answer:
        return answer.read().decode()


def seen(cluster):
    """The last run that was told of, and the workers."""
    found = json.loads(get(cluster, "nmf.json"))
    return found["runs"][-1], found["workers"]


@pytest.mark.slow
def test_all_that_a_fit_is_can_be_read_when_it_is_over(place, client, data, tmp_path):
    model = dnmf.fit(data, 3, client=client, max_passes=4, tol=0, store=tmp_path / "a.dnmf")
    run, workers = seen(place)
    assert (run["name"], run["status"], run["ended"]["reason"]) == ("a.dnmf", "done", "max_passes")
    assert (run["source"], run["rank"], run["loss"]) == (str(data), 3, "frobenius")
    assert [each["relative_error"] for each in run["passes"]] == [each.relative_error for each in model.history]
    assert (run["alive"], run["reads"], run["gradient"]) == (3, model.reads, model.history[-1].gradient)
    assert run["plan"]["shape"] == [400, 30]
    assert 0 < run["plan"]["projected_bytes"] < run["plan"]["limit_bytes"]
    assert run["bytes_per_second"] > 0
    assert [worker["status"] for worker in workers] == ["running"]
    assert workers[0]["memory_bytes"] > 0


@pytest.mark.slow
def test_a_fit_is_seen_while_it_goes_on(place, client, data):
    found = []

    def look(event):
        if isinstance(event, PassDone) and event.record.number == 2:
            until = time.monotonic() + 60
            while time.monotonic() < until and not (found and found[-1]["passes"]):
                found.append(seen(place)[0])

    dnmf.fit(data, 3, client=client, max_passes=4, tol=0, callbacks=[look])
    assert (found[-1]["status"], found[-1]["passes"][0]["number"]) == ("running", 1)


def test_a_study_is_seen_too(place, client, data):
    dnmf.path(data, 2, dnmf.Penalty(l1=1.0), [0.0, 0.1], seeds=2, measures="cheap", client=client, max_passes=3)
    run = seen(place)[0]
    assert (run["status"], run["models"], run["passes"][-1]["done"]) == ("done", 4, 4)


@pytest.mark.slow
def test_a_fit_that_fails_is_seen_to_have_failed(place, client, data):
    with pytest.raises(dnmf.BudgetError):
        dnmf.fit(data, 3, client=client, memory_limit="1MB")
    run = seen(place)[0]
    assert (run["status"], run["ended"]) == ("failed", {"error": "BudgetError"})


def test_a_client_that_goes_leaves_no_run_behind_that_seems_to_go_on(place):
    with Client(place, set_as_default=False) as gone:
        from dnmf.watched.feed import Feed

        feed = Feed(gone, {"source": "left.zarr"})
        until = time.monotonic() + 60
        while seen(place)[0].get("source") != "left.zarr":
            assert time.monotonic() < until
    assert feed.callbacks
    while seen(place)[0]["status"] != "left":
        assert time.monotonic() < until


def test_workers_that_go_are_counted(client, place, data):
    def lose(event):
        if isinstance(event, PassDone) and event.record.number == 1:
            place.scale(2)
            client.wait_for_workers(2, timeout=60)
            client.retire_workers([next(iter(place.scheduler.workers))])

    dnmf.fit(data, 3, client=client, max_passes=4, tol=0, callbacks=[lose])
    run = seen(place)[0]
    assert (run["workers_gone"], run["workers_came"]) == (1, 1)


@pytest.mark.slow
def test_the_tab_is_there_once_and_the_bar_of_every_page_leads_to_it(place, client, data):
    dnmf.fit(data, 3, client=client, max_passes=2)
    dnmf.fit(data, 3, client=client, max_passes=2)
    assert get(place, "status").count('<a href="nmf">') == 1
    assert "bokeh" in get(place, "nmf")


@pytest.mark.slow
def test_a_scheduler_can_show_it_from_its_start(data):
    with dask.config.set({"distributed.scheduler.preload": ["dnmf.watched"]}), start(n_workers=0) as cluster:
        assert json.loads(get(cluster, "nmf.json"))["runs"] == []
        assert get(cluster, "status").count('<a href="nmf">') == 1


@pytest.mark.slow
def test_where_the_dashboard_is_off_there_is_the_json_alone(data):
    off = {"scheduler_kwargs": {"dashboard": False}}
    with start(**off) as cluster, Client(cluster, set_as_default=False) as client:
        model = dnmf.fit(data, 3, client=client, max_passes=3)
        assert seen(cluster)[0]["status"] == "done"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(cluster, "nmf")
    assert np.array_equal(model.H, dnmf.fit(data, 3, max_passes=3).H)


@pytest.mark.slow
def test_a_scheduler_that_is_asked_to_hear_nothing_hears_nothing(data):
    with start() as cluster, Client(cluster, set_as_default=False) as client, dask.config.set({"dnmf.watched": False}):
        model = dnmf.fit(data, 3, client=client, max_passes=3)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(cluster, "nmf.json")
    assert np.array_equal(model.H, dnmf.fit(data, 3, max_passes=3).H)


WITHOUT = """
import asyncio, sys
sys.modules[{blocked!r}] = None
import dask
from distributed import Scheduler, Worker

async def main():
    async with Scheduler(host="127.0.0.1", port=0, dashboard_address="127.0.0.1:0") as scheduler:
        async with Worker(scheduler.address, nthreads=1):
            print(scheduler.address, scheduler.http_server.port, flush=True)
            await scheduler.finished()

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize(("blocked", "status"), [("bokeh", "done"), ("dnmf.watched", None)])
def test_a_scheduler_without_bokeh_or_without_this_does_as_before(data, blocked, status):
    lacking = subprocess.Popen(
        [sys.executable, "-c", WITHOUT.format(blocked=blocked)], stdout=subprocess.PIPE, text=True
    )
    try:
        address, port = lacking.stdout.readline().split()
        with Client(address, set_as_default=False) as client:
            model = dnmf.fit(data, 3, client=client, max_passes=3)
            if status is None:
                with pytest.raises(urllib.error.HTTPError, match="404"):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/nmf.json", timeout=60)
            else:
                found = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/nmf.json", timeout=60))
                assert found["runs"][0]["status"] == status
    finally:
        lacking.terminate()
        lacking.wait(30)
    assert np.array_equal(model.H, dnmf.fit(data, 3, max_passes=3).H)


@pytest.mark.slow
def test_what_a_scheduler_imports_for_it_is_light():
    heavy = ("numba", "scipy", "zarr", "sklearn", "matplotlib", "rich")
    code = f"import dnmf.watched.plugin, sys; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
