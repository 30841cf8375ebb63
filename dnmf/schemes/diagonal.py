"""The diagonal of a model whose penalty shrinks it out of all meaning, fitted on its own from the sums of a pass."""

import numpy as np

from dnmf.kernels.nnls import solve_rows
from dnmf.passes.exact import Finish, finish_rows
from dnmf.passes.over_columns import Room, over_columns, sum_of
from dnmf.passes.statistics import ModelSums
from dnmf.passes.terms import unit_diagonal

TOLERANCE = 1e-12
NEAR = 1e-8  # a violation that the objective does not feel; an active set would choose among components that are alike
SWEEPS = 2000


def fit_diagonal(sums: ModelSums, H: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the e >= 0 (k,) for which ``½‖A − W diag(e) H‖²`` is least, and by how much that is below e = 1.

    The solver begins at the best multiple of e = 1, so that components that are all alike share the weight as they
    did.
    """
    Q, b = diagonal_problem(sums, H)
    size = float(Q.sum())
    unit_Q, unit = unit_diagonal(Q.copy())
    start = np.where(unit > 0, max(0.0, float(b.sum())) / size if size > 0 else 0.0, 0.0)
    B = (b * unit)[None, :]
    weights, violations, _ = solve_rows(unit_Q, B, (start / np.where(unit > 0, unit, 1.0))[None, :], TOLERANCE, SWEEPS)
    if violations[0] > NEAR:
        finish_rows(weights, B, np.arange(1), Finish(unit_Q, NEAR))
    e = weights[0] * unit
    return e, gain_of_diagonal(sums, H, e)


def gain_of_diagonal(sums: ModelSums, H: np.ndarray, e: np.ndarray) -> float:
    """Return by how much ``½‖A − W diag(e) H‖²`` is below that of e = 1."""
    Q, b = diagonal_problem(sums, H)
    return float((b - 0.5 * Q @ (1 + e)) @ (e - 1))


def diagonal_problem(sums: ModelSums, H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``G ∘ HHᵀ`` (k, k) and ``P ∘ Hᵀ`` summed over columns (k,): the Gram matrix and right-hand side of d."""

    def of_block(columns: slice, room: Room) -> tuple[np.ndarray, np.ndarray]:
        wide = room.array("wide", H[:, columns].shape)
        wide[:] = H[:, columns]
        return wide @ wide.T, np.einsum("ij,ji->j", sums.P[columns], wide)

    grams, sides = zip(*over_columns(of_block, *H.shape), strict=True)
    return sums.G * sum_of(list(grams)), sum_of(list(sides))
