"""Fixtures every test may use: shared data where it is at hand, small real clusters, deterministic matrices."""

import gc
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from breadth import mark_all_but_some
from hypothesis import settings

settings.register_profile("unhurried", deadline=None)  # a machine under load fails no test
settings.load_profile("unhurried")

SHARED = Path(__file__).resolve().parents[2] / "shared"


QUIET = {  # else what idle processes look after, fifty times a second, costs more than the tests
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.worker.memory.monitor-interval": "2s",
}


@pytest.hookimpl(tryfirst=True)  # before those are left out that are slow
def pytest_collection_modifyitems(items):
    mark_all_but_some(items)


def pytest_collection_finish():
    """What was collected and imported stays to the end: no collection of garbage need go through it again."""
    gc.collect()
    gc.freeze()


def _shared(kind: str) -> Path:
    folder = SHARED / kind
    if not folder.is_dir():
        pytest.skip(f"the folder ../shared/{kind} is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real matrices; the test is skipped where they are not at hand."""
    return _shared("data")


@pytest.fixture(scope="session")
def golden() -> Path:
    """Reference numbers of other programs; the test is skipped where they are not at hand."""
    return _shared("golden")


@pytest.fixture(scope="session")
def hawaiibirds(shared_data):
    """Species frequencies, grids × species (1183 × 183), CSR float64."""
    from scipy.io import mmread

    return scipy.sparse.csr_array(mmread(shared_data / "hawaiibirds_counts.mtx.gz").T)


@pytest.fixture(scope="session")
def pbmc3k(shared_data):
    """UMI counts, cells × genes (2638 × 13714), CSR."""
    from scipy.io import mmread

    return scipy.sparse.csr_array(mmread(shared_data / "pbmc3k_counts.mtx.gz").T)


@pytest.fixture(scope="session")
def movielens(shared_data):
    """Ratings, users × movies (610 × 3867), CSR."""
    from scipy.io import mmread

    return scipy.sparse.csr_array(mmread(shared_data / "movielens_ratings.mtx.gz").T)


@pytest.fixture(scope="session")
def planted():
    """A noisy planted matrix (600 × 80, rank 5), about half of it zeros, float64."""
    rng = np.random.default_rng(7)
    W = rng.random((600, 5)) * (rng.random((600, 5)) < 0.5)
    H = rng.random((5, 80)) * (rng.random((5, 80)) < 0.5)
    return np.maximum(W @ H + 0.05 * (rng.random((600, 80)) - 0.7), 0)


@pytest.fixture(scope="session")
def cluster():
    """A LocalCluster of three worker processes, one thread each."""
    import dask
    from distributed import LocalCluster

    from dnmf.cluster import WORKERS_COME_BACK

    with dask.config.set(QUIET):
        cluster = LocalCluster(n_workers=3, threads_per_worker=1, memory_limit="2GiB", dashboard_address=None)
    with cluster, dask.config.set(WORKERS_COME_BACK):  # it is asked for when a worker dies
        yield cluster


@pytest.fixture
def client(cluster):
    """A client of the cluster that is not the current one: tests pass it on explicitly."""
    from distributed import Client

    with Client(cluster, set_as_default=False) as client:
        yield client
