"""Zarr stores, wherever they are: opened by what is stored, not by a copy of it, and refused in a sentence."""

import os
import pickle
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dnmf.errors import InputError
from dnmf.places import as_zarr, names_objects
from dnmf.places.objects import object_place
from dnmf.refusals import cause_of, told, without_secrets
from dnmf.sources.addresses import StoreAddress, is_url
from dnmf.sources.schemes import lacking, refuse_schemes

HDF5_SUFFIXES = (".h5ad", ".h5", ".hdf5", ".h5mu", ".loom", ".nc")
MANUAL = "docs/object-storage.md"
NOT_PERMITTED = ("PermissionError", "NoCredentialsError", "PermissionDeniedError", "UnauthenticatedError")
NOT_REACHED = ("Connect", "Timeout", "TimedOut", "Unreachable", "Unanswered", "GenericError")


def store_at(url: str, storage_options: dict[str, Any] | None = None) -> StoreAddress:
    """Return the store at a URL, opened by fsspec with `storage_options`, which go to the workers.

    Object storage that fsspec has no package for is opened by obstore, if that is installed.

    Raises
    ------
    InputError
        It would be an HDF5 file, or its scheme is unknown or of another address.
    ImportError
        The package for this kind of address is not installed.
    """
    if url.lower().endswith(HDF5_SUFFIXES):
        raise InputError(
            f"{url}: HDF5 files are read from a file system, not from an address; copy the file here, or convert it to "
            f"Zarr once (dnmf convert) and upload that, see {MANUAL}"
        )
    import zarr

    refuse_schemes(url, storage_options or ())
    try:
        store = zarr.storage.FsspecStore.from_url(url, storage_options=storage_options, read_only=True)
    except ImportError:
        if not (names_objects(url) and find_spec("obstore")):
            raise
        store = as_zarr(object_place(url, storage_options), read_only=True)
    return StoreAddress(url, store)


def named_store(url: str, storage_options: dict[str, Any]) -> StoreAddress:
    """Return the store at a URL, opened with options of the caller.

    Raises
    ------
    InputError
        The options are not those of this kind of address, or it would be an HDF5 file, or nothing can open it.
    """
    try:
        return store_at(url, storage_options)
    except InputError:
        raise
    except ImportError as error:
        raise InputError(f"{url}: {lacking(error)}") from error
    except OSError as error:
        raise InputError(f"{url}: {why_not(error)}") from cause_of(error)
    except (TypeError, ValueError) as error:
        said = without_secrets(str(error))
        raise InputError(f"{url}: storage_options cannot be used ({said}); see {MANUAL}") from cause_of(error)


def open_zarr(address: str) -> Any:
    """Return the Zarr group or array of a path, or of a :class:`StoreAddress`."""
    import zarr

    if is_url(address) and not isinstance(address, StoreAddress):
        address = store_at(address)
    if isinstance(address, StoreAddress):
        _ask_once(address.store)
        return zarr.open(address.store, mode="r", use_consolidated=False)
    return zarr.open(Path(address), mode="r", use_consolidated=False)  # as text, two colons would make it a URL


def as_stored(node: Any) -> Any:
    """Return an opened Zarr node that lists what is stored, not the copy of it that a group may carry along.

    A group below the one that was opened uses such consolidated metadata, whatever was asked for at the root.
    """
    import zarr

    if getattr(node.metadata, "consolidated_metadata", None) is None:
        return node
    return zarr.open_group(node.store, path=node.path, mode="r", use_consolidated=False)


def array_as_stored(array: Any) -> Any:
    """Return an opened Zarr array with the attributes that are stored, as its group may have had a copy of them.

    It is returned as it is where it is not there any more.
    """
    import zarr

    try:
        return zarr.open_array(array.store, path=array.path, mode="r")
    except (OSError, ValueError, KeyError):  # who reads it will say what it is
        return array


def _ask_once(store: Any) -> None:
    """Ask for one object, before Zarr asks for several at once: of those that fail, Python prints each."""
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync
    from zarr.storage import StorePath

    if isinstance(store, StorePath):
        store, place = store.store, f"{store.path}/zarr.json"
    else:
        place = "zarr.json"
    sync(store.get(place, default_buffer_prototype()))


def why_not(error: Exception) -> str:
    """Return why a store at an address could not be opened, and what to try."""
    kind = type(error).__name__
    said = told(error).removeprefix(f"{kind}: ")
    if kind in ("GroupNotFoundError", "FileNotFoundError", "NotFoundError", "NoSuchBucket", "ContainsArrayError"):
        return "there is no Zarr array or group there, or no bucket of that name; check the address"
    if kind in NOT_PERMITTED:
        return f"not permitted ({said}); for keys and endpoints see {MANUAL}"
    if any(part in kind for part in NOT_REACHED):
        return f"it cannot be reached ({said}); check the network and the endpoint, see {MANUAL}"
    return f"not a readable Zarr store ({told(error)})"


def address_of_object(node: Any) -> str:
    """Return how workers find the store of an opened Zarr array or group.

    Raises
    ------
    InputError
        It cannot be sent to them.
    """
    store = node.store
    if isinstance(getattr(store, "root", None), Path):
        return str(store.root)
    name = name_of_store(store)
    if type(store).__name__ == "ZipStore":
        return name
    try:
        pickle.dumps(store)
    except Exception as error:
        raise InputError(
            f"{name}: this Zarr object cannot be sent to workers ({told(error)}); give its path or "
            "URL, or a dask array: dask.array.from_zarr(array)"
        ) from error
    return StoreAddress(name, _with_errors_of_files(store, name))


def _with_errors_of_files(store: Any, name: str) -> Any:
    """The same store, one of obstore with errors that are those of files: what fails for a moment is tried again."""
    import zarr

    if type(store) is not zarr.storage.ObjectStore:
        return store
    from dnmf.places.chunks import Chunks

    return Chunks(store.store, name=name, read_only=store.read_only)


def name_of_store(store: Any) -> str:
    """Return the path of a zip archive, what any other Zarr store is called; secrets in it are left out."""
    if type(store).__name__ == "ZipStore":
        return os.path.abspath(store.path)
    protocol = getattr(getattr(store, "fs", None), "protocol", None)
    if protocol is None:
        return without_secrets(str(store))
    return without_secrets(f"{protocol if isinstance(protocol, str) else protocol[0]}://{store.path}")


def innermost(store: Any) -> Any:
    """Return the Zarr store that those that wrap it (to log, to count) are about."""
    while hasattr(store, "_with_store"):
        store = store._store
    return store


def directory_of(store: Any) -> Path | None:
    """Return the directory that a Zarr store reads its objects from by their keys, None where it has none here."""
    root = getattr(store, "root", None)
    if isinstance(root, Path):
        return root
    protocol = getattr(getattr(store, "fs", None), "protocol", ())
    is_local = "file" in ([protocol] if isinstance(protocol, str) else protocol)  # what dask makes of a path
    return Path(store.path) if is_local else None


def refuse_unknown_layouts(node: Any, address: str) -> None:
    """Refuse a Zarr array whose values are pickles, or whose chunks do not lie on a grid.

    Raises
    ------
    InputError
        So it is.
    """
    how = {name: value for name, value in node.metadata.to_dict().items() if name != "attributes"}
    if "pickle" in repr(how).lower():
        raise InputError(f"{address}: its values are pickles, which can run any code; dnmf does not read them")
    grid = how.get("chunk_grid", {}).get("name", "regular")
    if grid != "regular":
        raise InputError(f"{address}: its chunk grid is {grid}; write the array anew, in chunks of one shape")
