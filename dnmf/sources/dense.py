"""A dense matrix in a Zarr store or an HDF5 file."""

from typing import Any

import numpy as np

from dnmf.sources.source import Layout, Source, check_shape
from dnmf.sources.stored import StoredArray, annotation_names


class DenseSource(Source):
    """A two-dimensional stored array, read by slabs of whole chunks (or shards) over all columns.

    Parameters
    ----------
    array : StoredArray
        The matrix.
    named : bool
        Whether the store around it is an AnnData whose ``obs`` and ``var`` name rows and columns.
    """

    sparse = False

    def __init__(self, array: StoredArray, named: bool = False):
        self.array, self._named = array, named
        self.address = array.address
        self.shape = check_shape(self.address, array.shape)
        self.dtype = array.dtype

    def layout(self) -> Layout:
        """Cuts at the borders of the stored objects, so that each is decoded once a pass."""
        rows, columns = self.shape
        step = min(self.array.object_shape[0], rows)
        cuts = np.append(np.arange(0, rows, step, dtype=np.int64), rows)
        return Layout(cuts, cuts * columns * self.dtype.itemsize, step, object_bytes=self.array.object_bytes)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return rows `start:stop` as an array (rows, columns)."""
        return self.array.read(start, stop)

    def touched_bytes(self, start: int, stop: int, rows: Any) -> int:  # noqa: ARG002
        """Bytes of the chunks (or shards) that hold the rows."""
        step = min(self.array.object_shape[0], self.shape[0])
        low, high = start // step * step, min(-(-stop // step) * step, self.shape[0])
        return (high - low) * self.shape[1] * self.dtype.itemsize

    def fingerprint(self) -> dict[str, Any]:
        """Of the stored array."""
        return {"kind": "dense", **self.array.fingerprint()}

    def row_names(self) -> np.ndarray | None:
        """``obs`` names of an AnnData."""
        return annotation_names(self.array.path, "obs") if self._named else None

    def column_names(self) -> np.ndarray | None:
        """``var`` names of an AnnData."""
        return annotation_names(self.array.path, "var") if self._named else None
