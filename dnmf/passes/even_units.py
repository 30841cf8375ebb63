"""Units in which all coordinates of a quadratic problem curve alike: what its tolerance means then holds for each."""

import numpy as np


def even_units(curvature: np.ndarray) -> np.ndarray:
    """Return a power of two for each coordinate: ``x = units · y`` is as curved along one y as along another.

    A column of W that is given sums to one over all rows, so that its part of H is that much larger than others, and a
    tolerance relative to the largest right-hand side would be none to those, or to it. Powers of two lose no digits.

    Parameters
    ----------
    curvature : ndarray (k,)
        The diagonal of a Gram matrix, or of the mean of some.

    Examples
    --------
    >>> even_units(np.array([1.0, 1e6, 0.0])).tolist()
    [1.0, 0.0009765625, 1.0]
    """
    curved = np.where(curvature > 0, curvature, 1.0).astype(np.float64)
    return np.exp2(-np.rint(np.log2(curved) / 2))
