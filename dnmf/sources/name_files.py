"""Files of names, one a line, compressed or not."""

import os
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dnmf.arrays import offers, taken_as
from dnmf.errors import InputError
from dnmf.locations import regular_file
from dnmf.refusals import told
from dnmf.sources.contents import DAMAGE, open_decompressed
from dnmf.sources.names import TEXT, names_of

MARKS = {
    b"\xff\xfe\x00\x00": "utf-32", b"\x00\x00\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8-sig",
}  # fmt: skip
"""What a text begins with that says how it is encoded, those that another begins with after it."""
LINES_AT_ONCE = 2**16
LONGEST_LINE = 2**20


def read_names(path: Path | str, length: int | None = None, what: str = "columns") -> NDArray[Any]:
    """Return the lines of a text file as names, text of variable width.

    Parameters
    ----------
    path : str or Path
        UTF-8, or what its byte order mark says; compressed by gzip, bzip2, xz or zstd if its content is.
    length : int, optional
        How many there have to be.
    what : str
        What they name, for the message.

    Raises
    ------
    InputError
        It cannot be read, is not UTF-8, or does not have `length` lines.
    """
    names = np.concatenate([np.empty(0, TEXT), *(table[0] for table in read_table(path, 1))])
    if length is not None and len(names) > length and not any(names[length:]):
        names = names[:length]  # empty lines at the end
    if length is not None and len(names) != length:
        heading = "; is its first line a heading?" if len(names) == length + 1 else ""
        raise InputError(f"{path}: {len(names):,} names for {length:,} {what}{heading}")
    return names


def given_names(names: Any, length: int, what: str) -> NDArray[Any] | None:
    """Return names that were given, as labels or as the path of a file of them; None where none were.

    Raises
    ------
    InputError
        There are not `length` of them, or the file cannot be read.
    """
    if names is None:
        return None
    if isinstance(names, (str, os.PathLike)):
        return read_names(os.fspath(names), length, what)
    with taken_as("a list of names", f"names of {what}", names):
        found = _labels(names, what)
    if found is None or len(found) != length:
        raise InputError(f"{0 if found is None else len(found):,} names were given for {length:,} {what}")
    return found


def _labels(names: Any, what: str) -> NDArray[Any] | None:
    if offers(names, "dask") and not offers(names, "dtype"):  # a Delayed
        raise InputError(f"names of {what}: a {type(names).__name__} is not computed yet; give names.compute()")
    unordered = isinstance(names, (set, frozenset, dict, bytes, bytearray, memoryview))
    if unordered or not isinstance(names, Iterable) or getattr(names, "ndim", 1) != 1:
        raise InputError(f"names of {what}: a {type(names).__name__} is neither a list of them nor a file")
    return names_of(names if hasattr(names, "dtype") else list(names))


def read_table(path: Path | str, fields: int) -> Iterator[list[NDArray[Any]]]:
    """Iterate over the first `fields` fields of the lines of a text file, cut at tabs, some lines at a time.

    What a line does not have is empty; what it has more is in the last.

    Raises
    ------
    InputError
        It cannot be read, or is not UTF-8.
    """
    for lines in _lines(regular_file(path)):
        rows = [text.split("\t", fields - 1) if fields > 1 else [text] for text in lines]
        rows = [row + [""] * (fields - len(row)) for row in rows]
        yield [np.array(column, TEXT) for column in zip(*rows, strict=True)]


def _lines(path: Path) -> Iterator[list[str]]:
    try:
        with open_decompressed(path) as file:
            encoding = encoding_of(file)
            with TextIOWrapper(file, encoding, newline="\n") as text:
                while some := _some_lines(text, path):
                    yield some
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: is not {error.encoding.upper()} ({error.reason}); write it anew: iconv -f LATIN1 -t UTF-8"
        ) from error
    except ImportError as error:
        raise InputError(f"{path}: to decompress it needs: pip install {error.name or 'zstandard'}") from error
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"{path}: cannot be read ({told(error)})") from error


def encoding_of(file: IO[bytes]) -> str:
    """Return how a text is encoded, by the byte order mark it begins with; it is at its beginning again."""
    head = file.read(max(map(len, MARKS)))
    file.seek(0)
    return next((encoding for mark, encoding in MARKS.items() if head.startswith(mark)), "utf-8")


def _some_lines(file: TextIOWrapper, path: Path) -> list[str]:
    lines = []
    for line in iter(lambda: file.readline(LONGEST_LINE), ""):
        if len(line) == LONGEST_LINE:
            raise ValueError(f"a line is longer than {LONGEST_LINE} letters, these are no names")
        if "\0" in line:
            raise InputError(
                f"{path}: has zero bytes in it, as text in UTF-16; write it anew: iconv -f UTF-16 -t UTF-8"
            )
        lines.append(line.removesuffix("\n").removesuffix("\r"))
        if len(lines) == LINES_AT_ONCE:
            break
    return lines
