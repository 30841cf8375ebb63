"""What names a matrix: a path or a URL, and after two colons a place inside the store."""

import os
import re
from typing import Any
from urllib.parse import unquote

from dnmf.locations import local_path, refuse_secrets
from dnmf.places import Place, as_zarr

BETWEEN = "::"
_SCHEME = re.compile(r"(?:^|(?<=::))[A-Za-z][A-Za-z0-9+.-]+://")
_OF_FILE = re.compile(r"(?i)file:(//(localhost)?)?(?P<path>/[^/].*)", re.DOTALL)


class StoreAddress(str):
    """What a Zarr store is called, with the store itself, which goes to the workers with it.

    Parameters
    ----------
    name : str
        For messages.
    store : zarr.abc.store.Store or zarr.storage.StorePath
        To be opened for reading.
    """

    store: Any

    def __new__(cls, name: str, store: Any) -> "StoreAddress":
        """The text, and the store beside it."""
        address = super().__new__(cls, name)
        address.store = store
        return address

    def __reduce__(self) -> tuple[Any, ...]:
        return StoreAddress, (str(self), self.store)


def address_of_place(place: Place) -> str:
    """Return what names the array at a place to whoever opens stored arrays, on workers too."""
    found = as_zarr(place, read_only=True)
    return str(place) if found is place else StoreAddress(str(place), found)


def is_url(path: str) -> bool:
    """Whether `path` names an object store or a web address rather than a file."""
    return "://" in path


def from_root(path: str) -> str:
    """Return a path of this machine as workers and a later resume find it: absolute, ``~`` for the home."""
    return os.path.abspath(local_path(path))


def split_address(address: str, *, as_url: bool = False) -> tuple[str, str]:
    """Return the store and the place in it: ``path::place``, a local path absolute.

    A file or a directory may have two colons in its name: the longest path that is there counts. ``file:`` before a
    path is left out, unless it is to be opened `as_url`.

    Raises
    ------
    InputError
        A password or a query is in the address.

    Examples
    --------
    >>> split_address("S3://bucket/counts.zarr::layers/raw")
    ('s3://bucket/counts.zarr', 'layers/raw')
    >>> split_address("file:///counts.zarr::X")
    ('/counts.zarr', 'X')
    """
    refuse_secrets(address)
    address = _SCHEME.sub(lambda found: found[0].lower(), address)
    of_file = _OF_FILE.match(address)
    if of_file:
        address = f"file://{of_file['path']}" if as_url else _written_path(of_file["path"])
    path, separator, inner = address.rpartition(BETWEEN)
    if not separator or is_url(inner):  # simplecache::s3://… is one address
        path, inner = address, ""
    if is_url(path):
        return path, inner.strip("/")
    parts = address.split(BETWEEN)
    for number in range(len(parts), 0, -1):
        found = from_root(BETWEEN.join(parts[:number]))
        if os.path.lexists(found):
            return found, BETWEEN.join(parts[number:]).strip("/")
    return from_root(path), inner.strip("/")


def _written_path(path: str) -> str:
    """Return the path in a URL, whose signs may be written as percents."""
    store = path.partition(BETWEEN)[0]
    return path if os.path.lexists(store) or not os.path.lexists(unquote(store)) else unquote(path)
