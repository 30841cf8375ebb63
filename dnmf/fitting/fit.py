"""A model on its way."""

from dataclasses import dataclass, replace

from dnmf.fitting.state import State
from dnmf.options import FitOptions
from dnmf.passes.visitors.visitor import Visitor
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
    """

    state: State
    options: FitOptions
    scheme: Scheme

    @property
    def visitor(self) -> Visitor:
        """What visits the rows in the next pass."""
        return self.scheme.visitor(self.state.factor, self.state.peak, first=self.state.squares < 0)

    def at(self, state: State) -> "Fit":
        """The same model elsewhere on its way."""
        return replace(self, state=state)
