"""What a task adds up while rows come in: products in the dtype of the computation, totals in float64."""

import numpy as np

from dnmf.kernels.carry import carry_counted, count_columns
from dnmf.kernels.padding import aligned_zeros, padded, without_padding
from dnmf.kernels.products import fold_csr, fold_dense, residual_dense
from dnmf.passes.statistics import ModelSums
from dnmf.sources.rows import Rows

TERMS_IN_SUM = 1024  # of a column, on average, that are added in the dtype of the computation
ROWS_IN_SUM = 8192  # and at most: rows, or values of a column where these are counted

MANY_NUMBERS = 2**22  # in the sums of P: from there on it is counted which columns have something to carry over


class RunningSums:
    """The sums of one model over the rows given so far.

    A product of a few hundred rows is formed in the dtype of the computation, then added to a total in float64:
    fast, and nearly as exact as float64 throughout. How rows are given is part of the result's last bits.

    Parameters
    ----------
    rank, n_columns : int
        k and n.
    dtype : str
        Of the products.
    residual : bool
        Whether what is left of the rows is added up too.
    """

    def __init__(self, rank: int, n_columns: int, dtype: str, *, residual: bool = False):
        self._rank, self._n_columns = rank, n_columns
        width = padded(rank)
        self._G, self._s = np.zeros((width, width)), np.zeros(width)
        self._total = aligned_zeros((n_columns, width), np.float64)
        narrow = np.dtype(dtype) != self._total.dtype
        self._recent = aligned_zeros(self._total.shape, dtype) if narrow else self._total
        many = narrow and self._total.size >= MANY_NUMBERS
        self._counts = np.zeros(n_columns, np.int64) if many else None
        self._terms = self._most = 0
        self._peaks = np.zeros(rank)
        self._residual = 0.0 if residual else None
        self._finished = self._unsolved = 0

    def note_peaks(self, B: np.ndarray, unit: np.ndarray, held: int) -> None:
        """Note the largest right-hand sides among rows of B (rows, padded k), which were multiplied by `unit`.

        Those of the first components do not count where these are `held`: nothing is solved for them.
        """
        largest = B.max(axis=0)[: self._rank].astype(np.float64)  # 0 where unit is
        largest[:held] = 0
        self._peaks = np.maximum(self._peaks, largest / np.where(largest > 0, unit[: self._rank], 1.0))

    def note_solved(self, finished: int, unsolved: int) -> None:
        """Note how many rows were finished with an active set, and how many are above their tolerance still."""
        self._finished += finished
        self._unsolved += unsolved

    def note_residual(self, block: Rows, W: np.ndarray, H: np.ndarray) -> None:
        """Add ``‖A − WH‖²`` of dense rows, where that is wanted."""
        if self._residual is not None:
            self._residual += residual_dense(np.asarray(block), W, H)

    def add(self, block: Rows, W: np.ndarray, *, signed: bool = False) -> None:
        """Add rows of A and their rows of W (rows, padded rank), which may be `signed`."""
        wide = W.astype(np.float64)
        self._G += wide.T @ wide
        self._s += (np.abs(wide) if signed else wide).sum(axis=0)
        W = W.astype(self._recent.dtype, copy=False)
        if not isinstance(block, np.ndarray):
            fold_csr(block.data, block.indices, block.indptr, W, self._recent)
            self._note(len(W), len(block.data), block.indices[block.indptr[0] : block.indptr[-1]])
            return
        for low in range(0, len(W), TERMS_IN_SUM):
            some = W[low : low + TERMS_IN_SUM]
            fold_dense(block[low : low + TERMS_IN_SUM], some, self._recent)
            self._note(len(some), len(some) * self._n_columns)

    def _note(self, rows: int, terms: int, columns: np.ndarray | None = None) -> None:
        """Count rows, and the `columns` they have values in where these are counted; carry over when it is time."""
        self._terms += terms
        if self._counts is None:
            self._most += rows
        elif columns is not None:
            self._most = max(self._most, count_columns(columns, self._counts))
        else:
            self._counts += rows
            self._most = int(self._counts.max(initial=0))
        if self._most >= ROWS_IN_SUM or self._terms >= TERMS_IN_SUM * self._n_columns:
            self._carry()

    def _carry(self) -> None:
        if self._counts is not None:
            carry_counted(self._recent, self._total, self._counts)
        elif self._recent is not self._total:
            self._total += self._recent
            self._recent[:] = 0
        self._most = self._terms = 0

    def finish(self) -> ModelSums:
        """Return the sums; nothing can be added any more."""
        self._carry()
        total, k = self._total, self._rank
        del self._recent, self._total, self._counts  # what they held is needed for others
        P = without_padding(total, k)
        return ModelSums(
            self._G[:k, :k].copy(), P, self._s[:k].copy(), self._peaks, self._residual,
            finished=self._finished, unsolved=self._unsolved,
        )  # fmt: skip
