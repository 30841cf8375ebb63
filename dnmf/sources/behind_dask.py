"""Stored arrays behind a dask array: dask hands them over as they are, and what is missing of them as zeros."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dnmf.errors import InputError
from dnmf.sources.conventions import refuse_undecoded
from dnmf.sources.given import lies_in_a_store
from dnmf.sources.marks import Marks, marks_of_directory, marks_of_files
from dnmf.sources.presence import absent_object, is_hdf5

# Names of the layers that keep every value: whatever else a graph does may decode them.
WHOLE = ("original-", "from-zarr-", "array-", "rechunk-", "concatenate-", "transpose-", "reshape-")
PARTS_OF_SPARSE = ("data", "indices", "indptr")
Span = tuple[int, int]


@dataclass(frozen=True)
class BehindDask:
    """One stored array on this machine that the tasks of a dask array read from.

    Attributes
    ----------
    node : zarr.Array or h5py.Dataset
        Opened.
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
    missing_chunks: str

    @property
    def path(self) -> str:
        """The file, or the directory of the array."""
        node = self.node
        return str(node.file.filename if is_hdf5(node) else _folder(node.store) / node.path)

    @property
    def inner(self) -> str:
        """The place in the file; empty for a directory."""
        return str(self.node.name).strip("/") if is_hdf5(self.node) else ""

    @property
    def address(self) -> str:
        """The directory, or the file with the place inside it after ``::``."""
        return f"{self.path}::{self.inner}" if self.inner else self.path

    def marks(self) -> Marks:
        """What changes when one of its files is replaced; see :mod:`dnmf.sources.marks`."""
        return marks_of_files([Path(self.path)]) if is_hdf5(self.node) else marks_of_directory(Path(self.path))

    def refuse_absent(self) -> None:
        """Return when all is there that dask would read as zeros.

        Raises
        ------
        InputError
            A chunk is missing, or all of the array.
        """
        if not Path(self.path).exists():
            raise InputError(
                f"{self.of}: there is no {self.path} any more, and dask reads it as zeros; restore it, or open it anew"
            )
        zeros = self.missing_chunks == "zeros"
        found = (absent_object(self.node, start, stop, zeros=zeros) for start, stop in self.spans)
        absent = next((name for name in found if name is not None), None)
        if absent is not None:
            raise InputError(
                f"{self.of}: chunk {absent} of the array at {self.address} is missing or empty, and dask reads it as "
                "zeros. Restore the file; if chunks of zeros were left out when the array was written, open it with "
                "dnmf.open_source(array, missing_chunks='zeros')"
            )


def arrays_behind(array: Any, address: str, missing_chunks: str) -> tuple[BehindDask, ...]:
    """Return the stored arrays that the tasks of a dask array hold, once all is there that they read.

    They are found in what tasks are given: arrays (``from_zarr``, ``from_array``), and the sparse matrices of AnnData's
    lazy readers, whatever is computed from them; not what a function opens by itself. Only arrays on this machine are
    looked at, which costs as much as listing their files.

    Raises
    ------
    InputError
        A chunk is missing, or values are handed over that are packed.
    """
    whole = all(str(name).startswith(WHOLE) for name in array.dask.layers)
    layers = array.dask.layers if whole else _needed(array)
    found: dict[str, BehindDask] = {}
    for name, layer in layers.items():
        readers = [layer, *(layers[other] for other in array.dask.dependents.get(name, ()) if other in layers)]
        for node in filter(_is_on_this_machine, _stored_in(_given_to(layer))):
            if whole:
                refuse_undecoded(node, address)
            behind = BehindDask(node, _spans(readers, node), address, missing_chunks)
            behind.refuse_absent()
            found.setdefault(behind.address, behind)
    return tuple(found.values())


def _needed(array: Any) -> dict[str, Any]:
    """The layers of a graph without the tasks that it does not need, by the names they had with them."""
    found = {}
    for layer in array.dask.cull(array.__dask_keys__()).layers.values():
        key = next(iter(layer.get_output_keys()))
        found[key[0] if isinstance(key, tuple) else key] = layer
    return found


def _given_to(layer: Any) -> Iterable[Any]:
    """What the tasks of a layer are given, without making tasks of those that are only described."""
    if hasattr(layer, "indices"):
        return [layer.task, *(argument for argument, _ in layer.indices)]
    return getattr(layer, "mapping", {}).values()


def _stored_in(values: Iterable[Any]) -> Iterator[Any]:
    """The stored arrays in some values and in what these hold, each once."""
    left, seen = list(values), {}
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value  # kept, so that no other gets its id
        if lies_in_a_store(value):
            yield value
        else:
            left.extend(_held_by(value))


def _held_by(value: Any) -> Iterable[Any]:
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, partial):
        return value.func, value.args, value.keywords
    package = type(value).__module__.split(".")[0]
    if package == "anndata" and hasattr(value, "group") and hasattr(value, "backend"):
        return _parts_of(value.group)
    names = {"dask": ("func", "args", "kwargs", "value"), "xarray": ("array", "_array")}.get(package, ())
    return [getattr(value, name) for name in names if hasattr(value, name)]


def _parts_of(group: Any) -> list[Any]:
    try:
        return [group[name] for name in PARTS_OF_SPARSE]
    except KeyError as error:
        place = getattr(group, "store_path", group)
        raise InputError(f"the sparse matrix at {place} is not there any more, or not all of it: {error}") from error


def _spans(readers: Iterable[Any], node: Any) -> tuple[Span, ...]:
    """The entries of the first axis that the tasks of some layers cut out of an array; all, where they cut none."""
    if 0 in node.shape or not node.shape:
        return ()
    spans: set[Span] = set()
    for layer in readers:
        cuts = next((cut for cut in getattr(layer, "io_deps", {}).values() if hasattr(cut, "starts")), None)
        if cuts is not None:
            spans.update(_span(cuts[key[1:]][0]) for key in layer.get_output_keys())
    return tuple(sorted(spans)) or ((0, int(node.shape[0])),)


def _span(cut: slice) -> Span:
    return int(cut.start), int(cut.stop)


def _is_on_this_machine(node: Any) -> bool:
    return is_hdf5(node) or _folder(node.store) is not None


def _folder(store: Any) -> Any:
    root = getattr(store, "root", None)
    if isinstance(root, Path):
        return root
    is_local = "file" in getattr(getattr(store, "fs", None), "protocol", ())  # what dask makes of a path
    return Path(store.path) if is_local else None
