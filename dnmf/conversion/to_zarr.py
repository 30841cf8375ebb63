"""Conversion of matrix files to Zarr, streaming: memory is bounded, and a target is whole or absent."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dnmf.arithmetic import undisturbed
from dnmf.conversion.dense_files import open_npy
from dnmf.conversion.matrix_market import open_matrix_market
from dnmf.conversion.npz import open_npz
from dnmf.conversion.reading import reading
from dnmf.conversion.staging import check_apart, staged
from dnmf.conversion.stored_matrices import open_stored
from dnmf.conversion.streams import MatrixStream
from dnmf.conversion.values import requested_dtype
from dnmf.conversion.writing import Settings, write_matrix
from dnmf.errors import DnmfError, InputError
from dnmf.sources.formats import NPY, NPZ, format_of, refusal

MIB = 2**20


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
    target : Path
        The Zarr group.
    kind : {"csr", "dense"}
        How ``X`` is stored.
    """

    shape: tuple[int, int]
    nonzeros: int | None
    dtype: str
    bytes_written: int
    target: Path
    kind: str


@undisturbed
def convert(  # noqa: PLR0913  one keyword for each choice a user has
    source: str | Path,
    target: str | Path,
    *,
    dtype: str | None = None,
    transpose: bool = False,
    chunk_bytes: int = 16 * MIB,
    memory_bytes: int = 1024 * MIB,
    zarr_format: int = 3,
    overwrite: bool = False,
    missing_chunks: str = "error",
    progress: Callable[[int, int], None] | None = None,
) -> ConversionReport:
    """Write the matrix in `source` as a Zarr group in AnnData's layout and return what was written.

    A sparse source becomes a CSR matrix with sorted columns, duplicates summed and explicit zeros dropped;
    a dense one an array in chunks of whole rows. The target appears under its name when it is complete, and
    not at all otherwise; nothing is left beside it. Rows in no order are sorted through temporary files
    beside the target (up to 16 bytes per entry for matrices below 2^32 rows).

    Parameters
    ----------
    source : str or Path
        ``.mtx``, ``.mtx.gz``, ``.npz`` (of ``scipy.sparse.save_npz``), ``.npy``, ``.h5ad``, ``.h5`` (10x),
        or a Zarr store; ``path::layers/counts`` names a matrix other than ``X`` inside an AnnData.
    target : str or Path
        A local directory that does not exist.
    dtype : str, optional
        ``uint8``, ``uint16``, ``uint32``, ``int32``, ``int64``, ``float32`` or ``float64``. By default
        integers in text become the narrowest of the first three and int64 that holds them, real numbers in
        text float32, and other values keep their dtype.
    transpose : bool
        Write columns as rows: Matrix Market files of 10x Genomics are genes × cells.
    chunk_bytes : int
        Decoded size of a chunk.
    memory_bytes : int
        What the work may hold in memory, about, beside a few chunks; 1 MiB at least. A single row must fit.
    zarr_format : {3, 2}
        Of the target.
    overwrite : bool
        Replace a Zarr store at `target`, once the new one is complete.
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
    DnmfError
        The target cannot be written, because the disk is full for example.

    Examples
    --------
    >>> report = convert("matrix.mtx.gz", "counts.zarr", transpose=True)  # doctest: +SKIP
    >>> report.kind, report.dtype  # doctest: +SKIP
    ('csr', 'uint16')
    """
    wanted = None if dtype is None else requested_dtype(dtype)
    settings = Settings(wanted, transpose, chunk_bytes, memory_bytes, zarr_format, progress)
    path, inner = _existing_path(source)
    target = _local_path(target)
    check_apart(path, target)
    try:
        with staged(target, overwrite=overwrite) as staging:
            stream = _open_stream(path, inner, staging.spool, missing_chunks)
            kind, nonzeros, written = write_matrix(stream, staging.target, staging.spool, settings)
            size = sum(file.stat().st_size for file in staging.target.rglob("*") if file.is_file())
    except OSError as error:  # reading errors were named where they happened
        raise DnmfError(f"{target}: cannot be written ({error}); nothing was left there") from error
    shape = stream.shape[::-1] if transpose else stream.shape
    return ConversionReport(shape, nonzeros, written.name, size, target, kind)


def _existing_path(source: str | Path) -> tuple[Path, str]:
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(f"convert reads one file or store by its path; this is a {type(source).__name__}")
    name, _, inner = os.fspath(source).partition("::")
    if "://" in name:
        raise InputError(f"{source}: convert reads local files; download it first")
    path = Path(name)
    if not path.exists():
        raise InputError(f"{path}: there is nothing at this path")
    return path, inner.strip("/")


def _local_path(target: str | Path) -> Path:
    if "://" in str(target) or "::" in str(target):
        raise InputError(f"{target}: convert writes to a local directory; copy it elsewhere afterwards")
    return Path(target)


def _open_stream(path: Path, inner: str, spool: Path, missing_chunks: str) -> MatrixStream:
    with reading(path):
        found = format_of(path)
    if found.use == "read":
        return open_stored(path, inner, missing_chunks)
    if found.use == "neither":
        raise refusal(path)
    if inner:
        raise InputError(f"{path}::{inner}: only Zarr stores and .h5ad files have matrices inside them")
    if found is NPZ:
        return open_npz(path)
    return open_npy(path) if found is NPY else open_matrix_market(path, spool)
