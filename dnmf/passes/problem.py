"""What a pass is asked to do: for each model, the factor that is fixed and how the other one is found."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from dnmf.errors import InputError
from dnmf.kernels.padding import aligned, aligned_zeros, pad_columns, padded
from dnmf.passes.exact import FEW_SWEEPS, MOST_SWEEPS, Finish, FromData, least_eigenvalue, tolerance_at
from dnmf.passes.projections import Centres, Projection
from dnmf.passes.rows_out import Columns

RIDGE_SHARE = {"float32": 1e-6, "float64": 1e-13}
TOLERANCE = {"float32": 1e-4, "float64": 1e-11}  # KKT violation of a row, relative to its largest right-hand side
SQUARES = {"float32": (1e-32, 1e34), "float64": (1e-150, 1e150)}  # ‖A‖² whose products neither vanish nor overflow


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
    def kills(self) -> bool:
        """Whether every solution is zero."""
        return self.l1 == np.inf

    @property
    def alone(self) -> bool:
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


@dataclass(frozen=True)
class Problem:
    """The non-negative least squares problem that every row of one model shares.

    Row a of A has the solution ``argmin_{w ≥ 0} ½ wᵀ(HHᵀ + l2 I)w − (Ha − l1)ᵀw``. It is solved for ``w / unit``,
    in whose coordinates the Gram matrix has a unit diagonal: one tolerance then means the same for every component.

    Attributes
    ----------
    HT : ndarray (n, padded k)
        ``(diag(unit) H)ᵀ``; rows end with zeros (:func:`dnmf.kernels.padding.padded`), as do the next two.
    Q : ndarray (k, k)
        ``diag(unit) (H Hᵀ + l2 I) diag(unit)``.
    inverse : ndarray (padded k, padded k)
        Of Q, lightly regularized: ``max(0, Q⁻¹ diag(unit) (Ha − l1))`` is where the solver starts.
    unit : ndarray (padded k,)
        One over the root of the diagonal of ``HHᵀ + l2 I``; zero for a dead component.
    l1 : float
        Subtracted from the right-hand sides.
    tolerance : float
        The stopping rule of coordinate descent; zero where every row is finished otherwise.
    bound : float
        The largest value of an entry of w.
    upper : ndarray (k,) or None
        The same for each coordinate of ``w / unit``, where there is one.
    finish : Finish or None
        How rows are solved that are above the tolerance then; None leaves them, which is enough for a start.
    free : bool
        Whether w may be negative: the solution is then where the solver would start, and `inverse` is exact.
    alone : bool
        Whether each w has one entry, that of its largest right-hand side.
    held : int
        How many of the first components have their columns of W given.
    rest : Problem or None
        For the other components, where some are held; its right-hand sides come from this one's.
    peaks : bool
        Whether the pass notes the largest right-hand side ``Ha`` of each component.
    """

    HT: np.ndarray
    Q: np.ndarray
    inverse: np.ndarray
    unit: np.ndarray
    l1: float
    tolerance: float
    bound: float = np.inf
    upper: np.ndarray | None = None
    finish: Finish | None = None
    free: bool = False
    alone: bool = False
    held: int = 0
    rest: "Problem | None" = None
    peaks: bool = False

    @property
    def rank(self) -> int:
        """k."""
        return len(self.Q)

    @property
    def sweeps(self) -> int:
        """How many of coordinate descent there may be."""
        return MOST_SWEEPS if self.tolerance > 0 else FEW_SWEEPS


def make_problem(H: np.ndarray, terms: Terms = NO_TERMS, tolerance: float | None = None, *,
                 signed: bool = False, held: int = 0, peaks: bool = False) -> Problem:  # fmt: skip
    """Return the problem of the rows of A for a fixed `H` (k, n); its dtype is that of the computation.

    With a `tolerance` rows are solved to that by coordinate descent alone, without one exactly.

    Raises
    ------
    InputError
        `H` is not finite, or negative although it is not `signed`.
    """
    if not (
        H.min() >= (-np.inf if signed else 0) and max(H.max(), -H.min()) < np.inf
    ):  # neither holds where there is a NaN
        raise InputError(f"H holds a NaN, an infinity{'' if signed else ' or a negative value'}")
    wide = H.astype(np.float64)
    Q, unit = unit_diagonal(np.zeros((len(H), len(H))) if terms.kills and not held else terms.edit_gram(wide @ wide.T))
    HT = pad_columns(H.T * unit.astype(H.dtype))
    parts = _Parts(HT, unit, terms, tolerance)
    problem = replace(_problem_of(parts, Q, 0), held=held, peaks=peaks)
    if not held:
        return problem
    alive = 0.0 if terms.kills else 1.0  # of what is not given
    return replace(problem, finish=None, rest=_problem_of(parts, alive * Q[held:, held:], held))


class _Parts(NamedTuple):
    """What a problem is made of besides its Gram matrix: of all components, those that are given included."""

    HT: np.ndarray
    unit: np.ndarray
    terms: Terms
    tolerance: float | None


def _problem_of(parts: _Parts, Q: np.ndarray, held: int) -> Problem:
    """The problem of the components that are not given; one of all of them has H in it."""
    terms, dtype, width = parts.terms, parts.HT.dtype, padded(len(Q))
    unit = parts.unit[held:] * (np.diag(Q) > 0)
    HT = parts.HT[:0, :width] if held else parts.HT
    inverse = (
        np.linalg.pinv(Q, rcond=RIDGE_SHARE[str(dtype)], hermitian=True) if terms.free
        else np.linalg.inv(add_to_diagonal(Q.copy(), RIDGE_SHARE[str(dtype)] + (unit == 0)))
    )  # fmt: skip
    tolerance, finish = _how_near(parts, Q, inverse)
    return Problem(
        HT, Q.astype(dtype),
        _padded_with_zeros(inverse, (width, width)).astype(dtype), _padded_with_zeros(unit, (width,)).astype(dtype),
        0.0 if terms.kills else float(terms.l1), tolerance,
        terms.upper, in_units_of(terms.upper, unit, dtype), finish, terms.free, terms.alone,
    )  # fmt: skip


def _how_near(parts: _Parts, Q: np.ndarray, inverse: np.ndarray) -> tuple[float, Finish | None]:
    """Return the tolerance that a Gram matrix allows for, and a way to finish rows that are above it."""
    dtype, terms, held = str(parts.HT.dtype), parts.terms, len(parts.unit) - len(Q)
    usual = TOLERANCE[dtype]
    nothing_left = not len(Q)  # all components are given
    if terms.free or terms.alone or nothing_left or parts.tolerance is not None:
        return usual if parts.tolerance is None else parts.tolerance, None
    known = 1 / float(np.linalg.norm(inverse)) - RIDGE_SHARE[dtype]  # not above the least eigenvalue, and cheap
    enough = tolerance_at(usual, known, dtype) == usual
    tolerance = usual if enough else tolerance_at(usual, least_eigenvalue(Q), dtype)
    data = None if tolerance > 0 else FromData.of(parts.HT, parts.unit, parts.terms[:3], held)
    return tolerance, Finish(Q, usual, in_units_of(terms.upper, parts.unit[held:], parts.HT.dtype), data)


def keep_largest(B: np.ndarray, rank: int) -> np.ndarray:
    """Return rows of right-hand sides (rows, k or more) with nothing but their largest entry, if that is positive."""
    X, rows = aligned_zeros(B.shape, B.dtype), np.arange(len(B))
    largest = np.argmax(B[:, :rank], axis=1)
    X[rows, largest] = np.maximum(B[rows, largest], 0)
    return X


def in_units_of(upper: float, unit: np.ndarray, dtype: np.dtype) -> np.ndarray | None:
    """Return a bound of x as bounds (k,) of ``x / unit``; None where there is none."""
    if upper == np.inf:
        return None
    return np.divide(upper, unit, out=np.full(len(unit), np.inf), where=unit > 0).astype(dtype)


def _padded_with_zeros(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    whole = np.zeros(shape)
    whole[tuple(slice(0, size) for size in array.shape)] = array
    return whole


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


@dataclass(frozen=True)
class Work:
    """One pass: the models it serves and what else is done on the way. Sent to each worker once.

    Attributes
    ----------
    problems : tuple of Problem
        One for each model; empty when rows of W are given, or projected, instead.
    dtype : str
        Of the computation.
    check : bool
        Whether the values are checked (finite, not negative, each entry once) and squared: on the first pass.
    rank : int
        Of the model whose W is given, when it is.
    residual : bool
        Whether the residual of dense rows is computed too: on the last pass, whose objective is reported.
    columns : Columns, optional
        Which columns of W are written out, and what they are divided by; the sums are those of W before.
    signed : bool
        Whether the data may be negative.
    projection : Projection, optional
        What takes the place of the models: its Y is folded and written out as W would be.
    centres : Centres, optional
        What takes the place of the models: the W that is folded says which centre is the nearest of each row.
    """

    problems: tuple[Problem, ...]
    dtype: str
    check: bool = False
    rank: int = 0
    residual: bool = False
    columns: Columns | None = None
    signed: bool = False
    projection: Projection | None = None
    centres: Centres | None = None

    def aligned(self) -> "Work":
        """The same with fixed factors that lie as the kernels read them best: for the worker they came to."""
        factors = [aligned(problem.HT) for problem in self.problems]
        alone = self.projection is None and self.centres is None
        if alone and all(HT is p.HT for HT, p in zip(factors, self.problems, strict=True)):
            return self
        return replace(
            self,
            problems=tuple(replace(p, HT=HT) for p, HT in zip(self.problems, factors, strict=True)),
            projection=self.projection and replace(self.projection, V=aligned(self.projection.V)),
            centres=self.centres and replace(self.centres, CT=aligned(self.centres.CT)),
        )

    @property
    def ranks(self) -> list[int]:
        """The rank of each model's sums."""
        if self.projection is not None:
            return [self.projection.rank]
        if self.centres is not None:
            return [self.centres.rank]
        return [problem.rank for problem in self.problems] or [self.rank]
