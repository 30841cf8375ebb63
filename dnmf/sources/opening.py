"""One door for every kind of input: a path, a URL, an array, an AnnData, a DataArray."""

from typing import Any

from dnmf.arguments import choice
from dnmf.errors import InputError
from dnmf.missing import NOT_BESIDE, NOT_OBSERVED
from dnmf.sources.choices import view_of
from dnmf.sources.name_files import given_names
from dnmf.sources.observed import MISSING, observed
from dnmf.sources.opening_values import How, open_values
from dnmf.sources.side_weights import with_side_weights
from dnmf.sources.source import Source
from dnmf.sources.unfolded import LONGEST, Unfolding, WhereMore
from dnmf.sources.views import refuse_beside_view, within_view

MISSING_CHUNKS = ("error", "zeros")
FIRST_AXIS: tuple[Any, ...] = (None, 0, (0,), [0], ("0",), LONGEST, (LONGEST,))  # of a matrix too
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
    row_axes: Any = None,
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
    row_axes : int, str, or sequence of these, optional
        Of an array of more than two axes: those that make the rows, by number or by name, the last of them fastest;
        all others make the columns; ``"longest"`` for the longest axis. A mask and weights have the same axes.

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
    how = How(missing_chunks, missing == "nan", row_axes)
    source = open_values(data, how, storage_options, tells=asked)
    if not (source.unfolding or isinstance(data, Source) or _may_be_known(row_axes)):
        raise InputError(
            f"{source.address}: has rows and columns already, {' × '.join(map(str, source.shape))}; row_axes= "
            "(--row-axes) is for arrays of more axes"
        )
    refuse_beside_view(source, [name for name, given in beside.items() if given is not None])
    if asked:
        axes = WhereMore(source.unfolding.rows) if source.unfolding else row_axes
        parts = opened_beside({"mask": mask, "weights": weights}, missing_chunks, axes)
        source = within_view(source, lambda whole: observed(whole, missing, **parts))
    source = with_side_weights(source, row_weights=row_weights, column_weights=column_weights)
    of_data = source
    if row_names is not None or column_names is not None:
        m, n = source.shape[::-1] if source.transposed else source.shape
        source = source.with_names(given_names(row_names, m, "rows"), given_names(column_names, n, "columns"))
    return view_of(source, data, of_data, rows=rows, columns=columns, row_scale=row_scale, column_scale=column_scale)


def _may_be_known(row_axes: Any) -> bool:
    """Whether it says of a matrix too what makes its rows: its first axis, or those of an array where it was one."""
    return isinstance(row_axes, (WhereMore, Unfolding)) or row_axes in FIRST_AXIS


def opened_beside(given: dict[str, Any], missing_chunks: str = "error", row_axes: Any = None) -> dict[str, Any]:
    """Return what is given beside some data, a mask and weights as sources of it.

    Raises
    ------
    InputError
        One cannot be opened.
    """
    named = [what for what in BESIDE if given.get(what) is not None]
    opened = {what: open_beside(what, given[what], missing_chunks, row_axes) for what in named}
    return {**given, **opened}


def open_beside(what: str, data: Any, missing_chunks: str, row_axes: Any = None) -> Source:
    """Return a mask or weights (`what`) as a source; errors say which.

    Raises
    ------
    InputError
        It cannot be opened.
    """
    try:
        return open_source(data, missing_chunks=missing_chunks, row_axes=row_axes)
    except InputError as error:
        raise type(error)(f"{what}: {error}".replace(NOT_OBSERVED, NOT_BESIDE)) from error
