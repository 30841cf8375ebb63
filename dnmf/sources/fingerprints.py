"""What tells whether stored data is still what it was when a run began: names, sizes, times of writing, no values."""

import os
from pathlib import Path
from typing import Any

from dnmf.checksums import crc32c_of
from dnmf.sources.datasets import files_behind
from dnmf.sources.marks import marks_of
from dnmf.sources.presence import is_hdf5, object_shape
from dnmf.sources.zarr_stores import directory_of, innermost


def fingerprint_of(node: Any, path: str) -> dict[str, Any]:
    """Return JSON values that change when the data of an opened array changes, and not when it is moved.

    Shape, dtype and chunks; for HDF5 and zip archives size and time of writing of the file and of the files behind it;
    for a directory a checksum over name, size and time of every file; on an object store the metadata, and a checksum
    over name, size and tag of every object, where they can be listed, else over the sizes of some.
    """
    record: dict[str, Any] = {
        "shape": [int(n) for n in node.shape],
        "dtype": str(node.dtype),
        "object_shape": list(object_shape(node)),
    }
    if is_hdf5(node) or Path(path).is_file():  # of HDF5, or a zip archive
        return {**record, **_of_files([Path(path), *(files_behind(node) if is_hdf5(node) else [])])}
    marks = marks_of(node, path)
    what = "names, sizes and times of files"
    if directory_of(innermost(node.store)) is None:
        what = "names, sizes and tags of objects"
        record["metadata"] = crc32c_of(repr(node.metadata.to_dict()).encode())
    return {**record, "objects": len(marks), "bytes": marks.total_bytes, what: crc32c_of(marks.content())}


def _of_files(files: list[Path]) -> dict[str, Any]:
    """Of the HDF5 file that was named, and of those its links, virtual sources and external data lead to."""
    first, *others = [path.stat() for path in files]
    named = {"bytes": first.st_size, "changed": first.st_mtime_ns}
    behind = [f"{status.st_size} {status.st_mtime_ns}" for status in others if not os.path.samestat(status, first)]
    return {**named, "files behind": crc32c_of("\n".join(behind).encode())} if behind else named
