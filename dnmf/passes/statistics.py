"""What a pass folds: a record that adds."""

import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar

import numpy as np

from dnmf.memory import FAN_IN
from dnmf.passes.losses import NOTHING, Losses

Summand = TypeVar("Summand", bound=Any)


@dataclass
class ModelSums:
    """The sums of one model over some rows, in float64.

    Attributes
    ----------
    G : ndarray (k, k)
        ``WᵀW``.
    P : ndarray (n, k)
        ``AᵀW``, the transpose of the cross product ``WᵀA``: the order in which it is folded and solved.
    s : ndarray (k,)
        Column sums of W, of its absolute values where it may be negative.
    peaks : ndarray (k,)
        Largest right-hand side ``Ha`` of each component among the rows; zeros where the pass does not note them.
    residual : float or None
        ``‖A − WH‖²`` of the rows of a dense source, where the pass computes it; else None.
    kept : dict
        Rows of W that were asked to be kept in memory, by their first row.
    finished, unsolved : int
        How many rows were solved with an active set, and how many are above their tolerance still.
    ahead : object or None
        What came of the columns where P was added up (:class:`dnmf.passes.ahead.Ahead`): P has none of them then.
    """

    unreached: ClassVar[int] = 0  # rows have values where no W predicts anything: not in least squares
    G: np.ndarray
    P: np.ndarray
    s: np.ndarray
    peaks: np.ndarray
    residual: float | None = None
    kept: dict[int, np.ndarray] = field(default_factory=dict)
    finished: int = 0
    unsolved: int = 0
    ahead: Any = None

    @classmethod
    def zeros(cls, rank: int, n_columns: int) -> "ModelSums":
        """Sums over no rows."""
        return cls(np.zeros((rank, rank)), np.zeros((n_columns, rank)), np.zeros(rank), np.zeros(rank))

    def scaled(self, of_W: np.ndarray) -> "ModelSums":
        """The sums of ``W diag(of_W)``."""
        return replace(self, G=self.G * (of_W[:, None] * of_W), P=self.P * of_W, s=self.s * of_W)

    def times(self, count: float) -> "ModelSums":
        """The sums over so many times the rows."""
        return replace(self, G=self.G * count, P=self.P * count, s=self.s * count)

    def __add__(self, other: "ModelSums") -> "ModelSums":
        return self._beside(other, self.P + other.P)

    def __iadd__(self, other: "ModelSums") -> "ModelSums":
        self.P += other.P  # the largest by far
        return self._beside(other, self.P)

    def _beside(self, other: "ModelSums", P: np.ndarray) -> "ModelSums":
        """The sum of both but for `P`."""
        residual = None if self.residual is None or other.residual is None else self.residual + other.residual
        return ModelSums(
            self.G + other.G, P, self.s + other.s, np.maximum(self.peaks, other.peaks), residual,
            {**self.kept, **other.kept}, self.finished + other.finished, self.unsolved + other.unsolved,
        )  # fmt: skip


@dataclass
class Statistics:
    """What some rows contribute to a pass; ``a + b`` is the contribution of both, a below b.

    Attributes
    ----------
    models : list
        The sums of each model that the pass serves, which add: :class:`ModelSums`, or others as its visitor makes them.
    rows : int
        How many rows were visited: carried along so that a lost or doubled panel cannot go unnoticed.
    squares : float
        ``‖A‖²`` of the rows; 0 unless the pass checks the values.
    observed : bool
        Whether anything was observed, in a pass that checks, where entries may be missing.
    bytes_read : int
        Decoded bytes.
    bytes_from_memory : int
        Those of them that an earlier pass had left in the workers' memory.
    read_s, compute_s : float
        Seconds of the tasks, waiting for data and computing.
    lost : Losses
        What was lost on the way and made good.
    of_models_s : ndarray (models,)
        Processor seconds of the visits for each model.
    """

    models: list[Any]
    rows: int = 0
    squares: float = 0.0
    observed: bool = False
    bytes_read: int = 0
    bytes_from_memory: int = 0
    read_s: float = 0.0
    compute_s: float = 0.0
    lost: Losses = NOTHING
    of_models_s: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def of(self, number: int) -> "Statistics":
        """What the pass means to one of its models, as if it had served no other."""
        alone = len(self.models) == 1
        return replace(
            self, models=[self.models[number]], of_models_s=self.of_models_s[number : number + 1],
            compute_s=self.compute_s if alone else float(self.of_models_s[number]),
        )  # fmt: skip

    def __add__(self, other: "Statistics") -> "Statistics":
        return self._beside(other, [a + b for a, b in zip(self.models, other.models, strict=True)])

    def __iadd__(self, other: "Statistics") -> "Statistics":
        return self._beside(other, [operator.iadd(a, b) for a, b in zip(self.models, other.models, strict=True)])

    def _beside(self, other: "Statistics", models: list[Any]) -> "Statistics":
        """The sum of both but for the `models`."""
        return Statistics(
            models,
            self.rows + other.rows,
            self.squares + other.squares,
            self.observed or other.observed,
            self.bytes_read + other.bytes_read,
            self.bytes_from_memory + other.bytes_from_memory,
            self.read_s + other.read_s,
            self.compute_s + other.compute_s,
            self.lost.beside(other.lost),
            self.of_models_s + other.of_models_s,
        )


def add(*parts: Statistics) -> Statistics:
    """Return the sum of neighbours in the tree; none is changed (a task's inputs belong to the scheduler)."""
    return sum_in_order(parts)


def tree_levels(count: int) -> Iterator[list[tuple[int, ...]]]:
    """Yield the levels of the tree over `count` leaves, two of the fixed binary tree at once.

    In the binary tree neighbours pair up and an odd one moves on; a node here is what :func:`sum_in_order` makes of
    up to four neighbours, which is the same. Tasks are dear and additions cheap: there are a third as many.

    Examples
    --------
    >>> list(tree_levels(6))
    [[(0, 1, 2, 3), (4, 5)], [(0, 1)]]
    """
    while count > 1:
        level = [tuple(range(i, min(i + FAN_IN, count))) for i in range(0, count, FAN_IN)]
        yield level
        count = len(level)


def sum_in_order(parts: Iterable[Summand], *, own: bool = False) -> Summand:
    """Return the sum of `parts` (statistics, or arrays) over the fixed binary tree, holding only log₂ of them.

    Neighbours pair up and an odd one moves on, level after level: the same bits whoever adds what. Parts that are our
    `own` may be changed: what is added to them then takes no memory.

    Raises
    ------
    ValueError
        There are no parts.
    """
    pending: list[tuple[int, Summand, bool]] = []

    def joined(right: Summand) -> Summand:
        """The sum of the last of those that wait and what comes behind it."""
        _, left, changes = pending.pop()
        return operator.iadd(left, right) if changes else left + right

    for part in parts:
        size, total, changes = 1, part, own
        while pending and pending[-1][0] == size:
            size, total, changes = 2 * size, joined(total), True
        pending.append((size, total, changes))
    if not pending:
        raise ValueError("a sum over no parts")
    total = pending.pop()[1]
    while pending:
        total = joined(total)
    return total
