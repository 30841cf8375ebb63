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


def section(record: dict[str, Any], environment_line: str) -> str:
    """Return the part of the page of results."""
    cold, cached = record["cold"], record["cached"]
    told = [
        ("`import dnmf` and its `fit`", cached["import"]),
        ("first fit on a machine: compiles", cold["first"]),
        ("first fit in a process: loads what was compiled", cached["first"]),
        ("second fit", cached["second"]),
    ]
    lines = [
        "## The first call",
        "",
        "A tiny dense and a tiny sparse matrix, float32; compiled code is kept on disk.",
        "",
        "|  | CPU s | wall s |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {one['cpu_s']:.2f} | {one['wall_s']:.2f} |" for name, one in told]
    return "\n".join([*lines, "", environment_line, ""])
