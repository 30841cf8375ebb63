"""Matrices in AnnData stores (Zarr, .h5ad), plain Zarr arrays and 10x HDF5 files, streamed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from dnmf.conversion.compressed import CompressedParts, checked_lines
from dnmf.conversion.reading import reading
from dnmf.conversion.streams import CompressedStream, DenseStream, Lines, Names
from dnmf.conversion.values import target_dtype
from dnmf.errors import InputError
from dnmf.sources.compressed import CompressedSource
from dnmf.sources.layouts import tenx_groups
from dnmf.sources.opening import open_source
from dnmf.sources.source import Source, names_of
from dnmf.sources.stored import StoredArray, annotation_names, open_root

TENX_GROUP = "matrix"


def open_stored(path: Path, inner: str, missing_chunks: str) -> CompressedStream | DenseStream:
    """Return the matrix `inner` (``X`` where empty) of a Zarr store or an HDF5 file.

    A 10x HDF5 file (a group ``matrix`` and nothing of AnnData) is read as cells × genes.

    Raises
    ------
    InputError
        There is no such matrix; later, from the stream: a missing or damaged chunk, an index out of range,
        a value that is not finite and ≥ 0, with its place.
    """
    if path.is_file() and not inner and TENX_GROUP in tenx_groups(open_root(str(path))):
        return _open_tenx(path)
    source = open_source(f"{path}::{inner}" if inner else str(path), missing_chunks=missing_chunks)
    names = dict(zip(("row_names", "column_names"), _names(source, path, inner), strict=True))
    kept = target_dtype(source.dtype, source.address)
    about: dict[str, Any] = {"address": source.address, "shape": source.shape, "target_dtype": kept, **names}
    if not isinstance(source, CompressedSource):
        read = cast(Callable[[int, int], NDArray[Any]], source.read)
        return DenseStream(**about, dtype=source.dtype, read_rows=read)
    stream = CompressedStream(
        **about,
        dtype=kept,
        stored=source.nonzeros,
        by_rows=True,
        lines=lambda limit: _lines(source, kept, limit),
    )
    # a CSC matrix comes as its transpose, which is CSR
    return stream.transposed() if source.transposed else stream


def _names(source: Source, path: Path, inner: str) -> tuple[Names | None, Names | None]:
    """Names along the source's rows and columns, where there are as many as there are rows and columns."""
    rows, columns = source.row_names(), source.column_names()
    if inner.startswith("raw/"):  # it has genes of its own
        genes = annotation_names(str(path), "raw/var")
        rows, columns = (genes, columns) if source.transposed else (rows, genes)
    return _if_fits(rows, source.shape[0]), _if_fits(columns, source.shape[1])


def _if_fits(names: Names | None, length: int) -> Names | None:
    return names if names is not None and len(names) == length else None


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


class _StoredVector:
    """A stored array read front to back."""

    def __init__(self, array: StoredArray):
        self._array, self._at = array, 0
        self.length = array.shape[0]

    def read(self, count: int) -> NDArray[Any]:
        """Return the next `count` values."""
        values = self._array.read(self._at, self._at + count)
        self._at += count
        return values


def _open_tenx(path: Path) -> CompressedStream:
    group = open_root(str(path))[TENX_GROUP]
    with reading(path):
        genes, cells = (int(n) for n in group["shape"][:])
        barcodes = np.asarray(names_of(group["barcodes"][:]))
        features = np.asarray(names_of(group["features"]["name" if "name" in group["features"] else "id"][:]))
    if min(genes, cells) == 0 or (len(barcodes), len(features)) != (cells, genes):
        raise InputError(
            f"{path}: a 10x matrix of {genes} genes by {cells} cells with {len(features)} genes and "
            f"{len(barcodes)} cells named; the file is empty or damaged"
        )
    indptr, indices, data = (StoredArray(str(path), f"{TENX_GROUP}/{part}") for part in ("indptr", "indices", "data"))
    kept = target_dtype(data.dtype, str(path))

    def lines(limit: int) -> Iterator[Lines]:
        # stored as columns of genes × cells, which are the rows of cells × genes
        vectors = (_StoredVector(indptr), _StoredVector(indices), _StoredVector(data))
        return CompressedParts(str(path), *vectors, cells, genes, True, kept).lines(limit)

    return CompressedStream(
        address=str(path),
        shape=(cells, genes),
        dtype=kept,
        target_dtype=kept,
        row_names=barcodes,
        column_names=features,
        stored=data.shape[0],
        by_rows=True,
        lines=lines,
    )
