"""What tells whether stored data is still what it was: names, sizes and times of change, no values."""

import os
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.checksums import crc32c_of
from dnmf.sources.datasets import files_behind
from dnmf.sources.presence import is_hdf5, object_shape, object_sizes

MOST_REMOTE_OBJECTS = 64


def fingerprint_of(node: Any, path: str) -> dict[str, Any]:
    """Return JSON values that change when the data of an opened array changes.

    Shape, dtype and chunks; for a directory a checksum over name, size and time of change of every file, for
    HDF5 those of the file and of the files behind it, on an object store the metadata and the sizes of some objects.
    """
    record = {
        "shape": [int(n) for n in node.shape],
        "dtype": str(node.dtype),
        "object_shape": list(object_shape(node)),
    }
    if is_hdf5(node) or Path(path).is_file():  # of HDF5, or a zip archive
        return {**record, **_of_files([Path(path), *(files_behind(node) if is_hdf5(node) else [])])}
    root = getattr(node.store, "root", None)
    if isinstance(root, Path):
        return {**record, **_of_directory(root / node.path)}
    return {**record, "metadata": crc32c_of(repr(node.metadata.to_dict()).encode()), "sizes": _of_some_objects(node)}


def _of_files(files: list[Path]) -> dict[str, Any]:
    """Of the HDF5 file that was named, and of those its links, virtual sources and external data lead to."""
    first, *others = [path.stat() for path in files]
    named = {"bytes": first.st_size, "changed": first.st_mtime_ns}
    behind = [f"{status.st_size} {status.st_mtime_ns}" for status in others if not os.path.samestat(status, first)]
    return {**named, "files behind": crc32c_of("\n".join(behind).encode())} if behind else named


def _of_directory(folder: Path) -> dict[str, Any]:
    entries = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        status = path.stat()
        entries.append((path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns))
    listing = "\n".join(f"{name} {size} {changed}" for name, size, changed in entries)
    return {
        "objects": len(entries),
        "bytes": sum(size for _, size, _ in entries),
        "names, sizes and times of files": crc32c_of(listing.encode()),
    }


def _of_some_objects(node: Any) -> int:
    grid = [-(-int(n) // c) for n, c in zip(node.shape, object_shape(node), strict=True)]
    step = max(1, int(np.prod(grid)) // MOST_REMOTE_OBJECTS)
    keys = [node.metadata.encode_chunk_key(place) for place in islice(np.ndindex(*grid), 0, None, step)]
    return crc32c_of(repr(object_sizes(node, keys)).encode())
