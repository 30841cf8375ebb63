"""The small problem in memory: from the sums of a pass to the next H, the objective and its gradient."""

from dataclasses import dataclass

import numpy as np

from dnmf.kernels.nnls import solve_rows
from dnmf.kernels.padding import aligned_zeros, padded
from dnmf.options import Penalty
from dnmf.passes.problem import add_to_diagonal, unit_diagonal
from dnmf.passes.statistics import ModelSums

UPDATE_TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
UPDATE_SWEEPS = 2000


@dataclass(frozen=True)
class Measured:
    """What the sums of a pass say of its (W, H).

    Attributes
    ----------
    loss : float
        ``½‖A − WH‖²``.
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
    if penalty.scale == "objective":
        (l1_w, l2_w), (l1_h, l2_h) = penalty.on_W, penalty.on_H
        objective += l1_w * float(sums.s.sum()) + 0.5 * l2_w * float(np.trace(sums.G))
        objective += l1_h * float(HT.sum()) + 0.5 * l2_h * float(np.vdot(HT, HT))
        slope += l1_h + l2_h * HT
    slope[(HT == 0) & (slope > 0)] = 0
    size = float(np.linalg.norm(sums.P))
    alive = int(np.count_nonzero((sums.s > 0) & H.any(axis=1)))
    return Measured(loss, objective, float(np.linalg.norm(slope)) / size if size else 0.0, alive)


def update_H(sums: ModelSums, H: np.ndarray, penalty: Penalty, *, scaled: bool = True,
             tolerance: float | None = None) -> np.ndarray:  # fmt: skip
    """Return the next H (k, n) for the W behind `sums`: exact non-negative least squares, columns independent.

    Without a penalty in the objective the columns of W are first brought to sum one (``D`` from `s`:
    ``G → D⁻¹GD⁻¹``, ``P → D⁻¹P``), the penalty of scale ``"absolute"`` acts on that problem, and the rows of the
    result are brought to sum one: the diagonal, applied once per pass, touches no panel. With
    ``scale="objective"`` the scale of the factors is part of the problem and is left alone.

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
    l1, l2 = penalty.on_H
    in_objective = penalty.scale == "objective"
    scale = np.ones(len(sums.s)) if in_objective or not scaled else _safe(sums.s)
    Q, unit = unit_diagonal(add_to_diagonal(sums.G / (scale[:, None] * scale), l2))
    B = _scaled(sums.P, unit / scale, H.dtype)
    if l1:
        B[:, : len(H)] -= (l1 * unit).astype(H.dtype)
    start = _scaled(H.T, scale / np.where(unit > 0, unit, 1.0), H.dtype)
    tolerance = UPDATE_TOLERANCE[str(H.dtype)] if tolerance is None else tolerance
    X, _, _ = solve_rows(Q.astype(H.dtype), B, start, tolerance, UPDATE_SWEEPS)
    updated = np.empty_like(H)
    np.multiply(X[:, : len(H)].T, unit.astype(H.dtype)[:, None], out=updated)
    return updated if in_objective else normalize_rows(updated)[0]


def _scaled(rows: np.ndarray, factors: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return ``rows * factors``, computed in float64, with padding for the solver."""
    wide = aligned_zeros((len(rows), padded(len(factors))), dtype)
    np.multiply(rows, factors, out=wide[:, : len(factors)], casting="same_kind")
    return wide
