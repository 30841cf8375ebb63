"""Products of a block of A, dense or sparse, with a factor."""

import numpy as np

from dnmf.kernels.padding import aligned_zeros
from dnmf.kernels.products import cross_csr, cross_dense
from dnmf.passes.blocks import count_rows
from dnmf.sources.rows import Rows


def cross(block: Rows, HT: np.ndarray) -> np.ndarray:
    """Return ``A Hᵀ`` (rows, padded k) of the rows of A in `block`, in the dtype of `HT` (n, padded k)."""
    B = aligned_zeros((count_rows(block), HT.shape[1]), HT.dtype)
    if isinstance(block, np.ndarray):
        cross_dense(block, HT, B)
    else:
        cross_csr(block.data, block.indices, block.indptr, HT, B)
    return B
