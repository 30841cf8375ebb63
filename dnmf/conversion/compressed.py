"""CSR and CSC storage (indptr, indices, data, each read front to back) cut into blocks of whole lines."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dnmf.conversion.streams import Lines
from dnmf.conversion.values import cast_values, check_values
from dnmf.errors import InputError


class Vector(Protocol):
    """A stored one-dimensional array that is read front to back."""

    @property
    def length(self) -> int:
        """How many values it holds in all."""

    def read(self, count: int) -> NDArray[Any]:
        """Return the next `count` values; never fewer."""


@dataclass(frozen=True)
class CompressedParts:
    """The three arrays of a sparse matrix, not yet read, and what they should describe.

    Attributes
    ----------
    address : str
        For messages.
    indptr, indices, values : Vector
        As in scipy.
    majors, minors : int
        Lines, and the length of a line.
    by_rows : bool
        Whether lines are rows.
    dtype : numpy dtype
        In which the values are given.
    """

    address: str
    indptr: Vector
    indices: Vector
    values: Vector
    majors: int
    minors: int
    by_rows: bool
    dtype: np.dtype

    def lines(self, limit: int) -> Iterator[Lines]:
        """Iterate over all lines in order, about `limit` entries at a time (a longer line comes alone).

        Raises
        ------
        InputError
            The arrays do not fit together, an index is out of range, a value is not finite and ≥ 0.
        """
        self._check_lengths()
        end = self.indptr.read(1)
        if end[0] != 0:
            raise InputError(f"{self.address}: indptr begins with {end[0]}, not 0; the file is damaged")
        for first in range(0, self.majors, limit):
            ends = self.indptr.read(min(limit, self.majors - first))
            offsets = np.concatenate([end, ends]).astype(np.int64)
            end = ends[-1:]
            self._check_offsets(first, offsets)
            for start, stop in _cuts(offsets, limit):
                yield self._read(first + start, offsets[start : stop + 1])
        if end[0] != self.values.length:
            raise InputError(f"{self.address}: indptr ends at {end[0]}, but {self.values.length} values are stored")

    def _check_lengths(self) -> None:
        if self.indptr.length != self.majors + 1:
            raise InputError(
                f"{self.address}: indptr has {self.indptr.length} entries, the shape asks for {self.majors + 1}"
            )
        if self.indices.length != self.values.length:
            raise InputError(f"{self.address}: {self.values.length} values but {self.indices.length} indices")

    def _check_offsets(self, first: int, offsets: NDArray[np.int64]) -> None:
        if (falls := np.diff(offsets) < 0).any() or offsets[-1] > self.values.length:
            line = first + int(np.argmax(falls)) if falls.any() else first + len(offsets) - 2
            raise InputError(
                f"{self.address}: indptr falls, or passes the {self.values.length} values stored, "
                f"at line {line}; the file is damaged"
            )

    def _read(self, first: int, offsets: NDArray[np.int64]) -> Lines:
        count = int(offsets[-1] - offsets[0])
        lines = Lines(first, offsets - offsets[0], self.indices.read(count), self.values.read(count))
        return checked_lines(lines, self.address, self.minors, self.dtype, by_rows=self.by_rows)


def checked_lines(lines: Lines, address: str, minors: int, dtype: np.dtype, *, by_rows: bool) -> Lines:
    """Return `lines` with values of `dtype`, all finite and ≥ 0, and indices in 0…`minors` - 1.

    Raises
    ------
    InputError
        Names the first that is not, or does not fit `dtype`, with its row and column.
    """
    if lines.indices.size and not (lines.indices.min() >= 0 and lines.indices.max() < minors):
        first = int(np.argmax((lines.indices < 0) | (lines.indices >= minors)))
        line = lines.first + int(np.searchsorted(lines.indptr, first, side="right")) - 1
        raise InputError(
            f"{address}: {'row' if by_rows else 'column'} {line} holds the index {lines.indices[first]}, "
            f"outside 0…{minors - 1}; the file is damaged"
        )

    def place(at: int) -> str:
        line = lines.first + int(np.searchsorted(lines.indptr, at, side="right")) - 1
        row, column = (line, lines.indices[at]) if by_rows else (lines.indices[at], line)
        return f"{address}: row {row}, column {column}"

    check_values(lines.values, place)
    return lines._replace(values=cast_values(lines.values, dtype, place))


def _cuts(offsets: NDArray[np.int64], limit: int) -> Iterator[tuple[int, int]]:
    """Cut lines into runs of at most `limit` entries; a run has at least one line."""
    start, lines = 0, len(offsets) - 1
    while start < lines:
        stop = int(np.searchsorted(offsets, offsets[start] + limit, side="right")) - 1
        stop = max(stop, start + 1)
        yield start, stop
        start = stop
