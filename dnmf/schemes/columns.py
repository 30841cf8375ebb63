"""The half step for H in memory: exact least squares for columns that share a Gram matrix."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dnmf.kernels.nnls import solve_rows
from dnmf.passes.exact import FEW_SWEEPS, Finish, finish_rows, least_eigenvalue, tolerance_at
from dnmf.passes.problem import RIDGE_SHARE
from dnmf.passes.row_solvers import Solved, keep_largest
from dnmf.schemes.column_blocks import Block, ColumnBlocks, SharedProblem
from dnmf.schemes.scheme import SolvedColumns

UPDATE_TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
UPDATE_SWEEPS = 500


class Aim(NamedTuple):
    """How near columns are solved: by coordinate descent to a tolerance; exactly also those that it leaves above it."""

    dtype: str
    tolerance: float
    exactly: bool

    @classmethod
    def at(cls, dtype: np.dtype, tolerance: float | None) -> "Aim":
        """To this tolerance and nothing else; without one, exactly."""
        usual = UPDATE_TOLERANCE[str(dtype)]
        return cls(str(dtype), usual if tolerance is None else tolerance, tolerance is None)


def solve_columns(shared: SharedProblem, aim: Aim) -> SolvedColumns:
    """Return the solutions (k, n), in the dtype of where they begin, solved block of columns after block."""
    columns, terms, dtype = ColumnBlocks(shared), shared.terms, shared.start.dtype
    k = len(columns.Q)
    if terms.one_entry:
        return columns.solved(dtype, lambda block: Solved(keep_largest(block.B, k)))
    if terms.free:
        inverse = np.linalg.pinv(columns.Q, rcond=RIDGE_SHARE[str(dtype)], hermitian=True).astype(dtype)
        return columns.solved(dtype, lambda block: Solved(block.B[:, :k] @ inverse))
    return columns.solved(dtype, _descent(columns, aim, dtype))


def _descent(columns: ColumnBlocks, aim: Aim, dtype: np.dtype) -> Callable[[Block], Solved]:
    """Return what solves blocks by coordinate descent, and finishes what that leaves where they are to be exact."""
    tolerance = tolerance_at(aim.tolerance, least_eigenvalue(columns.Q), aim.dtype) if aim.exactly else aim.tolerance
    Q, upper, sweeps = columns.Q.astype(dtype), columns.upper(dtype), UPDATE_SWEEPS if tolerance > 0 else FEW_SWEEPS
    finish = Finish(columns.Q, aim.tolerance, upper)

    def descend(block: Block) -> Solved:
        X, violations, _ = solve_rows(Q, block.B, block.start, tolerance, sweeps, upper)
        if not aim.exactly:
            return Solved(X)
        which = finish.concerns(X, violations, tolerance)
        return Solved(X, len(which), finish_rows(X, block.B, which, finish, wide=block.wide(which)))

    return descend
