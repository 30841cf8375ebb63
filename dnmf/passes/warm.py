"""Loads every compiled kernel a pass uses, so that a measurement of memory or time starts after it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from dnmf.kernels import nnls
from dnmf.passes.problem import Work, make_problem
from dnmf.passes.visit import visit_group
from dnmf.plan import Group
from dnmf.sources.memory import MemorySource

COMPILE_TIMEOUT_S = 300


def load_kernels(dtypes: tuple[str, ...] = ("float32", "float64")) -> None:
    """Read a tiny Zarr array, and run a tiny dense and a tiny sparse panel in each dtype of the computation."""
    import scipy.sparse
    import zarr

    values = np.asarray(zarr.create_array({}, data=np.eye(3))[:])
    for dtype in dtypes:
        work = Work((make_problem(np.full((2, 3), 0.5, dtype)),), dtype, check=True)
        for matrix in (values.astype(dtype), scipy.sparse.csr_array(values.astype(dtype))):
            visit_group(MemorySource(matrix), Group(0, 3, ((0, 3),)), work)


def load_compiled_kernels() -> None:
    """Load the kernels; where they were never compiled, a child process does that first.

    The compiler would leave some 70 MiB behind in this process, and a plan that measures what the process takes
    would have them missing for its panels ever after.
    """
    if not _on_disk():
        command = "from dnmf.passes.warm import load_kernels; load_kernels()"
        same_package = {"PYTHONPATH": os.pathsep.join([str(Path(nnls.__file__).parents[2]), *filter(None, sys.path)])}
        subprocess.run(
            [sys.executable, "-P", "-c", command], check=False, timeout=COMPILE_TIMEOUT_S, capture_output=True,
            env={**os.environ, **same_package},
        )  # fmt: skip
    load_kernels()


def _on_disk() -> bool:
    """Whether the last kernel that a pass compiles has left its result in numba's cache."""
    cache = Path(nnls._solve_rows._cache.cache_path)  # type: ignore[attr-defined]
    return any(cache.glob("nnls._solve_rows-*.nbi"))
