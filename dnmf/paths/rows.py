"""What is measured of each model of a path."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np

from dnmf import measures
from dnmf.errors import BudgetError, InputError
from dnmf.model import Model
from dnmf.paths.grid import Cell, PathOptions
from dnmf.sources import Source

log = logging.getLogger("dnmf")


@dataclass(frozen=True)
class PathRow:
    """One model of a regularization path, measured (:mod:`dnmf.measures`); NaN is what was not.

    Attributes
    ----------
    strength : float
        What the penalty was multiplied by.
    seed : int
        Of its start.
    objective, relative_error : float
        Of the last pass (:class:`~dnmf.fitting.history.PassRecord`).
    alive : int
        Components that are not zero.
    sparsity_W, sparsity_H : float
        Shares of exact zeros.
    robustness : float
        Mean cosine of its components to those they match of the model of the smallest strength of the same seed.
    cosine, cosine_off : float
        Mean cosine between components, with that of each to itself and without.
    kmeans : float
        Mean cosine of its rows of H to the k-means centres they match.
    singular : float
        Mean cosine of its rows of H to the first singular vector.
    passes : int
        Of this model.
    reason : str
        Why it ended.
    """

    strength: float
    seed: int
    objective: float
    relative_error: float
    alive: int
    sparsity_W: float
    sparsity_H: float
    robustness: float
    cosine: float
    cosine_off: float
    kmeans: float
    singular: float
    passes: int
    reason: str

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values; NaN becomes None."""
        found = asdict(self)
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in found.items()}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "PathRow":
        """The row that :meth:`to_json` wrote; what a newer dnmf measured beside is left out."""
        known = {each.name: record[each.name] for each in fields(cls) if each.name in record}
        values: dict[str, Any] = {name: math.nan if value is None else value for name, value in known.items()}
        return cls(**values)


COLUMNS = tuple(each.name for each in fields(PathRow))


class Directions(NamedTuple):
    """What components are compared with besides each other; None where it was not found."""

    centres: np.ndarray | None = None
    singular: np.ndarray | None = None


def directions(source: Source, options: PathOptions, **where: Any) -> Directions:
    """Return the k-means centres and the first singular vector of the data, which takes reads of its own.

    Parameters
    ----------
    source : Source
        The data.
    options : PathOptions
        Of the path.
    **where
        `client`, `memory_limit` and `callbacks`, as in :func:`dnmf.fit`.
    """
    if options.measures == "cheap":
        return Directions()
    rank, seed = options.fit.rank, options.seeds[0]
    return Directions(
        _found("k-means centres", lambda: measures.kmeans_centres(source, rank, seed, **where)),
        _found("first singular vector", lambda: measures.first_singular_vector(source, **where)),
    )


def _found(what: str, find: Callable[[], np.ndarray]) -> np.ndarray | None:
    try:
        return find()
    except (BudgetError, InputError) as error:  # after hours of fits, no reason to fail
        log.warning("not compared with the %s: %s", what, error)
        return None


def measured_rows(models: Mapping[Any, Model], options: PathOptions, given: Directions) -> tuple[PathRow, ...]:
    """Return a row for each model of a path, by strength and then by seed.

    Parameters
    ----------
    models : mapping of (strength, seed) to Model
        All of them; the W of each is read once or twice, chunk by chunk.
    options : PathOptions
        Of the path.
    given : Directions
        Of the data.
    """
    weakest = options.strengths[0]
    return tuple(
        _row(cell, models[cell], models[Cell(weakest, cell.seed)], options.side, given) for cell in options.cells
    )


def _row(cell: Cell, model: Model, reference: Model, side: str, given: Directions) -> PathRow:
    model, reference = (
        replace(each, row_names=None, column_names=None) for each in (model, reference)
    )  # of one source
    last, zeros = model.history[-1], measures.sparsity(model)
    centres, singular = given
    return PathRow(
        strength=cell.strength,
        seed=cell.seed,
        objective=last.objective,
        relative_error=last.relative_error,
        alive=last.alive,
        sparsity_W=zeros.W,
        sparsity_H=zeros.H,
        robustness=measures.robustness(model, reference, side),
        cosine=measures.mean_cosine(model, side),
        cosine_off=measures.mean_cosine(model, side, diagonal=False),
        kmeans=math.nan if centres is None else measures.similarity(model, centres),
        singular=math.nan if singular is None else measures.alike(model, singular),
        passes=len(model.history),
        reason=model.stop_reason,
    )
