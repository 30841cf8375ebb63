"""Entries of an array of more axes, which come with their coordinates, as entries of its matrix."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dnmf.conversion.streams import Triplets
from dnmf.errors import InputError
from dnmf.sources.unfolded import Unfolding

MOST_COLUMNS = 2**28  # a fit holds k numbers for each, a few times over, and the target a name
MOST_ROWS = 2**62


class Folding:
    """By what coordinates are multiplied to be rows and columns.

    Parameters
    ----------
    address : str
        Of the array, for messages.
    unfolding : Unfolding
        Which axes make the rows.

    Raises
    ------
    InputError
        The matrix would have too many columns, or rows.
    """

    def __init__(self, address: str, unfolding: Unfolding):
        rows, columns = unfolding.matrix_shape
        if columns > MOST_COLUMNS or rows > MOST_ROWS:
            raise InputError(
                f"{address}: {unfolding}: {rows:,} × {columns:,}, where a matrix has at most {MOST_COLUMNS:,} columns; "
                "name the axes in row_axes (--row-axes) that leave fewer, or leave an axis out"
            )
        self._rows, self._columns = unfolding.steps(unfolding.rows), unfolding.steps(unfolding.columns)

    def triplets(self, places: NDArray[Any], values: NDArray[Any]) -> Triplets:
        """Return entries at places (entries, axes), from zero, as entries of the matrix."""
        return Triplets(_dotted(places, self._rows), _dotted(places, self._columns), values)


def _dotted(places: NDArray[Any], strides: dict[int, int]) -> NDArray[np.int64]:
    total = np.zeros(len(places), np.int64)
    for axis, step in strides.items():  # not @, which copies all coordinates to wider integers first
        total += places[:, axis].astype(np.int64) * step
    return total
