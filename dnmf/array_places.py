"""Entries of an array by an index, or a label, for each axis: as rows and columns of the matrix it is unfolded to."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.predictions import paired, places
from dnmf.sources.unfolded import Unfolding


def rows_and_columns(
    unfolding: Unfolding, given: Sequence[Any], labels: Mapping[str, np.ndarray | None], rows: int,
    chosen: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return rows and columns of entries, of one shape.

    Parameters
    ----------
    unfolding : Unfolding
        Of the array.
    given : sequence of array
        Places along each axis, in the order of the axes: whole numbers or labels.
    labels : mapping of str to ndarray
        By the names of axes, of those that have some.
    rows : int
        How many there are.
    chosen : ndarray (rows,), optional
        Which of all they are. Along an axis that makes them alone, places are those among them.

    Raises
    ------
    InputError
        One is not there, or was not chosen, or their shapes do not go together.
    """
    lengths = dict(zip(unfolding.called, unfolding.shape, strict=True))
    together = len(unfolding.rows) > 1
    if not together:
        lengths[unfolding.long_axis] = rows
    found = {
        name: places(name, each, length, lambda name=name: labels.get(name))  # type: ignore[misc]
        for (name, length), each in zip(lengths.items(), given, strict=True)
    }
    at = paired(found)
    i, j = (
        np.asarray(sum(at[axis] * step for axis, step in unfolding.steps(axes).items()))
        for axes in (unfolding.rows, unfolding.columns)
    )
    return (_among(chosen, i, unfolding) if together and chosen is not None else i), j


def _among(chosen: np.ndarray, rows: np.ndarray, unfolding: Unfolding) -> np.ndarray:
    """Where among the chosen rows these are."""
    place = {row: at for at, row in enumerate(chosen.tolist())}
    absent = [row for row in rows.ravel().tolist() if row not in place]
    if absent:
        entry = unfolding.place(absent[0], 0)
        at = ", ".join(f"{unfolding.called[axis]} {entry[axis]}" for axis in unfolding.rows)
        raise InputError(f"{at} is not among the rows that were chosen")
    return np.array([place[row] for row in rows.ravel().tolist()], np.intp).reshape(rows.shape)
