"""The suite: every peer on every problem, each pair in a process of its own, one after the other."""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import scipy.sparse

from benchmarks import rcppml
from benchmarks.measure import Job, save_matrix
from benchmarks.peers import Peer
from benchmarks.problems import Problem
from benchmarks.process import ONE_THREAD, processors

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("dnmf", "numpy", "scipy", "numba", "scikit-learn", "torch", "nmf-torch", "torchnmf", "gensim", "tensorly")
TIMEOUT_S = 3600


def measure_problem(
    problem: Problem, best: dict[str, Any], peers: Sequence[Peer], seeds: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Return the record of a problem: what it is, the qualities, and a section for each peer.

    `best` says the best error known and how it was found; `seeds` is the most of any peer.
    """
    matrix = problem.load()
    record = {**describe(problem, matrix), "best": best, "peers": {}}
    with tempfile.TemporaryDirectory() as name:
        save_matrix(matrix, Path(name))
        reasons = {peer.name: peer.why_not(matrix, problem.rank) for peer in peers}
        del matrix
        for peer in peers:
            job = Job(
                name, peer.name, problem.rank, best["error"], list(problem.within), seeds, problem.longest_s,
                2 * problem.longest_s,
            )  # fmt: skip
            section = {"skipped": reasons[peer.name]} if reasons[peer.name] else _in_its_process(job, peer)
            record["peers"][peer.name] = {**section, "environment": environment()}
            say(f"{problem.name}, {peer.name}: {_in_short(section)}")
    return record


def describe(problem: Problem, matrix: Any) -> dict[str, Any]:
    """Return what a problem is, as JSON values; `nonzeros` is None for a dense matrix."""
    return {
        "what": problem.what,
        "rank": problem.rank,
        "shape": list(matrix.shape),
        "nonzeros": int(matrix.nnz) if scipy.sparse.issparse(matrix) else None,
        "within": list(problem.within),
        "longest_s": problem.longest_s,
    }


def merged(old: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """Return the new record with the peers that were measured before on the same matrix against the same errors."""
    same = ("shape", "nonzeros", "rank", "within", "longest_s")
    if old is None or any(old[name] != new[name] for name in same) or old["best"]["error"] != new["best"]["error"]:
        return new
    return {**new, "peers": {**old["peers"], **new["peers"]}}


def _in_its_process(job: Job, peer: Peer) -> dict[str, Any]:
    """The section that a process of its own measures; an optional peer that fails there does not end the suite."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "job.json"
        path.write_text(json.dumps(asdict(job)))
        command = [sys.executable, "-m", "benchmarks.measure", str(path)]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **ONE_THREAD}, timeout=TIMEOUT_S, check=False,
            capture_output=True, text=True,
        )  # fmt: skip
        if not done.returncode:
            return json.loads(path.with_name("result.json").read_text())
        if not peer.optional:
            raise RuntimeError(f"{job.peer} failed:\n{done.stderr[-3000:]}")
        return {"skipped": f"failed, {(done.stderr.strip().splitlines() or [f'exit {done.returncode}'])[-1]}"}


def _in_short(section: dict[str, Any]) -> str:
    if "skipped" in section:
        return section["skipped"]
    runs, step = section["runs"], section["step"]
    seeds = len({run["seed"] for run in runs})
    return f"{step['cpu_s'] * 1e3:.1f} CPU ms an iteration, {len(runs)} runs, {seeds} seeds"


def environment() -> dict[str, Any]:
    """Return when and on what it was measured; nothing that names the machine."""
    versions = {name: _version(name) for name in PACKAGES} | {"RcppML": rcppml.version()}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "versions": {name: number for name, number in versions.items() if number},
        "processors": processors(),
        "architecture": platform.machine(),
        "vectors": _vectors(),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _vectors() -> str:
    """The widest vector instructions that numba's compiler sees on this processor."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    return next((name for name in ("avx512f", "avx2", "avx", "sve", "neon") if features.get(name)), "")
