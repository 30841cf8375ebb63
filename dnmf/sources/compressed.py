"""A sparse matrix in AnnData's layout: data, indices and indptr in a Zarr group or an HDF5 group."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.kernels.scan import indices_in_range
from dnmf.missing import NOT_OBSERVED
from dnmf.sources.annotations import names_of_frames
from dnmf.sources.conventions import Convention
from dnmf.sources.forward import Borders, ForwardReader
from dnmf.sources.kept import Keep
from dnmf.sources.rows import CsrRows
from dnmf.sources.source import Layout, Source, check_shape, even_cuts
from dnmf.sources.stored import StoredArray

OFFSETS_AT_ONCE = 2**22


class CompressedSource(Source):
    """A stored CSR matrix; a CSC matrix is served as its transpose, which is CSR.

    Parameters
    ----------
    path : str
        The Zarr store or HDF5 file.
    inner : str
        The group inside it that holds ``data``, ``indices`` and ``indptr``.
    shape : (int, int)
        Of the user's matrix.
    columns_first : bool
        True for CSC.
    frames : (str or None, str or None)
        The data frames of an AnnData that name the rows and columns of the user's matrix.
    missing_chunks : {"error", "zeros"}
        See :class:`~dnmf.sources.stored.StoredArray`.

    Raises
    ------
    InputError
        The three arrays and the shape do not fit each other, or one cannot be read.
    """

    sparse = True

    def __init__(self, path: str, inner: str, shape: tuple[int, ...], *, columns_first: bool,
                 frames: tuple[str | None, str | None] = (None, None), missing_chunks: str = "error"):  # fmt: skip
        self.address = f"{path}::{inner}" if inner else path
        self.shape = check_shape(self.address, shape)
        self.transposed, self.missing_chunks = columns_first, missing_chunks
        if columns_first:
            self.shape, frames = self.shape[::-1], frames[::-1]
        self._names = names_of_frames(path, frames, self.shape)
        prefix = f"{inner}/" if inner else ""
        self._data, self._indices, self._indptr = (
            StoredArray(path, prefix + name, missing_chunks) for name in ("data", "indices", "indptr")
        )
        self._span: tuple[int, int] | None = None
        self._readers: tuple[ForwardReader, ForwardReader] | None = None
        self._offsets: np.ndarray | None = None
        self._layout: Layout | None = None
        self._keep: Keep | None = None
        self.dtype = self._data.dtype
        self._check_parts()

    def _check_parts(self) -> None:
        self.index_dtype = self._indices.dtype
        _refuse_for_sparse(self._data.convention, self._data.address)
        for part in (self._data, self._indices, self._indptr):
            if len(part.shape) != 1:
                raise InputError(f"{part.address}: has shape {part.shape}, a compressed matrix has vectors")
            if part is not self._data and part.dtype.kind not in "iu":
                raise InputError(f"{part.address}: has dtype {part.dtype}, column numbers and offsets are integers")
        stored, expected = self._indptr.shape[0], self.shape[0] + 1
        if stored != expected:
            raise InputError(f"{self.address}: indptr has {stored} entries, the shape asks for {expected}")
        if self._data.shape != self._indices.shape:
            raise InputError(
                f"{self.address}: {self._data.shape[0]} values but {self._indices.shape[0]} column indices"
            )
        last = int(self._indptr.read(expected - 1, expected)[0])
        if last != self._data.shape[0]:
            raise InputError(f"{self.address}: indptr ends at {last}, but {self._data.shape[0]} values are stored")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_layout": None, "_readers": None}

    @property
    def _lines(self) -> tuple[str, str]:
        """What the engine's rows and columns are to the user, for messages."""
        return ("column", "row") if self.transposed else ("row", "column")

    @property
    def nonzeros(self) -> int:
        """Stored entries."""
        return self._data.shape[0]

    def layout(self) -> Layout:
        """Cuts at every row (every 2^j-th in a very long matrix), weighed by non-zeros; read once."""
        if self._layout is None:
            self._layout = self._read_layout()
        return self._layout

    def _read_layout(self) -> Layout:
        rows = self.shape[0]
        cuts, step = even_cuts(rows)
        kept, last = [], 0
        for at in range(0, rows + 1, OFFSETS_AT_ONCE):
            offsets = self._read_offsets(at, min(at + OFFSETS_AT_ONCE - 1, rows))
            if offsets[0] < last or (at == 0 and offsets[0] != 0):
                raise InputError(f"{self.address}: indptr begins or goes on wrongly at row {at}; the store is damaged")
            last = int(offsets[-1])
            kept.append(offsets[-at % step :: step])
        before = np.concatenate(kept)
        if len(before) < len(cuts):
            before = np.append(before, self.nonzeros)
        entry = self.dtype.itemsize + self._indices.dtype.itemsize
        largest = self._data.object_bytes + self._indices.object_bytes
        parts = (self._data, self._indices)
        return Layout(
            cuts, before * entry + cuts * 8, step, object_bytes=largest,
            in_place=all(part.in_place for part in parts),
            # The panel in work and the reader may each hold an object of both, while another is decoded.
            beside_bytes=2 * largest + max(part.decoding_bytes for part in parts),
            beside_as_stored=lambda: 2 * largest + max(part.stored_bytes() for part in parts),
        )  # fmt: skip

    def _read_offsets(self, start: int, stop: int) -> np.ndarray:
        """Entries `start` to `stop`, both included, of indptr."""
        offsets = self._indptr.read(start, stop + 1).astype(np.int64)
        falls = np.flatnonzero(np.diff(offsets) < 0)
        if len(falls):
            place = f"{self._lines[0]} {start + int(falls[0])}"
            raise InputError(f"{self.address}: indptr falls at {place}; the store is damaged")
        return offsets

    def for_rows(self, start: int, stop: int) -> "CompressedSource":
        """A copy that reads its offsets for `start:stop` once, when first asked for rows."""
        part = self.without_names()
        part._span, part._offsets, part._readers = (start, stop), None, None
        return part

    def keeping_borders(self, keep: Keep) -> "CompressedSource":
        """A copy whose parts leave the stored objects at their ends in memory for each other."""
        source = copy.copy(self)
        source._keep, source._readers = keep, None
        return source

    def _forward(self) -> tuple[ForwardReader, ForwardReader]:
        """Readers of values and indices; a part for some rows keeps its own from panel to panel."""
        if self._readers is None or self._span is None:
            self._readers = self._reader(self._data), self._reader(self._indices)
        return self._readers

    def _reader(self, part: StoredArray) -> ForwardReader:
        if self._keep is None or self._span is None:
            return ForwardReader(part)
        offsets = self._offsets_of(*self._span)
        return ForwardReader(part, Borders(self._keep, part.address, int(offsets[0]), int(offsets[-1])))

    def _offsets_of(self, start: int, stop: int) -> np.ndarray:
        if self._span is None:
            return self._read_offsets(start, stop)
        if self._offsets is None:
            self._offsets = self._read_offsets(*self._span)
        first = self._span[0]
        return self._offsets[start - first : stop - first + 1]

    def read(self, start: int, stop: int) -> CsrRows:
        """Return rows `start:stop`; every column index is inside the matrix."""
        offsets = self._offsets_of(start, stop)
        low, high = int(offsets[0]), int(offsets[-1])
        if not 0 <= low <= high <= self.nonzeros:
            raise InputError(f"{self.address}: indptr of rows {start}:{stop} leads outside the {self.nonzeros} values")
        data, indices = (reader.read(low, high) for reader in self._forward())
        if not indices_in_range(indices, self.shape[1]):
            line, other = self._lines
            raise InputError(
                f"{self.address}: {line}s {start}:{stop} hold a {other} index outside 0…{self.shape[1] - 1}; "
                "the store is damaged or its shape is wrong"
            )
        return CsrRows(data, indices, offsets - low)

    def touched_bytes(self, start: int, stop: int, rows: Any) -> int:  # noqa: ARG002
        """Bytes of the chunks (or shards) of values and indices that hold the rows, and of their offsets."""
        decoded = sum(reader.decoded(*span) * itemsize for reader, itemsize, span in self._spans_read(start, stop))
        return decoded + 8 * (stop - start)

    def bytes_from_memory(self, start: int, stop: int, rows: Any) -> int:  # noqa: ARG002
        """Bytes of those of them that a neighbour had left in memory."""
        return sum(reader.found(*span) * itemsize for reader, itemsize, span in self._spans_read(start, stop))

    def _spans_read(self, start: int, stop: int) -> Iterator[tuple[ForwardReader, int, tuple[int, int, bool]]]:
        """The readers of values and indices with the bytes of an entry, and which entries were read for some rows."""
        offsets = self._offsets_of(start, stop)
        low, high = int(offsets[0]), int(offsets[-1])
        follows = self._span is not None and start > self._span[0]
        for array, reader in zip((self._data, self._indices), self._forward(), strict=True):
            yield reader, array.dtype.itemsize, (low, high, follows)

    def fingerprint(self) -> dict[str, Any]:
        """Of the three stored arrays."""
        parts = {name: getattr(self, f"_{name}").fingerprint() for name in ("data", "indices", "indptr")}
        return {"kind": "csc" if self.transposed else "csr", "shape": list(self.shape), **parts}

    def stored_arrays(self) -> tuple[StoredArray, ...]:
        """Values, indices and offsets."""
        return self._data, self._indices, self._indptr


def _refuse_for_sparse(convention: Convention | None, address: str) -> None:
    """Refuse what an attribute would make of the entries that a sparse matrix does not store.

    Raises
    ------
    InputError
        Zero is not zero, is not valid, or stands for a missing entry.
    """
    if convention is None:
        return
    if convention.offset:
        raise InputError(
            f"{address}: add_offset is {convention.offset}, so that no entry that is not stored is zero; that is not a "
            "sparse matrix, store it as a dense one"
        )
    for low, high in (convention.stored_limits, convention.limits):
        if (low is not None and low > 0) or (high is not None and high < 0):
            raise InputError(f"{address}: zero is not valid (from {low} to {high}), in a sparse matrix; {NOT_OBSERVED}")
    for name, value in convention.missing:
        if value == 0:
            raise InputError(f"{address}: zero stands for a missing entry ({name}), in a sparse matrix; {NOT_OBSERVED}")
