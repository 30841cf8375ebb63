"""What a page with a slider shows at each strength: the models of a path, matched one to the next, and thinned."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.model import Model
from dnmf.paths import Path
from dnmf.plots.factors import largest_of_any
from dnmf.plots.orders import is_ordered
from dnmf.plots.short_names import told_apart
from dnmf.plots.sides import Side, matches, take_side, thinned
from dnmf.sources.names import refuse_other_names

MOST_BINS = 400
MOST_NAMED_COLUMNS = 50
MOST_PIXELS = 2_000_000
MOST_NUMBERS = 150_000
TOP = 3
MOST_OF_A_LABEL = 60


@dataclass(frozen=True)
class Frames:
    """What the page shows at each strength; components keep their row because models are matched one to the next.

    Attributes
    ----------
    strengths : tuple of float
        Rising.
    values : ndarray (strengths, k, bins)
        Profiles ``d · H`` (or ``d · W``): the largest of each bin, or the pixels of images.
    edges : ndarray (bins + 1,)
        Where the bins begin and end.
    d : ndarray (strengths, k)
        Weights.
    error, alive : ndarray (strengths,)
        Relative error, and components that are not zero.
    labels : tuple of str
        What each bin is called.
    axis_text : str
        What stands along the entries.
    numbers : tuple of str
        What each component is called: its number in the model of the weakest penalty, if it was there.
    tops : list of list of str
        For each strength, the strongest entries of each component, where they have names.
    shape : (int, int) or None
        Height and width, where the values are pixels.
    """

    strengths: tuple[float, ...]
    values: np.ndarray
    edges: np.ndarray
    d: np.ndarray
    error: np.ndarray
    alive: np.ndarray
    labels: tuple[str, ...]
    axis_text: str
    numbers: tuple[str, ...]
    tops: list[list[str]]
    shape: tuple[int, int] | None = None


def take_frames(models: Any, side: str, names: Any = None, shape: tuple[int, int] | None = None) -> Frames:
    """Return what the page of these models shows: images of pixels, else the largest of words, else profiles.

    Raises
    ------
    InputError
        There are fewer than two, two have the same strength, they are of different rows or columns, or named otherwise,
        or not of `shape`.
    """
    pairs = _pairs(models)
    sides = [take_side(model, side, None if at else names) for at, (_, model) in enumerate(pairs)]
    if len({(each.total, len(each.numbers)) for each in sides}) > 1:
        counts = ", ".join(f"{each.total:,}" for each in sides)
        raise InputError(f"the models of a path have the same {sides[0].what}s and similar ranks; these have {counts}")
    for each in sides[1:] if names is None else ():
        refuse_other_names("the models of a path", each.names, sides[0].names, each.what, of="the weakest penalty's")
    named = next((each for each in sides if each.names is not None), sides[0])
    d, profiles, numbers = _followed([model for _, model in pairs], sides)
    error = np.array([model.relative_error for _, model in pairs])
    shown = Shown.of(named, profiles, named.pixels_of(shape, side))
    return Frames(
        tuple(strength for strength, _ in pairs), shown.values, shown.edges, d, error,
        np.count_nonzero(d, axis=1), shown.labels, shown.axis_text, numbers,
        _strongest(named, profiles), shown.shape,
    )  # fmt: skip


def _followed(models: list[Model], sides: list[Side]) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Weights and profiles of each model, a component in the same row of all, and what each row is called."""
    places = _places(models)
    k = 1 + max(int(place.max()) for place in places)
    d = np.zeros((len(models), k))
    profiles = np.zeros((len(models), k, len(sides[0].numbers)))
    for frame, model in enumerate(models):
        d[frame, places[frame]] = model.d
        profiles[frame, places[frame]] = model.d[:, None] * sides[frame].values
    order = [str(number) for number in np.argsort(places[0], kind="stable")]
    return d, profiles, (*order, *["new"] * (k - len(order)))


@dataclass(frozen=True)
class Shown:
    """What of all values is on the page: pixels, the largest by name, or the largest of each run of neighbours."""

    values: np.ndarray
    edges: np.ndarray
    labels: tuple[str, ...]
    axis_text: str
    shape: tuple[int, int] | None = None

    @classmethod
    def of(cls, side: Side, profiles: np.ndarray, shape: tuple[int, int] | None) -> "Shown":
        """Return what is shown of profiles (models, k, entries)."""
        if shape is not None:
            return cls.as_images(profiles, shape)
        text = side.axis_text
        if not is_ordered(side.names):
            top = int(np.clip(MOST_NAMED_COLUMNS // profiles.shape[1], 1, 5))
            few = largest_of_any(profiles.max(axis=0), top)
            side = replace(side, numbers=side.numbers[few], names=None if side.names is None else side.names[few])
            text, profiles = f"{side.what}s that are the largest of a component", profiles[:, :, few]
        models, k, entries = profiles.shape
        bins = int(np.clip(MOST_NUMBERS // (k * models), 20, MOST_BINS))
        thin, edges = thinned(profiles.reshape(models * k, entries), bins)
        return cls(thin.reshape(models, k, -1), edges, _bin_labels(side, edges), text)

    @classmethod
    def as_images(cls, profiles: np.ndarray, shape: tuple[int, int]) -> "Shown":
        """Return pixels, of large images the largest of each square of neighbours."""
        step = math.ceil(math.sqrt(profiles.size / MOST_PIXELS))
        images = profiles.reshape(*profiles.shape[:2], *shape)
        for axis, length in ((2, shape[0]), (3, shape[1])):
            images = np.maximum.reduceat(images, np.arange(0, length, step), axis=axis)
        made: Any = images.shape[2:]
        return cls(images.reshape(*profiles.shape[:2], -1), np.arange(1), (), "", made)


def _pairs(models: Any) -> list[tuple[float, Model]]:
    models = models.of_seed() if isinstance(models, Path) else models
    try:
        pairs = [
            (float(strength), model) for strength, model in (models.items() if isinstance(models, Mapping) else models)
        ]
    except Exception as error:
        raise InputError(f"models: give pairs (strength, model), or a dict of strength to model; {error}") from error
    pairs.sort(key=lambda pair: pair[0])
    strengths = [strength for strength, _ in pairs]
    if len(set(strengths)) < 2 or len(set(strengths)) < len(strengths):
        raise InputError(f"a slider needs two models or more, each of another strength; these are of {strengths}")
    return pairs


def _places(models: list[Model]) -> list[np.ndarray]:
    """Return for each model the row of the page of each of its components: that of the component it goes on from."""
    if len({model.shape[1] for model in models}) > 1:
        raise InputError("the models of a path have the same columns; these have different numbers of them")
    order = np.argsort(-models[0].d, kind="stable")
    places = [np.argsort(order, kind="stable")]
    known = np.asarray(models[0].H, float)[order]
    for model in models[1:]:
        place = matches(model.H, known)
        extra = place < 0
        place[extra] = len(known) + np.arange(np.count_nonzero(extra))
        known = np.concatenate([known, np.zeros((np.count_nonzero(extra), known.shape[1]))])
        alive = model.d > 0  # a dead component is still known as it was
        known[place[alive]] = model.H[alive]
        places.append(place)
    return places


def _strongest(side: Side, profiles: np.ndarray) -> list[list[str]]:
    """Return for each model the names of the strongest entries of each component, nothing where there are none."""
    if side.names is None:
        return [[""] * len(values) for values in profiles]
    tops = [[at[row[at] > 0] for at, row in zip(_largest(values), values, strict=True)] for values in profiles]
    texts = told_apart(side.label(at) for model in tops for some in model for at in some)
    return [[", ".join(texts[side.label(at)] for at in some) for some in model] for model in tops]


def _largest(values: np.ndarray) -> np.ndarray:
    return np.argsort(-values, axis=1, kind="stable")[:, :TOP]


def _bin_labels(side: Side, edges: np.ndarray) -> tuple[str, ...]:
    """What each bin is called: its entry, or how many it holds."""
    bins = list(pairwise(edges.tolist()))
    texts = told_apart((side.label(first) for first, end in bins if end - first == 1), MOST_OF_A_LABEL)
    return tuple(
        texts[side.label(first)]
        if end - first == 1
        else f"{side.what}s {side.numbers[first]} to {side.numbers[end - 1]}: the largest"
        for first, end in bins
    )
