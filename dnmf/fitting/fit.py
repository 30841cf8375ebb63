"""A model on its way."""

from dataclasses import dataclass, replace

import numpy as np

from dnmf.fitting.state import State
from dnmf.options import FitOptions
from dnmf.passes.statistics import Statistics
from dnmf.passes.visitors.visitor import Visitor
from dnmf.schemes.held_out import HeldOut
from dnmf.schemes.scheme import Scheme


@dataclass(frozen=True)
class Fit:
    """A model on its way: where it is, and what is asked of it, in the engine's orientation and units.

    Fits that share a pass have their dtype and what is given beside the data in common.

    Attributes
    ----------
    state : State
        Where it is.
    options : FitOptions
        When to stop, whether to extrapolate, what to drop.
    scheme : Scheme
        What is minimized.
    held_out : HeldOut or None
        What it does not see of the data, where it is to be told how well that is predicted.
    """

    state: State
    options: FitOptions
    scheme: Scheme
    held_out: HeldOut | None = None

    @property
    def visitor(self) -> Visitor:
        """What visits the rows in the next pass."""
        return self.visitor_for(self.state.factor, self.state.peak, first=self.state.squares < 0)

    def visitor_for(
        self, H: np.ndarray, peak: float = 0.0, tolerance: float | None = None, *, first: bool = False
    ) -> Visitor:
        """Return what visits the rows with `H` fixed; arguments as in :meth:`Scheme.visitor`."""
        visitor = self.scheme.visitor(H, peak, tolerance, first=first)
        if self.held_out is None:
            return visitor
        return self.held_out.visitor(self.scheme, visitor, H, first=first)

    def part_of(self, statistics: Statistics, number: int) -> Statistics:
        """Return what a pass says to this fit, whose model has this number in it."""
        part = statistics.of(number)
        return part if self.held_out is None else self.held_out.seen(part)

    def at(self, state: State) -> "Fit":
        """The same model elsewhere on its way."""
        return replace(self, state=state)
