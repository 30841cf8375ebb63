"""Components that are given, or pulled to something: where they stand among the others."""

import numpy as np

from dnmf.constraints import Guides


def with_given_rows(H: np.ndarray, guides: Guides, first: int = 0) -> np.ndarray:
    """Return `H` (k, n) with its rows behind the `first` as they are given."""
    if guides.H is None:
        return H
    return np.concatenate([H[:first], guides.H.astype(H.dtype), H[first + len(guides.H) :]])


def behind(first: int, others: int, rank: int) -> np.ndarray:
    """Return the order of components (k,) in which the `first` ones come behind so many `others` that follow them.

    Examples
    --------
    >>> behind(1, 2, 5).tolist()
    [1, 2, 0, 3, 4]
    """
    both = first + others
    return np.concatenate([np.arange(first, both), np.arange(first), np.arange(both, rank)])


def with_given(scale: np.ndarray, given: np.ndarray | None) -> np.ndarray:
    """Return a scale (k,) with that of the components that are given in its place."""
    return scale if given is None else np.concatenate([given, scale[len(given) :]])


def order_by_weight(d: np.ndarray, given: int, target: np.ndarray | None) -> np.ndarray:
    """Return the components (k,) by falling weight; those that are given, or pulled to a target, keep their place.

    Examples
    --------
    >>> order_by_weight(np.array([1.0, 0.0, 3.0, 2.0]), 0, None).tolist()
    [2, 3, 0, 1]
    >>> order_by_weight(np.array([1.0, 0.0, 3.0, 2.0]), 1, None).tolist()
    [0, 2, 3, 1]
    """
    own = np.arange(len(d))
    placed = own < given
    if target is not None:
        placed |= ~np.isnan(target).all(axis=1)
    free = own[~placed]
    order = own.copy()
    order[free] = free[np.argsort(-d[free], kind="stable")]
    return order


def in_targets_order(H: np.ndarray, target: np.ndarray, given: int) -> np.ndarray:
    """Return the rows of H (k, n) in the order in which they are most like those of a target: given ones stay first.

    A component that is pulled to what another one is already would become a copy of it.
    """
    from scipy.optimize import linear_sum_assignment  # takes longer to import than most starts take

    pulled = given + np.flatnonzero(~np.isnan(target[given:]).any(axis=1))
    cosines = _unit_rows(target[pulled]) @ _unit_rows(H[given:]).T
    chosen = np.full(len(H), -1)
    rows, like = linear_sum_assignment(-cosines)
    chosen[:given], chosen[pulled[rows]] = np.arange(given), given + like
    chosen[chosen < 0] = np.setdiff1d(np.arange(len(H)), chosen)
    return H[chosen]


def _unit_rows(rows: np.ndarray) -> np.ndarray:
    sizes = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return rows / np.where(sizes > 0, sizes, 1.0)
