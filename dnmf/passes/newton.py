"""Rows of W for a loss whose curvature is its own in every entry: Newton's method, all rows of a block at once.

A row minimizes ``lin·w + ½ wᵀ G0 w + Σ_j ℓ(a_j, w·h_j)`` over ``0 ≤ w ≤ upper``. Around the present w that is a
quadratic problem with a Gram matrix of its own; its solution is the direction of a step, which is halved until the
objective falls. The first steps have the curvature that the loss says, which is never negative but may be far from that
of a row (its expectation, where the data is half or twice of what is expected). Rows that are still on their way then
take their true one, with as much of the other as gives it a minimum. What is done with a row depends on that row alone.
"""

from typing import NamedTuple

import numpy as np

from dnmf.kernels.entries import grams_of_rows
from dnmf.kernels.own_gram import solve_own_rows
from dnmf.kernels.packed import have_minimum, packed_size
from dnmf.kernels.padding import aligned_zeros, padded
from dnmf.kernels.products import cross_dense
from dnmf.losses import Loss
from dnmf.memory import MOST_ENTRIES
from dnmf.passes.entries import Entries, cross_of_entries, predictions, runs_of_rows

MOST_STEPS, MOST_HALVINGS = 50, 20
PARTS = 4  # of the entries of a block, at least: what is made of them on the way is many times as much
SAID_STEPS = 5  # with the curvature that the loss says; its own a row has to see first what is near
SWEEPS, SWEEP_TOLERANCE = 50, 1e-3  # of the quadratic problems
ENOUGH = 1e-4  # of what the slope promises, a step has to bring
MIXED = (0.0, 1e-4, 1e-3, 0.01, 0.1, 0.3, 1.0)  # of the curvature said, added until there is a minimum
RIDGE, DIFFERENCE = 1e-6, 1e-5  # of a diagonal, that makes a flat curvature one; of a prediction, between slopes
LEAST = 1e-6  # of itself that a prediction has to keep where it must be positive
ROUNDING = {"float32": 1e-7, "float64": 1e-14}  # of the objective of a row, and of its largest entry
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

    def of_rows(self, which: np.ndarray | slice) -> "RowProblem":
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
    tolerance, unsolved = TOLERANCE[str(W.dtype)] if tolerance is None else tolerance, 0
    for low, high in runs_of_rows(entries.indptr, packed_size(problem.rank), MOST_ENTRIES // PARTS):
        some = problem.of_rows(slice(low, high))
        unsolved += _solve_run(some, entries.between(low, high), W[low:high], tolerance)
    return unsolved


def _solve_run(problem: RowProblem, entries: Entries, W: np.ndarray, tolerance: float) -> int:
    """The same for rows that are solved together."""
    active, some, lost = np.arange(len(W)), entries, 0
    for step in range(MOST_STEPS):
        at = Point.of(problem.of_rows(active), some, W[active], own=step >= SAID_STEPS)
        going = at.promised > tolerance**2 * at.size
        lost += int(np.count_nonzero(np.isnan(at.promised) | np.isnan(at.size)))  # nothing can be said of these
        if not going.any():
            return lost
        if not going.all():
            active, some = active[going], some.of_rows(going)
            at = at.of_rows(going, some, problem.of_rows(active))
        W[active] = at.stepped()
    return lost + len(active)


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
    def of(cls, problem: RowProblem, entries: Entries, W: np.ndarray, *, own: bool = False) -> "Point":
        """Return what the quadratic problem at W says, with the `own` curvature of a row where that is to be."""
        k, y = problem.rank, predictions(entries, W, problem.HT)
        r, c = (entries.weighted(part) for part in problem.loss.weights(entries.a, y))
        slope = _shared_slope(problem, W)[:, :k] + problem.lin - cross_of_entries(r, entries, problem.HT)[:, :k]
        Q, still = _grams(problem, entries, c), np.zeros((len(W), k), bool)
        if own:
            Q, still = own_curvature(problem, entries, (W[:, :k], slope, y, c), Q)
        d = aligned_zeros(W.shape, W.dtype)
        d[:, :k] = solve_quadratic(problem, Q, slope, W[:, :k], still)
        promised = -np.einsum("iq,iq->i", slope.astype(np.float64), d[:, :k].astype(np.float64))
        size = entries._replace(weights=None).sums_of_rows(c * np.square(y))
        return cls(problem, entries, W, d, promised, size)

    def of_rows(self, which: np.ndarray, entries: Entries, problem: RowProblem) -> "Point":
        """The same for some rows."""
        return Point(problem, entries, self.W[which], self.d[which], *(each[which] for each in self[4:]))

    def stepped(self) -> np.ndarray:
        """Return the rows after steps that are as long as their objective allows."""
        t, before, least = np.ones(len(self.W), self.W.dtype), self._objective(self.W), None
        rounding = ROUNDING[str(self.W.dtype)] * np.abs(before)
        if self.problem.loss.positive:
            y = predictions(self.entries, self.W, self.problem.HT)
            t, least = self._longest(y), LEAST * y
        for _ in range(MOST_HALVINGS):
            after = self._objective(self._moved(t), least)
            failed = ~(after <= before - ENOUGH * t * self.promised + rounding)
            if not failed.any():
                break
            t[failed] /= 2
        t[failed] = 0  # rounding is all that is left
        return self._moved(t)

    def _longest(self, y: np.ndarray) -> np.ndarray:
        """How much of a step each row may take, so that no prediction vanishes; a zero is all but predicted at once."""
        falls = -predictions(self.entries, self.d, self.problem.HT)
        longest, falling = np.ones(len(self.W), self.W.dtype), falls > 0
        room = (1 - 2 * LEAST) * y[falling] / falls[falling]
        np.minimum.at(longest, self.entries.row_of[falling], room.astype(self.W.dtype))
        return longest

    def _moved(self, t: np.ndarray) -> np.ndarray:
        """The rows after steps of these lengths, between their bounds."""
        after, held = self.W + t[:, None] * self.d, self.problem.held
        after[:, held:] = np.clip(after[:, held:], 0, self.problem.upper)
        return after

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


def _grams(problem: RowProblem, entries: Entries, c: np.ndarray) -> np.ndarray:
    """``Σ_j c_j h_j h_jᵀ`` of each row, packed."""
    Q = np.zeros((len(entries.indptr) - 1, packed_size(problem.rank)), problem.HT.dtype)
    grams_of_rows(entries.indices, entries.indptr, c, problem.HT, Q)
    return Q


def own_curvature(
    problem: RowProblem, entries: Entries, at: tuple[np.ndarray, ...], said: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the packed curvature of rows at (W, slope, y, c), and which coordinates are not to leave their bound.

    It is the derivative of the slope, with as much of what the loss `said` as makes it positive among the coordinates
    that may move (Levenberg and Marquardt's way). Where nothing does it is what was said, and every coordinate may.
    """
    W, slope, y, c = at
    own = _grams(problem, entries, entries.weighted(_difference(problem.loss, entries.a, y, c)).astype(W.dtype))
    nothing = ROUNDING[str(W.dtype)] * W.max(axis=1, keepdims=True)  # on the way to zero, and curved by that alone
    still = ((nothing >= W) & (slope > 0)) | ((problem.upper <= W) & (slope < 0))
    still[:, : problem.held] = True
    Q, left = said.copy(), np.arange(len(W))
    for share in MIXED:
        mixed = own[left] + W.dtype.type(share) * said[left]
        found = have_minimum(mixed, ~still[left], problem.G0, RIDGE)
        Q[left[found]], left = mixed[found], left[~found]
    still[left] = False
    return Q, still


def _difference(loss: Loss, a: np.ndarray, y: np.ndarray, c: np.ndarray) -> np.ndarray:
    """``−∂r/∂y`` by central differences in float64; what the loss says where there is no room for one."""
    wide = y.astype(np.float64)
    h = DIFFERENCE * (wide if loss.positive else np.abs(wide) + np.abs(a))
    there = h > 0
    a, wide, h, found = a[there], wide[there], h[there], c.astype(np.float64)
    found[there] = (loss.weights(a, wide - h)[0] - loss.weights(a, wide + h)[0]) / (2 * h)
    return found


def solve_quadratic(
    problem: RowProblem, Q: np.ndarray, slope: np.ndarray, W: np.ndarray, still: np.ndarray
) -> np.ndarray:
    """Return the steps (rows, k) from `W` (rows, k) to where quadratic models with these slopes are least.

    Coordinates that are `still` (rows, k) stay where they are, as those that are held do. A step is as exact as it is
    small: it is what is solved for.
    """
    still = still | (np.arange(problem.rank) < problem.held)
    lower = np.where(still, 0, -W).astype(W.dtype)
    upper = np.where(still, 0, problem.upper - W).astype(W.dtype)
    G0 = None if problem.G0 is None else problem.G0.astype(W.dtype)
    B = np.where(still, 0, -slope).astype(W.dtype)
    return solve_own_rows(Q, B, np.zeros_like(B), lower, upper, SWEEP_TOLERANCE, SWEEPS, G0)[0]


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
