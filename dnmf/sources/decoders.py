"""Which stored arrays reach a dask array as they are stored: all but those that xarray decodes in between."""

from collections.abc import Iterable, Iterator
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np

from dnmf.sources.graphs import all_in, given_to, is_stored

DECODERS = "xarray.coding."


def undecoded_in(array: Any, layers: dict[str, Any]) -> Iterator[Any]:
    """Yield the arrays, stored or in a netCDF file, behind some layers of a dask array that xarray does not decode."""
    below = {name: set(array.dask.dependencies.get(name, ())) & layers.keys() for name in layers}
    left, seen = list(layers.keys() - set().union(*below.values())), set()
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        values, is_all = _not_decoded(layers[name])
        yield from (value for value in all_in(values, stop=_is_decoder) if is_stored(value) or is_of_a_file(value))
        left += below[name] if is_all else ()


def is_of_a_file(value: Any) -> bool:
    """Whether something is a variable of a netCDF file, as xarray opens it, with nothing decoded yet."""
    is_lazy = type(value).__module__.startswith("xarray.backends.") and hasattr(value, "variable_name")
    return is_lazy and hasattr(getattr(value, "datastore", None), "open_store_variable")


def _not_decoded(layer: Any) -> tuple[Iterable[Any], bool]:
    """What the tasks of a layer are given that they do not decode, and whether that is all of it."""
    values = given_to(layer)
    if not any(map(_is_decoder, all_in(values))):
        return values, True
    if hasattr(layer, "indices"):
        return ([], False) if _calls_decoder(layer.task) else (values, True)
    tasks = dict(layer.mapping)
    decoding = {key for key, task in tasks.items() if _calls_decoder(task)}
    needs = {key: set(getattr(task, "dependencies", ())) & tasks.keys() for key, task in tasks.items()}
    left, plain = list(tasks.keys() - set().union(*needs.values()) - decoding), dict[Any, Any]()
    while left:
        key = left.pop()
        if key not in plain:
            plain[key] = tasks[key]
            left += needs[key] - decoding
    return list(plain.values()), not decoding


def _is_decoder(value: Any) -> bool:
    """Whether xarray decodes by a function, or in an array that it has made of another one."""
    if isinstance(value, partial) and value.func is np.asarray:  # how it makes signed integers unsigned ones
        return np.dtype(value.keywords.get("dtype")).kind in "iu"
    of = value if isinstance(value, FunctionType) else type(value)
    is_array_of_another = hasattr(value, "func") and hasattr(value, "array")  # but not one of another byte order
    return str(of.__module__).startswith(DECODERS) and (of is value or is_array_of_another)


def _calls_decoder(task: Any) -> bool:
    """Whether what a task is given is decoded by it: it calls a function for that."""
    return hasattr(task, "func") and any(_is_decoder(value) for value in all_in([task]) if callable(value))
