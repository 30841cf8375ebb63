"""cNMF's procedure on pbmc3k: all ranks and seeds, and a consensus, beside cNMF itself on the same counts.

cNMF runs where ``CNMF_PYTHON`` names the interpreter of an environment that has it (``pip install cnmf``); where none
is named its figures stay what they were.
"""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

import dnmf
from benchmarks.suite import environment
from dnmf.measures import match

RANKS, SEEDS, RANK, GENES = range(5, 14), 20, 9, 2000
PEER = Path(__file__).with_name("cnmf_peer.py")
RESULTS = Path(__file__).with_name("cnmf.json")
TIMEOUT_S = 7200
HALVES = (range(10), range(10, 20))
PAIRS = 4  # of consensus of disjoint seeds


def cnmf() -> dict[str, Any]:
    """Return what both take and find."""
    from benchmarks.problems import problems

    counts = next(problem for problem in problems() if problem.name == "pbmc3k").load()
    record = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    theirs = record.get("cNMF") if "CNMF_PYTHON" not in os.environ else _theirs(counts)
    found = {"dnmf": _ours(counts), "cNMF": theirs, "environment": environment()}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    return found


def _ours(counts: scipy.sparse.csr_array) -> dict[str, Any]:
    dnmf.ranks(counts[:500], [RANK], seeds=2, folds=0, init="random", max_passes=3)  # compiles
    steps: dict[str, Any] = {}
    prepared = _timed(steps, "prepare", lambda: dnmf.cnmf.prepare(counts, GENES))
    data = prepared.counts
    ranks = _timed(steps, "ranks", lambda: dnmf.ranks(data, RANKS, seeds=SEEDS, folds=0, init="random"))
    agreed = _timed(steps, "consensus", lambda: ranks.consensus(RANK, data))
    with tempfile.TemporaryDirectory() as folder:
        _timed(steps, "write", lambda: dnmf.cnmf.write(agreed, f"{folder}/ours", prepared.tpm))
    every = ranks.consensus(RANK, data, best=1, density=2)  # nothing left out, as in cNMF's k_selection_plot
    return {
        "steps": steps, "reads": ranks.reads + agreed.reads, "silhouette": agreed.silhouette,
        "silhouette of all": every.silhouette, "error": agreed.relative_error, "error of all": every.relative_error,
        "best seed": float(agreed.errors.min()), "squares_left": 2 * agreed.history[-1].loss,
        "stability": ranks.table["stability"], "cosines": {str(best): _cosines(data, best) for best in (0.5, 1.0)},
    }  # fmt: skip


def _cosines(data: Any, best: float) -> list[float]:
    """The mean cosines of matched components of two consensus of disjoint seeds."""
    found = []
    for number in range(PAIRS):
        one, other = (
            dnmf.consensus(data, RANK, seeds=[20 * number + seed for seed in half], best=best) for half in HALVES
        )
        found.append(float(np.mean(match(one, other, side="H").cosines)))
    return found


def _timed(steps: dict[str, Any], name: str, work: Any) -> Any:
    began, used = time.perf_counter(), time.process_time()
    found = work()
    steps[name] = {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - used}
    return found


def _theirs(counts: scipy.sparse.csr_array) -> dict[str, Any]:
    import anndata

    with tempfile.TemporaryDirectory() as folder:
        table = anndata.AnnData(scipy.sparse.csr_matrix(counts))
        table.write_h5ad(f"{folder}/counts.h5ad")
        job = {"ranks": list(RANKS), "seeds": SEEDS, "rank": RANK, "genes": GENES}
        Path(f"{folder}/job.json").write_text(json.dumps(job))
        command = [os.environ["CNMF_PYTHON"], str(PEER), f"{folder}/counts.h5ad", folder, f"{folder}/job.json"]
        one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True, env={**os.environ, **one}
        )
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def section(record: dict[str, Any], environment: str) -> str:
    """Return its part of the page."""
    ours, theirs = record["dnmf"], record["cNMF"]
    half, whole = (ours["cosines"][best] for best in ("0.5", "1.0"))
    lines = [
        "## cNMF's procedure", "",
        f"pbmc3k, {GENES:,} variable genes, ranks {RANKS[0]} to {RANKS[-1]} × {SEEDS} seeds from random starts, "
        f"consensus at {RANK}, in memory. cNMF {theirs['version']} has one worker and one thread, dnmf "
        f"{record['environment']['processors']} processors; where other work runs beside, CPU seconds say more than "
        "wall time.", "",
        "| | steps | wall s | CPU s | silhouette |", "|---|---|---|---|---|",
        f"| cNMF | {', '.join(theirs['steps'])} | {_sum(theirs, 'wall_s'):.0f} | {_sum(theirs, 'cpu_s'):.0f} | "
        f"{theirs['silhouette']:.2f} |",
        f"| dnmf, {ours['reads']:.0f} reads | {', '.join(ours['steps'])} | {_sum(ours, 'wall_s'):.0f} | "
        f"{_sum(ours, 'cpu_s'):.0f} | {ours['silhouette']:.2f} (all models: {ours['silhouette of all']:.2f}) |", "",
        "The silhouette is that of the clusters at that rank: cNMF's of all models, dnmf's of the better half of them.",
        f"dnmf takes {_sum(theirs, 'wall_s') / _sum(ours, 'wall_s'):.0f} times less wall time and "
        f"{_sum(theirs, 'cpu_s') / _sum(ours, 'cpu_s'):.1f} times less CPU. Relative error of its consensus "
        f"{ours['error']:.9f}, of the best single seed {ours['best seed']:.9f}, of a consensus of all models instead "
        f"of the better half {ours['error of all']:.9f}; squares that are left over those cNMF's leaves: "
        f"{ours['squares_left'] / theirs['squares_left']:.5f}. Two consensus of ten other seeds each have mean cosines "
        f"of {_listed(half)}; of all models {_listed(whole)}.", "", environment, "",
    ]  # fmt: skip
    return "\n".join(lines)


def _sum(record: dict[str, Any], what: str) -> float:
    return float(sum(step[what] for step in record["steps"].values()))


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)
