"""How the scale of each component is shared between W and H so that a penalty in the objective is least.

``W diag(t)`` and ``diag(1/t) H`` have the same product for every t; the penalty of component q is then
``Σ_p w_qp t^p + h_qp t^−p`` over the degrees p of its terms (L1: 1, L2: 2), convex in log t (Cohen & Leplat 2025,
"Efficient algorithms for regularized nonnegative scale-invariant low-rank approximation models").
"""

from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from dnmf.constraints import NO_GUIDES, Guides, Limits
from dnmf.errors import InputError
from dnmf.passes.over_columns import Room, cross_of, gram_of, over_columns, sum_of
from dnmf.passes.statistics import ModelSums
from dnmf.penalty import Penalty

MOST_TURNS = 100
SWEEPS, CLOSE = 20, 1e-9  # over components that share rows or columns
ROUNDING = 1e-15
GONE = 1e-20  # of the sum of H, a row is nothing


class Sizes(NamedTuple):
    """What each component adds to the penalty, by factor and degree.

    Attributes
    ----------
    W1, W2, H1, H2 : ndarray (k,)
        Of W and of H, of degree 1 and 2 in their scale.
    W_pairs, H_pairs : ndarray (k, k) or None
        What two components add together, with a zero diagonal; each pair is there twice.
    """

    W1: np.ndarray
    W2: np.ndarray
    H1: np.ndarray
    H2: np.ndarray
    W_pairs: np.ndarray | None = None
    H_pairs: np.ndarray | None = None

    @property
    def total(self) -> float:
        """The penalty."""
        of_pairs = sum(0.5 * pairs.sum() for pairs in (self.W_pairs, self.H_pairs) if pairs is not None)
        return float(self.W1.sum() + self.W2.sum() + self.H1.sum() + self.H2.sum() + of_pairs)

    @property
    def of_component(self) -> np.ndarray:
        """By how much the penalty is less without a component (k,)."""
        of_pairs = sum(pairs.sum(axis=1) for pairs in (self.W_pairs, self.H_pairs) if pairs is not None)
        return self.W1 + self.W2 + self.H1 + self.H2 + of_pairs

    def scaled(self, of_W: np.ndarray | float, of_H: np.ndarray | float) -> "Sizes":
        """The sizes of ``W diag(of_W)`` and ``diag(of_H) H``."""
        W_pairs = None if self.W_pairs is None else self.W_pairs * np.multiply.outer(of_W, of_W)
        H_pairs = None if self.H_pairs is None else self.H_pairs * np.multiply.outer(of_H, of_H)
        return Sizes(self.W1 * of_W, self.W2 * of_W**2, self.H1 * of_H, self.H2 * of_H**2, W_pairs, H_pairs)


class SumsOfW(Protocol):
    """What the penalty of W is made of, whatever else a pass has folded: ``WᵀW`` and the column sums of W."""

    G: np.ndarray
    s: np.ndarray


def sizes_of(penalty: Penalty, sums: SumsOfW, H: np.ndarray, guides: Guides = NO_GUIDES) -> Sizes:
    """Return the terms of the penalty for the W behind `sums` and for `H` (k, n), but for the pull to a target.

    ``½ angular Σ_i (Σ_q x_iq)²`` is ``½ angular ‖x_q‖²`` for each component and ``angular ⟨x_p, x_q⟩`` for each pair.
    """
    (l1_w, l2_w), (l1_h, l2_h) = penalty.on_W, penalty.on_H
    angular_w, angular_h = penalty.angular
    sizes, squares, gram = _sums_of_rows(H, pairs=angular_h > 0)
    found = Sizes(
        l1_w * sums.s, 0.5 * (l2_w + angular_w) * np.diag(sums.G), l1_h * sizes, 0.5 * (l2_h + angular_h) * squares
    )
    if penalty.smooth:
        wide = H.astype(np.float64)
        roughness = np.einsum("ij,ij->i", wide, (guides.laplacian @ wide.T).T)
        found = found._replace(H2=found.H2 + 0.5 * penalty.smooth * roughness)
    if angular_w:
        found = found._replace(W_pairs=angular_w * (sums.G - np.diag(np.diag(sums.G))))
    if angular_h:
        found = found._replace(H_pairs=angular_h * (gram - np.diag(squares)))
    return found


def _sums_of_rows(H: np.ndarray, *, pairs: bool) -> tuple[np.ndarray, ...]:
    """The sums of the absolute values of rows of H (k,), their squares (k,), and products of `pairs` of them (k, k)."""

    def of_block(columns: slice, room: Room) -> tuple[np.ndarray, ...]:
        wide = room.array("wide", H[:, columns].shape)
        wide[:] = H[:, columns]
        squares, gram = np.einsum("ij,ij->i", wide, wide), wide @ wide.T if pairs else np.zeros((0, 0))
        return np.abs(wide, out=wide).sum(axis=1), squares, gram

    return tuple(sum_of(list(parts)) for parts in zip(*over_columns(of_block, *H.shape), strict=True))


def balance(sizes: Sizes, first: int | None = None) -> np.ndarray:
    """Return the t (k,) for which the penalty of ``W diag(t)`` and ``diag(1/t) H`` is least.

    At it the terms of both factors, each times its degree, are equal: ``t² = h₁/w₁`` for L1 on both sides,
    ``t⁴ = h₂/w₂`` for L2 on both, ``t³ = 2 h₂/w₁`` for L1 on W and L2 on H; with L1 and L2 together it is the
    positive root of ``2 w₂ t⁴ + w₁ t³ − h₁ t − 2 h₂``. A component that has a zero factor, or a penalty on one factor
    alone (which has no best scale), keeps its scale: t = 1. Pairs of components are balanced one after the other.
    Only the `first` components are, where that is given.
    """
    t = np.ones(len(sizes.W1))
    if sizes.W_pairs is None and sizes.H_pairs is None:
        t[:first] = _balance_each(*(part[:first] for part in (sizes.W1, sizes.W2, sizes.H1, sizes.H2)))
        return t
    for _ in range(SWEEPS):
        before = t.copy()
        for q in range(len(t))[:first]:
            of_W = 0.0 if sizes.W_pairs is None else sizes.W_pairs[q] @ t
            of_H = 0.0 if sizes.H_pairs is None else sizes.H_pairs[q] @ (1 / t)
            one = slice(q, q + 1)
            t[q] = _balance_each(sizes.W1[one] + of_W, sizes.W2[one], sizes.H1[one] + of_H, sizes.H2[one])[0]
        if np.abs(np.log(t / before)).max() <= CLOSE:
            break
    return t


def _balance_each(*sizes: np.ndarray) -> np.ndarray:
    """The same for components that share nothing; one whose pairs come to less than zero keeps its scale."""
    with np.errstate(divide="ignore", invalid="ignore"):
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


def least_penalty(penalty: Penalty, d: np.ndarray, of_W: np.ndarray, of_H: np.ndarray) -> np.ndarray:
    """Return what each term ``d w h`` (k,), whose factors sum to one, adds to a penalty on its best scale.

    Parameters
    ----------
    penalty : Penalty
        Of an objective, with L1 and L2 alone.
    d : ndarray (k,)
        The weights.
    of_W, of_H : ndarray (k,)
        ``‖w‖²`` and ``‖h‖²``.

    Raises
    ------
    InputError
        The penalty is another one.
    """
    if not penalty.in_objective or any(penalty.angular) or penalty.smooth or penalty.target:
        raise InputError(f"the penalty of this model ({penalty}) is not one of L1 and L2 in an objective")
    (l1_w, l2_w), (l1_h, l2_h) = penalty.on_W, penalty.on_H
    sizes = Sizes(l1_w * np.ones(len(d)) * (d > 0), 0.5 * l2_w * of_W, l1_h * d, 0.5 * l2_h * d**2 * of_H)
    t = balance(sizes)
    return sizes.scaled(t, 1 / t).of_component


class OnScale(NamedTuple):
    """What a penalty sees where columns of W are given.

    Attributes
    ----------
    t : ndarray (k,)
        The columns of W are multiplied by it and the rows of H divided; zero for a given one that H has nothing of.
    over_t : ndarray (k,)
        Its inverse, where there is one, and zero.
    sums : ModelSums
        Of the W on this scale.
    H : ndarray (k, n)
        On this scale.
    limits : Limits
        Without the given columns, which are as all others now.
    """

    t: np.ndarray
    over_t: np.ndarray
    sums: ModelSums
    H: np.ndarray
    limits: Limits


def scale_of_given(
    penalty: Penalty, sums: SumsOfW, H: np.ndarray, limits: Limits, guides: Guides = NO_GUIDES
) -> tuple[np.ndarray, np.ndarray]:
    """Return by what given columns of W, and their rows of H, are multiplied where they are penalized (k,), else one.

    A pass takes these columns as they are, and H carries their scale; a component counts at the scale at which it is
    penalized least. What it adds to a penalty of both factors goes to zero with its H: one that has come there costs
    nothing and stays, both are zero.
    """
    t, held = np.ones(len(H)), limits.held[0]
    if held and balances(penalty) and penalty.acts_on("W") and penalty.acts_on("H"):
        t = balance(sizes_of(penalty, sums, H, guides), held)
        sizes = np.abs(H).sum(axis=1, dtype=np.float64)
        t[:held][sizes[:held] <= GONE * sizes.sum()] = 0.0
    return t, np.divide(1.0, t, out=np.zeros(len(t)), where=t > 0)


def on_scale(penalty: Penalty, sums: ModelSums, H: np.ndarray, limits: Limits, guides: Guides = NO_GUIDES) -> OnScale:
    """Return both factors with given columns of W on the scale at which their components are penalized least."""
    t, over_t = scale_of_given(penalty, sums, H, limits, guides)
    if not limits.held[0]:
        return OnScale(t, t, sums, H, limits)
    there = replace(limits, held=(0, limits.held[1]))
    return OnScale(t, over_t, sums.scaled(t), (H * over_t[:, None]).astype(H.dtype), there)


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
    linear = float(sizes.W1.sum() + sizes.H1.sum())
    quadratic = sizes.total - linear
    if not gram > 0:
        return 1.0
    roots = np.roots([2 * gram, 0.0, 2 * (quadratic - cross), linear])
    real = roots[np.abs(roots.imag) <= 1e-9 * np.abs(roots)].real
    return float(real.max()) if real.max(initial=0) > 0 else 1.0


def balances(penalty: Penalty) -> bool:
    """Whether the scale between W and H is for us to choose, and a part of the problem."""
    return penalty.in_objective and penalty.diagonal and not penalty.target


def start_scale(
    penalty: Penalty, sums: ModelSums, H: np.ndarray, guides: Guides = NO_GUIDES
) -> tuple[np.ndarray, np.ndarray]:
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
    guides : Guides
        With the graph that H is to follow.
    """
    if penalty.one_sided or not penalty.active:
        t = balance(sizes_of(Penalty(l2=1.0, scale="objective"), sums, H))
        return t, 1 / t
    sizes = sizes_of(penalty, sums, H, guides)
    t = balance(sizes)
    gram = float(np.vdot(sums.G, gram_of(H)))
    x = common_scale(cross_of(sums.P, H), gram, sizes.scaled(t, 1 / t))
    t = t * balance(sizes.scaled(x * t, x / t))
    return x * t, x / t
