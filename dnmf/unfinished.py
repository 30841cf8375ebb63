"""A fit that has not ended: what its committed passes say of it. Components get weights, and rows, in its last pass."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnmf import checkpoint
from dnmf.advice import WayOn, resume_command
from dnmf.api import load
from dnmf.errors import UnfinishedError
from dnmf.fitting.history import PassRecord, last_accepted
from dnmf.losses import Words, words_of
from dnmf.model import Model
from dnmf.options import CP, FitOptions
from dnmf.penalty import Penalty
from dnmf.places import place_of
from dnmf.record import RunRecord, naming, refuse_study
from dnmf.sources.unfolded import Unfolding


@dataclass(frozen=True)
class Unfinished:
    """What is known of a fit before its last pass.

    Attributes
    ----------
    path : pathlib.Path
        The store.
    address : str
        Where the data was, or what it was called.
    shape : (int, int)
        Rows and columns of the matrix.
    options : FitOptions
        What the fit was asked for.
    penalty : Penalty
        That of the fit, a fraction as the strengths it came to.
    history : tuple of PassRecord
        One for each committed pass.
    best_seed : int or None
        That of the start that is the best so far, or the only one; None where that was not noted.
    said : dict
        What was said of the entries (:meth:`dnmf.sources.Source.said`).
    unfolding : Unfolding or None
        Which axes of an array of more than two make rows and columns.
    """

    path: Path
    address: str
    shape: tuple[int, int]
    options: FitOptions
    penalty: Penalty
    history: tuple[PassRecord, ...]
    said: dict[str, Any]
    best_seed: int | None = None
    unfolding: Unfolding | None = None

    @property
    def short_axes(self) -> int:
        """Of how many factors the rows of H are products."""
        return len(self.unfolding.columns) if self.options.structure == CP and self.unfolding else 1

    @property
    def rank(self) -> int:
        """How many components were asked for."""
        return self.options.rank

    @property
    def alive(self) -> int:
        """How many components were not zero in the last pass that was not taken back."""
        return last_accepted(self.history).alive

    @property
    def relative_error(self) -> float:
        """That of the last pass that was not taken back, as in :class:`~dnmf.fitting.history.PassRecord`."""
        return last_accepted(self.history).relative_error

    @property
    def reads(self) -> float:
        """How often the data was read, in multiples of its size, the start included."""
        return self.history[-1].reads

    @property
    def stop_reason(self) -> str:
        """How to go on, in place of why it ended."""
        return f"not yet; go on with: {resume_command(self.path)}"


def so_far(path: str | Path) -> Model | Unfinished:
    """Return the model of a finished fit, or what is known of one that was stopped or goes on.

    Raises
    ------
    CheckpointError
        There is no fit, or no pass of it is committed.
    """
    generation, path = checkpoint.read_latest(path), place_of(path)
    refuse_study(generation.record, path, "use one of the models inside it, or dnmf.load_{kind}")
    if generation.record.get("status") == "done":
        return load(path)
    with naming(path):
        record = RunRecord.from_json(generation.record)
    state, penalty = record.state, record.options.penalty
    history = tuple(PassRecord.from_json(entry) for entry in state["history"])
    if not history:
        raise UnfinishedError(f"{path}: no pass of this fit is committed yet", WayOn(str(path)))
    rows, columns = reversed(record.shape) if record.transposed else record.shape
    return Unfinished(
        path, record.address, (rows, columns), record.options,
        penalty.in_units(tuple(state["units"])), history, record.observed, state.get("seed"),
        Unfolding.from_json(record.unfolding),
    )  # fmt: skip


def said_of(model: Model | Unfinished) -> dict[str, Any]:
    """Return what was said of the entries of the data of a fit."""
    return model.said if isinstance(model, Unfinished) else model.observed.said()


def formulas(model: Model | Unfinished) -> Words:
    """Return what a fit minimizes and what its errors are, in words."""
    return words_of(model.options.loss, said_of(model), model.options.implicit)
