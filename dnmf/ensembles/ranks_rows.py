"""What is measured of each rank, from what its models have come to."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from dnmf.ensembles.alike import stability
from dnmf.ensembles.ranks_options import Cell, RanksOptions
from dnmf.ensembles.ranks_rule import directions_found
from dnmf.newer import refuse_newer
from dnmf.studies.ended import Ended


@dataclass(frozen=True)
class RankRow:
    """What was found of one rank; NaN is what was not measured.

    Attributes
    ----------
    rank : int
        k.
    held_out, held_out_se : float
        The error in what was held out, relative as `error` is, in the mean over the folds, and its standard error.
    found : int
        How many directions of H all folds have in common (:func:`dnmf.ensembles.ranks_rule.directions_found`); -1 where
        nothing was held out.
    stability : float
        Mean silhouette of the components matched over the seeds (:func:`dnmf.ensembles.alike.stability`).
    error : float
        Relative error of the best model of all of the data.
    seed : int
        Of that.
    passes : int
        Of the model of this rank that took most.
    reads : float
        How often the data had been read when that had settled, in multiples of its size.
    cpu_s : float
        Processor seconds of the passes and updates of all its models.
    """

    rank: int
    held_out: float
    held_out_se: float
    found: int
    stability: float
    error: float
    seed: int
    passes: int
    reads: float
    cpu_s: float = field(compare=False)

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values; NaN becomes None."""
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "RankRow":
        """The row that :meth:`to_json` wrote."""
        refuse_newer(cls, record)
        values: dict[str, Any] = {name: math.nan if value is None else value for name, value in record.items()}
        return cls(**values)


COLUMNS = tuple(each.name for each in fields(RankRow))


def measured_ranks(options: RanksOptions, ended: Mapping[Cell, Ended]) -> tuple[RankRow, ...]:
    """Return a row for each rank."""
    return tuple(_row(options, ended, rank) for rank in options.ranks)


def shares_of_folds(options: RanksOptions, ended: Mapping[Cell, Ended], rank: int) -> list[float]:
    """Return for each fold the share of what was held out that the best start of a rank does not predict."""
    return [ended[cell].share for cell in _best_of_folds(options, ended, rank)]


def _best_of_folds(options: RanksOptions, ended: Mapping[Cell, Ended], rank: int) -> list[Cell]:
    cells = options.of_folds(rank)
    return [options.best(cells[low : low + options.starts], ended) for low in range(0, len(cells), options.starts)]


def _row(options: RanksOptions, ended: Mapping[Cell, Ended], rank: int) -> RankRow:
    of_all, of_folds = options.of_all(rank), _best_of_folds(options, ended, rank)
    every = [ended[cell] for cell in (*of_all, *options.of_folds(rank))]
    errors = np.sqrt([ended[cell].share for cell in of_folds])
    best = options.best(of_all, ended)
    slowest = max(every, key=lambda one: len(one.history))
    return RankRow(
        rank=rank,
        held_out=float(errors.mean()) if of_folds else math.nan,
        held_out_se=float(errors.std(ddof=1) / math.sqrt(len(errors))) if len(of_folds) > 1 else math.nan,
        found=directions_found([ended[cell].entire_H for cell in of_folds]) if of_folds else -1,
        stability=stability([ended[cell].entire_H for cell in of_all]),
        error=ended[best].state.history[-1].relative_error,
        seed=best.seed,
        passes=len(slowest.history),
        reads=slowest.history[-1].reads,
        cpu_s=sum(record.compute_s for one in every for record in one.history),
    )
