"""What the models of one rank agree on that were fitted beside those of others: none is fitted again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dnmf import checkpoint
from dnmf.api import fitted
from dnmf.constraints import Constraints
from dnmf.ensembles.consensus_options import ConsensusOptions, Member
from dnmf.ensembles.consensus_result import Consensus, agreed, consensus_from, in_order_of
from dnmf.ensembles.ranks_options import ALL, Cell, RanksOptions
from dnmf.errors import InputError
from dnmf.record import RunRecord
from dnmf.resources import Resources
from dnmf.run import reopened, with_saved_names
from dnmf.sources import Source, open_source
from dnmf.studies.ended import Ended
from dnmf.studies.state import restore_ended


def asked_of(options: RanksOptions, rank: int, density: float, best: float) -> ConsensusOptions:
    """Return what a consensus of the models of a rank is asked for."""
    return ConsensusOptions(replace(options.fit, rank=rank), options.seeds, density, best)


def consensus_of(
    asked: ConsensusOptions, ended: Mapping[Cell, Ended], source: Source, resources: Resources,
    constraints: Constraints | None,
) -> Consensus:  # fmt: skip
    """Return what models that were fitted agree on.

    Raises
    ------
    InputError
        The data was read by columns, so that nobody has the rows of H of the models; or too few components are alike.
    """
    if source.transposed:
        raise InputError(
            f"{source.address}: is stored by columns, so that parts of W are what its models were compared by; use "
            "dnmf.consensus, which turns a small matrix"
        )
    own = {Member(cell.rank, cell.seed, 0): one for cell, one in ended.items() if cell.fold == ALL}
    found, options = agreed(asked, own), asked.options_of(asked.agreed)
    model = fitted(source, options, resources, H=found.H.astype(options.dtype), constraints=constraints)
    return consensus_from(model, in_order_of(model, found), asked, own, (model.reads, len(model.history)))


def ended_in(path: Path, options: RanksOptions) -> dict[Cell, Ended]:
    """Return what the models in a store came to."""
    generation = checkpoint.read_latest(path)
    return restore_ended(generation.record["state"], generation.arrays, options)[0]


def data_of(path: Path | None, source: Any, row_axes: Sequence[int] | None = None) -> Source:
    """Return the data of ranks: as it is given, of an array of more axes with these as its rows, or where it was read.

    Raises
    ------
    InputError
        It is not given, and the ranks live in no store that says where it is.
    CheckpointError
        It was no path, or has changed.
    """
    if source is not None:
        return open_source(source, row_axes=row_axes)
    if path is None:
        raise InputError("consensus: these ranks live in no store that says where the data is; give it, source=…")
    generation = checkpoint.read_latest(path)
    record = RunRecord.from_json(generation.record["run"])
    opened, _ = reopened(record, generation, path, None, "Ranks.consensus", force=False)
    return with_saved_names(opened, generation)
