"""The small problem in memory: from the sums of a pass to the next H, the objective and its gradient."""

from dataclasses import dataclass

import numpy as np

from dnmf.fitting.balance import sizes_of
from dnmf.fitting.terms import terms_of
from dnmf.kernels.nnls import solve_rows
from dnmf.kernels.padding import aligned_zeros, padded
from dnmf.passes.problem import Terms, unit_diagonal
from dnmf.passes.statistics import ModelSums
from dnmf.penalty import Penalty

UPDATE_TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
UPDATE_SWEEPS = 2000


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
    """

    loss: float
    objective: float
    gradient: float
    alive: int


def _safe(scale: np.ndarray) -> np.ndarray:
    return np.where(scale > 0, scale, 1.0)


def normalize_rows(H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `H` with rows that sum to one (or zero), and the sums it was divided by."""
    sums = H.sum(axis=1, dtype=np.float64)
    return H / _safe(sums).astype(H.dtype)[:, None], sums


def measure(
    sums: ModelSums, H: np.ndarray, squares: float, penalty: Penalty, residual: float | None = None
) -> Measured:
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
    """
    HT = np.ascontiguousarray(H.T, dtype=np.float64)  # as P lies: products of the two then run over memory in order
    slope = HT @ sums.G
    loss = max(0.0, 0.5 * squares - float(np.vdot(sums.P, HT)) + 0.5 * float(np.vdot(slope, HT)))
    loss = loss if residual is None else 0.5 * residual
    slope -= sums.P
    objective = loss
    if penalty.in_objective:
        l1_h, l2_h = penalty.on_H
        objective += sizes_of(penalty, sums, H).total
        slope += l1_h + l2_h * HT
    elif fits_diagonal(penalty):
        loss = objective = max(0.0, loss - fit_diagonal(sums, H)[1])
    slope[(HT == 0) & (slope > 0)] = 0
    size = float(np.linalg.norm(sums.P))
    alive = int(np.count_nonzero((sums.s > 0) & H.any(axis=1)))
    return Measured(loss, objective, float(np.linalg.norm(slope)) / size if size else 0.0, alive)


def fits_diagonal(penalty: Penalty) -> bool:
    """Whether the diagonal of the model is fitted on its own: a relative penalty shrinks it out of all meaning."""
    return penalty.scale == "relative" and penalty.is_rule


def fit_diagonal(sums: ModelSums, H: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the e >= 0 (k,) for which ``½‖A − W diag(e) H‖²`` is least, and by how much that is below e = 1.

    The solver begins at the best multiple of e = 1, so that components that are all alike share the weight as they
    did.
    """
    Q, b = _diagonal_problem(sums, H)
    size = float(Q.sum())
    unit_Q, unit = unit_diagonal(Q.copy())
    start = np.where(unit > 0, max(0.0, float(b.sum())) / size if size > 0 else 0.0, 0.0)
    weights, _, _ = solve_rows(
        unit_Q, (b * unit)[None, :], (start / _safe(unit))[None, :], UPDATE_TOLERANCE["float64"], UPDATE_SWEEPS
    )
    e = weights[0] * unit
    return e, gain_of_diagonal(sums, H, e)


def gain_of_diagonal(sums: ModelSums, H: np.ndarray, e: np.ndarray) -> float:
    """Return by how much ``½‖A − W diag(e) H‖²`` is below that of e = 1."""
    Q, b = _diagonal_problem(sums, H)
    return float((b - 0.5 * Q @ (1 + e)) @ (e - 1))


def _diagonal_problem(sums: ModelSums, H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``G ∘ HHᵀ`` and ``P ∘ Hᵀ`` summed over columns: the Gram matrix and right-hand side of d."""
    wide = H.astype(np.float64)
    return sums.G * (wide @ wide.T), np.einsum("ij,ji->j", sums.P, wide)


def column_scale(sums: ModelSums, penalty: Penalty) -> np.ndarray:
    """Return what the columns of W are divided by before H is solved for (k,): ones where scale is not free."""
    return _safe(sums.s) if penalty.diagonal and not penalty.in_objective else np.ones(len(sums.s))


def terms_for_H(sums: ModelSums, penalty: Penalty, scale: np.ndarray) -> Terms:
    """Return the terms of the update of H for a W whose columns are divided by `scale` (k,)."""
    peak = float((sums.P.max(axis=0, initial=0) / scale).max(initial=0))
    return terms_of(penalty, "H", np.diag(sums.G) / scale**2, peak)


def solve_H(sums: ModelSums, H: np.ndarray, penalty: Penalty, *, scaled: bool = True,
            tolerance: float | None = None) -> np.ndarray:  # fmt: skip
    """Return the H (k, n) for the W behind `sums`: exact non-negative least squares, columns independent.

    Where the scale of the factors is no part of the problem the columns of W are first brought to sum one (``D``
    from `s`: ``G → D⁻¹GD⁻¹``, ``P → D⁻¹P``): the diagonal, applied once per pass, touches no panel.

    Parameters
    ----------
    sums : ModelSums
        Of a whole pass.
    H : ndarray (k, n)
        Where the solver starts; its dtype is that of the result.
    penalty : Penalty
        What acts on H.
    scaled : bool
        False leaves the columns of W as they came: for a W given by the caller, as RcppML does.
    tolerance : float, optional
        Of the solver; by default that of the dtype.
    """
    scale = column_scale(sums, penalty) if scaled else np.ones(len(sums.s))
    terms = terms_for_H(sums, penalty, scale)
    if terms.kills:
        return np.zeros_like(H)
    Q, unit = unit_diagonal(terms.edit_gram(sums.G / (scale[:, None] * scale)))
    B = _scaled(sums.P, unit / scale, H.dtype)
    if terms.l1:
        B[:, : len(H)] -= (terms.l1 * unit).astype(H.dtype)
    start = _scaled(H.T, scale / np.where(unit > 0, unit, 1.0), H.dtype)
    tolerance = UPDATE_TOLERANCE[str(H.dtype)] if tolerance is None else tolerance
    X, _, _ = solve_rows(Q.astype(H.dtype), B, start, tolerance, UPDATE_SWEEPS)
    updated = np.empty_like(H)
    np.multiply(X[:, : len(H)].T, unit.astype(H.dtype)[:, None], out=updated)
    return updated


def update_H(sums: ModelSums, H: np.ndarray, penalty: Penalty, *, scaled: bool = True,
             tolerance: float | None = None) -> np.ndarray:  # fmt: skip
    """Return the next H (k, n): that of :func:`solve_H`, its rows brought to sum one where scale is free."""
    updated = solve_H(sums, H, penalty, scaled=scaled, tolerance=tolerance)
    return normalize_rows(updated)[0] if penalty.diagonal and not penalty.in_objective else updated


def _scaled(rows: np.ndarray, factors: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return ``rows * factors``, computed in float64, with padding for the solver."""
    wide = aligned_zeros((len(rows), padded(len(factors))), dtype)
    np.multiply(rows, factors, out=wide[:, : len(factors)], casting="same_kind")
    return wide
