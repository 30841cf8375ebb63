"""What a lost, dying or standing cluster leads to: a ClusterError soon, never a hang, never dask's own errors."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import dask
import dask.array
import numpy as np
import pytest
from distributed import Client, LocalCluster

import dnmf
from dnmf.fitting.events import PassDone, PassProgress
from dnmf.inspection import run_status
from dnmf.memory import Machine, Shape
from dnmf.passes.executor import run_pass
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.work import Work
from dnmf.passes.workers import OnCluster
from dnmf.plan import make_plan
from dnmf.schemes.rehearsal import Kernels

FIT = {"rank": 4, "init": "random", "seed": 3, "tol": 0.0, "max_passes": 5}

pytestmark = [pytest.mark.usefixtures("many_groups"), pytest.mark.slow]

KERNELS = Kernels(2, "float32")


@contextmanager
def _running(*command):
    process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def processes(tmp_path):
    """A scheduler and one worker, processes of their own; yields both and a client."""
    file = str(tmp_path / "scheduler.json")
    named = ("--scheduler-file", file, "--no-dashboard")
    with (
        _running("distributed.cli.dask_scheduler", "--port", "0", *named) as scheduler,
        _running("distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", *named) as worker,
    ):
        deadline = time.monotonic() + 60
        while not os.path.exists(file) and time.monotonic() < deadline:
            time.sleep(0.05)
        client = Client(scheduler_file=file, set_as_default=False, timeout=30)
        client.wait_for_workers(1)
        OnCluster(client).machine(None, KERNELS)  # the worker has imported all it needs
        yield scheduler, worker, client
        client.close(timeout=0.5)


class KillsTheScheduler:
    """A callback that kills the scheduler after the second pass: at once, or when the next pass is under way."""

    def __init__(self, process, delay_s):
        self.process, self.delay_s, self.at = process, delay_s, None

    def __call__(self, event):
        if isinstance(event, PassDone) and event.record.number == 2:
            timer = threading.Timer(self.delay_s, self._kill)
            timer.start()
            if not self.delay_s:
                timer.join()

    def _kill(self):
        self.at = time.monotonic()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.mark.parametrize("delay_s", [pytest.param(0, id="between passes"), pytest.param(0.3, id="in mid-pass")])
def test_a_lost_scheduler_is_a_ClusterError_and_the_fit_can_be_resumed(
    processes, dense_store, bits, slow, delay_s, tmp_path
):
    scheduler, _, client = processes
    killer, store = KillsTheScheduler(scheduler, delay_s), tmp_path / "run.dnmf"
    streamed = {**FIT, "keep": "stream"}  # every pass reads, and takes a second
    with slow(client, for_ever=True), pytest.raises(dnmf.ClusterError, match="resume"):
        dnmf.fit(dense_store, **streamed, store=store, client=client, callbacks=(killer,))
    assert time.monotonic() - killer.at < 10
    assert bits(dnmf.resume(store)) == bits(dnmf.fit(dense_store, **FIT))


@pytest.fixture
def small_cluster():
    """One worker that comes back quickly; a task is given up after two deaths."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(n_workers=1, threads_per_worker=1, memory_limit="1GiB", dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def _no_task_is_left(client):
    """What the client lets go of reaches the scheduler a moment later."""
    deadline = time.monotonic() + 5
    while left := client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
        assert time.monotonic() < deadline, f"{left} tasks are left"
        time.sleep(0.05)


def _a_worker_is_busy(client):
    def busy(dask_scheduler):
        return any(worker.processing for worker in dask_scheduler.workers.values())

    deadline = time.monotonic() + 60
    while not client.run_on_scheduler(busy):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _one_pass(source, client, **limits):
    opened = dnmf.open_source(source)
    plan = make_plan(opened.layout(), Shape(opened.shape[1], 2, 4), Machine(1, 2**31, 2**28))
    work = Work((solve_for_rows(np.full((2, opened.shape[1]), 0.5, np.float32)),), "float32", check=True)
    return run_pass(OnCluster(client, **limits), opened, plan, work)


def test_no_worker_is_a_ClusterError(dense_store):
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
        pytest.raises(dnmf.ClusterError, match="no worker after 0.5 s.*dask worker"),
    ):
        _one_pass(dense_store, client, wait_s=0.5)


def _stall(source, client, disturb):
    """Run a pass that is disturbed soon after it began; it ends with an error within seconds."""
    threading.Timer(0.5, disturb).start()
    began = time.monotonic()
    with pytest.raises(dnmf.ClusterError, match="no worker has been running for 1 s") as caught:
        _one_pass(source, client, stall_timeout_s=1.0)
    assert time.monotonic() - began < 10
    return caught.value.args[0]


def test_workers_that_are_all_paused_are_a_ClusterError_that_says_so(dense_store, small_cluster, slow):
    def pause(dask_worker):
        from distributed.core import Status

        dask_worker.memory_manager.memory_pause_fraction = 1e-6  # as if memory had leaked
        dask_worker.status = Status.paused

    with slow(small_cluster, 0.1):
        assert "paused" in _stall(dense_store, small_cluster, lambda: small_cluster.run(pause))


def test_workers_that_are_all_gone_are_a_ClusterError_that_says_so(dense_store, processes, slow):
    _, worker, client = processes
    with slow(client, 0.1, for_ever=True):
        assert "none is left" in _stall(dense_store, client, worker.kill)


def test_a_worker_that_is_lost_is_told_of_once_and_counted_in_its_pass(
    dense_store, small_cluster, slow, bits, caplog, tmp_path
):
    def kill(event):
        if isinstance(event, PassProgress) and event.number == 2 and not killed:
            killed.append(True)
            os.kill(next(iter(small_cluster.run(os.getpid).values())), signal.SIGKILL)

    killed: list[bool] = []
    with slow(small_cluster, 0.1), caplog.at_level(logging.WARNING, "dnmf"):
        model = dnmf.fit(
            dense_store, **FIT, keep="stream", client=small_cluster, callbacks=(kill,), store=tmp_path / "run.dnmf"
        )
    assert [record.workers_lost for record in model.history] == [0, 1, 0, 0, 0]
    assert model.history[1].tasks_again > 0
    told = [record.message for record in caplog.records if "lost" in record.message]
    assert len(told) == 1
    assert "1 worker lost" in told[0]
    assert run_status(tmp_path / "run.dnmf")["lost"]["workers"] == 1
    assert bits(model) == bits(dnmf.fit(dense_store, **FIT))


def test_a_fit_that_is_to_stop_does_not_wait_for_workers_that_have_gone(processes, dense_store, slow, tmp_path):
    _, worker, client = processes
    command = [sys.executable, "-m", "dnmf.cli", "fit", str(dense_store), "--rank", "4", "--init", "random",
               "--tol", "0", "--max-passes", "50", "--keep", "stream", "--json", "--store", str(tmp_path / "run.dnmf"),
               "--scheduler", client.scheduler.address]  # fmt: skip
    with slow(client, 8.0, for_ever=True):
        driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        next(line for line in driver.stdout if json.loads(line)["type"] == "pass")
        _a_worker_is_busy(client)  # with the next pass: it is told of one before it is asked whether to stop
        worker.kill()  # as a batch system ends the steps of a job first
        driver.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        _, errors = driver.communicate(timeout=90)
    assert time.monotonic() - asked < 60  # two looks at the cluster, not the two minutes that workers are waited for
    assert driver.returncode == 75, errors
    assert "no worker is left; resume with" in errors


def test_no_task_is_left_and_none_adds_up_over_thirty_passes(planted, client):
    counts = []

    def count(event):
        if isinstance(event, PassDone):
            counts.append(client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))

    blocks = dask.array.from_array(planted.astype(np.float32), chunks=(100, 40))
    dnmf.fit(blocks, rank=3, init="random", tol=0.0, max_passes=30, client=client, callbacks=(count,))
    assert len(counts) == 30
    assert max(counts) <= counts[0] + 40  # the last pass' tasks may still be on their way out
    _no_task_is_left(client)
