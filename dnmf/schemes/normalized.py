"""Rows of H brought to a scale, and entries between their bounds: block of columns after block."""

import numpy as np

from dnmf.kernels.bounds import keep_below
from dnmf.passes.over_columns import Room, cut_columns, over_columns, sum_of


def normalize_rows(H: np.ndarray, held: int = 0, *, own: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return `H` with rows whose absolute values sum to one (or zero), and the sums it was divided by.

    The first rows stay as they are where the columns of W that belong to them are `held`: they carry the scale.
    In place where it is the caller's `own` to be changed.
    """
    sums = sizes_of_rows(H)
    sums[:held] = 1.0
    by, found = np.where(sums > 0, sums, 1.0).astype(H.dtype)[:, None], H if own else np.empty_like(H)

    def divide(columns: slice, _: Room) -> None:
        np.divide(H[:, columns], by, out=found[:, columns])

    over_columns(divide, *H.shape)
    return found, sums


def sizes_of_rows(H: np.ndarray) -> np.ndarray:
    """Return the sums of the absolute values of rows (k,), in float64."""

    def of_block(columns: slice, room: Room) -> np.ndarray:
        sizes = np.abs(H[:, columns], out=room.array("sizes", H[:, columns].shape, H.dtype))
        return np.asarray(sizes.sum(axis=1, dtype=np.float64))

    return sum_of(over_columns(of_block, *H.shape))


def living_rows(H: np.ndarray) -> np.ndarray:
    """Return which rows are not zero (k,), looking no further than needed."""
    found = np.zeros(len(H), bool)
    for columns in cut_columns(*H.shape):
        found |= H[:, columns].any(axis=1)
        if found.all():
            break
    return found


def scale_rows(H: np.ndarray, factors: np.ndarray, upper: float = np.inf, *, own: bool = False) -> np.ndarray:
    """Return ``diag(factors) H`` in the dtype of H, at most `upper`, formed in float64; in place as above."""
    found = H if own else np.empty_like(H)

    def scale(columns: slice, _: Room) -> None:
        some = found[:, columns]
        some[:] = H[:, columns] * factors[:, None]
        keep_below(some, upper)

    over_columns(scale, *H.shape)
    return found


def within(H: np.ndarray, upper: float, least: np.ndarray | float = 0.0) -> np.ndarray:
    """Return `H` without what is below zero, or below `least` (k, n), or above a bound, in place."""

    def cut(columns: slice, _: Room) -> None:
        some = H[:, columns]
        floor = least[:, columns] if isinstance(least, np.ndarray) else least
        keep_below(np.maximum(some, floor, out=some), upper)

    over_columns(cut, *H.shape)
    return H
