"""What a path is asked for: strengths and seeds, and what each of their models starts from."""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from dnmf.arrays import taken_as_array
from dnmf.errors import InputError
from dnmf.fitting.events import PathFinished, PathPassDone
from dnmf.measures.columns import checked_side
from dnmf.options import FitOptions
from dnmf.record import PATH
from dnmf.studies.study import Study

WARM = ("unpenalized", "chain")
MEASURES = ("all", "cheap")


class Cell(NamedTuple):
    """One model of a path."""

    strength: float
    seed: int


@dataclass(frozen=True)
class PathOptions(Study[Cell]):
    """Everything that decides the result of a path besides the data and the plan.

    Attributes
    ----------
    fit : FitOptions
        Of every model; the penalty is the one whose strengths are multiplied, the seed the first one.
    strengths : tuple of float
        Rising.
    seeds : tuple of int
        Each is a path of its own, but for the reads it shares with the others.
    warm : {"unpenalized", "chain"}
        Where each model starts: from the one without a penalty of its seed, or from the one of the strength before.
    side : {"W", "H"}
        On which factor components are compared.
    measures : {"all", "cheap"}
        Whether what takes reads of its own is measured too.

    Raises
    ------
    InputError
        A value is out of its range; the message names the option.
    """

    kind: ClassVar[str] = PATH
    passed: ClassVar[type[PathPassDone]] = PathPassDone
    finished: ClassVar[type[PathFinished]] = PathFinished

    fit: FitOptions
    strengths: tuple[float, ...]
    seeds: tuple[int, ...]
    warm: str = "unpenalized"
    side: str = "H"
    measures: str = "all"

    def __post_init__(self) -> None:
        for name, allowed in (("warm", WARM), ("measures", MEASURES)):
            if not isinstance(getattr(self, name), str) or getattr(self, name) not in allowed:
                raise InputError(f"{name}={getattr(self, name)!r}: use one of {', '.join(allowed)}")
        checked_side(self.side)
        if not self.fit.penalty.active:
            raise InputError(
                "penalty: all its strengths are zero, so there is no path; give its shape, such as dnmf.Penalty(l1=1.0)"
            )
        for cell in self.cells:
            self.options_of(cell)

    @property
    def cells(self) -> list[Cell]:
        """All models by strength, then by seed."""
        return [Cell(strength, seed) for strength in self.strengths for seed in self.seeds]

    def options_of(self, cell: Cell) -> FitOptions:
        """Return the options of one model; the first ones of their seed begin where the path does."""
        init = self.fit.init if cell.strength == self.strengths[0] else "given"
        return replace(self.fit, penalty=self.fit.penalty.at(cell.strength), seed=cell.seed, init=init)

    def origin(self, cell: Cell) -> Cell | None:
        """Return the model of the same seed that a model starts from; None for the first one of its seed.

        Examples
        --------
        >>> from dnmf.penalty import Penalty
        >>> path = PathOptions(FitOptions(2, penalty=Penalty(l1=1)), (0.0, 0.1, 0.2), (0, 1))
        >>> path.origin(Cell(0.2, 1)), replace(path, warm="chain").origin(Cell(0.2, 1))
        (Cell(strength=0.0, seed=1), Cell(strength=0.1, seed=1))
        >>> [len(path.next_wave(path.cells[:done], models_per_pass=3)) for done in (0, 2, 5, 6)]
        [2, 3, 1, 0]
        """
        at = self.strengths.index(cell.strength)
        before = at - 1 if self.warm == "chain" else 0
        return Cell(self.strengths[before], cell.seed) if at else None


def checked_strengths(strengths: Any, warm: str) -> tuple[float, ...]:
    """Return strengths rising, each once; where all start from the model without a penalty, 0 is among them.

    Raises
    ------
    InputError
        They are not numbers that are finite and not negative, or there are none.
    """
    with taken_as_array("strengths", strengths):
        given = np.atleast_1d(np.asarray(strengths))
    if given.dtype.kind not in "uif" or given.ndim != 1 or given.size == 0:
        raise InputError(f"strengths={strengths!r}: give numbers, such as [0, 0.01, 0.1]")
    found = {float(strength) for strength in given.tolist()}
    if not all(math.isfinite(strength) and strength >= 0 for strength in found):
        raise InputError(f"strengths={strengths!r}: strengths are finite and not negative")
    return tuple(sorted(found | {0.0} if isinstance(warm, str) and warm == "unpenalized" else found))
