"""Everything a fit remembers between passes: H and a few scalars."""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from dnmf.fitting.history import PassRecord
from dnmf.newer import refuse_newer

FIRST_DAMPING, LEAST_DAMPING = 0.1, 0.01  # of the diagonal of the Gram matrix


class Initial(NamedTuple):
    """What a start has found: the first H (k, n), and the scalars of :class:`State` that are known by then."""

    H: np.ndarray
    bytes_read: int = 0
    squares: float = -1.0
    peak: float = 0.0
    units: tuple[float, float] = (1.0, 1.0)
    strongest: np.ndarray | None = None


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
        Whether `H` was extrapolated from `plain`.
    refined : bool
        Whether `H` was refined from `plain` on a sample of the rows.
    promised : float
        The objective that the sample promised for a refined `H`.
    sampled : bool
        Whether the sample was read for this fit.
    damping, least_damping : float
        How strongly an H that is refined is held near the last pass, and the least that this may be.
    squares : float
        What the scheme has to know of the data, ``‖A‖²`` for least squares; negative until a pass has checked it.
    objective : float
        Of the last accepted pass.
    peak : float
        The largest right-hand side that the last pass noted; a relative penalty on W is measured by it.
    weakest : int
        The component of the last accepted pass without which the objective would be lowest.
    least_worth : float
        By how much it would rise without it.
    spare : ndarray (k, n), optional
        The H from before the weakest component was dropped, or the fit began again with one, until the objective is
        below `spare_objective`: a trial.
    spare_objective : float
        That of `spare`.
    units : (float, float)
        What strengths of L1 and of L2 given as fractions are fractions of.
    strongest : ndarray (1, n), optional
        The one component that would live where all others have died: the fit then begins again with it, once.
    again : int
        After which pass it did; 0 while it has not.
    seed : int, optional
        Of its start; None in stores that did not note it.
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
    refined: bool = False
    promised: float = float("inf")
    sampled: bool = False
    damping: float = FIRST_DAMPING
    least_damping: float = LEAST_DAMPING
    squares: float = -1.0
    objective: float = float("inf")
    peak: float = 0.0
    weakest: int = 0
    least_worth: float = float("inf")
    spare: np.ndarray | None = None
    spare_objective: float = float("inf")
    units: tuple[float, float] = (1.0, 1.0)
    strongest: np.ndarray | None = None
    again: int = 0
    seed: int | None = None
    passes: int = 0
    bytes_read: int = 0
    reason: str = ""
    history: tuple[PassRecord, ...] = field(default=())

    @property
    def factor(self) -> np.ndarray:
        """What the next pass is made with.

        The last one takes the plain update, which is taken back where its objective rose, or what was better than to
        drop a component.
        """
        if not self.reason:
            return self.H
        return self.plain if self.spare is None else self.spare

    @property
    def tries(self) -> bool:
        """Whether the next pass tries an extrapolated or refined H, and may be taken back."""
        return (self.extrapolated or self.refined) and not self.reason

    def timed(self, seconds: float) -> "State":
        """The state whose last pass took so long."""
        return replace(self, history=(*self.history[:-1], replace(self.history[-1], seconds=seconds)))

    def forgetting_data(self) -> "State":
        """The state without what was measured on the data, which has changed and is checked anew."""
        nothing = float("inf")
        return replace(self, squares=-1.0, objective=nothing, spare_objective=nothing, least_worth=nothing)

    def scalars(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON values."""
        return {
            "beta": self.beta,
            "most_beta": self.most_beta,
            "extrapolated": self.extrapolated,
            "refined": self.refined,
            "promised": _finite(self.promised),
            "sampled": self.sampled,
            "damping": self.damping,
            "least_damping": self.least_damping,
            "squares": self.squares,
            "objective": _finite(self.objective),
            "peak": self.peak,
            "weakest": self.weakest,
            "least_worth": _finite(self.least_worth),
            "spare_objective": _finite(self.spare_objective),
            "units": list(self.units),
            "again": self.again,
            "seed": self.seed,
            "passes": self.passes,
            "bytes_read": self.bytes_read,
            "reason": self.reason,
            "history": [record.to_json() for record in self.history],
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        sometimes = {"spare": self.spare, "strongest": self.strongest}
        there = {name: values for name, values in sometimes.items() if values is not None}
        return {"H": self.H, "plain": self.plain, "best": self.best, **there}

    @classmethod
    def restore(cls, scalars: dict[str, Any], arrays: dict[str, np.ndarray]) -> "State":
        """The state that :meth:`scalars` and :meth:`arrays` described, bit for bit.

        Raises
        ------
        NewerError
            There is more in it than this dnmf knows.
        """
        refuse_newer(cls, scalars)
        values: dict[str, Any] = {name: float("inf") if value is None else value for name, value in scalars.items()}
        values["units"] = tuple(values["units"])
        values["seed"] = scalars.get("seed")
        values["history"] = tuple(PassRecord.from_json(record) for record in values["history"])
        return cls(H=arrays["H"], plain=arrays["plain"], best=arrays["best"], spare=arrays.get("spare"),
                   strongest=arrays.get("strongest"), **values)  # fmt: skip


def _finite(value: float) -> float | None:
    """An infinity as JSON has it."""
    return None if value == float("inf") else value
