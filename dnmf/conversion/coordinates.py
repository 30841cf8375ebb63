"""Sparse arrays as lines of coordinates, with a value each: FROSTT's .tns files."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dnmf.conversion.folded import Folding
from dnmf.conversion.reading import reading
from dnmf.conversion.streams import Triplets, TripletStream
from dnmf.errors import InputError
from dnmf.sources.contents import open_decompressed
from dnmf.sources.unfolded import LEAST_AXES, unfolding_of

TEXT_AT_ONCE = 2**22
LONGEST_LINE = 2**16
SHORTEST_NUMBER = 2  # bytes, with what separates it
EXACT = 2**53  # integers above are no doubles


class _Block(NamedTuple):
    """Some entries: their coordinates from zero (entries, axes) and values, and the line that each is in."""

    places: NDArray[np.int64]
    values: NDArray[np.float64]
    lines: NDArray[np.int64]


@dataclass(frozen=True)
class _Found:
    """What a first look at all lines has found."""

    shape: tuple[int, ...]
    entries: int
    whole: bool  # whether all values are integers


def open_coordinates(path: Path, row_axes: Any) -> TripletStream:
    """Return the sparse array in a file of lines ``i j k … value`` as a matrix; coordinates begin at 1.

    The file is read twice: its lengths are the largest coordinates. Several lines of one entry are added up, zeros left
    out. Lines that begin with # are passed over.

    Parameters
    ----------
    path : Path
        Compressed or not.
    row_axes : int, str, or sequence of these
        Of the axes, by number: those that make the rows.

    Raises
    ------
    InputError
        It holds no such lines, fewer than three coordinates each, or a value that is negative or not finite: the line
        is named. Or there are no such axes, or too many columns.
    """
    found = _look(path)
    unfolding = unfolding_of(str(path), found.shape, row_axes)
    assert unfolding is not None
    folding = Folding(str(path), unfolding)

    def blocks(limit: int) -> Iterator[Triplets]:
        for block in _blocks(path, len(found.shape), limit):
            yield folding.triplets(block.places, _kept(block.values, whole=found.whole))

    return TripletStream(
        address=str(path), shape=unfolding.matrix_shape, dtype=np.dtype("int64" if found.whole else "float64"),
        target_dtype=None if found.whole else np.dtype("float32"), stored=found.entries, blocks=blocks,
        unfolding=unfolding,
    )  # fmt: skip


def _kept(values: NDArray[np.float64], *, whole: bool) -> NDArray[Any]:
    return values.astype(np.int64) if whole else values


def _look(path: Path) -> _Found:
    """The lengths of all axes, the number of entries, and whether all values are integers."""
    largest, entries, whole = np.zeros(_axes(path), np.int64), 0, True
    for block in _blocks(path, len(largest), TEXT_AT_ONCE):
        largest = np.maximum(largest, block.places.max(axis=0) + 1)
        entries += len(block.values)
        whole = whole and bool((block.values == np.floor(block.values)).all() and block.values.max() < EXACT)
    if not entries:
        raise InputError(f"{path}: it holds no entries")
    return _Found(tuple(largest.tolist()), entries, whole)


def _axes(path: Path) -> int:
    """How many coordinates the first entry has."""
    with reading(path), open_decompressed(path) as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            words = line.split()
            if words and not words[0].startswith(b"#"):
                if len(words) <= LEAST_AXES:
                    raise InputError(
                        f"{path}: line {number}: {_shown(line)} has {max(len(words) - 1, 0)} coordinates and a value; "
                        "an array has three or more, a matrix is converted from a Matrix Market file or a long table"
                    )
                return len(words) - 1
    raise InputError(f"{path}: it holds no entries")


def _blocks(path: Path, axes: int, limit: int) -> Iterator[_Block]:
    """Yield all entries, at most about `limit` at a time, checked."""
    line = 1
    for text in _texts(path, min(TEXT_AT_ONCE, max(limit, 1) * SHORTEST_NUMBER * (axes + 1))):
        numbers, entries = np.arange(line, line + text.count(b"\n")), text
        line += len(numbers)
        if b"#" in text or len(text.split(b"\n")) != len(text.split()) // (axes + 1) + 1:
            kept = [(at, each) for at, each in zip(numbers, text.split(b"\n"), strict=False) if _is_entry(each)]
            numbers, entries = np.array([at for at, _ in kept], np.int64), b"\n".join(each for _, each in kept)
        if len(numbers):
            yield _checked(path, entries, numbers, axes)


def _is_entry(line: bytes) -> bool:
    stripped = line.strip()
    return bool(stripped) and not stripped.startswith(b"#")


def _checked(path: Path, text: bytes, lines: NDArray[np.int64], axes: int) -> _Block:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # older numpy warns of text that is no number
            found = np.fromstring(text, np.float64, sep=" ")
    except (ValueError, DeprecationWarning):
        found = np.empty(0)
    if len(found) != len(lines) * (axes + 1):
        raise _malformed(path, text, lines, axes)
    entries = found.reshape(-1, axes + 1)
    places, values = entries[:, :-1], entries[:, -1]
    good = (places >= 1) & (places < EXACT) & (places == np.floor(places))
    fine = good.all(axis=1) & (values >= 0) & (values < np.inf)
    if not fine.all():
        at = int(np.argmin(fine))
        what = "a coordinate that is no whole number from 1 on"
        if good[at].all():
            what = "a value that is negative or not finite; non-negative factorization needs finite values ≥ 0"
        line = text.split(b"\n")[at]
        raise InputError(f"{path}: line {lines[at]}: {_shown(line)} has {what}")
    return _Block(places.astype(np.int64) - 1, values, lines)


def _malformed(path: Path, text: bytes, lines: NDArray[np.int64], axes: int) -> InputError:
    """The error that names the first line that is no entry."""
    for number, line in zip(lines, text.split(b"\n"), strict=False):
        words = line.split()
        try:
            wrong = len(words) != axes + 1 or not all(np.isfinite(float(word)) for word in words)
        except ValueError:
            wrong = True
        if wrong:
            return InputError(f"{path}: line {number}: {_shown(line)} should hold {axes} coordinates and a value")
    return InputError(f"{path}: lines {lines[0]} to {lines[-1]} do not hold {axes} coordinates and a value each")


def _shown(line: bytes) -> str:
    text = line[:80].decode("latin-1").strip()
    return repr(text + "…" if len(line) > 80 else text)


def _texts(path: Path, size: int) -> Iterator[bytes]:
    """Yield whole lines, about so many bytes at a time, each ended by a line feed."""
    begun = b""
    with reading(path), open_decompressed(path) as file:
        while True:
            with reading(path):
                piece = file.read(size)
            if not piece:
                break
            begun += piece
            cut = begun.rfind(b"\n") + 1
            if cut:
                yield begun[:cut]
                begun = begun[cut:]
            elif len(begun) > LONGEST_LINE:
                raise InputError(f"{path}: a line is longer than {LONGEST_LINE} bytes; this is no file of coordinates")
    if begun.strip():
        yield begun + b"\n"
