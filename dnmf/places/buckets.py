"""A bucket of an object store: the few requests that stores of runs are made of, and what its refusals mean."""

import errno
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from typing import Any

from dnmf.errors import InputError
from dnmf.refusals import cause_of, without_secrets

MANUAL = "docs/object-storage.md"
# What fsspec calls the options that obstore has under another name: the same ones open data and stores.
OF_FSSPEC = {
    "endpoint_url": "endpoint", "key": "access_key_id", "secret": "secret_access_key", "token": "session_token",
    "anon": "skip_signature",
}  # fmt: skip
READ_FROM = ("AWS_", "AZURE_", "GOOGLE_", "MSI_", "IDENTITY_")  # how the names of such variables begin
MOST_OPENED = 16
FIRST_LOOK = {"max_retries": 2, "retry_timeout": timedelta(seconds=15)}  # a wrong address is said soon
_TIMES = re.compile(r" in [\d.]+m?s,?| ?,? after \d+ retries.*?(?= - |$)")
NO_BUCKET = "there is no bucket of that name"
_SAYS_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|list request.* status code: 404", re.DOTALL)
_SAYS_NOT_PERMITTED = re.compile(r" status code: 40[13] |\(code: AccessDenied\)")  # the latter of one of several keys
NO_KEYS = ("169.254.169.254", "169.254.170.2", "metadata.google", "metadata/instance")  # where machines find theirs
Version = Mapping[str, Any]  # which content an object has: a tag, and a number on Google's servers


class UnansweredError(OSError):
    """A server did not answer, or not in a way that says whether it did what it was asked; it may still do it."""


class Bucket:
    """A bucket or container, reached by obstore; pickled as how it is reached, shown without its options.

    Parameters
    ----------
    url : str
        Without a key: ``s3://bucket``.
    options : mapping
        What obstore, or fsspec, is to be told besides the environment: endpoint, keys, region.
    store : obstore store, optional
        One that is open, of the whole bucket, in place of what `url` and `options` open.
    """

    def __init__(self, url: str, options: Mapping[str, Any] | None = None, store: Any = None):
        self.url, self._options, self._given = url, dict(options or {}), store
        self._opened: Any = store
        self.conditions_kept: bool | None = None  # not yet known

    def __repr__(self) -> str:
        return f"Bucket({self.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url, self._options, self._given)

    @property
    def store(self) -> Any:
        """What obstore opened; those of the same address share it in a process, and its connections.

        Raises
        ------
        OSError
            Nobody answers there.
        InputError
            The options are not those of this kind of address.
        """
        if self._opened is None:
            try:
                self._opened = _reached(self.url, tuple(sorted(self._options.items())), _environment())
            except TypeError:  # an option that has options of its own
                self._opened = _reached.__wrapped__(self.url, tuple(self._options.items()), ())
        return self._opened

    def get(self, key: str) -> bytes:
        """Return the content of an object."""
        import obstore

        with answered(self._name(key)):
            return bytes(obstore.get(self.store, key).bytes())

    def head(self, key: str) -> dict[str, Any]:
        """Return ``size``, ``last_modified``, ``e_tag`` and ``version`` of an object."""
        import obstore

        with answered(self._name(key)):
            return dict(obstore.head(self.store, key))

    def put(self, key: str, content: bytes | memoryview, mode: Any = "overwrite") -> Version:
        """Write an object in one request, with the mode of obstore, and return its version.

        Raises
        ------
        FileExistsError
            The condition of the mode does not hold.
        """
        import obstore

        with answered(self._name(key)):
            return obstore.put(self.store, key, bytes(content), mode=mode, use_multipart=False)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; one that is not there is no error."""
        import obstore

        with answered(self._name(keys[0]) if keys else self.url):
            obstore.delete(self.store, list(keys))

    def copy(self, source: str, target: str) -> None:
        """Copy an object on the server."""
        import obstore

        with answered(self._name(source)):
            obstore.copy(self.store, source, target)

    def listed(self, prefix: str, most: int | None = None) -> list[dict[str, Any]]:
        """Return what :meth:`head` says of all objects below a prefix, or of the first few, with their ``path``."""
        import obstore

        found: list[dict[str, Any]] = []
        with answered(self._name(prefix)):
            for batch in obstore.list(self.store, prefix=prefix or None, chunk_size=1000 if most is None else most):
                found.extend(dict(one) for one in batch)
                if most is not None:
                    break
        return found

    def children(self, prefix: str) -> tuple[list[str], list[str]]:
        """Return the prefixes and the objects right below a prefix, by their keys."""
        import obstore

        with answered(self._name(prefix)):
            found = obstore.list_with_delimiter(self.store, prefix or None)
        return [str(one) for one in found["common_prefixes"]], [str(one["path"]) for one in found["objects"]]

    def _name(self, key: str) -> str:
        return f"{self.url}/{key}"


@lru_cache(maxsize=MOST_OPENED)
def _reached(url: str, options: tuple[tuple[str, Any], ...], environment: tuple[tuple[str, str], ...]) -> Any:
    """Return what obstore opens, asked a question before: an address that is wrong is said soon, without many tries."""
    del environment  # obstore reads it
    import obstore

    with answered(url):
        next(iter(obstore.list(_open(url, options, FIRST_LOOK), prefix="dnmf-looks-whether-somebody-answers")), None)
    return _open(url, options)


def _open(url: str, options: tuple[tuple[str, Any], ...], retries: Mapping[str, Any] | None = None) -> Any:
    import obstore.store

    named = {OF_FSSPEC.get(name, name): value for name, value in options}
    how = {"client_options": {"allow_http": True}, "retry_config": retries, **named}
    try:
        return obstore.store.from_url(url, **how)
    except (obstore.exceptions.BaseError, TypeError, ValueError) as error:
        told = _first_line(error)
        raise InputError(
            f"{url}: it cannot be opened ({told}); check the environment and the storage_options, see {MANUAL}"
        ) from cause_of(error)


def _environment() -> tuple[tuple[str, str], ...]:
    """What obstore may read of the environment: another one leads to another server, or other keys."""
    return tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith(READ_FROM)))


@contextmanager
def answered(where: str) -> Iterator[None]:
    """Turn what obstore raises into the OSError that a file system would raise, with the address.

    Raises
    ------
    UnansweredError
        Nobody says what became of the request.
    """
    import obstore

    try:
        yield
    except FileNotFoundError as error:
        if error.errno is not None:  # it was turned already
            raise
        told = NO_BUCKET if _SAYS_NO_BUCKET.search(str(error)) else "there is no such object"
        raise FileNotFoundError(errno.ENOENT, told, where) from cause_of(error)
    except (obstore.exceptions.BaseError, NotImplementedError) as error:
        raise _as_os_error(error, where) from cause_of(error)


def _as_os_error(error: Exception, where: str) -> OSError:
    from obstore import exceptions

    told = _first_line(error)
    if _SAYS_NO_BUCKET.search(str(error)):
        return FileNotFoundError(errno.ENOENT, NO_BUCKET, where)
    if any(sign in told for sign in NO_KEYS):
        return PermissionError(errno.EACCES, "no keys were found", where)
    if isinstance(error, (exceptions.AlreadyExistsError, exceptions.PreconditionError)):
        return FileExistsError(errno.EEXIST, "somebody else wrote this object", where)
    refused = isinstance(error, (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError))
    if refused or _SAYS_NOT_PERMITTED.search(told):
        return PermissionError(errno.EACCES, "not permitted", where)
    if isinstance(error, (exceptions.NotSupportedError, NotImplementedError)):
        return OSError(errno.ENOSYS, told, where)
    return UnansweredError(errno.ETIMEDOUT, told, where)


def _first_line(error: Exception) -> str:
    line = _TIMES.sub("", without_secrets(str(error).strip().partition("\n")[0])).partition(": <?xml")[0]
    return line.removesuffix(".") or type(error).__name__
