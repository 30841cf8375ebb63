"""The half step for H in memory: exact least squares for columns that share a Gram matrix."""

from typing import Any, NamedTuple

import numpy as np

from dnmf.kernels.bounds import keep_below
from dnmf.kernels.nnls import solve_rows
from dnmf.kernels.padding import aligned_zeros, padded
from dnmf.passes.exact import FEW_SWEEPS, Finish, finish_rows, least_eigenvalue, tolerance_at
from dnmf.passes.over_columns import Room, over_columns
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
    """Return the solutions (k, n), in the dtype of where they begin, solved block of columns after block."""
    problem, H = _ColumnProblem.of(shared, aim), np.empty_like(shared.start)

    def of_block(columns: slice, _: Room) -> tuple[int, int]:
        return problem.solve(shared.P[columns], shared.start[:, columns], H[:, columns])

    counts = over_columns(of_block, *H.shape)
    return SolvedColumns(H, *(sum(each) for each in zip(*counts, strict=True)))


class _ColumnProblem(NamedTuple):
    """What all columns have in common.

    `Q` is their Gram matrix with a diagonal of ones, of components in units of `unit`; `factors` is what right-hand
    sides are multiplied by and `l1` what is subtracted; `back` what starts are; `inverse` is of Q where columns are
    free; `tolerance` and `finish` say how near they are solved.
    """

    Q: np.ndarray
    unit: np.ndarray
    factors: np.ndarray
    l1: np.ndarray
    back: np.ndarray
    terms: Terms
    upper: np.ndarray | None
    inverse: np.ndarray | None
    tolerance: float
    finish: Finish | None

    @classmethod
    def of(cls, shared: SharedProblem, aim: Aim) -> "_ColumnProblem":
        """With what is found once for all of them."""
        terms, dtype = shared.terms, shared.start.dtype
        Q, unit = unit_diagonal(shared.Q)
        inverse = np.linalg.pinv(Q, rcond=RIDGE_SHARE[str(dtype)], hermitian=True) if terms.free else None
        upper = in_units_of(terms.upper, unit, dtype)
        tolerance = tolerance_at(aim.tolerance, least_eigenvalue(Q), aim.dtype) if aim.exactly else aim.tolerance
        return cls(
            Q, unit, unit / shared.scale, terms.l1 * unit, shared.scale / np.where(unit > 0, unit, 1.0), terms, upper,
            inverse, tolerance, Finish(Q, aim.tolerance, upper) if aim.exactly else None,
        )  # fmt: skip

    def solve(self, P: np.ndarray, start: np.ndarray, found: np.ndarray) -> tuple[int, int]:
        """Write the solutions (k, columns) to `found`; return how many were finished and how many are not solved."""
        (k, _), dtype, counts = start.shape, start.dtype, (0, 0)
        B = self._right_hand_sides(P, dtype)
        if self.terms.one_entry:
            X = keep_largest(B, k)
        elif self.inverse is not None:
            X = B[:, :k] @ self.inverse.astype(dtype)
        else:
            X, counts = self._descended(P, B, _scaled(start.T, self.back, dtype))
        np.multiply(X[:, :k].T, self.unit.astype(dtype)[:, None], out=found)
        keep_below(found, self.terms.upper)
        return counts

    def _right_hand_sides(self, P: np.ndarray, dtype: Any) -> np.ndarray:
        """Those of some columns, with padding for the solver."""
        B = _scaled(P, self.factors, dtype)
        if self.l1.any():
            B[:, : len(self.Q)] -= self.l1.astype(dtype)
        return B

    def _descended(self, P: np.ndarray, B: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
        """Solve by coordinate descent, and finish what that leaves where columns are to be exact."""
        sweeps = UPDATE_SWEEPS if self.tolerance > 0 else FEW_SWEEPS
        X, violations, _ = solve_rows(self.Q.astype(B.dtype), B, start, self.tolerance, sweeps, self.upper)
        if self.finish is None:
            return X, (0, 0)
        which = self.finish.concerns(X, violations, self.tolerance)
        wide = self._right_hand_sides(P[which], np.float64)
        return X, (len(which), finish_rows(X, B, which, self.finish, wide=wide))


def _scaled(rows: np.ndarray, factors: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return ``rows * factors``, computed in float64, with padding for the solver."""
    wide = aligned_zeros((len(rows), padded(len(factors))), dtype)
    np.multiply(rows, factors, out=wide[:, : len(factors)], casting="same_kind")
    return wide
