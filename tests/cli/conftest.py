"""A small matrix on disk, a finished run of it, and one that was stopped half way."""

import numpy as np
import pytest
import zarr

import dnmf


@pytest.fixture(scope="session")
def values():
    return np.random.default_rng(0).random((300, 40), dtype=np.float32)


@pytest.fixture(scope="session")
def data(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("data") / "a.zarr"
    zarr.create_array(path, data=values, chunks=(50, 40))
    return str(path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, data):
    """The store of a finished run: rank 3, 5 passes."""
    store = str(tmp_path_factory.mktemp("run") / "a.dnmf")
    dnmf.fit(data, rank=3, store=store, tol=0, max_passes=5)
    return store


@pytest.fixture
def half_way(tmp_path, data):
    """The store of a run that was stopped after 2 of 6 passes."""

    def stop(event):
        if getattr(event, "record", None) and event.record.number == 2:
            raise KeyboardInterrupt

    store = str(tmp_path / "half.dnmf")
    with pytest.raises(KeyboardInterrupt):
        dnmf.fit(data, rank=3, store=store, tol=0, max_passes=6, callbacks=[stop])
    return store
