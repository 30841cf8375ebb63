"""The beginning of programs that kill themselves in the middle of a fit, for tests of what is left then."""

PROLOGUE = """
import os, signal, sys, threading, time
from pathlib import Path
import dnmf, dnmf.plan
from dnmf.sources.stored import StoredArray

dnmf.plan.LEAST_GROUP_BYTES, dnmf.plan.MOST_PANEL_BYTES = 2**18, 2**16
source, store, scheduler, moment = sys.argv[1:]
read = StoredArray.read

def slow(self, start, stop):
    time.sleep(0.005)
    return read(self, start, stop)

StoredArray.read = slow

def die():
    os.kill(os.getpid(), signal.SIGKILL)
"""
