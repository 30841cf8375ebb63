"""One generation of a store: a directory of ``.npy`` files and a manifest that says what must be in them.

The manifest and the pointer to it are JSON that carry their own checksum in their first line, so that no
flipped bit in them goes unseen. A directory without a manifest was never finished.
"""

import errno
import io
import json
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dnmf.checkpoint.files import Files
from dnmf.checksums import crc32c_of
from dnmf.errors import CheckpointError
from dnmf.places import folder_names
from dnmf.sources import texts

FORMAT = 2
MANIFEST = "manifest.json"
_DIRECTORY = re.compile(r"gen-(\d{6,})-[0-9a-f]{32}")
_ARRAY_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_LOST = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO}  # no second try will find the content


class DamageError(Exception):
    """A file of a store is not what was written; the text names the file and what was found."""

    def __init__(self, path: Path, found: str):
        super().__init__(f"{path.parent.name}/{path.name}: {found}")


@dataclass(frozen=True, eq=False)
class Generation:
    """One committed state of a run, as it was verified when read.

    Attributes
    ----------
    number : int
        Generations of a store are numbered upwards; the pass, for a fit.
    record : dict
        What the writer recorded, through JSON: tuples come back as lists, keys as strings.
    arrays : dict of str to numpy.ndarray
        Bit for bit what was committed, each in the layout (C or Fortran) it had.
    texts : dict of str to callable
        Of a generation that was read: returns an array of text, which is read and verified when it is called.
    dnmf : str
        Of a generation that was read: the version that wrote it.
    """

    number: int
    record: dict[str, Any]
    arrays: dict[str, np.ndarray]
    texts: dict[str, Callable[[], np.ndarray]] = field(default_factory=dict)
    dnmf: str = ""


class WrittenArray(NamedTuple):
    """An array that is on disk, in which file, and what a manifest says of it."""

    array: np.ndarray
    path: Path
    entry: dict[str, Any]


def write_generation(
    directory: Path, generation: Generation, files: Files, known: Sequence[WrittenArray] = ()
) -> tuple[int, list[WrittenArray]]:
    """Return the CRC-32C of the manifest of a generation and its arrays, once all of it is on disk in a new directory.

    The manifest is written last, in one step: where it is, the rest is too.

    Parameters
    ----------
    directory : Path
        Where it goes; not there yet.
    generation : Generation
        What is written.
    files : Files
        How.
    known : sequence of WrittenArray
        Arrays that have not changed since they were written: those among the generation's are not written again, their
        files get a second name.

    Raises
    ------
    OSError
        From the file system.
    """
    files.make_directory(directory)
    written = []
    for name, array in generation.arrays.items():
        suffix = texts.SUFFIX if texts.is_text(array) else ".npy"
        path, same = directory / f"{name}{suffix}", [one for one in known if one.array is array]
        written.append(_linked(same[0], path, files) if same else _write_array(path, array, files))
    manifest = seal(
        {
            "format": FORMAT,
            "dnmf": metadata.version("dnmf"),
            "number": generation.number,
            "record": generation.record,
            "arrays": {one.path.stem: one.entry for one in written},
        }
    )
    files.publish(directory / MANIFEST, manifest)
    return crc32c_of(manifest), written


def _write_array(path: Path, array: np.ndarray, files: Files) -> WrittenArray:
    if texts.is_text(array):
        packed = texts.packed(array)
        files.write(path, memoryview(packed))
        return WrittenArray(array, path, texts.noted(packed, len(array)))
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    with buffer.getbuffer() as content:
        files.write(path, content)
        entry = {"size": len(content), "crc32c": crc32c_of(content)}
    return WrittenArray(array, path, {**entry, "dtype": array.dtype.str, "shape": list(array.shape)})


def _linked(same: WrittenArray, path: Path, files: Files) -> WrittenArray:
    try:
        files.link(same.path, path)
    except OSError:  # a file system without links, or no room for one: then it is a file of its own, or refused
        return _write_array(path, same.array, files)
    return same._replace(path=path)


def read_generation(directory: Path, manifest_crc32c: int | None) -> Generation:
    """Return a generation, every file of it verified against its manifest.

    Parameters
    ----------
    directory : Path
    manifest_crc32c : int or None
        What the manifest's checksum must be; None where nothing says.

    Raises
    ------
    DamageError
        Naming the first file that is missing or not what was written.
    CheckpointError
        For a manifest of another format version.
    OSError
        When the file system refuses to read.
    """
    path = directory / MANIFEST
    content = read_content(path)
    manifest = unseal(path, content)
    if manifest_crc32c not in {None, crc32c_of(content)}:
        raise DamageError(path, "another manifest than the one that was committed")
    if manifest["format"] != FORMAT:
        raise CheckpointError(
            f"{path} has format version {manifest['format']}, written by dnmf {manifest['dnmf']}; this dnmf "
            f"reads version {FORMAT}: install a matching dnmf"
        )
    for name in manifest["arrays"]:
        if not _ARRAY_NAME.fullmatch(name):
            raise DamageError(path, f"names an array {name!r}")
    arrays, late = {}, {}
    for name, entry in manifest["arrays"].items():
        if entry["dtype"] == texts.DTYPE:
            late[name] = _reader_of_texts(directory / f"{name}{texts.SUFFIX}", entry)
        else:
            arrays[name] = _read_array(directory / f"{name}.npy", entry)
    return Generation(manifest["number"], manifest["record"], arrays, late, manifest["dnmf"])


def _reader_of_texts(path: Path, expected: Mapping[str, Any]) -> Callable[[], np.ndarray]:
    size = path.stat().st_size if path.exists() else None
    if size != expected["size"]:
        raise DamageError(path, os.strerror(errno.ENOENT) if size is None else f"{size} bytes, not as many as written")
    return texts.reader(path, expected)


def _read_array(path: Path, expected: Mapping[str, Any]) -> np.ndarray:
    content = read_content(path)
    if len(content) != expected["size"]:
        raise DamageError(path, f"{len(content)} bytes, {expected['size']} expected")
    if (checksum := crc32c_of(content)) != expected["crc32c"]:
        raise DamageError(path, f"CRC-32C {checksum:08x}, {expected['crc32c']:08x} expected")
    try:
        # Not np.load: given a zip archive or a pickle it would start to look into it.
        array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except ValueError as error:
        raise DamageError(path, str(error)) from error
    if [array.dtype.str, list(array.shape)] != [expected["dtype"], expected["shape"]]:
        raise DamageError(path, f"{array.dtype} {array.shape}, {expected['dtype']} {expected['shape']} expected")
    return array


def remove_generation(directory: Path, files: Files) -> None:
    """Remove a generation's directory, its manifest first: stopped half-way, it counts as never finished."""
    if (directory / MANIFEST).exists():
        files.remove(directory / MANIFEST)
        files.sync_directory(directory)  # or a power failure could bring the manifest back alone
    for path in sorted(directory.iterdir()):
        files.remove(path)
    files.remove(directory)


def refuse_unwritable(generation: Generation) -> None:
    """Raise CheckpointError unless a record is plain JSON and the arrays can be written without a pickle."""
    try:
        json.dumps(generation.record, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"the record of generation {generation.number} is not plain JSON: {error}") from error
    for name, array in generation.arrays.items():
        if not _ARRAY_NAME.fullmatch(name):
            raise CheckpointError(f"array name {name!r}: use letters, digits, '_' and '-' only")
        if array.dtype.hasobject and not texts.is_text(array):
            raise CheckpointError(f"array {name!r} has dtype {array.dtype}: Python objects are not stored")


def generation_names(root: Path) -> list[str]:
    """Return the names of a store's generation directories, the newest first, finished or not."""
    numbered = [(int(match[1]), match[0]) for name in folder_names(root) if (match := _DIRECTORY.fullmatch(name))]
    return [name for _, name in sorted(numbered, reverse=True)]


def old_names(root: Path, number: int, known: Collection[str]) -> list[str]:
    """Return the names of the generation directories that a writer that committed this number may have to remove.

    They are none of a writer that took over since, whose numbers are higher, however long the listing takes: what is
    not below the number is `known`, as it was there when the lock was taken, or is of this writer.
    """
    return [name for name in generation_names(root) if name in known or int(name.split("-")[1]) < number]


def finished_names(root: Path) -> list[str]:
    """Return the names of the generation directories that have a manifest, the newest first."""
    return [name for name in generation_names(root) if (root / name / MANIFEST).exists()]


def seal(body: Mapping[str, Any]) -> bytes:
    """Return JSON text whose first line holds the CRC-32C of all that follows.

    Examples
    --------
    >>> print(seal({"number": 3}).decode())
    {"crc32c": 110985260,
    "number": 3}
    """
    text = b"{\n" + json.dumps(body, allow_nan=False).encode()[1:]  # indented it takes ten times as long
    return b'{"crc32c": %d,' % crc32c_of(text) + text[1:]


def unseal(path: Path, content: bytes) -> dict[str, Any]:
    """Return what was sealed; DamageError, naming the path, when one bit of it differs."""
    first_line, _, rest = content.partition(b"\n")
    text = b"{\n" + rest
    if first_line != b'{"crc32c": %d,' % crc32c_of(text):
        raise DamageError(path, "empty" if not content else "its text does not match its checksum")
    body: dict[str, Any] = json.loads(text)
    return body


def read_content(path: Path) -> bytes:
    """Return the bytes of a file; DamageError when it is gone or unreadable for good, OSError otherwise."""
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno in _LOST:
            raise DamageError(path, os.strerror(error.errno)) from error
        raise
