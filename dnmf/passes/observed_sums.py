"""What a pass folds for weighted least squares: where not all entries were observed, or count alike."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from dnmf.kernels.folds import add_by_column, fold_columns, fold_columns_diagonal
from dnmf.kernels.packed import packed_size
from dnmf.kernels.padding import aligned_zeros, padded
from dnmf.kernels.products import fold_dense
from dnmf.passes.weighing import Weighing


@dataclass
class ObservedSums:
    """The sums of one model over some rows, in float64; ``a + b`` is that of both.

    Attributes
    ----------
    G : ndarray (k, k)
        ``WᵀW``.
    s : ndarray (k,)
        Column sums of W, of its absolute values.
    N : ndarray (n, k)
        ``Σ_i ω_ij a_ij w_i`` of each column; on the diagonal, less ``Σ c_ij (w_i·h_j) w_i``.
    Q : ndarray (n, k (k + 1) / 2) or (n, k)
        What entries that were looked at add to the Gram matrices of columns, packed; or ``Σ_i c_ij w_i (Σ_l w_il)``.
    based : ndarray (k, k)
        ``Σ w_i w_iᵀ`` of the rows whose entries all count one before that: every column has it.
    counts : ndarray (n,)
        ``Σ_i ω_ij`` of each column.
    squares : ndarray (k,)
        ``Σ_i (Σ_j ω_ij) w_i²``.
    whole : float
        ``Σ ω a²``.
    curved : float
        ``Σ c (w·h)²`` of what was looked at, where Q is a diagonal.
    kept : dict
        Rows of W that were asked to be kept in memory, by their first row.
    unsolved : int
        How many rows are above their tolerance.
    """

    unreached: ClassVar[int] = 0
    G: np.ndarray
    s: np.ndarray
    N: np.ndarray
    Q: np.ndarray
    based: np.ndarray
    counts: np.ndarray
    squares: np.ndarray
    whole: float = 0.0
    curved: float = 0.0
    kept: dict[int, np.ndarray] = field(default_factory=dict)
    unsolved: int = 0
    finished: int = 0

    def __add__(self, other: "ObservedSums") -> "ObservedSums":
        return ObservedSums(
            self.G + other.G, self.s + other.s, self.N + other.N, self.Q + other.Q, self.based + other.based,
            self.counts + other.counts, self.squares + other.squares, self.whole + other.whole,
            self.curved + other.curved, {**self.kept, **other.kept}, self.unsolved + other.unsolved,
        )  # fmt: skip


class RunningObservedSums:
    """The same while rows come in.

    Parameters
    ----------
    rank, n_columns : int
        k and n.
    diagonal : bool
        Whether curvature is folded on its diagonal.
    """

    def __init__(self, rank: int, n_columns: int, *, diagonal: bool = False):
        width = padded(rank)
        self._rank, self._diagonal, self._rows_based = rank, diagonal, 0
        self._G, self._based, self._s = np.zeros((width, width)), np.zeros((width, width)), np.zeros(width)
        self._squares, self._counts = np.zeros(width), np.zeros(n_columns)
        self._N = aligned_zeros((n_columns, width), np.float64)
        self._Q = aligned_zeros((n_columns, width if diagonal else packed_size(rank)), np.float64)
        self._whole = self._curved = 0.0
        self._unsolved = 0

    def add(self, weighing: Weighing, W: np.ndarray, y: np.ndarray | None, unsolved: int) -> None:
        """Add rows of W (rows, padded rank); on the diagonal with the predictions y of the entries looked at."""
        wide, entries, c = W.astype(np.float64), weighing.entries, weighing.c
        self._G += wide.T @ wide
        self._s += np.abs(wide).sum(axis=0)
        based = wide[weighing.based]
        self._based += based.T @ based
        self._rows_based += len(based)
        self._squares += weighing.counts @ np.square(wide)
        add_by_column(c, entries.indices, self._counts)
        self._whole, self._unsolved = self._whole + weighing.whole, self._unsolved + unsolved
        r = self._weights_of_products(weighing, W)
        if y is not None:
            r = r - c * y
            self._curved += float((c * np.square(y, dtype=np.float64)).sum())
        fold = fold_columns_diagonal if self._diagonal else fold_columns
        fold(r, c, entries.indices, entries.indptr, W, self._N, self._Q)

    def _weights_of_products(self, weighing: Weighing, W: np.ndarray) -> np.ndarray:
        """What entries are folded with: all there are of sparse rows; the products of dense ones are added at once."""
        products = weighing.products
        if not isinstance(products, np.ndarray):
            return products.data
        some = aligned_zeros(self._N.shape, W.dtype)
        fold_dense(products, W, some)
        self._N += some
        return np.zeros_like(weighing.c)

    def finish(self) -> ObservedSums:
        """Return the sums; nothing can be added any more."""
        k = self._rank
        N, Q = np.ascontiguousarray(self._N[:, :k]), np.ascontiguousarray(self._Q[:, :k]) if self._diagonal else self._Q
        return ObservedSums(
            self._G[:k, :k].copy(), self._s[:k].copy(), N, Q, self._based[:k, :k].copy(),
            self._counts + self._rows_based, self._squares[:k].copy(), self._whole, self._curved,
            unsolved=self._unsolved,
        )  # fmt: skip
