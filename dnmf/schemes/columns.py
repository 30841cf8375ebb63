"""The half step for H in memory: exact least squares for columns that share a Gram matrix."""

from typing import Any, NamedTuple

import numpy as np

from dnmf.kernels.bounds import keep_below
from dnmf.kernels.nnls import solve_rows
from dnmf.kernels.padding import aligned_zeros, padded
from dnmf.passes.exact import FEW_SWEEPS, Finish, finish_rows, least_eigenvalue, tolerance_at
from dnmf.passes.problem import RIDGE_SHARE
from dnmf.passes.row_solvers import keep_largest
from dnmf.passes.terms import Terms, in_units_of, unit_diagonal
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


def solve_columns(shared: SharedProblem, aim: Aim) -> SolvedColumns:
    """Return the solutions (k, n), in the dtype of where they begin."""
    Q, P, H, terms, scale = shared
    Q, unit = unit_diagonal(Q)
    problem = _ColumnProblem(Q, P, unit / scale, terms.l1 * unit)
    B = problem.right_hand_sides(H.dtype)
    solved = SolvedColumns(H)
    if terms.one_entry:
        X = keep_largest(B, len(H))
    elif terms.free:
        X = B[:, : len(H)] @ np.linalg.pinv(Q, rcond=RIDGE_SHARE[str(H.dtype)], hermitian=True).astype(H.dtype)
    else:
        start = _scaled(H.T, scale / np.where(unit > 0, unit, 1.0), H.dtype)
        X, counts = problem.solved(B, start, in_units_of(terms.upper, unit, H.dtype), aim)
        solved = SolvedColumns(H, *counts)
    updated = np.empty_like(H)
    np.multiply(X[:, : len(H)].T, unit.astype(H.dtype)[:, None], out=updated)
    return solved._replace(H=keep_below(updated, terms.upper))


class _ColumnProblem(NamedTuple):
    """The problems of the columns: their Gram matrix, ``P`` (n, k), what it is multiplied by and what is subtracted."""

    Q: np.ndarray
    P: np.ndarray
    factors: np.ndarray
    l1: np.ndarray

    def right_hand_sides(self, dtype: Any, which: Any = slice(None)) -> np.ndarray:
        """Those of the columns `which`, with padding for the solver."""
        B = _scaled(self.P[which], self.factors, dtype)
        if self.l1.any():
            B[:, : len(self.Q)] -= self.l1.astype(dtype)
        return B

    def solved(
        self, B: np.ndarray, start: np.ndarray, upper: np.ndarray | None, aim: Aim
    ) -> tuple[np.ndarray, tuple[int, int]]:
        """Return the solutions (n, padded k), and how many were finished and how many are not solved."""
        tolerance = tolerance_at(aim.tolerance, least_eigenvalue(self.Q), aim.dtype) if aim.exactly else aim.tolerance
        sweeps = UPDATE_SWEEPS if tolerance > 0 else FEW_SWEEPS
        X, violations, _ = solve_rows(self.Q.astype(B.dtype), B, start, tolerance, sweeps, upper)
        if not aim.exactly:
            return X, (0, 0)
        finish = Finish(self.Q, aim.tolerance, upper)
        which = finish.concerns(X, violations, tolerance)
        return X, (len(which), finish_rows(X, B, which, finish, wide=self.right_hand_sides(np.float64, which)))


def _scaled(rows: np.ndarray, factors: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return ``rows * factors``, computed in float64, with padding for the solver."""
    wide = aligned_zeros((len(rows), padded(len(factors))), dtype)
    np.multiply(rows, factors, out=wide[:, : len(factors)], casting="same_kind")
    return wide
