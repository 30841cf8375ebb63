"""Where the rows of W go on the last pass: to Zarr, written by the tasks in whole chunks, or into memory."""

import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dnmf.errors import CheckpointError
from dnmf.places import Place, Sink, as_place, as_zarr, create_array, remove_tree
from dnmf.refusals import in_words, told
from dnmf.sources import texts
from dnmf.sources.stored_factor import MARK, ROW_NAMES, StoredFactor


class RowsOut:
    """Takes rows of W in rising order and keeps them for the caller.

    Parameters
    ----------
    start : int
        First row that will come.
    columns : Columns, optional
        Which columns of the rows are kept, and what they are divided by.
    """

    def __init__(self, start: int, columns: "Columns | None" = None):
        self._start, self._columns = start, columns
        self._parts: list[np.ndarray] = []

    def write(self, at: int, rows: np.ndarray) -> None:
        """Take `rows`, the first of which is row `at`."""
        del at
        self._parts.append(rows if self._columns is None else self._columns.of(rows))

    def finish(self) -> dict[int, np.ndarray]:
        """Return the rows kept in memory, by their first row; call once."""
        return {self._start: np.concatenate(self._parts)} if self._parts else {}


class ZarrRowsOut(RowsOut):
    """Writes rows of W to a Zarr array in whole chunks, each by this one writer.

    Parameters
    ----------
    path : str or Place
        The array; made by :func:`create_rows_array`.
    start, stop : int
        The rows of the task; `start` is a multiple of the array's chunk rows.
    columns : Columns, optional
        As above.
    """

    def __init__(self, path: str | Place, start: int, stop: int, columns: "Columns | None" = None):
        super().__init__(start, columns)
        self._path, self._stop = path, stop
        self._next, self._buffered = start, 0
        self._array: Any = None

    def write(self, at: int, rows: np.ndarray) -> None:
        """Take `rows` and write every chunk that is complete."""
        if at != self._next + self._buffered:
            expected = self._next + self._buffered
            raise CheckpointError(f"{self._path}: rows came out of order ({at}, expected {expected})")
        super().write(at, rows)
        self._buffered += len(rows)
        height = self._open().chunks[0]
        while self._buffered >= height:
            self._flush(height)

    def finish(self) -> dict[int, np.ndarray]:
        """Write what is left; nothing stays in memory."""
        if self._buffered:
            self._flush(self._buffered)
        if self._next != self._stop:
            raise CheckpointError(f"{self._path}: rows {self._next}:{self._stop} of W were not computed")
        return {}

    def _open(self) -> Any:
        if self._array is None:
            try:
                self._array = open_for_writing(self._path)
            except (OSError, ValueError) as error:
                raise CheckpointError(
                    f"{self._path}: W cannot be written here ({told(error)}); every worker must see the store's path"
                ) from error
        return self._array

    def _flush(self, height: int) -> None:
        buffered = self._parts[0] if len(self._parts) == 1 else np.concatenate(self._parts)
        _put(self._path, self._array, self._next, buffered[:height])
        self._next += height
        self._buffered -= height
        self._parts = [buffered[height:]] if self._buffered else []


def open_rows_out(target: Sink, start: int, stop: int, columns: "Columns | None" = None) -> RowsOut:
    """Return where the rows `start:stop` of W go: into memory (``""``) or to the array at a place."""
    return ZarrRowsOut(target, start, stop, columns) if target else RowsOut(start, columns)


def create_rows_array(
    path: str | Place, shape: tuple[int, int], chunk_rows: int, dtype: str, row_names: np.ndarray | None = None
) -> None:
    """Make an empty Zarr array for a factor: whole rows in a chunk, every chunk with a checksum.

    AnnData reads it (``encoding-type: array``), and so does anything that reads Zarr. Names of rows are a file of their
    own in its directory.

    Raises
    ------
    CheckpointError
        It cannot be made.
    """
    from zarr.codecs import Crc32cCodec

    names = None if row_names is None else texts.packed(row_names)
    beside = {} if row_names is None or names is None else {ROW_NAMES: texts.noted(names, len(row_names))}
    try:
        create_array(
            as_place(path), shape=shape, chunks=(min(chunk_rows, shape[0]), shape[1]), dtype=dtype,
            fill_value=0, compressors=[Crc32cCodec()], config={"write_empty_chunks": True},
            attributes={"encoding-type": "array", "encoding-version": "0.2.0", MARK: uuid.uuid4().hex, **beside},
        )  # fmt: skip
        if names is not None:
            (as_place(path) / f"{ROW_NAMES}{texts.SUFFIX}").write_bytes(names)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: an array for W cannot be made here ({told(error)})") from error


def open_for_writing(path: str | Place) -> Any:
    """Return the array at `path`, set to write chunks of zeros too: the setting is not stored with the array."""
    import zarr

    return zarr.open_array(as_zarr(as_place(path)), mode="r+").with_config({"write_empty_chunks": True})


def write_rows(
    path: str | Place, shape: tuple[int, int], chunk_rows: int, dtype: str, read: Callable[[int, int], np.ndarray]
) -> None:
    """Make an array for a factor at `path` and fill it with ``read(start, stop)``, a chunk of rows at a time.

    Raises
    ------
    CheckpointError
        It cannot be written; nothing of it is left.
    """
    try:
        create_rows_array(path, shape, chunk_rows, dtype)
        array = open_for_writing(path)
        for start in range(0, shape[0], array.chunks[0]):
            stop = min(start + array.chunks[0], shape[0])
            _put(path, array, start, read(start, stop))
    except BaseException:
        remove_array(path)
        raise


def _put(path: str | Place, array: Any, start: int, rows: np.ndarray) -> None:
    try:
        array[start : start + len(rows)] = rows
    except OSError as error:
        raise CheckpointError(f"{path}: W cannot be written: {in_words(error)}") from error


class Columns(NamedTuple):
    """The columns of W as they are kept: which of those that were solved for each is, and what it is divided by."""

    order: np.ndarray
    scale: np.ndarray

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Return these columns of `rows`; one whose scale is zero is zero."""
        return normalize_columns(np.take(rows, self.order, axis=1), self.scale)


def rescale_rows(raw: str | Place, path: str | Place, columns: Columns, start: int, stop: int) -> int:
    """Copy rows `start:stop` of the array at `raw` to the one at `path`, the columns as they are kept.

    Doing it twice does no harm.

    Returns
    -------
    int
        How many rows were written.
    """
    source, target = StoredFactor(raw), open_for_writing(path)
    height = target.chunks[0]
    for low in range(start, stop, height):
        high = min(low + height, stop)
        _put(path, target, low, columns.of(source.read(low, high)))
    return stop - start


def normalize_columns(rows: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return `rows` with each column divided by its entry of `scale`, zero where that is zero."""
    safe = np.where(scale > 0, scale, 1.0)
    return (rows.astype(np.float64) / safe).astype(rows.dtype)


def missing_chunks(path: str | Place) -> int:
    """Return how many chunks of the array at `path` are not there."""
    return StoredFactor(path).count_absent()


def remove_array(path: str | Place) -> None:
    """Remove the array at `path`, if it is there."""
    remove_tree(as_place(path))
