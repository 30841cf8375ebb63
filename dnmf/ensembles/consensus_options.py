"""What a consensus of models is asked for."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

from dnmf.arguments import is_finite
from dnmf.ensembles.ranks_options import refuse_unlike, shared_init
from dnmf.errors import InputError
from dnmf.fitting.events import ConsensusFinished, ConsensusPassDone
from dnmf.memory import Together
from dnmf.options import FitOptions
from dnmf.record import CONSENSUS
from dnmf.studies.ended import Ended
from dnmf.studies.study import Study

PASSES = 2  # of the consensus itself: one for its W and a step of H, one that writes W
LEAST_MODELS = 2  # that count, where there are so many


class Member(NamedTuple):
    """One of the models (`agreed` 0), or what they agree on (1), under the seed of the first of them."""

    rank: int
    seed: int
    agreed: int


@dataclass(frozen=True)
class ConsensusOptions(Study[Member]):
    """Everything that decides a consensus besides the data and the plan.

    Attributes
    ----------
    fit : FitOptions
        Of all models; its seed is that of the clustering, and of the sample where they begin on one.
    seeds : tuple of int
        Of the models.
    density : float
        Mean distance of a component to its nearest others from which on it is left out.
    best : float
        The share of the models that count: those with the lowest objectives.

    Raises
    ------
    InputError
        A value is out of its range; the message names the option.
    """

    kind: ClassVar[str] = CONSENSUS
    writes_all: ClassVar[bool] = False
    passed: ClassVar[type[ConsensusPassDone]] = ConsensusPassDone
    finished: ClassVar[type[ConsensusFinished]] = ConsensusFinished
    made_last: ClassVar[tuple[str, ...]] = ("density", "best")

    fit: FitOptions
    seeds: tuple[int, ...]
    density: float = 0.5
    best: float = 0.5

    def __post_init__(self) -> None:
        refuse_unlike(self.fit)
        if len(self.seeds) < 2:
            raise InputError("seeds: one model agrees with none; give two seeds at least, such as seeds=20")
        for cell in self.cells:
            self.options_of(cell)

    @property
    def cells(self) -> list[Member]:
        """The models, one for each seed."""
        return [Member(self.fit.rank, seed, 0) for seed in self.seeds]

    @property
    def count_that_count(self) -> int:
        """How many of the models count."""
        return max(LEAST_MODELS, math.ceil(self.best * len(self.seeds)))

    def counted(self, ended: Mapping[Member, Ended]) -> list[Member]:
        """Return the models that count, in the order of their seeds: others ended in a worse minimum, or near one."""
        found = {*sorted(self.cells, key=lambda cell: ended[cell].state.objective)[: self.count_that_count]}
        return [cell for cell in self.cells if cell in found]

    @property
    def agreed(self) -> Member:
        """What they agree on."""
        return Member(self.fit.rank, self.seeds[0], 1)

    def options_of(self, cell: Member) -> FitOptions:
        """Return the options of one model, or of the consensus."""
        if cell.agreed:
            return replace(self.fit, seed=cell.seed, init="given", max_passes=PASSES)
        return replace(self.fit, seed=cell.seed, init=shared_init(self.fit))

    @property
    def together(self) -> Together:
        """One of them is written; H of all is kept."""
        return Together(len(self.seeds), 1, waiting=len(self.seeds), compared=self.count_that_count * self.fit.rank)


def checked_best(best: Any) -> float:
    """Return a share of the models.

    Raises
    ------
    InputError
        It is none.
    """
    if not (is_finite(best) and 0 < best <= 1):
        raise InputError(f"best={best!r}: a share of the models above 0, such as 0.5; 1 for all of them")
    return float(best)


def checked_density(density: Any) -> float:
    """Return a distance from which on components are left out.

    Raises
    ------
    InputError
        It is none.
    """
    if not (is_finite(density) and density > 0):
        raise InputError(f"density={density!r}: a number above 0, such as 0.5; 2 leaves nothing out")
    return float(density)
