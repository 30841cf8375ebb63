"""Workers that come, are retired or stand still in the middle of a fit: the same bits."""

import contextlib
import os
import signal
import threading
import time

import dask
import pytest
from distributed import Client, LocalCluster

import dnmf
from dnmf.fitting.events import PassDone

FIT = {"rank": 4, "init": "random", "seed": 3, "tol": 0.0, "max_passes": 6}
PATIENCE_S = 120

pytestmark = [pytest.mark.usefixtures("many_groups"), pytest.mark.slow]


def addresses(client):
    return sorted(client.scheduler_info(n_workers=-1)["workers"])


def wait_while(there):
    deadline = time.monotonic() + PATIENCE_S
    while there() and time.monotonic() < deadline:
        time.sleep(0.05)


class Turns:
    """After each of the first passes something is begun; it may end in the pass after, and has ended by the one behind.

    Attributes
    ----------
    counts : list
        Workers when each of them was over.
    """

    def __init__(self, client, actions):
        self.client, self.left, self.thread, self.counts = client, list(actions), None, []

    def __call__(self, event):
        if isinstance(event, PassDone):
            self.join()
            if self.left:
                self.thread = threading.Thread(target=self.left.pop(0), daemon=True)
                self.thread.start()

    def join(self):
        if self.thread is not None:
            self.thread.join(PATIENCE_S)
            self.counts.append(len(addresses(self.client)))
            self.thread = None


def test_scaled_out_and_in_in_the_middle_of_a_fit_that_keeps_its_rows_on_the_workers(dense_store, bits, slow, tmp_path):
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, memory_limit="1GiB", dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):

        def more():
            cluster.scale(3)
            client.wait_for_workers(3, timeout=PATIENCE_S)

        def fewer():  # the one that was there from the beginning is among those that go
            first = addresses(client)[0]
            client.retire_workers([first])
            wait_while(lambda: first in cluster.scheduler_info["workers"])  # of those it knows it chooses who stays
            cluster.scale(1)
            wait_while(lambda: len(addresses(client)) > 1)

        turns = Turns(client, [more, fewer, more])
        with slow(client):
            model = dnmf.fit(dense_store, **FIT, keep="memory", store=tmp_path / "run.dnmf", client=client,
                             callbacks=(turns,))  # fmt: skip
        turns.join()
    assert turns.counts == [3, 1, 3]
    assert bits(model) == bits(dnmf.fit(dense_store, **FIT))


def test_a_worker_that_stands_still_is_given_up_and_its_tasks_are_done_by_others(dense_store, bits, slow, tmp_path):
    frozen = []

    def freeze():
        busy = []

        def idle():
            busy[:] = client.run_on_scheduler(
                lambda dask_scheduler: [name for name, one in dask_scheduler.workers.items() if one.processing]
            )
            return not busy

        wait_while(idle)
        os.kill(pids[busy[0]], signal.SIGSTOP)
        frozen.append(busy[0])

    def after_a_pass(event):
        if isinstance(event, PassDone) and event.record.number == 2:
            threading.Thread(target=freeze, daemon=True).start()

    with (
        dask.config.set({"distributed.scheduler.worker-ttl": "5s"}),
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="1GiB", dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        pids = client.run(os.getpid)
        try:
            with slow(client, for_ever=True):
                model = dnmf.fit(dense_store, **FIT, keep="stream", store=tmp_path / "run.dnmf", client=client,
                                 callbacks=(after_a_pass,))  # fmt: skip
            assert len(frozen) == 1
            assert frozen[0] not in addresses(client)
        finally:
            for pid in pids.values():
                with contextlib.suppress(ProcessLookupError):  # the nanny was quicker
                    os.kill(pid, signal.SIGKILL)
    assert bits(model) == bits(dnmf.fit(dense_store, **FIT))
