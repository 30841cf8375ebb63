"""Models made of given or random factors, in memory or with W in a Zarr array of small chunks."""

from dataclasses import replace

import numpy as np

from dnmf.model import Model
from dnmf.options import FitOptions
from dnmf.passes.rows_out import create_rows_array, open_for_writing
from dnmf.sources.stored_factor import StoredFactor


def model_of(W, H, dtype="float64"):
    """Return the model with these factors, normalized as a fit's are."""
    W, H = np.asarray(W, dtype), np.asarray(H, dtype)
    of_W, of_H = W.sum(axis=0, dtype=np.float64), H.sum(axis=1, dtype=np.float64)
    W, H = (np.divide(X, s, out=np.zeros_like(X), where=s > 0) for X, s in ((W, of_W), (H, of_H[:, None])))
    d = of_W * of_H
    return Model(W, d, H, (d > 0).astype(np.float64), d, FitOptions(len(d), dtype=dtype))


def random_model(rows=40, columns=12, rank=3, seed=0, dead=(), dtype="float64"):
    """Return a model of sparse random factors; the components in `dead` are zero."""
    rng = np.random.default_rng(seed)
    W = rng.random((rows, rank)) * (rng.random((rows, rank)) < 0.6)
    H = rng.random((rank, columns)) * (rng.random((rank, columns)) < 0.6)
    W[:, list(dead)], H[list(dead)] = 0, 0
    return model_of(W, H, dtype)


def stored(model, folder, chunk_rows=7):
    """Return the model with its W in a Zarr array of chunks of so many rows."""
    path = folder / "W-chunked.zarr"
    create_rows_array(str(path), model.stored_W.shape, chunk_rows, str(model.stored_W.dtype))
    open_for_writing(str(path))[:] = model.stored_W
    return replace(model, stored_W=StoredFactor(path), path=folder)


class Watched:
    """An array with chunks that says in which pieces it is read, and refuses to be read in too large ones."""

    def __init__(self, values, chunk_rows, most_rows):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.chunks, self.most_rows, self.reads = (chunk_rows, values.shape[1]), most_rows, []

    def __getitem__(self, rows):
        start, stop, step = rows.indices(len(self.values))
        assert step == 1
        assert stop - start <= self.most_rows, "more rows at once than allowed"
        self.reads.append((start, stop))
        return self.values[rows]


def watched(model, chunk_rows=7, most_rows=None):
    """Return the model with its W watched; no more rows than a chunk may be read at once, or than `most_rows`."""
    return replace(model, stored_W=Watched(model.stored_W, chunk_rows, most_rows or chunk_rows))
