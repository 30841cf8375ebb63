"""Rows of W solved for with H fixed, and folded."""

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from dnmf.kernels.bounds import keep_below
from dnmf.kernels.padding import aligned, aligned_zeros, pad_columns
from dnmf.kernels.products import cross_dense
from dnmf.passes.products import cross
from dnmf.passes.row_solvers import RowsOfA, RowSolver, Solved
from dnmf.passes.rows_out import RowsOut
from dnmf.passes.sums import RunningSums
from dnmf.passes.visitors.visitor import Block, Visitor


@dataclass(frozen=True)
class SolveRows(Visitor):
    """Solves for the rows of W that are best for a fixed H, and adds them up; made by :func:`solve_for_rows`.

    Attributes
    ----------
    HT : ndarray (n, padded k)
        ``(diag(unit) H)ᵀ``; rows end with zeros (:func:`dnmf.kernels.padding.padded`), as does the next.
    unit : ndarray (padded k,)
        Solutions are those of ``w / unit``.
    solver : RowSolver
        What finds them.
    bound : float
        The largest value of an entry of w.
    signed : bool
        Whether w may be negative.
    peaks : bool
        Whether the largest right-hand side ``Ha`` of each component is noted.
    """

    HT: np.ndarray
    unit: np.ndarray
    solver: RowSolver
    bound: float = np.inf
    signed: bool = field(default=False, kw_only=True)
    peaks: bool = field(default=False, kw_only=True)

    @property
    def rank(self) -> int:
        """k."""
        return self.solver.rank

    def visit(self, block: Block, sums: RunningSums, out: RowsOut | None) -> None:
        """Solve for the rows of the block and add them."""
        B = cross(block.rows, self.HT)
        if self.peaks:
            self.note_peaks(B, sums)
        W, finished, unsolved = self.solve(block, B)
        sums.note_solved(finished, unsolved)
        sums.note_residual(block.rows, W, self.HT.T)
        self.complete(W, block)
        sums.add(block.rows, W, signed=self.signed)
        if out is not None:
            out.write(block.at, W[:, : self.rank].copy())

    def note_peaks(self, B: np.ndarray, sums: RunningSums) -> None:
        """Note the largest of the right-hand sides."""
        sums.note_peaks(B, self.unit, 0)

    def solve(self, block: Block, B: np.ndarray) -> Solved:
        """Return ``w / unit`` for the rows of a block, from ``B = A HT``, which is overwritten."""
        return self.solver.solve(B, RowsOfA(block.rows, self.HT))

    def complete(self, W: np.ndarray, block: Block) -> None:
        """Make rows of W of those of ``w / unit``, in place."""
        del block  # nothing of it is given
        W *= self.unit
        keep_below(W[:, : self.rank], self.bound)

    def aligned(self) -> Self:
        """The same with a factor that lies as the kernels read it best."""
        HT = aligned(self.HT)
        return self if HT is self.HT else replace(self, HT=HT)


@dataclass(frozen=True)
class SolveBesideGiven(SolveRows):
    """The same where the first columns of W are given: the others are solved for beside them.

    Attributes
    ----------
    Q : ndarray (k, k)
        The Gram matrix of all components, in the dtype of the computation; `solver` has that of the others.
    held : int
        How many of the first components have their columns of W given.
    """

    Q: np.ndarray = field(kw_only=True)
    held: int = field(kw_only=True)

    @property
    def rank(self) -> int:
        """k."""
        return len(self.Q)

    def note_peaks(self, B: np.ndarray, sums: RunningSums) -> None:
        """Note the largest right-hand sides of the components that are solved for."""
        sums.note_peaks(B, self.unit, self.held)

    def solve(self, block: Block, B: np.ndarray) -> Solved:
        """Return ``w / unit`` for the rows of a block: what is given, and the best beside it."""
        assert block.given is not None, "no columns of W were given"
        held, rank, given = self.held, self.rank, block.given
        X, R = aligned_zeros(B.shape, B.dtype), aligned_zeros((len(B), len(self.solver.unit)), B.dtype)
        unit = self.unit[:held]
        X[:, :held] = np.divide(given, unit, out=np.zeros_like(given), where=unit > 0)
        cross_dense(np.ascontiguousarray(X[:, :held]), pad_columns(self.Q[:held, held:]), R)
        np.subtract(B[:, held:rank], R[:, : rank - held], out=R[:, : rank - held])
        of_others = self.solver.solve(R, RowsOfA(block.rows, self.HT, X[:, :held]))
        X[:, held:rank] = of_others.X[:, : rank - held]
        return of_others._replace(X=X)

    def complete(self, W: np.ndarray, block: Block) -> None:
        """Make rows of W of those of ``w / unit``, in place; columns that are given are as they were given."""
        super().complete(W, block)
        W[:, : self.held] = block.given
