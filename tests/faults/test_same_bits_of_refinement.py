"""Fits that refine H between reads have the same bits on any workers, after a kill and after a resume."""

import pytest
from doomed import run_to_its_death

import dnmf
from dnmf import refinement_memory

ROOM = 2**20  # bytes of the sample: a third of the matrix
FIT = {"rank": 4, "init": "random", "seed": 3, "tol": 0.0, "max_passes": 8}
DRIVER = f"""
from dnmf import refinement_memory
refinement_memory.MOST_BYTES = {ROOM}

def listen(event):
    if type(event).__name__ == "PassDone" and event.record.number == int(moment):
        die_in_the_next_pass()

dnmf.fit(source, **{FIT}, store=store, callbacks=(listen,))
"""

pytestmark = [pytest.mark.usefixtures("many_groups", "small_room"), pytest.mark.slow]


@pytest.fixture
def small_room(monkeypatch):
    monkeypatch.setattr(refinement_memory, "MOST_BYTES", ROOM)


@pytest.fixture
def undisturbed(dense_store, bits, small_room):
    model = dnmf.fit(dense_store, **FIT)
    assert sum(record.refined for record in model.history) > 3
    return bits(model)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.broad(1)
def test_threads_of_this_process(dense_store, undisturbed, bits, threads, monkeypatch):
    monkeypatch.setattr("dnmf.passes.threads._processors", lambda: threads)
    assert bits(dnmf.fit(dense_store, **FIT)) == undisturbed


def test_workers_one_of_which_is_killed(dense_store, undisturbed, bits, client, kill_workers, slow, tmp_path):
    client.wait_for_workers(3)
    killer = kill_workers(client, 3)
    with slow(client):
        store = tmp_path / "run.dnmf"
        model = dnmf.fit(dense_store, **FIT, keep="stream", client=client, store=store, callbacks=(killer,))
    killer.check()
    assert bits(model) == undisturbed


@pytest.mark.parametrize("after_pass", [1, 4], ids=["before the sample is read", "with a refined H"])
def test_the_driver_killed_and_resumed_in_process_or_on_workers(
    dense_store, undisturbed, bits, client, tmp_path, after_pass
):
    run_to_its_death(DRIVER, dense_store, tmp_path / "run.dnmf", "", after_pass)
    assert bits(dnmf.resume(tmp_path / "run.dnmf", client=client)) == undisturbed
