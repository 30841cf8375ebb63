"""A sparse matrix in AnnData's layout: data, indices and indptr in a Zarr group or an HDF5 group."""

import copy
from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.kernels.scan import indices_in_range
from dnmf.sources.source import CsrRows, Layout, Source, check_shape
from dnmf.sources.stored import StoredArray, annotation_names

MOST_CUTS = 2**22  # candidate cuts kept in memory: 64 MB of int64 pairs at the most
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
    named : bool
        Whether ``obs`` and ``var`` beside it name rows and columns.
    missing_chunks : {"error", "zeros"}
        See :class:`~dnmf.sources.stored.StoredArray`.
    """

    sparse = True

    def __init__(self, path: str, inner: str, shape: tuple[int, int], columns_first: bool, named: bool,
                 missing_chunks: str = "error"):  # fmt: skip
        self.address = f"{path}::{inner}" if inner else path
        rows, columns = check_shape(self.address, shape)
        self.transposed = columns_first
        self.shape = (columns, rows) if columns_first else (rows, columns)
        prefix = f"{inner}/" if inner else ""
        self._data, self._indices, self._indptr = (
            StoredArray(path, prefix + name, missing_chunks) for name in ("data", "indices", "indptr")
        )
        self._path, self._named = path, named
        self._span: tuple[int, int] | None = None
        self._offsets: np.ndarray | None = None
        self.dtype = self._data.dtype
        self._check_lengths()

    def _check_lengths(self) -> None:
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

    @property
    def nonzeros(self) -> int:
        """Stored entries."""
        return self._data.shape[0]

    def layout(self) -> Layout:
        """Cuts at every row (every 2^j-th in a very long matrix), weighed by non-zeros."""
        rows = self.shape[0]
        step = 1
        while rows // step > MOST_CUTS:
            step *= 2
        cuts = np.append(np.arange(0, rows, step, dtype=np.int64), rows)
        offsets = np.concatenate([
            self._indptr.read(at, min(at + OFFSETS_AT_ONCE, rows + 1))[::step].astype(np.int64)
            for at in range(0, rows + 1, OFFSETS_AT_ONCE)
        ])  # fmt: skip
        if len(offsets) < len(cuts):
            offsets = np.append(offsets, self.nonzeros)
        if np.any(np.diff(offsets) < 0):
            raise InputError(f"{self.address}: indptr falls somewhere; the store is damaged")
        entry = self.dtype.itemsize + self._indices.dtype.itemsize
        return Layout(
            cuts, offsets * entry + cuts * 8, step, object_bytes=self._data.object_bytes + self._indices.object_bytes
        )

    def for_rows(self, start: int, stop: int) -> "CompressedSource":
        """A copy that reads its offsets for `start:stop` once, when first asked for rows."""
        part = copy.copy(self)
        part._span, part._offsets = (start, stop), None
        return part

    def _offsets_of(self, start: int, stop: int) -> np.ndarray:
        if self._span is None:
            return self._indptr.read(start, stop + 1).astype(np.int64)
        if self._offsets is None:
            self._offsets = self._indptr.read(self._span[0], self._span[1] + 1).astype(np.int64)
        first = self._span[0]
        return self._offsets[start - first : stop - first + 1]

    def read(self, start: int, stop: int) -> CsrRows:
        """Return rows `start:stop`; every column index is inside the matrix."""
        offsets = self._offsets_of(start, stop)
        low, high = int(offsets[0]), int(offsets[-1])
        if not 0 <= low <= high <= self.nonzeros:
            raise InputError(f"{self.address}: indptr is damaged at rows {start}:{stop}")
        data, indices = self._data.read(low, high), self._indices.read(low, high)
        if not indices_in_range(indices, self.shape[1]):
            raise InputError(
                f"{self.address}: rows {start}:{stop} hold a column index outside 0…{self.shape[1] - 1}; "
                "the store is damaged or its shape is wrong"
            )
        return CsrRows(data, indices, offsets - low)

    def fingerprint(self) -> dict[str, Any]:
        """Of the three stored arrays."""
        parts = {name: getattr(self, f"_{name}").fingerprint() for name in ("data", "indices", "indptr")}
        return {"kind": "csc" if self.transposed else "csr", "shape": list(self.shape), **parts}

    def row_names(self) -> np.ndarray | None:
        """``obs`` names of an AnnData (``var`` names when transposed)."""
        return annotation_names(self._path, "var" if self.transposed else "obs") if self._named else None

    def column_names(self) -> np.ndarray | None:
        """``var`` names of an AnnData (``obs`` names when transposed)."""
        return annotation_names(self._path, "obs" if self.transposed else "var") if self._named else None
