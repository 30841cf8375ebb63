"""The contract of updates: how H is found from the sums of a pass."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from dnmf.errors import InputError
from dnmf.passes.methods import Method, OwnProblem
from dnmf.schemes.column_blocks import SharedProblem
from dnmf.schemes.columns import Aim
from dnmf.schemes.scheme import SolvedColumns

WANTS = {
    "own gram": "a Gram matrix for each column (missing entries, weights)",
    "divergence": "the Kullback–Leibler divergence",
    "own loss": "a loss with a curvature of its own for every entry",
    "bounds": "upper bounds",
    "l1": "L1",
    "smooth": "a graph over the columns",
    "free": "a factor that may be negative",
    "signed gram": "Gram matrices with negative entries (the other factor may be negative)",
}


class Update(ABC):
    """Finds columns of H from Gram matrices and right-hand sides.

    Attributes
    ----------
    name : str
        As ``solver=`` names it.
    takes : frozenset
        Of :data:`WANTS`, what it can be asked for.
    exact : bool
        Whether columns are solved; else they come nearer to their solution.
    descends : bool
        Whether none raises the objective that it is asked to lower.
    positive : bool
        Whether an entry that is zero stays so, wherever the solution is.
    repeats : bool
        Whether it has sweeps, of which more can be asked for.
    method : Method or None
        That of the sweeps.
    """

    name: str
    takes: frozenset[str]
    exact: ClassVar[bool] = True
    descends: bool = True
    positive: bool = False
    repeats: bool = False
    method: Method | None = None

    @abstractmethod
    def shared(self, problem: SharedProblem, aim: Aim) -> SolvedColumns:
        """Return columns that share a Gram matrix."""

    def own(self, problem: OwnProblem, tolerance: float, sweeps: int) -> tuple[np.ndarray, np.ndarray]:
        """Return columns (n, k) with Gram matrices of their own, and by how much each violates its conditions.

        `tolerance` and `sweeps` are for an update that solves them. Asked only of one that takes such columns.
        """
        del problem, tolerance, sweeps
        raise InputError(f"solver={self.name!r} does not take {WANTS['own gram']}")

    def of_sweeps(self, sweeps: int) -> "Update":
        """Return the same with so many sweeps."""
        del sweeps
        return self
