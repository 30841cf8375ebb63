"""Arrays handed over beside the data (a start, columns of W, a graph): in memory, or read from disk and checked."""

from typing import Any

import numpy as np
import scipy.sparse

from dnmf.arrays import narrowed, offers
from dnmf.errors import InputError
from dnmf.missing import NOT_IN_GIVEN
from dnmf.plain import dense
from dnmf.sources.behind_dask import behind_lazy
from dnmf.sources.conventions import convention_of
from dnmf.sources.presence import absent_object, is_hdf5, lies_in_a_store
from dnmf.sources.undecoded import refuse_undecoded
from dnmf.sources.valid import within_limits
from dnmf.sources.zarr_stores import array_as_stored


def read_rows(name: str, values: Any, start: int, stop: int) -> np.ndarray:
    """Return ``values[start:stop]`` of anything like an array; of one on disk what its attributes say they are.

    Raises
    ------
    InputError
        A chunk of a Zarr array or of an HDF5 dataset is missing; an entry is, or it is not valid.
    """
    convention = None
    if start < stop and lies_in_a_store(values):
        convention = convention_of(values if is_hdf5(values) else array_as_stored(values), name)
        absent = absent_object(values, start, stop)
        if absent is not None:
            raise InputError(
                f"{name}: chunk {absent} of {values.name} is missing or empty, it would read as zeros; restore it, or "
                "give array[:] if zeros are what is meant"
            )
    rows = np.asarray(dense(_computed(name, values[start:stop]), name))
    return rows if convention is None else convention.decode(rows, start, name)


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
    if source.has_missing:
        raise InputError(f"{source.address}: {NOT_IN_GIVEN}")
    rows = source.read(0, source.shape[0])
    matrix = rows if isinstance(rows, np.ndarray) else scipy.sparse.csr_array(tuple(rows), shape=source.shape)
    return matrix.T if source.transposed else matrix


def in_memory(name: str, values: Any) -> Any:
    """Return `values`, those of a Zarr array, an HDF5 dataset or a dask array read, once all of it is there.

    Raises
    ------
    InputError
        A chunk is missing, attributes say that the values are not decoded, or float64 cannot hold one.
    """
    if lies_in_a_store(values) and len(values.shape) > 0:
        found: Any = read_rows(name, values, 0, values.shape[0])
    else:
        refuse_undecoded(values, name)
        found = _computed(name, values)
    is_extended = isinstance(found, np.ndarray) and found.dtype == np.longdouble
    return narrowed(found, np.float64, name) if is_extended else found


def not_misread(name: str, values: Any) -> Any:
    """Return an array, not computed, of which nothing is taken for another value: not packed, missing, or not valid.

    Raises
    ------
    InputError
        Something would be.
    """
    if lies_in_a_store(values):  # :func:`read_rows` decodes it
        return values
    refuse_undecoded(values, name)
    behind_lazy(values, name)
    return _valid(name, values)


def _valid(name: str, values: Any) -> Any:
    return within_limits(values, name) if offers(values, "dims", "coords", "variable") else values


def _computed(name: str, values: Any) -> Any:
    """A dask array computed, a DataArray read, with all there that lies behind; anything else as it is."""
    behind = behind_lazy(values, name)
    values = _valid(name, values)
    if offers(values, "dask", "numblocks"):
        values = values.compute()
    for each in behind:  # what is there now was there when it was read
        each.refuse_absent()
    return values
