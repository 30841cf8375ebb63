"""The barcodes and features that 10x Genomics puts beside a matrix.mtx, and directories of the three."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.conversion.frames import Frame, Values
from dnmf.conversion.matrix_market import open_matrix_market
from dnmf.conversion.streams import DenseStream, TripletStream
from dnmf.conversion.tenx import feature_frame
from dnmf.errors import InputError
from dnmf.sources.formats import matrix_files
from dnmf.sources.name_files import read_table

ENDINGS = ("", ".gz", ".bz2", ".xz", ".zst")
FEATURE_FILES, BARCODE_FILES = ("features.tsv", "genes.tsv"), ("barcodes.tsv",)
MATRIX = "matrix.mtx"
FIELDS = ("id", "name", "feature_type", "chrom", "start", "end")


def tenx_matrix(folder: Path) -> Path:
    """Return the matrix of a 10x directory.

    Raises
    ------
    InputError
        There are several.
    """
    found = matrix_files(frozenset(entry.name for entry in folder.iterdir()))
    whole = [name for name in found if name.lower().endswith(tuple(MATRIX + ending for ending in ENDINGS))]
    if len(whole or found) != 1:  # others are checksums and copies of it: matrix.mtx.gz.md5
        raise InputError(f"{folder}: holds several matrices, {', '.join(whole or found)}; name one of the files")
    return folder / (whole or found)[0]


def open_tenx_directory(folder: Path, spool: Path) -> TripletStream | DenseStream:
    """Return the matrix of a 10x directory as cells × features, with its barcodes and features.

    Raises
    ------
    InputError
        A file cannot be read, or names another number of cells or features than the matrix has.
    """
    path = tenx_matrix(folder)
    stream = open_matrix_market(path, spool)
    features, barcodes = _features_beside(path), _barcodes_beside(path)
    for beside, length, axis in ((features, stream.shape[0], "rows"), (barcodes, stream.shape[1], "columns")):
        if beside is not None and beside[1] != length:
            raise InputError(f"{beside[0]}: names {beside[1]:,}, but {path.name} has {length:,} {axis}")
    missing = [name for name, found in (("features.tsv", features), ("barcodes.tsv", barcodes)) if found is None]
    notes = (f"{folder}: there is no {' and no '.join(missing)}, so there are no such names",) if missing else ()
    rows, columns = (Frame() if beside is None else beside[2] for beside in (features, barcodes))
    return replace(stream, rows=rows, columns=columns, notes=notes).transposed()


def with_names_beside(stream: TripletStream | DenseStream, path: Path) -> TripletStream | DenseStream:
    """Return a Matrix Market file's matrix with the features and barcodes that lie beside it, where counts agree.

    Files that are not of this matrix, or cannot be read, are named in a note: they were not asked for.
    """
    try:
        beside = (_features_beside(path), _barcodes_beside(path))
    except InputError as error:
        return replace(stream, notes=(f"{error}; it lies beside {path.name} and is not used",))
    frames = [Frame() if one is None else one[2] for one in beside]
    counts = [None if one is None else one[1] for one in beside]
    rows, columns = stream.shape
    if counts[0] in (None, rows) and counts[1] in (None, columns):  # features × cells, as 10x writes it
        return replace(stream, rows=frames[0], columns=frames[1])
    if counts[0] in (None, columns) and counts[1] in (None, rows):
        return replace(stream, rows=frames[1], columns=frames[0])
    return replace(stream, notes=_not_used(path, stream.shape, beside))


Beside = tuple[Path, int, Frame]


def _not_used(path: Path, shape: tuple[int, int], beside: tuple[Beside | None, Beside | None]) -> tuple[str, ...]:
    """Say which of the files beside a matrix do not fit it, either way round, and that the other one is not used."""
    misfits = min(
        ([one for one, n in zip(beside, way, strict=True) if one and one[1] != n] for way in (shape, shape[::-1])),
        key=len,
    )
    others = [one for one in beside if one and one not in misfits]
    rows, columns = shape
    return (
        *(
            f"{place}: names {count:,}, which do not fit {path.name} of shape {rows:,} × {columns:,}; it is not used"
            for place, count, _ in misfits
        ),
        *(f"{place}: is not used either, though it fits: it may be of another matrix" for place, _, _ in others),
    )


def _features_beside(path: Path) -> Beside | None:
    found = _beside(path, FEATURE_FILES)
    if found is None:
        return None
    fields = dict(zip(FIELDS, _columns(found, len(FIELDS)), strict=True))
    names = fields["name"] if any(fields["name"]) else fields["id"]
    about = {name: values for name, values in fields.items() if name != "name" and any(values)}
    return found, len(names), feature_frame(names, about)


def _barcodes_beside(path: Path) -> Beside | None:
    found = _beside(path, BARCODE_FILES)
    if found is None:
        return None
    names = _columns(found, 2)[0]
    return found, len(names), Frame(Values.of(names))


def _columns(path: Path, fields: int) -> list[NDArray[Any]]:
    blocks = list(read_table(path, fields))
    if not blocks:
        raise InputError(f"{path}: an empty file; copy or download it again")
    return [np.concatenate(parts) for parts in zip(*blocks, strict=True)]


def _beside(path: Path, names: tuple[str, ...]) -> Path | None:
    """Return the first of the files that lies beside a matrix, whose name may have a prefix: GSM1_matrix.mtx.gz."""
    prefix = path.name[: max(path.name.find(MATRIX), 0)]
    places = (path.parent / f"{prefix}{name}{ending}" for name in names for ending in ENDINGS)
    return next((place for place in places if place.is_file()), None)
