"""An array of more than two axes in a Zarr store or an HDF5 file, read as a matrix."""

from dataclasses import replace
from typing import Any

import numpy as np

from dnmf.sources.dense import DenseSource
from dnmf.sources.source import Layout, check_shape
from dnmf.sources.stored import StoredArray
from dnmf.sources.unfolded import Unfolding


class UnfoldedSource(DenseSource):
    """A stored array some of whose axes make the rows, read by slabs along the first of these, over all other axes.

    Parameters
    ----------
    array : StoredArray
        The array.
    unfolding : Unfolding
        Which axes make the rows.

    Raises
    ------
    InputError
        An axis has no entries.
    """

    unfolding: Unfolding

    def __init__(self, array: StoredArray, unfolding: Unfolding):
        self.array, self.unfolding = array, unfolding
        self.address, self.dtype = array.address, array.dtype
        self.shape = check_shape(array.address, unfolding.matrix_shape)
        self._names = unfolding.labels
        self.missing_chunks = array.missing_chunks

    @property
    def _along(self) -> int:
        """The axis that slabs are cut along."""
        return self.unfolding.rows[0]

    @property
    def _of_slab(self) -> int:
        """Rows of the matrix in a slab of one."""
        return self.shape[0] // self.unfolding.shape[self._along]

    @property
    def rows_of_object(self) -> int:
        """Those of the slab that stored objects lie in."""
        return self.array.object_shape[self._along] * self._of_slab

    @property
    def least_rows(self) -> int:
        """As many: objects are not read in parts."""
        return self.rows_of_object

    def layout(self) -> Layout:
        """Cuts at the borders of the stored objects along the first axis of the rows: each is decoded once a pass."""
        along = self.unfolding.name_of(self._along)
        smaller = f"others as row_axes, or chunks shorter along the {along} (dnmf convert IN OUT --row-axes AXES)"
        whole = replace(super().layout(), parts=None, smaller=smaller)
        if self.unfolding.in_order:
            return whole
        return replace(whole, in_place=False, object_bytes=whole.row_step * self._row_bytes)  # turned once it is there

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return rows `start:stop` as an array (rows, columns)."""
        unfolding, of_slab = self.unfolding, self._of_slab
        low, high = start // of_slab, -(-stop // of_slab)
        values = self.array.read(low, high) if unfolding.in_order else self.array.read_along(self._along, low, high)
        rows: np.ndarray = replace(unfolding, shape=values.shape).matrix(values)
        return rows[start - low * of_slab : stop - low * of_slab]

    def fingerprint(self) -> dict[str, Any]:
        """Of the stored array, and which of its axes make the rows: of a cube any may, and its shape is the same."""
        return {**super().fingerprint(), "row_axes": list(self.unfolding.rows)}
