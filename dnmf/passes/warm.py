"""Loads everything a pass uses, so that a measurement of memory or time starts after it."""

import numpy as np

from dnmf.passes.problem import Work, make_problem
from dnmf.passes.visit import visit_group
from dnmf.plan import Group
from dnmf.sources.memory import MemorySource


def load_kernels(dtypes: tuple[str, ...] = ("float32", "float64")) -> None:
    """Read a tiny Zarr array, and run a tiny dense and a tiny sparse panel in each dtype of the computation."""
    import scipy.sparse
    import zarr

    values = np.asarray(zarr.create_array({}, data=np.eye(3))[:])
    for dtype in dtypes:
        work = Work((make_problem(np.full((2, 3), 0.5, dtype)),), dtype, check=True)
        for matrix in (values.astype(dtype), scipy.sparse.csr_array(values.astype(dtype))):
            visit_group(MemorySource(matrix), Group(0, 3, ((0, 3),)), work)
