"""One door for every kind of input: a path, a URL, an array, an AnnData, a DataArray."""

import os
from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.sources.compressed import CompressedSource
from dnmf.sources.dense import DenseSource
from dnmf.sources.memory import MemorySource
from dnmf.sources.source import Source, names_of
from dnmf.sources.stored import StoredArray, open_root

COMPRESSED = {"csr_matrix": False, "csc_matrix": True}


def open_source(data: Any, *, missing_chunks: str = "error") -> Source:
    """Return a :class:`~dnmf.sources.source.Source` for whatever holds a matrix.

    Parameters
    ----------
    data : str, path, array, AnnData, DataArray, DataFrame or Source
        A path or URL of a Zarr array, of an AnnData store (Zarr or .h5ad; ``X`` unless
        ``path::layers/counts`` names another matrix); a numpy, scipy sparse, ``sparse`` or dask array; an
        AnnData (in memory or backed); an xarray DataArray; a pandas DataFrame.
    missing_chunks : {"error", "zeros"}
        What an absent chunk of a stored array means.

    Raises
    ------
    InputError
        Nothing is there, it is not a matrix of real numbers, or it cannot be read in parts.

    Examples
    --------
    >>> import numpy as np
    >>> open_source(np.eye(3)).shape
    (3, 3)
    """
    if missing_chunks not in ("error", "zeros"):
        raise InputError(f"missing_chunks={missing_chunks!r}: use 'error' or 'zeros'")
    if isinstance(data, Source):
        return data
    if isinstance(data, (str, os.PathLike)):
        return _open_path(os.fspath(data), missing_chunks)
    return _open_object(data, missing_chunks)


def _open_object(data: Any, missing_chunks: str) -> Source:
    if hasattr(data, "obs_names") and hasattr(data, "var_names"):
        return _open_anndata(data, missing_chunks)
    if hasattr(data, "dims") and hasattr(data, "coords") and hasattr(data, "data"):
        return _open_array(data.data, *_coordinates(data))
    if hasattr(data, "iloc") and hasattr(data, "to_numpy"):
        return _open_array(data.to_numpy(), names_of(data.index), names_of(data.columns))
    store = getattr(data, "store", None)
    if store is not None and hasattr(data, "metadata"):
        return _open_zarr_object(data, missing_chunks)
    return _open_array(data, None, None)


def _open_array(values: Any, row_names: np.ndarray | None, column_names: np.ndarray | None) -> Source:
    if hasattr(values, "dask") and hasattr(values, "numblocks"):
        from dnmf.sources.dask_array import DaskSource

        return DaskSource(values, row_names, column_names)
    if isinstance(values, (bytes, dict, set)) or values is None:
        raise InputError(f"a {type(values).__name__} is not a matrix; give a path, an array or an AnnData")
    return MemorySource(values, row_names, column_names)


def _open_anndata(data: Any, missing_chunks: str) -> Source:
    if getattr(data, "isbacked", False):
        return _open_path(str(data.filename), missing_chunks)
    if data.X is None:
        raise InputError("the AnnData has no X; pass one of its layers, for example adata.layers['counts']")
    return _open_array(data.X, names_of(data.obs_names), names_of(data.var_names))


def _coordinates(data: Any) -> list[np.ndarray | None]:
    return [names_of(data.coords[dim].values) if dim in data.coords else None for dim in data.dims[:2]] or [None, None]


def _open_zarr_object(data: Any, missing_chunks: str) -> Source:
    root = getattr(data.store, "root", None)
    if root is None or str(root).startswith("<"):
        raise InputError("this Zarr object has no path that workers could open; give its path or URL instead")
    inner = getattr(data, "path", "")
    return _open_path(f"{root}::{inner}" if inner else str(root), missing_chunks)


def _open_path(path: str, missing_chunks: str) -> Source:
    path, _, inner = path.partition("::")
    root = open_root(path)
    inner = inner.strip("/")
    if not inner:
        inner = _default_inner(path, root)
    try:
        node = root[inner] if inner else root
    except KeyError:
        raise InputError(f"{path}: there is no {inner!r} in it; it holds {_listing(root)}") from None
    named = "obs" in root and "var" in root if inner else False
    encoding = node.attrs.get("encoding-type", "")
    encoding = encoding.decode() if isinstance(encoding, bytes) else encoding
    if encoding in COMPRESSED:
        return _open_compressed(path, inner, node, COMPRESSED[encoding], named, missing_chunks)
    if hasattr(node, "shape") and hasattr(node, "dtype"):
        return DenseSource(StoredArray(path, inner, missing_chunks), named)
    raise InputError(
        f"{path}::{inner}: neither an array nor a sparse matrix in AnnData's layout; it holds {_listing(node)}"
    )


def _open_compressed(path: str, inner: str, node: Any, columns_first: bool, named: bool, missing: str) -> Source:
    shape = node.attrs.get("shape")
    if shape is None or any(name not in node for name in ("data", "indices", "indptr")):
        raise InputError(f"{path}::{inner}: an incomplete sparse matrix (needs shape, data, indices, indptr)")
    return CompressedSource(path, inner, (int(shape[0]), int(shape[1])), columns_first, named, missing)


def _default_inner(path: str, root: Any) -> str:
    """The matrix that is meant when only the store is named."""
    if hasattr(root, "dtype") or root.attrs.get("encoding-type") in COMPRESSED:
        return ""
    if "X" in root:
        return "X"
    arrays = [name for name in root if hasattr(root[name], "dtype")]
    if len(arrays) == 1:
        return arrays[0]
    raise InputError(f"{path}: say which matrix with {path}::NAME; it holds {_listing(root)}")


def _listing(node: Any) -> str:
    names = sorted(node) if hasattr(node, "keys") else []
    return ", ".join(names[:12]) + (" …" if len(names) > 12 else "") if names else "nothing"
