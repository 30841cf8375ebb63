"""The matrices that are factorized: real ones where they are at hand, planted ones everywhere."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Problem:
    """A matrix, how it comes about, and the rank it is factorized with.

    Attributes
    ----------
    name, what : str
        For the tables.
    rank : int
        Components.
    load : callable
        Returns the matrix (rows = samples) in float32, an ndarray or a CSR array.
    needs : Path or None
        A file that has to be there.
    """

    name: str
    what: str
    rank: int
    load: Callable[[], Any]
    needs: Path | None = None

    @property
    def available(self) -> bool:
        """Whether the data is at hand."""
        return self.needs is None or self.needs.is_file()


def load_digits() -> np.ndarray:
    """Return scikit-learn's handwritten digits (1797 × 64)."""
    from sklearn.datasets import load_digits as load

    return load().data.astype(np.float32)


def planted_dense(rows: int = 5000, columns: int = 500, rank: int = 10) -> np.ndarray:
    """Return a product of sparse non-negative factors plus a tenth of uniform noise."""
    rng = np.random.default_rng(20)
    W = rng.random((rows, rank)) * (rng.random((rows, rank)) < 0.5)
    H = rng.random((rank, columns)) * (rng.random((rank, columns)) < 0.5)
    return (W @ H + 0.1 * rng.random((rows, columns))).astype(np.float32)


def planted_sparse(rows: int = 5000, columns: int = 2000, rank: int = 10, share: float = 0.03) -> Any:
    """Return Poisson counts of a product of sparse factors, about `share` of them not zero, CSR."""
    rng = np.random.default_rng(21)
    W = rng.gamma(1.0, size=(rows, rank)) * (rng.random((rows, rank)) < 0.3)
    H = rng.gamma(1.0, size=(rank, columns)) * (rng.random((rank, columns)) < 0.3)
    mean = W @ H + 0.05
    counts = rng.poisson(mean * (share / mean.mean()) * 1.08)
    return scipy.sparse.csr_array(counts.astype(np.float32))


def _market(name: str) -> Callable[[], Any]:
    def load() -> Any:
        from scipy.io import mmread

        return scipy.sparse.csr_array(mmread(SHARED_DATA / name).T).astype(np.float32)

    return load


def problems(quick: bool = False) -> Iterator[Problem]:
    """Yield the problems whose data is at hand; `quick`: three small ones that need none."""
    if quick:
        yield Problem("digits", "scikit-learn's digits, dense", 5, load_digits)
        yield Problem("planted dense", "product + noise", 5, lambda: planted_dense(400, 60, 5))
        yield Problem("planted sparse", "Poisson counts", 5, lambda: planted_sparse(400, 200, 5))
        return
    every = (
        _real("hawaiibirds", "bird frequencies, grid cells × species, sparse", 10, "hawaiibirds_counts.mtx.gz"),
        _real("pbmc3k", "UMI counts, cells × genes, sparse", 20, "pbmc3k_counts.mtx.gz"),
        _real("movielens", "ratings, users × movies, sparse, unrated = 0", 20, "movielens_ratings.mtx.gz"),
        Problem("digits", "scikit-learn's digits, dense", 10, load_digits),
        Problem("planted dense", "product + noise, dense", 10, planted_dense),
        Problem("planted sparse", "Poisson counts, sparse", 10, planted_sparse),
    )
    yield from (problem for problem in every if problem.available)


def _real(name: str, what: str, rank: int, file: str) -> Problem:
    return Problem(name, what, rank, _market(file), SHARED_DATA / file)
