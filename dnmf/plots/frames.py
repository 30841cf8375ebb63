"""What a page with a slider shows at each strength: the models of a path, matched one to the next."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.model import Model
from dnmf.paths import Path
from dnmf.plots.sides import Side, matches, sides_of
from dnmf.plots.slider_panels import Panel
from dnmf.sources.names import refuse_other_names


@dataclass(frozen=True)
class Frames:
    """What the page shows at each strength; components keep their row because models are matched one to the next.

    Attributes
    ----------
    strengths : tuple of float
        Rising.
    panels : tuple of Panel
        What stands beside each other: one factor times the weights, or those of all axes.
    d : ndarray (strengths, k)
        Weights.
    error, alive : ndarray (strengths,)
        Relative error, and components that are not zero.
    numbers : tuple of str
        What each component is called: its number in the model of the weakest penalty, if it was there.
    """

    strengths: tuple[float, ...]
    panels: tuple[Panel, ...]
    d: np.ndarray
    error: np.ndarray
    alive: np.ndarray
    numbers: tuple[str, ...]


def take_frames(
    models: Any, side: str | None = None, names: Any = None, shape: tuple[int, int] | None = None
) -> Frames:
    """Return what the page of these models shows: images of pixels, else the largest of words, else profiles.

    Parameters
    ----------
    models : Path, dict of strength to Model, or sequence of (strength, Model)
        Two at least.
    side : {"W", "H"}, optional
        Which factor; by default H, and of CPs the factors of all axes.
    names, shape : optional
        Names of the entries of that factor, and the height and width of the images that it holds.

    Raises
    ------
    InputError
        There are fewer than two, two have the same strength, they are of different rows or columns, or named otherwise,
        or not of `shape`.
    """
    pairs = _pairs(models)
    if names is not None or shape is not None:
        side = "H" if side is None else side  # what they say is of one factor
    sides = [sides_of(model, side, None if at else names) for at, (_, model) in enumerate(pairs)]
    if len({len(of_model) for of_model in sides}) > 1:
        raise InputError("some of the models of this path are CPs and others are not; name a side: side='H'")
    of_each = [_agreed([*along], compare=names is None) for along in zip(*sides, strict=True)]
    places = _places([model for _, model in pairs])
    d, *profiles = _followed(places, [model.d for _, model in pairs], sides)
    panels = [
        Panel.of(shown, values, shown.pixels_of(shape, side or "W"), len(of_each))
        for shown, values in zip(of_each, profiles, strict=True)
    ]
    error = np.array([model.relative_error for _, model in pairs])
    strengths = tuple(strength for strength, _ in pairs)
    return Frames(strengths, tuple(panels), d, error, np.count_nonzero(d, axis=1), _called(places, d.shape[1]))


def _agreed(sides: list[Side], *, compare: bool) -> Side:
    """The same factor of all models, the first that has names, when they fit together."""
    if len({(each.total, len(each.numbers)) for each in sides}) > 1:
        counts = ", ".join(f"{each.total:,}" for each in sides)
        raise InputError(
            f"the models of a path have the same {sides[0].several} and similar ranks; these have {counts}"
        )
    for each in sides[1:] if compare else ():
        refuse_other_names("the models of a path", each.names, sides[0].names, each.what, of="the weakest penalty's")
    return next((each for each in sides if each.names is not None), sides[0])


def _followed(places: list[np.ndarray], weights: list[np.ndarray], sides: list[list[Side]]) -> tuple[np.ndarray, ...]:
    """Weights of each model, and profiles of each factor times these, a component in the same row of all."""
    models, k = len(places), 1 + max(int(place.max()) for place in places)
    d = np.zeros((models, k))
    profiles = [np.zeros((models, k, len(side.numbers))) for side in sides[0]]
    for frame, (place, of_model) in enumerate(zip(places, weights, strict=True)):
        d[frame, place] = of_model
        for values, side in zip(profiles, sides[frame], strict=True):
            values[frame, place] = of_model[:, None] * side.values
    return d, *profiles


def _called(places: list[np.ndarray], k: int) -> tuple[str, ...]:
    """What each row is called."""
    order = [str(number) for number in np.argsort(places[0], kind="stable")]
    return (*order, *["new"] * (k - len(order)))


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
