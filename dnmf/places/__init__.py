"""Places where stores and results lie: what may be done with one, whatever kind of place it is.

A place is a :class:`pathlib.Path`, or what has the methods of one that dnmf uses. What paths have no method for is a
function here, which a kind of place registers itself with.
"""

from dnmf.places.trees import Place, Sink, absolute, as_place, as_zarr, below, folder_names, put_whole, remove_tree

__all__ = [
    "Place", "Sink", "absolute", "as_place", "as_zarr", "below", "folder_names", "put_whole", "remove_tree",
]  # fmt: skip
