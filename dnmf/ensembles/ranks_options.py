"""What an ensemble is asked for: ranks, seeds, and folds of which each is held out once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from dnmf.arguments import is_whole, shown
from dnmf.errors import InputError
from dnmf.fitting.events import RanksFinished, RanksPassDone
from dnmf.memory import Together
from dnmf.options import FitOptions
from dnmf.passes.held_out import Fold
from dnmf.record import RANKS
from dnmf.studies.ended import Ended
from dnmf.studies.study import Study

ALL = 0  # the fold of a model that sees all of the data
INITS = ("auto", "sample", "random")
MOST_FOLDS = 20


class Cell(NamedTuple):
    """One model: of a rank, from a seed, with one of the folds held out (from 1 on), or nothing (0)."""

    rank: int
    seed: int
    fold: int


@dataclass(frozen=True)
class RanksOptions(Study[Cell]):
    """Everything that decides what is found of ranks besides the data and the plan.

    Attributes
    ----------
    fit : FitOptions
        Of the models of the largest rank; its seed is that of the folds and of the sample that all begin on.
    ranks : tuple of int
        Rising.
    seeds : tuple of int
        Of models of all of the data, at each rank.
    folds : int
        Parts of which each is held out once, at each rank; 0: none is.
    starts : int
        Of each model of which something is held out: the one counts that fits best what it sees.

    Raises
    ------
    InputError
        A value is out of its range; the message names the option.
    """

    kind: ClassVar[str] = RANKS
    writes_all: ClassVar[bool] = False
    passed: ClassVar[type[RanksPassDone]] = RanksPassDone
    finished: ClassVar[type[RanksFinished]] = RanksFinished

    fit: FitOptions
    ranks: tuple[int, ...]
    seeds: tuple[int, ...]
    folds: int
    starts: int = 2

    def __post_init__(self) -> None:
        refuse_unlike(self.fit)
        for cell in self.cells:
            self.options_of(cell)

    @property
    def cells(self) -> list[Cell]:
        """All models by rank: those of all of the data, then those of which something is held out."""
        return [cell for rank in self.ranks for cell in (*self.of_all(rank), *self.of_folds(rank))]

    def of_all(self, rank: int) -> list[Cell]:
        """Return the models of a rank that see all of the data, one for each seed."""
        return [Cell(rank, seed, ALL) for seed in self.seeds]

    def of_folds(self, rank: int) -> list[Cell]:
        """Return the models of a rank of which something is held out, fold after fold."""
        return [Cell(rank, start, fold) for fold in range(1, self.folds + 1) for start in range(self.starts)]

    def options_of(self, cell: Cell) -> FitOptions:
        """Return the options of one model: where nothing else is asked for, it begins on the sample."""
        return replace(self.fit, rank=cell.rank, seed=cell.seed, init=shared_init(self.fit))

    def fold_of(self, cell: Cell) -> Fold | None:
        """Return what is held out of the data of a model: the same of all ranks."""
        return Fold(cell.fold - 1, self.folds, self.fit.seed) if cell.fold else None

    def chosen(self, ended: Mapping[Cell, Ended]) -> list[Cell]:
        """Return the best model of all of the data at each rank."""
        return [self.best(self.of_all(rank), ended) for rank in self.ranks]

    def best(self, cells: list[Cell], ended: Mapping[Cell, Ended]) -> Cell:
        """Return which of some models has the lowest objective, of equal ones the first."""
        return min(cells, key=lambda cell: ended[cell].state.objective)

    @property
    def together(self) -> Together:
        """Each rank writes one model; H of all of them is kept."""
        shares = [rank / self.fit.rank for rank in self.ranks]
        each = len(self.seeds) + self.folds * self.starts
        return Together(self.largest_models, int(np.ceil(sum(shares))), sum(shares) * each, self.folds)


def refuse_unlike(fit: FitOptions) -> None:
    """Refuse what models that are compared with each other cannot begin with, or would have in common.

    Raises
    ------
    InputError
        There is such a thing.
    """
    if fit.init not in INITS:
        raise InputError(
            f"init={shown(fit.init)}: models that are compared begin on a sample they share, or at random; use one of "
            f"{', '.join(INITS)}"
        )
    if fit.max_passes == 1:
        raise InputError("max_passes=1: leaves no pass to compare models by; use 2 or more")
    if any(fit.limits.held):
        raise InputError(
            "constraints fixed_W, fixed_H: components that are given are the same in all models, so that comparing "
            "them says nothing; leave them out here"
        )


def shared_init(fit: FitOptions) -> str:
    """Return where models begin that are compared: on the sample where nothing else is asked for."""
    return "sample" if fit.init == "auto" else fit.init


def checked_ranks(ranks: Any) -> tuple[int, ...]:
    """Return the ranks rising, each once.

    Raises
    ------
    InputError
        They are not whole numbers from 1 on, or there are none.

    Examples
    --------
    >>> checked_ranks(range(2, 5)), checked_ranks([8, 4, 4])
    ((2, 3, 4), (4, 8))
    """
    many = np.ndim(ranks) == 1 if isinstance(ranks, np.ndarray) else isinstance(ranks, (list, tuple, range, set))
    found = list(ranks) if many else []
    if not found or not all(is_whole(k) and k >= 1 for k in found):
        raise InputError(f"ranks={shown(ranks)}: give whole numbers from 1 on, such as range(2, 13) or [5, 10, 20]")
    return tuple(sorted({int(rank) for rank in found}))


def checked_folds(folds: Any) -> int:
    """Return how many folds there are: none, or from 2 on.

    Raises
    ------
    InputError
        It is no such number.
    """
    whole = isinstance(folds, (int, np.integer)) and not isinstance(folds, bool)
    if not whole or not (folds == 0 or 2 <= folds <= MOST_FOLDS):
        raise InputError(f"folds={shown(folds)}: a whole number from 2 to {MOST_FOLDS}, or 0 to hold nothing out")
    return int(folds)
