"""What a study remembers between passes: the states of the models that are running, and where others will start."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic

import numpy as np

from dnmf.constraints import Guides
from dnmf.fitting.fit import Fit
from dnmf.fitting.state import State
from dnmf.passes.losses import NOTHING, Losses
from dnmf.studies.ended import Ended
from dnmf.studies.study import C, Study

SHARED = "strongest"  # the one array of a state that is the same in all models
ENDED = "ended"
APART = "_fold_"  # between the name of an array and the fold it is of


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
    ended : dict of cell to Ended
        What is kept of the models that are done, of a study that writes only some of them.
    ended_H : tuple of ndarray
        The H of those, rows below each other, of each wave.
    written : tuple of cells
        Those of them that were written.
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
    ended: Mapping[C, Ended] = field(default_factory=dict)
    ended_H: tuple[np.ndarray, ...] = ()
    written: tuple[C, ...] = ()

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

    def without_ended(self) -> "StudyState[C]":
        """The state with what is kept of the models that have ended, which make room for others."""
        of_cells = dict(zip(self.cells, self.fits, strict=True))
        ended = {cell: Ended.of(fit) for cell, fit in of_cells.items() if fit.state.reason}
        stacked = (np.concatenate([one.entire_H for one in ended.values()]),) if ended else ()
        found = _with_H(list(ended.values()), [one.components for one in ended.values()], stacked)
        left = {cell: fit for cell, fit in of_cells.items() if cell not in ended}
        return replace(
            self, cells=tuple(left), fits=tuple(left.values()), done=(*self.done, *ended),
            ended={**self.ended, **dict(zip(ended, found, strict=True))}, ended_H=(*self.ended_H, *stacked),
        )  # fmt: skip

    def beside(self, begun: Mapping[C, Fit]) -> "StudyState[C]":
        """The state with more models running."""
        return replace(self, cells=(*self.cells, *begun), fits=(*self.fits, *begun.values()))

    def after_writing(self, cells: Sequence[C], bytes_read: int, lost: Losses) -> "StudyState[C]":
        """The state after a pass that wrote the W of some models."""
        return replace(
            self, written=(*self.written, *cells), passes=self.passes + 1, bytes_read=self.bytes_read + bytes_read,
            lost=self.lost.beside(lost),
        )  # fmt: skip

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
                "held_out": None if fit.held_out is None else fit.held_out.scalars(),
                "rows": {name: len(values) for name, values in _own_arrays(fit).items()},
                SHARED: fit.state.strongest is not None,
            }
            for cell, fit in zip(self.cells, self.fits, strict=True)
        ]
        ended = [{**cell._asdict(), **one.to_json(), "components": one.components} for cell, one in self.ended.items()]
        return {
            "wave": wave,
            "done": [cell._asdict() for cell in self.done],
            "starts": [{**cell._asdict(), "rows": {"starts": len(H)}} for cell, H in self.starts.items()],
            "squares": self.squares,
            "units": None if self.units is None else list(self.units),
            "passes": self.passes,
            "bytes_read": self.bytes_read,
            "lost": self.lost._asdict(),
            ENDED: ended,
            "written": [cell._asdict() for cell in self.written],
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, the rows of all models below each other in one: a commit then waits for few files."""
        found: dict[str, list[np.ndarray]] = {"starts": list(self.starts.values())}
        for fit in self.fits:
            for name, values in _own_arrays(fit).items():
                found.setdefault(name, []).append(values)
        strongest = {} if self.strongest is None else {SHARED: self.strongest}
        return strongest | {name: np.concatenate(parts) for name, parts in found.items() if parts}

    def lasting(self) -> dict[str, np.ndarray]:
        """The arrays that stay as they are, by name."""
        return {f"{ENDED}_{number}": H for number, H in enumerate(self.ended_H)}

    @classmethod
    def restore(
        cls, scalars: dict[str, Any], arrays: Mapping[str, np.ndarray], study: Study[C],
        taken_up: Callable[[State, C, Guides], Fit],
    ) -> "StudyState[C]":  # fmt: skip
        """The state that :meth:`scalars`, :meth:`arrays` and :meth:`lasting` described, bit for bit."""
        guides, fits = Guides.restore(dict(arrays)), []
        for entry, named in zip(scalars["wave"], _parts(scalars["wave"], arrays), strict=True):
            own = {name.partition(APART)[0]: values for name, values in named.items()}
            state = State.restore(entry["state"], own | ({SHARED: arrays[SHARED]} if entry[SHARED] else {}))
            fit = taken_up(state, study.cell(entry), guides)
            if fit.held_out is not None:
                fit = replace(fit, held_out=fit.held_out.restored(entry["held_out"], own))
            fits.append(fit)
        cells, done, starts = ([study.cell(entry) for entry in scalars[name]] for name in ("wave", "done", "starts"))
        origins = [own["starts"] for own in _parts(scalars["starts"], arrays)]
        return cls(
            tuple(cells), tuple(fits), tuple(done), dict(zip(starts, origins, strict=True)), scalars["squares"],
            None if scalars["units"] is None else tuple(scalars["units"]), arrays.get(SHARED),
            scalars["passes"], scalars["bytes_read"], Losses.of_json(scalars.get("lost", {})),
            *restore_ended(scalars, arrays, study),
        )  # fmt: skip


def restore_ended(
    scalars: dict[str, Any], arrays: Mapping[str, np.ndarray], study: Study[C]
) -> tuple[dict[C, Ended], tuple[np.ndarray, ...], tuple[C, ...]]:
    """Return what is kept of models that have ended, their H as it was stacked, and which of them were written."""
    entries = scalars.get(ENDED, [])
    stacked = tuple(arrays[f"{ENDED}_{number}"] for number in range(sum(name.startswith(ENDED) for name in arrays)))
    found = _with_H([Ended.from_json(entry) for entry in entries], [entry["components"] for entry in entries], stacked)
    ended = {study.cell(entry): one for entry, one in zip(entries, found, strict=True)}
    return ended, stacked, tuple(study.cell(entry) for entry in scalars.get("written", []))


def _with_H(ended: Sequence[Ended], components: Sequence[int], stacked: Sequence[np.ndarray]) -> list[Ended]:
    """The same with the H of each: so many rows of the stacked arrays, one after the other."""
    found, number, at = [], 0, 0
    for one, count in zip(ended, components, strict=True):
        if count and at == len(stacked[number]):
            number, at = number + 1, 0
        found.append(replace(one, H=stacked[number][at : at + count]) if count else one)
        at += count
    return found


def _own_arrays(fit: Fit) -> dict[str, np.ndarray]:
    """The arrays of a fit but the one that all models share, those of the same width under the same names."""
    own = {name: values for name, values in fit.state.arrays().items() if name != SHARED}
    if fit.held_out is None:
        return own
    return {f"{name}{APART}{fit.held_out.fold.number}": v for name, v in (own | fit.held_out.arrays()).items()}


def _parts(entries: Sequence[dict[str, Any]], arrays: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """The arrays of each entry: so many rows of each as it says, after those of the entries before."""
    found, at = [], Counter[str]()
    for entry in entries:
        rows = {name: slice(at[name], at[name] + count) for name, count in entry["rows"].items()}
        found.append({name: arrays[name][some].copy(order="K") for name, some in rows.items()})
        at.update(entry["rows"])
    return found
