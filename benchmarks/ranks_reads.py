"""``python -m benchmarks --only "reads of ranks"``: what many ranks cost that share every read, beside single fits.

In memory; and stored under 1 GiB, read anew in every pass: a few passes of each model, in a process of its own, whose
peak is measured.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from threadpoolctl import threadpool_limits

import dnmf
from benchmarks.out_of_core import questions
from benchmarks.problems import poisson_sparse
from benchmarks.suite import environment
from dnmf.fitting.events import Planned, StudyPassDone

RANKS, FOLDS, SEEDS = tuple(range(4, 23, 2)), 4, 6
LIMIT = "1GiB"
FEW = 4  # passes of each model that are enough to see the waves and the peak
STREAMED: dict[str, Any] = {"keep": "stream", "memory_limit": LIMIT}


def reads_of_ranks() -> dict[str, Any]:
    """Return what ranks of the Poisson matrix cost, in memory and stored."""
    import anndata

    matrix = poisson_sparse()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "counts.zarr"
        anndata.AnnData(scipy.sparse.csr_matrix(matrix)).write_zarr(path)
        stored = {way: _in_process(path, way) for way in ("ranks", "single")}
    with threadpool_limits(1, user_api="blas"):
        in_memory = {"ranks": together(matrix), "single": singly(matrix)}
    return {"in memory": in_memory, "stored": stored, "environment": environment()}


def in_words() -> str:
    """Return how many models of which ranks there are."""
    return f"Ranks {', '.join(map(str, RANKS))}, each with {FOLDS} folds and {SEEDS} seeds"


def _in_process(path: Path, way: str) -> dict[str, Any]:
    """What a new process did of the stored matrix."""
    command = [sys.executable, "-m", "benchmarks.ranks_reads", way, str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def together(source: Any, **options: Any) -> dict[str, Any]:
    """Return reads and CPU seconds of all ranks, folds and seeds, how many waves there were, and what was planned."""
    events: list[Any] = []
    began = time.process_time()
    found = dnmf.ranks(source, RANKS, folds=FOLDS, seeds=SEEDS, callbacks=(events.append,), **options)
    cpu_s = time.process_time() - began
    passes = [event for event in events if isinstance(event, StudyPassDone)]
    plan = next(event for event in events if isinstance(event, Planned))
    newly = np.diff([0, *(event.done for event in passes)])
    ends = [event.models == done for event, done in zip(passes, newly, strict=True)]  # of waves: all it served are done
    most_models = max(event.models for event in passes)
    return {
        "reads": found.reads, "passes": found.passes, "waves": sum(map(bool, ends)), "cpu_s": cpu_s,
        "most_models": most_models,
        "suggested": found.suggested, "reason": found.reason, "projected_bytes": plan.projected_bytes,
        "rows": [{"rank": row.rank, "passes": row.passes, "reads": row.reads} for row in found.rows],
    }  # fmt: skip


def singly(source: Any, **options: Any) -> dict[str, Any]:
    """Return reads and CPU seconds of a fit of each rank."""
    dnmf.fit(source, RANKS[0], max_passes=2, **options)
    found = {}
    for rank in RANKS:
        began = time.process_time()
        model = dnmf.fit(source, rank, **options)
        found[str(rank)] = {"reads": model.reads, "cpu_s": time.process_time() - began}
    return {"fits": found}


def _alone(way: str, path: str) -> dict[str, Any]:
    """What this process did, and its peak."""
    peak_bytes, _ = questions()
    with threadpool_limits(1, user_api="blas"):
        measured = together(path, max_passes=FEW, **STREAMED) if way == "ranks" else singly(path, **STREAMED)
    return {**measured, "peak_bytes": peak_bytes()}


if __name__ == "__main__":
    print(json.dumps(_alone(*sys.argv[1:])))
