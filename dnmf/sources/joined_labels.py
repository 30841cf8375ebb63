"""What an entry of an unfolded array is called by the labels along its axes, made only of those that are shown."""

from dataclasses import dataclass

import numpy as np

from dnmf.sources.label_values import in_short
from dnmf.sources.names import names_to_show
from dnmf.sources.unfolded import Unfolding

BETWEEN = " · "


@dataclass(frozen=True)
class JoinedLabels:
    """The labels along several axes as names of the columns (or rows) that are made of them, the last axis fastest.

    Attributes
    ----------
    axes : tuple of str
        What the axes are called.
    labels : tuple of ndarray or None
        The labels along each, dates in short; None along one that has none: there the axis and the place are said.
    lengths : tuple of int
        Of the axes.
    """

    axes: tuple[str, ...]
    labels: tuple[np.ndarray | None, ...]
    lengths: tuple[int, ...]

    def __getitem__(self, number: int) -> str:
        """What a column (or row) is called.

        Examples
        --------
        >>> JoinedLabels(("item", "month"), (np.array(["nut", "jam"]), None), (2, 12))[13]
        'jam · month 1'
        """
        places = np.unravel_index(int(number), self.lengths)
        parts = (
            f"{axis} {at}" if labels is None else str(labels[at])
            for axis, labels, at in zip(self.axes, self.labels, places, strict=True)
        )
        return BETWEEN.join(parts)


def joined_labels(unfolding: Unfolding | None, axes: tuple[int, ...]) -> JoinedLabels | None:
    """Return names of what several axes of an array make; None where there is one axis, or none has labels.

    Parameters
    ----------
    unfolding : Unfolding or None
        Of the array.
    axes : tuple of int
        Those of its rows, or of its columns.
    """
    if unfolding is None or not unfolding.coords or len(axes) == 1:
        return None
    labels = tuple(in_short(names_to_show(unfolding.coords[axis])) for axis in axes)
    if all(each is None for each in labels):
        return None
    return JoinedLabels(
        tuple(unfolding.called[axis] for axis in axes), labels, tuple(unfolding.shape[axis] for axis in axes)
    )
