"""Stored arrays that dask hands over as they are: it asks neither for their chunks nor for their attributes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dnmf.errors import InputError
from dnmf.sources.conventions import refuse_undecoded
from dnmf.sources.given import lies_in_a_store
from dnmf.sources.presence import absent_object, is_hdf5

# Names of the layers that keep every value: whatever else a graph does may leave parts out, or decode them.
WHOLE = ("original-", "from-zarr-", "array-", "rechunk-", "concatenate-", "transpose-", "reshape-")


def refuse_unread(array: Any, address: str, missing_chunks: str) -> None:
    """Refuse a dask array of stored arrays of which a chunk is missing, or whose values are packed.

    Only arrays on this machine are looked at, and only where all of them is handed over: ``from_zarr``, ``from_array``,
    in other chunks, turned or joined. Looking at them costs as much as listing their files.

    Raises
    ------
    InputError
        It is one; the message says what to give instead.
    """
    layers = array.dask.layers
    if not all(str(name).startswith(WHOLE) for name in layers):
        return
    for node in _stored_in(layers):
        refuse_undecoded(node, address)
        absent = _absent(node, missing_chunks)
        if absent is not None:
            raise InputError(
                f"{address}: chunk {absent} of the array at {_place(node)} is missing or empty, and dask reads it as "
                "zeros. Restore the file; if chunks of zeros were left out when the array was written, open it with "
                "dnmf.open_source(array, missing_chunks='zeros')"
            )


def _stored_in(layers: Any) -> Iterator[Any]:
    for name, layer in layers.items():
        inline = [argument for argument, _ in getattr(layer, "indices", ())]
        found = list(layer.values()) if str(name).startswith("original-") else inline
        yield from filter(lies_in_a_store, found)


def _absent(node: Any, missing_chunks: str) -> str | None:
    if not _is_on_this_machine(node) or 0 in node.shape or not node.shape:
        return None
    return absent_object(node, 0, node.shape[0], zeros=missing_chunks == "zeros")


def _is_on_this_machine(node: Any) -> bool:
    if is_hdf5(node) or isinstance(getattr(node.store, "root", None), Path):
        return True
    return "file" in getattr(getattr(node.store, "fs", None), "protocol", ())  # what dask makes of a path


def _place(node: Any) -> str:
    if is_hdf5(node):
        return f"{node.file.filename}::{node.name}"
    folder = getattr(node.store, "root", None) or node.store.path
    return f"{folder}/{node.path}".rstrip("/")
