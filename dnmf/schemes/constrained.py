"""What all schemes of two factors have in common: a penalty, limits, and the arrays that constraints come with."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from dnmf.constraints import NO_GUIDES, NO_LIMITS, Guides, Limits
from dnmf.losses import Loss
from dnmf.passes.methods import Method
from dnmf.passes.work import Demands
from dnmf.penalty import Penalty
from dnmf.schemes.above_zero import KEPT, above_zero
from dnmf.schemes.given import behind, order_by_weight, with_given_rows
from dnmf.schemes.scheme import Scheme
from dnmf.schemes.update import Update
from dnmf.schemes.updates import COORDINATE_DESCENT

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
    exact_rows : bool
        Whether rows of W are solved exactly; else they are the sweeps of the solver from a start of their own.
    """

    penalty: Penalty = NO_PENALTY
    limits: Limits = NO_LIMITS
    guides: Guides = NO_GUIDES
    solver: Update = field(default=COORDINATE_DESCENT, kw_only=True)
    exact_rows: bool = field(default=True, kw_only=True)

    @property
    def exact(self) -> bool:
        """Whether no update raises the objective: W is the best for every H, and the solver never goes uphill."""
        return self.exact_rows and self.solver.descends

    @property
    def exactly(self) -> Self:
        """The same, solved exactly: for starts, and for what is derived from a model."""
        return replace(self, solver=COORDINATE_DESCENT, exact_rows=True)

    @property
    def method_of_rows(self) -> Method | None:
        """Whose sweeps rows of W are; None where they are exact."""
        return None if self.exact_rows else self.solver.method

    def raised(self, H: np.ndarray) -> np.ndarray:
        """Return a start of which nothing is at zero but given rows, where the solver would leave it there."""
        if not self.solver.positive:
            return H
        found = above_zero(H)
        found[self.given_rows] = H[self.given_rows]
        return found

    def _least_of(self, plain: np.ndarray) -> np.ndarray | float:
        """What an extrapolated H is not below: some of the plain update, where the solver leaves zeros as they are."""
        return KEPT * plain if self.solver.positive else 0.0

    @property
    def given(self) -> np.ndarray | None:
        """The given columns of W."""
        return self.guides.W

    @property
    def given_columns(self) -> int:
        """How many of the first components have their columns of W given."""
        return self.limits.held[0]

    @property
    def given_rows(self) -> slice:
        """The components whose rows of H are given: behind those whose columns of W are."""
        return slice(self.limits.held[0], self.given_components)

    @property
    def given_components(self) -> int:
        """How many of the first components have a given factor."""
        return sum(self.limits.held)

    @property
    def bounded(self) -> bool:
        """Whether entries of a factor have an upper bound."""
        return self.limits.bounded

    @property
    def signed(self) -> bool:
        """Whether a factor may be negative."""
        return bool(self.limits.free)

    @property
    def demands(self) -> Demands:
        """Values may be negative where a factor may be."""
        return Demands(signed=self.signed)

    def is_signed(self, side: str) -> bool:
        """Whether this factor, ``"W"`` or ``"H"``, may be negative."""
        return self.limits.is_free(side)

    def lasting(self) -> dict[str, np.ndarray]:
        """The arrays of the constraints."""
        return self.guides.arrays()

    def order(self, d: np.ndarray, *, transposed: bool = False) -> np.ndarray:
        """By falling weight; what is given, or pulled to a target, keeps its place, of a transposed one that it has."""
        order = order_by_weight(d, self.given_components, self.guides.target)
        return order[behind(*self.limits.held, len(d))] if transposed else order

    def with_given_rows(self, H: np.ndarray) -> np.ndarray:
        """Return `H` (k, n) with the rows that are given, behind those of given columns of W."""
        return with_given_rows(H, self.guides, self.given_columns)

    def from_unhindered(self, H: np.ndarray) -> np.ndarray:
        """Return a start of :attr:`unhindered`, whose given rows come first, in the order of this scheme."""
        of_W, of_H = self.limits.held
        return H if not (of_W and of_H) else self.with_given_rows(H[behind(of_H, of_W, len(H))])

    def of_divided_columns(self, by: np.ndarray) -> Self:
        """The same for data whose columns are divided `by` these numbers (n,): given rows of H are too."""
        H = self.guides.H
        return self if H is None else replace(self, guides=self.guides._replace(H=(H / by).astype(H.dtype)))


def wants(penalty: Penalty, limits: Limits, loss: Loss, *, own_gram: bool) -> Iterator[str]:
    """Yield what a solver of H has to take (:data:`dnmf.schemes.update.WANTS`)."""
    if not loss.shared_curvature:
        yield "divergence" if loss.multiplies else "own loss"
    elif own_gram:
        yield "own gram"
    if limits.bounded:
        yield "bounds"
    if penalty.l1[1]:
        yield "l1"
    if penalty.smooth:
        yield "smooth"
    if limits.free:
        yield "free" if limits.is_free("H") else "signed gram"
