"""Names in a file: offsets and UTF-8 bytes, noted with a checksum elsewhere, read when somebody asks for them."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.checksums import crc32c_of
from dnmf.errors import CheckpointError
from dnmf.locations import gone
from dnmf.refusals import told
from dnmf.sources.names import TEXT, encoded

SUFFIX = ".text"
DTYPE = "text"  # in the manifest
AT_ONCE = 2**16


def is_text(array: np.ndarray) -> bool:
    """Whether an array holds text of variable width."""
    return array.dtype.kind == "T"


def packed(texts: np.ndarray) -> bytearray:
    """Return where each text ends (int64, little-endian), and then all of them as UTF-8.

    Examples
    --------
    >>> unpacked(packed(np.array(["a", "", "bc"], TEXT)), 3).tolist()
    ['a', '', 'bc']
    """
    content, ends = bytearray(8 * len(texts)), np.empty(len(texts), "<i8")
    at = last = 0
    for part, lengths in encoded(texts):
        content += part
        ends[at : at + len(lengths)] = last + np.cumsum(lengths)
        at, last = at + len(lengths), last + len(part)
    memoryview(content)[: ends.nbytes] = ends.tobytes()
    return content


def unpacked(content: bytes | bytearray, count: int) -> np.ndarray:
    """Return the texts that :func:`packed` wrote.

    Raises
    ------
    ValueError
        There are not so many.
    """
    ends, body = np.frombuffer(content, "<i8", count), memoryview(content)[8 * count :]
    if (count and int(ends[-1]) != len(body)) or (np.diff(ends, prepend=0) < 0).any():
        raise ValueError(f"its offsets do not lead through its {len(body)} bytes of text")
    texts, start = np.empty(count, TEXT), 0
    for low in range(0, count, AT_ONCE):
        some = ends[low : low + AT_ONCE].tolist()
        starts = [start, *some[:-1]]
        pieces = [str(body[first:end], "utf-8") for first, end in zip(starts, some, strict=True)]
        texts[low : low + len(pieces)] = pieces
        start = some[-1]
    return texts


def read_texts(path: Path, entry: Mapping[str, Any]) -> np.ndarray:
    """Return the texts in a file, verified against what was noted of it: in a manifest, in attributes of an array.

    Raises
    ------
    CheckpointError
        The file is gone, or not what was written.
    """
    # A later generation of the same run has the same names: that of the caller may have been pruned since.
    places = [path, *sorted(path.parent.parent.glob(f"gen-*/{path.name}"))]
    try:
        content = next((place for place in places if place.exists()), path).read_bytes()
        if len(content) != entry["size"] or crc32c_of(content) != entry["crc32c"]:
            raise ValueError("it is not what was written")
        return unpacked(content, entry["shape"][0])
    except FileNotFoundError as error:
        raise CheckpointError(gone(path, "file of names")) from error
    except (OSError, ValueError) as error:
        said = told(error) if isinstance(error, OSError) else error
        raise CheckpointError(f"{path}: the names cannot be read ({said}); restore the file from a copy") from error


def noted(content: bytes | bytearray, count: int) -> dict[str, Any]:
    """Return what is noted of a file with so many texts."""
    return {"size": len(content), "crc32c": crc32c_of(content), "dtype": DTYPE, "shape": [count]}


def reader(path: Path, entry: Mapping[str, Any]) -> Any:
    """Return what reads the texts in a file: ``reader(…)()``; it can be pickled."""
    return partial(read_texts, path, dict(entry))
