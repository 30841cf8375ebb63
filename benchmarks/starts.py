"""What a start costs and finds: of small data in memory, where few rows have most of the data, and of a CSC twin."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import scipy.sparse
from threadpoolctl import threadpool_limits

import dnmf
from benchmarks.best_known import known
from benchmarks.problems import Problem
from benchmarks.suite import environment

NAMES = {"random": "random", "auto": "default", "best of 4": "`restarts=4`"}
IN_MEMORY = ("hawaiibirds", "digits", "movielens")
SEEDS, HEAVY_SEEDS, TWIN_SEEDS, TWIN_PASSES = 18, 9, 5, 4
SIGMAS = (0.0, 1.0, 2.0, 3.0)
RANK, NEAR, LONG, MOST_PASSES = 5, 0.002, 100, 40
WAYS: dict[str, dict[str, Any]] = {"random": {"init": "random"}, "auto": {}, "best of 4": {"restarts": 4}}
SEED_STEP = 10  # between the seeds of fits, of which some take several in a row


def starts(problems: Sequence[Problem]) -> dict[str, Any]:
    """Return CPU seconds and errors of default and of random fits, and reads of fits whose rows weigh differently."""
    with threadpool_limits(1, user_api="blas"):
        small = {problem.name: in_memory(problem) for problem in problems if problem.name in IN_MEMORY}
        heavy = {str(sigma): [reads_to_quality(sigma, seed) for seed in range(HEAVY_SEEDS)] for sigma in SIGMAS}
        twins = {problem.name: _twins(problem) for problem in problems if problem.name == "pbmc3k"}
    return {"in memory": small, "heavy rows": heavy, "twins": twins, "environment": environment()}


def in_memory(problem: Problem, seeds: int = SEEDS) -> dict[str, Any]:
    """Return medians of CPU seconds, errors and passes of fits, by their start, and how many come near to the best."""
    matrix, best = problem.load(), known().get(problem.name, {}).get("error")
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for options in WAYS.values():
        dnmf.fit(matrix, problem.rank, **options)  # compiled before anything is timed
    for seed in range(seeds):
        for way, runs in found.items():
            began = time.process_time()
            model = dnmf.fit(matrix, problem.rank, seed=SEED_STEP * seed, **WAYS[way])
            taken = {"cpu_s": time.process_time() - began, "error": model.relative_error, "passes": len(model.history)}
            runs.append(taken)
    return {
        way: {
            **{name: median(run[name] for run in runs) for name in ("cpu_s", "error", "passes")},
            "near": None if best is None else sum(run["error"] <= (1 + NEAR) * best for run in runs),
        }
        for way, runs in found.items()
    }


def heavy_rows(sigma: float, seed: int, rows: int = 5_000, columns: int = 40) -> np.ndarray:
    """Return a planted product with a little noise, its rows on scales that are log-normal."""
    rng = np.random.default_rng(seed)
    W, H = (rng.random(shape) * (rng.random(shape) < 0.5) for shape in ((rows, RANK), (RANK, columns)))
    A = W @ H + 0.1 * rng.random((rows, columns))
    return (A * np.exp(sigma * rng.standard_normal(rows))[:, None]).astype(np.float32)


def reads_to_quality(sigma: float, seed: int) -> float | None:
    """Return the reads, those of the start included, to near the best error of some long fits; None if too many."""
    A = heavy_rows(sigma, seed)
    ways = [{"seed": other, "init": init} for other in range(3) for init in ("random", "sample")]
    best = min(dnmf.fit(A, RANK, tol=0, max_passes=LONG, **way).relative_error for way in ways)
    history = dnmf.fit(A, RANK, tol=0, max_passes=MOST_PASSES, seed=seed).history
    return next((each.reads for each in history if each.relative_error <= (1 + NEAR) * best), None)


def _twins(problem: Problem) -> dict[str, Any]:
    """The median error after a few passes of a matrix that is stored both ways."""
    import anndata

    matrix, errors = problem.load(), {}
    with tempfile.TemporaryDirectory() as folder:
        for name, kind in (("CSR", scipy.sparse.csr_matrix), ("CSC", scipy.sparse.csc_matrix)):
            path = Path(folder) / f"{name}.zarr"
            anndata.AnnData(kind(matrix)).write_zarr(path)
            fits = [
                dnmf.fit(path, problem.rank, tol=0, max_passes=TWIN_PASSES, seed=seed) for seed in range(TWIN_SEEDS)
            ]
            errors[name] = median(model.relative_error for model in fits)
    return errors


def section(record: dict[str, Any], environment_line: str) -> str:
    """Return the part of the page of results."""
    lines = [
        "## Starts",
        "",
        "Default fits in memory beside those from a random start and the best of four, to their own ends; medians of",
        f"{SEEDS} seeds, and how many of them end within {100 * NEAR:g} % of the best error known.",
        "",
        f"| |{''.join(f' {NAMES[way]}: CPU ms | error | passes | near |' for way in WAYS)} default over random |",
        "|---" * (2 + 4 * len(WAYS)) + "|",
    ]
    for name, of in record["in memory"].items():
        cells = [
            f"{1e3 * found['cpu_s']:.1f} | {found['error']:.5f} | {found['passes']:.0f} | {_near(found['near'])}"
            for found in (of[way] for way in WAYS)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {of['auto']['cpu_s'] / of['random']['cpu_s']:.2f} |")
    lines += [
        "",
        f"Reads of a default fit to within {100 * NEAR:g} % of the best error known, those of the start included:",
        f"5,000 × 40, planted rank {RANK}, scales of rows log-normal; medians of {HEAVY_SEEDS}, the worst in brackets.",
        "",
        "| σ | reads |",
        "|---|---|",
    ]
    for sigma, reads in record["heavy rows"].items():
        found = sorted(float("inf") if each is None else each for each in reads)
        lines.append(f"| {sigma} | {_reads(median(found))} ({_reads(found[-1])}) |")
    for name, errors in record["twins"].items():
        lines += [
            "",
            f"{name} after {TWIN_PASSES} passes, stored by rows: error {errors['CSR']:.5f}; stored by columns: "
            f"{errors['CSC']:.5f} (medians of {TWIN_SEEDS} seeds).",
        ]
    return "\n".join([*lines, "", environment_line, ""])


def _near(count: int | None) -> str:
    return "–" if count is None else str(count)


def _reads(count: float) -> str:
    return f"{count:.1f}" if np.isfinite(count) else "never"
