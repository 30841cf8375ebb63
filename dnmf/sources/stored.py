"""Arrays in Zarr stores and HDF5 files, opened by path wherever they are used, and never read as zeros."""

import copy
import logging
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.arrays import narrowed
from dnmf.errors import InputError
from dnmf.locations import refuse_special
from dnmf.refusals import cause_of, told
from dnmf.sources.addresses import StoreAddress, is_url
from dnmf.sources.chunk_files import AbsentObject, ChunkFiles, chunk_files_of
from dnmf.sources.conventions import Convention, convention_of
from dnmf.sources.datasets import files_behind, refuse_dangling_links
from dnmf.sources.fingerprints import fingerprint_of
from dnmf.sources.formats import HDF5, ZIPPED_ZARR, format_of, refusal
from dnmf.sources.hdf5_filters import refuse_unknown_filters
from dnmf.sources.marks import Marks, marks_of
from dnmf.sources.nodes import is_array, listing
from dnmf.sources.opened import OPENED
from dnmf.sources.presence import absent_object, count_absent, fills_with_zeros, is_hdf5, object_shape
from dnmf.sources.retries import with_retries
from dnmf.sources.schemes import lacking
from dnmf.sources.source import check_dtype
from dnmf.sources.zarr_stores import as_stored, open_zarr, refuse_unknown_layouts, why_not

log = logging.getLogger("dnmf")


def open_root(path: str) -> Any:
    """Return the Zarr group or array, or the HDF5 file, at `path`, for reading.

    Raises
    ------
    InputError
        There is nothing there, or it is neither; the message says what to try.
    """
    if is_url(path) or isinstance(path, StoreAddress):
        return _opened(path, "Zarr store", open_zarr)
    place = Path(path)
    if not _opened(path, "file or directory", lambda _: place.exists()):
        raise InputError(f"{path}: there is nothing at this path")
    refuse_special(place)
    found = _opened(path, "file or directory", lambda _: format_of(place))
    if found.use != "read":
        raise refusal(place)
    return _opened(path, found.name.split(" ", 1)[1], OPENERS.get(found, open_zarr))


def _opened(path: str, what: str, opener: Callable[[str], Any]) -> Any:
    try:
        return with_retries(lambda: opener(path), f"{path}: opening")
    except ImportError as error:
        raise InputError(f"{path}: {lacking(error)}") from error
    except InputError:
        raise
    except Exception as error:
        if is_url(path):
            raise InputError(f"{path}: {why_not(error)}") from cause_of(error)
        raise InputError(f"{path}: not a readable {what} ({told(error)})") from error


def _open_hdf5(path: str) -> Any:
    import h5py

    return h5py.File(path, "r")


def _open_zipped_zarr(path: str) -> Any:
    import zarr

    return zarr.open(zarr.storage.ZipStore(path, mode="r"), mode="r", use_consolidated=False)


OPENERS = {HDF5: _open_hdf5, ZIPPED_ZARR: _open_zipped_zarr}


def open_node(path: str, inner: str) -> Any:
    """Return the array or group `inner` (the root where empty) of the store at `path`.

    Raises
    ------
    InputError
        There is none, its description is damaged, or reading it would unpickle.
    """
    root = open_root(path)
    node = root
    if inner:
        if is_hdf5(root):
            refuse_dangling_links(root, inner, path)
        try:
            present = not is_array(root) and inner in root
            found = with_retries(lambda: root[inner], f"{path}::{inner}: opening") if present else None
            node = found if found is None or is_hdf5(found) else as_stored(found)
        except Exception as error:
            raise InputError(f"{path}::{inner}: cannot be opened ({told(error)})") from error
    if node is None:
        raise InputError(f"{path}: there is no {inner!r} in it; it holds {listing(root)}")
    if is_array(node):
        check = refuse_unknown_filters if is_hdf5(node) else refuse_unknown_layouts
        check(node, f"{path}::{inner}" if inner else path)
    return node


class StoredArray:
    """One array of a Zarr store or an HDF5 file: pickled as its path, opened when first used in a process.

    What it is (its shape, its chunks, their encoding) is what it was when it was opened, as long as it can be read;
    a :class:`~dnmf.sources.guard.Guard` notices when it is replaced.

    Parameters
    ----------
    path : str
        The store or file.
    inner : str
        The array inside it; empty when the store is the array.
    missing_chunks : {"error", "zeros"}
        What an absent chunk means. Zarr reads one as zeros without a word, and by default writes none for a
        chunk of zeros, so absence is ambiguous; the safe reading is that the chunk was lost.

    Attributes
    ----------
    convention : Convention or None
        What its attributes say about its values, which are unpacked and checked as they are read.
    in_place : bool
        Whether chunks are decoded straight into what is returned.
    decoding_bytes : int
        What the stored bytes of chunks take beside, while they are decoded.
    goes_whole : bool
        Whether chunks are decoded in place without room for a whole one beside, where rows are cut at chunks.

    Raises
    ------
    InputError
        It is not there, or its values are not real numbers.
    """

    def __init__(self, path: str, inner: str, missing_chunks: str = "error"):
        self.path, self.inner, self.missing_chunks = path if isinstance(path, str) else str(path), inner, missing_chunks
        self._mark = uuid.uuid4().hex
        self._opened: tuple[Any, ChunkFiles | None] | None = None
        self._in_hdf5 = True  # an open HDF5 file would stay open where opened arrays are kept
        handle, files = first = self._open()
        self._in_hdf5 = is_hdf5(handle)
        if not self._in_hdf5:
            OPENED.get(self._mark, lambda: first)
        if not is_array(handle):
            raise InputError(f"{self.address}: not an array; it holds {listing(handle)}")
        self.shape = tuple(int(n) for n in handle.shape)
        check_dtype(self.address, handle.dtype)
        self.convention: Convention | None = convention_of(handle, self.address)
        self.dtype = check_dtype(self.address, self.convention.dtype if self.convention else handle.dtype)
        self.in_place = files is not None and handle.dtype == self.dtype and self.convention is None
        self.decoding_bytes = files.decoding_bytes if files is not None else 0
        self.goes_whole = files is not None and files.goes_whole

    def with_nan(self) -> "StoredArray":
        """The same with what its attributes say to be missing or not valid read as NaN."""
        found = copy.copy(self)
        if self.convention is not None:
            found.convention = self.convention.with_nan()
            found.dtype = check_dtype(self.address, found.convention.dtype)
        return found

    def stored_bytes(self) -> int:
        """What the stored bytes of chunks really take while they are decoded: the files are looked at, once."""
        files = self._open()[1]
        try:
            return self.decoding_bytes if files is None else files.stored_bytes()
        except OSError:  # who reads will say what it is
            return self.decoding_bytes

    @property
    def address(self) -> str:
        """The path, with the place inside it after ``::``."""
        return f"{self.path}::{self.inner}" if self.inner else self.path

    @property
    def object_shape(self) -> tuple[int, ...]:
        """Shape of what is stored as one object: a shard or a chunk."""
        return object_shape(self._open()[0])

    @property
    def object_bytes(self) -> int:
        """Decoded bytes of one stored object."""
        return int(np.prod(self.object_shape)) * self.dtype.itemsize

    @property
    def least_rows(self) -> int:
        """How few rows (entries of the first axis) can be read without decoding others."""
        files = self._open()[1]
        return self.object_shape[0] if files is None else files.least_rows

    def _open(self) -> tuple[Any, ChunkFiles | None]:
        """The array and its chunk files, if it has such: taken together, since another thread may close them."""
        opened = self._opened
        if opened is None:
            opened = self._opened = self._open_anew() if self._in_hdf5 else OPENED.get(self._mark, self._open_anew)
        return opened

    def _open_anew(self) -> tuple[Any, ChunkFiles | None]:
        node = open_node(self.path, self.inner)
        return node, chunk_files_of(node) if is_array(node) else None

    def _close(self) -> None:
        OPENED.forget(self._mark)
        self._opened = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return ``array[start:stop]``, trying again when the storage fails for a moment.

        Raises
        ------
        InputError
            A chunk is missing, damaged or unreadable; the message names the path and the rows.
        """
        if stop <= start:
            return np.empty((0, *self.shape[1:]), self.dtype)
        return self._tried(start, stop, lambda: self._read_once(start, stop))

    def read_along(self, axis: int, start: int, stop: int) -> np.ndarray:
        """Return ``array[:, …, start:stop, …]`` of any axis; else as :meth:`read`."""
        return self._tried(start, stop, lambda: self._read_along(axis, start, stop), f"axis {axis}")

    def read_box(self, bounds: Sequence[tuple[int, int]]) -> np.ndarray:
        """Return what lies between these bounds of all axes; else as :meth:`read`, missing chunks looked for beside."""
        return self._tried(*bounds[0], lambda: self._read_box(0, bounds))

    def _read_along(self, axis: int, start: int, stop: int) -> np.ndarray:
        bounds = [(0, length) for length in self.shape]
        bounds[axis] = (start, stop)
        return self._read_box(axis, bounds)

    def _read_box(self, axis: int, bounds: Sequence[tuple[int, int]]) -> np.ndarray:
        """What lies in a box, chunks of its slab along one axis looked for."""
        handle, places = self._open()[0], [start for start, _ in bounds]
        self._check_shape(handle, self.shape[0])
        absent = absent_object(handle, *bounds[axis], zeros=self.missing_chunks == "zeros", axis=axis)
        if absent is not None:
            raise AbsentObject(absent)
        values = handle[tuple(slice(*bound) for bound in bounds)]
        if self.convention is not None:
            values = self.convention.decode(values, places, self.address)
        return narrowed(values, self.dtype, self.address)

    def read_into(self, target: np.ndarray, start: int) -> None:
        """Fill `target`, contiguous and of this dtype, with as many elements from `start` on; like :meth:`read`."""
        if len(target):
            self._tried(start, start + len(target), lambda: self._fill(target, start))

    def _tried(self, start: int, stop: int, action: Callable[[], Any], along: str = "the first axis") -> Any:
        try:
            return with_retries(action, f"{self.address}: reading {start}:{stop}")
        except Exception as error:
            self._close()  # who tries again may find it mended
            if isinstance(error, InputError):
                raise
            if isinstance(error, AbsentObject):
                raise self._absent(str(error.args[0]), f"{start}:{stop} of {along}") from error
            raise InputError(
                f"{self.address}: elements {start}:{stop} of {along} cannot be read "
                f"({told(error)}); a chunk is damaged, truncated or not permitted"
            ) from error

    def _absent(self, name: str, asked: str) -> InputError:
        found = f"{self.address}: chunk {name} (elements {asked} were asked for) is missing or empty."
        if self.missing_chunks == "zeros":
            return InputError(
                f"{found} It would read as the fill value of the array, which is not zero. Restore the file, or write "
                "the array anew with all of its chunks"
            )
        return InputError(
            f"{found} It would read as zeros. Restore the file; if chunks of zeros were left out when the array was "
            "written, say missing_chunks='zeros' (--missing-chunks zeros)"
        )

    def _fill(self, target: np.ndarray, start: int) -> None:
        handle, files = self._open()
        if files is None or not self.in_place:
            target[...] = self._read_once(start, start + len(target))
            return
        self._check_shape(handle, start + len(target))
        files.read(target, start, absent_is_fill=self._absent_is_zero(handle))

    def _read_once(self, start: int, stop: int) -> np.ndarray:
        handle, files = self._open()
        self._check_shape(handle, stop)
        if files is not None:
            values = np.empty((stop - start, *self.shape[1:]), handle.dtype)
            files.read(values, start, absent_is_fill=self._absent_is_zero(handle))
        else:
            absent = absent_object(handle, start, stop, zeros=self.missing_chunks == "zeros")
            if absent is not None:
                raise AbsentObject(absent)
            values = handle[start:stop]
        if self.convention is not None:
            values = self.convention.decode(values, start, self.address)
        return narrowed(values, self.dtype, self.address, start)

    def _absent_is_zero(self, handle: Any) -> bool:
        return self.missing_chunks == "zeros" and fills_with_zeros(handle)

    def _check_shape(self, handle: Any, stop: int) -> None:
        if handle.shape[0] < stop or tuple(handle.shape[1:]) != self.shape[1:]:
            raise InputError(f"{self.address}: its shape was {self.shape} and is {tuple(handle.shape)} now")

    def count_absent(self) -> int:
        """Return how many of its stored objects are missing or empty; none of them is read."""
        return count_absent(self._open()[0])

    def fingerprint(self) -> dict[str, Any]:
        """JSON values that change when the data changes; see :mod:`dnmf.sources.fingerprints`."""
        return fingerprint_of(self._open()[0], self.path)

    def refuse_absent(self) -> None:
        """Return: each read looks for what it needs by itself, and for nothing else."""

    def refuse_gone(self) -> None:
        """Refuse a dataset of HDF5 that leads to a file which is not there; nothing of it is read.

        Raises
        ------
        InputError
            It does; the message names the file.
        """
        node = self._open()[0]
        if is_hdf5(node):
            files_behind(node)

    def marks(self) -> Marks:
        """What changes when one of its files or objects is replaced; see :mod:`dnmf.sources.marks`."""
        return with_retries(lambda: marks_of(self._open()[0], self.path), f"{self.address}: looking at it")
