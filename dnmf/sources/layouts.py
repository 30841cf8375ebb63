"""Which program's layout a store or an HDF5 file has inside: AnnData's, new and old, and those that are not read."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dnmf.errors import InputError
from dnmf.sources.addresses import StoreAddress, is_url
from dnmf.sources.nodes import encoding_of, holds_nothing, is_array, is_group, is_matrix, listing
from dnmf.sources.stored import open_node, open_root

TENX_PARTS = {"barcodes", "data", "indices", "indptr", "shape"}
MODALITIES = "mod"
DESCRIPTIONS = ("zarr.json", ".zgroup", ".zarray")
FRAMES = {
    "X": ("obs", "var"), "layers": ("obs", "var"), "obsm": ("obs", None), "varm": ("var", None),
    "obsp": ("obs", "obs"), "varp": ("var", "var"),
}  # fmt: skip


@dataclass(frozen=True)
class Arrangement:
    """How another program arranges a matrix.

    Attributes
    ----------
    name : str
        What it is called in messages.
    recognized : callable
        Whether the group at the root is arranged so.
    use : {"convert", "neither"}
        Whether ``dnmf convert`` reads it.
    way : str
        What to do instead, with ``{path}``.
    """

    name: str
    recognized: Callable[[Any], bool]
    use: Literal["convert", "neither"]
    way: str = ""


def stored_shape(address: str, node: Any) -> tuple[int, ...]:
    """Return the shape of a sparse matrix in AnnData's layout.

    Raises
    ------
    InputError
        It lacks its shape or one of its arrays.
    """
    shape = next((node.attrs[name] for name in ("shape", "h5sparse_shape") if name in node.attrs), ())
    try:
        found = tuple(int(n) for n in shape)
    except (TypeError, ValueError):
        found = ()
    if not found or any(name not in node for name in ("data", "indices", "indptr")):
        raise InputError(f"{address}: an incomplete sparse matrix (needs shape, data, indices, indptr)")
    return found


def is_tenx(group: Any) -> bool:
    """Whether a group is a matrix as Cell Ranger writes it: compressed columns of features × cells, with names."""
    return is_group(group) and all(part in group for part in TENX_PARTS)


def tenx_groups(root: Any) -> list[str]:
    """Return the names of the matrices of a 10x file: ``matrix``, or the genomes of Cell Ranger 2."""
    if is_array(root) or "X" in root:
        return []
    return sorted(name for name in root if is_tenx(root[name]))


def _is_loom(root: Any) -> bool:
    return all(name in root for name in ("matrix", "row_attrs", "col_attrs"))


ARRANGEMENTS = (
    Arrangement("a 10x Genomics file", lambda root: bool(tenx_groups(root)), "convert"),
    Arrangement("a loom file, genes × cells", _is_loom, "neither",
           "write it as AnnData: anndata.io.read_loom({path!r}).write_h5ad('out.h5ad')"),
    Arrangement("an h5Seurat file", lambda root: "assays" in root and "cell.names" in root, "neither",
           "write it as .h5ad in R: SeuratDisk::Convert({path!r}, dest = 'h5ad')"),
)  # fmt: skip


def refuse_other_layouts(path: str, root: Any, inner: str) -> None:
    """Return when a store is not in a layout that another command, or another program, has to turn first.

    Raises
    ------
    InputError
        It is; the message says which it is and what to do.
    """
    if is_array(root) or (inner and not is_tenx(open_node(path, inner))):
        return
    found = next((each for each in ARRANGEMENTS if each.recognized(root)), None)
    if found is None:
        return
    if found.use == "convert":
        address = shlex.quote(f"{path}::{inner}" if inner else path)
        raise InputError(f"{path}: {found.name} cannot be read in parts; convert it once with: "
                         f"dnmf convert {address} out.zarr")  # fmt: skip
    raise InputError(f"{path}: {found.name}; {found.way.format(path=path)}")


def meant_matrix(path: str, root: Any, inner: str) -> str:
    """Return the place of the matrix that is meant by `inner`, or by the store alone where that is empty.

    A group means its ``X``, if it has one; a store otherwise its only matrix.

    Raises
    ------
    InputError
        It is not clear which; the message names those there are.
    """
    node = open_node(path, inner)
    if holds_nothing(node):
        raise InputError(f"{path}::{inner}: there is nothing in it; the store holds {listing(root)}")
    if is_matrix(node):
        return inner
    if not is_group(node):
        raise InputError(f"{path}::{inner}: no matrix, a {type(node).__name__}; the store holds {listing(root)}")
    prefix = f"{inner}/" if inner else ""
    if "X" in node and not holds_nothing(open_node(path, f"{prefix}X")):
        return f"{prefix}X"
    if MODALITIES in node and not inner:
        places = ", ".join(f"{path}::{MODALITIES}/{name}" for name in sorted(root[MODALITIES]))
        raise InputError(f"{path}: say which of its modalities is meant: {places}")
    return inner or _only_matrix(path, root)


def _only_matrix(path: str, root: Any) -> str:
    nodes = {name: open_node(path, name) for name in root}
    held = {name: node for name, node in nodes.items() if is_matrix(node) and not holds_nothing(node)}
    matrices = [name for name, node in held.items() if not is_array(node) or len(node.shape) == 2]
    for names in (matrices, list(held)):  # where none can be one, the only array says why not
        if len(names) == 1:
            return names[0]
    raise InputError(f"{path}: say which matrix with {path}::NAME; it holds {listing(root)}")


def frames_of(root: Any, inner: str) -> tuple[str | None, str | None]:
    """Return the data frames of an AnnData that name rows and columns of its matrix `inner`, where there are some."""
    if inner == "raw.X":  # of anndata before 0.7
        return ("obs", "raw.var") if "raw.var" in root else ("obs", None)
    parts = inner.split("/")
    at = next((number for number, part in enumerate(parts) if part in FRAMES), None)
    if at is None or is_array(root):
        return None, None
    above = parts[:at]
    found: list[str | None] = []
    for frame in FRAMES[parts[at]]:
        shared = above[:-1] if frame == "obs" and above[-1:] == ["raw"] else above  # raw has genes of its own only
        name = "/".join([*shared, frame or ""])
        found.append(name if frame and name in root else None)
    return found[0], found[1]


def in_whole_store(path: str, inner: str) -> tuple[str, str]:
    """Return the AnnData that a directory lies in, and the place in it; both as they are where it lies in none.

    Names are kept beside a matrix: ``counts.zarr/X`` is as good as ``counts.zarr::X``. Only directories are looked at,
    as asking an object store for what is above is slow and often not allowed.
    """
    place = Path(path)
    if is_url(path) or isinstance(path, StoreAddress) or not place.is_dir():
        return path, inner
    for above in (place, *place.parents):
        if not any((above / name).is_file() for name in DESCRIPTIONS):
            break
        if encoding_of(open_root(str(above))) == "anndata":
            return str(above), "/".join([*place.relative_to(above).parts, inner]).strip("/")
    return path, inner


def group_above(inner: str) -> str:
    """Return the place of the AnnData that a matrix belongs to: ``mod/rna`` of ``mod/rna/layers/counts``."""
    parts = inner.split("/")
    at = next((number for number, part in enumerate(parts) if part in FRAMES), 0)
    above = parts[:at]
    return "/".join(above[:-1] if above[-1:] == ["raw"] else above)
