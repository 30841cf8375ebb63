"""The matrices that are factorized: planted ones everywhere, real ones where they are at hand."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
BLOCK_ROWS = 2000  # a planted sparse matrix is drawn in blocks, so that it is never held dense
NEAREST = (0.002, 1e-6)  # as near as a fit of dnmf comes with its start


@dataclass(frozen=True)
class Problem:
    """A matrix, how it comes about, the rank it is factorized with, and the qualities that are asked for.

    Attributes
    ----------
    name, what : str
        For the tables.
    rank : int
        Components.
    load : callable
        Returns the matrix (rows = samples) in float32, an ndarray or a CSR array.
    within : tuple of float
        Qualities, coarsest first: an error is good enough when it exceeds the best known one by no more than this
        share of it.
    longest_s : float
        CPU seconds of the longest run that is tried to come to a quality.
    needs : Path or None
        A file that has to be there.
    """

    name: str
    what: str
    rank: int
    load: Callable[[], Any]
    within: tuple[float, ...] = (0.002,)
    longest_s: float = 2.0
    needs: Path | None = None

    @property
    def available(self) -> bool:
        """Whether the data is at hand."""
        return self.needs is None or self.needs.is_file()


def load_digits() -> np.ndarray:
    """Return scikit-learn's handwritten digits (1797 × 64)."""
    from sklearn.datasets import load_digits as load

    return load().data.astype(np.float32)


def planted_dense(rows: int = 20000, columns: int = 2000, rank: int = 20, noise: float = 0.609) -> np.ndarray:
    """Return a product of half-empty uniform factors plus uniform noise; the best error is about 0.1027."""
    rng = np.random.default_rng(20)
    W = rng.random((rows, rank)) * (rng.random((rows, rank)) < 0.5)
    H = rng.random((rank, columns)) * (rng.random((rank, columns)) < 0.5)
    return (W @ H + noise * rng.random((rows, columns))).astype(np.float32)


def poisson_sparse(rows: int = 20000, columns: int = 5000, rank: int = 20, share: float = 0.05) -> Any:
    """Return Poisson counts whose rates are weakly expressed, about `share` of them not zero, CSR.

    Gamma factors, columns of log-normal popularity. Nearly all that is in the matrix is noise of the counts: the
    best error is about 0.9514.
    """
    rng = np.random.default_rng(21)
    W = rng.gamma(1.0, size=(rows, rank))
    H = rng.gamma(1.0, size=(rank, columns)) * np.exp(0.598 * rng.standard_normal(columns))
    rate = share * 1.04 / (W.mean(0) @ H.mean(1))
    blocks = (rng.poisson(W[i : i + BLOCK_ROWS] @ H * rate) for i in range(0, rows, BLOCK_ROWS))
    return _stacked(scipy.sparse.csr_array(block.astype(np.float32)) for block in blocks)


def planted_sparse(rows: int = 100000, columns: int = 10000, rank: int = 30) -> Any:
    """Return Poisson counts of a product of sparse gamma factors, about 3 % of them not zero, CSR."""
    rng = np.random.default_rng(22)
    W = _thinned(rng, (rows, rank), 0.1)
    H = _thinned(rng, (rank, columns), 0.015)
    return _stacked(_counts(rng, W[i : i + BLOCK_ROWS] @ H) for i in range(0, rows, BLOCK_ROWS))


def _thinned(rng: np.random.Generator, shape: tuple[int, int], share: float) -> Any:
    return scipy.sparse.csr_array(rng.gamma(1.0, size=shape) * (rng.random(shape) < share))


def _counts(rng: np.random.Generator, rates: Any) -> Any:
    counts = scipy.sparse.csr_array(rates)
    counts.data = rng.poisson(4 * counts.data).astype(np.float32)
    counts.eliminate_zeros()
    return counts


def _stacked(blocks: Iterator[Any]) -> Any:
    matrix = scipy.sparse.csr_array(scipy.sparse.vstack(list(blocks), format="csr"))
    matrix.sort_indices()
    return matrix


def _market(name: str) -> Callable[[], Any]:
    def load() -> Any:
        from scipy.io import mmread

        return scipy.sparse.csr_array(mmread(SHARED_DATA / name).T).astype(np.float32)

    return load


def problems(quick: bool = False) -> list[Problem]:
    """Return the problems whose data is at hand; `quick`: two small ones that need none."""
    if quick:
        return [
            Problem("small dense", "product + noise", 5, lambda: planted_dense(400, 60, 5), (0.01, 0.002), 0.2),
            Problem("small sparse", "Poisson counts", 5, lambda: poisson_sparse(400, 200, 5), longest_s=0.2),
        ]
    every = (
        Problem("planted dense", "product + noise", 20, planted_dense, (0.01, 0.002), 10.0),
        Problem("Poisson sparse", "counts, weakly expressed", 20, poisson_sparse, (0.002, 0.0005), 6.0),
        Problem("planted sparse", "counts of a product of sparse factors", 30, planted_sparse, longest_s=10.0),
        _real("pbmc3k", "UMI counts, cells × genes", 20, "pbmc3k_counts.mtx.gz", longest_s=6.0),
        _real("movielens", "ratings, users × movies, unrated = 0", 20, "movielens_ratings.mtx.gz"),
        _real("hawaiibirds", "bird frequencies, grid cells × species", 10, "hawaiibirds_counts.mtx.gz", within=NEAREST),
        Problem("digits", "images of handwritten digits", 10, load_digits),
    )
    return [problem for problem in every if problem.available]


def _real(
    name: str, what: str, rank: int, file: str, *, longest_s: float = 2.0, within: tuple[float, ...] = (0.002,)
) -> Problem:
    return Problem(name, what, rank, _market(file), within, longest_s=longest_s, needs=SHARED_DATA / file)
