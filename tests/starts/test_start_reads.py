"""No start reads the data more than twice, wherever it lies and however it is cut."""

import dask.array
import h5py
import numpy as np
import pytest
import scipy.sparse
import zarr

import dnmf
from dnmf import plan, start_memory

pytestmark = pytest.mark.numeric

ROWS, COLUMNS = 2_000, 60


def matrix(heavy):
    """Half-empty rows, of scales that are log-normal where they are to be heavy."""
    rng = np.random.default_rng(0)
    W, H = (rng.random(shape) * (rng.random(shape) < 0.5) for shape in ((ROWS, 4), (4, COLUMNS)))
    A = (W @ H + 0.1 * rng.random((ROWS, COLUMNS))) * (rng.random((ROWS, COLUMNS)) < 0.6)
    return (A * np.exp(3 * heavy * rng.standard_normal(ROWS))[:, None]).astype(np.float32)


def in_zarr(A, folder, chunks, shards=None):
    return zarr.create_array(folder / "a.zarr", data=A, chunks=chunks, shards=shards) and str(folder / "a.zarr")


def in_hdf5(A, folder, chunks):
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("X", data=A, chunks=chunks)
    return f"{folder}/a.h5::X"


def compressed(A, folder, kind, chunk):
    values = getattr(scipy.sparse, f"{kind}_matrix")(A)
    group = zarr.open_group(folder / "s.zarr", mode="w")
    group.attrs.update({"encoding-type": f"{kind}_matrix", "encoding-version": "0.1.0", "shape": list(A.shape)})
    for name in ("data", "indices", "indptr"):
        part = getattr(values, name)
        group.create_array(name, data=part, chunks=(min(chunk, len(part)),))
    return str(folder / "s.zarr")


def mapped(A, folder):
    np.save(folder / "a.npy", A)
    return np.load(folder / "a.npy", mmap_mode="r")


def lazy(A, _, chunks):
    return dask.array.from_array(A, chunks=chunks)


PLACES = {
    "memory": lambda A, _: A,
    "sparse in memory": lambda A, _: scipy.sparse.csr_array(A),
    "npy": mapped,
    **{
        f"zarr {c}": lambda A, to, c=c: in_zarr(A, to, c)
        for c in ((1, 60), (16, 60), (300, 7), (2_000, 1), (2_000, 60))
    },
    "shards": lambda A, to: in_zarr(A, to, (50, 10), (2_000, 10)),
    **{f"hdf5 {c}": lambda A, to, c=c: in_hdf5(A, to, c) for c in (None, (16, 60), (300, 7), (2_000, 1))},
    **{f"dask {c}": lambda A, to, c=c: lazy(A, to, c) for c in ((7, 60), (300, 7), (2_000, 1))},
    **{
        f"{kind} {chunk}": lambda A, to, kind=kind, chunk=chunk: compressed(A, to, kind, chunk)
        for kind in ("csr", "csc")
        for chunk in (100, 2_000, 9_000, 10**6)
    },
}


QUICK = ("memory", "zarr (2000, 1)", "dask (300, 7)", "csr 9000")


@pytest.mark.parametrize(
    "place", [place if place in QUICK else pytest.param(place, marks=pytest.mark.slow) for place in PLACES]
)
@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.broad(1)
def test_a_start_reads_the_data_twice_at_most(tmp_path, monkeypatch, place, heavy):
    monkeypatch.setattr(plan, "LEAST_GROUP_BYTES", 2**16)
    monkeypatch.setattr(start_memory, "REGION_BYTES", 2**15)
    data = PLACES[place](matrix(heavy), tmp_path)
    whole = dnmf.open_source(data).layout().total_bytes
    of_pass = dnmf.fit(data, 4, init="random", max_passes=1).history[0].bytes_read
    for init in ("sample", "surrogate"):
        start = dnmf.fit(data, 4, init=init, max_passes=1).history[0].bytes_read - of_pass
        assert 0 < start <= 2 * whole
