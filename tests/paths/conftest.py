"""A matrix in stores, and a path of it."""

import pytest
import scipy.sparse
import zarr
from study_bits import L1, RANK, STRENGTHS

import dnmf


@pytest.fixture(scope="module")
def stored(planted, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "planted.zarr"
    zarr.create_array(path, data=planted, chunks=(64, 80), config={"write_empty_chunks": True})
    return str(path)


@pytest.fixture(scope="module")
def stored_csc(planted, tmp_path_factory):
    """The same matrix by columns, as AnnData stores it."""
    path = tmp_path_factory.mktemp("data") / "csc.zarr"
    matrix = scipy.sparse.csc_array(planted)
    group = zarr.open_group(path, mode="w").create_group("X")
    group.attrs.update({"encoding-type": "csc_matrix", "encoding-version": "0.1.0", "shape": list(matrix.shape)})
    for name in ("data", "indices", "indptr"):
        group.create_array(name, data=getattr(matrix, name), chunks=(4_000,), config={"write_empty_chunks": True})
    return str(path)


@pytest.fixture(scope="module")
def found(stored, tmp_path_factory):
    """A path of two seeds in a store, and its events."""
    events, store = [], tmp_path_factory.mktemp("run") / "p.dnmf"
    path = dnmf.path(stored, RANK, L1, STRENGTHS, seeds=2, store=store, callbacks=[events.append])
    return path, events
