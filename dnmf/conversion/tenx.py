"""Matrices of 10x Genomics in HDF5, of Cell Ranger 2 and later: cells × features, with barcodes and features."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dnmf.conversion.compressed import CompressedParts
from dnmf.conversion.frames import Frame, Values, as_text
from dnmf.conversion.reading import reading
from dnmf.conversion.stored_frames import values_of
from dnmf.conversion.streams import CompressedStream, Lines
from dnmf.conversion.values import target_dtype
from dnmf.errors import InputError
from dnmf.sources.layouts import TENX_PARTS
from dnmf.sources.nodes import is_array
from dnmf.sources.presence import refuse_absent
from dnmf.sources.stored import StoredArray, open_root

TYPES, GENE_IDS = "feature_types", "gene_ids"
COLUMN_NAMES = {"id": GENE_IDS, "genes": GENE_IDS, "feature_type": TYPES}  # as scanpy calls them
NAMES_ALONE = ("name", "gene_names")
NAMES = (*NAMES_ALONE, "id", "genes")


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


def open_tenx(path: Path, inner: str, genomes: list[str]) -> CompressedStream:
    """Return the matrix of a 10x HDF5 file as cells × features.

    Parameters
    ----------
    path : Path
    inner : str
        Which of the groups; may be empty where there is one.
    genomes : list of str
        Its groups: ``matrix``, or the genomes of Cell Ranger 2.

    Raises
    ------
    InputError
        There are several and none is named, or the file is damaged.
    """
    if not inner and len(genomes) > 1:
        addresses = ", ".join(f"{path}::{genome}" for genome in genomes)
        raise InputError(f"{path}: holds a matrix for each of several genomes; name one: {addresses}")
    place = inner or genomes[0]
    group = open_root(str(path))[place]
    with reading(path):
        features, cells = (int(n) for n in _whole(group["shape"], path))
        refuse_absent(group["barcodes"], f"{path}::{place}/barcodes")
        barcodes = values_of(group["barcodes"])
        frame, named = _features(path, group, features)
    if barcodes is None or min(features, cells) == 0 or (barcodes.length, named) != (cells, features):
        raise InputError(
            f"{path}: a 10x matrix of {features} genes by {cells} cells with {named} genes and "
            f"{0 if barcodes is None else barcodes.length} cells named; the file is empty or damaged"
        )
    return _stream(path, place, (cells, features), Frame(barcodes), frame)


def _stream(path: Path, place: str, shape: tuple[int, int], rows: Frame, columns: Frame) -> CompressedStream:
    indptr, indices, data = (StoredArray(str(path), f"{place}/{part}") for part in ("indptr", "indices", "data"))
    kept = target_dtype(data.dtype, str(path))

    def lines(limit: int) -> Iterator[Lines]:
        # stored as columns of features × cells, which are the rows of cells × features
        vectors = (_StoredVector(indptr), _StoredVector(indices), _StoredVector(data))
        return CompressedParts(str(path), *vectors, *shape, True, kept).lines(limit)

    return CompressedStream(
        address=str(path),
        shape=shape,
        dtype=kept,
        target_dtype=kept,
        rows=rows,
        columns=columns,
        stored=data.shape[0],
        by_rows=True,
        lines=lines,
    )


def _whole(node: Any, path: Path) -> NDArray[Any]:
    refuse_absent(node, f"{path}::{node.name.strip('/')}")
    return node[:]


def _features(path: Path, group: Any, length: int) -> tuple[Frame, int]:
    """Return what is known of the features, and how many are named."""
    table = group.get("features", group)
    arrays = (name for name in table if is_array(table[name]) and name not in TENX_PARTS)
    found = {name: _whole(table[name], path) for name in arrays if table[name].shape == (length,)}
    names = next((found[key] for key in NAMES if key in found), None)
    if names is None:
        return Frame(), 0
    about = {name: values for name, values in found.items() if name not in NAMES_ALONE}
    return feature_frame(names, about), length


def feature_frame(names: NDArray[Any], about: dict[str, NDArray[Any]]) -> Frame:
    """Return the frame of features called `names`, what else is known of them under the names that scanpy gives."""
    known = {COLUMN_NAMES.get(name, name): values for name, values in about.items()}
    types = known.get(TYPES)
    columns = {name: Values.of(values) for name, values in known.items()}
    return Frame(Values.of(as_text(names)), columns, feature_types=None if types is None else as_text(types))
