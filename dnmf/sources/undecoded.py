"""What is handed over as it is stored, though attributes say that its values are others: refused, at every door."""

from typing import Any

from dnmf.errors import InputError
from dnmf.sources.conventions import (
    LIMITS,
    MISSING,
    PACKING,
    convention_of,
    is_nan,
    numbers_of,
    refuse_times,
)
from dnmf.sources.presence import is_hdf5
from dnmf.sources.zarr_stores import array_as_stored

WAYS = (
    "give its path, open it without mask_and_scale=False, decode it with xarray.decode_cf, or take away attributes not "
    "meant"
)


def refuse_undecoded(data: Any, address: str) -> None:
    """Refuse an array in memory whose attributes say that its values are still as they were stored.

    Raises
    ------
    InputError
        They do, or say that they are times.
    """
    if is_hdf5(data) and hasattr(data, "_dset"):
        raise InputError(
            f"{address}: a view of an HDF5 dataset, of which attributes are unknown; give the dataset itself"
        )
    attributes: Any = getattr(data, "attrs", None)
    if not hasattr(attributes, "keys"):
        return
    refuse_times(data, address)
    names = [name for name in (*PACKING, *MISSING) if name in attributes]
    _refuse([n for n in names if n in PACKING or not all(map(is_nan, numbers_of(n, attributes[n], address)))], address)


def refuse_undecoded_store(node: Any, address: str, *, limits: bool = True) -> None:
    """Refuse an opened array that somebody else reads who does not look at its attributes.

    Parameters
    ----------
    node : zarr.Array or h5py.Dataset
        As it is stored.
    address : str
        For messages.
    limits : bool
        Whether nobody looks either at what is valid.

    Raises
    ------
    InputError
        Attributes, or its fill value, say that its values are others, missing, not valid, or times.
    """
    _refuse_told(node if is_hdf5(node) else array_as_stored(node), address, limits)


def refuse_undecoded_variable(lazy: Any, address: str, *, limits: bool = True) -> None:
    """Refuse a variable of a netCDF file that xarray has opened, as :func:`refuse_undecoded_store` does an array.

    Raises
    ------
    InputError
        As there.
    """
    name, store = lazy.variable_name, lazy.datastore
    _refuse_told(store.open_store_variable(name, store.ds.variables[name]), f"{address}: {name}", limits)


def _refuse_told(node: Any, address: str, limits: bool) -> None:
    found = convention_of(node, address)
    if found is None:
        return
    names = [name for name in (*PACKING, *LIMITS * limits) if name in node.attrs]
    _refuse([*names, *dict.fromkeys(name for name, _ in found.missing)], address)


def _refuse(told: list[str], address: str) -> None:
    if told and set(told) <= set(LIMITS):
        raise InputError(
            f"{address}: its attributes ({', '.join(told)}) say what is valid, which nobody looks at here; give its "
            "path, or the DataArray that xarray opens"
        )
    if told:
        raise InputError(f"{address}: its attributes ({', '.join(told)}) say that its values are not decoded; {WAYS}")
