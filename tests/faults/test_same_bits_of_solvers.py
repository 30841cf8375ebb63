"""Solvers by name, rows exact or not: the same bits wherever a fit runs, and whatever happens to it."""

import json
import os
import signal
import subprocess
import sys

import pytest
from doomed import PROLOGUE

import dnmf

FIT = {"rank": 4, "init": "random", "seed": 3, "tol": 0.0, "max_passes": 5}

DRIVER = (
    PROLOGUE
    + """
import json
options = json.loads(moment)

def listen(event):
    if type(event).__name__ == "PassDone" and event.record.number == 2:
        die_in_the_next_pass()

dnmf.fit(source, **options, store=store, client=scheduler or None, callbacks=(listen,))
"""
)

pytestmark = pytest.mark.usefixtures("many_groups")

ASKED = [
    {"solver": solver, "sweeps": 2, "exact_rows": exact_rows}
    for solver in ("hals", "mu", "admm")
    for exact_rows in (True, False)
] + [{"solver": "bpp"}, {"solver": "als", "exact_rows": False}, {"solver": "mu", "loss": "kullback-leibler"}]
QUICK = ({"solver": "mu", "sweeps": 2, "exact_rows": False},)


@pytest.fixture(
    scope="module",
    params=[pytest.param(asked, marks=() if asked in QUICK else pytest.mark.slow, id=str(asked)) for asked in ASKED],
)
def options(request):
    return {**FIT, **request.param}


@pytest.fixture(scope="module")
def undisturbed(dense_store, options, bits):
    """The bits of an undisturbed fit in process, on one thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dnmf.passes.threads._processors", lambda: 1)
        patch.setattr("dnmf.plan.LEAST_GROUP_BYTES", 2**18)
        patch.setattr("dnmf.plan.MOST_PANEL_BYTES", 2**16)
        planned = []
        model = dnmf.fit(dense_store, **options, callbacks=(planned.append,))
    assert planned[0].tasks >= 4
    return bits(model)


def drive(source, options, store, scheduler=""):
    """Run a fit in a process of its own that kills itself in its third pass."""
    command = [sys.executable, "-c", DRIVER, str(source), str(store), scheduler, json.dumps(options)]
    ended = subprocess.run(command, timeout=120, check=False, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
    assert ended.returncode == -signal.SIGKILL


def test_threads_of_this_process(dense_store, options, undisturbed, bits, monkeypatch):
    monkeypatch.setattr("dnmf.passes.threads._processors", lambda: 3)
    assert bits(dnmf.fit(dense_store, **options)) == undisturbed


@pytest.mark.slow
def test_one_worker(dense_store, options, undisturbed, bits, one_worker):
    assert bits(dnmf.fit(dense_store, **options, client=one_worker)) == undisturbed


@pytest.mark.slow
def test_three_workers(dense_store, options, undisturbed, bits, client, tmp_path):
    assert bits(dnmf.fit(dense_store, **options, client=client, store=tmp_path / "run.dnmf")) == undisturbed


@pytest.mark.slow
def test_killed_and_resumed_in_process_or_on_three_workers(
    dense_store, options, undisturbed, bits, client, slow, tmp_path
):
    store = tmp_path / "run.dnmf"
    if options.get("exact_rows", True):
        drive(dense_store, options, store)
        assert bits(dnmf.resume(store)) == undisturbed
        return
    client.wait_for_workers(3)
    with slow(client, 0.01):
        drive(dense_store, options, store, client.scheduler.address)
    assert bits(dnmf.resume(store, client=client)) == undisturbed
