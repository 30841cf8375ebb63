"""Starts a program that heeds signals: what began the tests may ignore them (nohup, a job in the background)."""

import sys

_HEEDING = """
import os, signal, sys
for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
    signal.signal(signum, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])
"""
HEEDING = [sys.executable, "-c", _HEEDING]
