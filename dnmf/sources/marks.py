"""What changes when stored data is replaced: the size and the times of every file, a tag of every object; no values."""

import errno
import os
from array import array
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.places.buckets import answered
from dnmf.refusals import told
from dnmf.sources.datasets import files_behind
from dnmf.sources.presence import is_hdf5, object_shape, object_sizes
from dnmf.sources.zarr_stores import directory_of, innermost, name_of_store

ZARR_DESCRIPTIONS = (".zarray", ".zattrs", ".zgroup")
TAGS = ("ETag", "etag", "e_tag", "md5Hash", "LastModified", "last_modified", "updated", "mtime", "created")
MOST_ASKED = 64
NOT_LISTED = (NotImplementedError, PermissionError, FileNotFoundError)  # the web; keys that allow no listing
GONE, NEW = "is gone", "is new"


@dataclass(frozen=True, eq=False)
class Marks:
    """The marks of all files (or objects) of some data, packed: there may be a million.

    Attributes
    ----------
    names : str
        Rising, joined by a NUL.
    values : ndarray of int64 (n, 3)
        Of each: its size; when it was written, or its tag; when anything about it changed (0 where nothing tells).
    """

    names: str
    values: np.ndarray

    @classmethod
    def none(cls) -> "Marks":
        """Return the marks of what is not there."""
        return _Found().marks()

    def __len__(self) -> int:
        return len(self.values)

    def sizes(self) -> dict[str, int]:
        """Return the size of each by its name."""
        return {name: values[0] for name, values in self._by_name().items()}

    @property
    def total_bytes(self) -> int:
        """Of all of them."""
        return int(self.values[:, 0].sum())

    def content(self) -> bytes:
        """Return names, sizes and times of writing (or tags), which stay as they are when the data is moved."""
        return self.names.encode(errors="surrogateescape") + b"\0" + self.values[:, :2].tobytes()

    def differences(self, now: "Marks", folder: str) -> list[str]:
        """Return ``path (what happened)`` for everything in a folder that is not as it was."""
        if self.names == now.names and np.array_equal(self.values, now.values):
            return []
        before, after = self._by_name(), now._by_name()
        names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        return [f"{os.path.join(folder, name)} ({_what_happened(before.get(name), after.get(name))})" for name in names]

    def _by_name(self) -> dict[str, list[int]]:
        return dict(zip(self.names.split("\0"), self.values.tolist(), strict=True)) if len(self) else {}


def _what_happened(before: list[int] | None, after: list[int] | None) -> str:
    if before is None or after is None:
        return NEW if before is None else GONE
    if before[0] != after[0]:
        return f"{before[0]} bytes → {after[0]}"
    return "written anew" if before[1] != after[1] else "replaced, or its owner or permissions changed"


class _Found:
    """Names and marks as they are found, in little room."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._values = array("q")

    def add(self, name: str, size: int, written: int, changed: int = 0) -> None:
        self._names.append(name)
        self._values.extend((size, written, changed))

    def marks(self) -> Marks:
        order = sorted(range(len(self._names)), key=self._names.__getitem__)
        values = np.frombuffer(self._values, np.int64).reshape(-1, 3)[order]
        return Marks("\0".join([self._names[at] for at in order]), values)


def marks_of_files(places: Iterable[Path]) -> Marks:
    """Return the marks of some files, by their paths; of those that are there."""
    found = _Found()
    for place in places:
        with suppress(FileNotFoundError):
            found.add(str(place), *_times(place.stat()))
    return found.marks()


def marks_of_directory(place: Path) -> Marks:
    """Return the marks of all files of a directory, by their paths in it; none where there is no such directory.

    Hidden files that are no part of Zarr are left out: they come and go (``.nfs…``, ``.DS_Store``).
    """
    found, folders = _Found(), [""]
    seen: set[tuple[int, int]] = set()
    while folders:
        folder = folders.pop()
        if _is_seen(os.path.join(place, folder), seen):
            continue
        for entry in _entries(os.path.join(place, folder)):
            if entry.name.startswith(".") and entry.name not in ZARR_DESCRIPTIONS:
                continue
            if entry.is_dir():
                folders.append(f"{folder}{entry.name}/")
                continue
            with suppress(FileNotFoundError):
                found.add(folder + entry.name, *_times(entry.stat()))
    return found.marks()


def _is_seen(folder: str, seen: set[tuple[int, int]]) -> bool:
    """Whether a directory is among those `seen`, to which it is added: links may lead round in a circle."""
    with suppress(FileNotFoundError):
        status = os.stat(folder)
        key = (status.st_dev, status.st_ino)
        if key in seen:
            return True
        seen.add(key)
    return False


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):  # it is gone, which is what shall be noticed
        return []


def _times(status: os.stat_result) -> tuple[int, int, int]:
    """The size, and both times: that of writing can be set back, that of any change cannot.

    The number of the file (inode) is not taken: some network file systems give another one from time to time.
    """
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def marks_of(node: Any, path: str) -> Marks:
    """Return the marks of everything that an opened array of the store at `path` is read from.

    Raises
    ------
    OSError
        The storage does not answer.
    """
    if is_hdf5(node):
        return marks_of_files([Path(path), *files_behind(node)])
    root = directory_of(innermost(node.store))
    if root is not None:
        return marks_of_directory(root / node.path)
    if Path(path).is_file():  # a zip archive
        return marks_of_files([Path(path)])
    try:
        return marks_of_objects(node) or _marks_of_some_objects(node)
    except NOT_LISTED:
        return _marks_of_some_objects(node)


def marks_of_objects(node: Any) -> Marks | None:
    """Return the marks of the objects of an opened Zarr array; None where its store lists none.

    A listing is one request for about a thousand objects.
    """
    store, prefix = innermost(node.store), node.path.strip("/")
    if hasattr(store, "fs"):
        listed = _listed_by_fsspec(store, prefix)
    elif type(getattr(store, "store", None)).__module__.split(".")[0] == "obstore":
        listed = _listed_by_obstore(store, prefix)
    else:
        return None
    found = _Found()
    for path, about in listed.items():
        if about.get("size") is not None:
            found.add(path, int(about["size"]), _tag(about))
    for place in _referenced(store, prefix):
        found.add(str(place), *_times(place.stat()))
    return found.marks() or None


def _referenced(store: Any, prefix: str) -> list[Path]:
    """The files on this machine that a store of references (kerchunk) reads some of its objects from."""
    references = getattr(getattr(store, "fs", None), "references", None)
    if not isinstance(references, dict):  # those in Parquet files come one by one
        return []
    values = (value for key, value in references.items() if key.startswith(prefix) and isinstance(value, list))
    places = {str(value[0]).removeprefix("file://") for value in values}
    return [Path(place) for place in sorted(places) if os.path.isfile(place)]


def listed_sizes(node: Any) -> dict[str, int]:
    """Return the bytes of the objects of an opened Zarr array by their keys, none where its store lists none."""
    if directory_of(innermost(node.store)) is not None:
        return {}
    try:
        marks = marks_of_objects(node)
    except NOT_LISTED:
        return {}
    return {} if marks is None else marks.sizes()


def _listed_by_fsspec(store: Any, prefix: str) -> dict[str, Any]:
    from zarr.core.sync import sync

    root = f"{store.path}/{prefix}".rstrip("/")
    store.fs.invalidate_cache()
    listed = sync(store.fs._find(root, detail=True))
    return {path.removeprefix(root).strip("/"): about for path, about in listed.items()}


def _listed_by_obstore(store: Any, prefix: str) -> dict[str, Any]:
    import obstore

    try:
        with answered(name_of_store(store)):
            listed = [about for batch in obstore.list(store.store, prefix=prefix or None) for about in batch]
    except OSError as error:
        if error.errno == errno.ENOSYS:  # a server of another kind
            raise NotImplementedError(told(error)) from error
        raise
    return {about["path"].removeprefix(prefix).strip("/"): about for about in listed}


def _tag(about: Any) -> int:
    """What a listing says of the content of an object, or of when it was written, as a number."""
    tag = next((about[name] for name in TAGS if about.get(name)), "")
    return int.from_bytes(blake2b(str(tag).encode(), digest_size=8).digest(), "big", signed=True)


def _marks_of_some_objects(node: Any) -> Marks:
    """The sizes of some objects, where asking for all of them would take as long as to read them."""
    grid = [-(-int(n) // c) for n, c in zip(node.shape, object_shape(node), strict=True)]
    step = max(1, int(np.prod(grid)) // MOST_ASKED)
    keys = [node.metadata.encode_chunk_key(place) for place in islice(np.ndindex(*grid), 0, None, step)]
    found = _Found()
    for key, size in zip(keys, object_sizes(node, keys), strict=True):
        found.add(key, size, 0)
    return found.marks()
