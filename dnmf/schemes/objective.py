"""Penalties and bounds that are a part of the objective, and with them the scale between the factors."""

from dataclasses import replace

import numpy as np

from dnmf.constraints import Limits, without_bounds
from dnmf.passes.over_columns import Room, over_columns
from dnmf.passes.statistics import ModelSums
from dnmf.penalty import Penalty
from dnmf.schemes.balance import balance, balances, on_scale, scale_of_given, sizes_of, start_scale
from dnmf.schemes.diagonal import diagonal_problem
from dnmf.schemes.least_squares import LeastSquares
from dnmf.schemes.normalized import scale_rows
from dnmf.schemes.scheme import Factors, SolvedColumns
from dnmf.schemes.slopes import Pull, SideTerms


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
        return found._replace(H=scale_rows(found.H, t, self.limits.upper[1], own=True))

    def _side_terms(self, sums: ModelSums, H: np.ndarray) -> SideTerms:
        penalty, guides = self.penalty, self.guides
        t, over_t = scale_of_given(penalty, sums, H, self.limits, guides)
        value = sizes_of(penalty, sums, H, guides).scaled(t, over_t).total
        if penalty.target and guides.target is not None:
            value += 0.5 * penalty.target * self._off_target(H, over_t)
        return SideTerms(value=value)

    def _pull(self, sums: ModelSums, H: np.ndarray) -> Pull:
        penalty, guides = self.penalty, self.guides
        t, over_t = scale_of_given(penalty, sums, H, self.limits, guides)
        (l1, l2), angular, given = penalty.on_H, penalty.angular[1], bool((t != 1).any())
        rough = penalty.smooth * (guides.laplacian @ H.T.astype(np.float64)) if penalty.smooth else None

        def pull(slope: np.ndarray, HT: np.ndarray, columns: slice) -> None:
            HT = HT * over_t if given else HT
            added = l1 + l2 * HT
            if angular:
                added += angular * HT.sum(axis=1, keepdims=True)
            if rough is not None:
                added += rough[columns] * over_t
            if penalty.target and guides.target is not None:
                added += penalty.target * _off(HT, guides.target[:, columns])
            slope += added * over_t if given else added
            slope[:, t == 0] = 0

        return pull

    def _off_target(self, H: np.ndarray, over_t: np.ndarray) -> float:
        """How far H times `over_t` (k,) is from its target, squared."""

        def of_block(columns: slice, _: Room) -> float:
            off = _off(H[:, columns].T * over_t, self.guides.target[:, columns])  # type: ignore[index]
            return float(np.vdot(off, off))

        return sum(over_columns(of_block, *H.shape))

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
        return scale_rows(after, 1 / t, of_H, own=True), scale_rows(before, 1 / t)

    def worth(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """Return by how much the objective rises when a component (k,) is set to zero and the others stay.

        With size ``s = ‖w‖‖h‖`` and a, its projection on the residual without it, that is ``a s − ½ s² − penalty``, the
        penalty at its best scale. At a stationary point it is negative exactly where ``s/a < 2(1 − δ)/(2 − δ)``, with
        ``δ = 1 / Σ 1/p`` over the degrees p: 2/3 for L1 on both factors, 1/2 for L1 on one and L2 on the other, and
        never for L2 on both. Infinite for a component that is zero already.
        """
        overlaps, crosses = diagonal_problem(sums, H)
        sizes = sizes_of(self.penalty, sums, H, self.guides)
        t = balance(sizes)
        value = crosses - overlaps.sum(axis=1) + 0.5 * np.diag(overlaps)
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
        return scale_rows(H, of_H, self.limits.upper[1]), 0.0

    def start_for(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """The update for the W as it was given, brought to the scale that is best for both."""
        if self.balances:
            free = PenalizedLeastSquares(Penalty(scale="objective"), without_bounds(self.limits))
            H = free.update(sums, H).H
            of_W, of_H = start_scale(self.penalty, sums, H, self.guides)
            of_W[: self.limits.held[0]] = of_H[: self.limits.held[0]] = 1.0
            sums, H = sums.scaled(of_W), scale_rows(H, of_H)
        return self.exactly.update(sums, H).H


def within_bounds(of_H: np.ndarray, sums: ModelSums, H: np.ndarray, limits: Limits, n_rows: int) -> np.ndarray:
    """Return the scale of H at which an entry of W, in the root mean square, is at most half its bound.

    Without a bound on W, the scale at which H is within its own.
    """
    of_W, most = limits.upper
    if of_W < np.inf:
        return np.maximum(of_H, 2 / of_W * np.sqrt(np.diag(sums.G) / n_rows))
    largest = H.max(axis=1, initial=0)
    return np.minimum(of_H, most / np.where(largest > 0, largest, 1.0))


def _off(HT: np.ndarray, target: np.ndarray) -> np.ndarray:
    """What columns of H (columns, k) have beyond their target (k, columns), where there is one."""
    return np.where(np.isnan(target), 0.0, HT.T - target).T
