"""The factor that is drawn, W or H: its components in order, names, and a sample of rows where W is long."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dnmf.arguments import choice
from dnmf.errors import InputError
from dnmf.labelled import Pixels, checked_pixels
from dnmf.measures.compared import compared
from dnmf.model import Model
from dnmf.sources.joined_labels import JoinedLabels
from dnmf.sources.label_values import in_short
from dnmf.sources.names import names_to_show
from dnmf.strengths import SIDES

MOST_ENTRIES = 5_000_000
SAMPLE_ROWS = 20_000
SAMPLE_RUNS = 20


@dataclass(frozen=True)
class Side:
    """One factor as it is drawn.

    Attributes
    ----------
    values : ndarray (k, entries)
        The components, each summing to one over all entries; float64.
    numbers : ndarray (entries,)
        Which rows (of W) or columns (of H) these are.
    names : ndarray of str or None
        What they are called, dates in short.
    total : int
        How many there are in the model; more than are here when W was sampled.
    what : str
        ``"row"`` or ``"column"``, or of a CP the name of the axis.
    pixels : (int, int) or None
        Height and width of the image whose pixels they are, where the model knows.
    plural : str
        What several of them are, where that is no ``"rows"`` or ``"columns"``.
    joined : JoinedLabels or None
        What each of all is called by the labels of several axes, where there are no names.
    """

    values: np.ndarray
    numbers: np.ndarray
    names: np.ndarray | None
    total: int
    what: str
    pixels: Pixels | None = None
    plural: str = ""
    joined: JoinedLabels | None = None

    @property
    def several(self) -> str:
        """What several of them are."""
        return self.plural or f"{self.what}s"

    @property
    def sampled(self) -> bool:
        """Whether only some of the entries are here."""
        return len(self.numbers) < self.total

    @property
    def axis_text(self) -> str:
        """What stands below an axis along the entries."""
        if self.sampled:
            return f"{self.what} (a sample of {len(self.numbers):,} of {self.total:,})"
        return f"{self.what} ({self.total:,})"

    def pixels_of(self, shape: Any, name: str, *, needed: bool = False) -> Pixels | None:
        """Return height and width of the images that are drawn: of the `shape` that is asked for, else as is known.

        None where neither is there, unless they are `needed`; nor of a sample, which is no image.

        Raises
        ------
        InputError
            They are not those of so many entries, or are needed of a sample or where none are known.
        """
        if self.sampled and (needed or shape is not None):
            raise InputError(
                f"{name} has {self.total:,} rows, of which only a sample is read; images need all: use kind='profiles'"
            )
        if needed and shape is None and self.pixels is None:
            raise InputError(f"images need shape=(height, width) with height × width = {self.total}")
        if shape is None:
            return None if self.sampled else self.pixels
        return checked_pixels("shape", shape, self.total, self.what)

    def label(self, at: int) -> str:
        """Name of an entry, or the labels of its axes, or what it is and its number."""
        if self.names is None and self.joined is not None:
            return self.joined[self.numbers[at]]
        return f"{self.what} {self.numbers[at]}" if self.names is None else str(self.names[at])


def take_side(model: Model, side: str, names: Any = None) -> Side:
    """Return one factor of a model; of a W with many rows a sample, so that it is never read as a whole.

    Parameters
    ----------
    model : Model
        Whose.
    side : {"W", "H"}
        Which factor.
    names : sequence or path, optional
        Of all rows or columns: labels, or a text file with one a line; the model's own by default.

    Raises
    ------
    InputError
        There is no such side, or there are not as many names as entries.
    """
    _refuse_no_model(model)
    is_H = choice("side", side, SIDES) == "H"
    total = model.shape[1] if is_H else model.shape[0]
    named = model.with_names(**{"column_names" if is_H else "row_names": names})
    known = names_to_show(named.column_names if is_H else named.row_names)
    if is_H:
        values, numbers = np.asarray(model.H, np.float64), np.arange(total)
    else:
        runs = list(row_runs(total, model.rank, MOST_ENTRIES))
        numbers = np.concatenate([np.arange(start, stop) for start, stop in runs])
        values = np.concatenate([model.read_W(start, stop).astype(np.float64) for start, stop in runs]).T
    kept = None if known is None else in_short(known[numbers])
    pixels = model.column_pixels if is_H else model.row_pixels
    what, joined = "column" if is_H else "row", named.joined_labels(side)
    return Side(values, numbers, kept, total, what, pixels, joined=joined)


def sides_of(model: Model, side: str | None = None, names: Any = None) -> list[Side]:
    """Return what is drawn of a model beside each other: one factor; where no side is named, of a CP that of each axis.

    Parameters
    ----------
    model, names
        As for :func:`take_side`; names are those of one side, H where none is named.
    side : {"W", "H"}, optional
        Which factor, where it is one.

    Raises
    ------
    InputError
        As :func:`take_side`.
    """
    _refuse_no_model(model)
    if side is not None or names is not None or model.short_axes == 1:
        return [take_side(model, "H" if side is None else side, names)]
    return [_along(model, axis) for axis in model.lengths]


def _along(model: Any, axis: str) -> Side:
    """The factor of one axis of a CP."""
    plural = f"places along {axis}"
    if axis == model.long_axis:
        return replace(take_side(model, "W"), what=axis, plural=plural)
    values, names = model.factor(axis).T.astype(np.float64), in_short(names_to_show(model.labels_along(axis)))
    return Side(values, np.arange(values.shape[1]), names, values.shape[1], axis, plural=plural)


def _refuse_no_model(model: Any) -> None:
    if not isinstance(model, Model):
        raise InputError(f"{type(model).__name__}: give one model; of a path, path.model(strength, seed)")


def row_runs(rows: int, rank: int, most_entries: int) -> Iterator[tuple[int, int]]:
    """Yield the runs of rows of W to read: all of it in blocks, or where it is longer evenly spaced runs.

    Examples
    --------
    >>> list(row_runs(100, 10, 5_000_000))
    [(0, 100)]
    >>> runs = list(row_runs(10_000_000, 10, 5_000_000))
    >>> len(runs), sum(stop - start for start, stop in runs), runs[-1]
    (20, 20000, (9999000, 10000000))
    """
    if rows * rank <= most_entries:
        block = max(1, MOST_ENTRIES // rank)
        yield from ((start, min(start + block, rows)) for start in range(0, rows, block))
        return
    length = min(rows // SAMPLE_RUNS, SAMPLE_ROWS // SAMPLE_RUNS)
    for start in np.linspace(0, rows - length, SAMPLE_RUNS).astype(int):
        yield int(start), int(start) + length


def by_weight(model: Model) -> np.ndarray:
    """Numbers of the components that are not zero, by falling weight.

    Raises
    ------
    InputError
        All are zero.
    """
    order = np.argsort(-model.d, kind="stable")
    alive = order[model.d[order] > 0]
    if not len(alive):
        raise InputError(
            "all components of this model are zero, so there is nothing to draw; was the penalty too strong?"
        )
    return alive


def share_of(model: Model, number: int) -> float:
    """The share that a component has of the sum of d."""
    return float(model.d[number] / model.d.sum())


def thinned(values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the value farthest from zero in each of at most `most` bins of neighbours, and the edges of the bins.

    Examples
    --------
    >>> values, edges = thinned(np.array([[0.0, 5, 1, 2, 0, 3]]), 3)
    >>> values.tolist(), edges.tolist()
    ([[5.0, 2.0, 3.0]], [0, 2, 4, 6])
    """
    entries = values.shape[1]
    edges = np.unique(np.linspace(0, entries, min(most, entries) + 1).astype(int))
    most_of, least_of = (extreme.reduceat(values, edges[:-1], axis=1) for extreme in (np.maximum, np.minimum))
    return np.where(-least_of > most_of, least_of, most_of), edges


def matches(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return for every row of `values` the row of `reference` it goes with, or -1: the matching of largest cosines."""
    from scipy.optimize import linear_sum_assignment

    mine, theirs = linear_sum_assignment(-compared(values, reference, "H"))
    found = np.full(len(values), -1)
    found[mine] = theirs
    return found


def as_labelled(models: Any, kind: str) -> dict[str, Any]:
    """Return one thing, a sequence or a dict of them as a dict of labels."""
    if isinstance(models, dict):
        named = {str(label): each for label, each in models.items()}
    elif isinstance(models, (list, tuple)):
        named = {f"{kind} {number}": each for number, each in enumerate(models, 1)}
    else:
        named = {kind: models}
    if not named:
        raise InputError(f"no {kind} was given: there is nothing to draw")
    return named
