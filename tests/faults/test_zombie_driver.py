"""A driver that stood still in the middle of a save, and wakes when another has gone on with its run."""

import os
import signal
import subprocess

import pytest
from doomed import command

import dnmf

FIT = {"rank": 4, "init": "random", "seed": 3, "tol": 0.0, "max_passes": 5}

DRIVER = f"""
from dnmf.checkpoint.files import Files
operation, told = getattr(Files, moment), []

def stand_still(self, path, *more):
    if 2 in told:
        told.clear()
        os.kill(os.getpid(), signal.SIGSTOP)
    return operation(self, path, *more)

def listen(event):
    if type(event).__name__ == "PassDone":
        told.append(event.record.number)

setattr(Files, moment, stand_still)
dnmf.fit(source, **{FIT}, store=store, callbacks=(listen,))
"""

pytestmark = [pytest.mark.usefixtures("many_groups"), pytest.mark.slow]


def contents(store):
    """Every file of a run, but for the note of who writes it."""
    return {path: path.read_bytes() for path in store.rglob("*") if path.is_file() and path.name != "LOCK"}


@pytest.mark.parametrize("moment", ["write", "replace"], ids=["before a file is written", "before the pointer turns"])
def test_what_another_has_committed_since_stays_as_it_is(dense_store, bits, moment, tmp_path):
    store = tmp_path / "run.dnmf"
    words, environment = command(DRIVER, dense_store, store, "", moment)
    zombie = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE)
    try:
        _, status = os.waitpid(zombie.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        (store / "LOCK").unlink()  # as someone does who takes it for dead, or as on a host that lost the lock
        model = dnmf.resume(store)
        committed = contents(store)
        zombie.send_signal(signal.SIGCONT)
        _, said = zombie.communicate(timeout=120)
    finally:
        zombie.kill()
        zombie.wait()
    assert zombie.returncode == 1
    assert b"CheckpointError" in said
    now = contents(store)
    assert {path: now.get(path) for path in committed} == committed
    assert bits(dnmf.load(store)) == bits(model) == bits(dnmf.fit(dense_store, **FIT))
