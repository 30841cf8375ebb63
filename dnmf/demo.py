"""The main job on real data that scikit-learn ships: its 1797 handwritten digits, through Zarr on disk."""

import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.errors import InputError

RANK = 10
CHUNK_ROWS = 64
SIDE = 8
SKLEARN_ITERATIONS = 200
SHADES = " .:-=+*#%@"
THUMBNAIL_GAP = 4


@dataclass(frozen=True)
class Digits:
    """Images as rows, pixels as columns: counts from 0 to 16."""

    values: np.ndarray
    row_names: np.ndarray
    column_names: np.ndarray


@dataclass(frozen=True)
class Reference:
    """What scikit-learn reaches on the same data.

    Attributes
    ----------
    relative_error : float
        ``‖A − WH‖ / ‖A‖``.
    iterations : int
        Of its coordinate descent.
    reads : int
        Of the data: each iteration multiplies with it twice.
    seconds : float
        Wall time, in memory.
    """

    relative_error: float
    iterations: int
    reads: int
    seconds: float


def load_digits() -> Digits:
    """Return the digits with names: ``image 0 (digit 0)`` for rows, ``r0c0`` for the pixel at the top left."""
    from sklearn.datasets import load_digits as load

    data = load()
    rows = [f"image {number} (digit {digit})" for number, digit in enumerate(data.target)]
    columns = [f"r{row}c{column}" for row in range(SIDE) for column in range(SIDE)]
    return Digits(data.data.astype(np.uint8), np.array(rows), np.array(columns))


def prepare_folder(folder: Path, digits: Digits) -> tuple[Path, Path]:
    """Return where the data is in `folder`, written if it is not there, and a name for a store that is free.

    A second demo in the same folder uses the same data and gets another store; nothing is written over.

    Raises
    ------
    InputError
        `folder` is a file, or what is called ``digits.zarr`` in it is something else.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; choose a folder for the demo with --dir")
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "digits.zarr"
    if not os.path.lexists(data):
        _write(data, digits)
    elif not _holds(data, digits):
        raise InputError(f"{data}: is there already and is not the demo's data; choose another folder with --dir")
    return data, _free_store(folder)


def _write(path: Path, digits: Digits) -> None:
    from dnmf.conversion.anndata_layout import create_root, write_dense
    from dnmf.conversion.frames import Frame, Values
    from dnmf.conversion.staging import staged
    from dnmf.conversion.streams import DenseStream

    values = digits.values
    stream = DenseStream(
        address="digits", shape=values.shape, dtype=values.dtype, target_dtype=values.dtype,
        rows=Frame(Values.of(digits.row_names)), columns=Frame(Values.of(digits.column_names)),
        read_rows=lambda start, stop: values[start:stop],
    )  # fmt: skip
    blocks = (values[at : at + CHUNK_ROWS] for at in range(0, len(values), CHUNK_ROWS))
    with staged(path, "demo", overwrite=False) as staging:
        root = create_root(staging.target, stream, 3)
        for _ in write_dense(root, stream, values.dtype, CHUNK_ROWS, blocks):
            pass


def _holds(path: Path, digits: Digits) -> bool:
    from dnmf.sources import open_source

    try:
        source = open_source(path)
        return source.shape == digits.values.shape and np.array_equal(source.read(0, len(digits.values)), digits.values)
    except InputError:
        return False


def _free_store(folder: Path) -> Path:
    number = 1
    while True:
        store = folder / ("digits.dnmf" if number == 1 else f"digits-{number}.dnmf")
        if not os.path.lexists(store):
            return store
        number += 1


def fit_with_sklearn(values: np.ndarray, rank: int = RANK) -> Reference:
    """Return what scikit-learn's NMF (coordinate descent, init nndsvda, at most 200 iterations) reaches in memory."""
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    dense = values.astype(np.float64)
    model = NMF(rank, init="nndsvda", solver="cd", max_iter=SKLEARN_ITERATIONS, random_state=0)
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(dense)
    seconds = time.perf_counter() - began
    error = float(model.reconstruction_err_ / np.linalg.norm(dense))
    return Reference(error, int(model.n_iter_), 2 * int(model.n_iter_), seconds)


def thumbnails(components: Sequence[dict[str, Any]], H: np.ndarray, columns: int = 100) -> list[str]:
    """Return the components as pictures side by side, as many in a row as fit, under their numbers and shares.

    Parameters
    ----------
    components : sequence of dict
        From :func:`dnmf.inspection.components`: their order, and what is written above each.
    H : ndarray (k, 64)
        A row is an image of 8 × 8 pixels.
    columns : int
        Width to fill.
    """
    width = 2 * SIDE  # a character is about twice as high as it is wide
    in_a_row = max(1, (columns + THUMBNAIL_GAP) // (width + THUMBNAIL_GAP))
    lines: list[str] = []
    for at in range(0, len(components), in_a_row):
        some = components[at : at + in_a_row]
        cells = [[_title(entry), *picture(H[entry["number"]])] for entry in some]
        gap = " " * THUMBNAIL_GAP
        lines += [gap.join(cell[line].ljust(width) for cell in cells).rstrip() for line in range(SIDE + 1)]
        lines.append("")
    return lines[:-1]


def _title(entry: dict[str, Any]) -> str:
    return f"{entry['number']}: {100 * entry['share']:.1f} %"


def picture(row: np.ndarray) -> list[str]:
    """Return an image of 8 × 8 pixels as lines of text, each pixel two characters wide, the strongest ``@``.

    Examples
    --------
    >>> picture(np.eye(8).ravel())[:2]
    ['@@              ', '  @@            ']
    """
    most = float(row.max()) or 1.0
    levels = np.round(np.sqrt(row / most) * (len(SHADES) - 1)).astype(int).reshape(SIDE, SIDE)
    return ["".join(SHADES[level] * 2 for level in line) for line in levels]
