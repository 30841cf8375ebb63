"""Rows of W for a loss whose curvature is its own in every entry: Newton's method, all rows of a block at once.

A row minimizes ``lin·w + ½ wᵀ G0 w + Σ_j ℓ(a_j, w·h_j)`` over ``0 ≤ w ≤ upper``. Around the present w that is a
quadratic problem with a Gram matrix of its own; its solution is the direction of a step, which is halved until the
objective falls. What is done with a row depends on that row alone.
"""

from typing import NamedTuple

import numpy as np

from dnmf.kernels.entries import grams_of_rows, predict
from dnmf.kernels.own_gram import solve_own_rows
from dnmf.kernels.packed import packed_size, times_packed
from dnmf.kernels.padding import aligned_zeros, padded
from dnmf.kernels.products import cross_dense
from dnmf.losses import Loss
from dnmf.passes.entries import Entries, cross_of_entries

MOST_STEPS, MOST_HALVINGS = 50, 20
SWEEPS, SWEEP_TOLERANCE = 50, 1e-3  # of the quadratic problems
ENOUGH = 1e-4  # of what the slope promises, a step has to bring
LEAST = 1e-6  # of itself that a prediction has to keep where it must be positive
TOLERANCE = {"float32": 1e-3, "float64": 1e-6}  # of a row: its predictions change by less than so much of themselves


class RowProblem(NamedTuple):
    """What all rows share.

    Attributes
    ----------
    loss : Loss
        Of an entry.
    HT : ndarray (n, padded k)
        H transposed.
    lin : ndarray (k,) or (rows, k)
        The linear part, that of the loss included.
    G0 : ndarray (k, k) or None
        Curvature that every row has besides that of its entries.
    upper : float
        The largest value of an entry of w.
    held : int
        How many of the first components are given.
    """

    loss: Loss
    HT: np.ndarray
    lin: np.ndarray
    G0: np.ndarray | None
    upper: float
    held: int

    @property
    def rank(self) -> int:
        """k."""
        return self.lin.shape[-1]

    def of_rows(self, which: np.ndarray) -> "RowProblem":
        """The problem of some rows."""
        return self if self.lin.ndim == 1 else self._replace(lin=self.lin[which])


def solve_rows(problem: RowProblem, entries: Entries, W: np.ndarray, tolerance: float | None = None) -> int:
    """Write the minimizers to `W` (rows, padded k), where the search begins; return how many rows did not get there.

    Parameters
    ----------
    problem, entries
        The rows.
    W : ndarray
        In the dtype of ``problem.HT``; its first `held` columns stay.
    tolerance : float, optional
        A row ends when a step would change its predictions by less than so much of themselves.
    """
    tolerance = TOLERANCE[str(W.dtype)] if tolerance is None else tolerance
    active, some = np.arange(len(W)), entries
    for _ in range(MOST_STEPS):
        at = Point.of(problem.of_rows(active), some, W[active])
        going = at.promised > tolerance**2 * at.size
        if not going.any():
            return 0
        if not going.all():
            active, some = active[going], some.of_rows(going)
            at = at.of_rows(going, some, problem.of_rows(active))
        W[active] = at.stepped()
    return len(active)


class Point(NamedTuple):
    """Rows on their way.

    Attributes
    ----------
    problem, entries
        Of the rows.
    W, d : ndarray (rows, padded k)
        Where they are, and the way to where the quadratic problem would have them.
    promised, size : ndarray (rows,)
        By how much that lowers the objective to first order, and the curvature of the predictions there are.
    """

    problem: RowProblem
    entries: Entries
    W: np.ndarray
    d: np.ndarray
    promised: np.ndarray
    size: np.ndarray

    @classmethod
    def of(cls, problem: RowProblem, entries: Entries, W: np.ndarray) -> "Point":
        """Return what the quadratic problem at W says."""
        k, y = problem.rank, predictions(entries, W, problem.HT)
        r, c = (entries.weighted(part) for part in problem.loss.weights(entries.a, y))
        slope = _shared_slope(problem, W)[:, :k] + problem.lin - cross_of_entries(r, entries, problem.HT)[:, :k]
        Q = np.zeros((len(W), packed_size(k)), W.dtype)
        grams_of_rows(entries.indices, entries.indptr, c, problem.HT, Q)
        x = solve_quadratic(problem, Q, slope, W[:, :k])
        d = aligned_zeros(W.shape, W.dtype)
        d[:, :k] = x - W[:, :k]
        promised = -np.einsum("iq,iq->i", slope.astype(np.float64), d[:, :k].astype(np.float64))
        return cls(problem, entries, W, d, promised, entries._replace(weights=None).sums_of_rows(c * np.square(y)))

    def of_rows(self, which: np.ndarray, entries: Entries, problem: RowProblem) -> "Point":
        """The same for some rows."""
        return Point(problem, entries, self.W[which], self.d[which], self.promised[which], self.size[which])

    def stepped(self) -> np.ndarray:
        """Return the rows after steps that are as long as their objective allows."""
        t, before = np.ones(len(self.W), self.W.dtype), self._objective(self.W)
        least = LEAST * predictions(self.entries, self.W, self.problem.HT) if self.problem.loss.positive else None
        for _ in range(MOST_HALVINGS):
            after = self._objective(self.W + t[:, None] * self.d, least)
            failed = ~(after <= before - ENOUGH * t * self.promised + 1e-7 * np.abs(before))
            if not failed.any():
                break
            t[failed] /= 2
        t[failed] = 0  # rounding is all that is left
        return np.maximum(self.W + t[:, None] * self.d, 0)

    def _objective(self, W: np.ndarray, least: np.ndarray | None = None) -> np.ndarray:
        """The objective of each row (rows,), infinite where a prediction is below the least one."""
        k, problem = self.problem.rank, self.problem
        y = predictions(self.entries, W, problem.HT)
        below = np.zeros(0) if least is None else y < least
        values = problem.loss.value(self.entries.a, y if least is None else np.maximum(y, least))
        total = self.entries.sums_of_rows(values)
        if below.any():
            total += np.where(self.entries.sums_of_rows(below.astype(float)) > 0, np.inf, 0.0)
        wide = W[:, :k].astype(np.float64)
        curved = 0.5 * np.einsum("iq,iq->i", _shared_slope(problem, W)[:, :k].astype(np.float64), wide)
        return total + np.einsum("iq,iq->i", np.broadcast_to(problem.lin, wide.shape), wide) + curved


def predictions(entries: Entries, W: np.ndarray, HT: np.ndarray) -> np.ndarray:
    """Return ``w_i·h_j`` of each entry."""
    y = np.zeros(len(entries.a), W.dtype)
    predict(entries.indices, entries.indptr, W, HT, y)
    return y


def solve_quadratic(problem: RowProblem, Q: np.ndarray, slope: np.ndarray, W: np.ndarray) -> np.ndarray:
    """Return where the quadratic models of rows at `W` (rows, k) with these slopes are least."""
    lower = np.zeros_like(W)
    upper = np.full_like(W, problem.upper)
    lower[:, : problem.held] = upper[:, : problem.held] = W[:, : problem.held]
    G0 = None if problem.G0 is None else problem.G0.astype(W.dtype)
    B = (times_packed(Q, W) - slope).astype(W.dtype)
    if G0 is not None:
        B += _padded_product(W, G0)
    return solve_own_rows(Q, B, np.ascontiguousarray(W), lower, upper, SWEEP_TOLERANCE, SWEEPS, G0)[0]


def _shared_slope(problem: RowProblem, W: np.ndarray) -> np.ndarray:
    """``G0 w`` of each row (rows, padded k)."""
    return np.zeros_like(W) if problem.G0 is None else _padded_product(W, problem.G0)


def _padded_product(W: np.ndarray, G0: np.ndarray) -> np.ndarray:
    """``W G0``, each row as if it were alone, which BLAS does not promise."""
    k, width = len(G0), padded(len(G0))
    square, wide = aligned_zeros((width, width), W.dtype), aligned_zeros((len(W), width), W.dtype)
    square[:k, :k], wide[:, :k] = G0, W[:, :k]
    product = aligned_zeros(wide.shape, W.dtype)
    cross_dense(wide, square, product)
    return product[:, : W.shape[1]]
