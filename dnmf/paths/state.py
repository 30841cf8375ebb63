"""What a path remembers between passes: the states of the models that are running, and where others will start."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dnmf.constraints import Guides
from dnmf.fitting.loop import Fit
from dnmf.fitting.state import State
from dnmf.options import FitOptions
from dnmf.paths.grid import Cell
from dnmf.schemes.of_options import in_units, scheme_of

KEPT_ARRAYS = ("H", "plain", "best")


@dataclass(frozen=True)
class PathState:
    """What the next pass of a path needs, and what it has come to.

    Attributes
    ----------
    cells : tuple of Cell
        The models that are running; none between two waves.
    fits : tuple of Fit
        How far each of them is.
    done : tuple of Cell
        The models that are finished.
    starts : dict of seed to ndarray (k, n)
        Where further models of the seed start, as the engine sees it.
    squares : float
        ``‖A‖²``; negative until it is known.
    units : (float, float) or None
        What strengths given as fractions are fractions of, once they are known.
    strongest : ndarray (1, n), optional
        The component that lives longest; see :attr:`dnmf.fitting.state.State.strongest`.
    passes, bytes_read : int
        Of the whole path so far: a pass that serves many models counts once.
    """

    cells: tuple[Cell, ...] = ()
    fits: tuple[Fit, ...] = ()
    done: tuple[Cell, ...] = ()
    starts: Mapping[int, np.ndarray] = field(default_factory=dict)
    squares: float = -1.0
    units: tuple[float, float] | None = None
    strongest: np.ndarray | None = None
    passes: int = 0
    bytes_read: int = 0

    def of_at_most(self, crowd: int) -> "PathState":
        """The state with a wave that a smaller memory can serve: the models beyond begin anew later, as they did."""
        return replace(self, cells=self.cells[:crowd], fits=self.fits[:crowd])

    def after_pass(self, fits: list[Fit], bytes_read: int) -> "PathState":
        """The state after a pass over the data that served some of the running models."""
        return replace(
            self, fits=tuple(fits), squares=max(fit.state.squares for fit in fits), passes=self.passes + 1,
            bytes_read=self.bytes_read + bytes_read,
        )  # fmt: skip

    def forgetting_data(self) -> "PathState":
        """The state without what was measured on the data, which has changed and is checked anew."""
        fits = tuple(replace(fit, state=fit.state.forgetting_data()) for fit in self.fits)
        return replace(self, fits=fits, squares=-1.0)

    def scalars(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON values."""
        wave = [
            {
                **cell._asdict(),
                "state": fit.state.scalars(),
                "spare": fit.state.spare is not None,
                "strongest": fit.state.strongest is not None,
            }
            for cell, fit in zip(self.cells, self.fits, strict=True)
        ]
        return {
            "wave": wave,
            "done": [cell._asdict() for cell in self.done],
            "starts": list(self.starts),
            "squares": self.squares,
            "units": None if self.units is None else list(self.units),
            "passes": self.passes,
            "bytes_read": self.bytes_read,
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, those of all models in one: a commit then waits for few files."""
        held = [fit.state.arrays() for fit in self.fits]
        found = {name: [arrays[name] for arrays in held] for name in KEPT_ARRAYS}
        found["spare"] = [arrays["spare"] for arrays in held if "spare" in arrays]
        found["starts"] = list(self.starts.values())
        strongest = {} if self.strongest is None else {"strongest": self.strongest}
        return strongest | {name: np.stack(arrays) for name, arrays in found.items() if arrays}

    @classmethod
    def restore(
        cls, scalars: dict[str, Any], arrays: Mapping[str, np.ndarray], options_of: Callable[[Cell], FitOptions]
    ) -> "PathState":
        """The state that :meth:`scalars` and :meth:`arrays` described, bit for bit."""
        cells, fits, spares = [], [], iter(arrays.get("spare", ()))
        guides = Guides.restore(dict(arrays))
        for number, entry in enumerate(scalars["wave"]):
            own = {name: arrays[name][number] for name in KEPT_ARRAYS}
            if entry["spare"]:
                own["spare"] = next(spares)
            if entry["strongest"]:
                own["strongest"] = arrays["strongest"]
            state = State.restore(entry["state"], own)
            cells.append(Cell(entry["strength"], entry["seed"]))
            options = in_units(options_of(cells[-1]), state.units)
            fits.append(Fit(state, options, scheme_of(options, guides)))
        return cls(
            tuple(cells), tuple(fits), tuple(Cell(**entry) for entry in scalars["done"]),
            dict(zip(scalars["starts"], arrays.get("starts", ()), strict=True)), scalars["squares"],
            None if scalars["units"] is None else tuple(scalars["units"]), arrays.get("strongest"),
            scalars["passes"], scalars["bytes_read"],
        )  # fmt: skip
