"""Methods by name that come nearer to a least squares solution in a few sweeps: for rows of W, and for columns of H."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from dnmf.errors import InputError
from dnmf.kernels.nnls import solve_rows
from dnmf.kernels.own_gram import solve_own_rows
from dnmf.kernels.padding import aligned_zeros
from dnmf.kernels.products import cross_dense
from dnmf.kernels.sweeps import (
    descend_own_rows,
    descend_rows,
    move_within_rows,
    multiply_own_rows,
    multiply_rows,
    split_rows,
)
from dnmf.passes.terms import add_to_diagonal

FLOOR = 1e-6  # of its largest right-hand side: where entries of a row begin that have to be above zero
OF_EACH_OWN = frozenset({"own gram", "divergence", "own loss"})


class Shared(NamedTuple):
    """What many right-hand sides share, in coordinates in which the Gram matrix has ones, or zeros, on its diagonal.

    Attributes
    ----------
    Q : ndarray (k, k)
        In the dtype of the computation.
    lower, upper : ndarray (k,)
        Bounds.
    known : ndarray
        What a method has found out about Q beforehand (:meth:`Method.known_of`).
    """

    Q: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    known: np.ndarray

    @classmethod
    def of(cls, method: "Method", Q: np.ndarray, upper: np.ndarray | None, dtype: np.dtype, *, free: bool) -> "Shared":
        """For a Gram matrix `Q` (k, k) in float64; `free`: entries may be negative."""
        lower = np.full(len(Q), -np.inf if free else 0.0, dtype)
        most = np.full(len(Q), np.inf, dtype) if upper is None else upper.astype(dtype)
        return cls(Q.astype(dtype), lower, most, method.known_of(Q).astype(dtype))


class OwnProblem(NamedTuple):
    """Columns with a Gram matrix of their own: ``argmin ½ xᵀ(Q_j + G0)x − b_jᵀx`` between bounds.

    Attributes
    ----------
    Q : ndarray (n, k (k + 1) / 2)
        Packed (:func:`dnmf.kernels.packed.unpack`).
    B, start, lower, upper : ndarray (n, k)
        Right-hand sides, where to begin, and bounds; equal ones hold an entry.
    G0 : ndarray (k, k)
        What all columns have in common.
    """

    Q: np.ndarray
    B: np.ndarray
    start: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    G0: np.ndarray


@dataclass(frozen=True)
class Method(ABC):
    """Changes where a row begins, in some sweeps. Small: it travels to workers.

    Attributes
    ----------
    sweeps : int
        How many.
    name : str
        As ``solver=`` names it.
    takes : frozenset
        What it can be asked for, of :data:`dnmf.schemes.update.WANTS`.
    descends : bool
        Whether no sweep raises the objective.
    positive : bool
        Whether an entry that is zero stays so, wherever the solution is: none should begin there.
    repeats : bool
        Whether a second sweep does something.
    """

    sweeps: int = 1
    name: ClassVar[str]
    takes: ClassVar[frozenset[str]] = frozenset({"bounds", "l1", "free", "signed gram"})
    descends: ClassVar[bool] = True
    positive: ClassVar[bool] = False
    repeats: ClassVar[bool] = True

    def known_of(self, Q: np.ndarray) -> np.ndarray:
        """Return what depends on the Gram matrix (k, k) alone; by default nothing."""
        del Q
        return np.zeros(0)

    @abstractmethod
    def sweep(self, shared: Shared, B: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Return rows nearer to the solutions for right-hand sides `B` than `X`, which may be overwritten.

        Both (rows, k or more); `X` is between the bounds.
        """

    def sweep_own(self, problem: OwnProblem, X: np.ndarray) -> np.ndarray:
        """Return rows nearer to the solutions of problems with Gram matrices of their own than `X` (n, k).

        Asked only of a method that takes such rows.
        """
        del problem, X
        raise InputError(f"solver={self.name!r} does not take rows with Gram matrices of their own")

    def begin(self, shared: Shared, B: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Return where rows of their own begin, in place of any `X`: between the bounds, above zero where needed."""
        k = len(shared.Q)
        if self.positive:
            least = B.dtype.type(FLOOR) * B[:, :k].max(axis=1, initial=0)
            np.maximum(X[:, :k], least[:, None] * (np.diag(shared.Q) > 0), out=X[:, :k])
        np.clip(X[:, :k], shared.lower, shared.upper, out=X[:, :k])
        return X


class Hierarchical(Method):
    """HALS: one coordinate after the other to its minimum."""

    name = "hals"
    takes = OF_EACH_OWN | {"bounds", "l1", "signed gram"}

    def sweep(self, shared: Shared, B: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Sweeps of coordinate descent."""
        return solve_rows(shared.Q, B, X, 0.0, self.sweeps, shared.upper)[0]

    def sweep_own(self, problem: OwnProblem, X: np.ndarray) -> np.ndarray:
        """The same."""
        return solve_own_rows(problem.Q, problem.B, X, problem.lower, problem.upper, 0.0, self.sweeps, problem.G0)[0]


class Multiplicative(Method):
    """MU: every entry times a ratio that is not negative."""

    name = "mu"
    takes = frozenset({"own gram", "divergence", "bounds", "l1"})
    positive = True

    def sweep(self, shared: Shared, B: np.ndarray, X: np.ndarray) -> np.ndarray:
        """``x ← x · max(0, b) / (Qx)``."""
        multiply_rows(shared.Q, B, X, shared.upper, self.sweeps)
        return X

    def sweep_own(self, problem: OwnProblem, X: np.ndarray) -> np.ndarray:
        """The same."""
        multiply_own_rows(problem.Q, problem.B, X, problem.G0, problem.lower, problem.upper, self.sweeps)
        return X


class ProjectedGradient(Method):
    """PG: against the gradient, with one step for all, of one over the largest eigenvalue."""

    name = "pg"

    def known_of(self, Q: np.ndarray) -> np.ndarray:
        """The steps (k,)."""
        most = float(np.linalg.eigvalsh(Q)[-1]) if len(Q) else 0.0
        return np.full(len(Q), 1 / most if most > 0 else 0.0)

    def sweep(self, shared: Shared, B: np.ndarray, X: np.ndarray) -> np.ndarray:
        """``x ← x − ε(Qx − b)``, between the bounds."""
        descend_rows(shared.Q, B, X, shared.known, shared.lower, shared.upper, self.sweeps)
        return X


class ObliqueLandweber(ProjectedGradient):
    """OPL: against the gradient, each coordinate with one over the sum of its row of the Gram matrix."""

    name = "opl"
    takes = OF_EACH_OWN | ProjectedGradient.takes

    def known_of(self, Q: np.ndarray) -> np.ndarray:
        """The steps (k,)."""
        sums = np.abs(Q).sum(axis=1)
        return np.divide(1.0, sums, out=np.zeros(len(Q)), where=sums > 0)

    def sweep_own(self, problem: OwnProblem, X: np.ndarray) -> np.ndarray:
        """The same."""
        descend_own_rows(problem.Q, problem.B, X, problem.G0, problem.lower, problem.upper, self.sweeps)
        return X


class InteriorGradient(Method):
    """IPG: along the direction of a multiplicative update, as far as is best on it."""

    name = "ipg"
    takes = frozenset({"l1"})
    positive = True

    def sweep(self, shared: Shared, B: np.ndarray, X: np.ndarray) -> np.ndarray:
        """``x ← x − η x / (Qx) · (Qx − b)``, η the best, or near the first zero."""
        move_within_rows(shared.Q, B, X, self.sweeps)
        return X


class AlternatingDirections(Method):
    """ADMM: an unconstrained copy and one between the bounds are brought together."""

    name = "admm"

    def known_of(self, Q: np.ndarray) -> np.ndarray:
        """``(Q + ρI)⁻¹`` with ρ of one, the mean of the diagonal."""
        return np.linalg.inv(add_to_diagonal(Q.copy(), 1.0))

    def sweep(self, shared: Shared, B: np.ndarray, X: np.ndarray) -> np.ndarray:
        """``y ← (Q + ρI)⁻¹(b + ρ(x − u))``, ``x ← y + u`` between the bounds, ``u ← u + y − x``."""
        split_rows(shared.Q, B, X, shared.known, 1.0, shared.lower, shared.upper, self.sweeps)
        return X


class TruncatedSolution(Method):
    """ALS: the unconstrained solution, its negative entries set to zero."""

    name = "als"
    descends = False
    repeats = False

    def known_of(self, Q: np.ndarray) -> np.ndarray:
        """The pseudoinverse, to the digits of float32."""
        return np.linalg.pinv(Q, rcond=1e-7, hermitian=True)

    def sweep(self, shared: Shared, B: np.ndarray, X: np.ndarray) -> np.ndarray:
        """``[Q⁻¹b]₊``, wherever it began."""
        k = len(shared.Q)
        found = aligned_zeros(B.shape, B.dtype)
        inverse = np.zeros((B.shape[1], B.shape[1]), B.dtype)
        inverse[:k, :k] = shared.known
        cross_dense(B, inverse, found)  # BLAS would let a row's last bits depend on how many rows there are
        np.clip(found[:, :k], shared.lower, shared.upper, out=X[:, :k])
        return X


METHODS: tuple[type[Method], ...] = (
    Hierarchical, Multiplicative, ProjectedGradient, ObliqueLandweber, InteriorGradient, AlternatingDirections,
    TruncatedSolution,
)  # fmt: skip
