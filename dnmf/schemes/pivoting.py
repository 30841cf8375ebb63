"""The half step for H by block principal pivoting."""

import numpy as np

from dnmf.kernels.nnls import solve_rows
from dnmf.kernels.principal_pivoting import pivot_rows
from dnmf.passes.exact import Finish, finish_rows
from dnmf.passes.row_solvers import Solved
from dnmf.schemes.column_blocks import Block, ColumnBlocks, SharedProblem
from dnmf.schemes.columns import UPDATE_SWEEPS, Aim, solve_columns
from dnmf.schemes.scheme import SolvedColumns
from dnmf.schemes.update import Update


class BlockPivoting(Update):
    """Exact: the set of what is not zero is exchanged until it is right, columns with the same set solved together."""

    name = "bpp"
    takes = frozenset({"l1", "smooth", "signed gram"})

    def shared(self, problem: SharedProblem, aim: Aim) -> SolvedColumns:
        """Return the minimizers; those of nearly dependent components are finished with an active set."""
        if problem.terms.one_entry:
            return solve_columns(problem, aim)
        columns = ColumnBlocks(problem)
        k, finish = len(columns.Q), Finish(columns.Q, aim.tolerance)

        def pivot(block: Block) -> Solved:
            B, start, _ = block
            X, ended = pivot_rows(columns.Q, B[:, :k], start[:, :k])
            which = np.flatnonzero(~ended)
            X[which] = solve_rows(columns.Q, B[which], start[which], aim.tolerance, UPDATE_SWEEPS)[0][:, :k]
            return Solved(X, len(which), finish_rows(X, B, which, finish))

        return columns.solved(np.float64, pivot)
