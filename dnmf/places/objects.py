"""Places on object storage: keys of a bucket, with the methods of a path that dnmf uses."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from fnmatch import fnmatchcase
from functools import total_ordering
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any, cast

from dnmf.errors import InputError
from dnmf.locations import refuse_secrets
from dnmf.places import trees
from dnmf.places.buckets import Bucket, Version
from dnmf.refusals import in_words

SCHEMES = ("s3", "gs", "az")
_ADDRESS = re.compile(rf"(?P<bucket>({'|'.join(SCHEMES)})://[^/:]+)/(?P<key>.+)", re.IGNORECASE)
# Zarr takes a backslash for a slash, obstore takes no control characters, and UTF-8 no half of a pair.
_UNUSABLE = re.compile(r"[\\\x00-\x1f\x7f\ud800-\udfff]")


@total_ordering
class ObjectPlace:
    """A key of a bucket, or all that lies below it: what a path is to a file or a directory.

    There are no directories: one is there as long as something is in it. Every request that fails raises the OSError
    that a file system would.

    Parameters
    ----------
    bucket : Bucket
        Where.
    key : str
        Parts with slashes between them; empty for all of the bucket.
    """

    def __init__(self, bucket: Bucket, key: str):
        self.bucket, self.key = bucket, key.strip("/")

    def __str__(self) -> str:
        return f"{self.bucket.url}/{self.key}"

    def __repr__(self) -> str:
        return f"ObjectPlace({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectPlace) and str(self) == str(other)

    def __lt__(self, other: "ObjectPlace") -> bool:
        return str(self) < str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __truediv__(self, name: str) -> "ObjectPlace":
        return ObjectPlace(self.bucket, f"{self.key}/{name}")

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The end of the name from its last dot on."""
        stem, dot, end = self.name.rpartition(".")
        return f"{dot}{end}" if stem else ""

    @property
    def stem(self) -> str:
        """The name without the suffix."""
        return self.name.removesuffix(self.suffix) if self.suffix else self.name

    @property
    def parent(self) -> "ObjectPlace":
        """One part less; of all of a bucket itself."""
        return ObjectPlace(self.bucket, self.key.rpartition("/")[0])

    @property
    def parents(self) -> list["ObjectPlace"]:
        """All that have less parts, the longest first."""
        parts = self.key.split("/")
        return [ObjectPlace(self.bucket, "/".join(parts[:count])) for count in range(len(parts) - 1, -1, -1)]

    def with_name(self, name: str) -> "ObjectPlace":
        """The place of another name beside this one."""
        return self.parent / name

    def resolve(self) -> "ObjectPlace":
        """Itself: no links lead anywhere else."""
        return self

    def is_symlink(self) -> bool:
        """Never."""
        return False

    def exists(self) -> bool:
        """Whether there is an object, or anything below."""
        return self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        """Whether there is an object."""
        return bool(self.key) and self.version() is not None

    def is_dir(self) -> bool:
        """Whether anything is below."""
        return bool(self.bucket.listed(self.key, most=1))

    def stat(self) -> Any:
        """What has the size of the object as ``st_size``."""
        return SimpleNamespace(st_size=int(self.bucket.head(self.key)["size"]))

    def written_at(self) -> datetime:
        """Return when the object was written, by the clock of the server."""
        return cast(datetime, self.bucket.head(self.key)["last_modified"])

    def iterdir(self) -> Iterator["ObjectPlace"]:
        """All that is right below."""
        folders, files = self.bucket.children(self.key)
        return (ObjectPlace(self.bucket, key) for key in [*folders, *files])

    def glob(self, pattern: str) -> Iterator["ObjectPlace"]:
        """What is below by names with stars, a part of the pattern for each level."""
        first, _, rest = pattern.partition("/")
        found = [self / first] if "*" not in first else [one for one in self.iterdir() if fnmatchcase(one.name, first)]
        for place in found:
            if rest:
                yield from place.glob(rest)
            elif "*" in first or place.exists():
                yield place

    def read_bytes(self) -> bytes:
        """Return the content of the object."""
        return self.bucket.get(self.key)

    def write_bytes(self, content: bytes | memoryview) -> int:
        """Write the object, whatever there was; return its size."""
        self.bucket.put(self.key, content)
        return len(content)

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object; whether it was there is not asked."""
        del missing_ok
        with suppress(FileNotFoundError):
            self.bucket.delete([self.key])

    def copy_to(self, target: "ObjectPlace") -> None:
        """Copy the object, on the server, to another key of its bucket."""
        self.bucket.copy(self.key, target.key)

    def version(self) -> Version | None:
        """Return which content the object has, for :meth:`put_after`; None where there is none."""
        try:
            return _version(self.bucket.head(self.key))
        except FileNotFoundError:
            return None

    def put_after(self, content: bytes | memoryview, before: Version | None) -> Version:
        """Write the object if its version is still `before` (None: if there is none), and return its version.

        Content that nobody else writes counts as written where it is found: the answer to a first try may be lost.

        Raises
        ------
        FileExistsError
            It has another version.
        """
        try:
            return _version(self.bucket.put(self.key, content, "create" if before is None else dict(before)))
        except (FileExistsError, FileNotFoundError):
            found = self.version()
            if found is None or self.bucket.get(self.key) != bytes(content):
                raise
            return found


def _version(about: Mapping[str, Any]) -> Version:
    return {name: about[name] for name in ("e_tag", "version") if about[name] is not None}


def object_place(url: str, storage_options: Mapping[str, Any] | None = None) -> ObjectPlace:
    """Return the place at an address of object storage; nothing is asked yet.

    Raises
    ------
    InputError
        It is no such address, or one with a password or a query in it, or a name that cannot be written.
    """
    refuse_secrets(url)
    if odd := _UNUSABLE.search(url):
        raise InputError(f"{url!r}: a name on object storage may not have {odd[0]!r} in it; choose another one")
    found = _ADDRESS.fullmatch(url)
    parts = found["key"].strip("/").split("/") if found else [""]
    if found is None or not all(parts) or {".", ".."} & set(parts) or "::" in url:
        raise InputError(f"{url}: stores on object storage are named as s3://BUCKET/NAME (or gs://, az://)")
    if find_spec("obstore") is None:
        raise InputError(f"{url}: stores on object storage need obstore: pip install 'dnmf[cloud]'")
    scheme, _, bucket = found["bucket"].partition("://")
    return ObjectPlace(Bucket(f"{scheme.lower()}://{bucket}", storage_options), found["key"])


@trees.absolute.register
def _(place: ObjectPlace) -> Any:
    return place


@trees.remove_tree.register
def _(place: ObjectPlace) -> None:
    with suppress(OSError):
        place.bucket.delete([about["path"] for about in place.bucket.listed(place.key)])


@trees.put_whole.register
def _(place: ObjectPlace, content: bytes) -> None:
    place.write_bytes(content)


@trees.below.register
def _(place: ObjectPlace) -> Iterator[tuple[str, int | None]]:
    inside: dict[str, dict[str, int | None]] = {}  # of each folder, as one on a disk would have them
    for about in place.bucket.listed(place.key):
        size: int | None = int(about["size"])
        part = about["path"].removeprefix(place.key).strip("/")
        while part:
            folder, _, name = part.rpartition("/")
            inside.setdefault(folder, {}).setdefault(name, size)
            part, size = folder, None
    yield from _walked(inside, "")


def _walked(inside: Mapping[str, Mapping[str, int | None]], folder: str) -> Iterator[tuple[str, int | None]]:
    parts = {f"{folder}/{name}".strip("/"): size for name, size in sorted(inside.get(folder, {}).items())}
    yield from parts.items()
    for part, size in parts.items():
        if size is None:
            yield from _walked(inside, part)


@trees.folder_names.register
def _(place: ObjectPlace) -> list[str]:
    return [key.rpartition("/")[2] for key in place.bucket.children(place.key)[0]]


@trees.as_zarr.register
def _(place: ObjectPlace, *, read_only: bool = False) -> Any:
    from dnmf.places.chunks import zarr_path

    return zarr_path(place.bucket, place.key, read_only=read_only)


@trees.create_array.register
def _(place: ObjectPlace, **how: Any) -> None:
    from dnmf.places.chunks import description_of

    (place / "zarr.json").write_bytes(description_of(**how))


@trees.has_home.register
def _(place: ObjectPlace) -> bool:
    del place  # there are no directories
    return True


@trees.holds.register
def _(place: ObjectPlace, address: str) -> bool:
    return f"{address}/".startswith((f"{place}/", f"{place}::"))


@trees.copy_object.register
def _(source: ObjectPlace, target: Any) -> None:
    source.copy_to(target)


@trees.trouble_with.register
def _(place: ObjectPlace) -> str:
    trace = place / trees.trace_name()
    try:
        trace.write_bytes(b"")
        trace.unlink()
    except OSError as error:
        return in_words(error)
    return ""
