"""Penalties that are a rule for an iteration: there is no objective that falls, and nothing to extrapolate."""

import numpy as np

from dnmf.passes.statistics import ModelSums
from dnmf.schemes.diagonal import fit_diagonal
from dnmf.schemes.least_squares import LeastSquares
from dnmf.schemes.slopes import SideTerms


class Rule(LeastSquares):
    """Least squares whose half steps are penalized on the diagonalized model, the scale between the factors free."""

    @property
    def descends(self) -> bool:
        """Every step is taken."""
        return False

    def start_for(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """The half step for the W as it was given, as RcppML does."""
        return self.exactly.update(sums, H, scaled=False).H


class RelativeRule(Rule):
    """The rule whose strengths have no unit; it shrinks the diagonal out of all meaning, which is fitted on its own."""

    def start_for(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """The half step for a W whose columns sum to one."""
        return self.exactly.update(sums, H).H

    def ahead(self, H: np.ndarray) -> None:
        """Nothing: the weights that are measured follow from all of P."""
        del H

    def _side_terms(self, sums: ModelSums, H: np.ndarray) -> SideTerms:
        return SideTerms(gain=fit_diagonal(sums, H)[1])

    def diagonal(self, sums: ModelSums, H: np.ndarray) -> np.ndarray:
        """The best weights for the factors as they are."""
        return fit_diagonal(sums, H)[0]
