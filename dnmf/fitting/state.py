"""Everything a fit remembers between passes: H and a few scalars."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dnmf.fitting.events import PassRecord


@dataclass(frozen=True)
class State:
    """What the next pass needs and nothing older; W is a function of H and is not kept.

    Attributes
    ----------
    H : ndarray (k, n)
        The fixed factor of the next pass, in the dtype of the computation.
    plain : ndarray (k, n)
        The update without extrapolation: taken when the objective of an extrapolated pass rises.
    best : ndarray (k, n)
        What the last accepted pass was made with: where a fit whose objective no longer falls goes back to.
    beta, most_beta : float
        Strength of the extrapolation, and its present upper bound.
    extrapolated : bool
        Whether `H` differs from `plain`.
    squares : float
        ``‖A‖²``; negative until a pass has checked the data.
    objective : float
        Of the last accepted pass.
    peak : float
        The largest right-hand side that the last pass noted; a relative penalty on W is measured by it.
    passes, bytes_read : int
        So far.
    reason : str
        Why the next pass is the last one; empty while it is not.
    history : tuple of PassRecord
        One for each pass.
    """

    H: np.ndarray
    plain: np.ndarray
    best: np.ndarray
    beta: float
    most_beta: float
    extrapolated: bool = False
    squares: float = -1.0
    objective: float = float("inf")
    peak: float = 0.0
    passes: int = 0
    bytes_read: int = 0
    reason: str = ""
    history: tuple[PassRecord, ...] = field(default=())

    @property
    def factor(self) -> np.ndarray:
        """What the next pass is made with: the last one takes the plain update, whose objective cannot rise."""
        return self.plain if self.reason else self.H

    @property
    def tries(self) -> bool:
        """Whether the next pass tries an extrapolated H, and may be taken back."""
        return self.extrapolated and not self.reason

    def scalars(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON values."""
        return {
            "beta": self.beta,
            "most_beta": self.most_beta,
            "extrapolated": self.extrapolated,
            "squares": self.squares,
            "objective": None if self.objective == float("inf") else self.objective,
            "peak": self.peak,
            "passes": self.passes,
            "bytes_read": self.bytes_read,
            "reason": self.reason,
            "history": [record.to_json() for record in self.history],
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {"H": self.H, "plain": self.plain, "best": self.best}

    @classmethod
    def restore(cls, scalars: dict[str, Any], arrays: dict[str, np.ndarray]) -> "State":
        """The state that :meth:`scalars` and :meth:`arrays` described, bit for bit."""
        values = dict(scalars)
        values["history"] = tuple(PassRecord.from_json(record) for record in values["history"])
        values["objective"] = float("inf") if values["objective"] is None else values["objective"]
        return cls(H=arrays["H"], plain=arrays["plain"], best=arrays["best"], **values)
