"""What an opened array or group of Zarr or HDF5 is, by what it says of itself."""

from typing import Any

SPARSE_BEFORE_07 = {"csr": "csr_matrix", "csc": "csc_matrix"}
SPARSE_ENCODINGS = frozenset(SPARSE_BEFORE_07.values())
MOST_LISTED = 12
DIMENSIONS_OF_XARRAY = "_ARRAY_DIMENSIONS"


def is_array(node: Any) -> bool:
    """Whether an opened node is an array rather than a group."""
    return hasattr(node, "dtype") and hasattr(node, "shape")


def is_group(node: Any) -> bool:
    """Whether an opened node is a group; a named data type of HDF5 is neither a group nor an array."""
    return not is_array(node) and hasattr(node, "keys")


def attribute(node: Any, name: str) -> Any:
    """Return an attribute of an opened node, text as str, None where it has none."""
    value = node.attrs.get(name)
    return value.decode() if isinstance(value, bytes) else value


def dimensions_of(node: Any) -> tuple[Any, ...]:
    """Return what an opened array calls its axes (Zarr v3, xarray, HDF5's scales), None of one without a name."""
    if hasattr(node, "dims"):
        return tuple(dim.label or next(iter(dim.keys()), None) for dim in node.dims)
    named = getattr(node.metadata, "dimension_names", None) or attribute(node, DIMENSIONS_OF_XARRAY)
    return tuple(named) if isinstance(named, (list, tuple)) else ()


def encoding_of(node: Any) -> str:
    """Return how AnnData says that an opened node is encoded, before version 0.7 too; empty where it says nothing."""
    value = attribute(node, "encoding-type") or SPARSE_BEFORE_07.get(attribute(node, "h5sparse_format"))
    return value if isinstance(value, str) else ""


def old_index(node: Any) -> str | None:
    """Return which field names the rows of a data frame that anndata before 0.7 wrote as one table; None for others."""
    fields = node.dtype.names if is_array(node) else None
    return fields[0] if fields else None


def holds_nothing(node: Any) -> bool:
    """Whether an opened node stands for nothing: None, as anndata writes it, or an HDF5 dataset without a shape."""
    return encoding_of(node) == "null" or (is_array(node) and node.shape is None)


def is_matrix(node: Any) -> bool:
    """Whether an opened node is an array or a sparse matrix in AnnData's layout."""
    return is_array(node) or encoding_of(node) in SPARSE_ENCODINGS


def listing(node: Any) -> str:
    """Return the names in a group for a message; of groups that only collect others (``layers``) what is in them."""
    names = sorted(node) if hasattr(node, "keys") else []
    places = {name: places_in(node, name) for name in names}
    names = [place for name in names if places[name] is not None for place in places[name] or [name]]
    return ", ".join(names[:MOST_LISTED]) + (" …" if len(names) > MOST_LISTED else "") or "no groups or arrays"


def places_in(group: Any, name: str) -> list[str] | None:
    """Return `name`, or the places in it where it only collects others; None where it stands for nothing."""
    try:
        node = group[name]
        if holds_nothing(node):
            return None
        if is_array(node) or encoding_of(node) not in ("dict", ""):
            return [name]
        return [f"{name}/{inner}" for inner in sorted(node)]
    except Exception:  # noqa: BLE001  what cannot be opened can still be named
        return [name]
