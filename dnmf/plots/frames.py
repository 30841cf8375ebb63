"""What a page with a slider shows at each strength: the models of a path, matched one to the next, and thinned."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.model import Model
from dnmf.plots.figures import shortened
from dnmf.plots.sides import Side, matches, take_side, thinned

MOST_BINS = 400
MOST_NUMBERS = 150_000
TOP = 3


@dataclass(frozen=True)
class Frames:
    """What the page shows at each strength; components keep their row because models are matched one to the next.

    Attributes
    ----------
    strengths : tuple of float
        Rising.
    values : ndarray (strengths, k, bins)
        Profiles ``d · H`` (or ``d · W``): the largest of each bin.
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


def take_frames(models: Any, side: str, names: Sequence[str] | None = None) -> Frames:
    """Return what the page of these models shows.

    Raises
    ------
    InputError
        There are fewer than two, two have the same strength, or they are of different rows or columns.
    """
    pairs = _pairs(models)
    sides = [take_side(model, side, names) for _, model in pairs]
    if len({(each.total, len(each.numbers)) for each in sides}) > 1:
        counts = ", ".join(f"{each.total:,}" for each in sides)
        raise InputError(f"the models of a path have the same {sides[0].what}s and similar ranks; these have {counts}")
    places = _places([model for _, model in pairs])
    k = 1 + max(int(place.max()) for place in places)
    bins = int(np.clip(MOST_NUMBERS // (k * len(pairs)), 20, MOST_BINS))
    d = np.zeros((len(pairs), k))
    profiles = np.zeros((len(pairs), k, len(sides[0].numbers)))
    for frame, (_, model) in enumerate(pairs):
        d[frame, places[frame]] = model.d
        profiles[frame, places[frame]] = model.d[:, None] * sides[frame].values
    thin, edges = thinned(profiles.reshape(len(pairs) * k, -1), bins)
    order = [str(number) for number in np.argsort(places[0], kind="stable")]
    named = next((each for each in sides if each.names is not None), sides[0])
    return Frames(
        tuple(strength for strength, _ in pairs), thin.reshape(len(pairs), k, -1), edges, d,
        np.array([model.relative_error for _, model in pairs]), np.count_nonzero(d, axis=1),
        tuple(_bin_label(named, *edge) for edge in pairwise(edges)), named.axis_text,
        (*order, *["new"] * (k - len(order))), [_strongest(named, values) for values in profiles],
    )  # fmt: skip


def _pairs(models: Any) -> list[tuple[float, Model]]:
    models = models.of_seed() if hasattr(models, "of_seed") else models
    try:
        pairs = [
            (float(strength), model) for strength, model in (models.items() if hasattr(models, "items") else models)
        ]
    except (TypeError, ValueError) as error:
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


def _strongest(side: Side, values: np.ndarray) -> list[str]:
    """Return the names of the strongest entries of each component, nothing where there are none."""
    if side.names is None:
        return [""] * len(values)
    tops = np.argsort(-values, axis=1, kind="stable")[:, :TOP]
    return [
        ", ".join(shortened(side.label(at)) for at in top if row[at] > 0) for row, top in zip(values, tops, strict=True)
    ]


def _bin_label(side: Side, first: int, end: int) -> str:
    if end - first == 1:
        return shortened(side.label(first), 60)
    return f"{side.what}s {side.numbers[first]} to {side.numbers[end - 1]}: the largest"
