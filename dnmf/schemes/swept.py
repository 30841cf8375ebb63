"""Updates that are not exact: a few sweeps of a method from the H there is."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from dnmf.passes.methods import Method, OwnProblem, Shared
from dnmf.passes.row_solvers import Solved
from dnmf.schemes.column_blocks import Block, ColumnBlocks, SharedProblem
from dnmf.schemes.columns import Aim, solve_columns
from dnmf.schemes.scheme import SolvedColumns
from dnmf.schemes.update import Update


class Swept(Update):
    """Brings columns nearer to their solution.

    Parameters
    ----------
    method : Method
        How, and in how many sweeps.
    """

    exact: ClassVar[bool] = False

    def __init__(self, method: Method):
        self.method: Method = method
        self.name, self.takes = method.name, method.takes
        self.descends, self.positive, self.repeats = method.descends, method.positive, method.repeats

    def shared(self, problem: SharedProblem, aim: Aim) -> SolvedColumns:
        """Return columns after the sweeps; exact ones where each has one entry."""
        if problem.terms.one_entry:
            return solve_columns(problem, aim)
        columns, dtype = ColumnBlocks(problem), problem.start.dtype
        shared = Shared.of(self.method, columns.Q, columns.upper(dtype), dtype, free=problem.terms.free)
        k = len(shared.Q)

        def sweep(block: Block) -> Solved:
            B, X, _ = block
            np.clip(X[:, :k], shared.lower, shared.upper, out=X[:, :k])
            return Solved(self.method.sweep(shared, B, X))

        return columns.solved(dtype, sweep)

    def own(self, problem: OwnProblem, tolerance: float, sweeps: int) -> tuple[np.ndarray, np.ndarray]:
        """Return columns after the sweeps; nothing is said of what they violate."""
        del tolerance, sweeps
        X = np.clip(problem.start, problem.lower, problem.upper)
        return self.method.sweep_own(problem, X), np.zeros(len(X))

    def of_sweeps(self, sweeps: int) -> "Swept":
        """Return the same with so many sweeps."""
        return Swept(replace(self.method, sweeps=sweeps))
