"""What a fit tells those who listen: dataclasses handed to callbacks, in order, after they are true."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dnmf.fitting.history import PassRecord


@dataclass(frozen=True)
class Compiling:
    """Workers have kernels to compile before anything is planned, as no fit on their machines needed them before.

    The very first fit there takes about a minute for it, one of another rank, loss, solver or kind of data
    some seconds.

    Attributes
    ----------
    workers : int
        How many wait for it.
    """

    workers: int


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
        Where it came from; what was asked for where a run is resumed.
    reads : float
        What it cost, as a multiple of the size of the data.
    resumed_at : int
        Passes already done when a run is resumed, else 0.
    restarts : int
        How many starts there are, the best of which will make the model.
    resumed : bool
        Whether a run is resumed.
    """

    init: str
    reads: float
    resumed_at: int = 0
    restarts: int = 1
    resumed: bool = False


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
    starts : int
        How many starts it served, of which this is the best.
    """

    record: PassRecord
    committed: bool
    last: bool = False
    starts: int = 1


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
class Standing:
    """A read stands still: no worker could have moved it for a while. Told every few seconds while that lasts.

    Attributes
    ----------
    workers : int
        How many are left, all of them paused; 0 where none is.
    seconds : float
        Since when it has been so.
    limit_s : float
        After how many seconds the fit gives up.
    """

    workers: int
    seconds: float
    limit_s: float


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
        Of the model (:class:`~dnmf.fitting.history.PassRecord`).
    told : str
        How well the model does, in words; empty for its relative error.
    near : float
        After how many reads the relative error was within 0.2 % of this one (:meth:`dnmf.Model.reads_within`), if that
        is known.
    best_seed : int, optional
        Of several starts the one that made it.
    """

    reason: str
    passes: int
    reads: float
    relative_error: float
    told: str = ""
    near: float | None = None
    best_seed: int | None = None


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


class RanksPassDone(StudyPassDone):
    """A pass that served models of several ranks."""


class ConsensusPassDone(StudyPassDone):
    """A pass that served the models of a consensus."""


class ConsensusFinished(StudyFinished):
    """All models of a consensus are complete, and it is made."""


class RanksFinished(StudyFinished):
    """All models of several ranks are complete, and compared."""


Event = Compiling | Planned | Started | PassProgress | Standing | PassDone | Finished | StudyPassDone | StudyFinished
"""What a callback may be handed."""
Callback = Callable[[Event], None]


def emit(callbacks: tuple[Callback, ...], event: Event) -> None:
    """Hand `event` to every callback, in order; what one asks of numpy's arithmetic ends with it."""
    for callback in callbacks:
        with np.errstate():
            callback(event)
