"""What every source of data offers: a shape, a layout to cut by, and rows on demand."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from dnmf.arguments import as_dtype
from dnmf.errors import InputError
from dnmf.frames import NUMERIC_KINDS
from dnmf.sources.addresses import is_url
from dnmf.sources.names import MOST_NAMES, bytes_of_names
from dnmf.sources.rows import Panel, Rows
from dnmf.sources.unfolded import Unfolding

MOST_CUTS = 2**22  # candidate cuts kept in memory: 64 MB of int64 pairs at the most


Names = np.ndarray | Callable[[], np.ndarray | None] | None  # as they are, or a way to read them


@dataclass(frozen=True)
class Layout:
    """Where a source may be cut, and what lies before each cut.

    Attributes
    ----------
    cuts : ndarray of int64
        Rows at which a panel may begin or end, rising from 0 to the number of rows.
    bytes_before : ndarray of int64
        Decoded bytes of the rows before each cut.
    row_step : int
        Every multiple of this row number is a cut, so that groups of panels and the chunks of W can share
        their borders (1 where the source can be cut anywhere).
    panel_is_whole : bool
        True where a panel comes as it is (a block of a dask array) and its bytes are an estimate.
    comes_with_task : bool
        True where a task is given its rows (blocks of a dask array, an array in memory), rather than reads them.
    object_bytes : int
        Decoded bytes of the largest stored object (chunk or shard) that has to be decoded to read any row.
    in_place : bool
        True where stored objects are decoded straight into the panel. Otherwise, while it is read, their bytes and
        their decoded values may lie in memory for all of it at once.
    beside_bytes : int
        Where `in_place`: what a thread holds at most beside the panel in work and the one that is being read.
    beside_as_stored : callable or None
        Returns the same from the sizes of the stored files, which it looks up; None where they cannot be.
    parts : Layout or None
        The same source with more cuts, at rows inside stored objects, where these can be read in parts.
    made : float
        Bytes that are made of each byte that is decoded, and stay beside it while rows are read.
    kept : float
        Bytes that rows take which are kept between passes, of each that is decoded.
    smaller : str
        What makes panels smaller that are too large, for a message.
    """

    cuts: np.ndarray
    bytes_before: np.ndarray
    row_step: int = 1
    panel_is_whole: bool = False
    comes_with_task: bool = False
    object_bytes: int = 0
    in_place: bool = False
    beside_bytes: int = 0
    beside_as_stored: Callable[[], int] | None = field(default=None, compare=False, repr=False)
    parts: "Layout | None" = field(default=None, compare=False, repr=False)
    made: float = 0.0
    kept: float = 1.0
    smaller: str = field(default="smaller chunks (dnmf convert IN OUT --chunk-size 4MiB)", compare=False, repr=False)

    def held_bytes(self, decoded: int) -> int:
        """Return what rows take in memory that decode to so many bytes, with what is made of them."""
        return decoded + int(self.made * decoded)

    def cut_for(self, *, in_parts: bool) -> "Layout":
        """Return this layout, or the one with cuts inside stored objects where such are asked for and possible."""
        return self.parts if in_parts and self.parts is not None else self

    @property
    def n_rows(self) -> int:
        """Rows of the source."""
        return int(self.cuts[-1])

    @property
    def kept_bytes(self) -> int:
        """Bytes of the rows where all of them are kept."""
        return int(self.kept * self.total_bytes)

    @property
    def total_bytes(self) -> int:
        """Decoded bytes of the source."""
        return int(self.bytes_before[-1])


def even_cuts(n_rows: int, unit: int = 1) -> tuple[np.ndarray, int]:
    """Return cuts at every `unit` rows and their step; in a very long matrix at every 2^j units.

    Examples
    --------
    >>> cuts, step = even_cuts(10, 4)
    >>> cuts.tolist(), step
    ([0, 4, 8, 10], 4)
    """
    step = min(unit, n_rows)
    while n_rows // step > MOST_CUTS:
        step *= 2
    return np.append(np.arange(0, n_rows, step, dtype=np.int64), n_rows), step


class Source(ABC):
    """A matrix somewhere: its rows are read inside the tasks, never sent around.

    A source is cheap to pickle (paths, not data) unless it lives in memory; then :meth:`for_rows` cuts out
    what one task needs.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns as the engine sees them (already exchanged when `transposed`).
    dtype : numpy dtype
        Of the values as they are read: the stored one, in the byte order of the machine; half precision is
        widened to float32, extended precision narrowed to float64.
    sparse : bool
        Whether rows come as :class:`CsrRows`.
    address : str
        What the source is called in messages: a path, or the type of the object.
    in_memory : bool
        Whether the values lie in this process.
    blocks_are_tasks : bool
        Whether rows come from dask blocks, which the scheduler computes before :meth:`read`.
    transposed : bool
        True where the rows of the engine are the columns of the user's matrix (CSC storage).
    missing_chunks : {"error", "zeros"}
        What an absent chunk means, where there are stored chunks.
    index_dtype : numpy dtype
        Of the columns of :class:`CsrRows`, as far as it is known beforehand.
    unstored : {"zero", "missing"}
        What an entry is that sparse rows do not store: a zero that was measured, or not observed.
    has_missing : bool
        Whether entries may be not observed: NaN in dense rows, a weight of 0, or what sparse rows do not store.
    weighted : bool
        Whether rows come as :class:`Weighted`.
    weight_dtype : numpy dtype
        Of the weights, where there are any.
    unfolding : Unfolding or None
        Which axes of an array the user's rows and columns are made of, where it has more of them.
    """

    shape: tuple[int, int]
    dtype: np.dtype
    sparse: bool
    address: str
    in_memory: bool = False
    blocks_are_tasks: bool = False
    transposed: bool = False
    missing_chunks: str = "error"
    index_dtype: np.dtype = np.dtype(np.int32)
    unstored: str = "zero"
    has_missing: bool = False
    weighted: bool = False
    weight_dtype: np.dtype = np.dtype(np.float32)
    unfolding: Unfolding | None = None
    _names: tuple[Names, Names] = (None, None)  # of the engine's rows and columns

    @abstractmethod
    def layout(self) -> Layout:
        """Where the source may be cut into panels."""

    @abstractmethod
    def read(self, start: int, stop: int) -> Rows:
        """Return rows `start:stop`, decoded, in `dtype`; :class:`Weighted` ones where the source is `weighted`.

        Raises
        ------
        InputError
            Something cannot be read; the message names the path and the rows.
        """

    def touched_bytes(self, start: int, stop: int, rows: Panel) -> int:  # noqa: ARG002
        """Decoded bytes it took to read `rows`, which are rows `start:stop`: whole stored objects count."""
        return rows.nbytes

    def bytes_from_memory(self, start: int, stop: int, rows: Panel) -> int:  # noqa: ARG002
        """What of :meth:`touched_bytes` an earlier pass had left in memory; see ``dnmf/sources/kept.py``."""
        return 0

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """JSON values that change when the data changes; compared before a run is resumed."""

    def take_facts(self, inner: "Source") -> None:
        """Be what another source is whose rows are handed on: its shape, its values, and what of them is observed."""
        self.shape, self.dtype, self.sparse, self.address = inner.shape, inner.dtype, inner.sparse, inner.address
        self.index_dtype, self.transposed = inner.index_dtype, inner.transposed
        self.missing_chunks, self.unfolding = inner.missing_chunks, inner.unfolding
        self.take_what_is_observed(inner)

    def take_what_is_observed(self, inner: "Source") -> None:
        """Be what another source is in what of its entries was observed, and how much they count."""
        self.unstored, self.has_missing = inner.unstored, inner.has_missing
        self.weighted, self.weight_dtype = inner.weighted, inner.weight_dtype

    def with_nan(self) -> "Source":
        """The same source with what attributes or masks say to be missing read as NaN, rather than refused."""
        return self

    def said(self) -> dict[str, Any]:
        """What was said of its entries when it was opened, as JSON values; see :func:`dnmf.open_source`."""
        return {}

    def side_weights(self) -> dict[str, np.ndarray]:
        """The weights of the user's rows and columns, by the name of the argument, where some were given."""
        return {}

    def place_of_entry(self, row: int, column: int) -> tuple[int, int]:
        """Where an entry of the engine's rows and columns lies among those of the data that is read."""
        return row, column

    def bytes_in_memory(self) -> int:
        """Decoded bytes of what lies in this process, and travels to workers where tasks run there."""
        return self.layout().total_bytes if self.in_memory else 0

    def turned(self) -> "Source | None":
        """The columns of the source as its rows, where they can be read so; None where not."""
        return None

    def stored_arrays(self) -> tuple[Any, ...]:
        """What it reads from on disk: a ``StoredArray``, ``BehindDask`` or ``NumpyFile`` each; none if nothing is."""
        return ()

    def places(self) -> list[str]:
        """Where on this machine the arrays are that it reads from, as far as that is known."""
        found = ((part.path.removeprefix("file://"), part.inner) for part in self.stored_arrays())
        return [str(Path(path, inner)) for path, inner in found if not is_url(path)]

    def for_rows(self, start: int, stop: int) -> "Source":  # noqa: ARG002
        """The source as one task needs it to read rows within `start:stop` (absolute row numbers), without names."""
        return self.without_names()

    def blocks(self) -> list[Any]:
        """Dask objects that must be computed before :meth:`read`; empty for most sources."""
        return []

    def take_names(self, inner: "Source") -> None:
        """Have the names of another source, those of its data read when somebody asks."""
        self._names = inner._names

    @property
    def is_named(self) -> tuple[bool, bool]:
        """Whether the engine's rows, and its columns, have names; none is read."""
        rows, columns = (names is not None for names in self._names)
        return rows, columns

    def row_names(self) -> np.ndarray | None:
        """Names of the engine's rows as text of variable width, where the source has them."""
        return _read(self._names[0])

    def column_names(self) -> np.ndarray | None:
        """Names of the engine's columns, where the source has them."""
        return _read(self._names[1])

    def with_names(self, rows: Names = None, columns: Names = None) -> Self:
        """The same source with other names for the user's rows or columns; None leaves them as they are."""
        known = self._names[::-1] if self.transposed else self._names
        given = tuple(old if new is None else new for new, old in zip((rows, columns), known, strict=True))
        named = copy.copy(self)
        named._names = given[::-1] if self.transposed else given  # type: ignore[assignment]
        return named

    @property
    def given_names(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Names of the user's rows and columns, where they came with the source and are not read from the data."""
        given = (None if callable(names) else names for names in self._names)
        rows, columns = reversed(tuple(given)) if self.transposed else given
        return rows, columns

    def carried_names(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Names of the engine's rows and columns as a model carries them: not those of millions of rows and more."""
        rows, columns = (
            _read(names) if length <= MOST_NAMES else None
            for names, length in zip(self._names, self.shape, strict=True)
        )
        return rows, columns

    def name_bytes(self) -> int:
        """Bytes in memory of the names that a model carries."""
        return sum(map(bytes_of_names, self.carried_names()))

    def without_names(self) -> Self:
        """The same source without names: what travels to the workers."""
        bare = copy.copy(self)
        bare._names = (None, None)
        return bare

    def __repr__(self) -> str:
        rows, columns = self.shape[::-1] if self.transposed else self.shape
        return f"<{self.kind} of {self.address}: {rows} × {columns}, {self.dtype}>"

    @property
    def kind(self) -> str:
        """A word or two for people: what this is."""
        return ("sparse " if self.sparse else "dense ") + type(self).__name__.removesuffix("Source").lower()


def _read(names: Names) -> np.ndarray | None:
    return names() if callable(names) else names


def check_shape(address: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return `shape` as two integers, or say why it is not a matrix that can be factorized.

    Raises
    ------
    InputError
        It does not have two dimensions, or one of them is zero.
    """
    if len(shape) != 2:
        way = "; give more axes as an array of numpy, dask, sparse or xarray, with row_axes=" * (len(shape) > 2)
        raise InputError(f"{address}: a matrix has 2 dimensions, this has {len(shape)} (shape {tuple(shape)}){way}")
    rows, columns = int(shape[0]), int(shape[1])
    if rows == 0 or columns == 0:
        raise InputError(f"{address}: the matrix is empty (shape {rows} × {columns})")
    return rows, columns


def check_dtype(address: str, dtype: Any) -> np.dtype:
    """Return the dtype in which values of `dtype` are read: one the compiled kernels take.

    Raises
    ------
    InputError
        Object, complex, string or time dtypes, and what numpy does not know.
    """
    found = as_dtype(dtype)
    if found is None:
        raise InputError(f"{address}: the values have dtype {dtype}, which numpy does not know; convert them")
    if found.kind not in NUMERIC_KINDS:
        raise InputError(
            f"{address}: the values have dtype {found}; dnmf reads integers and floating point numbers, "
            "convert the array first"
        )
    if found.kind == "f":
        return np.dtype(np.float32 if found.itemsize <= 4 else np.float64)
    return found.newbyteorder("=")
