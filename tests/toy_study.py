"""A study that no one needs: models of some ranks and seeds, and at some strengths those that start from them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from dnmf.checkpoint import Generation
from dnmf.fitting.events import StudyFinished, StudyPassDone
from dnmf.model import Model
from dnmf.options import FitOptions
from dnmf.studies.face import Face
from dnmf.studies.models import StoredModels
from dnmf.studies.study import Study

KIND = "toy"


class Cell(NamedTuple):
    rank: int
    strength: float
    seed: int


@dataclass(frozen=True)
class Ranks(Study[Cell]):
    kind: ClassVar[str] = KIND
    passed: ClassVar[type[StudyPassDone]] = StudyPassDone
    finished: ClassVar[type[StudyFinished]] = StudyFinished

    fit: FitOptions
    ranks: tuple[int, ...]
    strengths: tuple[float, ...]
    seeds: tuple[int, ...]

    @property
    def cells(self):
        return [Cell(*of) for of in ((k, s, seed) for s in self.strengths for k in self.ranks for seed in self.seeds)]

    def options_of(self, cell):
        init = "given" if self.origin(cell) else self.fit.init
        return replace(self.fit, rank=cell.rank, seed=cell.seed, penalty=self.fit.penalty.at(cell.strength), init=init)

    def origin(self, cell):
        return cell._replace(strength=self.strengths[0]) if cell.strength != self.strengths[0] else None


@dataclass(frozen=True)
class Found:
    models: Mapping[Cell, Model]
    study: Ranks
    reads: float
    passes: int

    def record(self) -> dict[str, Any]:
        return {"kind": KIND, "status": "done", KIND: self.study.to_json(), "reads": self.reads, "passes": self.passes}

    def arrays(self):
        return {}


class Toy(Face[Ranks, Found]):
    kind = KIND

    def study(self, record):
        return Ranks.from_json(record)

    def result(self, study, models, run, resources):
        return Found(models, study, run.reads, run.state.passes)

    def restore(self, generation: Generation, folder: Path):
        record = generation.record
        study = self.study(record[KIND])
        return Found(StoredModels(folder, study.cells, finished=KIND), study, record["reads"], record["passes"])
