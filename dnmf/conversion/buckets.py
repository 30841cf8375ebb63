"""Entries in any order become CSR rows in order: sorted through files of rows, within a memory budget."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from dnmf.conversion.streams import Triplets
from dnmf.conversion.values import summing_dtype
from dnmf.errors import InputError

BYTES_PER_ENTRY = 64  # of memory while a bucket is sorted: record, triplet, CSR entry and the copies between them
MOST_BUCKETS = 256  # written at once: more would make the pieces of a block too small to write quickly
FEWEST_ENTRIES = 1024  # a bucket below this costs more to open than to sort


class Bucket(NamedTuple):
    """The rows `first` … `stop` - 1; their entries are in `path`, which is absent where there are none."""

    path: Path
    first: int
    stop: int


class RowBuckets:
    """Entries spooled to one file per range of rows, each small enough to be sorted in memory.

    ``add`` every block, ``settle`` once, then ``rows`` as often as wanted. A range that turns out to hold
    too much (rows are rarely equally full) is divided again by ``settle``. Only a single row has to fit in
    memory whatever the budget. On disk an entry takes the bytes of its row and column numbers (4 each, 8
    beyond 2^32) and its value.

    Parameters
    ----------
    directory : Path
        For the files; removed by whoever made it.
    shape : (int, int)
        Of the matrix.
    expected : int
        How many entries will come, about.
    dtype : numpy dtype
        Of the values that will be added.
    memory_bytes : int
        For sorting one bucket.
    twice : callable or None
        ``twice(row, column)`` returns the error where a cell has several entries; None: these are added up.
    keeps_zeros : bool
        Whether entries of 0 stay.
    """

    def __init__(
        self, directory: Path, shape: tuple[int, int], expected: int, dtype: np.dtype, memory_bytes: int, *,
        twice: Callable[[int, int], InputError] | None = None, keeps_zeros: bool = False,
    ):  # fmt: skip
        self._directory, self._shape = directory, shape
        self._twice, self._keeps_zeros = twice, keeps_zeros
        self._limit = max(memory_bytes // BYTES_PER_ENTRY, FEWEST_ENTRIES)
        row, column = (np.dtype("u4" if n < 2**32 else "i8") for n in shape)
        self._record = np.dtype([("row", row), ("column", column), ("value", dtype)])
        self._buckets = self._divide(0, shape[0], expected)
        self.largest: int | float = 0

    def _divide(self, first: int, stop: int, entries: int) -> list[Bucket]:
        """Cut rows into equal ranges, twice as many as evenly filled rows would need."""
        parts = min(max(2 * entries // self._limit, -(-(stop - first) // self._limit), 1), MOST_BUCKETS)
        width = -(-(stop - first) // parts)
        return [
            Bucket(self._directory / f"rows-{start}-{min(start + width, stop)}", start, min(start + width, stop))
            for start in range(first, stop, width)
        ]

    def add(self, block: Triplets) -> None:
        """Spool a block of entries."""
        if len(block.values) == 0:
            return
        self.largest = max(self.largest, block.values.max().item())
        records = np.empty(len(block.values), self._record)
        records["row"], records["column"], records["value"] = block
        _scatter(records, self._buckets)

    def settle(self) -> None:
        """Divide every bucket that cannot be sorted within the budget, until each can, or is a single row."""
        settled: list[Bucket] = []
        waiting = self._buckets[::-1]
        while waiting:
            bucket = waiting.pop()
            entries = self._entries(bucket)
            rows = bucket.stop - bucket.first
            if rows == 1 or max(entries, rows) <= self._limit:
                settled.append(bucket)
            else:
                waiting += self._split(bucket, entries)[::-1]
        self._buckets = settled

    def _entries(self, bucket: Bucket) -> int:
        return bucket.path.stat().st_size // self._record.itemsize if bucket.path.exists() else 0

    def _split(self, bucket: Bucket, entries: int) -> list[Bucket]:
        parts = self._divide(bucket.first, bucket.stop, entries)
        if entries:
            with bucket.path.open("rb") as file:
                while len(records := np.fromfile(file, self._record, self._limit)):
                    _scatter(records, parts)
            bucket.path.unlink()
        return parts

    def rows(self) -> Iterator[tuple[int, sparse.csr_array]]:
        """Iterate over the whole matrix as (first row, rows): columns sorted, duplicates summed, none zero.

        The values are int64 or float64; see :func:`~dnmf.conversion.values.summing_dtype`.

        Raises
        ------
        InputError
            A sum of integers does not fit int64, or a cell has several entries where it may not.
        """
        for bucket in self._buckets:
            records = np.fromfile(bucket.path, self._record) if bucket.path.exists() else np.empty(0, self._record)
            yield bucket.first, self._sorted(records, bucket)

    def _sorted(self, records: NDArray[Any], bucket: Bucket) -> sparse.csr_array:
        shape = (bucket.stop - bucket.first, self._shape[1])
        index = np.int32 if max(*shape, len(records)) < 2**31 else np.int64
        rows = (records["row"] - records.dtype["row"].type(bucket.first)).astype(index)
        place = (rows, records["column"].astype(index))
        values = records["value"].astype(summing_dtype(records.dtype["value"]))
        sums = sparse.coo_array((values, place), shape=shape).tocsr()
        if self._twice is not None and sums.nnz < len(records):
            raise self._twice(*_first_twice(records))
        if values.dtype == np.int64 and self.largest * len(records) >= 2**63:
            self._check_sums(sparse.coo_array((values.astype(float), place), shape=shape).tocsr(), bucket)
        if not self._keeps_zeros:
            sums.eliminate_zeros()
        return sums

    @staticmethod
    def _check_sums(sums: sparse.csr_array, bucket: Bucket) -> None:
        if sums.nnz and sums.data.max() >= 2.0**63:
            raise InputError(
                f"entries of the same cell in rows {bucket.first}:{bucket.stop} add up to "
                f"{sums.data.max():.4g}, more than a 64-bit integer holds; scale the values down"
            )


def _first_twice(records: NDArray[Any]) -> tuple[int, int]:
    """The first row and column that several records are of."""
    at = records[["row", "column"]]
    at = at[np.lexsort((at["column"], at["row"]))]
    first = at[int(np.argmax(at[1:] == at[:-1]))]
    return int(first["row"]), int(first["column"])


def _scatter(records: NDArray[Any], buckets: list[Bucket]) -> None:
    """Append each record to the file of its bucket; the order within a row is kept."""
    first, width = buckets[0].first, buckets[0].stop - buckets[0].first
    at = (records["row"] - records.dtype["row"].type(first)) // records.dtype["row"].type(width)
    at = at.astype(np.uint8 if len(buckets) <= MOST_BUCKETS else np.int64)
    if at.min() != at.max():
        order = np.argsort(at, kind="stable")
        records, at = records[order], at[order]
    bounds = np.searchsorted(at, np.arange(len(buckets) + 1))
    for bucket, start, stop in zip(buckets, bounds[:-1], bounds[1:], strict=True):
        if start < stop:
            with bucket.path.open("ab") as file:
                records[start:stop].tofile(file)
