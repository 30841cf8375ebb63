"""The beginning of programs that kill themselves in the middle of a fit, for tests of what is left then."""

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
