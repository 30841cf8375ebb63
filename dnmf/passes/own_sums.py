"""What a pass folds where every column has a curvature of its own."""

from dataclasses import dataclass, field

import numpy as np

from dnmf.kernels.folds import fold_columns, fold_columns_diagonal
from dnmf.kernels.packed import packed_size
from dnmf.kernels.padding import aligned_zeros, padded
from dnmf.passes.entries import Entries


@dataclass
class OwnSums:
    """The sums of one model over some rows, in float64; ``a + b`` is that of both.

    Attributes
    ----------
    G : ndarray (k, k)
        ``WᵀW``.
    s : ndarray (k,)
        Column sums of W.
    N : ndarray (n, k)
        ``Σ_i r_ij w_i`` of each column.
    Q : ndarray (n, k (k + 1) / 2) or (n, k)
        ``Σ_i c_ij w_i w_iᵀ`` of each column, packed (:func:`dnmf.kernels.packed.unpack`); where there is no room for
        that, the diagonal ``Σ_i c_ij w_i (Σ_l w_il)``, which is not below it.
    value : float
        The loss of the entries.
    whole : float
        That of a model that knows the mean of each row; 0 where the pass does not ask.
    kept : dict
        Rows of W that were asked to be kept in memory, by their first row.
    unsolved : int
        How many rows are above their tolerance.
    unreached : int
        How many rows have values where no W predicts anything.
    """

    G: np.ndarray
    s: np.ndarray
    N: np.ndarray
    Q: np.ndarray
    value: float = 0.0
    whole: float = 0.0
    kept: dict[int, np.ndarray] = field(default_factory=dict)
    unsolved: int = 0
    finished: int = 0
    unreached: int = 0

    def __add__(self, other: "OwnSums") -> "OwnSums":
        return OwnSums(
            self.G + other.G, self.s + other.s, self.N + other.N, self.Q + other.Q, self.value + other.value,
            self.whole + other.whole, {**self.kept, **other.kept}, self.unsolved + other.unsolved,
            unreached=self.unreached + other.unreached,
        )  # fmt: skip


class RunningOwnSums:
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
        self._rank, self._diagonal = rank, diagonal
        self._G, self._s = np.zeros((width, width)), np.zeros(width)
        self._N = aligned_zeros((n_columns, width), np.float64)
        self._Q = aligned_zeros((n_columns, width if diagonal else packed_size(rank)), np.float64)
        self._value = self._whole = 0.0
        self._unsolved = self._unreached = 0

    def note(self, value: float, whole: float, *, unsolved: int, unreached: int) -> None:
        """Note the loss of some rows and that of a model of their means, and how many are not solved or not reached."""
        self._value, self._whole = self._value + value, self._whole + whole
        self._unsolved, self._unreached = self._unsolved + unsolved, self._unreached + unreached

    def add(self, entries: Entries, W: np.ndarray, r: np.ndarray, c: np.ndarray) -> None:
        """Add rows of W (rows, padded rank) with the weights of their entries."""
        wide = W.astype(np.float64)
        self._G += wide.T @ wide
        self._s += wide.sum(axis=0)
        fold = fold_columns_diagonal if self._diagonal else fold_columns
        fold(r, c, entries.indices, entries.indptr, W, self._N, self._Q)

    def finish(self) -> OwnSums:
        """Return the sums; nothing can be added any more."""
        k = self._rank
        N, Q = np.ascontiguousarray(self._N[:, :k]), np.ascontiguousarray(self._Q[:, :k]) if self._diagonal else self._Q
        G, s = self._G[:k, :k].copy(), self._s[:k].copy()
        return OwnSums(
            G, s, N, Q, self._value, self._whole, unsolved=self._unsolved, unreached=self._unreached
        )  # fmt: skip
