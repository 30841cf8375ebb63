"""Sparse nonnegative CP, and CP without a penalty, beside tensorly's `non_negative_parafac_hals` as published."""

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import dnmf
from benchmarks.process import timed
from benchmarks.ridge_arrays import (
    RANK,
    SIDE,
    TRUE_RANK,
    Effort,
    Factors,
    alive_of,
    array_of,
    dense_array,
    left_of,
    start_of,
)

L1 = (0.0, 0.01, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # of λ ΣX, summed over the factors
FILLED = 0.5


def sparse_array(seed: int) -> np.ndarray:
    """Return an array of factors of which half the entries are zero and the others uniform, without noise."""
    rng = np.random.default_rng(seed)
    return array_of([rng.random((SIDE, TRUE_RANK)) * (rng.random((SIDE, TRUE_RANK)) < FILLED) for _ in range(3)])


def of_tensorly(array: np.ndarray, start: Factors, strength: float, sweeps: int) -> Factors:
    """Return the factors of tensorly's HALS under ``strength ΣX`` after so many sweeps."""
    from tensorly.cp_tensor import CPTensor
    from tensorly.decomposition import non_negative_parafac_hals

    begin = CPTensor((np.ones(RANK), [X.copy() for X in start]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it ignores sparsity, and does not
        found = non_negative_parafac_hals(
            array, RANK, n_iter_max=sweeps, init=begin, tol=None,
            sparsity_coefficients=[strength] * 3 if strength else None,
        )  # fmt: skip
    return left_of(list(found.factors))


def without_penalty(effort: Effort) -> dict[str, Any]:
    """Return error, CPU seconds, reads and components of both without a penalty, medians over the seeds."""
    ways: dict[str, Callable[[np.ndarray, int], tuple[Factors, float]]] = {
        f"tensorly HALS, {sweeps:,} sweeps": lambda array, seed, sweeps=sweeps: (
            of_tensorly(array, start_of(seed), 0.0, sweeps), 3.0 * sweeps,
        )
        for sweeps in (effort.early, effort.sweeps)
    }  # fmt: skip
    return {name: _medians([_plain(run, seed) for seed in range(effort.seeds)])
            for name, run in {**ways, "dnmf": _of_dnmf}.items()}  # fmt: skip


def _of_dnmf(array: np.ndarray, seed: int) -> tuple[Factors, float]:
    model = dnmf.cp(array, RANK, seed=seed, dtype="float64")
    return _factors(model), model.reads


def _plain(run: Callable[[np.ndarray, int], tuple[Factors, float]], seed: int) -> dict[str, float]:
    array, began = dense_array(seed), time.process_time()
    factors, reads = run(array, seed)
    cpu_s = time.process_time() - began
    error = float(np.linalg.norm(array - array_of(factors)) / np.linalg.norm(array))
    return {"error": error, "cpu_s": cpu_s, "reads": reads, "alive": alive_of(factors)}


def _medians(found: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.median([one[name] for one in found])) for name in found[0]}


def sparse_path(effort: Effort, strengths: tuple[float, ...] = L1) -> dict[str, Any]:
    """Return components, zeros and objectives over strengths of L1, medians over the seeds.

    Of tensorly ``"early"`` and ``"late"``, of fits of dnmf from the ``"same start"``, and of its ``"path"``.
    """
    ways: dict[str, list[list[dict[str, float]]]] = {"early": [], "late": [], "same start": [], "path": []}
    reads, cpu_s = [], []
    for seed in range(effort.seeds):
        array, start = sparse_array(seed), start_of(seed)
        found, taken = timed(lambda array=array, seed=seed: _path_of(array, seed, strengths))
        models = {
            "early": [of_tensorly(array, start, strength, effort.early) for strength in strengths],
            "late": [of_tensorly(array, start, strength, effort.sweeps) for strength in strengths],
            "same start": [_from_start(array, start, strength) for strength in strengths],
            "path": [_factors(found.model(strength)) for strength in strengths],
        }
        for name, of_way in models.items():
            ways[name].append([_of_sparse(array, run, l1) for run, l1 in zip(of_way, strengths, strict=True)])
        reads.append(found.reads)
        cpu_s.append(taken.cpu_s)
    told = {name: [_medians([run[at] for run in runs]) for at in range(len(strengths))] for name, runs in ways.items()}
    return {"strengths": list(strengths), **told, "reads": float(np.median(reads)), "cpu_s": float(np.median(cpu_s))}


def _path_of(array: np.ndarray, seed: int, strengths: Sequence[float]) -> Any:
    return dnmf.path(
        array, RANK, dnmf.Penalty(l1=1.0, scale="objective"), strengths, structure="cp", seeds=[seed],
        dtype="float64", measures="cheap",
    )  # fmt: skip


def _from_start(array: np.ndarray, start: Factors, strength: float) -> Factors:
    """The factors of a fit of dnmf that begins where tensorly does."""
    given = {f"axis_{axis}": start[axis] for axis in (1, 2)}
    penalty = dnmf.Penalty(l1=strength, scale="objective")
    return _factors(dnmf.cp(array, RANK, penalty=penalty, factors=given, dtype="float64"))


def _factors(model: Any) -> Factors:
    return list(model.scaled_factors().values())


def _of_sparse(array: np.ndarray, factors: Factors, strength: float) -> dict[str, float]:
    """Components, the share of zeros in them (one where there is none), and the objective over ‖A‖²."""
    alive = np.all([X.any(axis=0) for X in factors], axis=0)
    of_model = 0.5 * np.sum((array - array_of(factors)) ** 2) + strength * sum(X.sum() for X in factors)
    zeros = np.mean([np.mean(X[:, alive] == 0) for X in factors]) if alive.any() else 1.0
    return {"alive": int(alive.sum()), "zeros": float(zeros), "loss": float(of_model / np.sum(array**2))}
