"""A matrix in stores of each kind, a mask and weights beside it, and what is read of them."""

import dask.array as da
import numpy as np
import scipy.sparse
import zarr
from anndata.io import write_elem
from source_contract import COLUMNS, ROWS, as_dense, small_matrix

from dnmf import open_source
from dnmf.sources import CsrRows, Weighted

RNG = np.random.default_rng(7)
MASK = RNG.random((ROWS, COLUMNS)) < 0.7
MASK[2], MASK[:, 3] = False, False
WEIGHTS = RNG.random((ROWS, COLUMNS)) * (RNG.random((ROWS, COLUMNS)) < 0.8)
WEIGHTS[5] = 0


def compressed(kind, chunk=13):
    def write(A, folder):
        write_elem(zarr.open_group(folder / "x.zarr", mode="a"), "X", kind(A), dataset_kwargs={"chunks": (chunk,)})
        return str(folder / "x.zarr::X")

    return write


def dense_store(chunks):
    def write(A, folder):
        zarr.create_array(folder / "x.zarr", data=A, chunks=chunks, config={"write_empty_chunks": True})
        return str(folder / "x.zarr")

    return write


def unsorted(A, folder):
    matrix = scipy.sparse.csr_array(A)
    order = np.concatenate([np.arange(b, a)[::-1] for a, b in zip(matrix.indptr[1:], matrix.indptr[:-1], strict=True)])
    return scipy.sparse.csr_array((matrix.data[order], matrix.indices[order], matrix.indptr), shape=A.shape)


DENSE = {
    "array": lambda A, _: A,
    "int16": lambda A, _: A.astype("i2"),
    "float32": lambda A, _: A.astype("f4"),
    "bool": lambda A, _: A > 0,
    "zarr": dense_store((5, COLUMNS)),
    "zarr in other chunks": dense_store((9, 4)),
    "dask": lambda A, _: da.from_array(A, chunks=(6, 4)),
    "dask in tall chunks": lambda A, _: da.from_array(A, chunks=(14, COLUMNS)),
}
SPARSE = {
    "csr": lambda A, _: scipy.sparse.csr_array(A),
    "unsorted csr": unsorted,
    "csc": lambda A, _: scipy.sparse.csc_array(A),
    "stored csr": compressed(scipy.sparse.csr_array),
    "dask of csr": lambda A, _: da.from_array(A, chunks=(8, COLUMNS)).map_blocks(scipy.sparse.csr_array),
}
KINDS = {**DENSE, **SPARSE}
BESIDE = ("array", "zarr in other chunks", "dask in tall chunks", "csr", "stored csr", "dask of csr")


def folder(tmp_path, name):
    (tmp_path / name).mkdir()
    return tmp_path / name


def of_kinds(tmp_path, kind, *, mask=None, weights=None, A=None):
    """The small matrix as `kind`, with a mask and weights as the kinds that are named."""
    A = small_matrix() if A is None else A
    parts = {"data": (kind, A), "mask": (mask, MASK), "weights": (weights, WEIGHTS)}
    return {
        name: KINDS[kind](values, folder(tmp_path, name)) for name, (kind, values) in parts.items() if kind is not None
    }


def opened(tmp_path, kind, *, missing="refuse", **how):
    return open_source(missing=missing, **of_kinds(tmp_path, kind, **how))


def combined(written, kind, *, missing="refuse", **beside):
    parts = {name: written[each][name] for name, each in beside.items() if each is not None}
    return open_source(written[kind]["data"], missing=missing, **parts)


def unfold(panel, n_columns):
    """Values, which of them were observed, and weights of what a read gave, as dense arrays."""
    rows, weights = panel if isinstance(panel, Weighted) else (panel, None)
    if isinstance(rows, CsrRows):
        seen = as_dense(rows._replace(data=np.ones(len(rows.data))), n_columns) > 0
        dense = as_dense(rows, n_columns)
        of_each = seen * 1.0 if weights is None else as_dense(rows._replace(data=weights), n_columns)
    else:
        seen, dense = ~np.isnan(rows), np.nan_to_num(np.asarray(rows, np.float64))
        of_each = seen * 1.0 if weights is None else weights
    return dense * (of_each > 0), seen & (of_each > 0), of_each


def expected(values, mask=True, weights=None):
    seen = np.broadcast_to(mask, values.shape) & (True if weights is None else weights > 0)
    return values * seen, seen, seen * (1.0 if weights is None else weights)


def assert_reads(source, oracle):
    for start, stop in [(0, ROWS), (0, 1), (3, 20)]:
        for found, known in zip(unfold(source.read(start, stop), COLUMNS), oracle, strict=True):
            np.testing.assert_array_equal(found, known[start:stop])


def values_of(kind):
    return (small_matrix() > 0) * 1.0 if kind == "bool" else small_matrix()
