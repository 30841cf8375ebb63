"""What arrays of dask and xarray are made of: stored arrays, opened or by the path of their file."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from dis import get_instructions
from functools import partial
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.sources.numpy_files import NumpyFile, mapped_file
from dnmf.sources.presence import lies_in_a_store

PARTS_OF_SPARSE = ("data", "indices", "indptr")
HELD = {"dask": ("func", "args", "kwargs", "value"), "xarray": ("array", "_array"), "h5py": ("_dset",)}
Span = tuple[int, int]


@dataclass(frozen=True)
class InFile:
    """What tasks open by themselves, each time.

    Attributes
    ----------
    path : str
        Of an HDF5 file.
    inner : str
        An array in it, or the group of a sparse matrix.
    """

    path: str
    inner: str


def needed_layers(array: Any) -> dict[str, Any]:
    """Return the layers of a dask array without the tasks that it does not need, by the names they had with them."""
    found = {}
    for layer in array.dask.cull(array.__dask_keys__()).layers.values():
        key = next(iter(layer.get_output_keys()))
        found[key[0] if isinstance(key, tuple) else key] = layer
    return found


def given_to(layer: Any) -> Iterable[Any]:
    """Return what the tasks of a layer are given, without making tasks of those that are only described."""
    if hasattr(layer, "indices"):
        return [layer.task, *(argument for argument, _ in layer.indices)]
    return getattr(layer, "mapping", {}).values()


def _never(value: Any) -> bool:  # noqa: ARG001
    return False


def stored_in(values: Iterable[Any], *, stop: Callable[[Any], bool] = _never) -> Iterator[Any]:
    """Yield the stored arrays, and what stands for such, in some values and in what these hold, each once."""
    return filter(is_stored, all_in(values, stop=stop))


def is_stored(value: Any) -> bool:
    """Whether something is a stored array, or stands for one."""
    return lies_in_a_store(value) or isinstance(value, InFile)


def numpy_files_in(values: Iterable[Any]) -> Iterator[NumpyFile]:
    """Yield the files that are mapped or loaded by some values and by what these hold."""
    for value in all_in(values):
        found = value if isinstance(value, NumpyFile) else mapped_file(value)
        if found is not None:
            yield found


def all_in(values: Iterable[Any], *, stop: Callable[[Any], bool] = _never) -> Iterator[Any]:
    """Yield some values and what these hold, each once; not what is held by one at which to `stop`."""
    left, seen = list(values), {}
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value  # kept, so that no other gets its id
        yield value
        left.extend(() if stop(value) else _held_by(value))


def _held_by(value: Any) -> Iterable[Any]:
    if isinstance(value, (list, tuple)):
        return [NumpyFile.at(value[1])] if len(value) > 1 and value[0] is np.load else value
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, (FunctionType, MethodType)):
        return _seen_by(value)
    package = _package_of(value.func if isinstance(value, partial) else value)
    if isinstance(value, partial):
        if package == "anndata" and isinstance(next(iter(value.args), None), Path):
            return [InFile(*map(str, value.args[:2]))]
        return value.func, value.args, value.keywords
    if package == "anndata" and hasattr(value, "group") and hasattr(value, "backend"):
        return _parts_of(value.group)
    if getattr(value, "func", None) is np.load:
        return [NumpyFile.at(value.args[0])]
    return [getattr(value, name) for name in HELD.get(package, ()) if hasattr(value, name)]


def _seen_by(function: Any) -> Iterable[Any]:
    """The object of a method; the stored arrays that a function takes from where it was defined."""
    if isinstance(function, MethodType):
        return [function.__self__]
    seen: list[Any] = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    named = (step.argval for step in get_instructions(function) if step.opname == "LOAD_GLOBAL")
    seen += [function.__globals__.get(name) for name in named]
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # nothing is in it yet
            seen.append(cell.cell_contents)
    return filter(lies_in_a_store, seen)


def _package_of(value: Any) -> str:
    of = value if callable(value) and hasattr(value, "__module__") else type(value)
    return str(of.__module__).split(".")[0]


def _parts_of(group: Any) -> list[Any]:
    try:
        return [group[name] for name in PARTS_OF_SPARSE]
    except KeyError as error:
        place = getattr(group, "store_path", group)
        raise InputError(f"the sparse matrix at {place} is not there any more, or not all of it: {error}") from error


def spans_read(readers: Iterable[Any], node: Any) -> tuple[Span, ...]:
    """Return the entries of the first axis that the tasks of some layers cut out of an array; all, if they cut none."""
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


def rows_chosen(lazy: Any, node: Any) -> tuple[Span, ...]:
    """Return the entries of the first axis of a stored array that one of xarray reads, once it is asked for."""
    length, key = int(node.shape[0]) if node.shape else 0, slice(None)
    while isinstance(key, slice) and key == slice(None) and hasattr(lazy, "array"):
        key = next(iter(getattr(getattr(lazy, "key", None), "tuple", ())), slice(None))
        lazy = lazy.array
    if not isinstance(key, (slice, int, np.integer)):  # numbers of rows
        return ((0, length),) if length else ()
    rows = range(length)[key] if isinstance(key, slice) else range(int(key), int(key) + 1)
    return ((min(rows), max(rows) + 1),) if rows else ()
