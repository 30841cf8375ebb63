"""Two writers of a store in a bucket: the lock says who writes, for how long, and whether he lives."""

import json
import os
import re
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

pytest.importorskip("obstore")

from faulty_buckets import LosingBucket, MemoryBucket, on, run_in
from store_contract import assert_is, commit, write

import dnmf
from dnmf.checkpoint import Store, leases, read_latest, writer_of
from dnmf.checkpoint.processes import this_machine
from dnmf.errors import CheckpointError

A = np.random.default_rng(0).random((60, 8), dtype=np.float32)
FIT = {"rank": 2, "init": "random", "tol": 0.0, "max_passes": 3}


@pytest.fixture
def place():
    return run_in(MemoryBucket())


@pytest.fixture
def no_leases(monkeypatch):
    """Whoever comes takes the lock, as if the holder were dead."""
    monkeypatch.setattr(leases, "LEASE_S", 0.0)


@pytest.mark.parametrize("attempt", range(20))
def test_of_two_writers_at_once_one_writes(place, attempt):
    commit(place, 1)
    barrier, told = threading.Barrier(2), []

    def come():
        barrier.wait()
        try:
            with Store(place) as store:
                write(store, 2)
                done.wait(60)
        except CheckpointError as error:
            told.append(str(error))
            done.set()

    done, threads = threading.Event(), []
    for _ in range(2):
        threads.append(threading.Thread(target=come))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len(told) == 1
    assert "is being written by process" in told[0]
    assert_is(read_latest(place), 2)


@pytest.mark.usefixtures("no_leases")
def test_a_writer_whose_lock_was_taken_loses_at_its_next_commit_and_the_other_goes_on(place):
    with Store(place) as first:
        write(first, 1)
        with Store(place) as second:
            with pytest.raises(CheckpointError, match=r"changed by another writer, process \d+ .*, then resume"):
                write(first, 2)
            write(second, 2)
    assert_is(read_latest(place), 2)


def noted(place, **changes):
    """Leave a lock that somebody else holds."""
    Store(place).close()
    lock = place / "LOCK"
    note = {**json.loads(lock.read_bytes()), "released": False, **changes}
    lock.write_bytes(json.dumps(note).encode())


def test_the_lock_of_a_process_of_this_host_that_is_gone_is_taken_at_once(place):
    noted(place, pid=2**22 + 1)
    assert_is(read_latest(commit(place, 1)), 1)


@pytest.mark.parametrize("changes", [{}, {"started": None}, {"machine": ""}, {"machine": "", "pid": 2**22 + 1}])
def test_the_lock_of_a_process_that_may_live_is_not_taken(place, changes):
    noted(place, **changes)
    assert writer_of(place)["host"] == socket.gethostname()


def test_the_lock_of_a_host_of_the_same_name_is_not_taken_as_its_process_is_none_here(place):
    if not this_machine():
        pytest.skip("nothing tells this machine from others")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    another = this_machine().replace(boot, "8d4f1d6c-0a5f-4c0e-9f0b-2a7c1e1b1f11")
    noted(place, machine=another, pid=2**22 + 1, claim="another")
    assert writer_of(place)["pid"] == 2**22 + 1


def test_a_clock_that_is_corrected_makes_no_writer_dead(place, monkeypatch):
    with Store(place):
        monkeypatch.setattr(psutil.Process, "create_time", lambda _: 1.0)
        assert writer_of(place)["pid"] == os.getpid()


def test_the_lock_of_another_host_is_taken_when_it_has_run_out_and_the_log_says_what_is_waited_for(
    place, monkeypatch, caplog
):
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: now.append(now.pop() + seconds))
    monkeypatch.setattr(leases, "time", clock)
    noted(place, host="elsewhere", machine="elsewhere", claim="another", pid=77)
    assert_is(read_latest(commit(place, 1)), 1)
    (said,) = [record.getMessage() for record in caplog.records if record.name == "dnmf"]
    assert re.search(r"waiting at most \d+ s for the lock of process 77 on host elsewhere", said)
    assert 30 < now[0] <= leases.LEASE_S


def test_the_lock_of_another_host_that_gives_a_sign_is_not_taken(place, monkeypatch):
    noted(place, host="elsewhere", machine="elsewhere", pid=77, claim="another")

    def renewed(seconds):
        noted_now = json.loads((place / "LOCK").read_bytes())
        (place / "LOCK").write_bytes(json.dumps({**noted_now, "turn": 1}).encode())

    monkeypatch.setattr(leases.time, "sleep", renewed)
    for enter in (Store, lambda at: dnmf.fit(A, **FIT, store=at)):
        with pytest.raises(CheckpointError, match="written by process 77 on host elsewhere"):
            enter(place)


@pytest.mark.parametrize("removed", [False, True])
def test_a_lock_that_is_given_back_while_it_is_waited_for_is_taken(place, monkeypatch, removed):
    noted(place, host="elsewhere", machine="elsewhere", pid=77, claim="another")
    lock = place / "LOCK"

    def given_back(seconds):
        note = {**json.loads(lock.read_bytes()), "released": True}
        lock.unlink()
        if not removed:
            lock.write_bytes(json.dumps(note).encode())

    monkeypatch.setattr(leases, "time", SimpleNamespace(monotonic=time.monotonic, sleep=given_back))
    assert_is(read_latest(commit(place, 1)), 1)


def renewed(lock, times):
    """Wait until a lock was renewed so often."""
    ends = time.monotonic() + 120
    while json.loads(lock.read_bytes())["turn"] < times:
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_writer_renews_its_lock_and_keeps_it(place, monkeypatch):
    monkeypatch.setattr(leases, "RENEW_S", 0.01)
    with Store(place) as store:
        renewed(place / "LOCK", 3)
        write(store, 1)
    assert json.loads((place / "LOCK").read_bytes())["released"]


def test_after_a_renewal_whose_answer_was_lost_the_lock_is_renewed_and_given_back(place, monkeypatch):
    losing = LosingBucket(place.bucket.store, 2, tried_again=False)  # after the lock was taken and renewed once
    monkeypatch.setattr(leases, "RENEW_S", 0.01)
    with Store(on(losing, place)):
        renewed(place / "LOCK", 5)
    assert losing.left < -1
    assert json.loads((place / "LOCK").read_bytes())["released"]
