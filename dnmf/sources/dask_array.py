"""A dask array, whatever its chunks are made of; and the factor W as a dask array."""

import copy
from collections.abc import Sequence
from typing import Any

import dask
import dask.array
import numpy as np
import scipy.sparse
from dask.sizeof import sizeof

from dnmf.errors import DnmfError, InputError
from dnmf.plain import plain
from dnmf.refusals import told
from dnmf.sources.behind_dask import Behind, BehindDask, arrays_behind, content_of
from dnmf.sources.looks import Looks, looks_for
from dnmf.sources.memory import is_sparse, slice_rows, stack_rows, to_rows
from dnmf.sources.rows import Panel, Rows
from dnmf.sources.source import Layout, Source, check_dtype, check_shape
from dnmf.sources.stored_factor import StoredFactor

SPARSE_SHARE = 0.1  # assumed share of non-zeros of sparse blocks, which cannot be known before they are computed


def _sizeof_scipy(values: Any) -> int:
    parts = (getattr(values, name, None) for name in ("data", "indices", "indptr", "row", "col"))
    return 200 + sum(part.nbytes for part in parts if isinstance(part, np.ndarray))


sizeof.register(scipy.sparse.sparray, _sizeof_scipy)
sizeof.register(scipy.sparse.spmatrix, _sizeof_scipy)


@sizeof.register_lazy("sparse")
def _register_sizeof_pydata() -> None:
    import sparse

    sizeof.register(sparse.SparseArray, lambda values: 200 + int(values.nbytes))


def _assemble(bands: list[list[Any]], sparse: bool, address: str) -> Rows:
    """Join computed blocks (bands of rows, each cut by columns) into rows."""
    joined = []
    for band in bands:
        if len(band) == 1:
            joined.append(to_rows(band[0], sparse, address))
        elif sparse:
            parts = [scipy.sparse.csr_array(tuple(to_rows(b, True, address)), shape=b.shape) for b in band]
            joined.append(to_rows(scipy.sparse.hstack(parts, format="csr"), sparse, address))
        else:
            joined.append(np.concatenate([np.asarray(to_rows(b, sparse, address)) for b in band], axis=1))
    return stack_rows(joined)


def _check_blocks(bands: list[list[Any]], chunks: tuple[list[int], list[int]], address: str) -> None:
    heights, widths = chunks
    for height, band in zip(heights, bands, strict=True):
        for width, block in zip(widths, band, strict=True):
            check_block(block, (height, width), address)


def check_block(block: Any, shape: tuple[int, ...], address: str) -> None:
    """Refuse a block that is not as large as the array says: its rows would be taken for others.

    Raises
    ------
    InputError
        It is not, or it is no array.
    """
    found = getattr(block, "shape", None)
    if found is None:
        raise InputError(f"{address}: a block is a {type(block).__name__}, no array; see to what map_blocks returns")
    if found != shape:
        raise InputError(
            f"{address}: a block has shape {found}, the array's chunks say {shape}; give map_blocks the right chunks"
        )


class DaskSource(Source):
    """The blocks of a two-dimensional dask array: numpy, scipy CSR/CSC/COO, or ``sparse`` COO/GCXS.

    A panel is one step of rows as tall as the tallest chunk, so an evenly chunked array is served block by
    block. On a cluster the blocks are dependencies of the panel's task, in process they are computed in the
    thread that needs them; either way nothing of them is kept between passes unless the caller persisted them.

    Attributes
    ----------
    behind : tuple of BehindDask or NumpyFile
        The stored arrays and files that the blocks are made of, as far as they are known; see
        :mod:`dnmf.sources.behind_dask`.
    """

    blocks_are_tasks = True

    def __init__(self, array: Any, row_names: np.ndarray | None = None, column_names: np.ndarray | None = None):
        self.address = f"dask array {array.name}"
        if any(np.isnan(n) for axis in array.chunks for n in axis):
            raise InputError(f"{self.address}: chunk sizes are unknown; call compute_chunk_sizes() on it first")
        self.shape = check_shape(self.address, array.shape)
        self.dtype = check_dtype(self.address, array.dtype)
        self.sparse = is_sparse(array._meta)
        self.array = array
        self._starts = np.concatenate([[0], np.cumsum(array.chunks[0])]).astype(np.int64)
        self._names = (row_names, column_names)
        self._delayed: Any = None
        self.behind: tuple[Behind, ...] = ()
        self.as_nan = False

    def layout(self) -> Layout:
        """Cuts at multiples of the tallest chunk; bytes are an estimate when the blocks are sparse."""
        rows, step = self.shape[0], int(max(self.array.chunks[0]))
        cuts = np.append(np.arange(0, rows, step, dtype=np.int64), rows)
        return Layout(
            cuts, cuts * self.row_bytes, step, panel_is_whole=True, comes_with_task=True,
            object_bytes=step * self.row_bytes,
        )  # fmt: skip

    @property
    def row_bytes(self) -> int:
        """Bytes of a row; an estimate when the blocks are sparse."""
        share = 2 * SPARSE_SHARE if self.sparse else 1.0  # a sparse entry carries its index too
        return max(1, int(self.shape[1] * self.dtype.itemsize * share))

    def touched_bytes(self, start: int, stop: int, rows: Panel) -> int:  # noqa: ARG002
        """Bytes of the rows as the layout counts them."""
        return (stop - start) * self.row_bytes

    def first_row(self, band: int) -> int:
        """The first row of a band of blocks."""
        return int(self._starts[band])

    def _bands(self, start: int, stop: int) -> range:
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        last = int(np.searchsorted(self._starts, stop, side="left"))
        return range(first, last)

    def for_rows(self, start: int, stop: int) -> "DaskRows":
        """The blocks that hold rows `start:stop`, as one task needs them."""
        if self._delayed is None:
            self._delayed = self.array.to_delayed()
        bands = self._bands(start, stop)
        return DaskRows(self, [list(self._delayed[i]) for i in bands], bands)

    def turned(self) -> "DaskSource":
        """The columns of the array as rows."""
        found = DaskSource(self.array.T)
        found.behind, found.as_nan, found._names = self.behind, self.as_nan, self._names[::-1]
        return found

    def picking_rows(self, rows: np.ndarray) -> "DaskSource":
        """Some rows of the array, which rise, without names.

        Raises
        ------
        InputError
            They do not rise.
        """
        if not (np.diff(rows) > 0).all():
            raise InputError(f"{self.address}: rows of a dask array are taken in the order they lie in; sort them")
        found = DaskSource(self.array[rows])
        found.behind, found.as_nan, found.dtype, found.address = self.behind, self.as_nan, self.dtype, self.address
        return found

    def with_nan(self) -> "DaskSource":
        """The same with the masked entries of its blocks as NaN."""
        found = copy.copy(self)
        found.as_nan = True
        if isinstance(self.array._meta, np.ma.MaskedArray):
            found.dtype = np.result_type(self.dtype, np.float32)
        return found

    def read(self, start: int, stop: int) -> Rows:
        """Compute the blocks of rows `start:stop` in this thread."""
        return self.for_rows(start, stop).read(start, stop)

    def fingerprint(self) -> dict[str, Any]:
        """Shape, dtype, chunks, the array's name, which dask derives from how it is made, and what lies behind it."""
        record = {
            "kind": "dask",
            "shape": list(self.shape),
            "dtype": str(self.dtype),
            "chunks": [list(map(int, axis)) for axis in self.array.chunks],
            "name": self.array.name,
        }
        return {**record, "behind": content_of(self.behind)} if self.behind else record

    def stored_arrays(self) -> tuple[Any, ...]:
        """Those behind the blocks."""
        return self.behind

    def places(self) -> list[str]:
        """Those of the arrays behind the blocks, and of the factors on disk that :func:`as_dask_array` was given."""
        layers = self.array.dask.layers
        given = (values for name in layers if name.startswith("original-") for values in layers[name].values())
        return super().places() + [str(values.path) for values in given if isinstance(values, StoredFactor)]


def looked_after(array: Any, behind: Sequence[Behind]) -> Any:
    """Return a dask array whose blocks are an error where they are computed from what is not there any more.

    Parameters
    ----------
    array : dask array
        Of two dimensions.
    behind : sequence of BehindDask or NumpyFile
        What lies behind it.

    Raises
    ------
    InputError
        Something is not there.
    """

    stored = _stored_arrays(behind)

    def of_rows(start: int, stop: int) -> Sequence[BehindDask]:
        return _stored_arrays(arrays_behind(array.blocks[start:stop], stored[0].of, stored[0].missing_chunks))

    looks = looks_for(stored, array.numblocks[0], of_rows) if stored else None
    if not looks:
        return array
    at_hand = dask.delayed(looks, name=f"looks-{array.name}", traverse=False)
    return array.map_blocks(_then_look, looks=at_hand, dtype=array.dtype, meta=array._meta)


def _stored_arrays(behind: Sequence[Behind]) -> list[BehindDask]:
    """Those of which something missing would read as zeros."""
    return [each for each in behind if isinstance(each, BehindDask)]


def _then_look(block: Any, *, looks: Looks, block_id: tuple[int, int]) -> Any:
    looks.after(block_id[0])
    return block


class DaskRows(Source):
    """The blocks of some rows: computed here when read in process, or handed over computed by the scheduler."""

    blocks_are_tasks = True

    def __init__(self, source: DaskSource, blocks: list[list[Any]], bands: range):
        self.address, self.shape, self.dtype, self.sparse = source.address, source.shape, source.dtype, source.sparse
        self._blocks, self._first, self._computed = blocks, source.first_row(bands[0]), False
        heights, widths = source.array.chunks
        self._chunks = [int(heights[i]) for i in bands], [int(width) for width in widths]
        self._row_bytes, self._as_nan, self.unfolding = source.row_bytes, source.as_nan, source.unfolding

    def layout(self) -> Layout:
        """Not asked of a part.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError("a part of a dask array has no layout of its own")

    def fingerprint(self) -> dict[str, Any]:
        """Of a part: nothing to compare."""
        return {}

    def touched_bytes(self, start: int, stop: int, rows: Panel) -> int:  # noqa: ARG002
        """Bytes of the rows as the layout counts them."""
        return (stop - start) * self._row_bytes

    def blocks(self) -> list[Any]:
        """The blocks, band by band, still to be computed, for the graph of a pass."""
        return [] if self._computed else self._blocks

    def with_blocks(self, computed: list[list[Any]]) -> "DaskRows":
        """A copy that serves blocks the scheduler has computed; an empty list makes a mere placeholder."""
        part = object.__new__(DaskRows)
        part.__dict__.update(self.__dict__, _blocks=computed, _computed=True)
        return part

    def read(self, start: int, stop: int) -> Rows:
        """Return rows `start:stop`, from the blocks that hold them and no others."""
        heights, widths = self._chunks
        starts = self._first + np.concatenate([[0], np.cumsum(heights)])
        low = int(np.searchsorted(starts, start, side="right")) - 1
        high = int(np.searchsorted(starts, stop, side="left"))
        bands = self._blocks[low:high]
        if not self._computed:
            bands = self._compute(bands, start, stop)
        _check_blocks(bands, (heights[low:high], widths), self.address)
        first = int(starts[low])
        if self._as_nan:
            bands = [[self._with_nan(block) for block in band] for band in bands]
        return slice_rows(_assemble(bands, self.sparse, self.address), start - first, stop - first)

    def _with_nan(self, block: Any) -> Any:
        found = plain(block, self.address, as_nan=True)
        return found if self.sparse or self.dtype.kind != "f" else found.astype(self.dtype, copy=False)

    def _compute(self, bands: list[list[Any]], start: int, stop: int) -> list[list[Any]]:
        try:
            return list(dask.compute(*bands, scheduler="synchronous"))
        except DnmfError:
            raise
        except Exception as error:
            raise InputError(
                f"{self.address}: the blocks of rows {start}:{stop} cannot be computed ({told(error)})"
            ) from error


def as_dask_array(values: Any, rows: int) -> Any:
    """Return an array in memory, or a :class:`~dnmf.sources.stored_factor.StoredFactor`, in chunks of `rows` rows.

    The blocks of one on disk are read where they are computed, each checked as it is read.
    """
    if isinstance(values, np.ndarray):
        return dask.array.from_array(values, chunks=(rows, -1), name=False)
    meta = np.empty((0, 0), values.dtype)
    return dask.array.from_array(values, chunks=(rows, values.shape[1]), fancy=False, meta=meta)
