"""Non-negative matrices with a planted rank, of many kinds, and some that have none.

A kind is loadings of rows, loadings of columns, sizes of components and noise. Each noise has a usual level; where the
weakest component would drown in it (the k-th singular value of the product is below `VISIBLE` times the spectral norm
of the noise), the level is lowered until it does not: what no method can see is no test of one.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

VISIBLE = 1.5
LOWER = 0.7  # a level of noise is lowered by this factor
STREAM = 20261129  # of the numbers drawn here
RANKS = (3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 20, 25)
SHAPES = ((600, 200), (500, 300), (1500, 400), (800, 150), (300, 400), (1000, 250), (400, 200))
SMALL_RANKS, SMALL_SHAPES = (3, 4, 5, 6, 8), ((400, 120), (300, 150), (600, 100))
WIDER, HIGHEST_WITHOUT = 3, 14  # ranks tried on both sides of the true one; the highest one where there is none
HIDDEN = 0.2  # of the entries, where some are missing
SMALLER = 100  # seeds of smaller matrices begin here
ROUNDS = 2

Draw = np.random.Generator
Loadings = Callable[[Draw, int, int], np.ndarray]
Drawn = tuple[np.ndarray, np.ndarray]


class Planted(NamedTuple):
    """A matrix to be drawn.

    Attributes
    ----------
    group : str
        ``"planted"``, ``"Kullback–Leibler"``, ``"missing"`` or ``"none"``.
    kind : str
        One of `KINDS`, or of `WITHOUT`.
    seed : int
        Of what is drawn.
    rank : int or None
        The true one; None where there is none.
    shape : tuple of int
        Rows and columns.
    """

    group: str
    kind: str
    seed: int
    rank: int | None
    shape: tuple[int, int]

    def draw(self) -> np.ndarray:
        """Return the matrix (rows that are zero throughout are left out), float32."""
        kinds = WITHOUT if self.rank is None else KINDS
        rng = np.random.default_rng([STREAM, list(kinds).index(self.kind), self.seed])
        A = WITHOUT[self.kind](rng, *self.shape) if self.rank is None else _product(rng, self)
        A = A[A.any(axis=1)].astype(np.float32)
        if self.group == "missing":
            A[rng.random(A.shape) < HIDDEN] = np.nan
        return A

    @property
    def tried(self) -> list[int]:
        """Ranks to try: the lowest ones, and all around the true one."""
        if self.rank is None:
            return [1, 2, 3, 4, 5, 6, 8, 10, 12, HIGHEST_WITHOUT]
        return sorted({1, 2} | set(range(max(1, self.rank - WIDER), self.rank + WIDER + 1)))


def every_matrix() -> Iterator[Planted]:
    """Yield all of them, in rounds of all kinds."""
    for seed in range(ROUNDS):
        for number, kind in enumerate(KINDS):
            rank = RANKS[(number + 5 * seed) % len(RANKS)] + (KINDS[kind].noise == "clipped")
            yield Planted("planted", kind, seed, rank, SHAPES[(number + 2 * seed) % len(SHAPES)])
        for kind in WITHOUT:
            yield Planted("none", kind, seed, None, (600, 200))
        for group, kinds in SMALL.items():
            for number, kind in enumerate(kinds, start=seed):
                rank, shape = SMALL_RANKS[number % len(SMALL_RANKS)], SMALL_SHAPES[number % len(SMALL_SHAPES)]
                yield Planted(group, kind, SMALLER + seed, rank, shape)


def _product(rng: Draw, one: Planted) -> np.ndarray:
    """A product and its noise, which is lowered until the weakest component shows."""
    kind, (rows, columns) = KINDS[one.kind], one.shape
    k = (one.rank or 0) - (kind.noise == "clipped")  # the background of what is clipped is one more component
    W, H = LOADINGS[kind.rows](rng, rows, k), LOADINGS[kind.columns](rng, columns, k).T
    X = W @ (H * (SIZES[kind.sizes](rng, k) / H.mean(axis=1))[:, None])
    X /= X.mean()
    weakest, (level, add) = np.linalg.svd(X, compute_uv=False)[k - 1], NOISE[kind.noise]
    A, noise = add(rng, X, level)
    while weakest < VISIBLE * np.linalg.norm(noise, 2):
        level *= LOWER
        A, noise = add(rng, X, level)
    return A


class Kind(NamedTuple):
    """Names of loadings of rows and of columns, of sizes and of noise."""

    rows: str
    columns: str
    sizes: str
    noise: str


def _gamma(shape: float) -> Loadings:
    return lambda rng, rows, k: rng.gamma(shape, 1, (rows, k))


def _clusters(rng: Draw, rows: int, k: int) -> np.ndarray:
    """Each row has one component and a little of the others."""
    loadings = 0.05 * rng.gamma(1, 1, (rows, k))
    loadings[np.arange(rows), rng.integers(0, k, rows)] += rng.gamma(3, 1 / 3, rows)
    return loadings


def _peaks(rng: Draw, rows: int, k: int) -> np.ndarray:
    """Spectra: three smooth peaks of each component along the rows."""
    at, loadings = np.arange(rows)[:, None] / rows, np.zeros((rows, k))
    for _ in range(3):
        peaks = np.exp(-0.5 * ((at - rng.random(k)) / rng.uniform(0.01, 0.04, k)) ** 2)
        loadings += rng.uniform(0.3, 1, k) * peaks
    return loadings


LOADINGS: dict[str, Loadings] = {
    "sparse": _gamma(0.3),
    "medium": _gamma(0.5),
    "exponential": _gamma(1.0),
    "dense": _gamma(2.0),
    "uniform": lambda rng, rows, k: rng.random((rows, k)),
    "zeros": lambda rng, rows, k: rng.gamma(1, 1, (rows, k)) * (rng.random((rows, k)) < 0.3),
    "mixtures": lambda rng, rows, k: rng.dirichlet(np.full(k, 0.3), rows),
    "clusters": _clusters,
    "peaks": _peaks,
}
SIZES: dict[str, Callable[[Draw, int], np.ndarray]] = {
    "equal": lambda rng, k: np.ones(k),  # noqa: ARG005  all draw from the same generator
    "uneven": lambda rng, k: rng.uniform(0.5, 1.5, k),
    "very uneven": lambda rng, k: rng.permutation(np.linspace(0.3, 2, k)),
}


def _times(factor: Callable[[Draw, float, tuple[int, ...]], np.ndarray]) -> Callable[[Draw, np.ndarray, float], Drawn]:
    """Noise that multiplies, by a factor whose mean is one."""

    def add(rng: Draw, X: np.ndarray, level: float) -> Drawn:
        A = X * factor(rng, level, X.shape)
        return A, A - X

    return add


def _poisson(rng: Draw, X: np.ndarray, level: float) -> Drawn:
    """Counts, 1 / level² in the mean of all."""
    A = rng.poisson(X / level**2).astype(float)
    return A, A * level**2 - X


def _overdispersed(rng: Draw, X: np.ndarray, level: float) -> Drawn:
    A = rng.poisson(X / level**2 * rng.gamma(1 / level**2, level**2, X.shape)).astype(float)
    return A, A * level**2 - X


def _added(rng: Draw, X: np.ndarray, level: float) -> Drawn:
    """Noise that is added; what is negative is set to zero."""
    noise = level * rng.standard_normal(X.shape)
    return np.maximum(X + noise, 0), noise


def _shot(rng: Draw, X: np.ndarray, level: float) -> Drawn:
    return _added(rng, X, level * np.sqrt(X))  # type: ignore[arg-type]


_of_gamma = _times(lambda rng, level, shape: rng.gamma(1 / level**2, level**2, shape))
NOISE: dict[str, tuple[float, Callable[[Draw, np.ndarray, float], Drawn]]] = {
    "gamma": (0.5, _of_gamma),
    "strong gamma": (1.0, _of_gamma),
    "uniform": (0.9, _times(lambda rng, level, shape: rng.uniform(1 - level, 1 + level, shape))),
    "lognormal": (0.5, _times(lambda rng, level, shape: rng.lognormal(-(level**2) / 2, level, shape))),
    "poisson": (1.0, _poisson),
    "thin poisson": (2.5, _poisson),
    "rich poisson": (0.4, _poisson),
    "overdispersed": (0.7, _overdispersed),
    "added": (0.1, _added),
    "more added": (0.3, _added),
    "clipped": (1.0, _added),
    "shot": (0.5, _shot),
}
KINDS = {
    "dense, small noise": Kind("dense", "dense", "equal", "added"),
    "exponential, small noise": Kind("exponential", "exponential", "uneven", "added"),
    "medium, gamma noise": Kind("medium", "medium", "equal", "gamma"),
    "medium, uneven, gamma noise": Kind("medium", "medium", "uneven", "gamma"),
    "medium, very uneven, gamma noise": Kind("medium", "medium", "very uneven", "gamma"),
    "medium, uneven, uniform noise": Kind("medium", "medium", "uneven", "uniform"),
    "sparse, strong gamma noise": Kind("sparse", "sparse", "uneven", "strong gamma"),
    "medium, Poisson": Kind("medium", "medium", "equal", "poisson"),
    "medium, very uneven, Poisson": Kind("medium", "medium", "very uneven", "poisson"),
    "medium, thin Poisson": Kind("medium", "medium", "uneven", "thin poisson"),
    "dense, rich Poisson": Kind("dense", "dense", "equal", "rich poisson"),
    "dense in sparse, gamma noise": Kind("dense", "sparse", "uneven", "gamma"),
    "clusters, Poisson": Kind("clusters", "medium", "uneven", "poisson"),
    "mixtures, uniform noise": Kind("mixtures", "exponential", "equal", "uniform"),
    "zeros, lognormal noise": Kind("zeros", "zeros", "uneven", "lognormal"),
    "peaks, added noise": Kind("mixtures", "peaks", "uneven", "added"),
    "medium, clipped": Kind("medium", "medium", "equal", "clipped"),
    "uniform, uniform noise": Kind("uniform", "uniform", "uneven", "uniform"),
    "exponential, very uneven, lognormal noise": Kind("exponential", "exponential", "very uneven", "lognormal"),
    "sparse, overdispersed": Kind("sparse", "medium", "uneven", "overdispersed"),
    "zeros, thin Poisson": Kind("zeros", "sparse", "equal", "thin poisson"),
    "clusters, very uneven, strong gamma noise": Kind("clusters", "sparse", "very uneven", "strong gamma"),
    "peaks, shot noise": Kind("exponential", "peaks", "very uneven", "shot"),
    "sparse in dense, added noise": Kind("sparse", "dense", "uneven", "more added"),
    "mixtures, rich Poisson": Kind("mixtures", "sparse", "very uneven", "rich poisson"),
    "sparse, clipped": Kind("sparse", "sparse", "uneven", "clipped"),
}
SMALL = {
    "Kullback–Leibler": ("medium, Poisson", "medium, very uneven, Poisson", "clusters, Poisson", "zeros, thin Poisson"),
    "missing": ("medium, uneven, gamma noise", "dense, small noise", "zeros, lognormal noise", "medium, Poisson"),
}
"""Kinds of which smaller ones are fitted in another way."""


def _decaying(power: float, rng: Draw, rows: int, columns: int) -> np.ndarray:
    """Eighty components, each smaller than the one before."""
    sizes = np.arange(1, 81) ** -power
    X = (rng.gamma(0.5, 1, (rows, 80)) * sizes) @ rng.gamma(0.5, 1, (80, columns))
    return X / X.mean()


def _of_distances(rng: Draw, rows: int, columns: int) -> np.ndarray:
    """A smooth function of places in a square: its singular values fall, and none is the last."""
    apart = rng.random((rows, 2))[:, None] - rng.random((columns, 2))
    return np.exp(-3 * np.linalg.norm(apart, axis=2)) * rng.gamma(10, 0.1, (rows, columns))


def _margins(rng: Draw, rows: int, columns: int) -> np.ndarray:
    """Rows and columns have sizes, and nothing else."""
    return np.outer(rng.gamma(2, 0.5, rows), rng.gamma(2, 0.5, columns))


WITHOUT: dict[str, Any] = {
    "noise alone": lambda rng, rows, columns: rng.gamma(2, 0.5, (rows, columns)),
    "sizes of rows and columns, gamma noise": lambda rng, *shape: _margins(rng, *shape) * rng.gamma(4, 0.25, shape),
    "sizes of rows and columns, Poisson": lambda rng, *shape: rng.poisson(_margins(rng, *shape)),
    "80 components that fall as 1 / q": lambda rng, *shape: _decaying(1.0, rng, *shape) * rng.gamma(4, 0.25, shape),
    "80 components that fall as 1 / √q, Poisson": lambda rng, *shape: rng.poisson(_decaying(0.5, rng, *shape)),
    "distances in a square": _of_distances,
}
