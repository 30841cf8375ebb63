"""Conversion of matrix files to Zarr, streaming: memory is bounded, and a target is whole or absent."""

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from dnmf.arguments import choice
from dnmf.arithmetic import undisturbed
from dnmf.conversion.arrays import Room, rows_of_mapped
from dnmf.conversion.coordinates import open_coordinates
from dnmf.conversion.dense_files import mapped_npy, open_npy
from dnmf.conversion.feature_types import of_type
from dnmf.conversion.long_columns import Asked, parse_long
from dnmf.conversion.long_tables import DUPLICATES, LONG, is_long, open_long_table
from dnmf.conversion.matrix_market import open_matrix_market
from dnmf.conversion.npz import open_npz
from dnmf.conversion.reading import reading
from dnmf.conversion.staging import check_apart
from dnmf.conversion.staging_objects import staged
from dnmf.conversion.stored_matrices import open_stored, read_places
from dnmf.conversion.streams import MatrixStream
from dnmf.conversion.tenx import GENE_IDS
from dnmf.conversion.tenx_files import open_tenx_directory, tenx_matrix, with_names_beside
from dnmf.conversion.values import requested_dtype
from dnmf.conversion.writing import Settings, write_matrix
from dnmf.errors import DnmfError, InputError
from dnmf.locations import checked_overwrite, local_path, refuse_special, written
from dnmf.places import Place, below, names_objects, place_of
from dnmf.refusals import reason
from dnmf.sources.addresses import BETWEEN, is_url, split_address
from dnmf.sources.formats import COORDINATES, NPY, NPZ, TENX_DIRECTORY, Format, format_of, refusal
from dnmf.sources.guard import guard_files, guarded
from dnmf.sources.name_files import given_names
from dnmf.sources.opening import FIRST_AXIS, MISSING_CHUNKS
from dnmf.sources.unfolded import unfolding_of

log = logging.getLogger("dnmf")
MIB = 2**20
PathLike = str | os.PathLike[str]
Given = ArrayLike | PathLike | None


@dataclass(frozen=True)
class ConversionReport:
    """What a conversion wrote.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns of the target.
    nonzeros : int or None
        Entries stored; None for a dense matrix.
    dtype : str
        Of the values.
    bytes_written : int
        On disk.
    target : Path or Place
        The Zarr group.
    kind : {"csr", "dense"}
        How ``X`` is stored.
    notes : tuple of str
        What was left out, and what else has to be known, in a sentence each.
    row_names, column_names : bool
        Whether rows and columns have names.
    obs, var : tuple of str
        What else was carried over of rows and columns.
    axes : dict of str to int
        The length of each axis by its name, of an array of more than two; empty of a matrix.
    labelled : tuple of str
        Those of these axes along which there are labels.
    """

    shape: tuple[int, int]
    nonzeros: int | None
    dtype: str
    bytes_written: int
    target: Place
    kind: str
    notes: tuple[str, ...] = ()
    row_names: bool = False
    column_names: bool = False
    obs: tuple[str, ...] = ()
    var: tuple[str, ...] = ()
    axes: dict[str, int] = field(default_factory=dict)
    labelled: tuple[str, ...] = ()


@undisturbed
def convert(  # noqa: PLR0913  one keyword for each choice a user has
    source: str | Path,
    target: str | Place,
    *,
    dtype: str | None = None,
    transpose: bool = False,
    row_names: Given = None,
    column_names: Given = None,
    feature_type: str | None = None,
    long: str | Sequence[str | int] | None = None,
    duplicates: str | None = None,
    row_axes: Any = None,
    chunk_bytes: int = 16 * MIB,
    memory_bytes: int = 1024 * MIB,
    zarr_format: int = 3,
    overwrite: bool = False,
    missing_chunks: str = "error",
    progress: Callable[[int, int], None] | None = None,
) -> ConversionReport:
    """Write the matrix in `source` as a Zarr group in AnnData's layout and return what was written.

    A sparse source becomes a CSR matrix with sorted columns, duplicates summed and explicit zeros dropped;
    a dense one an array in chunks of whole rows. ``obs`` and ``var`` are carried over with all their columns; what is
    not carried over is named in the report and logged. The target appears under its name when it is complete, and
    not at all otherwise; nothing is left beside it. Rows in no order are sorted through temporary files
    beside the target (up to 16 bytes per entry for matrices below 2^32 rows). The entries of a long table are spooled
    there too, 4 bytes for each name and 8 for the value, with zeros; its rows and columns come in the order in which
    their names appear first, and these are held in memory.

    Parameters
    ----------
    source : str or Path
        ``.mtx`` (compressed or not), ``.npz`` (of ``scipy.sparse.save_npz`` or ``sparse.save_npz``), ``.npy``,
        ``.h5ad``, ``.h5`` (10x), a 10x directory, a long table (CSV, TSV, Parquet), or a Zarr store;
        ``path::layers/counts`` names a matrix other than ``X`` inside an AnnData. ``features.tsv`` (``genes.tsv``) and
        ``barcodes.tsv`` beside a ``matrix.mtx`` are its names.
    target : str, Path or Place
        A directory that does not exist, or is empty, or a place on object storage (``s3://``, ``gs://``, ``az://``).
    dtype : str, optional
        ``uint8``, ``uint16``, ``uint32``, ``int32``, ``int64``, ``float32`` or ``float64``. By default
        integers in text become the narrowest of the first three and int64 that holds them, real numbers in
        text float32, and other values keep their dtype.
    transpose : bool
        Write columns as rows: Matrix Market files of 10x Genomics are genes × cells (but 10x directories and ``.h5``
        files are read as cells × genes).
    row_names, column_names : sequence of str or path, optional
        Names for the rows and columns of the target, instead of those of the source; or a file with one a line.
    feature_type : str, optional
        Of a 10x matrix the features of this type alone, ``"Gene Expression"`` for example.
    long : str or sequence, optional
        Of a long table, with a line for each entry: which columns have the names of rows, those of columns, and the
        values, ``"user,item,rating"``; by number, from 0, where there is no header. Without the third each entry is a
        one. By default they are told by what the header calls them, if it does so. More columns are those of an array
        of more axes, the values last: ``"user,item,month,plays"``, nothing (None) in their place where each entry is a
        one; the axes are called as their columns, with the names in these as labels. Needs `row_axes`.
    duplicates : {"refuse", "sum"}, optional
        What becomes of several lines of a long table for one entry; refused by default.
    row_axes : int, str, or sequence of these, optional
        Of an array of more than two axes (a Zarr array, an HDF5 dataset, ``.npy``, ``.tns``, a long table): those that
        make the rows, by number or by name, ``"longest"`` for the longest. The result is a matrix that knows its axes,
        and is read along these: ``dnmf.fit`` and ``dnmf.cp`` take it without `row_axes`.
    chunk_bytes : int
        Decoded size of a chunk.
    memory_bytes : int
        What the work may hold in memory, about, beside a few chunks; 1 MiB at least. A single row must fit.
    zarr_format : {3, 2}
        Of the target.
    overwrite : bool
        Replace what an earlier call wrote at `target`, once the new one is complete; nothing else is, nor one that
        something was added to.
    missing_chunks : {"error", "zeros"}
        What an absent chunk means when `source` is a Zarr store.
    progress : callable, optional
        ``progress(done, total)`` is called after each block, in entries (each counted twice where it is
        spooled).

    Raises
    ------
    InputError
        The source is not there, cannot be read, or holds a NaN, an infinite or a negative value (the
        message says where); the target exists; an option makes no sense.
    ChangedError
        The source changed while it was read.
    DnmfError
        The target cannot be written, because the disk is full for example.

    Examples
    --------
    >>> report = convert("matrix.mtx.gz", "counts.zarr", transpose=True)  # doctest: +SKIP
    >>> report.kind, report.dtype  # doctest: +SKIP
    ('csr', 'uint16')
    """
    wanted = None if dtype is None else requested_dtype(dtype)
    choice("missing_chunks", missing_chunks, MISSING_CHUNKS)
    settings = Settings(wanted, transpose, chunk_bytes, memory_bytes, zarr_format, progress)
    path, inner = _existing_path(source)
    target = _target_place(target)
    asked = parse_long(long)
    found = _convertible(path, asked, duplicates)
    check_apart(tenx_matrix(path) if found is TENX_DIRECTORY else path, target)
    given = (row_names, column_names)
    try:
        with staged(target, "convert", overwrite=checked_overwrite(overwrite)) as staging, _watched(found, path, inner):
            opening = _Opening(staging.spool, missing_chunks, asked, duplicates, row_axes, settings.memory_bytes)
            stream = _checked_axes(_open_stream(found, path, inner, opening), row_axes, transpose=transpose)
            stream = _named(of_type(stream, feature_type), *(given[::-1] if transpose else given))
            kind, nonzeros, values = write_matrix(stream, staging.target, staging.spool, settings)
        size = sum(size or 0 for _, size in below(target))
    except OSError as error:  # reading errors were named where they happened
        raise DnmfError(f"{target}: cannot be written: {reason(error)}; nothing was left there") from error
    shape = stream.shape[::-1] if transpose else stream.shape
    report = ConversionReport(shape, nonzeros, values.name, size, target, kind)
    return _with_what_came_along(report, stream, transpose=transpose)


def _open_npy(path: Path, row_axes: Any) -> MatrixStream:
    mapped = mapped_npy(path)
    unfolding = unfolding_of(str(path), mapped().shape, row_axes)
    return open_npy(path) if unfolding is None else rows_of_mapped(mapped, str(path), unfolding)


def _checked_axes(stream: MatrixStream, row_axes: Any, *, transpose: bool) -> MatrixStream:
    """The same stream, where what was said of its axes fits it."""
    if stream.unfolding is not None and transpose:
        raise InputError(f"{stream.address}: row_axes says which axes make the rows; leave transpose out")
    if stream.unfolding is None and row_axes not in FIRST_AXIS:
        rows, columns = stream.shape
        raise InputError(
            f"{stream.address}: has rows and columns already, {rows} × {columns}; row_axes= (--row-axes) is for arrays "
            "of more axes, leave it out"
        )
    return stream


def _with_what_came_along(report: ConversionReport, stream: MatrixStream, *, transpose: bool) -> ConversionReport:
    """Return the report with names, annotations and notes, which are logged too."""
    notes = (*stream.notes, *stream.rows.notes, *stream.columns.notes, *_features_as_rows(stream, transpose=transpose))
    for note in notes:
        log.warning("%s", note)
    obs, var = (stream.columns, stream.rows) if transpose else (stream.rows, stream.columns)
    return replace(
        report, notes=notes, row_names=obs.names is not None, column_names=var.names is not None,
        obs=tuple(obs.columns), var=tuple(var.columns), axes=_lengths(stream),
        labelled=_labelled(stream, rows=obs.names is not None, columns=var.names is not None),
    )  # fmt: skip


def _lengths(stream: MatrixStream) -> dict[str, int]:
    """The length of each axis by its name, of an array of more than two."""
    return {} if stream.unfolding is None else dict(zip(stream.unfolding.called, stream.unfolding.shape, strict=True))


def _labelled(stream: MatrixStream, **named: bool) -> tuple[str, ...]:
    return () if stream.unfolding is None else stream.unfolding.labelled_axes(**named)


def _features_as_rows(stream: MatrixStream, *, transpose: bool) -> tuple[str, ...]:
    """Say so where the features of cells become the rows: a transpose may be too much, or missing."""
    if GENE_IDS not in (stream.columns if transpose else stream.rows).columns:
        return ()
    if transpose:
        return (f"{stream.address}: it is read as cells × features, so that its transpose has the features as rows",)
    return (
        f"{stream.address}: it is features × cells, so that the result has the features as rows; cells are the rows "
        "with --transpose (transpose=True)",
    )


def _named(stream: MatrixStream, rows: Given, columns: Given) -> MatrixStream:
    """Return the same matrix with the names that were given for the rows or columns of the source."""
    given = zip((stream.rows, stream.columns), (rows, columns), stream.shape, ("rows", "columns"), strict=True)
    checked = [(frame, given_names(names, n, what)) for frame, names, n, what in given]
    frames = [frame if names is None else frame.renamed(names) for frame, names in checked]
    return replace(stream, rows=frames[0], columns=frames[1])


def _existing_path(source: str | Path) -> tuple[Path, str]:
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(
            f"convert reads one file or store by its path, not a {type(source).__name__}; a matrix in memory can be "
            "given to dnmf.fit as it is, or written with anndata.AnnData(matrix).write_zarr(path)"
        )
    name, inner = split_address(os.fsdecode(source))
    if is_url(name):
        raise InputError(f"{source}: convert reads local files; download it first")
    path = Path(name)
    with reading(path):
        if not path.exists():
            raise InputError(f"{path}: there is nothing at this path")
        refuse_special(path)
    return path, inner


def _watched(found: Format, path: Path, inner: str) -> AbstractContextManager[None]:
    """Raise ChangedError at the end when a file that is read from now on has changed."""
    places = read_places(path, inner) if found.use == "read" else [path]
    return guarded(guard_files(str(path), places))


def _target_place(target: str | Place) -> Place:
    if names_objects(target):
        return place_of(target, "target")
    name = written(target, "target")
    if is_url(name):
        raise InputError(f"{name}: convert writes to a directory or to object storage (s3://, gs://, az://)")
    path = local_path(name, "target")
    if BETWEEN in path.name or (BETWEEN in name and not path.parent.exists()):
        raise InputError(f"{name}: convert writes to a local directory; copy it elsewhere afterwards")
    return path


def _convertible(path: Path, asked: Asked, duplicates: str | None) -> Format:
    if duplicates is not None:
        choice("duplicates", duplicates, DUPLICATES)
    with reading(path):
        found = format_of(path)
        is_table = found in LONG and (asked is not None or is_long(found, path))
        if not is_table and found.use == "neither":
            raise refusal(path)
    if not is_table and (asked or duplicates):
        raise InputError(
            f"{path}: long= and duplicates= (--long, --duplicates) are for long tables, this is {found.name}"
        )
    return found


class _Opening(NamedTuple):
    """How a source is opened: what was asked for, where something may be spooled, and in how much memory."""

    spool: Path
    missing_chunks: str
    long: Asked
    duplicates: str | None
    row_axes: Any
    memory_bytes: int


def _open_stream(found: Format, path: Path, inner: str, how: _Opening) -> MatrixStream:
    spool = how.spool
    if found.use == "read":
        return open_stored(path, inner, how.missing_chunks, how.row_axes, Room(spool, how.memory_bytes))
    if inner:
        raise InputError(f"{path}::{inner}: only Zarr stores and .h5ad files have matrices inside them")
    if found in LONG:
        duplicates = how.duplicates or DUPLICATES[0]
        return open_long_table(found, path, how.long, spool, duplicates=duplicates, row_axes=how.row_axes)
    if found is TENX_DIRECTORY:
        return open_tenx_directory(path, spool)
    if found is NPZ:
        return open_npz(path)
    if found is COORDINATES:
        return open_coordinates(path, how.row_axes)
    if found is NPY:
        return _open_npy(path, how.row_axes)
    return with_names_beside(open_matrix_market(path, spool), path)
