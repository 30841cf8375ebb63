"""Fits over strengths, seeds, kinds of penalty and diagonal, and what is measured of each."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

import dnmf
from dnmf import measures

STRENGTHS = (0.0, *(float(f"{digit}e{power}") for power in (-3, -2, -1) for digit in (1, 3, 5, 9)), 0.9999, 1.0)
KINDS = ("l1", "l2")
END = {"tol": 1e-10, "max_passes": 1000}
SAME = 1 - 1e-12  # a cosine from which on two components are one and the same


@dataclass(frozen=True)
class Row:
    """What was measured of one model; those of W are of its columns, the profiles of features.

    Attributes
    ----------
    fit, kind : str
        How long it ran; ``"l1"`` or ``"l2"``.
    diagonal : bool
        Of the penalty.
    strength : float
        On both factors.
    seed : int
        Of the start.
    passes, alive, same : int
        Made; components that are not zero; those that equal one before them.
    relative_error, mse : float
        ``‖A − WDH‖ / ‖A‖``, and the mean squared error over all entries.
    sparsity_W, sparsity_H : float
        Shares of exact zeros.
    robustness : float
        Against the model of strength 0 from the same start.
    cosine, cosine_off : float
        Mean over all pairs of components, with and without each with itself.
    kmeans, singular : float
        Similarity to k-means centres and to the first singular vector.
    d_sum : float
        Σd.
    """

    fit: str
    kind: str
    diagonal: bool
    strength: float
    seed: int
    passes: int
    alive: int
    same: int
    relative_error: float
    mse: float
    sparsity_W: float
    sparsity_H: float
    robustness: float
    cosine: float
    cosine_off: float
    kmeans: float
    singular: float
    d_sum: float

    @property
    def key(self) -> tuple[str, str, bool, float, int]:
        """What tells the models apart."""
        return self.fit, self.kind, self.diagonal, self.strength, self.seed


@dataclass(frozen=True)
class Case:
    """A matrix and what its models are compared with.

    Attributes
    ----------
    name : str
        For the tables.
    A : ndarray or CSR array (features, samples)
        The matrix.
    rank : int
        Components.
    starts : dict of int to ndarray or None
        For each seed the W a fit begins with, None for the library's own start.
    clusterings : int
        From so many seeds the k-means centres of the samples are the best.
    """

    name: str
    A: Any
    rank: int
    starts: dict[int, Any] = field(default_factory=dict)
    clusterings: int = 1

    @cached_property
    def mean_square(self) -> float:
        """Of all entries."""
        values = self.A.data if scipy.sparse.issparse(self.A) else self.A
        return float(np.vdot(values.astype(float), values.astype(float)) / np.prod(self.A.shape))

    @cached_property
    def clustered(self) -> list[np.ndarray]:
        """k-means centres (k, features) of the samples, one array for each clustering."""
        samples = self.A.T.tocsr() if scipy.sparse.issparse(self.A) else np.ascontiguousarray(self.A.T)
        return [measures.kmeans_centres(samples, self.rank, seed) for seed in range(self.clusterings)]

    @cached_property
    def centres(self) -> np.ndarray:
        """Those of least inertia (features, k)."""
        return min(self.clustered, key=self.inertia).T if self.clusterings > 1 else self.clustered[0].T

    def inertia(self, centres: np.ndarray) -> float:
        """Return the sum of squared distances of the samples of a dense matrix to the nearest of `centres` (k, n)."""
        squares = np.einsum("ij,ij->j", self.A, self.A)
        distances = squares[:, None] - 2 * self.A.T @ centres.T + np.einsum("qj,qj->q", centres, centres)
        return float(distances.min(axis=1).sum())

    @cached_property
    def singular(self) -> np.ndarray:
        """The first left singular vector (features,)."""
        return measures.first_singular_vector(self.A, side="W")

    @cached_property
    def empty(self) -> int:
        """Features that are zero in all samples."""
        return int(np.count_nonzero(np.asarray(self.A.sum(axis=1)).ravel() == 0))

    def fit(self, seed: int, penalty: dnmf.Penalty, **limits: Any) -> dnmf.Model:
        """Return the model of a penalty from the start of a seed, in float64."""
        options = {"dtype": "float64", **limits}
        return dnmf.fit(self.A, self.rank, W=self.starts[seed], seed=seed, penalty=penalty, **options)


def measure(case: Case, model: dnmf.Model, plain: dnmf.Model) -> dict[str, Any]:
    """Return the measures of a model, as arguments of a :class:`Row`; `plain` is that of strength 0."""
    cosines, sparsity = measures.cosines(model, "W"), measures.sparsity(model)
    others = ~np.eye(len(cosines), dtype=bool)
    return {
        "passes": len(model.history),
        "alive": int(np.count_nonzero(model.d > 0)),
        "same": int((np.tril(cosines, -1) > SAME).any(axis=1).sum()),
        "relative_error": model.relative_error,
        "mse": model.relative_error**2 * case.mean_square,
        "sparsity_W": sparsity.W,
        "sparsity_H": sparsity.H,
        "robustness": measures.robustness(model, plain),
        "cosine": float(cosines.mean()),
        "cosine_off": float(cosines[others].mean()),
        "kmeans": measures.similarity(model, case.centres, "W"),
        "singular": measures.alike(model, case.singular, "W"),
        "d_sum": float(model.d.sum()),
    }


def to_the_end(_: tuple) -> dict[str, Any]:
    """Return the options of a fit that runs until nothing changes any more."""
    return END


def study(case: Case, scale: str, fit: str, strengths: Sequence[float], *, kinds: Sequence[str] = KINDS,
          diagonals: Sequence[bool] = (True,), limits: Callable[[tuple], dict[str, Any] | None] = to_the_end,
          ) -> list[Row]:  # fmt: skip
    """Return the rows of all fits; `strengths` begin with 0.

    Parameters
    ----------
    case, scale : Case, str
        What is factorized, and the scale of the penalty.
    fit : str
        What the rows are called.
    strengths, kinds, diagonals : sequence
        What is gone through, for every seed.
    limits : callable
        Options of the fit with this key, None where there is none to be made.
    """
    rows = []
    for kind in kinds:
        for diagonal in diagonals:
            for seed in case.starts:
                plain = None
                for strength in strengths:
                    key = (fit, kind, diagonal, strength, seed)
                    options = limits(key)
                    if options is None:
                        continue
                    penalty = dnmf.Penalty(**{kind: strength}, scale=scale, diagonal=diagonal)
                    model = case.fit(seed, penalty, **options)
                    plain = plain or model
                    rows.append(Row(*key, **measure(case, model, plain)))
    return rows


def as_table(rows: Sequence[Row]) -> dict[str, Any]:
    """Return rows as JSON values, their names once; numbers to nine digits."""
    names = list(Row.__dataclass_fields__)
    return {"columns": names, "rows": [[rounded(asdict(row)[name]) for name in names] for row in rows]}


def from_table(table: dict[str, Any]) -> list[Row]:
    """Return the rows that :func:`as_table` wrote."""
    return [Row(**dict(zip(table["columns"], values, strict=True))) for values in table["rows"]]


def rounded(value: Any) -> Any:
    """Return a number with nine digits, anything else as it is."""
    return float(f"{value:.9g}") if isinstance(value, float) else value
