"""What is asked of the solutions of one side, as numbers that go into its normal equations."""

from typing import NamedTuple

import numpy as np


class Terms(NamedTuple):
    """What a penalty does to the normal equations ``Q x = b`` of one side: ``(Q + l2 I) x = b − l1``.

    Attributes
    ----------
    l1 : float
        Infinite: every solution is zero.
    l2 : float
        Infinite: Q is replaced by a multiple of I, and the solution is one of b.
    angular : float
        Added to every entry of Q; infinite: it takes the place of Q, and each solution has one entry.
    upper : float
        The largest value of an entry.
    free : bool
        Whether entries may be negative: then ``x = Q⁻¹ b``.
    """

    l1: float = 0.0
    l2: float = 0.0
    angular: float = 0.0
    upper: float = np.inf
    free: bool = False

    @classmethod
    def restore(cls, values: np.ndarray) -> "Terms":
        """The terms from their numbers, ``np.array(terms)``."""
        l1, l2, angular, upper, free = values.tolist()
        return cls(l1, l2, angular, upper, bool(free))

    @property
    def all_zero(self) -> bool:
        """Whether every solution is zero."""
        return self.l1 == np.inf

    @property
    def one_entry(self) -> bool:
        """Whether each solution has one entry, that of the largest right-hand side."""
        return self.angular == np.inf and self.l2 < np.inf

    def edit_gram(self, Q: np.ndarray) -> np.ndarray:
        """Return `Q` with what the penalty adds; `Q` itself may be changed."""
        infinite = np.array([strength == np.inf for strength in (self.l2, self.angular)])
        of_diagonal, of_all = self.l2, self.angular
        if infinite.any():  # on the scale of what they replace: nothing grows out of bounds where scale is not fixed
            alive = np.diag(Q)[np.diag(Q) > 0]
            of_diagonal, of_all = infinite * (alive.mean() if len(alive) else 1.0)
            Q = np.zeros_like(Q)
        Q = add_to_diagonal(Q, of_diagonal)
        return Q + of_all if of_all else Q


NO_TERMS = Terms()


def add_to_diagonal(Q: np.ndarray, values: float | np.ndarray) -> np.ndarray:
    """Add `values` to the diagonal of the square matrix `Q`, in place, and return it."""
    Q.flat[:: len(Q) + 1] += values
    return Q


def unit_diagonal(Q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``diag(u) Q diag(u)`` with ones on its diagonal, and u (zero where the diagonal of `Q` is)."""
    diagonal = np.diag(Q)
    alive = diagonal > np.finfo(np.float64).tiny
    unit = np.zeros(len(Q))
    unit[alive] = 1 / np.sqrt(diagonal[alive])
    return Q * (unit[:, None] * unit), unit


def in_units_of(upper: float, unit: np.ndarray, dtype: np.dtype) -> np.ndarray | None:
    """Return a bound of x as bounds (k,) of ``x / unit``; None where there is none."""
    if upper == np.inf:
        return None
    return np.divide(upper, unit, out=np.full(len(unit), np.inf), where=unit > 0).astype(dtype)


def shared_curvature(terms: Terms, k: int) -> np.ndarray | None:
    """Return what a penalty adds to every Gram matrix (k, k), None where that is nothing."""
    added = terms.edit_gram(np.zeros((k, k)))
    return added if added.any() else None
