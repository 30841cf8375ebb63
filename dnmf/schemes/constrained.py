"""What all schemes of two factors have in common: a penalty, limits, and the arrays that constraints come with."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from dnmf.constraints import NO_GUIDES, NO_LIMITS, Guides, Limits
from dnmf.penalty import Penalty
from dnmf.schemes.given import order_by_weight
from dnmf.schemes.scheme import Scheme
from dnmf.schemes.updates import COORDINATE_DESCENT, Update

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
    solver : Update
        How H is found.
    """

    penalty: Penalty = NO_PENALTY
    limits: Limits = NO_LIMITS
    guides: Guides = NO_GUIDES
    solver: Update = field(default=COORDINATE_DESCENT, kw_only=True)

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


def wants(penalty: Penalty, limits: Limits, *, own_gram: bool) -> Iterator[str]:
    """Yield what a solver of H has to take (:data:`dnmf.schemes.updates.WANTS`)."""
    if own_gram:
        yield "own gram"
    if limits.bounded:
        yield "bounds"
    if penalty.l1[1]:
        yield "l1"
    if limits.is_free("H"):
        yield "free"
