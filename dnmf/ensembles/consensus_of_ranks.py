"""What the models of one rank agree on that were fitted beside those of others: none is fitted again."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dnmf import checkpoint
from dnmf.api import fitted
from dnmf.constraints import Constraints
from dnmf.ensembles.consensus_options import ConsensusOptions, Member
from dnmf.ensembles.consensus_result import Consensus, agreed, consensus_from, in_order_of
from dnmf.ensembles.ranks_options import ALL, Cell, RanksOptions
from dnmf.errors import CheckpointError, InputError
from dnmf.model import Model
from dnmf.record import STEP_FROM_MEDIANS, RunRecord
from dnmf.resources import Resources
from dnmf.run import reopened
from dnmf.sources import Source, open_source
from dnmf.sources.unfolded import Unfolding
from dnmf.studies.ended import Ended
from dnmf.studies.state import restore_ended

SAME_WHOLE = 1e-3  # share by which the same data may differ in what there is to explain, by rounding


def asked_of(options: RanksOptions, rank: int, density: float, best: float) -> ConsensusOptions:
    """Return what a consensus of the models of a rank is asked for."""
    return ConsensusOptions(replace(options.fit, rank=rank), options.seeds, density, best)


def consensus_of(
    asked: ConsensusOptions, ended: Mapping[Cell, Ended], source: Source, resources: Resources,
    constraints: Constraints | None, *, of_fit: Model,
) -> Consensus:  # fmt: skip
    """Return what models that were fitted agree on, `of_fit` the one of them that was written.

    Raises
    ------
    InputError
        The data was read by columns, so that nobody has the rows of H of the models; it is other data than theirs; or
        too few components are alike.
    """
    refuse_other_data(source, of_fit)
    if source.transposed:
        raise InputError(
            f"{source.address}: is stored by columns, so that parts of W are what its models were compared by; use "
            "dnmf.consensus, which turns a small matrix"
        )
    own = {Member(cell.rank, cell.seed, 0): one for cell, one in ended.items() if cell.fold == ALL}
    found, options = agreed(asked, own), asked.options_of(asked.agreed)
    model = fitted(source, options, resources, H=found.H.astype(options.dtype), constraints=constraints)
    if abs(_whole(model) / _whole(of_fit) - 1) > SAME_WHOLE:
        raise InputError(
            f"{source.address}: is not the data that these ranks were made of: what there is to explain is "
            f"{_whole(model):.6g}, there {_whole(of_fit):.6g}; give that data, such as the same layer"
        )
    model = model._with(stop_reason=STEP_FROM_MEDIANS)
    return consensus_from(model, in_order_of(model, found), asked, own, (model.reads, len(model.history)))


def refuse_other_data(source: Source, of_fit: Model) -> None:
    """Refuse data that is not as large as that of a model, or has other axes, names or labels of rows or columns.

    Raises
    ------
    InputError
        It is so.
    """
    shape = source.shape[::-1] if source.transposed else source.shape
    if shape != of_fit.shape:
        raise InputError(
            f"{source.address}: has {shape[0]:,} rows and {shape[1]:,} columns, the data of these ranks "
            f"{of_fit.shape[0]:,} and {of_fit.shape[1]:,}; give the same rows, and the same choice of columns"
        )
    of_fit.refuse_other_rows(source)
    of_fit.refuse_other_columns(source)


def _whole(model: Model) -> float:
    """The loss of a model that explains nothing of the data: ``½‖A‖²`` in least squares."""
    last = model.history[-1]
    return last.loss / max(last.relative_error**2, np.finfo(float).tiny)


def ended_in(path: Path, options: RanksOptions) -> dict[Cell, Ended]:
    """Return what the models in a store came to."""
    generation = checkpoint.read_latest(path)
    return restore_ended(generation.record["state"], generation.arrays, options)[0]


def data_of(path: Path | None, source: Any, row_axes: Unfolding | None = None) -> Source:
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
    try:
        return reopened(record, generation, path, None, "Ranks.consensus", force=False)[0]
    except CheckpointError as error:
        raise CheckpointError(
            f"{path}: the data of these ranks is not where it was, or has changed; give it: "
            f"dnmf.load_ranks({str(path)!r}).consensus(rank, source)"
        ) from error
