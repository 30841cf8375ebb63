"""Whether what a read needs is there: Zarr and HDF5 read an absent chunk as zeros, without a word."""

import math
import stat
from collections.abc import Iterator, Mapping
from itertools import islice, product
from pathlib import Path
from typing import Any

from dnmf.arrays import offers
from dnmf.errors import InputError
from dnmf.sources.datasets import absent_in_dataset
from dnmf.sources.zarr_stores import directory_of, innermost

BLOCK_BYTES = 2**20
SIZES_AT_ONCE = 256  # requests to an object store


def is_hdf5(node: Any) -> bool:
    """Whether an opened node belongs to an HDF5 file."""
    return type(node).__module__.startswith("h5py")


def lies_in_memory(node: Any) -> bool:
    """Whether an opened node is part of a dictionary of this process, or of an HDF5 file in memory."""
    if is_hdf5(node):
        return node.file.driver == "fileobj" or (node.file.driver == "core" and node.file.mode != "r")
    return hasattr(innermost(node.store), "_store_dict")


def lies_in_a_store(values: Any) -> bool:
    """Whether an object is an opened Zarr array or HDF5 dataset."""
    is_opened = offers(values, "store", "metadata") or (is_hdf5(values) and offers(values, "attrs"))
    return is_opened and hasattr(values, "shape") and hasattr(values, "dtype")


def object_shape(node: Any) -> tuple[int, ...]:
    """Return the shape of what is stored as one object: a shard, a chunk; rows of about 1 MiB where there is none.

    An HDF5 dataset that is not chunked can be read at any row.
    """
    shape = getattr(node, "shards", None) or node.chunks
    if shape:
        return tuple(int(n) for n in shape)
    row_bytes = node.dtype.itemsize
    for n in node.shape[1:]:
        row_bytes *= int(n)
    rows = min(int(node.shape[0]), BLOCK_BYTES // max(1, row_bytes))
    return (max(1, rows), *(int(n) for n in node.shape[1:]))


def fills_with_zeros(node: Any) -> bool:
    """Whether what was never written to an opened array reads as zeros."""
    fill = node.fillvalue if is_hdf5(node) else node.fill_value
    return fill is None or not fill


def absent_object(
    node: Any, start: int, stop: int, *, zeros: bool = False, listed: Mapping[str, int] | None = None, axis: int = 0
) -> str | None:
    """Return the name of a stored object of ``node[start:stop]`` that is absent or empty, None if all are there.

    Parameters
    ----------
    node : zarr.Array or h5py.Dataset
        Opened.
    start, stop : int
        Along the `axis`, ``start < stop``.
    zeros : bool
        Let pass what is absent and reads as zeros.
    listed : mapping, optional
        Bytes of the objects of a Zarr array, where they were listed: only what is not among them is asked for.
    axis : int
        Which one; all of the others is needed.

    Raises
    ------
    OSError
        The storage does not answer.
    InputError
        Something that an HDF5 dataset leads to is not there; see :mod:`dnmf.sources.datasets`.
    """
    if is_hdf5(node):
        return absent_in_dataset(node, start, stop, zeros=zeros, axis=axis)
    if zeros and fills_with_zeros(node):
        return None
    return next(_absent_keys(node, start, stop, listed or {}, axis), None)


def refuse_absent(node: Any, address: str, of: str = "") -> None:
    """Return when every stored object of an opened array is there.

    Raises
    ------
    InputError
        One is not; the message names it.
    """
    absent = absent_object(node, 0, int(node.shape[0])) if node.shape[0] else None
    if absent is not None:
        raise InputError(f"{address}: chunk {absent}{of} is missing or empty; restore the file")


def count_absent(node: Any) -> int:
    """Return how many stored objects of an opened Zarr array are absent or empty."""
    return sum(1 for _ in _absent_keys(node, 0, int(node.shape[0]), {}))


def _absent_keys(node: Any, start: int, stop: int, listed: Mapping[str, int], axis: int = 0) -> Iterator[str]:
    every = (node.metadata.encode_chunk_key(place) for place in _places(node, start, stop, axis))
    keys = (key for key in every if not listed.get(key))
    while batch := list(islice(keys, SIZES_AT_ONCE)):
        yield from (key for key, size in zip(batch, object_sizes(node, batch), strict=True) if not size)


def count_objects(node: Any, start: int, stop: int) -> int:
    """Return how many stored objects of an opened Zarr array ``node[start:stop]`` touches."""
    shape = object_shape(node)
    rows = -(-stop // shape[0]) - start // shape[0]
    return rows * math.prod(-(-int(n) // c) for n, c in zip(node.shape[1:], shape[1:], strict=True))


def _places(node: Any, start: int, stop: int, axis: int) -> Iterator[tuple[int, ...]]:
    """Positions in the grid of objects of everything that ``node[start:stop]``, along an axis, touches."""
    grid = [range(-(-int(n) // c)) for n, c in zip(node.shape, object_shape(node), strict=True)]
    step = object_shape(node)[axis]
    grid[axis] = range(start // step, -(-stop // step))
    return product(*grid)


def object_sizes(node: Any, keys: list[str]) -> list[int]:
    """Return the bytes of the objects of a Zarr array by their keys, 0 for those that are absent."""
    full = [f"{node.path}/{key}" if node.path else key for key in keys]
    root = directory_of(node.store)
    if root is not None:
        return [_file_size(root / name) for name in full]
    from zarr.core.sync import sync

    return sync(_remote_sizes(node.store, full))


def _file_size(path: Path) -> int:
    """Bytes of a file; none where there is none, or something else is in its place."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


async def _remote_sizes(store: Any, names: list[str]) -> list[int]:
    import asyncio

    from zarr.abc.store import RangeByteRequest, Store
    from zarr.core.buffer import default_buffer_prototype

    async def size_of(name: str) -> int:
        try:
            if type(store).getsize is not Store.getsize:
                return await store.getsize(name)
            first = await store.get(
                name, default_buffer_prototype(), RangeByteRequest(0, 1)
            )  # not all of it for its size
            return len(first) if first is not None else 0
        except FileNotFoundError:
            return 0

    return await asyncio.gather(*(size_of(name) for name in names))
