"""Names as the data frames of an AnnData store hold them: read when they are asked for, once."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.refusals import told
from dnmf.sources.names import MISSING, TEXT, names_of
from dnmf.sources.nodes import attribute, is_array, is_group, old_index
from dnmf.sources.presence import absent_object, refuse_absent
from dnmf.sources.source import NUMERIC_KINDS
from dnmf.sources.stored import open_node, open_root

AT_ONCE = 2**16


class StoredNames:
    """The names of one data frame; what travels is where they are.

    Parameters
    ----------
    path : str
        The store or file.
    frame : str
        The frame inside it, for example ``obs``.
    length : int
        How many rows or columns there are.
    """

    def __init__(self, path: str, frame: str, length: int):
        self._path, self._frame, self._length = path, frame, length
        self._read: tuple[np.ndarray | None] | None = None

    def __call__(self) -> np.ndarray | None:
        """Return the names, None where the frame has none.

        Raises
        ------
        InputError
            They cannot be read, or there are not as many as rows or columns.
        """
        if self._read is None:
            self._read = (annotation_names(self._path, self._frame, self._length),)
        return self._read[0]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_read": None}

    def flags(self, name: str) -> np.ndarray:
        """Return a column of the data frame that is true or false, bool.

        Raises
        ------
        InputError
            There is none of this name, it is something else, or it cannot be read.
        """
        return annotation_flags(self._path, self._frame, name, self._length)


class PickedNames:
    """Some names of those that are read when they are asked for.

    Parameters
    ----------
    names : StoredNames or another way to read names
        All of them.
    chosen : ndarray of int
        Which, in the order they are wanted in.
    """

    def __init__(self, names: Callable[[], np.ndarray | None], chosen: np.ndarray):
        self.names, self.chosen = names, chosen

    @classmethod
    def of(cls, names: Any, chosen: np.ndarray | None) -> Any:
        """Return some of the names of a source, as they are or as a way to read them."""
        if names is None or chosen is None:
            return names
        return cls(names, chosen) if callable(names) else names[chosen]

    def __call__(self) -> np.ndarray | None:
        """Return those that are chosen, None where there are no names."""
        found = self.names()
        return None if found is None else found[self.chosen]

    def flags(self, name: str) -> np.ndarray:
        """Return a column that is true or false for those that are chosen, as :meth:`StoredNames.flags`."""
        if not isinstance(self.names, (StoredNames, PickedNames)):
            raise InputError(f"{name!r}: there is no data frame beside these names")
        return self.names.flags(name)[self.chosen]


def names_of_frames(
    path: str, frames: tuple[str | None, str | None], shape: tuple[int, int]
) -> tuple[StoredNames | None, StoredNames | None]:
    """Return what names the rows and the columns of a matrix in a store, where a frame does."""
    rows, columns = (StoredNames(path, frame, n) if frame else None for frame, n in zip(frames, shape, strict=True))
    return rows, columns


def annotation_names(path: str, frame: str, length: int | None = None) -> np.ndarray | None:
    """Return the names of a data frame of an AnnData (``obs``, ``var``, ``raw/var``), None where it has none.

    Raises
    ------
    InputError
        They cannot be read, or there are not `length` of them.
    """
    if frame not in open_root(path):
        return None
    node = open_node(path, frame)
    index = old_index(node) or attribute(node, "_index")
    if index is None:
        return None
    inner = f"{frame}/{index}"
    if old_index(node):
        refuse_absent(node, f"{path}::{frame}", " of the names")
    names = names_of(node[index] if old_index(node) else _read_names(path, inner))
    if names is not None and length is not None and len(names) != length:
        raise InputError(f"{path}::{inner}: {len(names)} names for {length} rows or columns; the store is damaged")
    return names


def annotation_flags(path: str, frame: str, name: str, length: int) -> np.ndarray:
    """Return a column of a data frame of an AnnData that is true or false, as booleans.

    Raises
    ------
    InputError
        There is none of this name, it is something else, some of it is missing, or it is damaged.
    """
    where = f"{path}::{frame}/{name}"
    held = open_root(path).get(frame, {})
    if is_array(held) or name not in held or not _is_flags(held[name]):
        known = [] if is_array(held) else [each for each in sorted(held) if _is_flags(held[each])]
        there = ", ".join(map(repr, known)) or "none"
        raise InputError(f"{path}: {frame} has no column {name!r} that is true or false (those that are: {there})")
    node = open_node(path, f"{frame}/{name}")
    if is_array(node):
        values = _read_flags(node, where)
    else:  # booleans that may be missing: values and a mask, of which Zarr leaves out what is false
        values, absent = _read_flags(node["values"], where), np.asarray(node["mask"][:])
        if absent.any():
            raise InputError(f"{where}: is missing for {np.count_nonzero(absent):,} of {length:,}; fill them in")
    if len(values) != length:
        raise InputError(f"{where}: {len(values)} entries for {length} rows or columns; the store is damaged")
    return values.astype(bool)


def _read_flags(node: Any, where: str) -> np.ndarray:
    absent = absent_object(node, 0, int(node.shape[0])) if node.shape[0] else None
    if absent is not None:
        raise InputError(
            f"{where}: chunk {absent} is missing or empty, it would read as false; restore the file or, if all of it "
            "is false, give true or false for each row or column in place of a name"
        )
    return np.asarray(node[:])


def _is_flags(node: Any) -> bool:
    values = node if is_array(node) else node.get("values") if is_group(node) else None
    return values is not None and is_array(values) and values.dtype.kind == "b"


def _read_names(path: str, inner: str) -> np.ndarray:
    node = open_node(path, inner)
    if is_array(node):
        return _read_vector(node, f"{path}::{inner}")
    if "categories" in node:
        known = names_of(_read_names(path, f"{inner}/categories"))
        names = np.append(np.empty(0, TEXT) if known is None else known, np.array([MISSING], TEXT))
        return names[_read_names(path, f"{inner}/codes")]  # code -1 is a missing name
    return _read_names(path, f"{inner}/values")  # text that may be missing: values and a mask


def _read_vector(node: Any, address: str) -> np.ndarray:
    """Return a whole array of any dtype, text of variable width; refused when a chunk is absent.

    Zarr leaves out chunks of zeros, but many rows in turn with the name that has the number zero are not meant.
    """
    try:
        refuse_absent(node, address, " of the names")
        is_text = node.shape[0] > 0 and node.dtype.kind not in NUMERIC_KINDS
        return _in_pieces(node) if is_text else np.asarray(node[:])
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{address}: the names cannot be read ({told(error)})") from error


def _in_pieces(node: Any) -> np.ndarray:
    """Text read some entries at a time: as Python objects it takes many times the room."""
    names = np.empty(node.shape[0], TEXT)
    step = max(AT_ONCE, int((node.chunks or (0,))[0]))
    for start in range(0, len(names), step):
        piece = names_of(node[start : start + step])
        names[start : start + step] = MISSING if piece is None else piece
    return names
