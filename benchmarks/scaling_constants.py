"""The constants of the scaling model, measured on this machine in CPU seconds.

Data and kernels are measured inside a worker process, whose memory is handled as dask's nannies set it up: there a pass
can cost another amount than in a process of the user's.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import scipy.sparse

import dnmf
from dnmf.passes.blas import one_blas_thread
from dnmf.passes.statistics import ModelSums, Statistics, add
from dnmf.passes.visit import visit_group
from dnmf.passes.work import Work
from dnmf.plan import Group
from dnmf.schemes.least_squares import LeastSquares
from dnmf.sources.memory import MemorySource

GB = 1e9
CODECS = ("raw", "lz4", "zstd")
RANKS = (20, 50)
DENSE_COLUMNS, SPARSE_COLUMNS, NONZEROS_A_ROW = 10_000, 30_000, 1000
CHUNK_BYTES = 16 * 2**20
PANEL_BYTES = 64 * 2**20
PLANTED_RANK = 20
TURNS = 5
WIRE_BYTES = 128 * 2**20
LEAST_SQUARES = LeastSquares()


def planted_dense(rows: int) -> np.ndarray:
    """Return a product of sparse non-negative factors plus noise (rows × 10,000), float32."""
    rng = np.random.default_rng(1)
    W, H = (_gamma_factor(rng, rows), _gamma_factor(rng, DENSE_COLUMNS).T)
    A = W @ H
    A += 0.1 * rng.random(A.shape, dtype=np.float32)
    return A


def planted_sparse(rows: int) -> scipy.sparse.csr_array:
    """Return counts (rows × 30,000), about a thousand a row, whose expectation is a product of sparse factors."""
    rng = np.random.default_rng(2)
    H = _gamma_factor(rng, SPARSE_COLUMNS).T * rng.lognormal(sigma=1.5, size=SPARSE_COLUMNS).astype(np.float32)
    blocks = []
    for low in range(0, rows, 500):
        mean = _gamma_factor(rng, min(500, rows - low)) @ H
        mean *= 1.3 * NONZEROS_A_ROW / mean.sum(axis=1, keepdims=True).clip(1e-6)
        counts = scipy.sparse.csr_array(rng.random(mean.shape, dtype=np.float32) < 1 - np.exp(-mean)).astype(np.float32)
        counts.data += rng.geometric(0.7, len(counts.data)) - 1
        blocks.append(counts)
    return scipy.sparse.csr_array(scipy.sparse.vstack(blocks))


def _gamma_factor(rng: np.random.Generator, rows: int) -> np.ndarray:
    kept = rng.random((rows, PLANTED_RANK), dtype=np.float32) < 0.3
    return (rng.gamma(1.0, size=(rows, PLANTED_RANK)) * kept).astype(np.float32)


def store(matrix: Any, path: Path, codec: str) -> float:
    """Write a matrix as Zarr, an array or a CSR group as AnnData has it, and return stored bytes a decoded byte."""
    import zarr
    from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

    compressors = {
        "raw": None,
        "lz4": [BloscCodec(cname="lz4", clevel=5, shuffle="shuffle"), Crc32cCodec()],  # as dnmf convert does
        "zstd": [ZstdCodec(level=1)],
    }[codec]
    if isinstance(matrix, np.ndarray):
        rows = max(1, CHUNK_BYTES // matrix[:1].nbytes)
        zarr.create_array(path, data=matrix, chunks=(rows, matrix.shape[1]), compressors=compressors)
        decoded = matrix.nbytes
    else:
        group = zarr.open_group(path, mode="w")
        group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": list(matrix.shape)})
        parts = {"data": matrix.data, "indices": matrix.indices.astype(np.int32), "indptr": matrix.indptr.astype("i8")}
        for name, values in parts.items():
            chunk = min(len(values), CHUNK_BYTES // values.itemsize)
            group.create_array(name, data=values, chunks=(chunk,), compressors=compressors)
        decoded = sum(values.nbytes for values in parts.values())
    stored = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return min(1.0, stored / decoded)  # the last chunk is stored whole, which matters only in something so small


def cpu_of(work: Callable[[], Any], turns: int = TURNS) -> float:
    """Return the CPU seconds of `work`, all threads of this process: the median of some turns after a first one."""
    work()
    taken = []
    for _ in range(turns):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return median(taken)


def decode_cpu(path: Path) -> float:
    """CPU seconds a decoded GB, read panel by panel as a visit reads."""
    source = dnmf.open_source(path)
    step = max(1, int(source.shape[0] * PANEL_BYTES / source.layout().total_bytes))
    decoded = []

    def read_all() -> None:
        part = source.for_rows(0, source.shape[0])
        decoded.append(
            sum(part.read(low, min(low + step, part.shape[0])).nbytes for low in range(0, part.shape[0], step))
        )

    return cpu_of(read_all) / (decoded[0] / GB)


def compute_cpu(matrix: Any, rank: int) -> tuple[float, Statistics, np.ndarray]:
    """CPU seconds a GB of a visit whose rows are in memory, its sums and its H, two updates after a random one."""
    source = MemorySource(matrix)
    group = Group(0, source.shape[0], ((0, source.shape[0]),))
    H = np.random.default_rng(3).random((rank, source.shape[1]), dtype=np.float32)
    sums = None
    for _ in range(3):
        H = H if sums is None else LEAST_SQUARES.update(sums.models[0], H).H
        work = Work((LEAST_SQUARES.visitor(H),), "float32")
        sums = visit_group(source, group, work)
    assert sums is not None
    return cpu_of(lambda: visit_group(source, group, work)) / (sums.bytes_read / GB), sums, H


def update_cpu(sums: Statistics, H: np.ndarray) -> float:
    """CPU seconds of what the client does between two passes: the objective, the next H, its problem."""
    squares = 2 * float(np.vdot(sums.models[0].P.T, H))  # any number serves

    def between() -> None:
        LEAST_SQUARES.measure(sums.models[0], H, squares)
        LEAST_SQUARES.visitor(LEAST_SQUARES.update(sums.models[0], H).H)

    with one_blas_thread():
        return cpu_of(between, 3)


def add_cpu(columns: int, rank: int) -> float:
    """CPU seconds to add a GB of statistics to another."""
    one, two = (Statistics([ModelSums.zeros(rank, columns)]) for _ in range(2))
    return cpu_of(lambda: add(one, two)) / (8 * columns * rank / GB)


@contextmanager
def _workers(count: int) -> Iterator[Any]:
    import dask
    from distributed import Client, LocalCluster

    from dnmf.cluster import SAFE_DEFAULTS

    with (
        dask.config.set(SAFE_DEFAULTS),
        LocalCluster(n_workers=count, threads_per_worker=1, memory_limit=0, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def wire_cpu() -> float:
    """CPU seconds, of both ends, to bring a GB from one worker process to another."""
    from distributed import wait

    with _workers(2) as client:
        here, there = client.nthreads()
        taken = []
        for _ in range(TURNS):
            values = client.submit(np.ones, WIRE_BYTES // 8, workers=[here], pure=False)
            with client.as_current():
                wait(values)
                before = sum(client.run(time.process_time).values())
                wait(client.submit(len, values, workers=[there], pure=False))
            taken.append(sum(client.run(time.process_time).values()) - before)
    return median(taken) / (WIRE_BYTES / GB)


def measure_constants(rows: dict[str, int]) -> dict[str, Any]:
    """Return what data, kernels and sums cost in worker processes.

    Parameters
    ----------
    rows : dict
        Of the dense and of the sparse matrix that is made for it.
    """
    with _workers(1) as client:
        found = client.submit(data_constants, rows).result()
    return {**found, "wire_s": wire_cpu()}


def data_constants(rows: dict[str, int]) -> dict[str, Any]:
    """Return the same, but for what travels, for the process it is called in."""
    found: dict[str, Any] = {name: {} for name in ("decode", "stored", "compute")}
    updates = []
    for kind, make in (("dense", planted_dense), ("sparse", planted_sparse)):
        matrix = make(rows[kind])
        found["decode"][kind], found["stored"][kind] = _storage_constants(matrix)
        found["compute"][kind] = {}
        for rank in RANKS:
            seconds, sums, H = compute_cpu(matrix, rank)
            found["compute"][kind][str(rank)] = seconds
            updates.append({"columns": matrix.shape[1], "rank": rank, "cpu_s": update_cpu(sums, H)})
    sizes = np.array([update["columns"] * update["rank"] ** 2 for update in updates], float)
    taken = np.array([update["cpu_s"] for update in updates])
    found |= {"updates": updates, "update_s": float(sizes @ taken / (sizes @ sizes))}
    return {**found, "add_s": add_cpu(SPARSE_COLUMNS, RANKS[-1])}


def _storage_constants(matrix: Any) -> tuple[dict[str, float], dict[str, float]]:
    decode, stored = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for codec in CODECS:
            path = Path(folder) / f"{codec}.zarr"
            stored[codec] = store(matrix, path, codec)
            decode[codec] = decode_cpu(path)
    return decode, stored
