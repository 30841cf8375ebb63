"""What estimators are given: a planted matrix, and a sparse one of any kind."""

import dask
import dask.array as da
import numpy as np
import pandas as pd
import scipy.sparse
import sparse
from random_matrices import random_csr

CHUNK_KINDS = {
    "numpy": lambda block: block.toarray(),
    "scipy CSR array": scipy.sparse.csr_array,
    "scipy CSR matrix": scipy.sparse.csr_matrix,
    "scipy CSC array": scipy.sparse.csc_array,
    "GCXS": sparse.GCXS.from_scipy_sparse,
    "COO": sparse.COO.from_scipy_sparse,
}
IN_MEMORY_KINDS = {
    **CHUNK_KINDS,
    "scipy COO array": scipy.sparse.coo_array,
    "Fortran order": lambda matrix: np.asfortranarray(matrix.toarray()),
    "DataFrame": lambda matrix: pd.DataFrame(matrix.toarray()),
    "list": lambda matrix: matrix.toarray().tolist(),
}


def planted(seed, m=120, n=30, k=4, noise=0.05):
    """Sparse planted factors under clipped noise."""
    rng = np.random.default_rng(seed)
    W = rng.random((m, k)) * (rng.random((m, k)) < 0.5)
    H = rng.random((k, n)) * (rng.random((k, n)) < 0.5)
    return np.maximum(W @ H + noise * rng.standard_normal((m, n)), 0)


def sparse_matrix(m=60, n=20):
    return random_csr((m, n), 0.4)


def as_dask(matrix, convert, rows=(25, 35), columns=None):
    """A dask array whose chunks are of any kind; dask itself cannot make it from a sparse matrix."""
    columns = columns or (matrix.shape[1],)
    meta = convert(matrix[:0, :0])  # cutting it from a block would compile for seconds in GCXS
    bands, low = [], 0
    for height in rows:
        band, left = [], 0
        for width in columns:
            block = convert(matrix[low : low + height, left : left + width])
            band.append(da.from_delayed(dask.delayed(block), block.shape, meta=meta))
            left += width
        bands.append(band)
        low += height
    return da.block(bands)
