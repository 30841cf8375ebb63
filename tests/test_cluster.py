"""Clusters of the command line: what is started, and what is refused before anything is."""

import os
import subprocess
import sys
from contextlib import nullcontext

import dask
import pytest

import dnmf
from dnmf.cluster import connect, files_allowed


def test_without_a_scheduler_there_is_no_client():
    with connect(None) as client:
        assert client is None


def test_workers_too_small_to_start_are_refused_at_once_with_what_to_try():
    with (
        pytest.raises(dnmf.BudgetError, match=r"200 MiB before it reads.*limit of 100.0 MiB.*Try 512MiB"),
        connect("local", workers=1, memory_limit="100MiB"),
    ):
        pytest.fail("a worker of 100 MiB was started")


@pytest.mark.parametrize(
    ("limit", "workers", "needed"), [(24, 1, 38), (37, 1, 38), (1024, 100, 1226), (64, None, None)]
)
def test_workers_that_may_not_open_their_files_are_refused_at_once(monkeypatch, limit, workers, needed):
    monkeypatch.setattr("dnmf.cluster.files_allowed", lambda: limit)
    monkeypatch.setattr("dask.system.CPU_COUNT", 64)
    with (
        pytest.raises(dnmf.ClusterError, match=rf"only {limit} files may be open .*ulimit -n {needed or 794}\b"),
        connect("local", workers=workers),
    ):
        pytest.fail("workers were started")


@pytest.mark.slow
def test_a_script_that_comes_through_a_pipe_is_told_to_become_a_file():
    script = "from dnmf.cluster import connect\nwith connect('local', workers=1): pass"
    ran = subprocess.run([sys.executable, "-"], input=script, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "ClusterError: workers on this machine cannot start from a script that is no file (<stdin>)" in ran.stderr


@pytest.mark.parametrize(
    "how",
    [
        {"__file__": None},
        {"__spec__": "of a module"},
        {"frozen": True},
        {"method": "fork"},
        {"__file__": os.path.relpath(__file__)},
    ],
    ids=["without a file", "python -m", "frozen", "forked", "a relative path"],
)
def test_every_other_program_may_start_workers(monkeypatch, tmp_path, how):
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", how.get("__file__", "gone.py"), raising=False)
    monkeypatch.setattr(main, "__spec__", how.get("__spec__"), raising=False)
    monkeypatch.setattr(sys, "frozen", how.get("frozen", False), raising=False)
    monkeypatch.setattr("multiprocessing.process.ORIGINAL_DIR", os.getcwd())
    monkeypatch.setattr("dnmf.cluster.files_allowed", lambda: 0)  # what is asked next
    monkeypatch.chdir(tmp_path)
    with (
        dask.config.set({"distributed.worker.multiprocessing-method": how.get("method", "spawn")}),
        pytest.raises(dnmf.ClusterError, match="only 0 files may be open"),
        connect("local", workers=1),
    ):
        pytest.fail("workers were started")


def test_the_limit_of_open_files_is_that_of_this_process():
    resource = pytest.importorskip("resource", reason="this system has no such limits")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lower = 500 if soft == resource.RLIM_INFINITY else soft - 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (lower, hard))
    try:
        assert files_allowed() == lower
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_scheduler_that_is_not_there_is_a_ClusterError(monkeypatch):
    monkeypatch.setattr("dnmf.connections.clients.CONNECT_TIMEOUT_S", 1)
    with (
        pytest.raises(dnmf.ClusterError, match="no scheduler answers at tcp://127.0.0.1:9"),
        connect("tcp://127.0.0.1:9"),
    ):
        pytest.fail("connected to nothing")


@pytest.mark.slow
@pytest.mark.parametrize("room", ["cluster", "progress", "signals"])
@pytest.mark.broad(1)
def test_the_rooms_the_documentation_names_need_no_import_of_their_own(room):
    code = f"import dnmf; print(dnmf.{room}.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"dnmf.{room}"


@pytest.mark.parametrize("name", ["workers", "threads"])
@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2", 10**30, float("nan"), float("inf")])
def test_numbers_of_workers_and_threads_are_those_of_one_machine(name, count):
    with pytest.raises(dnmf.InputError, match=f"{name}=.*a whole number from 1 to"), connect("local", **{name: count}):
        pass


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 0, -1, True, "5"])
def test_a_first_worker_is_waited_for_as_long_as_a_number_says(seconds):
    told = "workers_timeout=.*a finite number of seconds above 0"
    with pytest.raises(dnmf.InputError, match=told), connect("tcp://127.0.0.1:1", workers_timeout=seconds):
        pass


def test_workers_of_this_machine_are_not_given_up_though_they_die_again_and_again(monkeypatch):
    monkeypatch.setattr("dnmf.cluster._workers_here", lambda *given: nullcontext("cluster"))
    monkeypatch.setattr("distributed.Client", nullcontext)
    before = dask.config.get("distributed.deploy.lost-worker-timeout")
    with connect("local") as client:
        assert client == "cluster"
        assert dask.config.get("distributed.deploy.lost-worker-timeout") == "1 day"
    assert dask.config.get("distributed.deploy.lost-worker-timeout") == before
