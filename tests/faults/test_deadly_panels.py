"""Workers that die over one panel: by chance, which a fit outlives, or always, which it says with the rows."""

import os
import re
import signal
import threading
import time
from contextlib import contextmanager

import dask
import pytest
from distributed import Client, LocalCluster, WorkerPlugin

import dnmf
from dnmf.cluster import WORKERS_COME_BACK
from dnmf.fitting.events import PassDone
from dnmf.inspection import run_status
from dnmf.passes.workers import PASS_TRIES

FIT = {"rank": 4, "init": "random", "seed": 3, "tol": 0.0, "max_passes": 3, "keep": "stream"}
ROW = 2100  # in the panel that is deadly
GROUP_ROWS = 512
PATIENCE_S = 120

pytestmark = [pytest.mark.usefixtures("many_groups"), pytest.mark.slow]


@contextmanager
def workers(count, deaths):
    """So many workers that come back quickly; a task is given up after so many deaths of those who had it."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": deaths - 1, **WORKERS_COME_BACK}),
        LocalCluster(n_workers=count, threads_per_worker=1, memory_limit="1GiB", dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def at_the_panel(what):
    """A plugin that comes with every new worker process: before the panel is read, `what` is done."""

    class AtThePanel(WorkerPlugin):
        def setup(self, worker):
            from dnmf.sources.stored import StoredArray

            read = StoredArray.read

            def read_after_that(array, start, stop):
                if start <= ROW < stop:
                    what()
                return read(array, start, stop)

            StoredArray.read = read_after_that

    return AtThePanel()


def wait_until(there):
    deadline = time.monotonic() + PATIENCE_S
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill_one_after_the_other(folder, times):
    """Kill every process that says it is at the panel; let the one after those go on."""
    for number in range(1, times + 1):
        wait_until(lambda number=number: len(list(folder.glob("at-*"))) == number)
        newest = max(folder.glob("at-*"), key=lambda path: path.stat().st_mtime_ns)
        os.kill(int(newest.name.removeprefix("at-")), signal.SIGKILL)
    (folder / "go").touch()


def test_five_workers_that_die_over_one_long_panel_cost_time_and_no_bit(dense_store, bits, tmp_path, caplog):
    """Dask's own limit is four deaths: after them it gives the panel up, and the pass is run again."""

    def stay(folder=tmp_path):
        import os
        import time

        (folder / f"at-{os.getpid()}").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)

    killer = threading.Thread(target=kill_one_after_the_other, args=(tmp_path, 5), daemon=True)
    killer.start()
    with workers(2, deaths=4) as client:
        client.register_plugin(at_the_panel(stay))
        model = dnmf.fit(dense_store, **FIT, store=tmp_path / "run.dnmf", client=client)
    killer.join(PATIENCE_S)
    assert len(list(tmp_path.glob("at-*"))) >= 5
    assert "running the pass again" in caplog.text
    assert bits(model) == bits(dnmf.fit(dense_store, **FIT))


def test_a_panel_that_always_segfaults_is_a_ClusterError_that_names_the_rows(dense_store, bits, tmp_path):
    deaths, store = tmp_path / "deaths", tmp_path / "run.dnmf"
    deaths.mkdir()

    def crash(deaths=deaths):
        import ctypes
        import os

        if (deaths / "armed").exists():
            (deaths / f"of-{os.getpid()}").touch()
            ctypes.string_at(0)

    def arm(event):
        if isinstance(event, PassDone) and event.record.number == 2:
            (deaths / "armed").touch()

    with workers(1, deaths=2) as client:
        client.register_plugin(at_the_panel(crash))
        with pytest.raises(dnmf.ClusterError, match=r"rows \d+:\d+ of .*dense.zarr.*resume") as caught:
            dnmf.fit(dense_store, **FIT, store=store, client=client, callbacks=(arm,))
        no_task_is_left(client)
    first, last = map(int, re.search(r"rows (\d+):(\d+) of", caught.value.args[0]).groups())
    assert first - GROUP_ROWS <= ROW < last + GROUP_ROWS  # dask cannot tell it from the task that waited beside it
    assert 2 <= len(list(deaths.glob("of-*"))) <= 2 * PASS_TRIES
    assert run_status(store)["passes"] == 2
    assert bits(dnmf.resume(store)) == bits(dnmf.fit(dense_store, **FIT))


def no_task_is_left(client):
    """What the client lets go of reaches the scheduler a moment later."""
    wait_until(lambda: not client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))
