"""What is drawn of one factor on the page with a slider: the same entries at every strength, thinned or chosen."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from dnmf.plots.factors import largest_of_any
from dnmf.plots.orders import is_ordered
from dnmf.plots.short_names import told_apart
from dnmf.plots.sides import Side, thinned
from dnmf.plots.ticks import ticks_along

MOST_BINS = 400
MOST_NAMED = 50  # bins of all panels together below which each has its name
MOST_PIXELS = 2_000_000
MOST_NUMBERS = 150_000
TOP = 3
MOST_TICKS, LEAST_TICKS = 5, 3
MOST_OF_A_LABEL = 60
LETTERS = 8  # for each of the ticks along an axis


@dataclass(frozen=True)
class Panel:
    """One factor at each strength: pixels, the largest by name, or the largest of each run of neighbours.

    Attributes
    ----------
    title : str
        What its entries are.
    values : ndarray (strengths, k, bins)
        Profiles times the weight d: the largest of each bin, or the pixels of images.
    edges : ndarray (bins + 1,)
        Where the bins begin and end.
    labels : tuple of str
        What each bin is called.
    axis_text : str
        What stands along the entries.
    ticks : dict of float to str
        Where names stand along them; empty where numbers do.
    tops : list of list of str
        For each strength, the strongest entries of each component, where they have names.
    shape : (int, int) or None
        Height and width, where the values are pixels.
    """

    title: str
    values: np.ndarray
    edges: np.ndarray
    labels: tuple[str, ...]
    axis_text: str
    ticks: dict[float, str]
    tops: list[list[str]]
    shape: tuple[int, int] | None = None

    @property
    def all_named(self) -> bool:
        """Whether each bin has its name along the axis."""
        return len(self.ticks) == len(self.labels)

    @classmethod
    def of(cls, side: Side, profiles: np.ndarray, shape: tuple[int, int] | None, count: int = 1) -> "Panel":
        """Return what is shown of profiles (strengths, k, entries) in one of `count` panels beside each other."""
        tops = _strongest(side, profiles, max(1, TOP // count))
        if shape is not None:
            return cls._as_images(side, profiles, shape, tops)
        text, most_named = side.axis_text, MOST_NAMED // count
        if not is_ordered(side.names):
            few, text = _few(side, profiles.max(axis=0), most_named, count)
            side = replace(side, numbers=side.numbers[few], names=None if side.names is None else side.names[few])
            profiles = profiles[:, :, few]
        models, k, entries = profiles.shape
        bins = int(np.clip(MOST_NUMBERS // (k * models * count), 20, MOST_BINS // min(count, 2)))
        thin, edges = thinned(profiles.reshape(models * k, entries), bins)
        labels = _bin_labels(side, edges)
        ticks = _ticks(side, edges, labels, most_named, max(LEAST_TICKS, MOST_TICKS // count))
        return cls(side.what, thin.reshape(models, k, -1), edges, labels, text, ticks, tops)

    @classmethod
    def _as_images(cls, side: Side, profiles: np.ndarray, shape: tuple[int, int], tops: list[list[str]]) -> "Panel":
        """Return pixels, of large images the largest of each square of neighbours."""
        step = math.ceil(math.sqrt(profiles.size / MOST_PIXELS))
        images = profiles.reshape(*profiles.shape[:2], *shape)
        for axis, length in ((2, shape[0]), (3, shape[1])):
            images = np.maximum.reduceat(images, np.arange(0, length, step), axis=axis)
        made: tuple[int, int] = images.shape[2:]  # type: ignore[assignment]
        text = f"{side.what} ({shape[0]:,} × {shape[1]:,})"
        return cls(side.what, images.reshape(*profiles.shape[:2], -1), np.arange(1), (), text, {}, tops, made)


def _few(side: Side, largest: np.ndarray, most: int, count: int) -> tuple[np.ndarray, str]:
    """Which entries of words are shown, and what they are called: alone beside their component, else in their order."""
    if count == 1:
        few = largest_of_any(largest, int(np.clip(most // len(largest), 1, 5)))
        return few, f"{side.several} that are the largest of a component"
    few = np.sort(np.argsort(-largest.max(axis=0), kind="stable")[:most])
    return few, side.axis_text if len(few) == len(side.numbers) else f"the {most} largest of {side.total:,}"


def _ticks(side: Side, edges: np.ndarray, labels: tuple[str, ...], most_named: int, most: int) -> dict[float, str]:
    """What stands where along an axis: something at each bin where there is room, else names at some places."""
    if len(labels) <= most_named:
        texts = labels if side.names is not None else [str(side.numbers[first]) for first in edges[:-1]]
        return dict(zip(((edges[:-1] + edges[1:]) / 2).tolist(), texts, strict=True))
    return {} if side.names is None else ticks_along(side.names, most, LETTERS * most)


def _strongest(side: Side, profiles: np.ndarray, top: int) -> list[list[str]]:
    """Return for each model the names of the strongest entries of each component, nothing where there are none."""
    if side.names is None:
        return [[""] * len(values) for values in profiles]
    tops = [[at[row[at] > 0] for at, row in zip(_largest(values, top), values, strict=True)] for values in profiles]
    texts = told_apart(side.label(at) for model in tops for some in model for at in some)
    return [[", ".join(texts[side.label(at)] for at in some) for some in model] for model in tops]


def _largest(values: np.ndarray, top: int) -> np.ndarray:
    return np.argsort(-values, axis=1, kind="stable")[:, :top]


def _bin_labels(side: Side, edges: np.ndarray) -> tuple[str, ...]:
    """What each bin is called: its entry, or how many it holds."""
    bins = list(pairwise(edges.tolist()))
    texts = told_apart((side.label(first) for first, end in bins if end - first == 1), MOST_OF_A_LABEL)
    return tuple(
        texts[side.label(first)]
        if end - first == 1
        else f"{side.several} {side.numbers[first]} to {side.numbers[end - 1]}: the largest"
        for first, end in bins
    )
