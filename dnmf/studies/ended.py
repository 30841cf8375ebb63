"""Models of a study that have ended and wait for the others: what is kept of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dnmf.fitting.fit import Fit
from dnmf.fitting.history import PassRecord
from dnmf.fitting.state import State


@dataclass(frozen=True)
class Ended:
    """A model before its last pass, which writes W, or which is never made.

    Attributes
    ----------
    state : State
        Where it is; its arrays are empty.
    H : ndarray (k, n) or None
        What its last pass would be made with; where something was held out of it, that of its last accepted pass in all
        columns. None before it is taken from where it is kept.
    loss, whole : float
        Of what was held out of it, and of a model that explains nothing of that; NaN where nothing was.
    """

    state: State
    H: np.ndarray | None
    loss: float = np.nan
    whole: float = np.nan

    @classmethod
    def of(cls, fit: Fit) -> "Ended":
        """Return what is kept of a fit whose next pass would be the last one."""
        state, apart = fit.state, fit.held_out
        objective = state.objective if state.spare is None else state.spare_objective
        nothing = np.empty((0, 0))
        kept = replace(
            state, H=nothing, plain=nothing, best=nothing, spare=None, strongest=None, objective=objective,
            spare_objective=np.inf,
        )  # fmt: skip
        if apart is None:
            return cls(kept, state.factor)
        return cls(kept, apart.entire(state.best), apart.loss, apart.whole)

    @property
    def components(self) -> int:
        """How many rows H has; 0 where it is not kept."""
        return 0 if self.H is None else len(self.H)

    @property
    def share(self) -> float:
        """The share of what was held out that it does not predict."""
        return self.loss / self.whole if self.whole > 0 else np.nan

    @property
    def history(self) -> Sequence[PassRecord]:
        """Its passes."""
        return self.state.history

    @property
    def entire_H(self) -> np.ndarray:
        """H, taken from where it is kept."""
        assert self.H is not None, "it was not taken from where it is kept"
        return self.H

    @property
    def before_last(self) -> State:
        """The state with which its last pass is made."""
        H = self.entire_H
        return replace(self.state, H=H, plain=H, best=H)

    def to_json(self) -> dict[str, Any]:
        """Everything but H, as JSON values."""
        scored = {} if np.isnan(self.loss) else {"loss": self.loss, "whole": self.whole}
        return {"state": self.state.scalars(), **scored}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Ended":
        """Return what :meth:`to_json` described, without H."""
        state = State.restore(record["state"], dict.fromkeys(("H", "plain", "best"), np.empty((0, 0))))
        return cls(state, None, record.get("loss", np.nan), record.get("whole", np.nan))
