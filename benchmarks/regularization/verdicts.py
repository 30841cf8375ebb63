"""Where the measures lie beside those of the reference, and which lines hold along the strengths."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from benchmarks.regularization.grid import Row
from benchmarks.regularization.reference import COLUMNS, Reference

T = TypeVar("T")
MEASURES = tuple(COLUMNS)
SLACK = 1e-4  # of the measure: what rounding may add to the spread of the reference
ROUNDING = 1e-9  # of the measure: a smaller step the wrong way is none


@dataclass(frozen=True)
class Compared:
    """The mean of a measure at one strength beside the reference.

    Attributes
    ----------
    fit, kind, measure : str
        Of which fits, under which penalty, what.
    diagonal : bool
        Of the penalty.
    strength : float
        Of the penalty.
    ours, theirs, low, high : float
        The two means over the seeds, and the least and the largest of the reference.
    apart : float
        The largest difference between two models of the same seed.
    """

    fit: str
    kind: str
    measure: str
    diagonal: bool
    strength: float
    ours: float
    theirs: float
    low: float
    high: float
    apart: float

    @property
    def within(self) -> bool:
        """Whether our mean lies in the spread of the reference."""
        slack = SLACK * max(abs(self.low), abs(self.high)) + ROUNDING
        return self.low - slack <= self.ours <= self.high + slack


def compare(rows: Sequence[Row], reference: Sequence[Reference], against: str = "") -> list[Compared]:
    """Return every mean beside the reference, for the strengths that both have; Σd only with the diagonal.

    Parameters
    ----------
    rows, reference : sequence
        Ours and theirs.
    against : str
        Compare with the reference's fits of this name, not with those called as ours.
    """
    known = {model.key: model for model in reference}
    groups: dict[tuple, list[tuple[Row, Reference]]] = {}
    for row in rows:
        model = known.get((against or row.fit, *row.key[1:]))
        if model:
            groups.setdefault(row.key[:-1], []).append((row, model))
    return [
        _compared(key, measure, pairs)
        for key, pairs in groups.items()
        for measure in MEASURES
        if key[2] or measure != "d_sum"
    ]


def _compared(key: tuple, measure: str, pairs: list[tuple[Row, Reference]]) -> Compared:
    fit, kind, diagonal, strength = key
    ours = np.array([getattr(row, measure) for row, _ in pairs])
    theirs = np.array([model.measures[measure] for _, model in pairs])
    return Compared(
        fit, kind, measure, diagonal, strength, float(ours.mean()), float(theirs.mean()), float(theirs.min()),
        float(theirs.max()), float(np.abs(ours - theirs).max()),
    )  # fmt: skip


def means(rows: Sequence[Row], measure: str) -> dict[float, float]:
    """Return the mean of a measure over the seeds by strength, rising."""
    found: dict[float, list[float]] = {}
    for row in rows:
        found.setdefault(row.strength, []).append(getattr(row, measure))
    return {strength: float(np.mean(found[strength])) for strength in sorted(found)}


@dataclass(frozen=True)
class Line:
    """A statement about a measure along the strengths.

    Attributes
    ----------
    what : str
        In words.
    kind, measure : str
        Of which penalty, about what.
    sign : int
        1: it never falls; -1: it never rises.
    strict : bool
        It rises, or falls, at every step until it is zero.
    """

    what: str
    kind: str
    measure: str
    sign: int
    strict: bool = False

    def steps_against(self, rows: Sequence[Row]) -> list[tuple[float, float, float]]:
        """Return (strength, strength, size) of the steps of the mean that go the wrong way, the largest first."""
        found = list(means([row for row in rows if row.kind == self.kind], self.measure).items())
        steps = []
        for (before, a), (after, b) in pairwise(found):
            step = self.sign * (b - a)
            wrong = step < -ROUNDING * max(abs(a), abs(b)) or (self.strict and step <= 0 < abs(a))
            if wrong:
                steps.append((before, after, abs(b - a)))
        return sorted(steps, key=lambda step: -step[2])


LINES = (
    Line("sparsity of W never falls with L1", "l1", "sparsity_W", 1),
    Line("sparsity of W never rises with L2", "l2", "sparsity_W", -1),
    Line("mse never falls with L1", "l1", "mse", 1),
    Line("mse never falls with L2", "l2", "mse", 1),
)
ABSOLUTE_LINES = (
    Line("Σd falls with L1, strictly until it is zero", "l1", "d_sum", -1, strict=True),
    Line("Σd falls strictly with L2", "l2", "d_sum", -1, strict=True),
)


def chosen(rows: Sequence[T], **wanted: Any) -> list[T]:
    """Return the rows whose attributes are those wanted."""
    return [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]
