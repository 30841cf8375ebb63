"""What a fit tells those who listen: dataclasses handed to callbacks, in order, after they are true."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class PassRecord:
    """One pass over the data; the entries of ``model.history``.

    Attributes
    ----------
    number : int
        1 for the first pass.
    objective : float
        ``½‖A − WH‖²`` plus the penalties that are part of the objective, for the W and H of this pass.
    loss : float
        ``½‖A − WH‖²``.
    relative_error : float
        ``‖A − WH‖ / ‖A‖``.
    decrease : float
        By how much of itself the objective fell since the last accepted pass; infinite for the first.
    gradient : float
        Size of the projected gradient with respect to H, relative to that of ``WᵀA``: 0 at a stationary point.
    accepted : bool
        False when the objective rose and the step was taken back.
    extrapolated : bool
        Whether H was extrapolated before this pass.
    trial : bool
        Whether the pass was made to see if the objective is lower without the weakest component; it may then be higher
        than before, and the component comes back where it stays so.
    change : float
        One less the cosine between the H of this pass and its update: what ends a fit under a rule, which has no
        objective that falls. Infinite elsewhere, and for the last pass.
    alive : int
        Components that are not zero.
    bytes_read : int
        Decoded bytes read so far, those of the start included.
    reads : float
        The same as a multiple of the size of the data.
    seconds : float
        Wall time of the pass and of the update of H that follows.
    read_s, compute_s : float
        Seconds the tasks waited for data and computed, summed over tasks.
    from_memory : float
        Share of the data of this pass that an earlier pass had left in the workers' memory.
    """

    number: int
    objective: float
    loss: float
    relative_error: float
    decrease: float
    gradient: float
    accepted: bool
    extrapolated: bool
    alive: int
    bytes_read: int
    reads: float
    seconds: float
    read_s: float
    compute_s: float
    from_memory: float = 0.0
    change: float = float("inf")
    trial: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values (what is infinite becomes None)."""
        return {name: None if value == float("inf") else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "PassRecord":
        """The record that :meth:`to_json` wrote."""
        values: dict[str, Any] = {name: float("inf") if value is None else value for name, value in record.items()}
        return cls(**values)


@dataclass(frozen=True)
class Planned:
    """The work is cut and fits; nothing has been read yet.

    Attributes
    ----------
    where : str
        In process or on which cluster.
    source : str
        The address of the data.
    shape : (int, int)
        Rows and columns.
    total_bytes : int
        Decoded bytes of one read.
    tasks, panels : int
        Tasks and panels of a pass.
    projected_bytes, limit_bytes : int
        Projected peak of a worker and its memory limit.
    keeps : bool
        Whether the data stays in memory after the first pass; else every pass reads it again.
    """

    where: str
    source: str
    shape: tuple[int, int]
    total_bytes: int
    tasks: int
    panels: int
    projected_bytes: int
    limit_bytes: int
    keeps: bool = False


@dataclass(frozen=True)
class Started:
    """The first H is there.

    Attributes
    ----------
    init : str
        Where it came from.
    reads : float
        What it cost, as a multiple of the size of the data.
    resumed_at : int
        Passes already done when a run is resumed, else 0.
    """

    init: str
    reads: float
    resumed_at: int = 0


@dataclass(frozen=True)
class PassDone:
    """A pass is over and, where there is a store, committed.

    Attributes
    ----------
    record : PassRecord
        What it found.
    committed : bool
        Whether a checkpoint of it is on disk.
    """

    record: PassRecord
    committed: bool


@dataclass(frozen=True)
class Finished:
    """The model is complete.

    Attributes
    ----------
    reason : str
        Why it stopped.
    passes : int
        How many passes there were.
    reads : float
        Reads of the data in all.
    relative_error : float
        Of the model.
    """

    reason: str
    passes: int
    reads: float
    relative_error: float


@dataclass(frozen=True)
class PathPassDone:
    """A pass that served the models of a regularization path is over and, where there is a store, committed.

    Attributes
    ----------
    number : int
        1 for the first pass of the path.
    models : int
        How many models it served.
    done, total : int
        How many models are finished now, of how many.
    reads : float
        Of the data so far, for all models together, as a multiple of its size.
    seconds : float
        Wall time of the pass and of the update of H that follows.
    committed : bool
        Whether a checkpoint of it is on disk.
    """

    number: int
    models: int
    done: int
    total: int
    reads: float
    seconds: float
    committed: bool


@dataclass(frozen=True)
class PathFinished:
    """All models of a regularization path are complete, and measured.

    Attributes
    ----------
    models : int
        How many there are.
    passes : int
        How many passes they shared.
    reads : float
        Of the data for all models together, those of the starts included and those of the measures not.
    """

    models: int
    passes: int
    reads: float


Event = Planned | Started | PassDone | Finished | PathPassDone | PathFinished
Callback = Callable[[Event], None]


def emit(callbacks: tuple[Callback, ...], event: Event) -> None:
    """Hand `event` to every callback, in order; what one asks of numpy's arithmetic ends with it."""
    for callback in callbacks:
        with np.errstate():
            callback(event)
