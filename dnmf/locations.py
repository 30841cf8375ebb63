"""Paths of this machine as people write them."""

import errno
import json
import os
import re
import socket
from pathlib import Path
from typing import Any

from dnmf.arguments import shown, yes_or_no
from dnmf.errors import InputError
from dnmf.refusals import without_secrets

_REASONS = {
    errno.ENAMETOOLONG: "a name in it is too long for this file system; choose a shorter one",
    errno.ENOTDIR: "a part of it is a file, not a directory; check the path (what is in a file comes after ::)",
    errno.EACCES: "a directory in it may not be entered; check who owns it",
    errno.ELOOP: "its links lead in a circle; name the place itself",
}
# Of an address, all before a query or a fragment; a file of this machine may have these signs in its name.
_BEFORE_QUERY = re.compile(r"(?:^|::)(?!file:)[A-Z][A-Z0-9+.-]+:/{1,2}([^/\s]*@)?[^?#]*", re.IGNORECASE)
_URL = re.compile(r"(^|::)[A-Za-z][A-Za-z0-9+.-]+://|^(?i:file:)/")


def local_path(given: Any, what: str = "path") -> Path:
    """Return a path with ``~`` and ``~user`` replaced by the home they stand for; whether something is there is open.

    Every path that people give comes through here: of data, stores, outputs and files, in Python and as options.

    Parameters
    ----------
    given : str or path
        As it was given.
    what : str
        What it is called in messages, for example ``store``.

    Raises
    ------
    InputError
        It is no path but a URL, names a home that there is not, or cannot be followed; or it begins at a current
        directory that is gone.

    Examples
    --------
    >>> local_path("counts.zarr") == Path("counts.zarr"), local_path("~") == Path.home()
    (True, True)
    """
    text = written(given, what)
    if names_url(text):
        raise InputError(f"{text}: is a URL; give a path on this machine, or on a disk that is shared with it")
    expanded = os.path.expanduser(text)
    if expanded.startswith("~"):
        raise InputError(
            f"{text}: {text.partition('/')[0]} is nobody's home here; write ./{text} if the name begins with ~"
        )
    if not os.path.isabs(expanded):
        refuse_lost_directory(text)
    try:
        os.lstat(expanded)
    except FileNotFoundError:
        pass
    except ValueError:
        raise InputError(f"{text!r}: a path holds no NUL and nothing that file systems cannot spell") from None
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, f"{error.strerror}; check the path")
        raise InputError(f"{_short(text)}: this path cannot be followed: {reason}") from error
    return Path(expanded)


def refuse_lost_directory(what: str) -> None:
    """Return when there is a current directory: it may have been removed under this process.

    Raises
    ------
    InputError
        It is gone; `what` needs it.
    """
    try:
        os.getcwd()
    except OSError as error:
        raise InputError(
            f"{_short(what)}: the current directory is gone, it was removed or moved; change to one that is there (cd) "
            "and try again"
        ) from error


def names_url(text: str) -> bool:
    """Whether a text is an address with a scheme, of a file of this machine too, rather than a path.

    Examples
    --------
    >>> [names_url(text) for text in ("s3://bucket/a.zarr", "simplecache::s3://b/a", "file:/a.zarr", "a.zarr")]
    [True, True, True, False]
    """
    return _URL.search(text) is not None


def written(given: Any, what: str = "path") -> str:
    """Return a path or an address as text.

    Raises
    ------
    InputError
        It is neither, or empty, or an address with a password or a query in it.
    """
    text = os.fspath(given) if isinstance(given, (str, os.PathLike)) else None
    if not isinstance(text, str):
        raise InputError(f"{what}={shown(given)}: give a path as text or a pathlib.Path")
    if not text:
        raise InputError(f"{what}='': the path is empty; name a file or a directory")
    refuse_secrets(text)
    return text


def refuse_secrets(text: str) -> None:
    """Return where an address has neither a password nor a query: it is stored in runs, and shown to who watches them.

    Raises
    ------
    InputError
        It has one.
    """
    found = _BEFORE_QUERY.search(text)
    before = text[: found.end()] if found else text
    told = without_secrets(before)
    if told != before:
        what, it = "a user or a password in the address, which is stored and shown", "them"
    elif before != text:
        what, it = "a query (what follows ? or #), which may hold keys, and addresses are stored and shown", "it"
    else:
        return
    raise InputError(
        f"{told}: was given with {what}; give {it} in the environment or as storage_options instead, see "
        "docs/object-storage.md"
    )


def gone(path: Path, what: str) -> str:
    """Return what to say where a part of a store is not there any more: `what` it was, and how to go on.

    Examples
    --------
    >>> print(gone(Path("run.dnmf/W.zarr"), "array").partition(",")[0])
    run.dnmf/W.zarr: this array is gone. Was its store moved or removed
    """
    return (
        f"{path}: this {what} is gone. Was its store moved or removed, or does {socket.gethostname()} not see the "
        f"path? Load the model from where it is now (dnmf.load), or restore the {what} from a copy"
    )


def why_not_here(place: Path) -> str:
    """Return why nothing of dnmf's may be written at a place, an empty text where it may: it lies in stored data.

    A group of a Zarr store may hold a run beside its arrays; the directory of an array is the array, all of it.
    """
    found = next((folder for folder in place.resolve().parents if _is_zarr_array(folder)), None)
    if found is None:
        return ""
    return f"lies in the Zarr array {found}, which would not be the same data any more; choose another place"


def _is_zarr_array(folder: Path) -> bool:
    try:
        if (folder / ".zarray").is_file():
            return True
        return bool(json.loads((folder / "zarr.json").read_bytes())["node_type"] == "array")
    except (OSError, ValueError, LookupError, TypeError):
        return False


def checked_overwrite(overwrite: Any) -> bool:
    """Return whether what is at a path may be overwritten: nothing that only looks like a yes will do.

    Raises
    ------
    InputError
        It is neither True nor False.
    """
    return yes_or_no("overwrite", overwrite)


def refuse_overwrite(place: str, overwrite: Any) -> None:
    """Refuse to overwrite where nothing is written, since no `place` is given.

    Raises
    ------
    InputError
        It is asked for, or neither True nor False.
    """
    if checked_overwrite(overwrite):
        raise InputError(f"overwrite=True: without {place}= nothing is written that could be replaced; leave it out")


def regular_file(given: Any, what: str = "path") -> Path:
    """Return the path of an ordinary file to be read.

    Raises
    ------
    InputError
        There is nothing, a directory, or a pipe or device, which could not be read in parts or might never end.
    """
    path = local_path(given, what)
    if path.is_dir():
        raise InputError(f"{path}: is a directory; name a file in it")
    refuse_special(path)
    if not path.exists():
        raise InputError(f"{path}: there is nothing at this path")
    return path


def refuse_special(path: Path) -> None:
    """Refuse what is neither a file nor a directory: pipes, sockets and devices.

    Raises
    ------
    InputError
        It is one.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InputError(
            f"{path}: is neither a file nor a directory (a pipe, a socket or a device), which cannot be read in parts; "
            "write what comes from it to a file first"
        )


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:100]}…{text[-60:]}"
