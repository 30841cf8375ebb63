"""A factor that dnmf wrote to disk: an array to the rest of the program, opened by path, never read as zeros."""

import json
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from dnmf.errors import CheckpointError, InputError
from dnmf.locations import gone
from dnmf.places import Place, as_place
from dnmf.refusals import in_words
from dnmf.sources import texts
from dnmf.sources.addresses import address_of_place
from dnmf.sources.chunk_files import AbsentObject
from dnmf.sources.stored import StoredArray

MARK = "dnmf"  # an attribute of every array of a factor: no two have the same
NOTHING_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
ROW_NAMES = "row_names"  # an attribute of one that has names: what is noted of their file


def mark_of(path: Place) -> str | None:
    """Return what tells an array that dnmf wrote from any other; None where there is none, or it cannot be read."""
    found = _attribute(path, MARK)
    return None if found is None else str(found)


def row_names_in(path: Place) -> Callable[[], np.ndarray] | None:
    """Return what reads the names of its rows that dnmf left in an array on disk; None where it has none."""
    entry = _attribute(path, ROW_NAMES)
    if mark_of(path) is None or not isinstance(entry, dict):
        return None
    return cast(Callable[[], np.ndarray], texts.reader(path / f"{ROW_NAMES}{texts.SUFFIX}", entry))


def _attribute(path: Place, name: str) -> Any:
    try:
        return json.loads((path / "zarr.json").read_bytes())["attributes"][name]
    except (OSError, ValueError, KeyError, TypeError):
        return None


class StoredFactor:
    """Rows of a factor (m, k) in a Zarr array of whole rows: what ``W[start:stop]`` is of a W that lies on disk.

    It is pickled as its place, so that tasks on other machines read it where they are. Whether what is asked for is
    there is looked at whenever it is read; Zarr itself takes a chunk that is gone for zeros.

    Parameters
    ----------
    path : str or Place
        The array.

    Attributes
    ----------
    shape, dtype, ndim, chunks
        As an array's; `chunks` are the rows and columns of a stored chunk.

    Raises
    ------
    CheckpointError
        It is not there, or damaged, or another one was put in its place; here, and whenever it is read.
    """

    ndim = 2

    def __init__(self, path: str | Place):
        self.path = as_place(path)
        self._array: StoredArray | None = None
        self._own = mark_of(self.path)
        self._array = self._named(lambda: StoredArray(address_of_place(self.path), ""))
        self._own = self._own or mark_of(self.path)  # of the first look the answer may be lost
        self.shape, self.dtype = self._array.shape, self._array.dtype
        self.chunks = self._array.object_shape
        self._mark = self._named(self._array.fingerprint)

    def __repr__(self) -> str:
        return f"<dnmf factor {self.shape[0]} × {self.shape[1]} at {self.path}>"

    def __len__(self) -> int:
        return self.shape[0]

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return type(self).__name__, str(self.path), repr(self._mark)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.read().astype(dtype or self.dtype, copy=False)

    def __getitem__(self, index: Any) -> np.ndarray:
        rows, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(rows, (int, np.integer)):
            at = range(len(self))[rows]
            return self.read(at, at + 1)[(0, *rest)]
        if not isinstance(rows, slice):  # whatever else numpy knows
            return self.read()[index]
        wanted = range(len(self))[rows]
        if not wanted:
            return np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *rest)]
        low, high = min(wanted[0], wanted[-1]), max(wanted[0], wanted[-1]) + 1
        return self.read(low, high)[(slice(None, None, wanted.step), *rest)]

    def read(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return rows `start:stop`.

        Raises
        ------
        CheckpointError
            A part of them is missing or damaged, or all of it is gone; the message names the path.
        """
        array: Any = self._array
        rows = self._named(lambda: array.read(start, len(self) if stop is None else stop))
        if self._was_replaced():  # looked at when all is read: it may have been meanwhile
            raise self._replaced()
        return rows

    def row_names(self) -> np.ndarray | None:
        """Return the names of its rows, where it was written with them.

        Raises
        ------
        CheckpointError
            They are gone or damaged.
        """
        read = row_names_in(self.path)
        return None if read is None else read()

    def count_absent(self) -> int:
        """Return how many of its chunks are missing or empty."""
        array: Any = self._array
        return self._named(array.count_absent)

    def _named(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except (InputError, OSError) as error:
            raise self._unreadable(error) from error

    def _was_replaced(self) -> bool:
        return mark_of(self.path) not in (None, self._own)

    def _replaced(self) -> CheckpointError:
        return CheckpointError(f"{self.path}: another array was written here since this one was opened; open it anew")

    def _unreadable(self, error: Exception) -> CheckpointError:
        cause = error if isinstance(error, OSError) else error.__cause__
        if isinstance(cause, OSError) and not isinstance(cause, NOTHING_THERE):  # it may be as whole as ever
            return CheckpointError(f"{self.path}: an array that dnmf wrote cannot be read: {in_words(cause)}")
        if self._was_replaced():
            return self._replaced()
        if not self.path.exists():
            return CheckpointError(gone(self.path, "array"))
        absent = error.__cause__
        found = f"chunk {absent.args[0]} is missing or empty" if isinstance(absent, AbsentObject) else str(error)
        return CheckpointError(f"{self.path}: an array that dnmf wrote is damaged ({found}); restore it from a copy")


class AbsentFactor:
    """In the place of a W that was left behind: its shape, and what to do where its values are asked for.

    Parameters
    ----------
    rows, rank : int
        Of W.

    Attributes
    ----------
    shape : (int, int)
        That of W.
    """

    ndim = 2

    def __init__(self, rows: int, rank: int):
        self.shape = (rows, rank)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        raise self._left_behind()

    @property
    def dtype(self) -> np.dtype:
        """Not known.

        Raises
        ------
        InputError
            Always, as for every value.
        """
        raise self._left_behind()

    def _left_behind(self) -> InputError:
        return InputError(
            "W of the training rows was not pickled with the estimator; transform the rows again, give the fit a "
            "store, or keep the model with model_.save(…) before"
        )
