"""Schemes whose rows of H are products, with L1 and L2 on every factor in the objective: ridge and sparse CP.

``loss + Σ_factors l1 Σ X + ½ l2 ‖X‖²``. The scale among the factors is a part of the problem: each component counts at
the one at which it is penalized least, W of the pass and all others together (:mod:`dnmf.schemes.shares`). H carries
the scale of the factors of the short axes; how they share it follows from it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dnmf.passes.terms import Terms
from dnmf.schemes.balance import SumsOfW
from dnmf.schemes.modes import vectors_of
from dnmf.schemes.normalized import scale_rows
from dnmf.schemes.products import Products
from dnmf.schemes.scheme import SolvedColumns
from dnmf.schemes.shares import Shares, least_shares, shares_of

DYING = 1e-8  # of what it was: a component that shrinks so far in one update is on its way to nothing


@dataclass(frozen=True, eq=False)
class PenalizedProducts(Products):
    """Products under L1 and L2 on the long axis, and on each short one; without, their scale is free as ever."""

    @property
    def free_scale(self) -> bool:
        """Under a penalty the scale is a part of the problem."""
        return not self.penalty.active

    @property
    def balances(self) -> bool:
        """Whether the scale between W and the other factors is for us to choose."""
        return self.penalty.active and self.penalty.diagonal

    @property
    def needs_rows(self) -> bool:
        """For the scale."""
        return self.penalty.active

    def terms_along(self, axis: int) -> Terms:
        """Return L1 and L2 of the factor of one short axis."""
        return Terms(*self.penalty.on_each(1 + len(self.lengths))[1 + axis])

    def shares_of_short(self, vectors: list[np.ndarray]) -> Shares:
        """Return what the factors of the short axes (k, length) add to the penalty."""
        return shares_of(vectors, self.penalty.on_each(1 + len(vectors))[1:])

    def shares_of_all(self, sums: SumsOfW, vectors: list[np.ndarray], of_W: np.ndarray | float = 1.0) -> Shares:
        """Return what W, first, and the factors of the short axes add; its columns are multiplied by `of_W`."""
        (l1, l2), short = self.penalty.on_W, self.shares_of_short(vectors)
        ones, twos = l1 * sums.s * of_W, 0.5 * l2 * np.diag(sums.G) * of_W**2
        return Shares(np.vstack([ones, short.ones]), np.vstack([twos, short.twos]))

    def vectors_at_scale(self, H: np.ndarray) -> list[np.ndarray]:
        """Return the vectors (k, length) of the short axes, sharing the scale of H so that they are penalized least."""
        vectors, sizes = vectors_of(H, self.lengths), H.sum(axis=1, dtype=np.float64)
        shares = np.where(sizes > 0, least_shares(self.shares_of_short(vectors), sizes), 0.0)
        return [X * t[:, None] for X, t in zip(vectors, shares, strict=True)]

    def update(self, sums: Any, H: np.ndarray, tolerance: float | None = None, *, scaled: bool = True) -> SolvedColumns:
        """Return the next H, with zeros for components that died on the way.

        What dies shrinks from turn to turn and is never zero itself: beside it rows of W would be solved in units in
        which no digit of the others is left.
        """
        found = super().update(sums, H, tolerance, scaled=scaled)
        if self.penalty.active:
            found.H[found.H.sum(axis=1, dtype=np.float64) < DYING * H.sum(axis=1, dtype=np.float64)] = 0
        return found

    def balanced(
        self, sums: SumsOfW, of_W: np.ndarray, vectors: list[np.ndarray]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return all factors on the scale of least penalty; without the diagonal, W's stays as it is."""
        one = np.ones(len(of_W))
        if self.balances:
            t = least_shares(self.shares_of_all(sums, vectors, of_W), one)
        else:
            t = np.vstack([one, least_shares(self.shares_of_short(vectors), one)])
        return t[0], [X * each[:, None] for X, each in zip(vectors, t[1:], strict=True)]

    def scale(self, after: np.ndarray, before: np.ndarray, sums: SumsOfW) -> tuple[np.ndarray, np.ndarray]:
        """Return the update of H and the one before it on the scale of least penalty, which ends the scaling swamp."""
        if not self.balances:
            return after, before
        t = self.share_of_W(sums, after)
        return scale_rows(after, 1 / t, own=True), scale_rows(before, 1 / t)

    def share_of_W(self, sums: SumsOfW, H: np.ndarray) -> np.ndarray:
        """Return by what the columns of W are to be multiplied, and the rows of H divided (k,)."""
        vectors, sizes = vectors_of(H, self.lengths), H.sum(axis=1, dtype=np.float64)
        t = least_shares(self.shares_of_all(sums, vectors), sizes)[0]
        return np.where((sizes > 0) & (sums.s > 0), t, 1.0)

    def least_shares_at(self, sums: SumsOfW, H: np.ndarray, times: float) -> tuple[np.ndarray, float]:
        """Return by what W and the vectors of H are multiplied (factors, k) for a product so many `times` as large.

        On the scale of least penalty, which is returned too; a row of H has the scale of its vectors in it.
        """
        vectors, sizes = vectors_of(H, self.lengths), H.sum(axis=1, dtype=np.float64)
        terms = self.shares_of_all(sums, vectors)
        t = least_shares(terms, times * sizes)
        penalty = float(terms.scaled(t).of_component.sum())
        t[1] /= np.where(sizes > 0, sizes, 1.0)
        return t, penalty

    def value_of_penalty(self, sums: SumsOfW, H: np.ndarray) -> float:
        """Return what all factors add to the objective."""
        (l1, l2), short = self.penalty.on_W, self.shares_of_short(self.vectors_at_scale(H))
        of_W = l1 * float(sums.s.sum()) + 0.5 * l2 * float(np.trace(sums.G))
        return of_W + float(short.of_component.sum())
