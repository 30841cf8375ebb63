"""A dense matrix in a Zarr store or an HDF5 file."""

from typing import Any

import numpy as np

from dnmf.sources.annotations import names_of_frames
from dnmf.sources.source import Layout, Source, check_shape, even_cuts
from dnmf.sources.stored import StoredArray


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

    def layout(self) -> Layout:
        """Cuts at the borders of the stored objects, so that each is decoded once a pass."""
        cuts, step = even_cuts(self.shape[0], self.array.object_shape[0])
        on_its_way = 0 if self.array.goes_whole else self.array.decoding_bytes  # a chunk, to where it belongs
        return Layout(
            cuts, cuts * self.shape[1] * self.dtype.itemsize, step, object_bytes=self.array.object_bytes,
            in_place=self.array.in_place, beside_bytes=on_its_way + self.array.decoding_bytes,
            beside_as_stored=lambda: on_its_way + self.array.stored_bytes(),
        )  # fmt: skip

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return rows `start:stop` as an array (rows, columns)."""
        return self.array.read(start, stop)

    def touched_bytes(self, start: int, stop: int, rows: Any) -> int:  # noqa: ARG002
        """Bytes of the chunks (or shards) that hold the rows."""
        step = self.array.object_shape[0]
        low, high = start // step * step, min(-(-stop // step) * step, self.shape[0])
        return (high - low) * self.shape[1] * self.dtype.itemsize

    def fingerprint(self) -> dict[str, Any]:
        """Of the stored array."""
        return {"kind": "dense", **self.array.fingerprint()}

    def stored_arrays(self) -> tuple[StoredArray, ...]:
        """The one it is."""
        return (self.array,)
