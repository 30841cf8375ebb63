"""How the scale of each component is shared between W and H so that a penalty in the objective is least.

``W diag(t)`` and ``diag(1/t) H`` have the same product for every t; the penalty of component q is then
``Σ_p w_qp t^p + h_qp t^−p`` over the degrees p of its terms (L1: 1, L2: 2), convex in log t (Cohen & Leplat 2025,
"Efficient algorithms for regularized nonnegative scale-invariant low-rank approximation models").
"""

from typing import NamedTuple

import numpy as np

from dnmf.passes.statistics import ModelSums
from dnmf.penalty import Penalty

MOST_TURNS = 100
ROUNDING = 1e-15


class Sizes(NamedTuple):
    """What each component adds to the penalty, by factor and degree: four arrays (k,)."""

    W1: np.ndarray
    W2: np.ndarray
    H1: np.ndarray
    H2: np.ndarray

    @property
    def total(self) -> float:
        """The penalty."""
        return float(sum(part.sum() for part in self))

    @property
    def of_component(self) -> np.ndarray:
        """The penalty of each component (k,)."""
        return self.W1 + self.W2 + self.H1 + self.H2

    def scaled(self, of_W: np.ndarray | float, of_H: np.ndarray | float) -> "Sizes":
        """The sizes of ``W diag(of_W)`` and ``diag(of_H) H``."""
        return Sizes(self.W1 * of_W, self.W2 * of_W**2, self.H1 * of_H, self.H2 * of_H**2)


def sizes_of(penalty: Penalty, sums: ModelSums, H: np.ndarray) -> Sizes:
    """Return the terms of the penalty for the W behind `sums` and for `H` (k, n)."""
    (l1_w, l2_w), (l1_h, l2_h) = penalty.on_W, penalty.on_H
    wide = H.astype(np.float64)
    squares = np.einsum("ij,ij->i", wide, wide)
    return Sizes(l1_w * sums.s, 0.5 * l2_w * np.diag(sums.G), l1_h * wide.sum(axis=1), 0.5 * l2_h * squares)


def balance(sizes: Sizes) -> np.ndarray:
    """Return the t (k,) for which the penalty of ``W diag(t)`` and ``diag(1/t) H`` is least.

    At it the terms of both factors, each times its degree, are equal: ``t² = h₁/w₁`` for L1 on both sides,
    ``t⁴ = h₂/w₂`` for L2 on both, ``t³ = 2 h₂/w₁`` for L1 on W and L2 on H; with L1 and L2 together it is the
    positive root of ``2 w₂ t⁴ + w₁ t³ − h₁ t − 2 h₂``. A component that has a zero factor, or a penalty on one factor
    alone (which has no best scale), keeps its scale: t = 1.
    """
    with np.errstate(divide="ignore"):
        W1, W2, H1, H2 = (np.log(part) for part in sizes)
    W2, H2 = W2 + np.log(2), H2 + np.log(2)
    u, free = np.zeros(len(W1)), np.isfinite(np.logaddexp(W1, W2)) & np.isfinite(np.logaddexp(H1, H2))
    W1, W2, H1, H2 = (part[free] for part in (W1, W2, H1, H2))
    u[free] = _root(W1, W2, H1, H2)
    return np.exp(u)


def _root(W1: np.ndarray, W2: np.ndarray, H1: np.ndarray, H2: np.ndarray) -> np.ndarray:
    """Return the log t at which ``W1 t + W2 t²`` and ``H1 / t + H2 / t²``, given by their logs, are equal.

    The difference of the logs of both rises with log t by 2 to 4: Newton's method cannot get lost.
    """
    u = np.zeros(len(W1))
    for _ in range(MOST_TURNS):
        of_W, of_H = np.logaddexp(W1 + u, W2 + 2 * u), np.logaddexp(H1 - u, H2 - 2 * u)
        slope = 2 + np.exp(W2 + 2 * u - of_W) + np.exp(H2 - 2 * u - of_H)
        step = (of_H - of_W) / slope
        u += step
        if np.abs(step).max(initial=0) <= ROUNDING * np.abs(u).max(initial=1):
            break
    return u


def common_scale(cross: float, gram: float, sizes: Sizes) -> float:
    """Return the x > 0 for which the objective of ``(x W, x H)`` has a local minimum, 1 where it has none.

    The objective is ``½ x⁴ gram − x² cross + x c₁ + x² c₂`` up to a constant, with c the terms of degree 1 and 2.

    Parameters
    ----------
    cross : float
        ``⟨A, WH⟩``.
    gram : float
        ``‖WH‖²``.
    sizes : Sizes
        The terms of the penalty.
    """
    linear, quadratic = float(sizes.W1.sum() + sizes.H1.sum()), float(sizes.W2.sum() + sizes.H2.sum())
    if not gram > 0:
        return 1.0
    roots = np.roots([2 * gram, 0.0, 2 * (quadratic - cross), linear])
    real = roots[np.abs(roots.imag) <= 1e-9 * np.abs(roots)].real
    return float(real.max()) if real.max(initial=0) > 0 else 1.0


def balances(penalty: Penalty) -> bool:
    """Whether the scale between W and H is for us to choose, and a part of the problem."""
    return penalty.in_objective and penalty.diagonal


def start_scale(penalty: Penalty, sums: ModelSums, H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return by what the columns of W and the rows of `H` (k,) are to be multiplied before the first pass.

    Balance, then one scale for all factors, then balance again: without the second step a start that is too large
    or too small is cut to zero by the first pass before any balance can save it.

    Parameters
    ----------
    penalty : Penalty
        Of an objective. Where it is on one factor or none, the norms of both are made equal.
    sums : ModelSums
        For the W that belongs to `H` without a penalty.
    H : ndarray (k, n)
        The start.
    """
    if penalty.one_sided or not penalty.active:
        t = balance(sizes_of(Penalty(l2=1.0, scale="objective"), sums, H))
        return t, 1 / t
    sizes = sizes_of(penalty, sums, H)
    t = balance(sizes)
    wide = H.astype(np.float64)
    gram = float(np.vdot(sums.G, wide @ wide.T))
    x = common_scale(float(np.vdot(sums.P, wide.T)), gram, sizes.scaled(t, 1 / t))
    t = t * balance(sizes.scaled(x * t, x / t))
    return x * t, x / t
