"""The small problem in memory: from the sums of a pass to the next H, the objective and its gradient."""

from dataclasses import dataclass

import numpy as np

from dnmf.constraints import NO_GUIDES, NO_LIMITS, Guides, Limits
from dnmf.fitting.balance import balances, on_scale, sizes_of
from dnmf.fitting.columns import SolvedColumns, solve_H
from dnmf.fitting.diagonal import fit_diagonal, fits_diagonal
from dnmf.kernels.bounds import pinned
from dnmf.options import FitOptions
from dnmf.passes.statistics import ModelSums
from dnmf.penalty import Penalty


@dataclass(frozen=True)
class Measured:
    """What the sums of a pass say of its (W, H).

    Attributes
    ----------
    loss : float
        ``½‖A − WH‖²``, with the diagonal of the model where that is fitted on its own (scale ``"relative"``).
    objective : float
        The loss plus the penalties, where they are part of an objective.
    gradient : float
        Norm of the projected gradient in H over the norm of ``WᵀA``.
    alive : int
        Components with a non-zero column of W and row of H.
    below : float
        By how much of ``½‖A‖²`` the sums put the loss below zero: what their rounding, or other data, made of it.
    """

    loss: float
    objective: float
    gradient: float
    alive: int
    below: float = 0.0


def normalize_rows(H: np.ndarray, held: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return `H` with rows whose absolute values sum to one (or zero), and the sums it was divided by.

    The first rows stay as they are where the columns of W that belong to them are `held`: they carry the scale.
    """
    sums = np.abs(H).sum(axis=1, dtype=np.float64)
    sums[:held] = 1.0
    return H / np.where(sums > 0, sums, 1.0).astype(H.dtype)[:, None], sums


def without_dead(H: np.ndarray, sums: ModelSums, options: FitOptions) -> np.ndarray:
    """Return H with zeros for the components that are dead in W, unless they are given or pulled to a target."""
    if options.penalty.target:
        return H
    kept = (sums.s > 0) | (np.arange(len(H)) < options.limits.held[1])
    return H if kept.all() else np.where(kept[:, None], H, 0).astype(H.dtype)


def without_unused(sums: ModelSums, H: np.ndarray, limits: Limits) -> tuple[ModelSums, np.ndarray]:
    """Return both without the given components that no row or no column has: at a scale of zero they cost nothing."""
    unused = (np.arange(len(H)) < max(limits.held)) & ~((sums.s > 0) & H.any(axis=1))
    if not unused.any():
        return sums, H
    return sums.scaled((~unused).astype(np.float64)), np.where(unused[:, None], 0, H).astype(H.dtype)


def measure(
    sums: ModelSums, H: np.ndarray, squares: float, penalty: Penalty, residual: float | None = None, *,
    limits: Limits = NO_LIMITS, guides: Guides = NO_GUIDES,
) -> Measured:  # fmt: skip
    """Return loss, objective and projected gradient of (W, H) from the sums alone, in float64.

    ``½‖A‖² − ⟨P, H⟩ + ½⟨G, HHᵀ⟩`` is exact up to the rounding of its terms, about 1e-8 of ``½‖A‖²`` when the
    products of a dense matrix were formed in float32 (those of a sparse one are float64). The last pass over a
    dense matrix therefore brings the residual itself.

    Parameters
    ----------
    sums : ModelSums
        Of a whole pass.
    H : ndarray (k, n)
        The factor the pass was made with.
    squares : float
        ``‖A‖²``.
    penalty : Penalty
        Only ``scale="objective"`` is part of the objective.
    residual : float, optional
        ``‖A − WH‖²``, where the pass computed it.
    limits, guides
        Of the factors.
    """
    HT = np.ascontiguousarray(H.T, dtype=np.float64)  # as P lies: products of the two then run over memory in order
    slope = HT @ sums.G
    summed = 0.5 * squares - float(np.vdot(sums.P, HT)) + 0.5 * float(np.vdot(slope, HT))
    below = max(0.0, -summed) / (0.5 * squares) if squares > 0 else 0.0
    loss = max(0.0, summed) if residual is None else 0.5 * residual
    slope -= sums.P
    objective = loss
    if penalty.in_objective:
        t, over_t, there, near, _ = on_scale(penalty, sums, HT.T, limits, guides)
        value, of_H = _penalty_and_slope(there, near.T, penalty, guides)
        objective += value
        slope += of_H * over_t
        slope[:, t == 0] = 0
    elif fits_diagonal(penalty):
        loss = objective = max(0.0, loss - fit_diagonal(sums, H)[1])
    given = slice(0, limits.held[1])
    slope_of_given = _along_rows(HT[:, given], slope[:, given]) * ((sums.s[given] > 0) & balances(penalty))
    slope[_held_in_place(HT, slope, limits, H.dtype)] = 0
    slope[:, given] = slope_of_given
    size = float(np.linalg.norm(sums.P))
    alive = int(np.count_nonzero((sums.s > 0) & H.any(axis=1)))
    return Measured(loss, objective, float(np.linalg.norm(slope)) / size if size else 0.0, alive, below)


def _penalty_and_slope(sums: ModelSums, HT: np.ndarray, penalty: Penalty, guides: Guides) -> tuple[float, np.ndarray]:
    """The value of a penalty in the objective, and its gradient in Hᵀ (n, k)."""
    l1, l2 = penalty.on_H
    value, slope = sizes_of(penalty, sums, HT.T, guides).total, l1 + l2 * HT
    if penalty.angular[1]:
        slope += penalty.angular[1] * HT.sum(axis=1, keepdims=True)
    if penalty.smooth:
        slope += penalty.smooth * (guides.laplacian @ HT)
    if penalty.target and guides.target is not None:
        off = np.where(np.isnan(guides.target), 0.0, HT.T - guides.target).T
        value, slope = value + 0.5 * penalty.target * float(np.vdot(off, off)), slope + penalty.target * off
    return value, slope


def _held_in_place(HT: np.ndarray, slope: np.ndarray, limits: Limits, dtype: np.dtype) -> np.ndarray:
    """Which entries of H (n, k), computed in `dtype`, cannot follow their gradient: at a bound it points beyond."""
    return np.zeros(HT.shape, bool) if limits.is_free("H") else pinned(HT, slope, limits.upper[1], dtype)


def _along_rows(HT: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """The part of a gradient that points along rows of H, here columns: all that a given row can follow."""
    squares = np.einsum("jq,jq->q", HT, HT)
    return HT * (np.einsum("jq,jq->q", HT, slope) / np.where(squares > 0, squares, 1.0))


def update_H(
    sums: ModelSums, H: np.ndarray, penalty: Penalty, *, limits: Limits = NO_LIMITS, guides: Guides = NO_GUIDES,
    scaled: bool = True, tolerance: float | None = None,
) -> SolvedColumns:  # fmt: skip
    """Return the next H (k, n): that of :func:`solve_H`, its rows brought to sum one where scale is free."""
    updated = solve_H(sums, H, penalty, limits=limits, guides=guides, scaled=scaled, tolerance=tolerance)
    if not penalty.diagonal or penalty.in_objective:
        return updated
    return updated._replace(H=normalize_rows(updated.H, limits.held[0])[0])
