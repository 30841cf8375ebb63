"""Stored arrays behind those of dask and xarray, which hand them over as they are, and what is missing as zeros."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dnmf.arrays import offers
from dnmf.checksums import crc32c_of
from dnmf.errors import InputError
from dnmf.sources.datasets import files_behind
from dnmf.sources.decoders import is_of_a_file, undecoded_in
from dnmf.sources.fingerprints import fingerprint_of
from dnmf.sources.graphs import (
    PARTS_OF_SPARSE,
    InFile,
    Span,
    given_to,
    needed_layers,
    numpy_files_in,
    rows_chosen,
    spans_read,
    stored_in,
)
from dnmf.sources.marks import Marks, listed_sizes, marks_of
from dnmf.sources.nodes import is_array
from dnmf.sources.numpy_files import NumpyFile
from dnmf.sources.presence import SIZES_AT_ONCE, absent_object, count_objects, is_hdf5, lies_in_memory
from dnmf.sources.stored import open_node
from dnmf.sources.undecoded import refuse_undecoded_store, refuse_undecoded_variable
from dnmf.sources.zarr_stores import directory_of, innermost, name_of_store

# Names of the layers that keep every value, so that nothing of an array need be left out of what is looked at.
WHOLE = ("original-", "from-zarr-", "array-", "rechunk-", "concatenate-", "transpose-", "reshape-")


@dataclass(frozen=True)
class BehindDask:
    """One stored array that the tasks of a dask array read from.

    Attributes
    ----------
    node : zarr.Array, h5py.Dataset or InFile
        Opened; an ``InFile`` is opened whenever it is looked at, as the tasks do it.
    spans : tuple of (int, int)
        The entries of its first axis that are read.
    of : str
        What the dask array is called in messages.
    missing_chunks : {"error", "zeros"}
        What an absent chunk means.
    """

    node: Any
    spans: tuple[Span, ...]
    of: str
    missing_chunks: str = "error"

    @property
    def path(self) -> str:
        """The file, the directory of the array, or what its store is called."""
        node = self.node
        if self._is_hdf5:
            return os.path.abspath(node.path if isinstance(node, InFile) else node.file.filename)
        return name_of_store(innermost(node.store)) if self.folder is None else str(self.folder)

    @property
    def inner(self) -> str:
        """The place in the file or the store; empty for a directory."""
        node = self.node
        if isinstance(node, InFile):
            return node.inner.strip("/")
        if is_hdf5(node):
            return str(node.name).strip("/")
        return str(node.path) if self.folder is None else ""

    @property
    def folder(self) -> Path | None:
        """The directory of a Zarr array, where it has one on this machine, whatever wraps its store."""
        root = None if self._is_hdf5 else directory_of(innermost(self.node.store))
        return None if root is None else root / self.node.path

    @property
    def lies_in_memory(self) -> bool:
        """Whether no file or object is to be watched, as nobody else can change it."""
        return not isinstance(self.node, InFile) and lies_in_memory(self.node)

    @property
    def _is_hdf5(self) -> bool:
        return isinstance(self.node, InFile) or is_hdf5(self.node)

    @property
    def address(self) -> str:
        """The directory, or the file or store with the place inside it after ``::``."""
        return f"{self.path}::{self.inner}" if self.inner else self.path

    def files(self) -> list[Path]:
        """Return the files that it is read from, where these are HDF5 or a zip archive."""
        if self._is_hdf5:
            with _opened(self.node) as node:
                return [Path(self.path), *files_behind(node)]
        return [Path(self.path)] if Path(self.path).is_file() else []

    def to_send(self) -> "BehindDask":
        """Return it in a form that other processes can open."""
        return replace(self, node=InFile(self.path, self.inner)) if is_hdf5(self.node) else self

    def marks(self) -> Marks:
        """What changes when one of its files or objects is replaced; see :mod:`dnmf.sources.marks`."""
        if self._is_gone:
            return Marks.none()
        with _opened(self.node) as node:
            return marks_of(node, self.path)

    def fingerprint(self) -> dict[str, Any]:
        """JSON values that change when its files or objects do; see :mod:`dnmf.sources.fingerprints`."""
        with _opened(self.node) as node:
            return fingerprint_of(node, self.path)

    @property
    def _is_gone(self) -> bool:
        has_path = not self.lies_in_memory and (self._is_hdf5 or self.folder is not None)
        return has_path and not Path(self.path).exists()

    def refuse_absent(self) -> None:
        """Return when all is there that dask would read as zeros.

        Raises
        ------
        InputError
            A chunk is missing, or all of the array.
        """
        self.refuse_gone()
        absent = self._first_absent()
        if absent is not None:
            raise InputError(
                f"{self.of}: chunk {absent} of the array {self.address} is missing or empty, it would read as zeros; "
                "restore the file. If chunks of zeros were left out when the array was written, open it with "
                "dnmf.open_source(array, missing_chunks='zeros'); beside the data give array.compute()"
            )

    def refuse_gone(self) -> None:
        """Return when its file or directory is there, whatever is in it.

        Raises
        ------
        InputError
            It is not.
        """
        if self._is_gone:
            raise InputError(
                f"{self.of}: there is no {self.path} any more, it would read as zeros; restore it, or open it anew"
            )

    def _first_absent(self) -> str | None:
        zeros = self.missing_chunks == "zeros"
        with _opened(self.node) as node:
            listed = listed_sizes(node) if _are_many(node, self.spans) else {}
            found = (absent_object(node, start, stop, zeros=zeros, listed=listed) for start, stop in self.spans)
            return next((name for name in found if name is not None), None)


Behind = BehindDask | NumpyFile


def _are_many(node: Any, spans: Sequence[Span]) -> bool:
    """Whether so many objects are looked for that it is quicker to list them all."""
    return not is_hdf5(node) and sum(count_objects(node, *span) for span in spans) > SIZES_AT_ONCE


@contextmanager
def _opened(node: Any) -> Iterator[Any]:
    if not isinstance(node, InFile):
        yield node
        return
    found = open_node(node.path, node.inner.strip("/"))
    try:
        yield found
    finally:
        found.file.close()


def arrays_behind(
    array: Any, address: str, missing_chunks: str = "error", *, limits: bool = True
) -> tuple[Behind, ...]:
    """Return the stored arrays that the tasks of a dask array hold, once all is there that they read.

    They are found in what tasks are given: arrays (``from_zarr``, ``from_array``), and the matrices of AnnData's lazy
    readers, whatever is computed from them; not what another function opens by itself. It costs as much as listing
    their files or objects.

    Parameters
    ----------
    array : dask.array.Array
    address : str
        For messages.
    missing_chunks : {"error", "zeros"}
        What an absent chunk means.
    limits : bool
        Whether nobody else looks at what attributes say to be valid.

    Raises
    ------
    InputError
        A chunk is missing, or values are handed over, or computed on, that xarray did not decode and that attributes
        say to be packed, missing, or times.
    """
    whole = all(str(name).startswith(WHOLE) for name in array.dask.layers)
    layers = array.dask.layers if whole else needed_layers(array)
    for node in undecoded_in(array, layers):
        if is_of_a_file(node):
            refuse_undecoded_variable(node, address, limits=limits)
        else:
            _refuse_undecoded(node, address, limits)
    found: dict[Any, Behind] = {}
    for name, layer in layers.items():
        readers = [layer, *(layers[other] for other in array.dask.dependents.get(name, ()) if other in layers)]
        for node in stored_in(given_to(layer)):
            for behind in _each_behind(node, readers, address, missing_chunks):
                if (behind.address, behind.spans) not in found:
                    behind.refuse_absent()
                    found[behind.address, behind.spans] = behind
        found.update((file.address, file) for file in numpy_files_in(given_to(layer)))
    return tuple(each for each in found.values() if not each.lies_in_memory)


def behind_lazy(values: Any, address: str, missing_chunks: str = "error") -> tuple[Behind, ...]:
    """Return the stored arrays behind a dask array, or behind a DataArray, once all is there that they read of them.

    Anything else has none.

    Raises
    ------
    InputError
        As :func:`arrays_behind`.
    """
    is_labelled = offers(values, "dims", "coords", "variable")
    if is_labelled:
        values = values.variable._data  # its data would be read by asking for it
    if offers(values, "dask", "numblocks"):
        return arrays_behind(values, address, missing_chunks, limits=not is_labelled)
    if not type(values).__module__.startswith("xarray."):
        return ()
    nodes = [node for node in stored_in([values]) if not isinstance(node, InFile)]
    found = tuple(BehindDask(node, rows_chosen(values, node), address, missing_chunks) for node in nodes)
    for each in found:
        each.refuse_absent()
    return found


def _refuse_undecoded(node: Any, address: str, limits: bool) -> None:
    behind = BehindDask(node, (), address)
    behind.refuse_gone()
    with _opened(node) as found:
        for part in [found] if is_array(found) else [found[name] for name in PARTS_OF_SPARSE]:
            refuse_undecoded_store(part, f"{address}: {behind.address}", limits=limits)


def _each_behind(node: Any, readers: Iterable[Any], address: str, missing_chunks: str) -> Iterator[BehindDask]:
    BehindDask(node, (), address, missing_chunks).refuse_gone()
    with _opened(node) as found:
        if is_array(found):
            yield BehindDask(node, spans_read(readers, found), address, missing_chunks)
            return
        spans = [spans_read((), found[name]) for name in PARTS_OF_SPARSE]
    for name, each in zip(PARTS_OF_SPARSE, spans, strict=True):
        yield BehindDask(InFile(node.path, f"{node.inner}/{name}"), each, address, missing_chunks)


def content_of(behind: Sequence[Behind]) -> dict[str, Any]:
    """Return JSON values that change when any of some stored arrays changes, and not when they are moved."""
    records = [each.fingerprint() for each in behind]
    return {
        "arrays": len(records),
        "bytes": sum(record["bytes"] for record in records),
        "names, sizes, times or tags": crc32c_of(repr(records).encode()),
    }
