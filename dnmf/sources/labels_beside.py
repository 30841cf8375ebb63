"""Labels of a stored array: those arrays beside it that are named as its axes, as xarray and netCDF write them."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.refusals import told
from dnmf.sources.addresses import StoreAddress, is_url
from dnmf.sources.names import names_of
from dnmf.sources.nodes import attribute, is_array
from dnmf.sources.presence import count_absent, is_hdf5
from dnmf.sources.retries import with_retries
from dnmf.sources.stored import open_node, open_root
from dnmf.sources.unfolded import LEAST_AXES, MOST_LABELS

log = logging.getLogger("dnmf")
DECODED = ("units", "calendar", "dtype", "scale_factor", "add_offset", "_FillValue", "missing_value", "_Unsigned")
GROUPS = ("zarr.json", ".zgroup")  # what says that a directory is one
NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable"


def labels_beside(path: str, inner: str, node: Any, dims: Sequence[Any]) -> tuple[np.ndarray | None, ...]:
    """Return the labels along each axis of a stored array, None where there are none; nothing for a matrix.

    They are those that xarray shows as coordinates: times are decoded by it, and left out where it is not installed.
    What cannot be read, lacks a chunk, has another length or more than 10,000 entries is left out.

    Parameters
    ----------
    path, inner : str
        The store or file, and the array in it; empty where the store is the array.
    node : zarr.Array or h5py.Dataset
        The array.
    dims : sequence
        What its axes are called.
    """
    if len(node.shape) < LEAST_AXES or len(dims) != len(node.shape):
        return ()
    sizes = zip(dims, node.shape, strict=True)
    return tuple(_labels_along(path, inner, str(dim), int(size)) if dim else None for dim, size in sizes)


def _labels_along(path: str, inner: str, dim: str, size: int) -> np.ndarray | None:
    if size > MOST_LABELS:
        return None
    try:
        found = _beside(path, inner, dim)
        if found is None or tuple(found.shape) != (size,) or _stands_for_nothing(found):
            return None
        values = with_retries(lambda: found[:], f"{path}: reading the labels along {dim}")
        return names_of(_decoded(dim, np.asarray(values), _said(found)))
    except Exception as error:  # noqa: BLE001  labels are not needed, whatever is wrong with them
        log.warning("%s: the labels along %s cannot be read and are left out (%s)", path, dim, told(error))
        return None


def _beside(path: str, inner: str, dim: str) -> Any:
    """The array that is called as an axis, in the group of the array; None where there is none."""
    if inner:
        above = inner.strip("/").rpartition("/")[0]
        named = f"{above}/{dim}" if above else dim
        return _array(path, named) if named in open_root(path) else None
    if is_url(path) or isinstance(path, StoreAddress) or not Path(path).is_dir():
        return None
    group = Path(path).parent
    if not any((group / name).is_file() for name in GROUPS):  # what lies beside belongs to something else
        return None
    return _array(str(group / dim), "") if (group / dim).is_dir() else None


def _array(path: str, place: str) -> Any:
    node = open_node(path, place)
    return node if is_array(node) else None


def _stands_for_nothing(node: Any) -> bool:
    """Whether an array lacks a chunk, which would be read as zeros, or only gives an axis of netCDF its length."""
    if is_hdf5(node):
        return str(attribute(node, "NAME") or "").startswith(NO_VARIABLE)
    return count_absent(node) > 0


def _said(node: Any) -> dict[str, Any]:
    """The attributes that say what its values mean, as xarray knows them."""
    found = {name: attribute(node, name) for name in DECODED if name in node.attrs}
    found = {name: value[0] if np.shape(value) == (1,) else value for name, value in found.items()}
    return {name: value for name, value in found.items() if not (name == "_FillValue" and isinstance(value, str))}


def _decoded(dim: str, values: np.ndarray, said: Mapping[str, Any]) -> np.ndarray | None:
    """Values as their attributes say; None where they need xarray and it is not installed."""
    if not set(said) - {"units"} and " since " not in str(said.get("units", "")):
        return values
    try:
        import xarray
    except ImportError:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = xarray.conventions.decode_cf_variable(dim, xarray.Variable((dim,), values, dict(said)))
        return np.asarray(found.values)
