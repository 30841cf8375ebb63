"""Arrays handed over beside the data (a start, columns of W, a graph): in memory, or read from disk and checked."""

from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.missing import dense
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
    return np.asarray(dense(values[start:stop], name))


def in_memory(name: str, values: Any) -> Any:
    """Return `values`, those of a Zarr array or of an HDF5 dataset as an ndarray, once all of it is there.

    Raises
    ------
    InputError
        A chunk is missing, or attributes say that the values are not decoded.
    """
    refuse_undecoded(values, name)
    stored = lies_in_a_store(values) and len(values.shape) > 0
    return read_rows(name, values, 0, values.shape[0]) if stored else values
