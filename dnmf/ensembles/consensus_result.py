"""What models of the same data from several seeds agree on."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from dnmf import checkpoint
from dnmf.api import load
from dnmf.ensembles.agreement import Agreement, agree
from dnmf.ensembles.alike import unit_rows
from dnmf.ensembles.consensus_options import ConsensusOptions, Member
from dnmf.model import Model
from dnmf.record import CONSENSUS
from dnmf.resources import Resources
from dnmf.studies.compared import ComparedRun
from dnmf.studies.ended import Ended
from dnmf.studies.face import Face
from dnmf.studies.state import restore_ended
from dnmf.studies.study import folder_of
from dnmf.studies.waves import StudyRun


@dataclass(frozen=True, repr=False, kw_only=True)
class Consensus(Model):
    """What models of the same data from several seeds agree on: a model as any other, and how it came about.

    H is a step from the medians of clusters of components, and W belongs to it. What :func:`dnmf.consensus` returns.

    Attributes
    ----------
    agreement : Agreement
        Clusters, medians and distances, in the order of components of the model.
    spectra : ndarray (counted × k, n)
        H of the models that count on unit length, rows of one below those of the one before.
    counted : tuple of int
        The seeds of these.
    errors : ndarray (models,)
        Relative error of each model, of all seeds.
    asked : ConsensusOptions
        What was asked for.
    of_all : (float, int)
        Reads and passes, of all models together.
    """

    agreement: Agreement
    spectra: np.ndarray
    counted: tuple[int, ...]
    errors: np.ndarray
    asked: ConsensusOptions
    of_all: tuple[float, int]

    @classmethod
    def of(cls, model: Model, agreement: Agreement, **facts: Any) -> "Consensus":
        """Return the consensus that a model is; `facts` are the other attributes."""
        names = model.held_names()
        known = {each.name: getattr(model, each.name) for each in fields(Model) if each.name not in names}
        return cls(**known, **names, agreement=agreement, **facts)

    def __repr__(self) -> str:
        m, n = self.shape
        return (
            f"<dnmf.Consensus {m} × {n}, rank {self.rank} of {len(self.seeds)} seeds: silhouette "
            f"{self.silhouette:.2f}, {100 * self.share_kept:.0f} % kept, relative error {self.relative_error:.4f}, "
            f"{self.reads:.1f} reads>"
        )

    @property
    def reads(self) -> float:
        """Of the data for everything together, in multiples of its size."""
        return self.of_all[0]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the models."""
        return self.asked.seeds

    @property
    def silhouette(self) -> float:
        """How clearly the clusters stand apart, over all components that are kept: 1 clearly, 0 not at all."""
        return self.agreement.silhouette

    @property
    def stability(self) -> np.ndarray:
        """The same of each component (k,)."""
        return self.agreement.stability

    @property
    def found_in(self) -> np.ndarray:
        """In how many of the models that count each component is found (k,): a stable one may be that of few."""
        return self.agreement.found_in

    @property
    def share_kept(self) -> float:
        """The share of the components of the models that count that is near enough to others."""
        return self.agreement.share_kept

    @property
    def distances(self) -> np.ndarray:
        """The mean distance of each component of each model that counts to its nearest others (counted × k,)."""
        return self.agreement.distances

    def reordered(self, order: Any) -> Model:
        """The same with its components in another order; see :meth:`dnmf.Model.reordered`."""
        found = super().reordered(order)
        assert isinstance(found, Consensus), "what is made of this is of its kind"
        return found if found is self else replace(found, agreement=self.agreement.reordered(np.asarray(order)))

    def plot(self, **how: Any) -> Any:
        """Draw how alike all components are, and how near each is to others; see :func:`dnmf.plots.clustergram`."""
        from dnmf import plots

        return plots.clustergram(self, **how)


@dataclass(frozen=True)
class MadeConsensus:
    """A consensus as its study makes it, and keeps it on disk."""

    consensus: Consensus

    def record(self) -> dict[str, Any]:
        """What is said of it on disk, as JSON values."""
        found, asked = self.consensus, self.consensus.asked
        return {
            "kind": CONSENSUS, "status": "done", CONSENSUS: asked.to_json(), "reads": found.of_all[0],
            "passes": found.of_all[1], "silhouette": found.silhouette, "share_kept": found.share_kept,
            "stability": found.stability.tolist(), "sizes": found.agreement.sizes.tolist(),
            "found_in": found.found_in.tolist(), "counted": len(found.counted),
            "errors": found.errors.tolist(), "relative_error": found.relative_error,
        }  # fmt: skip

    def arrays(self) -> dict[str, np.ndarray]:
        """How it came about, by name."""
        return self.consensus.agreement.arrays()


def agreed(study: ConsensusOptions, ended: Mapping[Member, Ended]) -> Agreement:
    """Return what the models that count agree on, from what all have come to."""
    return agree([ended[cell].entire_H for cell in study.counted(ended)], study.density, study.fit.seed)


def in_order_of(model: Model, found: Agreement) -> Agreement:
    """Return what a model began with in the order that its components have."""
    return found if model.inside is None else found.reordered(model.inside)


def consensus_from(
    model: Model, found: Agreement, study: ConsensusOptions, ended: Mapping[Member, Ended], of_all: tuple[float, int]
) -> Consensus:
    """Return the consensus that a model is, and how it came about: what others agree on, in the order of the model."""
    counted = study.counted(ended)
    return Consensus.of(
        model, found, spectra=unit_rows(np.concatenate([ended[cell].entire_H for cell in counted])),
        counted=tuple(cell.seed for cell in counted), asked=study, of_all=of_all,
        errors=np.array([ended[cell].history[-1].relative_error for cell in study.cells]),
    )  # fmt: skip


class ConsensusFace(Face[ConsensusOptions, MadeConsensus]):
    """A consensus, as a kind of study."""

    kind = CONSENSUS

    def study(self, record: dict[str, Any]) -> ConsensusOptions:
        """Return the options that a record holds."""
        return ConsensusOptions.from_json(record)

    def result(
        self, study: ConsensusOptions, models: Mapping[Member, Model], run: StudyRun[Member], resources: Resources
    ) -> MadeConsensus:
        """Return the consensus, made of what all models have come to."""
        del models, resources
        assert isinstance(run, ComparedRun), "its models are compared"
        found = agreed(study, run.state.ended)
        model = run.fitted_from(study.agreed, found.H.astype(study.fit.dtype))
        of_all = run.reads, run.state.passes
        return MadeConsensus(consensus_from(model, in_order_of(model, found), study, run.state.ended, of_all))

    def restore(self, generation: checkpoint.Generation, folder: Path) -> MadeConsensus:
        """Return the consensus that a finished generation describes."""
        record = generation.record
        study = self.study(record[CONSENSUS])
        ended = restore_ended(record["state"], generation.arrays, study)[0]
        model, found = load(folder / folder_of(study.agreed)), Agreement.restore(generation.arrays)
        of_all = record["reads"], record["passes"]
        return MadeConsensus(consensus_from(model, found, study, ended, of_all))
