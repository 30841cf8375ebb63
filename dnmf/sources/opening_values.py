"""What kind of thing holds a matrix, and the source of its values: paths, arrays, AnnData, frames, opened stores."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from dnmf.arrays import instead_of, looks_like_array, offers
from dnmf.errors import DnmfError, InputError
from dnmf.frames import frame_values
from dnmf.locations import written
from dnmf.refusals import told
from dnmf.sources.addresses import StoreAddress, is_url, split_address
from dnmf.sources.behind_dask import arrays_behind, behind_lazy
from dnmf.sources.choices import view_in_file
from dnmf.sources.compressed import CompressedSource
from dnmf.sources.dense import DenseSource
from dnmf.sources.labels_beside import labels_beside
from dnmf.sources.labels_of_objects import labels_of_matrix, labels_of_object
from dnmf.sources.layouts import frames_of, in_whole_store, meant_matrix, refuse_other_layouts, stored_shape
from dnmf.sources.memory import MemorySource, is_sparse, type_name
from dnmf.sources.nodes import dimensions_of, encoding_of, is_array, listing
from dnmf.sources.observed import with_holes
from dnmf.sources.presence import lies_in_a_store, lies_in_memory
from dnmf.sources.source import Source
from dnmf.sources.stored import StoredArray, open_node, open_root
from dnmf.sources.stored_factor import row_names_in
from dnmf.sources.undecoded import refuse_undecoded
from dnmf.sources.unfolded import Unfolding, stored_unfolding, unfolding_of
from dnmf.sources.unfolded_store import UnfoldedSource
from dnmf.sources.valid import within_limits
from dnmf.sources.zarr_stores import address_of_object, named_store

COMPRESSED = {"csr_matrix": False, "csc_matrix": True}


class How(NamedTuple):
    """What is said of data as it is opened.

    Attributes
    ----------
    missing_chunks : {"error", "zeros"}
        What an absent chunk of a stored array means.
    as_nan : bool
        Whether values that were not observed are NaN.
    row_axes : int, str, or sequence of these, or None
        Of an array of more axes: those that make the rows (:func:`~dnmf.sources.unfolded.unfolding_of`).
    """

    missing_chunks: str = "error"
    as_nan: bool = False
    row_axes: Any = None


def open_values(data: Any, how: How, storage_options: dict[str, Any] | None = None, *, tells: bool) -> Source:
    """Return the values of data, of whose entries nothing is said yet.

    Parameters
    ----------
    data, storage_options
        As in :func:`~dnmf.sources.opening.open_source`.
    how : How
        What is said of it.
    tells : bool
        Whether it will be said what of it was observed, so that masked entries may be among them.

    Raises
    ------
    InputError
        As there.
    """
    held = with_holes(data, how.row_axes) if tells else None
    return held if held is not None else _opened(data, how, storage_options)


def _opened(data: Any, how: How, storage_options: dict[str, Any] | None) -> Source:
    if isinstance(data, Source):
        return data
    if isinstance(data, (str, os.PathLike)):
        return _open_path(written(data), how, storage_options)
    if storage_options is not None:
        raise InputError(f"storage_options are for a URL, this is a {type_name(data)}")
    try:
        if type(data).__name__ == "Series":
            raise InputError(f"a {type_name(data)} is one column, not a matrix; {instead_of(data)}")
        if type(data).__name__ == "MuData":  # its names are those of all modalities
            raise InputError(f"a {type_name(data)} holds several matrices; {instead_of(data)}")
        return _open_object(data, how)
    except (DnmfError, MemoryError):
        raise
    except Exception as error:  # whatever objects do that are asked what they are
        raise InputError(f"a {type_name(data)} is not a matrix ({told(error)}); {instead_of(data)}") from error


def _open_object(data: Any, how: How) -> Source:
    if not offers(data, "store") and not offers(data, "file"):  # those are read by path
        refuse_undecoded(data, type_name(data))
    if offers(data, "obs_names", "var_names"):
        return _open_anndata(data, how)
    if offers(data, "dims", "coords", "data"):
        return _open_coordinates(data, how)
    if offers(data, "iloc", "to_numpy"):
        values, (rows, columns) = frame_values(data, "a DataFrame"), labels_of_matrix(data)
        return MemorySource(values, rows, columns, type_name(data))
    if offers(data, "group", "backend"):  # a sparse matrix of AnnData that stays on disk
        data = data.group
    if type(data).__module__.startswith("h5py"):
        _refuse_hdf5_in_memory(data)
        return _open_path(f"{data.file.filename}::{data.name}", how)
    if offers(data, "store", "metadata"):
        return _open_zarr_object(data, how)
    return _open_array(data, (None, None), how)


def _open_array(
    values: Any, names: tuple[np.ndarray | None, np.ndarray | None], how: How, *, limits: bool = True
) -> Source:
    if lies_in_a_store(values) or offers(values, "group", "backend"):
        source = _open_object(values, how)
        return source if names[0] is names[1] is None else source.with_names(*names)
    unfolding = unfolding_of(type_name(values), values.shape, how.row_axes) if _has_axes(values) else None
    if unfolding is not None:
        return _unfolded(unfolding, _open_array(unfolding.matrix(values), names, how._replace(row_axes=None)))
    if offers(values, "dask", "numblocks"):
        from dnmf.sources.dask_array import DaskSource

        source = DaskSource(values, *names)
        source.behind = arrays_behind(values, source.address, how.missing_chunks, limits=limits)
        return source
    _refuse_no_matrix(values)
    return MemorySource(values, *names)


def _refuse_no_matrix(values: Any) -> None:
    """Refuse objects that are often taken for a matrix, and say what to give in their place."""
    if offers(values, "data_vars") or offers(values, "npartitions"):
        raise InputError(
            f"a {type_name(values)} is not a matrix; give one variable of a Dataset, or "
            "frame.to_dask_array(lengths=True) of a dask DataFrame"
        )
    if isinstance(values, (list, tuple)) and any(offers(value, "obs_names", "var_names") for value in values):
        raise InputError("a list of AnnData is not a matrix; put them together: anndata.concat([first, second])")
    if _is_list_of_paths(values):
        if any(" " in str(value).strip() for value in values) and not any(map(os.path.exists, values)):
            raise InputError(
                "a list of texts is not a matrix; count their words first: "
                "sklearn.feature_extraction.text.CountVectorizer().fit_transform(texts)"
            )
        raise InputError(
            "a list of paths is not a matrix; give one path, or put the arrays together: "
            "dask.array.concatenate([dask.array.from_zarr(path) for path in paths])"
        )
    no_matrix = isinstance(values, (bytes, dict, set, type)) or not looks_like_array(values)
    if values is None or (no_matrix and not is_sparse(values)):
        raise InputError(f"a {type_name(values)} is not a matrix; {instead_of(values)}")


def _has_axes(values: Any) -> bool:
    """Whether this is an array of numpy, dask or ``sparse`` that knows its lengths: unknown ones of dask are NaN."""
    shape = getattr(values, "shape", None)
    return hasattr(values, "dtype") and isinstance(shape, tuple) and all(length == length for length in shape)  # noqa: PLR0124


def _is_list_of_paths(values: Any) -> bool:
    return (
        isinstance(values, (list, tuple, set, frozenset))
        and len(values) > 0
        and all(isinstance(value, (str, os.PathLike)) for value in values)
    )


def _open_anndata(data: Any, how: How) -> Source:
    if getattr(data, "isbacked", False):
        if data.is_view:
            return view_in_file(data, lambda whole: _open_anndata(whole, how))
        # Its names may not be in the file yet.
        return _open_path(str(data.filename), how).with_names(*labels_of_matrix(data))
    if data.X is None:
        name = next(iter(data.layers), "counts")
        raise InputError(
            f"the AnnData has no X; pass one of its layers, for example adata.layers[{name!r}], with "
            "row_names=adata.obs_names, column_names=adata.var_names"
        )
    source = _open_array(data.X, labels_of_matrix(data), how)
    if source.in_memory:
        source.address = type_name(data)
    return source


def _open_coordinates(data: Any, how: How) -> Source:
    name, labels = type_name(data), labels_of_object(data)
    unfolding = unfolding_of(name, data.shape, how.row_axes, data.dims, labels)
    if data.chunks is None:  # with chunks it is a dask array
        behind_lazy(data, name, how.missing_chunks)
    values = within_limits(data, name, as_nan=how.as_nan)
    if unfolding is None:
        return _open_array(values, labels_of_matrix(data), how, limits=False)
    return _unfolded(unfolding, _open_array(unfolding.matrix(values), unfolding.labels, how, limits=False))


def _as_converted(source: Source, node: Any, how: How) -> Source:
    """The source of a matrix, which knows what axes of an array it was converted from."""
    if not source.transposed:
        source.unfolding = stored_unfolding(source.address, dict(node.attrs), source.shape, how.row_axes)
    return source


def _unfolded(unfolding: Unfolding, source: Source) -> Source:
    """The source, which knows what axes its rows and columns are made of."""
    source.unfolding = unfolding
    return source


def _refuse_hdf5_in_memory(node: Any) -> None:
    """Refuse what no file on disk has: its name would lead to nothing, or to another file."""
    if lies_in_memory(node):
        raise InputError(
            f"{node.file.filename}::{node.name}: this HDF5 file lies in memory; give the values, dataset[:], or write "
            "it to disk and give its path"
        )


def _open_zarr_object(data: Any, how: How) -> Source:
    address = address_of_object(data)
    if not isinstance(address, StoreAddress):
        return _open_path(f"{address}::{data.path}" if data.path else address, how)
    source = _open_at(address, data.path, how)
    return source if not lies_in_memory(data) else _in_memory(source)


def _in_memory(source: Source) -> Source:
    """The matrix of a store that is a dictionary of this process: decoded, as other data in memory."""
    rows, (n_rows, n_columns) = source.read(0, source.shape[0]), source.shape
    names = source.row_names(), source.column_names()
    values = rows if isinstance(rows, np.ndarray) else scipy.sparse.csr_array(tuple(rows), shape=(n_rows, n_columns))
    if source.transposed:
        values, names = values.T, names[::-1]
    found = MemorySource(values, *names, address=source.address)
    found.unfolding = source.unfolding
    return found


def _open_path(address: str, how: How, storage_options: dict[str, Any] | None = None) -> Source:
    path, inner = split_address(address, as_url=storage_options is not None)
    if storage_options is not None:
        if not is_url(path):
            raise InputError(f"{path}: storage_options are for a URL, this is a path")
        path = named_store(path, storage_options)
    return _open_at(path, inner, how)


def _open_at(path: str, inner: str, how: How) -> Source:
    try:
        return _open_inner(path, inner, how)
    except DnmfError:
        raise
    except Exception as error:  # whatever the readers make of damaged descriptions
        raise InputError(f"{path}: cannot be opened, it is damaged ({told(error)})") from error


def _open_inner(path: str, inner: str, how: How) -> Source:
    root = open_root(path)
    refuse_other_layouts(path, root, inner)
    path, inner = in_whole_store(path, meant_matrix(path, root, inner))
    node = open_node(path, inner)
    encoding = encoding_of(node)
    frames = frames_of(open_root(path), inner)
    if encoding in COMPRESSED:
        shape = stored_shape(f"{path}::{inner}", node)
        source = CompressedSource(path, inner, shape, columns_first=COMPRESSED[encoding], frames=frames,
                                  missing_chunks=how.missing_chunks)  # fmt: skip
        return _as_converted(source, node, how)
    if is_array(node):
        array = StoredArray(path, inner, how.missing_chunks)
        dims = dimensions_of(node)
        unfolding = unfolding_of(array.address, array.shape, how.row_axes, dims, labels_beside(path, inner, node, dims))
        if unfolding is None:
            dense = _as_converted(DenseSource(array, frames), node, how)
        else:
            dense = UnfoldedSource(array, unfolding)
        return dense if not isinstance(path, str) or is_url(path) else dense.with_names(row_names_in(Path(path, inner)))
    raise InputError(
        f"{path}::{inner}: neither an array nor a sparse matrix in AnnData's layout; it holds {listing(node)}"
    )
