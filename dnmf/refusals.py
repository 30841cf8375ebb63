"""What the operating system refused, in a sentence: what it said, on which path, and what to try."""

import errno
import re

_NO_ROOM = "free some room or raise the quota, then try again"
_NOT_ALLOWED = "check who owns the directory and how it is mounted"
_NO_LOCKS = "this file system has no file locks; use another directory"
_NO_ANSWER = "check the address and the network, then try again"
_TOO_MANY_OPEN = "too many files are open; raise the limit (ulimit -n), or use fewer threads or workers"
_LOST = "the disk, or the network it is on, failed; check the system's log, then try again"
ANYTHING_ELSE = "check the file system, then try again"
# Of an address: what stands before its host. A bucket may stand there too (abfs://container@account), no password then.
# pathlib makes one slash of two.
_USER = re.compile(r"(https?:/{1,2})[^/\s]*@|([a-z][a-z0-9+.-]+:/{1,2})[^/?#\s:@]*:[^/\s]*@", re.IGNORECASE)
_QUERY = re.compile(r"(?<![a-z0-9+.-])(?!file:)([a-z][a-z0-9+.-]+:/[^?#\s]*)[?#][^\s\"'<>]*", re.IGNORECASE)
_NUMBERED = re.compile(r"\[Errno -?\d+\] ?")
ADVICE = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EFBIG: "raise the file size limit of this process (ulimit -f), or use another file system",
    errno.EACCES: _NOT_ALLOWED,
    errno.EPERM: _NOT_ALLOWED,
    errno.EROFS: _NOT_ALLOWED,
    errno.ENOLCK: _NO_LOCKS,
    errno.EOPNOTSUPP: _NO_LOCKS,
    errno.EMFILE: _TOO_MANY_OPEN,
    errno.ENFILE: _TOO_MANY_OPEN,
    errno.EIO: _LOST,
    errno.ESTALE: _LOST,
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "a part of the path is a file, not a directory; check it",
    errno.EISDIR: "it is a directory; name a file in it",
    errno.EEXIST: "choose another name",
    errno.ENOTEMPTY: "something was put into it meanwhile; look what it holds, then try again",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "its links lead in a circle; name the place itself",
    errno.EBUSY: "another program uses it; try again when that is done",
    errno.EAGAIN: "there are too many processes or threads; try again with fewer workers",
    errno.ENOMEM: "close other programs, or set a lower memory limit",
    errno.ETIMEDOUT: _NO_ANSWER,
    errno.ECONNREFUSED: _NO_ANSWER,
    errno.ECONNRESET: _NO_ANSWER,
    errno.EHOSTUNREACH: _NO_ANSWER,
    errno.ENETUNREACH: _NO_ANSWER,
    errno.EADDRINUSE: "another program listens there; choose another port",
}
_KEYS = "check the keys, what they allow and the endpoint, see docs/object-storage.md"
# Of what has an address in place of a path, as far as it differs.
OF_ADDRESSES = {
    errno.EACCES: _KEYS,
    errno.EPERM: _KEYS,
    errno.ENOENT: "check the address",
    errno.ENOSYS: "use another server, or a directory",
}


def in_words(error: OSError) -> str:
    """Return what an OSError says as a sentence without its number.

    Examples
    --------
    >>> in_words(FileNotFoundError(2, "No such file or directory", "a.npy"))
    'a.npy: No such file or directory; check the path'
    >>> in_words(PermissionError(13, "not permitted", "s3://bucket/a"))
    's3://bucket/a: not permitted; check the keys, what they allow and the endpoint, see docs/object-storage.md'
    """
    return f"{_places(error)}{reason(error)}"


def reason(error: OSError) -> str:
    """Return what an OSError says and what to try, without names of files: where these are known to nobody.

    Examples
    --------
    >>> reason(OSError(30, "Read-only file system", ".a.png.5f2e"))
    'Read-only file system; check who owns the directory and how it is mounted'
    """
    said = without_secrets(error.strerror or _NUMBERED.sub("", str(error))) or type(error).__name__
    return f"{said}; {_advice(error)}"


def _advice(error: OSError) -> str:
    number = error.errno or 0
    of_address = any("://" in _text(name) for name in _names(error))
    return (OF_ADDRESSES.get(number) if of_address else None) or ADVICE.get(number, ANYTHING_ELSE)


def told(error: BaseException) -> str:
    """Return what an error said, for the parentheses of a sentence: of the system's without its number.

    Examples
    --------
    >>> told(PermissionError(13, "Permission denied", "a.npy")), told(ValueError("no\\nnumber"))
    ('a.npy: Permission denied', 'ValueError: no number')
    """
    if isinstance(error, OSError) and error.strerror:
        return f"{_places(error)}{without_secrets(error.strerror)}"
    said = " ".join(without_secrets(_NUMBERED.sub("", str(error))).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def without_secrets(text: str) -> str:
    """Return a text with every address in it as it may be shown and stored: without user, password and query.

    Examples
    --------
    >>> without_secrets("GET https://me:secret@host/a.zarr?sig=secret failed")
    'GET https://host/a.zarr failed'
    >>> without_secrets("abfs://box@account/a.zarr")
    'abfs://box@account/a.zarr'
    """
    return _QUERY.sub(lambda found: found[1], _USER.sub(lambda found: found[1] or found[2], text))


def cause_of(error: BaseException) -> BaseException | None:
    """Return what is to be shown as the cause of another error: the error, or None where a secret is in its text."""
    at: BaseException | None = error
    while at is not None:
        if without_secrets(str(at)) != str(at):
            return None
        at = at.__cause__ or at.__context__
    return error


def _places(error: OSError) -> str:
    places = [_text(name) for name in _names(error)]
    return f"{' → '.join(places)}: " if places else ""


def _names(error: OSError) -> list[object]:
    return [name for name in (error.filename, error.filename2) if name not in (None, "", b"")]


def _text(name: object) -> str:
    return without_secrets(name.decode(errors="replace") if isinstance(name, bytes) else str(name))
