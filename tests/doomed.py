"""Programs that kill themselves in the middle of a fit, for tests of what is left then."""

import json
import os
import signal
import subprocess
import sys

PROLOGUE = """
import os, signal, sys, threading, time
from pathlib import Path
import dnmf, dnmf.plan
from dnmf.passes import visit
from dnmf.sources.stored import StoredArray

dnmf.plan.LEAST_GROUP_BYTES, dnmf.plan.MOST_PANEL_BYTES = 2**18, 2**16
source, store, scheduler, moment = sys.argv[1:]
read = StoredArray.read
visit_rows, left = visit._visit_rows, []  # panels, of which the last one is not survived

def slow(self, start, stop):
    time.sleep(0.005)
    return read(self, start, stop)

StoredArray.read = slow

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def die_in_the_next_pass():
    left.extend([None] * 5)

def doomed(*given, **named):
    if left:
        left.pop()
        if not left:
            die()
    return visit_rows(*given, **named)

visit._visit_rows = doomed

if scheduler:  # workers visit the rows
    from dnmf.passes.workers import OnCluster
    wait = OnCluster._wait

    def waiting(self, futures):
        if left:
            time.sleep(0.05)
            die()
        return wait(self, futures)

    OnCluster._wait = waiting
"""

FIT_IN_ITS_THIRD_PASS = """
import json

def listen(event):
    if type(event).__name__ == "PassDone" and event.record.number == 2:
        die_in_the_next_pass()

asked = json.loads(moment)
door = getattr(dnmf, asked.pop("door"))
door(source, **asked, store=store, client=scheduler or None, callbacks=(listen,))
"""


def command(program, source, store, scheduler="", moment=""):
    """The words that start a program after the prologue, and its environment, in which BLAS has one thread."""
    words = [sys.executable, "-c", PROLOGUE + program, str(source), str(store), scheduler, str(moment)]
    return words, {**os.environ, "OPENBLAS_NUM_THREADS": "1"}


def run_to_its_death(program, *given):
    """Run a program in a process of its own, which kills itself."""
    words, environment = command(program, *given)
    ended = subprocess.run(words, timeout=120, check=False, env=environment)
    assert ended.returncode == -signal.SIGKILL


def die_in_the_third_pass(source, options, store, scheduler="", door="fit"):
    """Run a fit with options that JSON can say in a process of its own, which kills itself in its third pass."""
    run_to_its_death(FIT_IN_ITS_THIRD_PASS, source, store, scheduler, json.dumps({**options, "door": door}))
