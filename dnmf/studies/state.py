"""What a study remembers between passes: the states of the models that are running, and where others will start."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic

import numpy as np

from dnmf.constraints import Guides
from dnmf.fitting.fit import Fit
from dnmf.fitting.state import State
from dnmf.options import FitOptions
from dnmf.passes.losses import NOTHING, Losses
from dnmf.studies.study import C, Study

SHARED = "strongest"  # the one array of a state that is the same in all models


@dataclass(frozen=True)
class StudyState(Generic[C]):
    """What the next pass of a study needs, and what it has come to.

    Attributes
    ----------
    cells : tuple of cells
        The models that are running; none between two waves.
    fits : tuple of Fit
        How far each of them is.
    done : tuple of cells
        The models that are finished.
    starts : dict of cell to ndarray (k, n)
        The H, as the engine sees it, of finished models that others start from.
    squares : float
        ``‖A‖²``; negative until it is known.
    units : (float, float) or None
        What strengths given as fractions are fractions of, once they are known.
    strongest : ndarray (1, n), optional
        The component that lives longest; see :attr:`dnmf.fitting.state.State.strongest`.
    passes, bytes_read : int
        Of the whole study so far: a pass that serves many models counts once.
    lost : Losses
        What its passes lost and made good, each counted once.
    """

    cells: tuple[C, ...] = ()
    fits: tuple[Fit, ...] = ()
    done: tuple[C, ...] = ()
    starts: Mapping[C, np.ndarray] = field(default_factory=dict)
    squares: float = -1.0
    units: tuple[float, float] | None = None
    strongest: np.ndarray | None = None
    passes: int = 0
    bytes_read: int = 0
    lost: Losses = NOTHING

    def of_at_most(self, count: int) -> "StudyState[C]":
        """The state with a wave that a smaller memory can serve: the models beyond begin anew later, as they did."""
        return replace(self, cells=self.cells[:count], fits=self.fits[:count])

    def after_pass(self, fits: Sequence[Fit], bytes_read: int, lost: Losses) -> "StudyState[C]":
        """The state after a pass over the data that served some of the running models."""
        return replace(
            self, fits=tuple(fits), squares=max(fit.state.squares for fit in fits), passes=self.passes + 1,
            bytes_read=self.bytes_read + bytes_read, lost=self.lost.beside(lost),
        )  # fmt: skip

    def after_wave(self, study: Study[C], ended: Mapping[C, np.ndarray]) -> "StudyState[C]":
        """The state once the running models are finished, with the H of each: those that others start from are kept."""
        done = (*self.done, *self.cells)
        wanted = {study.origin(cell) for cell in set(study.cells) - set(done)}
        starts = {cell: H for cell, H in {**self.starts, **ended}.items() if cell in wanted}
        return replace(self, cells=(), fits=(), done=done, starts=starts)

    def forgetting_data(self) -> "StudyState[C]":
        """The state without what was measured on the data, which has changed and is checked anew."""
        fits = tuple(replace(fit, state=fit.state.forgetting_data()) for fit in self.fits)
        return replace(self, fits=fits, squares=-1.0)

    def scalars(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON values."""
        wave = [
            {
                **cell._asdict(),
                "state": fit.state.scalars(),
                "rows": {name: len(values) for name, values in _own_arrays(fit.state).items()},
                SHARED: fit.state.strongest is not None,
            }
            for cell, fit in zip(self.cells, self.fits, strict=True)
        ]
        return {
            "wave": wave,
            "done": [cell._asdict() for cell in self.done],
            "starts": [{**cell._asdict(), "rows": {"starts": len(H)}} for cell, H in self.starts.items()],
            "squares": self.squares,
            "units": None if self.units is None else list(self.units),
            "passes": self.passes,
            "bytes_read": self.bytes_read,
            "lost": self.lost._asdict(),
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, the rows of all models below each other in one: a commit then waits for few files."""
        found: dict[str, list[np.ndarray]] = {"starts": list(self.starts.values())}
        for fit in self.fits:
            for name, values in _own_arrays(fit.state).items():
                found.setdefault(name, []).append(values)
        strongest = {} if self.strongest is None else {SHARED: self.strongest}
        return strongest | {name: np.concatenate(parts) for name, parts in found.items() if parts}

    @classmethod
    def restore(
        cls, scalars: dict[str, Any], arrays: Mapping[str, np.ndarray], study: Study[C],
        taken_up: Callable[[State, FitOptions, Guides], Fit],
    ) -> "StudyState[C]":  # fmt: skip
        """The state that :meth:`scalars` and :meth:`arrays` described, bit for bit."""
        guides, fits = Guides.restore(dict(arrays)), []
        for entry, own in zip(scalars["wave"], _parts(scalars["wave"], arrays), strict=True):
            state = State.restore(entry["state"], own | ({SHARED: arrays[SHARED]} if entry[SHARED] else {}))
            fits.append(taken_up(state, study.options_of(study.cell(entry)), guides))
        cells, done, starts = ([study.cell(entry) for entry in scalars[name]] for name in ("wave", "done", "starts"))
        origins = [own["starts"] for own in _parts(scalars["starts"], arrays)]
        return cls(
            tuple(cells), tuple(fits), tuple(done), dict(zip(starts, origins, strict=True)), scalars["squares"],
            None if scalars["units"] is None else tuple(scalars["units"]), arrays.get(SHARED),
            scalars["passes"], scalars["bytes_read"], Losses.of_json(scalars.get("lost", {})),
        )  # fmt: skip


def _own_arrays(state: State) -> dict[str, np.ndarray]:
    """The arrays of a state but the one that all models share."""
    return {name: values for name, values in state.arrays().items() if name != SHARED}


def _parts(entries: Sequence[dict[str, Any]], arrays: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """The arrays of each entry: so many rows of each as it says, after those of the entries before."""
    found, at = [], Counter[str]()
    for entry in entries:
        rows = {name: slice(at[name], at[name] + count) for name, count in entry["rows"].items()}
        found.append({name: arrays[name][some].copy(order="K") for name, some in rows.items()})
        at.update(entry["rows"])
    return found
