"""Places where stores and results lie: what may be done with one, whatever kind of place it is.

A place is a :class:`pathlib.Path`, or what has the methods of one that dnmf uses
(:class:`~dnmf.places.objects.ObjectPlace`). What paths have no method for is a function here, which a kind of place
registers itself with.
"""

from dnmf.places.buckets import UnansweredError
from dnmf.places.doors import names_objects, place, place_of
from dnmf.places.objects import ObjectPlace
from dnmf.places.trees import (
    Place,
    Sink,
    absolute,
    as_place,
    as_zarr,
    below,
    copy_object,
    create_array,
    folder_names,
    has_home,
    holds,
    is_trace,
    put_whole,
    remove_tree,
    trace_name,
    trouble_with,
)

__all__ = [
    "ObjectPlace", "Place", "Sink", "UnansweredError", "absolute", "as_place", "as_zarr", "below", "copy_object",
    "create_array", "folder_names", "has_home", "holds", "is_trace", "names_objects", "place", "place_of", "put_whole",
    "remove_tree", "trace_name", "trouble_with",
]  # fmt: skip
