"""Rows of A taken out of a pass, each as likely as it weighs in the loss."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from dnmf.passes.drawn import uniform
from dnmf.passes.rows_out import RowsOut
from dnmf.passes.visitors.visitor import Block, Visitor
from dnmf.sources.picked import pick_rows, sums_of_powers
from dnmf.sources.rows import CsrRows, Panel, Weighted

OFFSET_BYTES = 8


@dataclass(frozen=True)
class Room:
    """How many rows may be taken, and how many bytes they may have."""

    rows: int
    n_bytes: int


@dataclass
class TakenRows:
    """The rows of highest priority among those that were seen, as many as there is room for; a record that adds.

    What is taken of two parts is what is taken of the whole: a row that has no room in a part has none in the whole.

    Attributes
    ----------
    room : Room
        For them.
    threshold : float
        Every row with a priority above it is here: that of the first row there was no room for, or where none came
        so far, below which none was looked at.
    rows : ndarray of int
        Their numbers, rising.
    importance, priority : ndarray
        Of each.
    n_bytes : ndarray of int
        Of each, as the room counts them: the same however they are stored.
    parts : tuple of (Panel, ndarray)
        The rows themselves, with the numbers of those in it.
    """

    room: Room
    threshold: float
    rows: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    importance: np.ndarray = field(default_factory=lambda: np.empty(0))
    priority: np.ndarray = field(default_factory=lambda: np.empty(0))
    n_bytes: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    parts: tuple[tuple[Panel, np.ndarray], ...] = ()
    kept: dict[int, np.ndarray] = field(default_factory=dict)
    unreached: ClassVar[int] = 0

    def __add__(self, other: "TakenRows") -> "TakenRows":
        together = replace(
            self,
            threshold=max(self.threshold, other.threshold),
            rows=np.concatenate([self.rows, other.rows]),
            importance=np.concatenate([self.importance, other.importance]),
            priority=np.concatenate([self.priority, other.priority]),
            n_bytes=np.concatenate([self.n_bytes, other.n_bytes]),
            parts=(*self.parts, *other.parts),
        )
        return together.first(self.room)

    def in_order(self) -> np.ndarray:
        """Return where the rows are by priority, the highest first; of equal ones the first row."""
        return np.lexsort((self.rows, -self.priority))

    def first(self, room: Room) -> "TakenRows":
        """Return the rows of highest priority, as many as there is `room` for, and at least one."""
        order = self.in_order()
        full = np.cumsum(self.n_bytes[order]) > room.n_bytes
        full[room.rows :], full[:1] = True, False
        count = int(np.argmax(full)) if full.any() else len(order)
        threshold = self.threshold
        if count < len(order):
            threshold = max(threshold, float(self.priority[order[count]]))
        stays = self.priority > threshold
        if stays.all():
            return replace(self, threshold=threshold)
        some = {name: getattr(self, name)[stays] for name in ("rows", "importance", "priority", "n_bytes")}
        return replace(self, threshold=threshold, parts=_without(self.parts, some["rows"]), **some)


def _without(parts: Any, rows: np.ndarray) -> tuple[tuple[Panel, np.ndarray], ...]:
    """The parts with these rows alone."""
    left = []
    for panel, numbers in parts:
        stay = np.isin(numbers, rows)
        if stay.all():
            left.append((panel, numbers))
        elif stay.any():
            left.append((pick_rows(panel, np.flatnonzero(stay)), numbers[stay]))
    return tuple(left)


class TakingRows:
    """Takes rows as they come; what a :class:`TakeRows` began."""

    def __init__(self, room: Room, threshold: float):
        self._taken = TakenRows(room, threshold)

    def add(self, some: TakenRows) -> None:
        """Take rows that lie behind all that came before."""
        self._taken = self._taken + some

    def finish(self) -> TakenRows:
        """Return what was taken."""
        return self._taken


@dataclass(frozen=True)
class TakeRows(Visitor):
    """Takes rows of A whose priority is above a threshold: priority sampling (doi:10.1145/1314690.1314696).

    A row of importance ``w = Σ ω |a|^degree`` has the priority ``w / u``, with u drawn from its number and the seed:
    the same rows are taken however they are cut and shared out. Each stands for ``max(1, threshold / w)`` rows like it.

    Attributes
    ----------
    degree : float
        With which power of the scale of a row its part of the loss grows.
    threshold : float
        Rows of a priority up to it are let go of.
    room : Room
        For those that are taken.
    seed : int
        Of what is drawn.
    """

    takes_missing: ClassVar[bool] = True
    degree: float
    threshold: float
    room: Room
    seed: int

    @property
    def rank(self) -> int:
        """There is no W."""
        return 0

    def begin(self, n_columns: int, dtype: str, *, residual: bool) -> TakingRows:
        """Return what takes rows."""
        del n_columns, dtype, residual
        return TakingRows(self.room, self.threshold)

    def visit(self, block: Block, sums: TakingRows, out: RowsOut | None) -> None:
        """Take the rows of the block that are above the threshold."""
        del out  # there are no rows of W
        importance = sums_of_powers(block.rows, self.degree, block.weights)
        numbers = block.at + np.arange(len(importance))
        priority = importance / uniform(numbers, self.seed)
        which = np.flatnonzero(priority > self.threshold)
        if len(which):
            panel = block.rows if block.weights is None else Weighted(block.rows, block.weights)
            taken = TakenRows(
                self.room, self.threshold, numbers[which], importance[which], priority[which],
                _bytes_of_rows(panel)[which], ((pick_rows(panel, which), numbers[which]),),
            )  # fmt: skip
            sums.add(taken)


def _bytes_of_rows(panel: Panel) -> np.ndarray:
    """What each row takes in memory, with columns as wide as they get."""
    rows, beside = (panel.rows, panel.weights.itemsize) if isinstance(panel, Weighted) else (panel, 0)
    if isinstance(rows, CsrRows):
        return np.diff(rows.indptr).astype(np.int64) * (rows.data.itemsize + OFFSET_BYTES + beside) + OFFSET_BYTES
    return np.full(len(rows), rows.shape[1] * (rows.itemsize + beside), np.int64)
