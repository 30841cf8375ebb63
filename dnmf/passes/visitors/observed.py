"""Rows of W solved for by weighted least squares: each with a Gram matrix of its own."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from dnmf.kernels.bounds import keep_below
from dnmf.kernels.entries import grams_of_rows
from dnmf.kernels.own_gram import LOOSE, solve_own_rows, solve_unbounded
from dnmf.kernels.packed import diagonal_places, pack, packed_size
from dnmf.kernels.padding import aligned, aligned_zeros, pad_columns
from dnmf.memory import MOST_ENTRIES
from dnmf.passes.entries import cross_of_entries, parts_of, predictions, runs_of_rows
from dnmf.passes.even_units import even_units
from dnmf.passes.observed_sums import RunningObservedSums
from dnmf.passes.products import cross
from dnmf.passes.rows_out import RowsOut
from dnmf.passes.terms import Terms, shared_curvature
from dnmf.passes.visitors.visitor import Block, Visitor
from dnmf.passes.weighing import Weighing, weigh, weigh_implicitly

TOLERANCE = {"float32": 1e-4, "float64": 1e-11}  # of a row, relative to its largest right-hand side
SWEEPS = 1000
BLIND = 0.01  # of a component, or less of it, is seen


@dataclass(frozen=True)
class SolveObservedRows(Visitor):
    """Solves for the rows of W that are best for a fixed H and what was observed, and adds them up.

    Attributes
    ----------
    HT : ndarray (n, padded k)
        H transposed.
    G : ndarray (k, k)
        ``H Hᵀ``: that of a row whose entries all count one.
    terms : Terms
        What is asked of a row.
    ridge : ndarray (k,)
        L2 of each component for each entry that was observed, beside the one for a row.
    held : int
        How many of the first columns of W are given.
    implicit : float
        Confidence in what is there, 0 where entries are values.
    diagonal : bool
        Whether the curvature of columns is folded on its diagonal.
    tolerance : float
        Of a row.
    first : bool
        Whether the pass is to say what the sum of squares is.
    """

    takes_missing: ClassVar[bool] = True
    HT: np.ndarray
    G: np.ndarray
    terms: Terms
    ridge: np.ndarray
    held: int = 0
    implicit: float = 0.0
    diagonal: bool = False
    tolerance: float = 1e-4
    first: bool = False

    @classmethod
    def for_factor(
        cls, H: np.ndarray, terms: Terms, tolerance: float | None = None, *, ridge: np.ndarray | None = None,
        held: int = 0, implicit: float = 0.0, diagonal: bool = False, first: bool = False,
    ) -> Self:  # fmt: skip
        """Return what solves for rows under `terms` with `H` (k, n) fixed, to the tolerance of its dtype by default."""
        wide = H.astype(np.float64)
        tolerance = TOLERANCE[str(H.dtype)] if tolerance is None else tolerance
        HT = pad_columns(np.ascontiguousarray(H.T))
        ridge = np.zeros(len(H)) if ridge is None else ridge
        G = (wide @ wide.T).astype(H.dtype)
        return cls(HT, G, terms, ridge, held, implicit, diagonal, tolerance, first)

    @property
    def rank(self) -> int:
        """k."""
        return len(self.G)

    def begin(self, n_columns: int, dtype: str, *, residual: bool) -> RunningObservedSums:
        """Return the sums over no rows yet."""
        del dtype, residual
        return RunningObservedSums(self.rank, n_columns, diagonal=self.diagonal)

    def visit(self, block: Block, sums: RunningObservedSums, out: RowsOut | None) -> None:
        """Solve for the rows of the block and add them."""
        for part in parts_of(block, MOST_ENTRIES):
            weighing = self._weighed(part)
            W, unsolved = self._solved(weighing, part.given)
            sums.add(weighing, W, predictions(weighing.entries, W, self.HT) if self.diagonal else None, unsolved)
            if out is not None:
                out.write(part.at, W[:, : self.rank].copy())

    def _weighed(self, part: Block) -> Weighing:
        n_columns, dtype = len(self.HT), self.HT.dtype
        if self.implicit:
            return weigh_implicitly(part, n_columns, dtype, self.implicit, first=self.first)
        weighing = weigh(part, n_columns, dtype, first=self.first)
        blind = self._blind(weighing)
        return weigh(part, n_columns, dtype, first=self.first, alone=blind) if blind.any() else weighing

    def _blind(self, weighing: Weighing) -> np.ndarray:
        """Rows (rows,) that see next to nothing of a component: a difference of squares would be rounding."""
        if not weighing.based.any():
            return weighing.based
        squares = np.square(self.HT)
        left = squares.sum(axis=0) + cross_of_entries(weighing.c, weighing.entries, squares)
        return weighing.based & (left < BLIND * squares.sum(axis=0)).any(axis=1)

    def _solved(self, weighing: Weighing, given: np.ndarray | None) -> tuple[np.ndarray, int]:
        """The rows (rows, padded k), and how many are not solved."""
        k, dtype = self.rank, self.HT.dtype
        B = np.ascontiguousarray(cross(weighing.products, self.HT)[:, :k])
        B -= dtype.type(self.terms.l1)
        lower, upper = self._bounds(len(B), given)
        units = even_units(np.diag(self.G) if self.held else np.ones(k)).astype(dtype)
        if self.held:
            B, lower, upper = B * units, lower / units, upper / units
        X, unsolved = aligned_zeros((len(B), self.HT.shape[1]), dtype), 0
        for low, high in runs_of_rows(weighing.entries.indptr, packed_size(k)):
            Q, here = self._grams(weighing, low, high, units), slice(low, high)
            for based, some in _alike(weighing.based[here]):
                G0 = self._shared(based=based)
                G0 = None if G0 is None else G0 * np.outer(units, units)
                x, violations = self._least(Q[some], B[here][some], (lower[here][some], upper[here][some]), G0)
                X[here][some, :k] = x * units
                unsolved += int(np.count_nonzero(violations > LOOSE * self.tolerance))
        return keep_below(X, self.terms.upper), unsolved

    def _grams(self, weighing: Weighing, low: int, high: int, units: np.ndarray) -> np.ndarray:
        """What rows `low` to `high` have of Gram matrices, packed, in these units of W."""
        k, entries = self.rank, weighing.entries
        Q = np.zeros((high - low, packed_size(k)), self.HT.dtype)
        grams_of_rows(entries.indices, entries.indptr[low : high + 1], weighing.c, self.HT, Q)
        if self.ridge.any():
            Q[:, diagonal_places(k)] += (self.ridge * weighing.counts[low:high, None]).astype(Q.dtype)
        if self.held:
            Q *= pack(np.outer(units, units))
        return Q

    def _least(
        self, Q: np.ndarray, B: np.ndarray, between: tuple[np.ndarray, np.ndarray], G0: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The solutions of rows, and how far each is from its own."""
        return solve_own_rows(Q, B, solve_unbounded(Q, B, G0), *between, self.tolerance, SWEEPS, G0)[:2]

    def _shared(self, *, based: bool) -> np.ndarray | None:
        """What the Gram matrices of these rows have in common."""
        added = shared_curvature(self.terms, self.rank)
        if not based:
            return None if added is None else added.astype(self.G.dtype)
        return self.G if added is None else (self.G + added).astype(self.G.dtype)

    def _bounds(self, rows: int, given: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        dtype = self.HT.dtype
        lower = np.full((rows, self.rank), -np.inf if self.terms.free else 0.0, dtype)
        upper = np.full((rows, self.rank), self.terms.upper, dtype)
        if self.held:
            lower[:, : self.held] = upper[:, : self.held] = given
        return lower, upper

    def aligned(self) -> Self:
        """The same with a factor that lies as the kernels read it best."""
        return replace(self, HT=aligned(self.HT))


def _alike(based: np.ndarray) -> list[tuple[bool, Any]]:
    """Which rows are based and which are not; all of them, without a copy, where they are of one kind."""
    if based.all() or not based.any():
        return [(bool(based.any()), slice(None))]
    return [(True, based), (False, ~based)]
