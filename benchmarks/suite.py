"""One run of the suite: every peer on every problem with every seed, in one process, BLAS on one thread."""

import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import scipy.sparse
from threadpoolctl import threadpool_limits

from benchmarks.peers import Found, Peer
from benchmarks.problems import Problem

PACKAGES = ("dnmf", "numpy", "scipy", "numba", "scikit-learn", "dask", "zarr")


@dataclass(frozen=True)
class Measurement:
    """One peer on one problem with one seed.

    Attributes
    ----------
    problem, peer : str
        Names.
    shape, nonzeros, rank
        Of the problem; `nonzeros` is None for a dense matrix.
    seed : int
        Of the run.
    error : float
        ``‖A − WH‖ / ‖A‖``, recomputed here in float64 from the factors, the same way for every peer.
    reads : float
        Reads of the data.
    iterations : int
        Passes or iterations.
    cpu_s, wall_s : float
        Of the process.
    """

    problem: str
    peer: str
    shape: tuple[int, int]
    nonzeros: int | None
    rank: int
    seed: int
    error: float
    reads: float
    iterations: int
    cpu_s: float
    wall_s: float


def relative_error(A: Any, W: np.ndarray, H: np.ndarray) -> float:
    """Return ``‖A − WH‖ / ‖A‖`` in float64, without forming ``WH`` for a sparse A."""
    A = A.astype(np.float64)
    W, H = W.astype(np.float64), H.astype(np.float64)
    if not scipy.sparse.issparse(A):
        return float(np.linalg.norm(A - W @ H) / np.linalg.norm(A))
    squares = float(A.data @ A.data)
    cross = float(np.vdot((A.T @ W).T, H))
    rest = squares - 2 * cross + float(np.vdot(W.T @ W, H @ H.T))
    return float(np.sqrt(max(0.0, rest) / squares))


def measure(problem: Problem, matrix: Any, peer: Peer, seed: int) -> Measurement:
    """Return what one run of a peer took and reached."""
    cpu, wall = time.process_time(), time.perf_counter()
    found: Found = peer.run(matrix, problem.rank, seed)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Measurement(
        problem.name, peer.name, tuple(matrix.shape), matrix.nnz if scipy.sparse.issparse(matrix) else None,
        problem.rank, seed, relative_error(matrix, found.W, found.H), found.reads, found.iterations, cpu, wall,
    )  # fmt: skip


def run(
    problems: Iterable[Problem], peers: Sequence[Peer], seeds: int, say: Callable[[str], None]
) -> list[Measurement]:
    """Return every measurement; peers take turns for each seed, so that a busy moment hits them all.

    Each peer runs once beforehand: imports and compilation are not measured.
    """
    measurements = []
    with threadpool_limits(limits=1, user_api="blas"):
        for problem in problems:
            matrix = problem.load()
            for peer in peers:
                peer.run(matrix[: 4 * problem.rank], problem.rank, 0)
            for seed in range(seeds):
                for peer in peers:
                    found = measure(problem, matrix, peer, seed)
                    say(f"{problem.name}, {peer.name}, seed {seed}: error {found.error:.5f}, {found.cpu_s:.2f} CPU s")
                    measurements.append(found)
    return measurements


def environment() -> dict[str, Any]:
    """Return when and on what the measurements were taken; nothing that names the machine."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "architecture": platform.machine(),
        "blas_threads": 1,
    }
