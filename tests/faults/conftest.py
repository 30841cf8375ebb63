"""What the tests of faults share: stores that are cut into many tasks, bits to compare, and ways to do harm."""

import hashlib
import os
import signal
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import scipy.sparse
import zarr

import dnmf
import dnmf.plan

GROUP_BYTES, PANEL_BYTES = 2**18, 2**16


def _matrix(n_rows, n_columns, density, seed):
    rng = np.random.default_rng(seed)
    W = rng.random((n_rows, 4)) * (rng.random((n_rows, 4)) < 0.5)
    H = rng.random((4, n_columns)) * (rng.random((4, n_columns)) < 0.6)
    noise = 0.1 * rng.random((n_rows, n_columns))
    return ((W @ H + noise) * (rng.random((n_rows, n_columns)) < density)).astype(np.float32)


def write_dense(path, values, chunks):
    zarr.create_array(path, data=values, chunks=chunks, config={"write_empty_chunks": True})
    return path


def write_csr(path, matrix):
    """AnnData's layout, with nothing but zarr."""
    group = zarr.open_group(path, mode="w").create_group("X")
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": list(matrix.shape)})
    for name in ("data", "indices", "indptr"):
        group.create_array(name, data=getattr(matrix, name), chunks=(8_000,), config={"write_empty_chunks": True})
    return path


@pytest.fixture(scope="session")
def dense_store(tmp_path_factory):
    """A dense matrix (6001 × 128, float32) of twelve groups of four panels, the last of them smaller."""
    path = tmp_path_factory.mktemp("dense") / "dense.zarr"
    return write_dense(path, _matrix(6001, 128, 1.0, 1), (64, 128))


@pytest.fixture(scope="session")
def csr_store(tmp_path_factory):
    """A CSR matrix (9001 × 150) of about a dozen groups, whose chunks have nothing to do with its rows."""
    matrix = scipy.sparse.csr_array(_matrix(9001, 150, 0.25, 2))
    return write_csr(tmp_path_factory.mktemp("csr") / "csr.zarr", matrix)


def cut_into_many_groups(patch):
    """Let plans cut small matrices as they cut large ones. A plan is made here and travels: workers need no patch."""
    patch.setattr(dnmf.plan, "LEAST_GROUP_BYTES", GROUP_BYTES)
    patch.setattr(dnmf.plan, "MOST_PANEL_BYTES", PANEL_BYTES)


@pytest.fixture
def many_groups(monkeypatch):
    """Plans have many groups, as those of large matrices."""
    cut_into_many_groups(monkeypatch)


def fit_undisturbed(source, options, *, fit=dnmf.fit, tasks=4):
    """Return what a fit in process, on one thread, comes to; it has so many groups at least, of three panels each."""
    planned = []
    with pytest.MonkeyPatch.context() as patch:
        cut_into_many_groups(patch)
        patch.setattr("dnmf.passes.threads._processors", lambda: 1)
        found = fit(source, **options, callbacks=(planned.append,))
    assert planned[0].tasks >= tasks
    assert planned[0].panels >= 3 * planned[0].tasks
    return found


@pytest.fixture(scope="session")
def alone():
    """The function that fits undisturbed, for what other fits must be equal to."""
    return fit_undisturbed


def bits_of(model):
    """A digest of W, d, H and of every objective and gradient on the way."""
    passes = np.array([(record.objective, record.gradient) for record in model.history])
    digests = {}
    for name, values in {"W": model.read_W(), "d": model.d, "H": model.H, "passes": passes}.items():
        digests[name] = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:12]
    return digests


@pytest.fixture(scope="session")
def bits():
    """The function that turns a model into what must be equal."""
    return bits_of


def worker_pids(client):
    """The process of every worker, by address."""
    return client.run(os.getpid)


def _slow_reads(seconds):
    """Let every read of a stored array on a worker take longer; nested functions travel by value."""

    def patch(seconds=seconds):
        import time

        from dnmf.sources.stored import StoredArray

        read = getattr(StoredArray.read, "original", StoredArray.read)

        def slow(self, start, stop):
            time.sleep(seconds)
            return read(self, start, stop)

        slow.original = read
        StoredArray.read = slow if seconds else read

    return patch


@contextmanager
def slowed(client, seconds=0.02, *, for_ever=False):
    """Make passes last long enough to be disturbed."""
    client.run(_slow_reads(seconds))
    try:
        yield
    finally:
        if not for_ever:
            client.run(_slow_reads(0))


def _at_work():
    """Which workers have tasks, and how many tasks of the pass are done."""

    def look(dask_scheduler):
        done = sum(ts.state == "memory" for key, ts in dask_scheduler.tasks.items() if "dnmf-visit" in str(key))
        return done, [address for address, worker in dask_scheduler.workers.items() if worker.processing]

    return look


class KillsWorkers:
    """A callback that kills workers with SIGKILL in the middle of the pass after a given one.

    Parameters
    ----------
    client : Client
        Of the cluster.
    after_pass : int
        0 is the start.
    everyone : bool
        All workers, or one that is at work.
    """

    def __init__(self, client, after_pass, everyone=False):
        self.client, self.after_pass, self.everyone = client, after_pass, everyone
        self.pids, self.killed, self.done_before = worker_pids(client), [], 0
        self._thread = threading.Thread(target=self._strike)

    def __call__(self, event):
        if type(event).__name__ == "PassProgress":
            return
        number = {"Started": 0}.get(type(event).__name__, getattr(getattr(event, "record", event), "number", -1))
        if number == self.after_pass:
            self._thread.start()

    def _strike(self):
        for _ in range(2000):
            self.done_before, busy = self.client.run_on_scheduler(_at_work())
            if busy and self.done_before >= 2:
                break
            time.sleep(0.005)
        for address in self.pids if self.everyone else busy[:1]:
            os.kill(self.pids[address], signal.SIGKILL)
            self.killed.append(address)

    def check(self):
        """It did strike, in mid-pass."""
        self._thread.join()
        assert len(self.killed) == (len(self.pids) if self.everyone else 1)
        assert self.done_before >= 2


@pytest.fixture(scope="module")
def one_worker():
    """A client of one worker of two threads, in this process."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def kill_workers():
    return KillsWorkers


@pytest.fixture
def slow():
    return slowed
