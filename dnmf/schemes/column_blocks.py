"""Columns of H that share a Gram matrix, block after block, in coordinates in which its diagonal is one."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dnmf.kernels.bounds import keep_below
from dnmf.kernels.padding import aligned_zeros, padded
from dnmf.passes.over_columns import Room, over_columns
from dnmf.passes.row_solvers import Solved
from dnmf.passes.terms import in_units_of, unit_diagonal
from dnmf.schemes.columns import SharedProblem
from dnmf.schemes.scheme import SolvedColumns


class ColumnBlocks:
    """The columns of a problem, in blocks that threads share.

    Parameters
    ----------
    problem : SharedProblem
        Theirs.

    Attributes
    ----------
    Q : ndarray (k, k)
        The Gram matrix in float64, its diagonal ones, or zeros.
    """

    def __init__(self, problem: SharedProblem):
        self._problem = problem
        self.Q, self._unit = unit_diagonal(problem.Q)

    def upper(self, dtype: Any) -> np.ndarray | None:
        """The bounds (k,), None where there are none."""
        return in_units_of(self._problem.terms.upper, self._unit, np.dtype(dtype))

    def solved(self, dtype: Any, solve: Callable[[np.ndarray, np.ndarray], Solved]) -> SolvedColumns:
        """Return H (k, n) of what `solve` makes of right-hand sides and starts (columns, padded k) in this dtype."""
        _, P, start, terms, scale = self._problem
        alive, k, H = self._unit > 0, len(self.Q), np.empty_like(start)
        factors, l1 = self._unit / scale, terms.l1 * self._unit
        of_start = scale / np.where(alive, self._unit, 1.0) * alive

        def of_block(columns: slice, _: Room) -> tuple[int, int]:
            B, X = (aligned_zeros((len(P[columns]), padded(k)), dtype) for _ in range(2))
            B[:, :k] = P[columns] * factors - l1
            X[:, :k] = start[:, columns].T * of_start
            found = solve(B, X)
            H[:, columns] = (found.X[:, :k] * self._unit).T
            keep_below(H[:, columns], terms.upper)
            return found.finished, found.unsolved

        counts = over_columns(of_block, *H.shape)
        return SolvedColumns(H, *(sum(each) for each in zip(*counts, strict=True)))
