"""Two workers against one, measured: ``python -m benchmarks.workers`` writes ``workers.json`` and its table.

Workers are processes of one thread. While a thread computes, its visit reads ahead in a second one, so a single
worker that is free to roam uses more than one core; on a machine of two cores a second worker then finds half of its
core taken. So each store is measured twice: workers free, and each worker kept on a core of its own with all of its
threads, which is what "a worker" means where workers are many. Data comes from the page cache, never from memory of
the worker (``keep="stream"``): what is measured is decoding, computing and adding up, not a disk.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import dnmf
from benchmarks.scaling_constants import CHUNK_BYTES, DENSE_COLUMNS, planted_dense, planted_sparse

RESULTS = Path(__file__).with_name("workers.json")
MEMORY_LIMIT = "4GiB"
BLOCK_ROWS = {"dense": 10 * (CHUNK_BYTES // (4 * DENSE_COLUMNS)), "sparse": 4000}  # written again and again
STORES = (("dense", "raw"), ("dense", "lz4"), ("sparse", "raw"), ("sparse", "lz4"))


@dataclass(frozen=True)
class Compared:
    """One worker and two on one store.

    Attributes
    ----------
    name : str
        The store.
    decoded_gb : float
        Its size.
    pinned : bool
        Whether each worker had a core of its own.
    passes : int
        That were timed with each number of workers.
    wall_1, wall_2 : float
        Seconds a pass with one worker and with two, medians.
    wall_apart : float
        Seconds a pass of two fits that share nothing but the machine, each with one worker, at the same time: twice
        `wall_1` over this is what two workers could reach at best here.
    cpu_1, cpu_2 : float
        CPU seconds a pass of the workers.
    visits_1, visits_2 : float
        Seconds a pass inside visits, added up over the workers: two workers whose visits take no longer but whose
        passes are not twice as fast were waiting for something.
    objective : float
        After the last pass.
    same_bits : bool
        Whether every pass had the same objective with one worker and with two.
    """

    name: str
    decoded_gb: float
    pinned: bool
    passes: int
    wall_1: float
    wall_2: float
    wall_apart: float
    cpu_1: float
    cpu_2: float
    visits_1: float
    visits_2: float
    objective: float
    same_bits: bool


class Runs:
    """The passes of all fits with one number of workers; a callback of the fits."""

    def __init__(self, client: Any, rank: int):
        self._rank = rank
        self.client, self.walls, self.cpus, self.visits = client, [], [], []
        self.objectives: list[float] = []
        self._cpu_before = 0.0

    def fit(self, path: Path, passes: int) -> None:
        """Factorize once; the first pass also checks the values and the last one writes W, so neither is timed."""
        self._cpu_before = self._cpu_seconds()
        begun = len(self.cpus)
        model = dnmf.fit(path, self._rank, init="random", tol=0.0, max_passes=passes, client=self.client, keep="stream",
                         callbacks=(self,))  # fmt: skip
        timed = model.history[1:-1]
        self.walls += [record.seconds for record in timed]
        self.visits += [record.read_s + record.compute_s for record in timed]
        self.cpus[begun:] = self.cpus[begun + 1 : begun + passes - 1]
        self.objectives = [record.objective for record in model.history]

    def __call__(self, event: Any) -> None:
        """Note what the workers used since the pass before."""
        if isinstance(event, dnmf.fitting.events.PassDone):
            now = self._cpu_seconds()
            self.cpus.append(now - self._cpu_before)
            self._cpu_before = now

    def _cpu_seconds(self) -> float:
        return sum(self.client.run(time.process_time).values())


def write_store(path: Path, kind: str, codec: str, gigabytes: float) -> float:
    """Write a planted matrix, one block of rows again and again, and return its decoded GB."""
    import zarr
    from zarr.codecs import BloscCodec, Crc32cCodec

    block = planted_dense(BLOCK_ROWS["dense"]) if kind == "dense" else planted_sparse(BLOCK_ROWS["sparse"])
    one = block.nbytes if kind == "dense" else 8 * block.nnz
    times = max(1, round(gigabytes * 1e9 / one))
    compressors = [BloscCodec(cname="lz4", clevel=5, shuffle="shuffle"), Crc32cCodec()] if codec == "lz4" else None
    if kind == "dense":
        rows = CHUNK_BYTES // (4 * DENSE_COLUMNS)
        array = zarr.create_array(path, shape=(times * len(block), DENSE_COLUMNS), chunks=(rows, DENSE_COLUMNS),
                                  dtype="float32", compressors=compressors)  # fmt: skip
        for i in range(times):
            array[i * len(block) : (i + 1) * len(block)] = block
        return times * one / 1e9
    group = zarr.open_group(path, mode="w")
    shape = [times * block.shape[0], block.shape[1]]
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": shape})
    for name, values in (("data", block.data), ("indices", block.indices.astype(np.int32))):
        group.create_array(name, data=np.tile(values, times), chunks=(CHUNK_BYTES // 4,), compressors=compressors)
    lengths = np.tile(np.diff(block.indptr), times)
    group.create_array("indptr", data=np.append(0, np.cumsum(lengths)).astype("i8"), compressors=compressors)
    return times * one / 1e9


@contextmanager
def workers(count: int, cores: list[int] | None) -> Iterator[Any]:
    """Yield the client of so many workers of one thread, each on one of `cores` where these are given."""
    import dask
    from distributed import Client, LocalCluster

    from dnmf.cluster import SAFE_DEFAULTS

    with (
        dask.config.set(SAFE_DEFAULTS),
        LocalCluster(
            n_workers=count, threads_per_worker=1, memory_limit=MEMORY_LIMIT, dashboard_address=":0"
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        for number, address in enumerate(client.nthreads() if cores else ()):
            client.run(_stay_on, cores[number % len(cores)], workers=[address])
        yield client


def _stay_on(core: int) -> None:
    """Keep every thread of this process, and those that they will start, on one core."""
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), {core})


def compare(path: Path, name: str, decoded_gb: float, pinned: bool, how: argparse.Namespace) -> Compared:
    """Return what passes over a store take with one worker and with two, which take turns."""
    cores = sorted(os.sched_getaffinity(0)) if pinned else None
    last = cores[::-1] if cores else None
    with workers(1, cores) as one, workers(1, last) as other, workers(2, cores) as two, ThreadPoolExecutor(2) as pool:
        alone, both = Runs(one, how.rank), Runs(two, how.rank)
        apart = Runs(one, how.rank), Runs(other, how.rank)
        for _ in range(how.turns):
            alone.fit(path, how.passes)
            both.fit(path, how.passes)
            list(pool.map(lambda runs: runs.fit(path, how.passes), apart))
    return Compared(
        name, decoded_gb, pinned, len(alone.walls), median(alone.walls), median(both.walls),
        median(apart[0].walls + apart[1].walls), median(alone.cpus), median(both.cpus), median(alone.visits),
        median(both.visits), alone.objectives[-1], alone.objectives == both.objectives,
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and unless it was only a try write the table."""
    from benchmarks import scaling_page
    from benchmarks.suite import environment

    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=5.0, help="decoded size of each store (%(default)s)")
    parser.add_argument("--rank", type=int, default=20, help="components (%(default)s)")
    parser.add_argument("--passes", type=int, default=6, help="of a fit; two of them are not timed (%(default)s)")
    parser.add_argument("--turns", type=int, default=2, help="fits with each number of workers (%(default)s)")
    parser.add_argument("--only", metavar="STORE", action="append", help="such as 'dense raw' (repeatable)")
    parser.add_argument("--try", dest="only_try", action="store_true", help="print, write nothing")
    how = parser.parse_args(arguments)
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        parser.error("two workers against one needs two cores, on a system that can keep a process on one")
    found = []
    for kind, codec in STORES:
        if how.only and f"{kind} {codec}" not in how.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "store.zarr"
            size = write_store(path, kind, codec, how.gigabytes)
            for pinned in (True, False):
                one = compare(path, f"{kind} {codec}", size, pinned, how)
                print(f"{one.name}, {size:.1f} GB, {'own cores' if pinned else 'free'}: {one.wall_1:.2f} / "
                      f"{one.wall_2:.2f} s = {one.wall_1 / one.wall_2:.2f} (two fits apart: "
                      f"{2 * one.wall_1 / one.wall_apart:.2f}); CPU {one.cpu_1:.2f}, {one.cpu_2:.2f} s; "
                      f"in visits {one.visits_1:.2f}, {one.visits_2:.2f} s; "
                      f"{'same bits' if one.same_bits else 'DIFFERENT BITS'}", flush=True)  # fmt: skip
                found.append(asdict(one))
    if not how.only_try:
        record = {"environment": environment(), "rank": how.rank, "measurements": found}
        RESULTS.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        scaling_page.write(scaling_page.read_results())


if __name__ == "__main__":
    from benchmarks.workers import main as main_of_the_module  # whose functions workers can import

    main_of_the_module()
