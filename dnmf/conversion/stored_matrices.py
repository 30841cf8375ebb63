"""Matrices in AnnData stores (Zarr, .h5ad) and plain Zarr arrays, streamed with what is known of rows and columns."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from dnmf.conversion.arrays import SHARE_OF_MEMORY, Room, spooled_boxes
from dnmf.conversion.compressed import checked_lines
from dnmf.conversion.stored_frames import stored_frame
from dnmf.conversion.streams import CompressedStream, DenseStream, Lines
from dnmf.conversion.tenx import open_tenx
from dnmf.conversion.values import target_dtype
from dnmf.sources.compressed import CompressedSource
from dnmf.sources.datasets import files_below
from dnmf.sources.layouts import frames_of, group_above, in_whole_store, meant_matrix, refuse_other_layouts, tenx_groups
from dnmf.sources.nodes import MOST_LISTED, is_array, places_in
from dnmf.sources.opening import open_source
from dnmf.sources.presence import is_hdf5
from dnmf.sources.stored import open_node, open_root
from dnmf.sources.unfolded_store import UnfoldedSource

CARRIED = ("obs", "var")


def open_stored(
    path: Path, inner: str, missing_chunks: str, row_axes: Any, room: Room
) -> CompressedStream | DenseStream:
    """Return the matrix `inner` (``X`` where empty) of a Zarr store or an HDF5 file, with its ``obs`` and ``var``.

    A 10x HDF5 file is read as cells × features. An array of more than two axes whose slabs along the rows take too much
    of the memory is copied into a file first.

    Raises
    ------
    InputError
        There is no such matrix; later, from the stream: a missing or damaged chunk, an index out of range,
        a value that is not finite and ≥ 0, with its place.
    """
    root = open_root(str(path))
    genomes = tenx_groups(root)
    if genomes and inner in ("", *genomes):
        return open_tenx(path, inner, genomes)
    place = f"{path}::{inner}" if inner else str(path)
    source = open_source(place, missing_chunks=missing_chunks, row_axes=row_axes)
    if isinstance(source, UnfoldedSource):
        return _unfolded(source, room)
    path, root, inner = _whole(path, root, inner)
    kept = target_dtype(source.dtype, source.address)
    shape = source.shape[::-1] if source.transposed else source.shape
    places = frames_of(root, inner)
    rows, columns = (stored_frame(str(path), place, length) for place, length in zip(places, shape, strict=True))
    if places == (None, None) and not source.transposed and (names := source.row_names()) is not None:
        rows = rows.renamed(names)  # of what transform wrote
    about: dict[str, Any] = {
        "address": source.address,
        "target_dtype": kept,
        "rows": rows,
        "columns": columns,
        "notes": _left_out(path, root, inner),
        "unfolding": source.unfolding,
    }
    if not isinstance(source, CompressedSource):
        read = cast(Callable[[int, int], NDArray[Any]], source.read)
        return DenseStream(**about, shape=shape, dtype=source.dtype, read_rows=read)
    # a CSC matrix is read as its transpose, which is CSR
    return CompressedStream(
        **about,
        shape=shape,
        dtype=kept,
        stored=source.nonzeros,
        by_rows=not source.transposed,
        lines=lambda limit: _lines(source, kept, limit),
    )


def _unfolded(source: UnfoldedSource, room: Room) -> DenseStream:
    """An array of more than two axes as a matrix, with the labels along its axes."""
    slab = source.rows_of_object * source.shape[1] * source.dtype.itemsize
    if SHARE_OF_MEMORY * slab <= room.memory_bytes:
        stream = DenseStream(
            address=source.address, shape=source.shape, dtype=source.dtype,
            target_dtype=target_dtype(source.dtype, source.address), read_rows=source.read, unfolding=source.unfolding,
        )  # fmt: skip
    else:
        stream = spooled_boxes(source.array, source.unfolding, room)
    names = source.row_names()
    return stream if names is None else replace(stream, rows=stream.rows.renamed(names))


def read_places(path: Path, inner: str) -> list[Path]:
    """Return the files and directories that a matrix and its ``obs`` and ``var`` are read from.

    Of a store the parts that are read, not others that somebody may write; of an HDF5 file also those that its virtual
    datasets, external storage and links lead to.

    Raises
    ------
    InputError
        There is no such matrix, or a file that it leads to is not there.
    """
    root = open_root(str(path))
    genomes = tenx_groups(root)
    if genomes and inner in ("", *genomes):
        places = [inner] if inner else genomes
    else:
        refuse_other_layouts(str(path), root, inner)
        path, root, matrix = _whole(path, root, inner)
        places = [matrix, *(frame for frame in frames_of(root, matrix) if frame)]
    if is_hdf5(root):
        behind = (file for place in places for file in files_below(open_node(str(path), place)))
        return list(dict.fromkeys([path, *behind]))
    return [path / place for place in places] if path.is_dir() else [path]


def _whole(path: Path, root: Any, inner: str) -> tuple[Path, Any, str]:
    """The store that a matrix lies in, its root, and the place of the matrix."""
    store, place = in_whole_store(str(path), meant_matrix(str(path), root, inner))
    return Path(store), root if store == str(path) else open_root(store), place


def _left_out(path: Path, root: Any, inner: str) -> tuple[str, ...]:
    """Name what else there is beside the matrix, none of which is carried over."""
    above = group_above(inner)
    group = open_node(str(path), above) if above else root
    if is_array(group) or not any(frame in group for frame in CARRIED):
        return ()
    prefix = f"{above}/" if above else ""
    names = [name for name in sorted(group) if name not in CARRIED]
    places = [f"{prefix}{place}" for name in names for place in places_in(group, name) or []]
    others = [place for place in places if inner != place and not inner.startswith(f"{place}/")]
    listed = ", ".join(others[:MOST_LISTED]) + (" …" if len(others) > MOST_LISTED else "")
    return (f"{path}: not carried over: {listed}",) if others else ()


def _lines(source: CompressedSource, dtype: np.dtype, limit: int) -> Iterator[Lines]:
    """Read a stored CSR matrix by runs of rows that hold about `limit` entries."""
    layout = source.layout()
    entry_bytes = max(layout.total_bytes // max(source.nonzeros, 1), 1)
    start = 0
    while start < len(layout.cuts) - 1:
        budget = layout.bytes_before[start] + limit * min(entry_bytes, 16)
        stop = max(int(np.searchsorted(layout.bytes_before, budget, side="right")) - 1, start + 1)
        first = int(layout.cuts[start])
        rows = source.read(first, int(layout.cuts[stop]))
        lines = Lines(first, rows.indptr, rows.indices, rows.data)
        yield checked_lines(lines, source.address, source.shape[1], dtype, by_rows=not source.transposed)
        start = stop
