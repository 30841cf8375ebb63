"""What all schemes of two factors have in common: a penalty, limits, and the arrays that constraints come with."""

from dataclasses import dataclass

import numpy as np

from dnmf.constraints import NO_GUIDES, NO_LIMITS, Guides, Limits
from dnmf.penalty import Penalty
from dnmf.schemes.given import order_by_weight
from dnmf.schemes.scheme import Scheme

NO_PENALTY = Penalty()


@dataclass(frozen=True, eq=False)
class Constrained(Scheme):
    """A scheme of two factors under a penalty and constraints, in the orientation of the engine.

    Attributes
    ----------
    penalty : Penalty
        What the caller asked for.
    limits : Limits
        What the factors must be.
    guides : Guides
        The arrays of the constraints.
    """

    penalty: Penalty = NO_PENALTY
    limits: Limits = NO_LIMITS
    guides: Guides = NO_GUIDES

    @property
    def given(self) -> np.ndarray | None:
        """The given columns of W."""
        return self.guides.W

    @property
    def given_columns(self) -> int:
        """How many of the first components have their columns of W given."""
        return self.limits.held[0]

    @property
    def given_rows(self) -> int:
        """How many of the first components have their rows of H given."""
        return self.limits.held[1]

    @property
    def given_components(self) -> int:
        """How many of the first components have a given factor."""
        return max(self.limits.held)

    @property
    def bounded(self) -> bool:
        """Whether entries of a factor have an upper bound."""
        return self.limits.bounded

    @property
    def signed(self) -> bool:
        """Whether a factor, and with it the data, may be negative."""
        return bool(self.limits.free)

    def is_signed(self, side: str) -> bool:
        """Whether this factor, ``"W"`` or ``"H"``, may be negative."""
        return self.limits.is_free(side)

    def lasting(self) -> dict[str, np.ndarray]:
        """The arrays of the constraints."""
        return self.guides.arrays()

    def order(self, d: np.ndarray) -> np.ndarray:
        """By falling weight; what is given, or pulled to a target, keeps its place."""
        return order_by_weight(d, self.given_components, self.guides.target)
