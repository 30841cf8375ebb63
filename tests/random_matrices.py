"""Sparse random matrices that are the same with every version of scipy."""

import numpy as np
import scipy.sparse


def random_csr(shape: tuple[int, int], density: float, seed: int = 0, dtype: str = "float64") -> scipy.sparse.csr_array:
    """Return a canonical CSR array with values in (0, 1], a share `density` of its entries."""
    rng = np.random.default_rng(seed)
    places = np.sort(rng.choice(shape[0] * shape[1], int(density * shape[0] * shape[1]), replace=False))
    rows, columns = np.divmod(places, shape[1])
    return scipy.sparse.csr_array(((1 - rng.random(len(places))).astype(dtype), (rows, columns)), shape=shape)
