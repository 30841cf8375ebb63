"""Objects that are asked to be arrays, and what they may do instead."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Number
from typing import Any

import numpy as np

from dnmf.errors import DnmfError, InputError
from dnmf.refusals import told

_MARKS = ("__array__", "__array_interface__", "__buffer__", "toarray", "dtype", "iloc")
_INSTEAD = {
    "AnnCollection": "put its parts into one file with anndata.experimental.concat_on_disk and give the path",
    "Delayed": "say what it will be with dask.array.from_delayed(value, shape=…, dtype=…)",
    "MuData": "give one of its modalities, for example mdata['rna']",
    "Series": "give a DataFrame: series.to_frame()",
    "SpatialData": "give one of its tables, for example sdata['table']",
}


def instead_of(values: Any) -> str:
    """Return what to give in place of an object that is no matrix."""
    return _INSTEAD.get(type(values).__name__, "give a path, an array or an AnnData")


def offers(values: Any, *names: str) -> bool:
    """Whether objects of this type have attributes of these names.

    The object itself is not asked: frames and arrays with coordinates answer for the names of their columns too.
    """
    return all(hasattr(type(values), name) for name in names)


def looks_like_array(values: Any) -> bool:
    """Whether numpy can be asked to make an array of an object: of one that is only indexed it may never come back."""
    plain = (Sequence, Number, np.generic, memoryview, type(None), set, frozenset, dict)
    return isinstance(values, plain) or any(hasattr(type(values), mark) for mark in _MARKS)


def refuse_no_array(name: str, values: Any) -> None:
    """Refuse what numpy cannot be asked to make an array of.

    Raises
    ------
    InputError
        It is a class, or only indexed.
    """
    if isinstance(values, type) or not looks_like_array(values):
        kind = f"the class {values.__name__}" if isinstance(values, type) else f"a {type(values).__name__}"
        raise InputError(f"{name}: {kind} is no array; {instead_of(values)}")


def narrowed(values: np.ndarray, dtype: Any, name: str, start: int = 0) -> np.ndarray:
    """Return an array, from row `start` on, in another dtype; itself where it has that one.

    Raises
    ------
    InputError
        A value is too small or too large for a narrower one: it would become zero, or infinite.
    """
    with np.errstate(over="ignore", under="ignore"):
        found = values.astype(dtype, copy=False)
    if values.dtype.kind != "f" or values.dtype.itemsize <= found.dtype.itemsize:
        return found
    lost = ((found == 0) != (values == 0)) | (np.isinf(found) != np.isinf(values))
    if lost.any():
        place = tuple(int(n) for n in np.argwhere(lost)[0])
        element = (place[0] + start, *place[1:])
        raise InputError(
            f"{name}: element {element if len(element) > 1 else element[0]} is {values[place]!s}, which {found.dtype} "
            f"cannot hold, as {int(np.count_nonzero(lost))} of the {lost.size} read together; rescale the data"
        )
    return found


@contextmanager
def taken_as_array(name: str, values: Any) -> Iterator[None]:
    """Let whatever an object does that is asked to be an array end in an error that names it.

    Raises
    ------
    InputError
        It cannot be one: no sequence of numbers, rows of different lengths, a tensor on another device.
    """
    refuse_no_array(name, values)
    with taken_as("an array", name, values):
        yield


@contextmanager
def taken_as(what: str, name: str, values: Any) -> Iterator[None]:
    """Let whatever an object does that is asked to be something else end in an error that names it.

    Raises
    ------
    InputError
        It raised an error of its own.
    """
    try:
        yield
    except (DnmfError, MemoryError):
        raise
    except Exception as error:  # whatever objects do
        kind = type(values).__name__
        raise InputError(f"{name}: a {kind} cannot be read as {what} ({told(error)})") from error
