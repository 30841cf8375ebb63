"""What a grid of models is: its cells, what each of them is fitted with, and what it starts from."""

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from itertools import takewhile
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from dnmf.fitting.events import StudyFinished, StudyPassDone
from dnmf.kernels.padding import padded
from dnmf.memory import Together
from dnmf.newer import refuse_newer
from dnmf.options import FitOptions
from dnmf.passes.held_out import Fold
from dnmf.studies.ended import Ended


class Cell(Protocol):
    """One model of a study: a NamedTuple of plain numbers and words, such as (strength, seed) or (rank, seed, fold).

    One of its fields, not the first, is its seed; they name its store: ``strength-0.1-seed-0.dnmf``.
    """

    @property
    def _fields(self) -> tuple[str, ...]: ...

    def _asdict(self) -> dict[str, Any]: ...

    def __hash__(self) -> int: ...


C = TypeVar("C", bound=Cell)


class Study(ABC, Generic[C]):
    """Everything that decides the models of a study, besides the data and the plan: cells, their options, their order.

    A frozen dataclass, whose fields are plain values, tuples of such, and the options of a fit.

    Attributes
    ----------
    kind : str
        Of its records, and the name in them of what :meth:`to_json` returns; one of :data:`dnmf.record.STUDIES`.
    writes_all : bool
        Whether each model is written when it is finished; else H of all of them is kept, and once all have ended those
        are written that :meth:`chosen` names.
    passed, finished : type
        The events that tell of a pass, and of the end.
    made_last : tuple of str
        Options of what is made of the models once all have ended: until that is there, others may be asked for.
    fit : FitOptions
        Of the largest model, which passes are planned for. What fractions of strengths are fractions of is found for
        its penalty. All models have its dtype and its limits: what passes are made with beside the data.
    """

    kind: ClassVar[str]
    writes_all: ClassVar[bool] = True
    passed: ClassVar[type[StudyPassDone]]
    finished: ClassVar[type[StudyFinished]]
    made_last: ClassVar[tuple[str, ...]] = ()
    fit: FitOptions

    @property
    @abstractmethod
    def cells(self) -> Sequence[C]:
        """All models, those that are fitted first before the others."""

    @abstractmethod
    def options_of(self, cell: C) -> FitOptions:
        """Return the options of one model: its rank, its seed, its penalty, its limits."""

    def origin(self, cell: C) -> C | None:  # noqa: ARG002  a study of which each model has a start of its own
        """Return the model whose H a model starts from; None where it begins as a fit of its own does."""
        return None

    def fold_of(self, cell: C) -> Fold | None:  # noqa: ARG002  a study of which each model sees all of the data
        """Return what is held out of the data of a model."""
        return None

    def chosen(self, ended: Mapping[C, Ended]) -> list[C]:
        """Return the models that are written, where not all are, from what all of them have come to."""
        del ended
        return []

    def to_json(self) -> dict[str, Any]:
        """The options of the study as plain JSON values."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]  # frozen records
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()} | {
            "fit": self.fit.to_json()
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Return the options that :meth:`to_json` wrote.

        Raises
        ------
        NewerError
            There are more of them than this dnmf knows.
        """
        refuse_newer(cls, record)
        values = {name: tuple(v) if isinstance(v, list) else v for name, v in record.items()}
        return cls(**{**values, "fit": FitOptions.from_json(record["fit"])})

    def differences(self, other: Self) -> list[str]:
        """Return ``name: mine → theirs`` for every option in which `other`, of the same kind, differs."""
        mine, theirs = self.to_json(), other.to_json()
        found = [f"{name}: {v} → {theirs[name]}" for name, v in mine.items() if name != "fit" and v != theirs[name]]
        return found + self.fit.differences(other.fit)

    def cell(self, named: Mapping[str, Any]) -> C:
        """Return the cell whose fields are among these values by name."""
        first: Any = self.cells[0]
        found: C = type(first)(**{name: named[name] for name in first._fields})
        return found

    def next_wave(self, done: Collection[C], models_per_pass: int) -> list[C]:
        """Return the models to be fitted together next: those whose origin is there, as many as a pass can serve."""
        there = {None, *done}
        ready = [cell for cell in self.cells if cell not in there and self.origin(cell) in there]
        return ready[: self.count_together(ready, models_per_pass)]

    def count_together(self, cells: Iterable[C], models_per_pass: int) -> int:
        """Return how many of these one pass can serve that can serve so many of the largest, at least 1."""
        taken = 0.0

        def fits(cell: C) -> bool:
            nonlocal taken
            taken += self._share(cell)
            return taken <= models_per_pass

        return max(1, sum(1 for _ in takewhile(fits, cells)))

    @property
    def largest_models(self) -> int:
        """How many of the largest model take as much of a pass as all cells."""
        return math.ceil(sum(map(self._share, self.cells)))

    @property
    def together(self) -> Together:
        """How many models of the largest size take as much memory as all cells."""
        return Together(self.largest_models, self.largest_models)

    def _share(self, cell: C) -> float:
        """Of what the largest model takes of a pass: sums and factors grow with the rank, or its padding.

        Columns that are held apart are summed up twice.
        """
        rank, most, fold = self.options_of(cell).rank, self.fit.rank, self.fold_of(cell)
        return max(rank / most, padded(rank) / padded(most)) * (1 if fold is None else 1 + 1 / fold.count)


def folder_of(cell: Cell) -> str:
    """Return the name of the store of a model inside that of its study."""
    return "-".join(f"{name}-{value!r}" for name, value in cell._asdict().items()) + ".dnmf"


def folders_like(cell: Cell) -> str:
    """Return the pattern of the names of the stores of all models of such a study."""
    return "-".join(f"{name}-*" for name in cell._fields) + ".dnmf"
