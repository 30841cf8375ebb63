"""A small matrix and stores of it, for tests of what is done to them."""

from pathlib import Path

import numpy as np
import scipy.sparse
import zarr

import dnmf

ROWS, COLUMNS = 60, 12


def small():
    rng = np.random.default_rng(5)
    return np.where(rng.random((ROWS, COLUMNS)) < 0.6, rng.random((ROWS, COLUMNS)) + 0.1, 0.0)


def fit(data, **options):
    return dnmf.fit(data, **{"rank": 2, "max_passes": 3, **options})


def dense_zarr(A, folder, name="a.zarr", **how):
    path = folder / name
    chunks = how.pop("chunks", (10, COLUMNS))
    array = zarr.create_array(path, shape=A.shape, chunks=chunks, dtype=A.dtype, **how)
    array[:] = A
    return path


def compressed_zarr(A, folder, form="csr", chunk=50, **how):
    """A store in AnnData's layout with `chunk` entries a chunk, whatever the matrix `A` holds."""
    matrix = A if scipy.sparse.issparse(A) else getattr(scipy.sparse, f"{form}_array")(A)
    root = zarr.open_group(folder / f"{form}.zarr", mode="w")
    group = root.create_group("X", attributes={"encoding-type": f"{form}_matrix", "shape": list(A.shape)})
    for part, length in (("data", chunk), ("indices", chunk), ("indptr", 7)):
        values = getattr(matrix, part)
        array = group.create_array(part, shape=values.shape, chunks=(length,), dtype=values.dtype, **how)
        array[:] = values
    return folder / f"{form}.zarr"


def chunk_file(path: Path, inner: str, key: str) -> Path:
    file = path / inner / "c" / key
    assert file.is_file()
    return file
