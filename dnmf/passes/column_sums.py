"""What passes fold where every column has a curvature of its own: the part that all such sums have in common."""

import operator
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Self

import numpy as np

from dnmf.kernels.packed import packed_size
from dnmf.kernels.padding import aligned_zeros, padded


@dataclass(kw_only=True)
class ColumnSums:
    """The sums of one model over some rows, in float64; ``a + b`` is that of both.

    Attributes
    ----------
    G : ndarray (k, k)
        ``WᵀW``.
    s : ndarray (k,)
        Column sums of W, of its absolute values.
    N : ndarray (n, k)
        What pulls at each column.
    Q : ndarray (n, k (k + 1) / 2) or (n, k)
        What curves each column, packed (:func:`dnmf.kernels.packed.unpack`); or on its diagonal, which is not below it.
    whole : float
        The loss of a model that explains nothing; 0 where the pass does not ask.
    kept : dict
        Rows of W that were asked to be kept in memory, by their first row.
    unsolved : int
        How many rows are above their tolerance.
    """

    finished: ClassVar[int] = 0  # no row is solved in two ways
    G: np.ndarray
    s: np.ndarray
    N: np.ndarray
    Q: np.ndarray
    whole: float = 0.0
    kept: dict[int, np.ndarray] = field(default_factory=dict)
    unsolved: int = 0

    def __add__(self, other: Self) -> Self:
        return self._with(other, operator.add)

    def __iadd__(self, other: Self) -> Self:
        return self._with(other, operator.iadd)  # N and Q take no more memory

    def _with(self, other: Self, add: Callable[[Any, Any], Any]) -> Self:
        added = [each.name for each in fields(self) if each.name != "kept"]
        sums = {name: add(getattr(self, name), getattr(other, name)) for name in added}
        return replace(self, kept={**self.kept, **other.kept}, **sums)

    def without(self, unused: np.ndarray) -> Self:
        """Return the sums as a penalty sees them without the columns of W that are `unused` (k,)."""
        used = (~unused).astype(np.float64)
        return replace(self, G=self.G * np.outer(used, used), s=self.s * used)


class RunningColumnSums:
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
        self._whole, self._unsolved = 0.0, 0

    def _add_rows(self, W: np.ndarray) -> np.ndarray:
        """Add rows of W (rows, padded rank) themselves, and return them in float64."""
        wide = W.astype(np.float64)
        self._G += wide.T @ wide
        self._s += np.abs(wide).sum(axis=0)
        return wide

    def _common(self) -> dict[str, Any]:
        """What all sums have, without padding."""
        k = self._rank
        N, Q = np.ascontiguousarray(self._N[:, :k]), np.ascontiguousarray(self._Q[:, :k]) if self._diagonal else self._Q
        G, s = self._G[:k, :k].copy(), self._s[:k].copy()
        return {"G": G, "s": s, "N": N, "Q": Q, "whole": self._whole, "unsolved": self._unsolved}
