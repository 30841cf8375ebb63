"""How alike the components of many models are: clusters of rows of H, and how clearly they stand apart."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.optimize import linear_sum_assignment

Spectra = Sequence[np.ndarray]


def unit_rows(H: np.ndarray) -> np.ndarray:
    """Return rows of H (k, n) divided by their norm, in float64; those of zeros stay so."""
    wide = H.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.divide(wide, norms, out=np.zeros_like(wide), where=norms > 0)


def distances(spectra: np.ndarray) -> np.ndarray:
    """Return the distances between unit rows (rows, rows): 0 for the same, √2 for those that share nothing."""
    return np.sqrt(np.maximum(2 - 2 * spectra @ spectra.T, 0.0))


def matched(spectra: Spectra) -> np.ndarray:
    """Return which component of the first model, or of a better one, each component of all models is.

    Each model is matched one to one to that which the others are most like.

    Parameters
    ----------
    spectra : sequence of ndarray (k, n)
        Unit rows of each model, all of the same rank.

    Returns
    -------
    ndarray of int (models, k)
    """
    pairs = {(a, b): _cosines(spectra[a], spectra[b]) for a, b in combinations(range(len(spectra)), 2)}
    likeness = np.zeros(len(spectra))
    for (a, b), cosines in pairs.items():
        likeness[[a, b]] += cosines.mean()
    centre = int(likeness.argmax())
    labels = np.empty((len(spectra), len(spectra[0])), int)
    for number, rows in enumerate(spectra):
        of_centre, own = linear_sum_assignment(1 - spectra[centre] @ rows.T)
        labels[number, own] = of_centre
    return labels


def _cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Those of the best one-to-one matching of unit rows."""
    cosines = one @ other.T
    found: np.ndarray = cosines[linear_sum_assignment(1 - cosines)]
    return found


def stability(spectra: Spectra) -> float:
    """Return the mean silhouette of components matched over models of the same rank; NaN where there is one model.

    The silhouette of a component says how much nearer it is to those it is matched to than to any others: 1 clearly, 0
    not at all (Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7). Of models of one component, which has no other to be
    nearer to, it is the mean cosine between them.
    """
    if len(spectra) < 2:
        return float("nan")
    units = [unit_rows(H) for H in spectra]
    if len(units[0]) == 1:
        return float(np.mean([_cosines(a, b).mean() for a, b in combinations(units, 2)]))
    from sklearn.metrics import silhouette_score  # takes longer to import than most commands take

    return float(silhouette_score(np.concatenate(units), matched(units).ravel()))
