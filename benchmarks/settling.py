"""Whether components have settled where a fit ends, and after how many reads: spectra of seeds, stored counts."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import scipy.sparse
from threadpoolctl import threadpool_limits

import dnmf
from benchmarks.problems import Problem, poisson_sparse, problems
from benchmarks.suite import environment
from dnmf import refinement_memory

RANK, SEEDS, GENES = 10, 10, 2000
LEAST_MEAN = 0.02  # of a gene: how variable rarer ones are says nothing
STORED_ROWS, STORED_RANK, STORED_SEEDS = 200_000, 20, 3
MEMORY_LIMIT = "2GB"
SETTLED = 5e-3  # a projected gradient that is not left again
ENOUGH = {"tol": 1e-6, "max_passes": 30}
WAYS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "`init=\"random\"`": {"init": "random"},
    "`tol=1e-3`": {"tol": 1e-3},
}  # fmt: skip


def settling() -> dict[str, Any]:
    """Return how alike the spectra of several seeds are, and the reads after which stored counts have settled."""
    with threadpool_limits(1, user_api="blas"):
        found: dict[str, Any] = {"spectra": None, "stored": _stored()}
        if cells := [problem for problem in problems() if problem.name == "pbmc3k"]:
            with _on_one_processor():  # two that share a core count more CPU for the same work
                found["spectra"] = _spectra(variable_genes(cells[0]))
    return {**found, "environment": environment()}


@contextmanager
def _on_one_processor() -> Iterator[None]:
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else set()
    try:
        if allowed:
            os.sched_setaffinity(0, {max(allowed)})
        yield
    finally:
        if allowed:
            os.sched_setaffinity(0, allowed)


def variable_genes(cells: Problem) -> Any:
    """Return the most variable genes of counts, each at unit variance: what consensus NMF of cells begins with."""
    counts = scipy.sparse.csr_array(cells.load())
    mean = np.asarray(counts.mean(axis=0)).ravel()
    variance = np.asarray((counts * counts).mean(axis=0)).ravel() - mean**2
    dispersion = np.where(mean > LEAST_MEAN, variance / np.maximum(mean, 1e-9), 0.0)
    best = np.argsort(-dispersion)[:GENES]
    scaled = counts[:, best] @ scipy.sparse.diags_array(1 / np.sqrt(variance[best]))
    return scipy.sparse.csr_array(scaled, dtype=np.float32)


def silhouette(spectra: list[np.ndarray]) -> float:
    """Return how well the components of several models fall into as many clusters as each has: 1 where all agree."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    stacked = np.vstack(spectra).astype(np.float64)
    stacked /= np.maximum(np.linalg.norm(stacked, axis=1, keepdims=True), 1e-30)
    clusters = KMeans(len(spectra[0]), n_init=10, random_state=0).fit_predict(stacked)
    return float(silhouette_score(stacked, clusters))


def _spectra(matrix: Any) -> dict[str, Any]:
    dnmf.fit(matrix, RANK, max_passes=3)  # compiled before anything is timed
    lines = {f"dnmf, {name}": _of_seeds(lambda seed, way=way: _fitted(matrix, seed, way)) for name, way in WAYS.items()}
    lines["scikit-learn, `init=\"random\"`"] = _of_seeds(lambda seed: _learned(matrix, seed))  # fmt: skip
    return lines


def _of_seeds(fitted: Callable[[int], tuple[np.ndarray, float]]) -> dict[str, float]:
    began = time.process_time()
    found = [fitted(seed) for seed in range(SEEDS)]
    cpu_s = time.process_time() - began
    spectra, passes = zip(*found, strict=True)
    return {"silhouette": silhouette(list(spectra)), "cpu_s": cpu_s / SEEDS, "passes": median(passes)}


def _fitted(matrix: Any, seed: int, way: dict[str, Any]) -> tuple[np.ndarray, float]:
    model = dnmf.fit(matrix, RANK, seed=seed, **way)
    return model.H, len(model.history)


def _learned(matrix: Any, seed: int) -> tuple[np.ndarray, float]:
    from sklearn.decomposition import NMF

    model = NMF(RANK, init="random", random_state=seed).fit(matrix)
    return model.components_, model.n_iter_


def _stored() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = _written(Path(folder))
        found = {}
        for name, least in (("refined between reads", refinement_memory.LEAST_DATA), ("extrapolated alone", 10**9)):
            with _refining_from(least):
                found[name] = [_reads_to_settle(path, seed) for seed in range(STORED_SEEDS)]
    return found


def _written(folder: Path) -> Path:
    import anndata

    path = folder / "counts.zarr"
    anndata.AnnData(scipy.sparse.csr_matrix(poisson_sparse(STORED_ROWS))).write_zarr(path)
    return path


@contextmanager
def _refining_from(least: float) -> Iterator[None]:
    """Refine where data is so many times as large as the room for a sample."""
    usual, refinement_memory.LEAST_DATA = refinement_memory.LEAST_DATA, least  # type: ignore[assignment]
    try:
        yield
    finally:
        refinement_memory.LEAST_DATA = usual


def _reads_to_settle(path: Path, seed: int) -> dict[str, float]:
    began = time.process_time()
    model = dnmf.fit(path, STORED_RANK, seed=seed, memory_limit=MEMORY_LIMIT, keep="stream", **ENOUGH)
    cpu_s = time.process_time() - began
    accepted = [record for record in model.history if record.accepted]
    moving = [number for number, record in enumerate(accepted) if record.gradient > SETTLED]
    settled = accepted[min(moving[-1] + 1, len(accepted) - 1)]
    return {"settled": settled.reads, "near": model.reads_within(0.002), "reads": model.reads, "cpu_s": cpu_s,
            "error": model.relative_error}  # fmt: skip


def section(record: dict[str, Any], environment_line: str) -> str:
    """Return the part of the page of results."""
    lines = ["## Settling", ""]
    if record["spectra"]:
        lines += [
            f"Spectra of {SEEDS} seeds on the {GENES:,} most variable genes of pbmc3k at unit variance, rank {RANK}:",
            "the silhouette of their clusters (1 where all agree), CPU seconds and passes of a fit (on one processor).",
            "",
            "| | silhouette | CPU s | passes |",
            "|---|---|---|---|",
        ]
        for name, line in record["spectra"].items():
            lines.append(f"| {name} | {line['silhouette']:.3f} | {line['cpu_s']:.3f} | {line['passes']:.0f} |")
        lines.append("")
    lines += [
        f"Stored Poisson counts, {STORED_ROWS:,} × 5,000, rank {STORED_RANK}, read anew in every pass under",
        f"{MEMORY_LIMIT}: reads to within 0.2 % of the error at the end, and to a projected gradient that stays below",
        f"{SETTLED:g} (medians of {STORED_SEEDS} seeds, the worst in brackets); CPU seconds of at most",
        f"{ENOUGH['max_passes']} passes.",
        "",
        "| | reads to 0.2 % | reads to settle | CPU s | error |",
        "|---|---|---|---|---|",
    ]
    for name, runs in record["stored"].items():
        near, settled = (f"{median(run[what] for run in runs):.1f} ({max(run[what] for run in runs):.1f})"
                         for what in ("near", "settled"))  # fmt: skip
        cpu_s, error = (median(run[what] for run in runs) for what in ("cpu_s", "error"))
        lines.append(f"| {name} | {near} | {settled} | {cpu_s:.1f} | {error:.5f} |")
    return "\n".join([*lines, "", environment_line, ""])
