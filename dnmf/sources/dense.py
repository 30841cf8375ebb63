"""A dense matrix in a Zarr store or an HDF5 file."""

import copy
from dataclasses import replace
from typing import Any, Self

import numpy as np

from dnmf.sources.annotations import names_of_frames
from dnmf.sources.source import Layout, Source, check_shape, even_cuts
from dnmf.sources.stored import StoredArray

PART_BYTES = 4 * 2**20
ROWS_IN_PART = 64  # a multiple of these where rows are short, as kernels like them


class DenseSource(Source):
    """A two-dimensional stored array, read by slabs of whole chunks (or shards) over all columns.

    Parameters
    ----------
    array : StoredArray
        The matrix.
    frames : (str or None, str or None)
        The data frames of an AnnData that name its rows and columns.
    """

    sparse = False

    def __init__(self, array: StoredArray, frames: tuple[str | None, str | None] = (None, None)):
        self.array = array
        self.address = array.address
        self.shape = check_shape(self.address, array.shape)
        self.dtype = array.dtype
        self._names = names_of_frames(array.path, frames, self.shape)
        self.missing_chunks = array.missing_chunks

    @property
    def rows_of_object(self) -> int:
        """Rows that stored objects hold."""
        return self.array.object_shape[0]

    @property
    def least_rows(self) -> int:
        """How few rows can be read without decoding others."""
        return self.array.least_rows

    def layout(self) -> Layout:
        """Cuts at the borders of the stored objects, so that each is decoded once a pass."""
        cuts, step = even_cuts(self.shape[0], self.rows_of_object)
        on_its_way = 0 if self.array.goes_whole else self.array.decoding_bytes  # a chunk, to where it belongs
        whole = Layout(
            cuts, cuts * self._row_bytes, step, object_bytes=self.array.object_bytes,
            in_place=self.array.in_place, beside_bytes=on_its_way + self.array.decoding_bytes,
            beside_as_stored=lambda: on_its_way + self.array.stored_bytes(),
        )  # fmt: skip
        return replace(whole, parts=self._in_parts(whole))

    def _in_parts(self, whole: Layout) -> Layout | None:
        """The same with cuts inside stored objects, about as far apart as what a pass works on at a time."""
        least, rows = self.least_rows, PART_BYTES // self._row_bytes
        rows -= rows % ROWS_IN_PART if rows > ROWS_IN_PART else 0
        rows = max(least, rows // least * least)
        if rows >= whole.row_step:
            return None
        cuts = np.add.outer(whole.cuts[:-1], np.arange(0, whole.row_step, rows)).ravel()
        cuts = np.append(cuts[cuts < self.shape[0]], self.shape[0])
        return replace(whole, cuts=cuts, bytes_before=cuts * self._row_bytes, object_bytes=rows * self._row_bytes)

    @property
    def _row_bytes(self) -> int:
        return self.shape[1] * self.dtype.itemsize

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return rows `start:stop` as an array (rows, columns)."""
        return self.array.read(start, stop)

    def with_nan(self) -> Self:
        """The same with what attributes of the array say to be missing or not valid read as NaN."""
        found = copy.copy(self)
        found.array = self.array.with_nan()
        found.dtype = found.array.dtype
        return found

    def touched_bytes(self, start: int, stop: int, rows: Any) -> int:  # noqa: ARG002
        """Bytes of the chunks that hold the rows; of the rows themselves where chunks can be read in parts."""
        step = self.least_rows
        low, high = start // step * step, min(-(-stop // step) * step, self.shape[0])
        return (high - low) * self._row_bytes

    def fingerprint(self) -> dict[str, Any]:
        """Of the stored array."""
        return {"kind": "dense", **self.array.fingerprint()}

    def stored_arrays(self) -> tuple[StoredArray, ...]:
        """The one it is."""
        return (self.array,)
