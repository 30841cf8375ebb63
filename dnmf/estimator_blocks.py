"""What the estimator makes of the blocks of a dask array, one at a time, when they are computed."""

from dataclasses import replace
from typing import Any

import numpy as np

from dnmf.arithmetic import undisturbed
from dnmf.errors import NothingObservedError
from dnmf.model import Model
from dnmf.plain import plain
from dnmf.sources import Source
from dnmf.sources.as_fitted import EVERYTHING
from dnmf.sources.behind_dask import behind_lazy
from dnmf.sources.memory import MemorySource
from dnmf.sources.observed import observed
from dnmf.sources.source import check_dtype
from dnmf.sources.views import EVERYTHING_SEEN, what_is_seen


def in_chunks_of(source: Source, W: Any) -> Any:
    """Return W as a dask array in the row chunks of the one that `source` lies over."""
    # dask would choose p2p on a cluster, a shuffle through disk, for what is a handful of slices
    return W.rechunk((array_of(source).array.chunks[0], -1), method="tasks")


def missing_of_blocks(model: Model, source: Source) -> str | None:
    """Return what is missing of the blocks of a dask array; None where each would have to know more than that.

    Raises
    ------
    InputError
        The columns are not those of the fit, or what of the array was observed is not known.
    """
    opened = model.open_rows(source)
    if what_is_seen(opened).parts:
        return None
    said = opened.said()
    return said.get("missing", "refuse") if said.keys() <= {"missing"} else None


def transform_blocks(model: Model, source: Source, scale: np.ndarray, missing: str) -> Any:
    """Return the rows of W for a dask array as a dask array with its row chunks, nothing computed yet.

    Parameters
    ----------
    model : Model
        Whose components are kept.
    source : Source
        Over the dask array.
    scale : ndarray (k,)
        What the columns of W are multiplied by.
    missing : {"refuse", "nan", "unstored"}
        Which of its entries were not observed.
    """
    from dnmf.sources.dask_array import as_dask_array, looked_after

    of_array = array_of(source)
    rank, H, array = model.rank, model.H, looked_after(of_array.array, of_array.behind)
    return array.rechunk({1: -1}, method="tasks").map_blocks(
        solve_block, bare=without_rows(model), H=as_dask_array(H, rank), scale=scale.astype(H.dtype),
        address=source.address, missing=missing, chunks=(array.chunks[0], (rank,)), meta=np.empty((0, rank), H.dtype),
    )  # fmt: skip


def without_rows(model: Model) -> Model:
    """Return a model that is small: it can solve for rows that say what of them is observed, once it is given its H."""
    nothing = np.empty((0, model.rank), model.H.dtype)
    return replace(
        model, stored_W=nothing, H=model.H[:, :0], history=(), row_names=None, column_names=None, path=None,
        observed=EVERYTHING, view=EVERYTHING_SEEN,
    )  # fmt: skip


@undisturbed
def solve_block(block: Any, *, bare: Model, H: np.ndarray, scale: np.ndarray, address: str, missing: str = "refuse",
                block_info: Any = None) -> np.ndarray:  # fmt: skip
    """Return the rows of W, times `scale`, for one block of a dask array.

    Parameters
    ----------
    block : array (rows, n)
        Of any kind that a dask array may hold.
    bare : Model
        From :func:`without_rows`.
    H : ndarray (k, n)
        The H of that model. It comes as a task of its own: as a part of `bare` it would be sent with every
        block.
    scale : ndarray (k,)
        What the columns of W are multiplied by.
    address : str
        The array's name in messages.
    missing : {"refuse", "nan", "unstored"}
        Which of its entries were not observed.
    block_info : dict
        Filled in by dask: where the block lies.

    Raises
    ------
    InputError
        The block cannot be used, or is not as large as the array says.
    """
    block = checked_block(block, address, block_info, as_nan=missing == "nan")
    if block.shape[0] == 0:  # a chunk of which a mask has left nothing
        return np.empty((0, len(scale)), H.dtype)
    first = block_info[0]["array-location"][0][0] if block_info else 0
    rows = MemorySource(block, address=f"{address}, counted from row {first}")
    try:
        return replace(bare, H=H).solve(observed(rows, missing)) * scale
    except NothingObservedError:  # of this block: how an array is cut changes nothing
        return np.zeros((len(block), len(scale)), H.dtype)


def checked_block(block: Any, address: str, block_info: Any = None, *, as_nan: bool = False) -> Any:
    """Return a block of a dask array without a mask, once it is as large as the array says.

    What is masked is NaN where that is asked for.

    Raises
    ------
    InputError
        It is not, or something in it is missing.
    """
    from dnmf.sources.dask_array import check_block

    if block_info:
        place = block_info[0]["array-location"]
        check_block(block, tuple(int(stop - start) for start, stop in place), address)
    return plain(block, address, as_nan=as_nan)


def array_of(source: Source) -> Any:
    """Return the source of a dask array that others lie over, which say what of it is observed."""
    while not hasattr(source, "array"):
        source = getattr(source, "values", None) or source.inner  # type: ignore[attr-defined]
    return source


def checked_blocks(array: Any) -> Any:
    """Return a dask array whose blocks are looked at when they are computed, as :func:`checked_block` does.

    Raises
    ------
    InputError
        It does not hold real numbers, they are not decoded, or not all of them is there.
    """
    from dnmf.sources.dask_array import looked_after

    address = f"dask array {array.name}"
    check_dtype(address, array.dtype)
    return looked_after(array, behind_lazy(array, address)).map_blocks(
        checked_block, address=address, dtype=array.dtype, meta=plain(array._meta, address)
    )
