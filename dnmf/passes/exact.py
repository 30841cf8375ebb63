"""Rows that coordinate descent leaves above their tolerance, solved to the end with an active set in float64.

How near a row must come to its solution depends on the Gram matrix: with least eigenvalue λ (its diagonal is one) a
violation v leaves what the row predicts wrong by up to ``v / √λ``. The tolerance therefore falls with √λ, down to what
a sweep in the dtype can tell. Below that the Gram matrix has lost digits that H itself still has: every row is then
finished, from H and the row of A.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dnmf.kernels.active_set import settle_rows, slopes_by_data, slopes_by_gram
from dnmf.kernels.bounds import pinned
from dnmf.sources.rows import CsrRows, Rows

MOST_SWEEPS = 250  # from there on the active set is cheaper
FEW_SWEEPS = 16  # for a first guess where every row is finished
OFF = {"float32": 7e-4, "float64": 1e-10}  # by so much of ‖a‖ may be wrong what a row predicts
LEAST_TOLERANCE = {"float32": 3e-6, "float64": 1e-14}  # what sweeps come to in this dtype
LEAST_VALUE = {"gram": 2 * float(np.finfo(np.float64).eps), "factor": 1e-24}  # of the squares of a root, of the largest
TURNS = 2  # the second from exact gradients where the first came to: what its root was off is squared
GATHERED_BYTES = 2**20


def least_eigenvalue(Q: np.ndarray) -> float:
    """Return that of the part of a Gram matrix whose diagonal is not zero; 1 where there is none."""
    alive = np.diag(Q) > 0
    return float(np.linalg.eigvalsh(Q[np.ix_(alive, alive)])[0]) if alive.any() else 1.0


def tolerance_at(usual: float, least: float, dtype: str) -> float:
    """Return the violation at which sweeps may end for a Gram matrix with this `least` eigenvalue.

    Zero where no sweep can tell: then every row is to be finished.

    Examples
    --------
    >>> [tolerance_at(1e-11, least, "float64") for least in (0.1, 1e-4, 1e-12)]
    [1e-11, 1e-12, 0.0]
    """
    wanted = OFF[dtype] * float(np.sqrt(max(0.0, least)))
    return 0.0 if wanted < LEAST_TOLERANCE[dtype] else min(usual, wanted)


@dataclass(frozen=True)
class Finish:
    """How rows are finished, in the coordinates ``w / unit`` of their problem.

    Attributes
    ----------
    Q : ndarray (k, k)
        The Gram matrix in float64, penalties included.
    limit : float
        A row whose violation is above it counts as not solved.
    upper : ndarray (k,) or None
        Bounds, where there are any.
    data : FromData or None
        How gradients come from H and the rows of A; None: from Q and the right-hand sides.
    """

    Q: np.ndarray
    limit: float
    upper: np.ndarray | None = None
    data: "FromData | None" = None

    @property
    def root(self) -> np.ndarray:
        """``root' root = Q`` (k, k), to the digits that matter."""
        return root_of(self.Q) if self.data is None else self.data.root

    @property
    def least(self) -> float:
        """The share of the largest square in the root up to which a direction is rounding."""
        return 4 * len(self.Q) * LEAST_VALUE["gram"] if self.data is None else 2 * LEAST_VALUE["factor"]

    @property
    def most(self) -> np.ndarray:
        """The bounds (k,): infinite where there is none, zero where the diagonal of Q is."""
        return np.where(np.diag(self.Q) > 0, np.inf if self.upper is None else self.upper.astype(np.float64), 0.0)

    def concerns(self, X: np.ndarray, violations: np.ndarray, tolerance: float) -> np.ndarray:
        """Return which rows are to be finished: those above the tolerance, all that are not zero if none can be met."""
        above = violations > tolerance
        return np.flatnonzero(above | X.any(axis=1) if tolerance == 0 else above)


@dataclass(frozen=True)
class FromData:
    """What is needed besides H and the rows of A where the Gram matrix has lost the digits.

    Attributes
    ----------
    root : ndarray (k, k)
        ``root' root = Q``, rows orthogonal, from H itself.
    slope : ndarray (k,)
        Of the penalty at zero.
    ridge : ndarray (held + k, k)
        A row, the given components before the others, times it is the rest of the slope of the penalty.
    """

    root: np.ndarray
    slope: np.ndarray
    ridge: np.ndarray

    @classmethod
    def of(cls, HT: np.ndarray, unit: np.ndarray, penalty: tuple[float, float, float], held: int) -> "FromData":
        """For ``H'`` (n, held + k or more) in units (held + k,), and a penalty of (L1, L2, angular)."""
        (l1, l2, angular), size = penalty, len(unit)
        added = np.concatenate([np.sqrt(l2) * np.diag(unit), np.sqrt(angular) * unit[None]])
        M = np.concatenate([HT[:, :size].astype(np.float64), added])
        ridge = l2 * np.diag(unit**2) + angular * unit[:, None] * unit
        return cls(root_of_factor(M[:, held:]), l1 * unit[held:], ridge[:, held:])


def root_of(Q: np.ndarray) -> np.ndarray:
    """Return R (k, k) with ``R'R = Q`` up to rounding, its rows orthogonal and none zero."""
    values, vectors = np.linalg.eigh(Q)
    floor = LEAST_VALUE["gram"] * max(values[-1], np.finfo(np.float64).tiny)
    return np.sqrt(np.maximum(values, floor))[:, None] * vectors.T


def root_of_factor(M: np.ndarray) -> np.ndarray:
    """Return R (k, k) with ``R'R = M'M`` for `M` (n, k), to the digits that M has and its Gram matrix has lost."""
    _, values, vectors = np.linalg.svd(np.linalg.qr(M, mode="r"), full_matrices=True)
    whole = np.zeros(M.shape[1])
    whole[: len(values)] = values
    floor = np.sqrt(LEAST_VALUE["factor"]) * max(whole[0], np.finfo(np.float64).tiny)
    return np.maximum(whole, floor)[:, None] * vectors


def finish_rows(  # noqa: PLR0917  the parts of one problem
    X: np.ndarray, B: np.ndarray, which: np.ndarray, finish: Finish, block: Rows | None = None,
    HT: np.ndarray | None = None, held: np.ndarray | None = None, wide: np.ndarray | None = None,
) -> int:  # fmt: skip
    """Finish the rows `which` of `X` in place; return how many are still above the limit.

    Parameters
    ----------
    X : ndarray (rows, k or more)
        Where coordinate descent has come to; in the dtype of the computation.
    B : ndarray (rows, k or more)
        Right-hand sides.
    which : ndarray of int
        Rows of both, and of the block.
    finish : Finish
        How.
    block, HT : optional
        The rows of A and ``H'`` (n, held + k or more); needed where gradients come from them.
    held : ndarray (rows, held), optional
        The components of each row that are given.
    wide : ndarray (len(which), k or more), optional
        The right-hand sides of the rows `which` with more digits, where there are any.
    """
    if not len(which):
        return 0
    unsolved, k, root, most = 0, len(finish.Q), finish.root, finish.most
    step = max(1, GATHERED_BYTES // (8 * (k if block is None else HT.shape[0])))  # type: ignore[union-attr]
    for low in range(0, len(which), step):
        some = which[low : low + step]
        sides = B[some] if wide is None else wide[low : low + step]
        slopes_at = _from_data(finish.data, block, HT, held, some) if finish.data else _from_gram(finish.Q, sides)
        x, ended = X[some, :k].astype(np.float64), np.ones(len(some), bool)
        for _ in range(TURNS):
            x, ended = settle_rows(root, x, slopes_at(x), most, finish.least)
        X[some, :k] = x
        slopes, sizes = slopes_at(x), np.abs(B[some, :k]).max(axis=1).astype(np.float64)
        off = np.where(pinned(x, slopes, most), 0.0, np.abs(slopes))
        unsolved += int(np.count_nonzero(~ended | (off.max(axis=1) > finish.limit * sizes)))
    return unsolved


def _from_gram(Q: np.ndarray, B: np.ndarray) -> Any:
    return lambda x: slopes_by_gram(Q, B, x)


def _from_data(data: FromData, block: Any, HT: Any, held: np.ndarray | None, some: np.ndarray) -> Any:
    """The gradients of rows as a function of their x, from the rows of A as they are."""
    A, k = _dense(block, some, len(HT)), len(data.root)
    given = np.zeros((len(some), 0)) if held is None else held[some].astype(np.float64)
    first = given.shape[1]

    def slopes_at(x: np.ndarray) -> np.ndarray:
        whole = np.zeros((len(x), HT.shape[1]))
        whole[:, :first], whole[:, first : first + k] = given, x
        slopes = slopes_by_data(A, HT, whole)[:, first : first + k]
        return slopes + data.slope + slopes_by_gram(data.ridge, np.zeros_like(x), whole[:, : first + k])

    return slopes_at


def _dense(block: Rows, some: np.ndarray, n_columns: int) -> np.ndarray:
    """Rows of a block, in float64 with their zeros."""
    if isinstance(block, np.ndarray):
        return block[some].astype(np.float64)
    return _scattered(block, some, n_columns)


def _scattered(block: CsrRows, some: np.ndarray, n_columns: int) -> np.ndarray:
    A = np.zeros((len(some), n_columns))
    for row, at in zip(A, some, strict=True):
        here = slice(block.indptr[at], block.indptr[at + 1])
        row[block.indices[here]] = block.data[here]
    return A
