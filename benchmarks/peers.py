"""The programs that are compared: each is a function from a matrix, a rank and a seed to factors and reads.

A further peer is one more function and one more line in :func:`peers`.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import dnmf


class Found(NamedTuple):
    """What a peer found: factors with ``A ≈ W H``, how often it read A, and its iterations."""

    W: np.ndarray
    H: np.ndarray
    reads: float
    iterations: int


@dataclass(frozen=True)
class Peer:
    """A program under its settings."""

    name: str
    run: Callable[[Any, int, int], Found]


def run_dnmf(matrix: Any, rank: int, seed: int, *, max_passes: int = 50) -> Found:
    """Factorize with dnmf in this process; it counts its reads itself, those of the start included."""
    model = dnmf.fit(matrix, rank, seed=seed, max_passes=max_passes)
    return Found(model.read_W() * model.d, model.H, model.reads, len(model.history))


def run_sklearn(matrix: Any, rank: int, seed: int, *, iterations: int = 100) -> Found:
    """Factorize with scikit-learn's coordinate descent.

    An iteration multiplies with the data twice. The reads of its start (a randomized SVD) are not counted, its
    time is.
    """
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    model = NMF(rank, solver="cd", max_iter=iterations, tol=0, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        W = model.fit_transform(matrix)
    return Found(W, model.components_, 2.0 * model.n_iter_, int(model.n_iter_))


def peers(quick: bool = False) -> list[Peer]:
    """Return what is compared; the first is the one that the others are set beside."""
    iterations = 10 if quick else 100
    return [
        Peer("dnmf, 4 passes", lambda A, k, seed: run_dnmf(A, k, seed, max_passes=4)),
        Peer("dnmf, to tol 1e-4", run_dnmf),
        Peer(
            f"scikit-learn cd, {iterations} iterations",
            lambda A, k, seed: run_sklearn(A, k, seed, iterations=iterations),
        ),
    ]
