"""Dense matrices in flat files (.npy, and values spooled to disk), mapped into memory a block at a time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dnmf.conversion.reading import reading
from dnmf.conversion.streams import DenseStream
from dnmf.conversion.values import target_dtype
from dnmf.errors import InputError


def mapped_npy(path: Path) -> Callable[[], NDArray[Any]]:
    """Return what maps the array in an .npy file, in C or Fortran order; nothing is unpickled.

    Raises
    ------
    InputError
        Not an .npy file, truncated, or nothing is in it; later: the same of what has changed.
    """

    def mapped() -> NDArray[Any]:
        with reading(path):
            return np.lib.format.open_memmap(path, mode="r")

    shape = mapped().shape
    if 0 in shape:
        raise InputError(f"{path}: it is empty ({' by '.join(map(str, shape))})")
    return mapped


def open_npy(path: Path) -> DenseStream:
    """Return the matrix in an .npy file.

    Raises
    ------
    InputError
        As :func:`mapped_npy`, or it is no array of real numbers in two dimensions.
    """
    mapped = mapped_npy(path)
    array = mapped()
    if array.ndim != 2:
        raise InputError(f"{path}: a matrix has 2 dimensions, this array has shape {array.shape}")
    return _stream(mapped, str(path), (array.shape[0], array.shape[1]), array.dtype)


def mapped_array(
    binary: Path, address: str, shape: tuple[int, int], dtype: np.dtype, order: Literal["C", "F"]
) -> DenseStream:
    """Return the matrix whose values, and nothing else, are in the file `binary`; they keep their dtype."""
    return _stream(lambda: np.memmap(binary, dtype, "r", shape=shape, order=order), address, shape, dtype)


def _stream(mapped: Callable[[], NDArray[Any]], address: str, shape: tuple[int, int], dtype: np.dtype) -> DenseStream:
    """Read through a map made anew for each block: pages of an old one would count as memory in use."""
    return DenseStream(
        address=address,
        shape=shape,
        dtype=dtype,
        target_dtype=target_dtype(dtype, address),
        read_rows=lambda start, stop: np.array(mapped()[start:stop]),
        read_columns=lambda start, stop: np.array(mapped()[:, start:stop]),
    )


def spooled(stream: DenseStream, directory: Path, rows_at_once: int) -> DenseStream:
    """Return the same matrix, copied to a file in `directory`, so that its columns can be read too."""
    binary = directory / "dense"
    with binary.open("wb") as out:
        for start in range(0, stream.shape[0], rows_at_once):
            rows = stream.read_rows(start, min(start + rows_at_once, stream.shape[0]))
            np.ascontiguousarray(rows).tofile(out)
    copy = mapped_array(binary, stream.address, stream.shape, stream.dtype, "C")
    return replace(stream, read_rows=copy.read_rows, read_columns=copy.read_columns)
