"""Zarr stores, wherever they are: opened by what is stored, not by a copy of it, and refused in a sentence."""

from typing import Any

from dnmf.errors import InputError


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
