"""What a pass does with rows where no W is solved for: projects them on directions, or finds their nearest centre."""

from dataclasses import dataclass

import numpy as np

from dnmf.kernels.padding import pad_columns


@dataclass(frozen=True)
class Projection:
    """Directions that every row is projected on, ``Y = A V``, where no W is solved for.

    Attributes
    ----------
    V : ndarray (n, padded r)
        The directions, of any sign; rows end with zeros.
    rank : int
        r.
    one_in : int
        Of so many neighbouring rows of Y one is written out, drawn from the seed: the same ones however the rows
        are cut into blocks and tasks, and no period of the data can hide from them.
    seed : int
        Of the fit.
    """

    V: np.ndarray
    rank: int
    one_in: int = 1
    seed: int = 0

    def drawn_rows(self, first: int, count: int) -> np.ndarray:
        """Return which of the rows `first` to `first + count` are written out, counted from `first`."""
        parts = np.arange(first // self.one_in, (first + count - 1) // self.one_in + 1, dtype=np.uint64)
        rows = (parts * np.uint64(self.one_in) + _scattered(parts, self.seed) % np.uint64(self.one_in)).astype(np.int64)
        return rows[(rows >= first) & (rows < first + count)] - first


def _scattered(numbers: np.ndarray, seed: int) -> np.ndarray:
    """Each number mixed with the seed to 64 random bits (splitmix64, doi:10.1145/2660193.2660195)."""
    mixed = numbers + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


@dataclass(frozen=True)
class Centres:
    """Points of which each row is given the nearest, where no W is solved for: a step of k-means.

    W has a one at the nearest centre (the first of several) and zeros elsewhere: ``WᵀA`` is then the sum of the
    rows of each centre, and the column sums of W count them.

    Attributes
    ----------
    CT : ndarray (n, padded k)
        The centres, transposed; rows end with zeros.
    half_squares : ndarray (k,)
        ``½‖c‖²`` of each: the nearest centre has the largest ``⟨a, c⟩ − ½‖c‖²``.
    """

    CT: np.ndarray
    half_squares: np.ndarray

    @classmethod
    def of(cls, centres: np.ndarray) -> "Centres":
        """Of points (k, n), in their dtype."""
        return cls(pad_columns(centres.T), 0.5 * np.einsum("qj,qj->q", centres, centres))

    @property
    def rank(self) -> int:
        """k."""
        return len(self.half_squares)
