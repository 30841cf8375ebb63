"""What a fit tells those who listen: dataclasses handed to callbacks, in order, after they are true."""

from collections.abc import Callable, Sequence
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
        The loss plus the penalties that are part of the objective, for the W and H of this pass.
    loss : float
        Summed over all entries: ``½‖A − WH‖²``, or of another loss than least squares what that says, for counts the
        divergence ``Σ a log(a / p) − a + p`` of the predictions ``p = WH``.
    relative_error : float
        The root of the share that is not explained: ``‖A − WH‖ / ‖A‖`` of least squares; of other losses the loss
        counts against that of a model that predicts the mean of each row (of each column, where a CSC matrix is used
        as its transpose).
    decrease : float
        By how much of itself the objective fell since the last accepted pass; infinite for the first.
    gradient : float
        Size of the projected gradient with respect to H, relative to that of ``WᵀA`` (of other losses than least
        squares to what keeps H where it is): 0 at a stationary point.
    accepted : bool
        False when the objective rose and the step was taken back.
    extrapolated : bool
        Whether H was extrapolated before this pass.
    refined : bool
        Whether H was refined before this pass, on a sample of the rows.
    trial : bool
        Whether the pass was made to see if the objective is lower without the weakest component; it may then be higher
        than before, and the component comes back where it stays so.
    change : float
        How far H has moved since the last accepted pass: one less the cosine between the two rows of H of the component
        that turned most. A fit has settled when neither this nor `decrease` is above `tol`. Under a rule, which has no
        objective that falls: one less the cosine between the H of this pass, as a whole, and its update. Infinite for
        the first pass, the last one, and one that was taken back.
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
    rows_finished, columns_finished : int
        How many rows of W, and columns of the update of H, were not solved by coordinate descent within its sweeps and
        went to an active set. (Of a matrix used as its transpose rows and columns change places.)
    rows_unsolved, columns_unsolved : int
        How many of them are above their tolerance still: the pass may then rise, and they are not exact.
    off : float
        By how much of all there is to explain (``½‖A‖²``) the pass is beyond what exact numbers allow: a loss below
        zero, or an objective above that of the pass before although nothing was tried and the update was the minimum
        itself, as that of least squares is. Above about 1e-6 the digits of the dtype were not enough.
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
    rows_finished: int = 0
    rows_unsolved: int = 0
    columns_finished: int = 0
    columns_unsolved: int = 0
    off: float = 0.0
    refined: bool = False

    @property
    def explained(self) -> float:
        """The share that is explained, 1 less the relative error squared: of ``‖A‖²``, or of the loss of row means."""
        return 1.0 - self.relative_error**2

    @property
    def unsolved(self) -> str:
        """What is above its tolerance, in words; empty where nothing is."""
        counts = ((self.rows_unsolved, "rows of W"), (self.columns_unsolved, "columns of H"))
        return " and ".join(f"{count:,} {what}" for count, what in counts if count)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values (what is infinite becomes None)."""
        return {name: None if value == float("inf") else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "PassRecord":
        """The record that :meth:`to_json` wrote."""
        values: dict[str, Any] = {name: float("inf") if value is None else value for name, value in record.items()}
        return cls(**values)


def last_accepted(history: Sequence[PassRecord]) -> PassRecord:
    """Return the record of the last pass that was not taken back: what a fit has come to so far."""
    return next((record for record in reversed(history) if record.accepted), history[-1])


def reads_within(history: Sequence[PassRecord], share: float = 0.002) -> float:
    """Return after how many reads the error had come to within a `share` of its end, and stayed there.

    Those of the start are among them; NaN where there is no history.
    """
    accepted = [record for record in history if record.accepted]
    near = float("nan")
    for record in reversed(accepted):
        if record.relative_error > (1 + share) * accepted[-1].relative_error:
            break
        near = record.reads
    return near


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
    gave_up : tuple of str
        What the plan does without, in words, to stay in the memory of a worker; see docs/memory.md.
    compiles : bool
        Whether kernels are compiled first, which takes some seconds and happens once on a machine.
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
    gave_up: tuple[str, ...] = ()
    compiles: bool = False


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
    restarts : int
        How many starts there are, the best of which will make the model.
    """

    init: str
    reads: float
    resumed_at: int = 0
    restarts: int = 1


@dataclass(frozen=True)
class PassDone:
    """A pass is over and, where there is a store, committed.

    Attributes
    ----------
    record : PassRecord
        What it found.
    committed : bool
        Whether a checkpoint of it is on disk.
    last : bool
        Whether it was the last one, which made W.
    """

    record: PassRecord
    committed: bool
    last: bool = False


@dataclass(frozen=True)
class PassProgress:
    """Rows of a read have come back while it goes on: told a few times a second at most, and not of short reads.

    Nothing of it is committed, and nothing is told when the read is over: what comes next says so.

    Attributes
    ----------
    what : str
        ``"pass"``; ``"last"``, the pass that makes W; ``"sample"`` and ``"start"``, reads on the way to the first H;
        ``"copy"``, of W once its column sums are known; ``"transform"`` and ``"measure"``, of a finished model.
    number : int
        One more than passes are over.
    rows_done, rows : int
        How many rows have come back, of how many.
    seconds : float
        Since it began.
    seconds_before : float
        When this was told last, 0 where it was not.
    """

    what: str
    number: int
    rows_done: int
    rows: int
    seconds: float
    seconds_before: float = 0.0

    @property
    def share(self) -> float:
        """Of the rows that have come back, 0 to 1."""
        return self.rows_done / max(1, self.rows)

    @property
    def left_s(self) -> float | None:
        """Seconds until all rows are back, if the others come as fast; None before the first ones are."""
        return self.seconds * (1 / self.share - 1) if self.rows_done else None

    def is_due(self, every_s: float) -> bool:
        """Whether a multiple of so many seconds has gone by since this was told last: for who tells it more seldom.

        Examples
        --------
        >>> told = [PassProgress("pass", 1, 10, 90, seconds, seconds - 20) for seconds in (20, 40, 60, 80)]
        >>> [progress.is_due(60) for progress in told]
        [False, False, True, False]
        """
        return every_s <= 0 or self.seconds // every_s > self.seconds_before // every_s


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
        Of the model (:class:`PassRecord`).
    told : str
        How well the model does, in words; empty for its relative error.
    near : float
        After how many reads the relative error was within 0.2 % of this one (:func:`reads_within`), if that is known.
    """

    reason: str
    passes: int
    reads: float
    relative_error: float
    told: str = ""
    near: float | None = None


@dataclass(frozen=True)
class StudyPassDone:
    """A pass that served many models is over and, where there is a store, committed.

    Attributes
    ----------
    number : int
        1 for the first pass of the study.
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


class PathPassDone(StudyPassDone):
    """A pass that served the models of a regularization path."""


@dataclass(frozen=True)
class StudyFinished:
    """All models of a study are complete, and measured.

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


class PathFinished(StudyFinished):
    """All models of a regularization path are complete, and measured."""


Event = Planned | Started | PassProgress | PassDone | Finished | StudyPassDone | StudyFinished
Callback = Callable[[Event], None]


def emit(callbacks: tuple[Callback, ...], event: Event) -> None:
    """Hand `event` to every callback, in order; what one asks of numpy's arithmetic ends with it."""
    for callback in callbacks:
        with np.errstate():
            callback(event)
