"""What the first fit costs: dnmf's kernels are compiled once on a machine and kept in a cache on disk."""

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks.process import ONE_THREAD
from benchmarks.suite import ROOT, environment

TIMEOUT_S = 600


def first_call() -> dict[str, Any]:
    """Return what import, the first and the second fit take with an empty cache, and then in a new process with it.

    All that :func:`benchmarks.first_fit.fit` needs is compiled.
    """
    with tempfile.TemporaryDirectory() as cache:
        return {"cold": _measured(cache), "cached": _measured(cache), "environment": environment()}


def _measured(cache: str) -> dict[str, Any]:
    environ = {**os.environ, **ONE_THREAD, "NUMBA_CACHE_DIR": cache}
    command = [sys.executable, "-m", "benchmarks.first_fit"]
    done = subprocess.run(command, cwd=ROOT, env=environ, timeout=TIMEOUT_S, check=True, capture_output=True)
    return json.loads(done.stdout)
