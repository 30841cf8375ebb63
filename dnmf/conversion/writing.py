"""A stream of a matrix written as ``X`` of an AnnData group."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from dnmf.arguments import whole, yes_or_no
from dnmf.conversion.anndata_layout import CsrWriter, create_root, dense_chunk_rows, write_dense
from dnmf.conversion.buckets import RowBuckets
from dnmf.conversion.dense_files import spooled
from dnmf.conversion.streams import CompressedStream, DenseStream, MatrixStream, TripletStream
from dnmf.conversion.values import NARROWING, cast_values, check_values, narrowest_dtype, summing_dtype
from dnmf.errors import InputError

SMALLEST_MEMORY = 2**20
MOST_BYTES = 2**62
NEWEST_FORMAT = 3
ALWAYS_WRITTEN = 2**26  # rows: written in half a minute, whatever is in them
ROWS_PER_ENTRY = 1024
BYTES_PER_STREAMED_ENTRY = 128  # of memory, from text or stored arrays to spooled records, copies in between


@dataclass(frozen=True)
class Settings:
    """How to convert; see :func:`~dnmf.conversion.convert`. `dtype` is None where the source decides."""

    dtype: np.dtype | None
    transpose: bool
    chunk_bytes: int
    memory_bytes: int
    zarr_format: int
    progress: Callable[[int, int], None] | None

    def __post_init__(self) -> None:
        least = {"zarr_format": 2, "chunk_bytes": 1, "memory_bytes": SMALLEST_MEMORY}
        for name, value in least.items():
            most = NEWEST_FORMAT if name == "zarr_format" else MOST_BYTES
            object.__setattr__(self, name, whole(name, getattr(self, name), value, most))
        yes_or_no("transpose", self.transpose)
        if self.progress is not None and not callable(self.progress):
            raise InputError(
                f"progress: a {type(self.progress).__name__} cannot be called; give a function (done, total)"
            )

    @property
    def entries_at_once(self) -> int:
        """Entries that may be on their way through memory."""
        return self.memory_bytes // BYTES_PER_STREAMED_ENTRY


class _Progress:
    """Counts entries towards a total and tells whoever listens."""

    def __init__(self, listener: Callable[[int, int], None] | None, total: int):
        self._listener, self._total, self._done = listener, total, 0

    def advance(self, entries: int) -> None:
        """Count some more."""
        self._done = min(self._done + entries, self._total)
        if self._listener is not None:
            self._listener(self._done, self._total)

    def finish(self) -> None:
        """Count what summed duplicates, dropped zeros and features left uncounted."""
        if self._done < self._total:
            self.advance(self._total)


def write_matrix(
    stream: MatrixStream, target: Path, spool: Path, settings: Settings
) -> tuple[str, int | None, np.dtype]:
    """Write the matrix at `target` and return its kind, its number of entries if sparse, and its dtype.

    Raises
    ------
    InputError
        Something in the source cannot be read or used; the message says what and where.
    """
    if isinstance(stream, DenseStream):
        return "dense", None, _write_dense_matrix(stream, target, spool, settings)
    assert isinstance(stream, (TripletStream, CompressedStream))
    if settings.transpose:
        stream = stream.transposed()
    if isinstance(stream, CompressedStream) and stream.by_rows:
        return "csr", *_write_lines(stream, target, settings)
    _refuse_nothing_but_empty_rows(stream)
    return "csr", *_write_triplets(stream, target, spool, settings)


def _refuse_nothing_but_empty_rows(stream: TripletStream | CompressedStream) -> None:
    """Refuse a shape that no entries fill, at once: a damaged one would be written for hours, row by empty row.

    Raises
    ------
    InputError
        Nearly all of very many rows are empty.
    """
    rows = stream.shape[0]
    if rows > max(ALWAYS_WRITTEN, stream.stored * ROWS_PER_ENTRY):
        raise InputError(
            f"{stream.address}: {rows:,} rows in the result for {stream.stored:,} stored values; its shape is damaged, "
            "or nearly all rows are empty: leave those out"
        )


def _write_dense_matrix(stream: DenseStream, target: Path, spool: Path, settings: Settings) -> np.dtype:
    if settings.transpose:
        rows_at_once = max(settings.memory_bytes // (8 * stream.shape[1] * stream.dtype.itemsize), 1)
        stream = (stream if stream.read_columns else spooled(stream, spool, rows_at_once)).transposed()
    dtype = settings.dtype or stream.target_dtype or stream.dtype
    root = create_root(target, stream, settings.zarr_format)
    chunk_rows = dense_chunk_rows(stream.shape, dtype, settings.chunk_bytes)
    progress = _Progress(settings.progress, stream.shape[0] * stream.shape[1])
    blocks = _dense_blocks(stream, dtype, chunk_rows, settings.memory_bytes)
    for entries in write_dense(root, stream, dtype, chunk_rows, blocks):
        progress.advance(entries)
    return dtype


def _dense_blocks(stream: DenseStream, dtype: np.dtype, chunk_rows: int, memory_bytes: int) -> Iterator[NDArray[Any]]:
    row_bytes = stream.shape[1] * (dtype.itemsize + stream.dtype.itemsize)
    step = max(memory_bytes // (4 * row_bytes * chunk_rows), 1) * chunk_rows
    for start in range(0, stream.shape[0], step):
        block = stream.read_rows(start, min(start + step, stream.shape[0]))

        def place(at: int, start: int = start) -> str:
            return stream.place(start + at // stream.shape[1], at % stream.shape[1])

        check_values(block, place)
        yield cast_values(block, dtype, place)


def _write_lines(stream: CompressedStream, target: Path, settings: Settings) -> tuple[int, np.dtype]:
    """Copy rows that come in order."""
    dtype = settings.dtype or stream.target_dtype or stream.dtype
    root = create_root(target, stream, settings.zarr_format)
    writer = CsrWriter(root, stream, stream.stored, dtype, settings.chunk_bytes)
    progress = _Progress(settings.progress, stream.stored)
    for lines in stream.lines(settings.entries_at_once):
        shape = (len(lines.indptr) - 1, stream.shape[1])
        index = np.int32 if max(stream.shape[1], len(lines.values)) < 2**31 else np.int64
        rows = sparse.csr_array((lines.values, lines.indices.astype(index), lines.indptr.astype(index)), shape=shape)
        if not rows.has_canonical_format:
            rows = rows.astype(summing_dtype(lines.values.dtype))
            rows.sum_duplicates()
        _append(writer, rows, dtype, stream.address, lines.first)
        progress.advance(len(lines.values))
    progress.finish()
    return writer.finish(), dtype


def _write_triplets(
    stream: TripletStream | CompressedStream, target: Path, spool: Path, settings: Settings
) -> tuple[int, np.dtype]:
    """Sort entries in no order through files of rows, then write these."""
    rules: dict[str, Any] = (
        {"twice": stream.twice, "keeps_zeros": stream.keeps_zeros} if isinstance(stream, TripletStream) else {}
    )
    buckets = RowBuckets(spool, stream.shape, stream.stored, stream.dtype, settings.memory_bytes, **rules)
    progress = _Progress(settings.progress, 2 * stream.stored)
    for block in stream.blocks(settings.entries_at_once):
        buckets.add(block)
        progress.advance(len(block.values))
    buckets.settle()
    root = create_root(target, stream, settings.zarr_format)
    dtypes = _dtypes_to_try(settings.dtype or stream.target_dtype, buckets.largest)
    for dtype in dtypes:
        writer = CsrWriter(root, stream, stream.stored, dtype, settings.chunk_bytes)
        limit = np.iinfo(dtype).max if dtype != dtypes[-1] else np.inf
        if _copy_rows(buckets, writer, dtype, limit, stream, progress):
            break
    progress.finish()
    return writer.finish(), dtype


def _dtypes_to_try(chosen: np.dtype | None, largest: float) -> list[np.dtype]:
    """Return the chosen dtype, or those that hold every entry: sums of entries may need a wider one."""
    if chosen is not None:
        return [chosen]
    narrowest = narrowest_dtype(int(largest))
    return [np.dtype(name) for name in NARROWING[NARROWING.index(narrowest.name) :]]


def _copy_rows(  # noqa: PLR0917  what a copy goes from, to and through
    buckets: RowBuckets, writer: CsrWriter, dtype: np.dtype, limit: float, stream: TripletStream | CompressedStream,
    progress: _Progress,
) -> bool:  # fmt: skip
    """Write all rows; returns False, having written some, where a sum is above the limit: a wider dtype comes next."""
    zeros = isinstance(stream, TripletStream) and stream.keeps_zeros
    for first, rows in buckets.rows():
        if rows.nnz and rows.data.max() > limit:
            return False
        _append(writer, rows, dtype, stream.address, first, zeros=zeros)
        progress.advance(rows.nnz)
    return True


def _append(
    writer: CsrWriter, rows: sparse.csr_array, dtype: np.dtype, address: str, first: int, *, zeros: bool = False
) -> None:
    """Write sorted rows without duplicates, as `dtype`, without zeros where these are not wanted."""

    def place(at: int) -> str:
        row = first + int(np.searchsorted(rows.indptr, at, side="right")) - 1
        return f"{address}: row {row}, column {rows.indices[at]} of the result"

    rows.data = cast_values(rows.data, dtype, place)
    if not (zeros or rows.data.all()):
        rows = rows.copy()  # the arrays may be someone else's
        rows.eliminate_zeros()
    writer.append(rows.indptr, rows.indices, rows.data)
