"""The arrays of the experiment of ridge and sparse CP, how much of it is run, and which components count as there."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

SIDE, TRUE_RANK, RANK = 30, 4, 6
STRENGTHS = (0.0, 1e-3, 1e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # of λ ‖X‖², summed over the factors
SWAMPS = (1e-3, 1e-2, 0.1)
ALIVE = 1e-3  # of the size of the largest component: HALS shrinks the others to nothing, and does not get there

Factors = list[np.ndarray]
"""Of every axis, (length, k)."""


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes
    ----------
    seeds : int
        Arrays, each with a start of its own.
    strengths, swamps : tuple of float
        Of the ridge; and those of them at which all ways are followed from pass to pass.
    early, sweeps : int
        After how many sweeps components are counted first, as published, and at the end.
    passes : int
        Of dnmf, at most.
    """

    seeds: int = 5
    strengths: tuple[float, ...] = STRENGTHS
    swamps: tuple[float, ...] = SWAMPS
    early: int = 50
    sweeps: int = 1_000
    passes: int = 300


def array_of(factors: Iterable[np.ndarray]) -> np.ndarray:
    """Return the sum of the products of three factors."""
    X, Y, Z = factors
    return (X @ (Y[:, None] * Z).reshape(-1, X.shape[1]).T).reshape(len(X), len(Y), len(Z))


def dense_array(seed: int) -> np.ndarray:
    """Return an array of factors that are uniform between 0 and 1, without noise."""
    rng = np.random.default_rng(seed)
    return array_of([rng.random((SIDE, TRUE_RANK)) for _ in range(3)])


def start_of(seed: int) -> Factors:
    """Return uniform factors, as many as are fitted."""
    rng = np.random.default_rng([seed, 1])
    return [rng.random((SIDE, RANK)) for _ in range(3)]


def sizes_of(factors: Factors) -> np.ndarray:
    """Return the product of the norms of each component's vectors (k,)."""
    return np.prod([np.linalg.norm(X, axis=0) for X in factors], axis=0)


def left_of(factors: Factors) -> Factors:
    """Return factors without what tensorly leaves standing of components that are zero along one axis."""
    alive = sizes_of(factors) > 0
    return [X * alive for X in factors]


def alive_of(factors: Factors) -> int:
    """Return how many components are not small beside the largest."""
    sizes = sizes_of(factors)
    return int((sizes > ALIVE * sizes.max()).sum())
