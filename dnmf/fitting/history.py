"""What is known of each pass, and what a history of passes says."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import reduce
from typing import Any

from dnmf.arguments import is_finite, shown
from dnmf.errors import InputError
from dnmf.passes.losses import NOTHING, Losses


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
        Whether the pass was made to see if the objective is lower without the weakest component, or with one alone
        where all had died; it may then be higher than before, and what was before comes back where it stays so.
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
        Wall time of the pass, of the update of H that follows, and of steps on a sample.
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
    workers_lost, tasks_again, retries : int
        Workers that left unasked during the pass, tasks that they had in hand or whose results were lost with them,
        which others ran (and what a lost sum was made of beside), and reads that failed for a moment and were tried
        again. Nothing of it is in the result.
    hosts_lost : tuple of str
        Hosts of those workers that had none any more when the pass was over.
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
    workers_lost: int = 0
    tasks_again: int = 0
    retries: int = 0
    hosts_lost: tuple[str, ...] = ()

    @property
    def lost(self) -> Losses:
        """What was lost on the way and made good."""
        return Losses(self.workers_lost, tuple(self.hosts_lost), self.tasks_again, self.retries)

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
        values = {name: None if value == float("inf") else value for name, value in vars(self).items()}
        return {**values, "hosts_lost": list(self.hosts_lost)}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "PassRecord":
        """The record that :meth:`to_json` wrote; what a newer dnmf wrote beside is left out."""
        known = {field.name: record[field.name] for field in fields(cls) if field.name in record}
        values: dict[str, Any] = {name: float("inf") if value is None else value for name, value in known.items()}
        return cls(**{**values, "hosts_lost": tuple(values.get("hosts_lost", ()))})


def last_accepted(history: Sequence[PassRecord]) -> PassRecord:
    """Return the record of the last pass that was not taken back: what a fit has come to so far."""
    return next((record for record in reversed(history) if record.accepted), history[-1])


def reads_within(history: Sequence[PassRecord], share: float = 0.002) -> float:
    """Return after how many reads the error had come to within a `share` of its end, and stayed there.

    Those of the start are among them; NaN where there is no history.

    Raises
    ------
    InputError
        The share is no number of 0 or more.
    """
    if not (is_finite(share) and share >= 0):
        raise InputError(f"share={shown(share)}: a finite number, not negative")
    accepted = [record for record in history if record.accepted]
    near = float("nan")
    for record in reversed(accepted):
        if record.relative_error > (1 + share) * accepted[-1].relative_error:
            break
        near = record.reads
    return near


def lost_in(history: Sequence[PassRecord]) -> Losses:
    """Return what all passes of a history lost and made good."""
    return reduce(Losses.beside, (record.lost for record in history), NOTHING)


def last_gradient(history: Sequence[PassRecord]) -> float:
    """Return the gradient of the last accepted pass of some; infinite where none was."""
    return next((record.gradient for record in reversed(history) if record.accepted), float("inf"))
