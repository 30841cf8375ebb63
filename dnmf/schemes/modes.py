"""Rows that are products of vectors: ``h_q = x_q ∘ y_q ∘ …``, one vector for each axis that the columns are made of.

A row that is such a product says its vectors up to their scale: they are its sums over all other axes. Nothing but H
is therefore remembered from pass to pass.
"""

from collections.abc import Sequence
from functools import reduce

import numpy as np

RANK_ONE_TURNS = 5  # of the power method: a start need not be the nearest product


def vectors_of(H: np.ndarray, shape: Sequence[int]) -> list[np.ndarray]:
    """Return the vectors of rows that are products, each vector with sum one, or zero.

    Parameters
    ----------
    H : ndarray (k, n)
        Not negative, each row a product of vectors.
    shape : sequence of int
        The lengths of the axes; n is their product.

    Returns
    -------
    list of ndarray (k, length)
        For each axis, in float64.

    Examples
    --------
    >>> import numpy as np
    >>> [each.tolist() for each in vectors_of(np.array([[1.0, 3, 2, 6]]), (2, 2))]
    [[[0.3333333333333333, 0.6666666666666666]], [[0.25, 0.75]]]
    """
    return [with_sum_one(each) for each in sums_along(H, shape)]


def sums_along(H: np.ndarray, shape: Sequence[int]) -> list[np.ndarray]:
    """Return for each axis the sums (k, length) of rows over all others, in float64."""
    cube, axes = H.reshape(len(H), *shape), range(1, len(shape) + 1)
    return [cube.sum(axis=tuple(other for other in axes if other != axis), dtype=np.float64) for axis in axes]


def with_sum_one(X: np.ndarray) -> np.ndarray:
    """Return rows (k, length) divided by their sums, those of zeros as they are."""
    sums = X.sum(axis=1, keepdims=True)
    return X / np.where(sums > 0, sums, 1.0)


def products_of(vectors: Sequence[np.ndarray]) -> np.ndarray:
    """Return the rows (k, n) that are the products of vectors (k, length), the last axis fastest.

    Examples
    --------
    >>> import numpy as np
    >>> products_of([np.array([[1.0, 2]]), np.array([[3.0, 4]])]).tolist()
    [[3.0, 4.0, 6.0, 8.0]]
    """
    return reduce(lambda H, X: (H[:, :, None] * X[:, None, :]).reshape(len(H), -1), vectors)


def contracted(P: np.ndarray, vectors: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """Return what is left of the columns of `P` along one axis: each multiplied with the vectors of all others.

    ``M[i, q] = Σ P[(…, i, …), q] Π x_q[…]``, what is called the matricized tensor times Khatri–Rao product of the sums
    of a pass.

    Parameters
    ----------
    P : ndarray (n, k)
        One column for each component, over all axes.
    vectors : sequence of ndarray (k, length)
        For each axis.
    axis : int
        The one that is left.
    """
    k, lengths = P.shape[1], [X.shape[1] for X in vectors]
    rest = P
    for other in reversed(range(axis + 1, len(vectors))):  # the last axis, then the one before it
        rest = np.einsum("aiq,qi->aq", rest.reshape(-1, lengths[other], k), vectors[other])
    for other in range(axis):  # the first one, then the next
        rest = np.einsum("iaq,qi->aq", rest.reshape(lengths[other], -1, k), vectors[other])
    return rest


def nearest_products(H: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return for each row (k, n), none negative, a product of vectors that is near to it, and as large.

    By the power method on its axes in turn, from its sums over all others.
    """
    vectors, P = vectors_of(H, shape), np.ascontiguousarray(H.T)
    for _ in range(RANK_ONE_TURNS if len(shape) > 1 else 0):
        for axis in range(len(shape)):
            vectors[axis] = with_sum_one(contracted(P, vectors, axis).T)
    of_first = vectors[0] * H.sum(axis=1, dtype=np.float64)[:, None]
    return products_of([X.astype(H.dtype) for X in (of_first, *vectors[1:])])
