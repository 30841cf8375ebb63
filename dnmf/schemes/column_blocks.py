"""Columns of H that share a Gram matrix, block after block, in coordinates in which its diagonal is one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dnmf.kernels.bounds import keep_below
from dnmf.kernels.padding import aligned_zeros, padded
from dnmf.passes.over_columns import Room, over_columns
from dnmf.passes.row_solvers import Solved
from dnmf.passes.terms import Terms, in_units_of, unit_diagonal
from dnmf.schemes.scheme import SolvedColumns


class SharedProblem(NamedTuple):
    """Columns that share a Gram matrix: ``argmin ½ xᵀQx − (p_j / scale − l1)ᵀx``.

    Attributes
    ----------
    Q : ndarray (k, k)
        With what the terms add.
    P : ndarray (n, k)
        What right-hand sides are made of.
    start : ndarray (k, n)
        Where to begin; its dtype is that of the result.
    terms : Terms
        What is asked of a column.
    scale : ndarray (k,) or float
        What P is divided by.
    """

    Q: np.ndarray
    P: np.ndarray
    start: np.ndarray
    terms: Terms
    scale: np.ndarray | float = 1.0


class Block(NamedTuple):
    """Some columns, as a solver takes them.

    Attributes
    ----------
    B, start : ndarray (columns, padded k)
        Right-hand sides and where to begin, in the dtype that the solver computes in.
    wide : callable
        Returns right-hand sides of the columns with these numbers in float64.
    """

    B: np.ndarray
    start: np.ndarray
    wide: Callable[[np.ndarray], np.ndarray]


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
        self._factors, self._l1 = self._unit / problem.scale, problem.terms.l1 * self._unit
        self._of_start = problem.scale / np.where(self._unit > 0, self._unit, 1.0)

    def upper(self, dtype: Any) -> np.ndarray | None:
        """The bounds (k,), None where there are none."""
        return in_units_of(self._problem.terms.upper, self._unit, np.dtype(dtype))

    def solved(self, dtype: Any, solve: Callable[[Block], Solved]) -> SolvedColumns:
        """Return H (k, n), in the dtype of where it begins, of what `solve` makes of blocks in a dtype."""
        start, k = self._problem.start, len(self.Q)
        H, unit, upper = np.empty_like(start), self._unit.astype(dtype)[:, None], self._problem.terms.upper

        def of_block(columns: slice, _: Room) -> tuple[int, int]:
            P = self._problem.P[columns]
            found = solve(
                Block(
                    self._right_hand_sides(P, dtype), _scaled(start[:, columns].T, self._of_start, dtype),
                    lambda which: self._right_hand_sides(P[which], np.float64),
                )
            )  # fmt: skip
            np.multiply(found.X[:, :k].T, unit, out=H[:, columns], casting="same_kind")
            keep_below(H[:, columns], upper)
            return found.finished, found.unsolved

        counts = over_columns(of_block, *H.shape)
        return SolvedColumns(H, *(sum(each) for each in zip(*counts, strict=True)))

    def _right_hand_sides(self, P: np.ndarray, dtype: Any) -> np.ndarray:
        """Those of some columns, with padding for the solver."""
        B = _scaled(P, self._factors, dtype)
        if self._l1.any():
            B[:, : len(self.Q)] -= self._l1.astype(dtype)
        return B


def _scaled(rows: np.ndarray, factors: np.ndarray, dtype: Any) -> np.ndarray:
    """Return ``rows * factors``, computed in float64, with padding for the solver."""
    wide = aligned_zeros((len(rows), padded(len(factors))), dtype)
    np.multiply(rows, factors, out=wide[:, : len(factors)], casting="same_kind")
    return wide
