"""``python -m benchmarks.own_curvature``: what the parts of a pass cost where the curvature of a row is its own.

CPU seconds in one process of one thread, medians over rounds in which each part runs once, and how often a pass of
least squares on the same matrix (right-hand sides, rows to 1e-4, sums of columns) would go into them. H comes from
a few passes of Kullback–Leibler itself, so that rows are as hard as they are in a fit.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from threadpoolctl import threadpool_limits

from benchmarks.problems import problems
from dnmf.kernels import entries, folds, kullback_leibler, nnls, products
from dnmf.kernels.packed import packed_size
from dnmf.kernels.padding import aligned_zeros, pad_columns

SPARSE = ("pbmc3k", "Poisson sparse")
TOLERANCES = (1e-2, 1e-3)
ROUNDS, PASSES_BEFORE, FLOOR = 11, 15, 1e-3
Parts = dict[str, Callable[[], Any]]


class Operands(NamedTuple):
    """A CSR matrix as kernels read it, H, and what is written: W, and y, r and c of the entries."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    H: np.ndarray
    HT: np.ndarray
    W: np.ndarray
    y: np.ndarray
    r: np.ndarray
    c: np.ndarray


def operands(A: Any, H: np.ndarray) -> Operands:
    """Return what the kernels take, in float32."""
    HT = pad_columns(np.ascontiguousarray(H.T.astype(np.float32)))
    y, r, c = (np.zeros(A.nnz, np.float32) for _ in range(3))
    W = aligned_zeros((A.shape[0], HT.shape[1]), np.float32)
    return Operands(A.data, A.indices, A.indptr.astype(np.int64), H, HT, W, y, r, c)


def solve(of: Operands, tolerance: float) -> tuple[float, int, int]:
    """Find the rows of W for H."""
    rows = of.data, of.indices, of.indptr
    lin = of.H.sum(axis=1)
    return kullback_leibler.solve_rows(*rows, of.HT, lin, None, of.W, of.y, tolerance=tolerance, max_steps=30)


def some_profiles(A: Any, rank: int) -> np.ndarray:
    """Return the H of a few multiplicative updates from a random start."""
    H = (np.random.default_rng(0).random((rank, A.shape[1])) + 0.1) * np.asarray(A.sum(axis=0)).ravel()
    for _ in range(PASSES_BEFORE):
        H = np.maximum(H / H.sum(axis=1, keepdims=True), FLOOR / A.shape[1])
        of = operands(A, H)
        solve(of, 1e-2)
        ratio = scipy.sparse.csr_array((of.data / of.y, of.indices, of.indptr), A.shape)
        H = H * (of.W[:, :rank].T @ ratio)
    return np.maximum(H / H.sum(axis=1, keepdims=True), FLOOR / A.shape[1])


def least_squares(of: Operands) -> Callable[[], None]:
    """Return a pass of least squares over the same rows."""
    k, PT, B = len(of.H), np.zeros_like(of.HT), np.zeros_like(of.W)
    G = (of.H @ of.H.T).astype(np.float32)
    inverse = np.zeros((B.shape[1], B.shape[1]), np.float32)
    inverse[:k, :k] = np.linalg.inv(G + 1e-6 * np.trace(G) * np.eye(k, dtype=np.float32))

    def one_pass() -> None:
        rows = of.data, of.indices, of.indptr
        products.cross_csr(*rows, of.HT, B)
        W, _, _ = nnls.solve_rows(G, B, np.maximum(B @ inverse, 0), 1e-4, 100)
        products.fold_csr(*rows, W, PT)

    return one_pass


def parts(of: Operands) -> Parts:
    """Return what is timed, by name."""
    k, (n, width) = len(of.H), of.HT.shape
    N, V, Q = np.zeros((n, width)), np.zeros((n, width)), np.zeros((n, packed_size(k)))
    places, sums = (of.indices, of.indptr), (of.r, of.c, of.indices, of.indptr, of.W, N)
    found: Parts = {"least squares": least_squares(of)}
    found |= {f"rows to {tolerance:g}": lambda tolerance=tolerance: solve(of, tolerance) for tolerance in TOLERANCES}
    return found | {
        "weights": lambda: kullback_leibler.weights(of.data, of.y, of.r, of.c),
        "columns, k × k": lambda: folds.fold_columns(*sums, Q),
        "columns, diagonal": lambda: folds.fold_columns_diagonal(*sums, V),
        "predictions": lambda: entries.predict(*places, of.W, of.HT, of.y),
    }


def measure(of: Operands) -> dict[str, float]:
    """Return the CPU seconds of each part."""
    what, seconds = parts(of), {}
    for _ in range(1 + ROUNDS):
        for name, part in what.items():
            began = time.process_time()
            part()
            seconds.setdefault(name, []).append(time.process_time() - began)
    return {name: median(some[1:]) for name, some in seconds.items()}


def main() -> None:
    """Measure the matrices that are asked for and print a table of each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.own_curvature", description=__doc__)
    parser.add_argument("names", nargs="*", default=SPARSE, help="sparse matrices of the suite (%(default)s)")
    parser.add_argument("--rank", type=int, default=20)
    chosen = parser.parse_args()
    for problem in (each for each in problems() if each.name in chosen.names):
        A = scipy.sparse.csr_array(problem.load())
        with threadpool_limits(1):
            seconds = measure(operands(A, some_profiles(A, chosen.rank)))
        print(f"{problem.name}: {A.shape[0]} × {A.shape[1]}, {A.nnz} entries, k = {chosen.rank}")
        for name, took in seconds.items():
            times, each = took / seconds["least squares"], 1e9 * took / A.nnz
            print(f"  {name:20s} {1e3 * took:8.1f} ms {times:6.1f} × {each:7.1f} ns an entry")


if __name__ == "__main__":
    main()
