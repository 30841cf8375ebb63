"""An array of more than two axes in a Zarr store or an HDF5 file, read as a matrix."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np

from dnmf.sources.source import Layout, Source, even_cuts
from dnmf.sources.stored import StoredArray
from dnmf.sources.unfolded import Unfolding


class UnfoldedSource(Source):
    """A stored array some of whose axes make the rows, read by slabs along the first of these, over all other axes.

    Parameters
    ----------
    array : StoredArray
        The array.
    unfolding : Unfolding
        Which axes make the rows.
    """

    sparse = False

    def __init__(self, array: StoredArray, unfolding: Unfolding):
        self.array, self.unfolding = array, unfolding
        self.address, self.dtype = array.address, array.dtype
        self.shape = unfolding.matrix_shape
        self._names = unfolding.labels
        self.missing_chunks = array.missing_chunks

    @property
    def _along(self) -> int:
        """The axis that slabs are cut along."""
        return self._unfolded.rows[0]

    @property
    def _unfolded(self) -> Unfolding:
        assert self.unfolding is not None
        return self.unfolding

    @property
    def _of_slab(self) -> int:
        """Rows of the matrix in a slab of one."""
        return self.shape[0] // self._unfolded.shape[self._along]

    @property
    def _row_bytes(self) -> int:
        return self.shape[1] * self.dtype.itemsize

    def layout(self) -> Layout:
        """Cuts at the borders of the stored objects along the first axis of the rows: each is decoded once a pass."""
        array, in_order = self.array, self._unfolded.in_order
        cuts, step = even_cuts(self.shape[0], array.object_shape[self._along] * self._of_slab)
        on_its_way = 0 if array.goes_whole else array.decoding_bytes
        whole = Layout(
            cuts, cuts * self._row_bytes, step, object_bytes=array.object_bytes, in_place=in_order and array.in_place,
            beside_bytes=on_its_way + array.decoding_bytes,
            smaller=f"chunks that are shorter along the {self._unfolded.name_of(self._along)}, or others as row_axes",
        )  # fmt: skip
        return whole if in_order else replace(whole, object_bytes=step * self._row_bytes)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return rows `start:stop` as an array (rows, columns)."""
        unfolding, of_slab = self._unfolded, self._of_slab
        low, high = start // of_slab, -(-stop // of_slab)
        values = self.array.read(low, high) if unfolding.in_order else self.array.read_along(self._along, low, high)
        rows: np.ndarray = replace(unfolding, shape=values.shape).matrix(values)
        return rows[start - low * of_slab : stop - low * of_slab]

    def with_nan(self) -> "UnfoldedSource":
        """The same with what attributes of the array say to be missing or not valid read as NaN."""
        found = copy.copy(self)
        found.array = self.array.with_nan()
        found.dtype = found.array.dtype
        return found

    def touched_bytes(self, start: int, stop: int, rows: Any) -> int:  # noqa: ARG002
        """Bytes of the chunks that hold the rows."""
        step = self.array.object_shape[self._along] * self._of_slab
        low, high = start // step * step, min(-(-stop // step) * step, self.shape[0])
        return (high - low) * self._row_bytes

    def fingerprint(self) -> dict[str, Any]:
        """Of the stored array."""
        return {"kind": "dense", **self.array.fingerprint()}

    def stored_arrays(self) -> tuple[StoredArray, ...]:
        """The one it is."""
        return (self.array,)
