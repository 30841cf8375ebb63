"""Arrays handed over beside the data (a start, columns of W, a graph): in memory, or read from disk and checked."""

from typing import Any

import numpy as np
import scipy.sparse

from dnmf.arrays import offers
from dnmf.errors import InputError
from dnmf.missing import dense
from dnmf.sources.behind_dask import behind_lazy
from dnmf.sources.conventions import refuse_undecoded
from dnmf.sources.presence import absent_object, lies_in_a_store


def read_rows(name: str, values: Any, start: int, stop: int) -> np.ndarray:
    """Return ``values[start:stop]`` of anything like an array; of one on disk no part that is absent, as zeros.

    Raises
    ------
    InputError
        A chunk of a Zarr array or of an HDF5 dataset is missing.
    """
    if start < stop and lies_in_a_store(values):
        absent = absent_object(values, start, stop)
        if absent is not None:
            raise InputError(
                f"{name}: chunk {absent} of {values.name} is missing or empty, it would read as zeros; restore it, or "
                "give array[:] if zeros are what is meant"
            )
    return np.asarray(dense(_computed(name, values[start:stop]), name))


def matrix_of(values: Any) -> Any:
    """Return the matrix in an AnnData, and one of AnnData's sparse matrices on disk in memory; else the object itself.

    Raises
    ------
    InputError
        A part of what lies on disk is missing.
    """
    is_anndata = offers(values, "obs_names", "var_names", "X")
    if is_anndata and not getattr(values, "isbacked", False):
        return values.X
    return read_whole(values) if is_anndata or offers(values, "group", "backend") else values


def read_whole(values: Any) -> Any:
    """Return anything :func:`dnmf.open_source` takes as one array, dense or sparse.

    Raises
    ------
    InputError
        It cannot be used.
    """
    from dnmf.sources.opening import open_source

    source = open_source(values)
    rows = source.read(0, source.shape[0])
    matrix = rows if isinstance(rows, np.ndarray) else scipy.sparse.csr_array(tuple(rows), shape=source.shape)
    return matrix.T if source.transposed else matrix


def in_memory(name: str, values: Any) -> Any:
    """Return `values`, those of a Zarr array, an HDF5 dataset or a dask array read, once all of it is there.

    Raises
    ------
    InputError
        A chunk is missing, or attributes say that the values are not decoded.
    """
    refuse_undecoded(values, name)
    if lies_in_a_store(values) and len(values.shape) > 0:
        return read_rows(name, values, 0, values.shape[0])
    return _computed(name, values)


def _computed(name: str, values: Any) -> Any:
    """A dask array computed, a DataArray read, with all there that lies behind; anything else as it is."""
    behind = behind_lazy(values, name)
    if offers(values, "dask", "numblocks"):
        values = values.compute()
    elif behind:
        values = values.values
    for each in behind:  # what is there now was there when it was read
        each.refuse_absent()
    return values
