"""A matrix that is read once, front to back, in blocks of bounded size: by lines, by entries, or dense."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from dnmf.conversion.frames import Frame
from dnmf.errors import InputError
from dnmf.sources.unfolded import STORED, Unfolding


class Triplets(NamedTuple):
    """Entries of a sparse matrix in any order: ``A[rows[i], columns[i]] += values[i]``."""

    rows: NDArray[Any]
    columns: NDArray[Any]
    values: NDArray[Any]

    def transposed(self) -> "Triplets":
        """Return the same entries of the transpose."""
        return Triplets(self.columns, self.rows, self.values)


class Lines(NamedTuple):
    """Rows of a CSR (columns of a CSC) matrix: line ``first + i`` is ``indptr[i]:indptr[i + 1]``."""

    first: int
    indptr: NDArray[np.int64]
    indices: NDArray[Any]
    values: NDArray[Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class MatrixStream:
    """What every stream says of its matrix. The blocks it gives hold finite values ≥ 0 and indices in range.

    Attributes
    ----------
    address : str
        Where the matrix is, for messages.
    shape : (int, int)
        Rows and columns.
    dtype : numpy dtype
        Of the values in the blocks.
    target_dtype : numpy dtype or None
        In which they are kept unless the caller says otherwise; None: the narrowest that holds the integers
        found.
    rows, columns : Frame
        What the source knows of them.
    notes : tuple of str
        What a user has to know of the matrix, in a sentence each.
    unfolding : Unfolding or None
        Which axes of an array its rows and columns are made of, where it has more than two.
    """

    address: str
    shape: tuple[int, int]
    dtype: np.dtype
    target_dtype: np.dtype | None
    rows: Frame = field(default_factory=Frame)
    columns: Frame = field(default_factory=Frame)
    notes: tuple[str, ...] = ()
    unfolding: Unfolding | None = None

    @property
    def axes(self) -> dict[str, Any]:
        """The attribute by which the matrix in the target says what axes it was made of."""
        return {} if self.unfolding is None else {STORED: self.unfolding.to_json()}

    def place(self, row: int, column: int) -> str:
        """Return where an entry is, for messages: along all axes too, of an array that has more."""
        words = f"{self.address}: row {row}, column {column}"
        return words if self.unfolding is None else f"{words} ({self.unfolding.place_in_words(row, column)})"

    def transposed(self) -> Self:
        """Return the stream of the transpose; nothing is read."""
        return replace(self, shape=self.shape[::-1], rows=self.columns, columns=self.rows)


@dataclass(frozen=True, eq=False, kw_only=True)
class TripletStream(MatrixStream):
    """A sparse matrix whose entries come in any order.

    Attributes
    ----------
    stored : int
        Entries, duplicates and explicit zeros included.
    blocks : callable
        ``blocks(limit)`` iterates over all entries, at most about `limit` at a time.
    keeps_zeros : bool
        Whether entries of 0 are stored, as they were observed.
    twice : callable or None
        ``twice(row, column)`` returns the error where a cell has several entries; None: these are added up.
    """

    stored: int
    blocks: Callable[[int], Iterator[Triplets]]
    keeps_zeros: bool = False
    twice: Callable[[int, int], InputError] | None = None

    def transposed(self) -> Self:
        """Return the stream of the transpose; nothing is read."""
        blocks, twice = self.blocks, self.twice
        return replace(
            super().transposed(), blocks=lambda limit: (block.transposed() for block in blocks(limit)),
            twice=None if twice is None else lambda row, column: twice(column, row),
        )  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class CompressedStream(MatrixStream):
    """A sparse matrix whose lines come in order.

    Attributes
    ----------
    stored : int
        Entries, duplicates and explicit zeros included.
    by_rows : bool
        True where the lines are rows (CSR), False where they are columns (CSC).
    lines : callable
        ``lines(limit)`` iterates over all lines, as many at a time as hold about `limit` entries, at least
        one.
    """

    stored: int
    by_rows: bool
    lines: Callable[[int], Iterator[Lines]]

    def transposed(self) -> Self:
        """Return the stream of the transpose; nothing is read."""
        return replace(super().transposed(), by_rows=not self.by_rows)

    def blocks(self, limit: int) -> Iterator[Triplets]:
        """Iterate over the entries as triplets, at most `limit` at a time."""
        for lines in self.lines(limit):
            majors = np.repeat(lines.first + np.arange(len(lines.indptr) - 1), np.diff(lines.indptr))
            for start in range(0, len(majors), limit):
                part = slice(start, start + limit)
                block = Triplets(majors[part], lines.indices[part], lines.values[part])
                yield block if self.by_rows else block.transposed()


@dataclass(frozen=True, eq=False, kw_only=True)
class DenseStream(MatrixStream):
    """A dense matrix, read by rows.

    Attributes
    ----------
    read_rows : callable
        ``read_rows(start, stop)`` returns these rows, unchecked.
    read_columns : callable or None
        ``read_columns(start, stop)`` returns these columns (rows × columns); None where that would decode
        everything.
    """

    read_rows: Callable[[int, int], NDArray[Any]]
    read_columns: Callable[[int, int], NDArray[Any]] | None = None

    def transposed(self) -> Self:
        """Return the stream of the transpose; nothing is read. Needs `read_columns`."""
        rows, columns = self.read_rows, self.read_columns
        if columns is None:
            raise TypeError("this stream has to be spooled to disk before it can be transposed")
        return replace(
            super().transposed(),
            read_rows=lambda start, stop: columns(start, stop).T,
            read_columns=lambda start, stop: rows(start, stop).T,
        )
