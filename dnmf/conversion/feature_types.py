"""The features of one type out of a 10x matrix that holds genes, peaks, antibodies and others together."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.conversion.streams import CompressedStream, Lines, MatrixStream, Triplets, TripletStream
from dnmf.errors import InputError


def of_type(stream: MatrixStream, feature_type: str | None) -> MatrixStream:
    """Return the matrix of the features of one type; of all of them, with a note, where none is named.

    Raises
    ------
    InputError
        There are no features of this type, or the matrix does not say which type its features have.
    """
    frames = (stream.rows, stream.columns)
    axis = next((axis for axis, frame in enumerate(frames) if frame.feature_types is not None), None)
    if axis is None:
        if feature_type is None:
            return stream
        raise InputError(
            f"{stream.address}: not a matrix of 10x Genomics, of whose features the types are known; "
            "select them before, for example adata[:, adata.var['feature_types'] == …].write_h5ad(…)"
        )
    types: Any = frames[axis].feature_types
    if feature_type is None:
        return replace(stream, notes=(*stream.notes, *_note(stream.address, types)))
    keep = types == feature_type
    if not keep.any():
        raise InputError(f"{stream.address}: no features of type {feature_type!r}; it holds {_counted(types)}")
    return stream if keep.all() else _selected(stream, axis, np.asarray(keep))


def _counted(types: NDArray[Any]) -> str:
    names, counts = np.unique(types, return_counts=True)
    return ", ".join(f"{name!r} ({count:,})" for name, count in zip(names.tolist(), counts.tolist(), strict=True))


def _note(address: str, types: NDArray[Any]) -> tuple[str, ...]:
    names = np.unique(types)
    if len(names) < 2:
        return ()
    return (
        f"{address}: features of several types are in one matrix, {_counted(types)}; var['feature_types'] tells them "
        f"apart, feature_type={str(names[0])!r} (--feature-type) keeps those of one",
    )


def _selected(stream: MatrixStream, axis: int, keep: NDArray[np.bool_]) -> MatrixStream:
    place = np.where(keep, np.cumsum(keep) - 1, -1)
    count = int(np.count_nonzero(keep))
    shape = (count, stream.shape[1]) if axis == 0 else (stream.shape[0], count)
    rows, columns = stream.rows, stream.columns
    rows, columns = (rows.selected(keep), columns) if axis == 0 else (rows, columns.selected(keep))
    narrower: dict[str, Any] = {"shape": shape, "rows": rows, "columns": columns}
    if isinstance(stream, TripletStream):
        return replace(stream, **narrower, blocks=_of_blocks(stream.blocks, axis, place))
    if isinstance(stream, CompressedStream) and stream.by_rows == (axis == 1):
        return replace(stream, **narrower, lines=_of_lines(stream.lines, place))
    raise InputError(f"{stream.address}: feature_type is for sparse matrices of 10x; this one is dense")


def _of_blocks(
    blocks: Callable[[int], Iterator[Triplets]], axis: int, place: NDArray[np.int64]
) -> Callable[[int], Iterator[Triplets]]:
    def kept(limit: int) -> Iterator[Triplets]:
        for block in blocks(limit):
            at = place[block[axis]]
            some = at >= 0
            rows, columns = (at, block.columns) if axis == 0 else (block.rows, at)
            yield Triplets(rows[some], columns[some], block.values[some])

    return kept


def _of_lines(lines: Callable[[int], Iterator[Lines]], place: NDArray[np.int64]) -> Callable[[int], Iterator[Lines]]:
    def kept(limit: int) -> Iterator[Lines]:
        for some in lines(limit):
            at = place[some.indices]
            keep = at >= 0
            before = np.concatenate([[0], np.cumsum(keep)])
            yield Lines(some.first, before[some.indptr], at[keep], some.values[keep])

    return kept
