"""Stores larger than memory, written block by block: a dense and a CSR matrix, laid out as ``dnmf convert`` does."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from dnmf.conversion.anndata_layout import OFFSETS_PER_CHUNK

CHUNK_BYTES = 16 * 2**20
GROUPS = 20  # of rows that are alike
DENSE_COLUMNS = 4096
SPARSE_COLUMNS, PER_ROW = 5_120, 256
STRIDE = SPARSE_COLUMNS // PER_ROW  # a row has one entry in each so many columns


def _create(
    folder: Any, name: str, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: str, *, codec: str = "lz4"
) -> Any:
    from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

    compressors = {
        "lz4": [BloscCodec(cname="lz4", clevel=5, shuffle="shuffle"), Crc32cCodec()],
        "zstd": [ZstdCodec(level=0)],  # what zarr writes in format 3 unless told otherwise, and so does anndata
    }[codec]
    return folder.create_array(
        name, shape=shape, chunks=chunks, dtype=dtype, compressors=compressors, config={"write_empty_chunks": True}
    )


def write_dense(path: Path, decoded_bytes: int, seed: int = 0) -> None:
    """Write about so many bytes of float32: rank 20 and noise, in steps of 1/16 so that they compress."""
    import zarr

    rng = np.random.default_rng(seed)
    height = CHUNK_BYTES // (4 * DENSE_COLUMNS)
    n_blocks = max(1, decoded_bytes // CHUNK_BYTES)
    H = rng.gamma(0.5, 1.0, (GROUPS, DENSE_COLUMNS)).astype(np.float32)
    array = _create(
        zarr.open_group(path, mode="w"), "X", (n_blocks * height, DENSE_COLUMNS), (height, DENSE_COLUMNS), "f4"
    )
    for low in range(0, n_blocks * height, height):
        W = rng.gamma(0.5, 1.0, (height, GROUPS)).astype(np.float32)
        noise = rng.random((height, DENSE_COLUMNS), dtype=np.float32)
        array[low : low + height] = np.round(16 * (W @ H + noise)) / 16


def write_csr(path: Path, decoded_bytes: int, seed: int = 0, codec: str = "lz4") -> None:
    """Write about so many bytes of values (float32, small counts) and columns (int32), 256 to a row."""
    import zarr

    rng = np.random.default_rng(seed)
    chunk = CHUNK_BYTES // 4
    height = chunk // PER_ROW
    n_blocks = max(1, decoded_bytes // (2 * CHUNK_BYTES))
    shape = (n_blocks * height, SPARSE_COLUMNS)
    group = zarr.open_group(path, mode="w").create_group("X")
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": list(shape)})
    offsets = _create(group, "indptr", (shape[0] + 1,), (min(chunk // 2, OFFSETS_PER_CHUNK),), "i8", codec=codec)
    offsets[:] = np.arange(shape[0] + 1) * PER_ROW
    data, indices = (_create(group, name, (n_blocks * chunk,), (chunk,), kind, codec=codec)
                     for name, kind in (("data", "f4"), ("indices", "i4")))  # fmt: skip
    levels = rng.integers(1, 9, (GROUPS, PER_ROW), dtype=np.uint8)
    first = np.arange(PER_ROW, dtype=np.int32) * STRIDE
    for low in range(0, n_blocks * chunk, chunk):
        noise = rng.integers(0, 3, (height, PER_ROW), dtype=np.uint8)
        within = np.minimum(*rng.integers(0, STRIDE, (2, height, PER_ROW), dtype=np.uint8))  # some columns are frequent
        data[low : low + chunk] = (levels[rng.integers(0, GROUPS, height)] + noise).astype(np.float32).reshape(-1)
        indices[low : low + chunk] = (first + within).reshape(-1)


def store_matrix(path: Path, matrix: Any) -> None:
    """Write an ndarray or a CSR array that is in memory, in chunks of about 16 MiB; dense ones are blocks of rows."""
    import zarr

    folder = zarr.open_group(path, mode="w")
    if not scipy.sparse.issparse(matrix):
        height = min(len(matrix), max(1, CHUNK_BYTES // matrix[0].nbytes))
        _create(folder, "X", matrix.shape, (height, matrix.shape[1]), matrix.dtype.str)[:] = matrix
        return
    group = folder.create_group("X")
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": list(matrix.shape)})
    chunk = CHUNK_BYTES // 4
    parts = (("indptr", "i8", OFFSETS_PER_CHUNK), ("data", matrix.dtype.str, chunk), ("indices", "i4", chunk))
    for name, dtype, most in parts:
        values = getattr(matrix, name)
        _create(group, name, values.shape, (min(len(values), most),), dtype)[:] = values


STORES: dict[str, Callable[[Path, int], None]] = {
    "dense": write_dense, "csr": write_csr, "csr-zstd": partial(write_csr, codec="zstd"),
}  # fmt: skip
"""What writes each kind of store: a path and about how many decoded bytes."""
