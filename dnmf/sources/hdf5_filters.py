"""Filters that chunks of an HDF5 dataset went through: those this process has, and others by name."""

from typing import Any

from dnmf.errors import InputError


def refuse_unknown_filters(dataset: Any, address: str) -> None:
    """Refuse a dataset whose chunks this process cannot decode; ``hdf5plugin`` is used where it is installed.

    Raises
    ------
    InputError
        A filter is not available; the message names it.
    """
    from h5py import h5z

    how = dataset.id.get_create_plist()
    for number in range(how.get_nfilters()):
        code, _, _, name = how.get_filter(number)
        if not h5z.filter_avail(code) and not _registered_by_plugins(code):
            called = name.decode(errors="replace") or "without a name"
            raise InputError(
                f"{address}: its chunks went through the filter {called} ({code}), which is not here; "
                "pip install hdf5plugin, on every worker, or write the file anew with h5repack -f GZIP=4"
            )


def _registered_by_plugins(code: int) -> bool:
    try:
        import hdf5plugin  # noqa: F401  importing it registers the filters
    except ImportError:
        return False
    from h5py import h5z

    return bool(h5z.filter_avail(code))
