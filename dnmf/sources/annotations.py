"""Names as the data frames of an AnnData store hold them: read when they are asked for, once."""

from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.refusals import told
from dnmf.sources.names import MISSING, TEXT, names_of
from dnmf.sources.nodes import attribute, is_array, old_index
from dnmf.sources.presence import refuse_absent
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
