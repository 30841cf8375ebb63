"""The rows of W of a block of A: coordinate descent for all of them, an active set for those that it leaves."""

from typing import NamedTuple

import numpy as np

from dnmf.errors import InputError
from dnmf.kernels.nnls import solve_rows
from dnmf.kernels.padding import aligned_zeros, pad_columns
from dnmf.kernels.products import cross_dense
from dnmf.passes.exact import finish_rows
from dnmf.passes.problem import Problem, keep_largest
from dnmf.sources.source import Rows


class Solved(NamedTuple):
    """Rows of ``w / unit``, and how they came about.

    Attributes
    ----------
    X : ndarray (rows, padded rank)
        In the dtype of the computation.
    finished : int
        How many were above the tolerance after coordinate descent and solved with an active set.
    unsolved : int
        How many are above it still.
    """

    X: np.ndarray
    finished: int = 0
    unsolved: int = 0


def solve_block(block: Rows, B: np.ndarray, problem: Problem, known: np.ndarray | None = None) -> Solved:
    """Return ``w / unit`` for the rows of a block of A, from ``B = A HT``, which is overwritten.

    Parameters
    ----------
    block : Rows
        Of A; looked at again only where the Gram matrix does not tell enough.
    B : ndarray (rows, padded rank)
        Right-hand sides.
    problem : Problem
        Of every row.
    known : ndarray (rows, held), optional
        The first components of each row of W, where they are given.

    Raises
    ------
    InputError
        A product is too large for the dtype.
    """
    if known is None:
        return _solve(B, problem, block, problem.HT)
    held, rank, rest = problem.held, problem.rank, problem.rest
    assert rest is not None, "rows of W were given for a problem that holds none"
    X, R = aligned_zeros(B.shape, B.dtype), aligned_zeros((len(B), len(rest.unit)), B.dtype)
    unit = problem.unit[:held]
    X[:, :held] = np.divide(known, unit, out=np.zeros_like(known), where=unit > 0)
    cross_dense(np.ascontiguousarray(X[:, :held]), pad_columns(problem.Q[:held, held:]), R)
    np.subtract(B[:, held:rank], R[:, : rank - held], out=R[:, : rank - held])
    of_rest = _solve(R, rest, block, problem.HT, X[:, :held])
    X[:, held:rank] = of_rest.X[:, : rank - held]
    return of_rest._replace(X=X)


def _solve(B: np.ndarray, problem: Problem, block: Rows, HT: np.ndarray, held: np.ndarray | None = None) -> Solved:
    if problem.l1:
        B -= B.dtype.type(problem.l1) * problem.unit
    start = aligned_zeros(B.shape, B.dtype)
    cross_dense(B, problem.inverse, start)  # BLAS would let a row's last bits depend on how many rows there are
    if problem.free or problem.alone:
        solved = Solved(start if problem.free else keep_largest(B, problem.rank))
        finite = bool(np.isfinite(solved.X).all())
    else:
        X, violations, _ = solve_rows(problem.Q, B, start, problem.tolerance, problem.sweeps, problem.upper)
        finite = bool(np.isfinite(violations).all())
        solved = Solved(X)
    if not finite:
        raise InputError(f"values too large for {B.dtype}: a product overflows; use dtype='float64' or rescale them")
    if problem.free or problem.alone or problem.finish is None:
        return solved
    which = problem.finish.concerns(X, violations, problem.tolerance)
    return Solved(X, len(which), finish_rows(X, B, which, problem.finish, block, HT, held))
