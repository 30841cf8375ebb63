"""Penalties and bounds that are a part of the objective, and with them the scale between the factors."""

from dataclasses import replace

import numpy as np

from dnmf.constraints import Limits, without_bounds
from dnmf.kernels.bounds import keep_below
from dnmf.passes.statistics import ModelSums
from dnmf.penalty import Penalty
from dnmf.schemes.balance import balance, balances, on_scale, sizes_of, start_scale
from dnmf.schemes.least_squares import LeastSquares
from dnmf.schemes.scheme import Factors, SolvedColumns


class PenalizedLeastSquares(LeastSquares):
    """``½‖A − WH‖²`` plus L1, L2 and others on the factors, which may have bounds."""

    @property
    def free_scale(self) -> bool:
        """The scale is a part of the problem."""
        return False

    @property
    def balances(self) -> bool:
        """Whether the scale between W and H is for us to choose, and a part of the problem."""
        return balances(self.penalty)

    @property
    def target_is_shape(self) -> bool:
        """A target is met in size too."""
        return False

    @property
    def prunes(self) -> bool:
        """Where something is penalized, and nobody has given or pulled to a component: who does wants it."""
        given = any(self.limits.held) or self.penalty.target
        return self.penalty.active and not given

    @property
    def needs_rows(self) -> bool:
        """For the scale."""
        return self.balances or self.penalty.scale == "fraction" or self.limits.bounded

    def solve(
        self, sums: ModelSums, H: np.ndarray, tolerance: float | None = None, *, scaled: bool = True
    ) -> SolvedColumns:
        """Return the H (k, n) for the W behind `sums`, given columns of it on the scale that is best for them."""
        if not self.limits.held[0]:
            return super().solve(sums, H, tolerance, scaled=scaled)
        t, _, there, near, free = on_scale(self.penalty, sums, H, self.limits, self.guides)
        found = replace(self, limits=free).solve(there, near, tolerance, scaled=scaled)
        return found._replace(H=keep_below((found.H * t[:, None]).astype(H.dtype), self.limits.upper[1]))

    def _with_side_terms(
        self, sums: ModelSums, H: np.ndarray, HT: np.ndarray, loss: float, slope: np.ndarray
    ) -> tuple[float, float]:
        del H
        t, over_t, there, near, _ = on_scale(self.penalty, sums, HT.T, self.limits, self.guides)
        value, of_H = self._penalty_and_slope(there, near.T)
        slope += of_H * over_t
        slope[:, t == 0] = 0
        return loss, loss + value

    def _penalty_and_slope(self, sums: ModelSums, HT: np.ndarray) -> tuple[float, np.ndarray]:
        """The value of the penalty, and its gradient in Hᵀ (n, k)."""
        penalty, guides = self.penalty, self.guides
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

    def scale(self, after: np.ndarray, before: np.ndarray, sums: ModelSums) -> tuple[np.ndarray, np.ndarray]:
        """Return the update of H and the one before it on the scale of least penalty.

        This removes the scaling swamp, in which alternating updates move weight between the factors in ever smaller
        steps. Where a factor has a bound, it may shrink but not grow.
        """
        if not self.balances:
            return after, before
        t = balance(sizes_of(self.penalty, sums, after, self.guides))
        t[: self.limits.held[0]] = 1.0
        of_W, of_H = self.limits.upper
        t = t if of_W == np.inf else np.minimum(t, 1.0)
        t = t if of_H == np.inf else np.maximum(t, after.max(axis=1, initial=0) / of_H)
        scale = (1 / t)[:, None]
        return keep_below((after * scale).astype(after.dtype), of_H), (before * scale).astype(after.dtype)

    def worth(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """Return by how much the objective rises when a component (k,) is set to zero and the others stay.

        With size ``s = ‖w‖‖h‖`` and a, its projection on the residual without it, that is ``a s − ½ s² − penalty``, the
        penalty at its best scale. At a stationary point it is negative exactly where ``s/a < 2(1 − δ)/(2 − δ)``, with
        ``δ = 1 / Σ 1/p`` over the degrees p: 2/3 for L1 on both factors, 1/2 for L1 on one and L2 on the other, and
        never for L2 on both. Infinite for a component that is zero already.
        """
        wide = H.astype(np.float64)
        overlaps = sums.G * (wide @ wide.T)
        sizes = sizes_of(self.penalty, sums, H, self.guides)
        t = balance(sizes)
        value = np.einsum("ij,ji->j", sums.P, wide) - overlaps.sum(axis=1) + 0.5 * np.diag(overlaps)
        return np.where(np.diag(overlaps) > 0, value - sizes.scaled(t, 1 / t).of_component, np.inf)

    def _seen_from_H(self, factors: Factors, sums: ModelSums, H: np.ndarray) -> Factors:
        on = on_scale(self.penalty, sums, H, self.limits, self.guides)
        return super()._seen_from_H(factors, on.sums, on.H)

    def half_step(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """H itself: an objective fixes the scale of its factors."""
        del sums
        return H

    def settle(self, sums: ModelSums, H: np.ndarray, rows: int, all_rows: int) -> tuple[np.ndarray, float]:
        """Return the start on the scale that is best for it, which decides what survives a penalty."""
        of_H = np.ones(len(H))
        if self.balances:
            of_H = start_scale(self.penalty, sums.times(all_rows / rows), H, self.guides)[1]
        if self.limits.bounded:
            of_H = within_bounds(of_H, sums, H, self.limits, rows)
        of_H[: self.limits.held[0]] = 1.0  # their W is on a scale already
        return keep_below((H * of_H[:, None]).astype(H.dtype), self.limits.upper[1]), 0.0

    def start_for(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """The update for the W as it was given, brought to the scale that is best for both."""
        if self.balances:
            free = PenalizedLeastSquares(Penalty(scale="objective"), without_bounds(self.limits))
            H = free.update(sums, H).H
            of_W, of_H = start_scale(self.penalty, sums, H, self.guides)
            of_W[: self.limits.held[0]] = of_H[: self.limits.held[0]] = 1.0
            sums, H = sums.scaled(of_W), (H * of_H[:, None]).astype(H.dtype)
        return self.update(sums, H).H


def within_bounds(of_H: np.ndarray, sums: ModelSums, H: np.ndarray, limits: Limits, n_rows: int) -> np.ndarray:
    """Return the scale of H at which an entry of W, in the root mean square, is at most half its bound.

    Without a bound on W, the scale at which H is within its own.
    """
    of_W, most = limits.upper
    if of_W < np.inf:
        return np.maximum(of_H, 2 / of_W * np.sqrt(np.diag(sums.G) / n_rows))
    largest = H.max(axis=1, initial=0)
    return np.minimum(of_H, most / np.where(largest > 0, largest, 1.0))
