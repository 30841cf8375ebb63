"""Why an address cannot be opened because of its scheme: unknown, without its package, or of another address."""

from collections.abc import Collection

from dnmf.errors import InputError

ARCHIVES = ("zip", "tar", "libarchive")
OF_ANOTHER = ("blockcache", "cached", "dir", "filecache", "generic", "reference", "simplecache")
NAMES_ANOTHER = ("fo", "fs", "target_protocol")  # in storage_options
INSTALLED_AS = {"libarchive": "libarchive-c", "smbclient": "smbprotocol"}


def refuse_schemes(url: str, options: Collection[str] = ()) -> None:
    """Refuse an address whose scheme nobody knows, or that is of another store and does not say which.

    Raises
    ------
    InputError
        So it is.
    ImportError
        fsspec is not installed.
    """
    from fsspec import available_protocols

    schemes = [part.partition("://")[0] for part in url.split("::")]
    for scheme in schemes:
        if "/" not in scheme and scheme not in available_protocols():
            raise InputError(
                f"{url}: {scheme}:// is no kind of address that fsspec knows; check how it begins (s3://, …)"
            )
    rest = url.partition("://")[2]
    if len(schemes) > 1 or schemes[0] not in (*ARCHIVES, *OF_ANOTHER) or set(options) & set(NAMES_ANOTHER):
        return
    if schemes[0] in ARCHIVES:
        raise InputError(
            f"{url}: this is a place in an archive, but not in which; give an archive of one store by its path, "
            f"{rest}, or a place in it as {schemes[0]}://PLACE::s3://BUCKET/{rest}"
        )
    raise InputError(f"{url}: {schemes[0]} reads from another address; say which: {schemes[0]}::s3://BUCKET/{rest}")


def lacking(error: ImportError) -> str:
    """Return what is missing where a package is, and how it is installed.

    Examples
    --------
    >>> lacking(ImportError("Install gcsfs", name="gcsfs"))
    'Install gcsfs; reading it needs: pip install gcsfs'
    """
    missing: BaseException | None = error
    while missing is not None and not getattr(missing, "name", None):
        missing = missing.__cause__ or missing.__context__
    name = getattr(missing, "name", "").partition(".")[0]
    return f"{error}; reading it needs: pip install {INSTALLED_AS.get(name, name)}" if name else str(error)
