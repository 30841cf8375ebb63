"""Matrix Market files (.mtx, compressed or not), parsed block by block."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dnmf.conversion.dense_files import mapped_array
from dnmf.conversion.reading import reading
from dnmf.conversion.streams import DenseStream, Triplets, TripletStream
from dnmf.conversion.values import narrowest_dtype
from dnmf.errors import InputError
from dnmf.kernels.text import FULL, INTEGER, MALFORMED, PATTERN, REAL, parse_entries
from dnmf.sources.contents import DECOMPRESS_WITH, contents_of, open_decompressed
from dnmf.sources.formats import BYTE_ORDER_MARK, NO_BANNER

FIELDS = {"pattern": PATTERN, "integer": INTEGER, "unsigned-integer": INTEGER, "real": REAL, "double": REAL}
VALUE_DTYPES: dict[int, np.dtype] = {
    PATTERN: np.dtype("uint8"),
    INTEGER: np.dtype("int64"),
    REAL: np.dtype("float64"),
}
KEPT_AS: dict[int, np.dtype | None] = {PATTERN: None, INTEGER: None, REAL: np.dtype("float32")}
LONGEST_LINE = 2**20
MOST_TEXT = 2**22  # bytes read at once
SHORTEST_ENTRY = 4  # bytes: "1 1" and its newline
SHORTEST_VALUE = 2
HARD_AT_ONCE = 4096


@dataclass(frozen=True)
class Header:
    """The first lines of a file.

    Attributes
    ----------
    coordinate : bool
        False for the array format: one value a line, column by column.
    field : int
        PATTERN, INTEGER or REAL.
    symmetric : bool
        Whether the entries above the diagonal are left out.
    shape : (int, int)
    stored : int
        Entries in the file.
    lines : int
        Lines up to the first entry.
    """

    coordinate: bool
    field: int
    symmetric: bool
    shape: tuple[int, int]
    stored: int
    lines: int


class _Parsed(NamedTuple):
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[Any]


def open_matrix_market(path: Path, spool: Path) -> TripletStream | DenseStream:
    """Return the matrix in a Matrix Market file: triplets, or a dense stream for the array format.

    Real values are kept as float32, integers and patterns (ones) as the narrowest integer that holds them.
    The array format is stored column by column, so its values are first spooled as doubles or integers into
    `spool`.

    Raises
    ------
    InputError
        Not a Matrix Market file, or of a kind that has no non-negative factorization (complex, hermitian,
        skew-symmetric); later, from the stream: a malformed line (with its number), too few or too many.
    """
    with _opened(path) as file:
        header = _read_header(path, file)
        _check_length(path, header, file.tell())
    if not header.coordinate:
        return _spooled_array(path, header, spool)
    return TripletStream(
        address=str(path),
        shape=header.shape,
        dtype=VALUE_DTYPES[header.field],
        target_dtype=KEPT_AS[header.field],
        stored=header.stored * (2 if header.symmetric else 1),
        blocks=lambda limit: _triplets(path, limit),
    )


def _opened(path: Path) -> IO[bytes]:
    """Return the file open for reading, decompressed, its byte order mark passed."""
    with reading(path):
        file = open_decompressed(path)
        if file.read(len(BYTE_ORDER_MARK)) != BYTE_ORDER_MARK:
            file.seek(0)
        return file


def _read_header(path: Path, file: IO[bytes]) -> Header:
    with reading(path):
        first, before = _first_line(file)
    words = first.decode("latin-1").lower().split()
    if b"\r" in first.strip():
        raise InputError(
            f"{path}: its lines end in carriage returns alone; end them in line feeds: {_with_feeds(path)}"
        )
    if len(words) != 5 or words[0] != "%%matrixmarket" or words[1] != "matrix":
        raise InputError(f"{path}: {NO_BANNER.name}; {NO_BANNER.way}")
    layout, field, symmetry = words[2:]
    if layout not in ("coordinate", "array") or field not in FIELDS or (layout, field) == ("array", "pattern"):
        raise InputError(
            f"{path}: Matrix Market files of kind '{layout} {field}' cannot be converted; "
            "use coordinate or array, with real or integer values (coordinate files may be patterns)"
        )
    if symmetry not in ("general", "symmetric"):
        raise InputError(f"{path}: a {symmetry} matrix has negative or complex entries; dnmf needs values ≥ 0")
    if layout == "array" and symmetry == "symmetric":
        raise InputError(f"{path}: symmetric array files cannot be converted; write the matrix as general")
    with reading(path):
        sizes, lines = _read_sizes(path, file, 3 if layout == "coordinate" else 2, before + 1)
    rows, columns = sizes[:2]
    if rows == 0 or columns == 0:
        raise InputError(f"{path}: the matrix is empty ({rows} by {columns})")
    if symmetry == "symmetric" and rows != columns:
        raise InputError(f"{path}: a symmetric matrix is square, this one is {rows} by {columns}")
    stored = sizes[2] if layout == "coordinate" else rows * columns
    return Header(layout == "coordinate", FIELDS[field], symmetry == "symmetric", (rows, columns), stored, lines)


def _check_length(path: Path, header: Header, begins: int) -> None:
    """Refuse at once a file that is too short for its entries, where that shows: not where it is compressed."""
    with reading(path):
        if contents_of(path).compression:
            return
        bytes_left = path.stat().st_size - begins
    most = (bytes_left + 1) // (SHORTEST_ENTRY if header.coordinate else SHORTEST_VALUE)  # the last may have no newline
    if header.stored > most:
        raise InputError(
            f"{path}: its header promises {header.stored:,} entries, but the {bytes_left:,} bytes after it hold "
            f"{most:,} at most; the file is truncated or its header is wrong"
        )


def _first_line(file: IO[bytes]) -> tuple[bytes, int]:
    """Return the first line that is not blank, and how many blank ones precede it."""
    blank = 0
    while (line := file.readline(LONGEST_LINE)) and not line.strip():
        blank += 1
    return line, blank


def _with_feeds(path: Path) -> str:
    compression, quoted = contents_of(path).compression, shlex.quote(str(path))
    if not compression:
        return f"tr '\\r' '\\n' < {quoted} > matrix.mtx"
    return f"{DECOMPRESS_WITH[compression]} -c < {quoted} | tr '\\r' '\\n' > matrix.mtx"


def _read_sizes(path: Path, file: IO[bytes], count: int, lines: int) -> tuple[list[int], int]:
    while line := file.readline(LONGEST_LINE):
        lines += 1
        words = line.split()
        if words and not words[0].startswith(b"%"):
            if len(words) == count and all(word.isdigit() and len(word) <= 16 for word in words):
                return [int(word) for word in words], lines
            raise InputError(f"{path}: line {lines}: {_shown(line)} should be {count} sizes: rows, columns, …")
    raise InputError(f"{path}: ends after {lines} lines, before the sizes of the matrix")


def _triplets(path: Path, limit: int) -> Iterator[Triplets]:
    with _opened(path) as file:
        header = _read_header(path, file)
        limit = max(limit // 2 if header.symmetric else limit, 1)
        for rows, columns, values in _parsed(path, file, header, limit):
            yield Triplets(rows, columns, values)
            if header.symmetric:
                off = rows != columns
                yield Triplets(columns[off], rows[off], values[off])


def _parsed(path: Path, file: IO[bytes], header: Header, limit: int) -> Iterator[_Parsed]:
    """Iterate over all entries of the file, at most `limit` at a time."""
    total, line = 0, header.lines
    for block in _texts(path, file, min(MOST_TEXT, limit * SHORTEST_ENTRY)):
        text = block
        while text.size:
            capacity = min(limit, header.stored - total, text.size // 2 + 1)
            parsed, lines, place, status = _parse_block(text, header, capacity)
            line, total = line + lines, total + len(parsed.values)
            if status == MALFORMED or (status == FULL and total == header.stored):
                raise InputError(f"{path}: line {line + 1}: {_complaint(_line_at(text, place), header, status)}")
            if len(parsed.values):
                yield parsed
            text = text[place:]
    if total != header.stored:
        raise InputError(
            f"{path}: ends after {total} entries, but its header promises {header.stored}; "
            "the file is truncated or its header is wrong"
        )


def _texts(path: Path, file: IO[bytes], size: int) -> Iterator[NDArray[np.uint8]]:
    """Iterate over the rest of the file in blocks of whole lines, about `size` bytes each."""
    begun = b""
    while True:
        with reading(path):
            piece = file.read(size)
        cut = piece.rfind(b"\n") + 1
        if not piece and begun:
            yield np.frombuffer(begun + b"\n", np.uint8)
        if not piece:
            return
        if cut:
            yield np.frombuffer(begun + piece[:cut], np.uint8)
            begun = b""
        begun += piece[cut:]
        if len(begun) > LONGEST_LINE:
            raise InputError(f"{path}: a line is longer than {LONGEST_LINE} bytes; this is not a Matrix Market file")


def _parse_block(text: NDArray[np.uint8], header: Header, capacity: int) -> tuple[_Parsed, int, int, int]:
    """Parse at most `capacity` entries; returns them, the lines passed, the place reached, the status."""
    rows, columns = np.empty((2, capacity if header.coordinate else 0), np.int64)
    words = np.empty(capacity, np.uint64)
    hard = np.empty((HARD_AT_ONCE, 2), np.int64)
    entries, hard_values, lines, place, status = parse_entries(
        text, header.shape, header.coordinate, header.field, rows, columns, words, hard
    )
    values = words.view(np.float64 if header.field == REAL else np.int64)[:entries]
    for entry, start in hard[:hard_values]:
        if not _decide(text, int(start), values, int(entry)):
            return (
                _Parsed(rows[:entry], columns[:entry], values[:entry]),
                *_lines_before(text, int(start)),
                MALFORMED,
            )
    if header.field == PATTERN:
        values = values.astype(np.uint8)
    return _Parsed(rows[:entries], columns[:entries], values), lines, place, status


def _decide(text: NDArray[np.uint8], start: int, values: NDArray[Any], entry: int) -> bool:
    """Convert the value at `start`, which the kernel could not; False where it is out of range."""
    word = _line_at(text, start).split(None, 1)[0]
    value = float(word) if values.dtype.kind == "f" else int(word)
    if value >= (np.inf if values.dtype.kind == "f" else 2**63):
        return False
    values[entry] = value
    return True


def _lines_before(text: NDArray[np.uint8], place: int) -> tuple[int, int]:
    """How many lines end before `place`, and where its line begins."""
    ends = np.flatnonzero(text[:place] == ord("\n"))
    return len(ends), int(ends[-1]) + 1 if len(ends) else 0


def _line_at(text: NDArray[np.uint8], place: int) -> bytes:
    length = 256
    while b"\n" not in (some := text[place : place + length].tobytes()):
        length *= 16
    return some.split(b"\n", 1)[0]


def _complaint(line: bytes, header: Header, status: int) -> str:
    """Say what is wrong with a line that the kernel refused."""
    if status == FULL:
        return f"{_shown(line)} is one entry more than the {header.stored} its header promises"
    words = line.split()
    wanted = (["row", "column"] if header.coordinate else []) + (["value"] if header.field != PATTERN else [])
    if len(words) != len(wanted):
        return f"{_shown(line)} should hold: {', '.join(wanted)}"
    for name, word, size in zip(wanted[:-1], words, header.shape, strict=False):
        if word.isdigit() and not 1 <= int(word) <= size:
            return f"{_shown(line)} has {name} {int(word)}, outside 1…{size}"
    try:
        value = float(words[-1])
    except ValueError:
        return f"{_shown(line)} is not a matrix entry"
    if not 0 <= value < np.inf:
        what = "negative" if value < 0 else "not finite"
        return f"{_shown(line)}: the value is {what}; non-negative factorization needs finite values ≥ 0"
    kind = "an integer below 2^63" if header.field == INTEGER else "a decimal number"
    return f"{_shown(line)} is not a matrix entry whose value is {kind}"


def _shown(line: bytes) -> str:
    text = line[:80].decode("latin-1").strip()
    return repr(text + "…" if len(line) > 80 else text)


def _spooled_array(path: Path, header: Header, spool: Path) -> DenseStream:
    """Parse the array format into a binary file, which is read as what it is: an array by columns."""
    binary, largest = spool / "array", 0.0
    dtype = VALUE_DTYPES[header.field]
    with _opened(path) as file, binary.open("wb") as out:
        _read_header(path, file)
        for block in _parsed(path, file, header, MOST_TEXT // SHORTEST_ENTRY):
            block.values.tofile(out)
            largest = max(largest, block.values.max())
    kept = KEPT_AS[header.field] or narrowest_dtype(int(largest))
    return replace(mapped_array(binary, str(path), header.shape, dtype, "F"), target_dtype=kept)
