"""Arrays of three and more axes that are products of known factors, with noise where it is asked for."""

from functools import reduce

import numpy as np
from scipy.optimize import linear_sum_assignment


def factors_of(shape, rank, seed=0):
    """Factors (length, k) whose entries are gamma: some near zero, some large."""
    rng = np.random.default_rng(seed)
    return [rng.gamma(0.5, size=(length, rank)) for length in shape]


def array_of(factors, weights=None):
    """``Σ_q weights_q x_q ∘ y_q ∘ …``."""
    k = factors[0].shape[1]
    rows = reduce(lambda H, X: (H[:, :, None] * X.T[:, None, :]).reshape(k, -1), factors[1:], factors[0].T)
    total = rows.sum(axis=0) if weights is None else weights @ rows
    return total.reshape([len(X) for X in factors])


def planted(shape, rank, noise=0.0, seed=0):
    """An array of known factors, and these; `noise` is its size over that of the array, and is nowhere negative."""
    factors = factors_of(shape, rank, seed)
    array = array_of(factors)
    if noise:
        extra = np.abs(np.random.default_rng([seed, 1]).standard_normal(shape))
        array = array + noise * np.linalg.norm(array) / np.linalg.norm(extra) * extra
    return array, factors


def congruence(found, true):
    """The least product of cosines over all axes of matched components: 1 where they are the same but for scale."""
    cosines = 1.0
    for X, Y in zip(found, true, strict=True):
        cosines = cosines * ((X / np.linalg.norm(X, axis=0)).T @ (Y / np.linalg.norm(Y, axis=0)))
    return cosines[linear_sum_assignment(-cosines)].min()
