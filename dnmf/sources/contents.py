"""What can be seen of a path without reading it: the names in a directory or an archive, the first bytes of a file."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

HEAD_BYTES = 4096
MOST_NAMES = 100_000
COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
DECOMPRESS_WITH = {"gzip": "gunzip", "bzip2": "bunzip2", "xz": "unxz", "zstd": "unzstd"}
DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, ValueError, KeyError, RuntimeError)


@dataclass(frozen=True)
class Contents:
    """What there is at a path.

    Attributes
    ----------
    path : Path
    names : frozenset of str or None
        What a directory holds, or a zip archive; None for other files.
    head : bytes
        The first 4 KiB of a file.
    text : bytes
        The same after decompression, where the file is compressed.
    compression : str
        By what; empty where it is not.
    """

    path: Path
    names: frozenset[str] | None
    head: bytes = b""
    text: bytes = b""
    compression: str = ""

    @property
    def is_directory(self) -> bool:
        """Whether the path is a directory."""
        return self.names is not None and not self.head


def contents_of(path: Path) -> Contents:
    """Return what can be seen of `path`; what is damaged looks empty.

    Raises
    ------
    OSError
        It cannot be listed or read.
    """
    if path.is_dir():
        return Contents(path, frozenset(entry.name for entry in islice(path.iterdir(), MOST_NAMES)))
    if not path.is_file():  # a pipe would be emptied by looking into it
        return Contents(path, None)
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    compression = compression_of(head)
    return Contents(path, _members(path, head), head, _decompressed(path, head, compression), compression)


def compression_of(head: bytes) -> str:
    """Return by what a file that begins with `head` is compressed; empty where it is not."""
    return next((name for magic, name in COMPRESSIONS.items() if head.startswith(magic)), "")


def _members(path: Path, head: bytes) -> frozenset[str] | None:
    if not head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            return frozenset(archive.namelist())
    except DAMAGE:
        return None


def _decompressed(path: Path, head: bytes, compression: str) -> bytes:
    if not compression:
        return head
    try:
        with open_decompressed(path) as file:
            return file.read(HEAD_BYTES)
    except (*DAMAGE, ImportError):
        return b""


def open_decompressed(path: Path) -> IO[bytes]:
    """Return the file open for reading, decompressed where it begins like a compressed one, whatever its name.

    Raises
    ------
    OSError
        It cannot be opened.
    ImportError
        Nothing that reads its compression is installed; `name` of the error says what is missing.
    """
    with path.open("rb") as file:
        compression = compression_of(file.read(8))
    openers: dict[str, Callable[..., Any]] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open, "zstd": _open_zstd}
    return openers[compression](path, "rb") if compression else path.open("rb")


def _open_zstd(path: Path, mode: str) -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found]  # since Python 3.14
    except ImportError:
        import zstandard as zstd  # type: ignore[import-not-found]
    return zstd.open(path, mode)


def array_in_archive(path: Path, name: str) -> Any:
    """Return the value of the scalar `name` of an .npz file, None where it has no such; nothing is unpickled."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            value = np.lib.format.read_array(file, allow_pickle=False).item()
    except DAMAGE:
        return None
    return value.decode("latin-1") if isinstance(value, bytes) else value


def axes_of_npy(contents: Contents) -> int:
    """Return how many axes the array in an .npy file has, as its head says; 0 where that cannot be read."""
    file = io.BytesIO(contents.head)
    try:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return len(header(file)[0])
    except ValueError:
        return 0
