"""What many models of the same data agree on: components that are found again and again, and the middle of each.

The procedure of cNMF (Kotliar et al. 2019, doi:10.7554/eLife.43803): rows of H of all models on unit length; those that
are far from their nearest others are left out; the others are clustered; the median of a cluster is its component.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from dnmf.ensembles.alike import distances, unit_rows
from dnmf.errors import InputError

NEIGHBOURS = 0.3  # of the models: so many nearest components say how lonely one is
STARTS = 10  # of k-means
DIGITS = 5  # of components on unit length that are compared with each other
PREFIX = "agreed_"


@dataclass(frozen=True)
class Agreement:
    """Components that models agree on.

    Attributes
    ----------
    H : ndarray (k, n)
        The median of each cluster; rows sum to one, float64.
    distances : ndarray (models × k,)
        Of each component of each model, the mean distance on unit length to its nearest others; between 0 and √2.
    kept : bool ndarray (models × k,)
        Which of them are near enough to others.
    labels : ndarray of int (kept,)
        The row of H that each of those belongs to.
    silhouettes : ndarray (kept,)
        How much nearer each of those is to its own cluster than to the next one; 1 clearly, 0 not at all. Of one
        cluster the cosines to its median.
    """

    H: np.ndarray
    distances: np.ndarray
    kept: np.ndarray
    labels: np.ndarray
    silhouettes: np.ndarray

    def reordered(self, order: np.ndarray) -> "Agreement":
        """The same with the components in another order: the one of these for each of the new ones (k,)."""
        return replace(self, H=self.H[order], labels=np.argsort(order)[self.labels])

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything by name, for a checkpoint."""
        return {f"{PREFIX}{each.name}": getattr(self, each.name) for each in fields(self)}

    @classmethod
    def restore(cls, arrays: Mapping[str, np.ndarray]) -> "Agreement":
        """Return what :meth:`arrays` described."""
        return cls(**{each.name: arrays[f"{PREFIX}{each.name}"] for each in fields(cls)})

    @property
    def silhouette(self) -> float:
        """The mean over all that are kept."""
        return float(self.silhouettes.mean())

    @property
    def share_kept(self) -> float:
        """How many are."""
        return float(self.kept.mean())

    @property
    def stability(self) -> np.ndarray:
        """The mean silhouette of each cluster (k,)."""
        return np.array([self.silhouettes[self.labels == q].mean() for q in range(len(self.H))])

    @property
    def sizes(self) -> np.ndarray:
        """How many components of models belong to each cluster (k,)."""
        return np.bincount(self.labels, minlength=len(self.H))

    @property
    def found_in(self) -> np.ndarray:
        """In how many of the models each is found (k,)."""
        models = np.flatnonzero(self.kept) // len(self.H)
        return np.array([len(np.unique(models[self.labels == q])) for q in range(len(self.H))])


def agree(spectra: Sequence[np.ndarray], density: float, seed: int) -> Agreement:
    """Return what models agree on.

    Parameters
    ----------
    spectra : sequence of ndarray (k, n)
        H of each model.
    density : float
        Mean distance to the nearest others from which on a component is left out.
    seed : int
        Of the clustering.

    Raises
    ------
    InputError
        Fewer components are left, or differ from each other, than there are clusters.
    """
    rank = len(spectra[0])
    units = unit_rows(np.concatenate(spectra))
    apart = distances(units)
    lonely = _loneliness(apart, max(1, int(NEIGHBOURS * len(spectra))))
    kept = (lonely < density) & units.any(axis=1)
    if kept.sum() < rank:
        raise InputError(
            f"density={density:g}: only {kept.sum()} of {len(kept)} components are so near to others, fewer than the "
            f"rank {rank}; try a lower rank, a smaller tol, or a larger density (2 leaves none out)"
        )
    different = len(np.unique(units[kept].round(DIGITS), axis=0))
    if different < rank:
        raise InputError(
            f"only {different} of the components of all models differ from each other, fewer than the rank {rank}; try "
            "a lower rank"
        )
    labels = _clusters(units[kept], rank, seed)
    middles = np.stack([_middle(units[kept][labels == q]) for q in range(rank)])
    if rank == 1:  # there is no other cluster to be nearer to: how near each is to the middle
        return Agreement(middles, lonely, kept, labels, units[kept] @ unit_rows(middles)[0])
    return Agreement(middles, lonely, kept, labels, _silhouettes(apart[np.ix_(kept, kept)], labels))


def _loneliness(apart: np.ndarray, neighbours: int) -> np.ndarray:
    """The mean distance of each to its nearest others."""
    found: np.ndarray = np.sort(apart, axis=1)[:, 1 : neighbours + 1].mean(axis=1)
    return found


def _clusters(units: np.ndarray, rank: int, seed: int) -> np.ndarray:
    """The cluster of each row; the same on any machine that rounds alike, whatever its threads."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        found: np.ndarray = KMeans(rank, n_init=STARTS, random_state=seed % 2**32).fit_predict(units)
    return found


def _middle(rows: np.ndarray) -> np.ndarray:
    """The median of rows, on (absolute) sum one; their mean where it is zero throughout."""
    middle = np.median(rows, axis=0)
    middle = middle if middle.any() else rows.mean(axis=0)
    found: np.ndarray = middle / np.abs(middle).sum()
    return found


def _silhouettes(apart: np.ndarray, labels: np.ndarray) -> np.ndarray:
    from sklearn.metrics import silhouette_samples

    if len(np.unique(labels)) == len(labels):  # each is alone
        return np.zeros(len(labels))
    np.fill_diagonal(apart, 0.0)
    found: np.ndarray = silhouette_samples(apart, labels, metric="precomputed")
    return found
