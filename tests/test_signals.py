"""SIGTERM, SIGINT and SIGKILL in the middle of a fit: what is committed is kept, and a resume has the same bits."""

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import zarr
from command_line import call
from distributed import Client, LocalCluster
from example_events import a_pass

import dnmf
from dnmf.cluster import connect
from dnmf.errors import CheckpointError, Interrupted
from dnmf.fitting.events import Compiling, PassDone, Planned, Standing, Started
from dnmf.inspection import run_status
from dnmf.signals import StopAfterPass

PASSES = 12
OPTIONS = ["--rank", "15", "--tol", "0", "--max-passes", str(PASSES), "--seed", "3"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Large enough that passes take some ten milliseconds, and a signal meets one of them."""
    path = tmp_path_factory.mktemp("data") / "a.zarr"
    values = np.random.default_rng(0).random((12_000, 400), dtype=np.float32)
    zarr.create_array(path, data=values, chunks=(1000, 400))
    return str(path)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, data):
    store = tmp_path_factory.mktemp("run") / "a.dnmf"
    return dnmf.fit(data, rank=15, tol=0, max_passes=PASSES, seed=3, store=store)


def program(*arguments):
    command = [sys.executable, "-m", "dnmf.cli", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def start_fit(data, store, *more):
    return program("fit", data, *OPTIONS, "--store", store, "--json", *more)


def wait_for_pass(process, number):
    for line in process.stdout:
        record = json.loads(line)
        if record["type"] == "pass" and record["number"] == number:
            return
    raise AssertionError(f"the fit ended before pass {number}: {process.stderr.read()}")


def end(process):
    _, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors
    return process.returncode, errors


def assert_resumes_to(store, model, *more):
    code, errors = end(program("resume", store, *more))
    assert code == 0, errors
    resumed = dnmf.load(store)
    assert np.array_equal(resumed.H, model.H)
    assert np.array_equal(resumed.d, model.d)
    assert np.array_equal(resumed.read_W(), model.read_W())
    assert [record.objective for record in resumed.history] == [record.objective for record in model.history]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGTERM, 75), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)]
)
def test_a_signal_ends_the_fit_after_its_pass_and_resume_has_the_same_bits(tmp_path, data, uninterrupted, signum, code):
    store = tmp_path / "b.dnmf"
    process = start_fit(data, store)
    wait_for_pass(process, 2)
    process.send_signal(signum)
    returned, errors = end(process)
    assert returned == code, errors
    assert f"resume with: dnmf resume {store}" in errors
    found = run_status(store)
    assert found["status"] == "stopped"
    assert 2 <= found["passes"] < PASSES
    assert_resumes_to(store, uninterrupted)


@pytest.mark.slow
def test_a_killed_driver_resumes_with_the_same_bits(tmp_path, data, uninterrupted):
    store = tmp_path / "b.dnmf"
    process = start_fit(data, store)
    wait_for_pass(process, 3)
    process.kill()
    end(process)
    assert run_status(store)["passes"] >= 3
    assert_resumes_to(store, uninterrupted)


@pytest.mark.slow
def test_a_second_SIGTERM_soon_after_is_the_same_one(tmp_path, data, uninterrupted):
    store = tmp_path / "b.dnmf"
    process = start_fit(data, store)
    wait_for_pass(process, 2)
    for _ in range(3):  # a batch system to the process, and its script once more
        process.send_signal(signal.SIGTERM)
    returned, errors = end(process)
    assert returned == 75, errors
    assert "stopped at once" not in errors
    assert_resumes_to(store, uninterrupted)


@pytest.mark.slow
def test_a_second_signal_stops_at_once_and_what_is_committed_is_kept(tmp_path, data):
    store = tmp_path / "b.dnmf"
    process = start_fit(data, store)
    wait_for_pass(process, 1)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    returned, errors = end(process)
    assert returned in (75, 130), errors
    assert run_status(store)["status"] == "stopped"


@pytest.mark.slow
def test_exit_codes_of_signals_pass_through_dask(tmp_path, data):
    store = tmp_path / "b.dnmf"
    command = [sys.executable, "-m", "dask", "nmf", "fit", data, *OPTIONS, "--store", str(store), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_pass(process, 1)
    process.send_signal(signal.SIGTERM)
    assert end(process)[0] == 75


@pytest.mark.slow
def test_the_interruption_is_an_object_in_json(tmp_path, data):
    process = start_fit(data, tmp_path / "b.dnmf")
    wait_for_pass(process, 1)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    last = json.loads(output.splitlines()[-1])
    assert (last["type"], last["exit_code"]) == ("interrupted", 75)


@pytest.mark.slow
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_to_the_whole_job_does_not_cost_the_workers_their_pass(tmp_path, data, uninterrupted, signum, code):
    store = tmp_path / "b.dnmf"
    command = [
        sys.executable,
        "-m",
        "dnmf.cli",
        "fit",
        data,
        *OPTIONS,
        "--store",
        str(store),
        "--json",
        "--workers",
        "2",
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_for_pass(process, 2)
    if signum == signal.SIGINT:
        os.killpg(process.pid, signum)  # as a terminal does
    else:
        process.send_signal(signum)
    returned, errors = end(process)
    assert returned == code, errors
    assert_resumes_to(store, uninterrupted)


# The callback alone


def small_fit(store, callbacks, max_passes=6):
    values = np.random.default_rng(0).random((60, 8))
    return dnmf.fit(values, rank=2, init="random", tol=0, max_passes=max_passes, store=store, callbacks=callbacks)


def test_without_a_signal_a_fit_goes_on(tmp_path):
    with StopAfterPass(tmp_path / "a.dnmf") as stop:
        assert small_fit(tmp_path / "a.dnmf", [stop]).history


def test_the_first_signal_is_noted_and_the_fit_stops_when_it_is_committed(tmp_path):
    said = []

    def signal_when_it_is_planned(event):
        if isinstance(event, Planned):
            signal.raise_signal(signal.SIGTERM)

    with (
        StopAfterPass(tmp_path / "a.dnmf", said.append) as stop,
        pytest.raises(Interrupted, match="the start, which is committed") as caught,
    ):
        small_fit(tmp_path / "a.dnmf", [stop, signal_when_it_is_planned])
    assert caught.value.signum == signal.SIGTERM
    assert len(said) == 1
    assert run_status(tmp_path / "a.dnmf")["status"] == "stopped"


def test_a_pass_that_is_not_committed_is_no_place_to_stop(tmp_path):
    stop = StopAfterPass(tmp_path / "a.dnmf")
    stop.signum = signal.SIGTERM
    stop(a_pass(committed=False))
    with pytest.raises(Interrupted):
        stop(a_pass(committed=True))


def test_a_signal_in_the_last_pass_lets_the_fit_finish(tmp_path):
    stop = StopAfterPass(tmp_path / "a.dnmf")

    def signal_in_last_pass(event):
        if isinstance(event, PassDone) and event.record.number == 4:
            stop.signum = signal.SIGTERM

    model = small_fit(tmp_path / "a.dnmf", [signal_in_last_pass, stop], max_passes=4)
    assert len(model.history) == 4


def test_a_second_signal_raises_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("dnmf.signals.SAME_S", 0.0)
    with StopAfterPass(tmp_path / "a.dnmf", lambda line: None) as stop:
        stop(Compiling(2))
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(SystemExit) as caught:
            signal.raise_signal(signal.SIGTERM)
        assert caught.value.code == 143  # nothing is committed: there is nothing to resume
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_handlers_from_before_come_back(tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopAfterPass(tmp_path / "a.dnmf"):
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_outside_the_main_thread_no_handlers_are_asked_for(tmp_path):
    failed = []

    def use():
        try:
            with StopAfterPass(tmp_path / "a.dnmf") as stop:
                stop(Started("sample", 0.2))
        except ValueError as error:  # what Python says to a handler from another thread
            failed.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert not failed


def test_a_second_SIGTERM_within_a_second_is_the_first_one_sent_twice(tmp_path):
    said = []
    with StopAfterPass(tmp_path / "a.dnmf", said.append) as stop:
        stop(Compiling(2))
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert len(said) == 1
        with pytest.raises(KeyboardInterrupt):  # somebody at a terminal means it
            signal.raise_signal(signal.SIGINT)


def test_with_a_signal_and_no_worker_left_a_fit_stops_at_once(tmp_path):
    small_fit(tmp_path / "a.dnmf", [])
    said = []
    with StopAfterPass(tmp_path / "a.dnmf", said.append) as stop:
        pass
    stop(Standing(workers=0, seconds=0.0, limit_s=120.0))  # nobody asked it to stop: workers may come back
    stop.signum = signal.SIGTERM
    stop(Standing(workers=2, seconds=50.0, limit_s=120.0))  # paused ones may go on
    with pytest.raises(SystemExit) as caught:
        stop(Standing(workers=0, seconds=2.0, limit_s=120.0))
    assert caught.value.code == 75
    assert "no worker is left; resume with" in said[0]


@pytest.mark.parametrize("committed", [False, True])
def test_a_signal_before_anything_has_begun_stops_at_once(tmp_path, committed):
    if committed:
        small_fit(tmp_path / "a.dnmf", [])
    said = []
    with StopAfterPass(tmp_path / "a.dnmf", said.append):
        with pytest.raises(SystemExit) as caught:
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)  # the same one, while what was begun is closed
    assert caught.value.code == (75 if committed else 143)
    way = "resume with: dnmf.resume(" if committed else "nothing is committed, run it again"
    assert len(said) == 1
    assert said[0].startswith(f"SIGTERM: stopped at once: nothing has begun; {way}")
    with StopAfterPass(tmp_path / "a.dnmf", said.append), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_the_wait_for_the_first_worker_ends_with_a_signal(tmp_path, monkeypatch):
    wait = Client.wait_for_workers

    def signal_in_a_moment(*given, **more):
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        wait(*given, **more)

    monkeypatch.setattr(Client, "wait_for_workers", signal_in_a_moment)
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        StopAfterPass(tmp_path / "a.dnmf", lambda line: None),
        pytest.raises(SystemExit),
        connect(cluster.scheduler_address, workers_timeout=600.0),
    ):
        pytest.fail("there is no worker")


def test_so_it_does_on_the_command_line_with_ctrl_c(tmp_path, monkeypatch, data):
    wait = Client.wait_for_workers

    def signal_and_wait(client, n_workers, timeout):
        signal.raise_signal(signal.SIGINT)
        wait(client, n_workers, timeout=0.1)  # and is not ended by it where it is ignored

    monkeypatch.setattr(Client, "wait_for_workers", signal_and_wait)
    with LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster:
        where = ("--scheduler", cluster.scheduler_address, "--workers-timeout", 600)
        ended = call("fit", data, *OPTIONS, "--store", tmp_path / "a.dnmf", *where)
    assert ended.exit_code == 130, ended.output


def test_a_second_signal_does_not_ask_a_store_that_may_not_answer(tmp_path, monkeypatch):
    def fail(*_):
        raise CheckpointError("no answer")

    for name in ("read_latest", "exists"):
        monkeypatch.setattr(f"dnmf.checkpoint.{name}", fail)
    said = []
    with StopAfterPass(tmp_path / "a.dnmf", said.append) as stop:
        stop(Started("sample", 0.2))
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert f"resume with: dnmf.resume({str(tmp_path / 'a.dnmf')!r})" in said[1]
