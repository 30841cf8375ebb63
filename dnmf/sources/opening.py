"""One door for every kind of input: a path, a URL, an array, an AnnData, a DataArray."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from dnmf.arguments import choice
from dnmf.arrays import instead_of, looks_like_array, offers
from dnmf.errors import DnmfError, InputError
from dnmf.frames import frame_values
from dnmf.locations import written
from dnmf.missing import NOT_BESIDE, NOT_OBSERVED
from dnmf.refusals import told
from dnmf.sources.addresses import StoreAddress, is_url, split_address
from dnmf.sources.behind_dask import arrays_behind, behind_lazy
from dnmf.sources.choices import view_in_file, view_of
from dnmf.sources.compressed import CompressedSource
from dnmf.sources.dense import DenseSource
from dnmf.sources.labels_of_objects import labels_of_matrix
from dnmf.sources.layouts import frames_of, in_whole_store, meant_matrix, refuse_other_layouts, stored_shape
from dnmf.sources.memory import MemorySource, is_sparse, type_name
from dnmf.sources.name_files import given_names
from dnmf.sources.nodes import encoding_of, is_array, listing
from dnmf.sources.observed import MISSING, observed, with_holes
from dnmf.sources.presence import lies_in_a_store, lies_in_memory
from dnmf.sources.side_weights import with_side_weights
from dnmf.sources.source import Source
from dnmf.sources.stored import StoredArray, open_node, open_root
from dnmf.sources.stored_factor import row_names_in
from dnmf.sources.undecoded import refuse_undecoded
from dnmf.sources.valid import within_limits
from dnmf.sources.views import refuse_beside_view, within_view
from dnmf.sources.zarr_stores import address_of_object, named_store

COMPRESSED = {"csr_matrix": False, "csc_matrix": True}
MISSING_CHUNKS = ("error", "zeros")
BESIDE = ("mask", "weights")


def open_source(  # noqa: PLR0913  the one door for data names all that can be said of it
    data: Any,
    *,
    missing_chunks: str = "error",
    row_names: Any = None,
    column_names: Any = None,
    storage_options: dict[str, Any] | None = None,
    missing: str = "refuse",
    mask: Any = None,
    weights: Any = None,
    row_weights: Any = None,
    column_weights: Any = None,
    rows: Any = None,
    columns: Any = None,
    row_scale: Any = None,
    column_scale: Any = None,
) -> Source:
    """Return a :class:`~dnmf.sources.source.Source` for whatever holds a matrix.

    Parameters
    ----------
    data : str, path, array, AnnData, DataArray, DataFrame or Source
        A path or URL of a Zarr array, of an AnnData store (Zarr or .h5ad; ``X`` unless
        ``path::layers/counts`` names another matrix); a numpy, scipy sparse, ``sparse`` or dask array; an
        AnnData (in memory or backed); an xarray DataArray; a pandas DataFrame; an opened Zarr array or group, whose
        store (fsspec, obstore) goes to the workers with what it was opened with.
    missing_chunks : {"error", "zeros"}
        What an absent chunk of a stored array means: of the data, and of a mask and weights that are not opened yet.
    row_names, column_names : sequence or path, optional
        Names for the rows or columns, in place of those the data has: labels, or a text file with one name a line.
    storage_options : dict, optional
        For a URL: what fsspec opens it with, as in ``zarr.open``. They are sent to the workers and kept nowhere
        else, so that a resume is given the source again.
    missing : {"refuse", "nan", "unstored"}
        What was not observed. ``"refuse"``: nothing, so a NaN is an error. ``"nan"``: of dense data what is NaN,
        masked, NA in a frame, or missing or not valid by the attributes of a stored array. ``"unstored"``: of sparse
        data what is not stored.
    mask : anything that `data` may be, optional
        As large as the data; true, or not zero, where an entry was observed.
    weights : anything that `data` may be, optional
        As large as the data: how much each entry counts, finite and not negative; 0 where it was not observed.
    row_weights, column_weights : array (m,) or (n,), or path, optional
        What these are multiplied by, for each row and each column: 2 is as good as the row twice. Not for sparse data
        whose zeros count. A path is that of a ``.npy`` file, or of a text file with one number a line.
    rows, columns : array, sequence, slice or str, optional
        Which are seen, and in which order; nothing is copied. True or false for each, numbers of them, names, or the
        name of a column of ``obs`` or ``var`` that is true or false (``"highly_variable"``). Everything else that is
        given is as large as all of the data.
    row_scale, column_scale : array (m,) or (n,), optional
        What they are divided by as they are read, finite and above zero.

    Raises
    ------
    InputError
        Nothing is there, it is not a matrix of real numbers, it cannot be read in parts, there are not as many names
        as rows or columns, or what is said of missing entries does not go with the data.

    Examples
    --------
    >>> import numpy as np
    >>> open_source(np.eye(3)).shape
    (3, 3)
    """
    choice("missing_chunks", missing_chunks, MISSING_CHUNKS)
    beside = {"mask": mask, "weights": weights, "row_weights": row_weights, "column_weights": column_weights}
    asked = choice("missing", missing, MISSING) != "refuse" or mask is not None or weights is not None
    source = open_values(data, missing_chunks, storage_options, tells=asked, as_nan=missing == "nan")
    refuse_beside_view(source, [name for name, given in beside.items() if given is not None])
    if asked:
        parts = opened_beside({"mask": mask, "weights": weights}, missing_chunks)
        source = within_view(source, lambda whole: observed(whole, missing, **parts))
    source = with_side_weights(source, row_weights=row_weights, column_weights=column_weights)
    of_data = source
    if row_names is not None or column_names is not None:
        m, n = source.shape[::-1] if source.transposed else source.shape
        source = source.with_names(given_names(row_names, m, "rows"), given_names(column_names, n, "columns"))
    return view_of(source, data, of_data, rows=rows, columns=columns, row_scale=row_scale, column_scale=column_scale)


def open_values(
    data: Any, missing_chunks: str = "error", storage_options: dict[str, Any] | None = None, *, tells: bool,
    as_nan: bool,
) -> Source:  # fmt: skip
    """Return the values of data, of whose entries nothing is said yet; arguments as in :func:`open_source`.

    Parameters
    ----------
    data, missing_chunks, storage_options
        As there.
    tells : bool
        Whether it will be said what of them was observed, so that masked ones may be among them.
    as_nan : bool
        Whether those that were not are NaN.

    Raises
    ------
    InputError
        As there.
    """
    held = with_holes(data) if tells else None
    return held if held is not None else _opened(data, missing_chunks, storage_options, as_nan=as_nan)


def opened_beside(given: dict[str, Any], missing_chunks: str = "error") -> dict[str, Any]:
    """Return what is given beside some data, a mask and weights as sources of it.

    Raises
    ------
    InputError
        One cannot be opened.
    """
    opened = {what: open_beside(what, given[what], missing_chunks) for what in BESIDE if given.get(what) is not None}
    return {**given, **opened}


def open_beside(what: str, data: Any, missing_chunks: str) -> Source:
    """Return a mask or weights (`what`) as a source; errors say which.

    Raises
    ------
    InputError
        It cannot be opened.
    """
    try:
        return open_source(data, missing_chunks=missing_chunks)
    except InputError as error:
        raise type(error)(f"{what}: {error}".replace(NOT_OBSERVED, NOT_BESIDE)) from error


def _opened(data: Any, missing_chunks: str, storage_options: dict[str, Any] | None, *, as_nan: bool = False) -> Source:
    if isinstance(data, Source):
        return data
    if isinstance(data, (str, os.PathLike)):
        return _open_path(written(data), missing_chunks, storage_options)
    if storage_options is not None:
        raise InputError(f"storage_options are for a URL, this is a {type_name(data)}")
    try:
        if type(data).__name__ == "Series":
            raise InputError(f"a {type_name(data)} is one column, not a matrix; {instead_of(data)}")
        if type(data).__name__ == "MuData":  # its names are those of all modalities
            raise InputError(f"a {type_name(data)} holds several matrices; {instead_of(data)}")
        return _open_object(data, missing_chunks, as_nan=as_nan)
    except (DnmfError, MemoryError):
        raise
    except Exception as error:  # whatever objects do that are asked what they are
        raise InputError(f"a {type_name(data)} is not a matrix ({told(error)}); {instead_of(data)}") from error


def _open_object(data: Any, missing_chunks: str, *, as_nan: bool = False) -> Source:
    if not offers(data, "store") and not offers(data, "file"):  # those are read by path
        refuse_undecoded(data, type_name(data))
    if offers(data, "obs_names", "var_names"):
        return _open_anndata(data, missing_chunks)
    if offers(data, "dims", "coords", "data"):
        return _open_coordinates(data, missing_chunks, as_nan=as_nan)
    if offers(data, "iloc", "to_numpy"):
        values, (rows, columns) = frame_values(data, "a DataFrame"), labels_of_matrix(data)
        return MemorySource(values, rows, columns, type_name(data))
    if offers(data, "group", "backend"):  # a sparse matrix of AnnData that stays on disk
        data = data.group
    if type(data).__module__.startswith("h5py"):
        _refuse_hdf5_in_memory(data)
        return _open_path(f"{data.file.filename}::{data.name}", missing_chunks)
    if offers(data, "store", "metadata"):
        return _open_zarr_object(data, missing_chunks)
    return _open_array(data, (None, None), missing_chunks)


def _open_array(
    values: Any, names: tuple[np.ndarray | None, np.ndarray | None], missing_chunks: str, *, limits: bool = True
) -> Source:
    if lies_in_a_store(values) or offers(values, "group", "backend"):
        source = _open_object(values, missing_chunks)
        return source if names[0] is names[1] is None else source.with_names(*names)
    if offers(values, "dask", "numblocks"):
        from dnmf.sources.dask_array import DaskSource

        source = DaskSource(values, *names)
        source.behind = arrays_behind(values, source.address, missing_chunks, limits=limits)
        return source
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
    return MemorySource(values, *names)


def _is_list_of_paths(values: Any) -> bool:
    return (
        isinstance(values, (list, tuple, set, frozenset))
        and len(values) > 0
        and all(isinstance(value, (str, os.PathLike)) for value in values)
    )


def _open_anndata(data: Any, missing_chunks: str) -> Source:
    if getattr(data, "isbacked", False):
        if data.is_view:
            return view_in_file(data, lambda whole: _open_anndata(whole, missing_chunks))
        # Its names may not be in the file yet.
        return _open_path(str(data.filename), missing_chunks).with_names(*labels_of_matrix(data))
    if data.X is None:
        name = next(iter(data.layers), "counts")
        raise InputError(
            f"the AnnData has no X; pass one of its layers, for example adata.layers[{name!r}], with "
            "row_names=adata.obs_names, column_names=adata.var_names"
        )
    source = _open_array(data.X, labels_of_matrix(data), missing_chunks)
    if source.in_memory:
        source.address = type_name(data)
    return source


def _open_coordinates(data: Any, missing_chunks: str, *, as_nan: bool) -> Source:
    if data.chunks is None:  # with chunks it is a dask array
        behind_lazy(data, type_name(data), missing_chunks)
    values = within_limits(data, type_name(data), as_nan=as_nan)
    return _open_array(values, labels_of_matrix(data), missing_chunks, limits=False)


def _refuse_hdf5_in_memory(node: Any) -> None:
    """Refuse what no file on disk has: its name would lead to nothing, or to another file."""
    if lies_in_memory(node):
        raise InputError(
            f"{node.file.filename}::{node.name}: this HDF5 file lies in memory; give the values, dataset[:], or write "
            "it to disk and give its path"
        )


def _open_zarr_object(data: Any, missing_chunks: str) -> Source:
    address = address_of_object(data)
    if not isinstance(address, StoreAddress):
        return _open_path(f"{address}::{data.path}" if data.path else address, missing_chunks)
    source = _open_at(address, data.path, missing_chunks)
    return source if not lies_in_memory(data) else _in_memory(source)


def _in_memory(source: Source) -> Source:
    """The matrix of a store that is a dictionary of this process: decoded, as other data in memory."""
    rows, (n_rows, n_columns) = source.read(0, source.shape[0]), source.shape
    names = source.row_names(), source.column_names()
    values = rows if isinstance(rows, np.ndarray) else scipy.sparse.csr_array(tuple(rows), shape=(n_rows, n_columns))
    if source.transposed:
        values, names = values.T, names[::-1]
    return MemorySource(values, *names, address=source.address)


def _open_path(address: str, missing_chunks: str, storage_options: dict[str, Any] | None = None) -> Source:
    path, inner = split_address(address, as_url=storage_options is not None)
    if storage_options is not None:
        if not is_url(path):
            raise InputError(f"{path}: storage_options are for a URL, this is a path")
        path = named_store(path, storage_options)
    return _open_at(path, inner, missing_chunks)


def _open_at(path: str, inner: str, missing_chunks: str) -> Source:
    try:
        return _open_inner(path, inner, missing_chunks)
    except DnmfError:
        raise
    except Exception as error:  # whatever the readers make of damaged descriptions
        raise InputError(f"{path}: cannot be opened, it is damaged ({told(error)})") from error


def _open_inner(path: str, inner: str, missing_chunks: str) -> Source:
    root = open_root(path)
    refuse_other_layouts(path, root, inner)
    path, inner = in_whole_store(path, meant_matrix(path, root, inner))
    node = open_node(path, inner)
    encoding = encoding_of(node)
    frames = frames_of(open_root(path), inner)
    if encoding in COMPRESSED:
        shape = stored_shape(f"{path}::{inner}", node)
        return CompressedSource(path, inner, shape, columns_first=COMPRESSED[encoding], frames=frames,
                                missing_chunks=missing_chunks)  # fmt: skip
    if is_array(node):
        dense = DenseSource(StoredArray(path, inner, missing_chunks), frames)
        return dense if not isinstance(path, str) or is_url(path) else dense.with_names(row_names_in(Path(path, inner)))
    raise InputError(
        f"{path}::{inner}: neither an array nor a sparse matrix in AnnData's layout; it holds {listing(node)}"
    )
