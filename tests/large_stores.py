"""Stores of a size that no test has the time to write: most of their chunks are links to a few."""

import os

import numpy as np
import zarr


def link_chunks(chunk, written, count):
    """Let all chunks but those written be links to them, over and over: large data in little time and room."""
    for number in range(written, count):
        chunk(number).parent.mkdir(parents=True, exist_ok=True)
        os.link(chunk(number % written), chunk(number))


def write_dense(path, shape, chunk_rows, rank, seed=0, most_written=8):
    """Low rank and noise, block by block, the same blocks over and over; none is compressed."""
    rng = np.random.default_rng(seed)
    H = rng.random((rank, shape[1]), dtype=np.float32)
    array = zarr.create_array(path, shape=shape, chunks=(chunk_rows, shape[1]), dtype="f4", compressors=None)
    count = -(-shape[0] // chunk_rows)
    written = min(count, most_written)
    for low in range(0, written * chunk_rows, chunk_rows):
        rows = min(chunk_rows, shape[0] - low)
        block = rng.random((rows, rank), dtype=np.float32) @ H
        array[low : low + rows] = block + rng.random(block.shape, dtype=np.float32)
    link_chunks(lambda number: path / "c" / str(number) / "0", written, count)


def write_cube(path, shape, chunks, rank, seed=0, written_rows=16_000):
    """A product of factors of three axes, its first rows over and over; none is compressed."""
    rng = np.random.default_rng(seed)
    short = [rng.gamma(0.5, size=(length, rank)).astype(np.float32) for length in shape[1:]]
    W = rng.gamma(0.5, size=(written_rows, rank)).astype(np.float32)
    array = zarr.create_array(path, shape=shape, chunks=chunks, dtype="f4", compressors=None)
    for start in range(0, written_rows, 8_000):
        array[start : start + 8_000] = np.einsum("iq,jq,kq->ijk", W[start : start + 8_000], *short)
    others = [f"{j}/{k}" for j in range(-(-shape[1] // chunks[1])) for k in range(-(-shape[2] // chunks[2]))]
    for other in others:
        link_chunks(lambda number: path / "c" / f"{number}/{other}", written_rows // chunks[0], shape[0] // chunks[0])  # noqa: B023


def write_csr(path, shape, per_row, chunk, seed=0, denser=8):
    """A CSR matrix in AnnData's layout, written in runs of rows; `per_row` values in each, some rows much longer."""
    rng = np.random.default_rng(seed)
    lengths = np.full(shape[0], per_row)
    lengths[: shape[0] // 50] *= denser  # a dense corner: panels are cut by values, not by rows
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    group = zarr.open_group(path, mode="w")
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": list(shape)})
    group.create_array("indptr", data=indptr, chunks=(chunk,))
    parts = {
        name: group.create_array(name, shape=(int(indptr[-1]),), chunks=(chunk,), dtype=dtype)
        for name, dtype in (("data", "f4"), ("indices", "i4"))
    }
    for low in range(0, shape[0], 2000):
        high = min(low + 2000, shape[0])
        first, last = indptr[low], indptr[high]
        steps = shape[1] // lengths[low:high]
        within = np.arange(first, last) - np.repeat(indptr[low:high], lengths[low:high])
        parts["indices"][first:last] = (within * np.repeat(steps, lengths[low:high])).astype(np.int32)
        parts["data"][first:last] = rng.random(last - first, dtype=np.float32)


def write_dense_in_large_chunks(path):
    """Chunks of 61 MiB whose files are of a sixth of that."""
    rng = np.random.default_rng(0)
    H = rng.random((10, 2_000), dtype=np.float32)
    array = zarr.create_array(path, shape=(48_000, 2_000), chunks=(8_000, 2_000), dtype="f4")
    for low in range(0, 48_000, 8_000):
        array[low : low + 8_000] = np.round(8 * rng.random((8_000, 10), dtype=np.float32) ** 4 @ H) / 8


def write_counts(path, shape, per_row, rows=20_000):
    """A CSR matrix of counts of eight bytes, many times as large as its files: the same rows over and over."""
    rng = np.random.default_rng(0)
    indptr = np.arange(0, shape[0] * per_row + 1, per_row)
    group = zarr.open_group(path, mode="w")
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": list(shape)})
    group.create_array("indptr", data=indptr, chunks=(2**20,))
    step, chunks = shape[1] // per_row, 8  # of each run of rows
    columns = step * np.arange(per_row, dtype="i4") + rng.integers(0, step, (rows, per_row), dtype="i4")
    counts = 1 + rng.poisson(1.0, (rows, per_row)).astype("f8")
    for name, values in (("indices", columns.astype("i8")), ("data", counts)):
        whole = {"shape": (int(indptr[-1]),), "chunks": (values.size // chunks,), "dtype": values.dtype}
        group.create_array(name, **whole)[: values.size] = values.ravel()
        link_chunks(lambda number, name=name: path / name / "c" / str(number), chunks, chunks * shape[0] // rows)
