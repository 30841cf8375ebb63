"""How the rows that share a Gram matrix are found from it and their right-hand sides: chosen once for a pass.

The solution of row a of A is ``argmin_w ½ wᵀQw − (Ha − l1)ᵀw``, sought as ``x = w / unit`` in whose coordinates Q has
a unit diagonal: one tolerance then means the same for every component.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dnmf.errors import InputError
from dnmf.kernels.nnls import solve_rows
from dnmf.kernels.padding import aligned_zeros
from dnmf.kernels.products import cross_dense
from dnmf.passes.exact import FEW_SWEEPS, MOST_SWEEPS, Finish, finish_rows
from dnmf.passes.methods import Method, Shared
from dnmf.sources.rows import Rows


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


class RowsOfA(NamedTuple):
    """What right-hand sides were made of: looked at again only where the Gram matrix does not tell enough.

    Attributes
    ----------
    block : Rows
        Of A.
    HT : ndarray (n, padded k)
        What they were multiplied by, for all components.
    given : ndarray (rows, held) or None
        The first components of ``w / unit``, where they are given.
    """

    block: Rows
    HT: np.ndarray
    given: np.ndarray | None = None


@dataclass(frozen=True)
class RowSolver(ABC):
    """Solves for rows that share a Gram matrix.

    Attributes
    ----------
    Q : ndarray (k, k)
        ``diag(unit) (H Hᵀ + l2 I) diag(unit)``, in the dtype of the computation.
    inverse : ndarray (padded k, padded k)
        Of Q, lightly regularized where a solver only starts from it.
    unit : ndarray (padded k,)
        One over the root of the diagonal of ``HHᵀ + l2 I``; zero for a dead component, and for the padding.
    l1 : float
        Subtracted from the right-hand sides.
    """

    Q: np.ndarray
    inverse: np.ndarray
    unit: np.ndarray
    l1: float

    @property
    def rank(self) -> int:
        """k."""
        return len(self.Q)

    def solve(self, B: np.ndarray, rows: RowsOfA) -> Solved:
        """Return ``w / unit`` for the rows whose products with H are `B` (rows, padded rank), which is overwritten.

        Raises
        ------
        InputError
            A product is too large for the dtype.
        """
        if self.l1:
            B -= B.dtype.type(self.l1) * self.unit
        start = aligned_zeros(B.shape, B.dtype)
        cross_dense(B, self.inverse, start)  # BLAS would let a row's last bits depend on how many rows there are
        return self.solve_from(start, B, rows)

    @abstractmethod
    def solve_from(self, start: np.ndarray, B: np.ndarray, rows: RowsOfA) -> Solved:
        """Return the solutions for right-hand sides `B`; ``start = B · inverse``."""


@dataclass(frozen=True)
class NonNegativeRows(RowSolver):
    """Non-negative rows, bounded where there are bounds: coordinate descent, then an active set for those it leaves.

    Attributes
    ----------
    tolerance : float
        The stopping rule of coordinate descent; zero where every row is finished otherwise.
    upper : ndarray (k,) or None
        The largest value of each coordinate of ``w / unit``, where there is one.
    finish : Finish or None
        How rows are solved that are above the tolerance then; None leaves them, which is enough for a start.
    """

    tolerance: float
    upper: np.ndarray | None = None
    finish: Finish | None = None

    def solve_from(self, start: np.ndarray, B: np.ndarray, rows: RowsOfA) -> Solved:
        """Return the solutions, sought from the non-negative part of `start`."""
        sweeps = MOST_SWEEPS if self.tolerance > 0 else FEW_SWEEPS
        X, violations, _ = solve_rows(self.Q, B, start, self.tolerance, sweeps, self.upper)
        refuse_overflow(violations, B.dtype)
        if self.finish is None:
            return Solved(X)
        which = self.finish.concerns(X, violations, self.tolerance)
        return Solved(X, len(which), finish_rows(X, B, which, self.finish, *rows))


@dataclass(frozen=True)
class TruncatedRows(RowSolver):
    """Rows a few sweeps of a method from the non-negative part of those of the inverse: a function of H and the row.

    Attributes
    ----------
    method : Method
        Which, and how many sweeps.
    shared : Shared
        What it needs of the Gram matrix, and the bounds.
    """

    method: Method
    shared: Shared

    def solve_from(self, start: np.ndarray, B: np.ndarray, rows: RowsOfA) -> Solved:
        """Return what the sweeps come to."""
        del rows
        X = self.method.sweep(self.shared, B, self.method.begin(self.shared, B, start))
        refuse_overflow(X, B.dtype)
        return Solved(X)


@dataclass(frozen=True)
class FreeRows(RowSolver):
    """Rows that may be negative: those of the inverse, which is exact."""

    def solve_from(self, start: np.ndarray, B: np.ndarray, rows: RowsOfA) -> Solved:
        """Return `start`."""
        del rows
        refuse_overflow(start, B.dtype)
        return Solved(start)


@dataclass(frozen=True)
class RowsOfOneEntry(RowSolver):
    """Rows with one entry, that of their largest right-hand side."""

    def solve_from(self, start: np.ndarray, B: np.ndarray, rows: RowsOfA) -> Solved:
        """Return the right-hand sides with nothing but their largest entry."""
        del start, rows
        X = keep_largest(B, self.rank)
        refuse_overflow(X, B.dtype)
        return Solved(X)


def refuse_overflow(values: np.ndarray, dtype: np.dtype) -> None:
    """Refuse numbers that are not finite."""
    if not np.isfinite(values).all():
        raise InputError(f"values too large for {dtype}: a product overflows; use dtype='float64' or rescale them")


def keep_largest(B: np.ndarray, rank: int) -> np.ndarray:
    """Return rows of right-hand sides (rows, k or more) with nothing but their largest entry, if that is positive."""
    X, rows = aligned_zeros(B.shape, B.dtype), np.arange(len(B))
    largest = np.argmax(B[:, :rank], axis=1)
    X[rows, largest] = np.maximum(B[rows, largest], 0)
    return X
