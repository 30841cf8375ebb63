"""A study that compares its models: all are fitted to before their last pass, and only some are written."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dnmf.api import load
from dnmf.constraints import Guides
from dnmf.fitting.fit import Fit
from dnmf.fitting.loop import pass_for_running, run_until_last, seeing
from dnmf.fitting.state import State
from dnmf.model import Model
from dnmf.options import FitOptions
from dnmf.passes.statistics import Statistics
from dnmf.record import STEP_FROM_MEDIANS
from dnmf.schemes.held_out import HeldOut, held_out
from dnmf.schemes.of_options import in_units, scheme_of
from dnmf.schemes.scheme import Scheme
from dnmf.starts.begin import fit_from
from dnmf.starts.shared import SharedStarts
from dnmf.starts.start import start_from_H
from dnmf.studies.study import C, folder_of
from dnmf.studies.waves import UNKNOWN_UNITS, StudyRun


class ComparedRun(StudyRun[C]):
    """The models of such a study: they begin on the same rows, and when some have ended others begin in their place."""

    def __init__(self, *where: Any, **given: Any):
        super().__init__(*where, **given)
        self._starts: SharedStarts | None = None

    @property
    def written(self) -> Sequence[C]:
        """The models of which W is there."""
        return self.state.written

    def fit_all(self) -> None:
        """Fit all models, and write those that are chosen."""
        self._fill()
        while self.state.cells:
            fits, statistics = pass_for_running(self.place.engine, self.state.fits)
            served = self.note(fits, statistics)
            if all(fit.state.reason for fit in fits) or self._waiting():
                self.state = self.state.without_ended()
                self._fill()
            del fits, statistics  # sums of all models: the next pass makes its own beside no others
            self.commit()
            self.tell(served)
        self._write_chosen()

    def _waiting(self) -> list[C]:
        """The models that have not begun."""
        begun = {*self.state.done, *self.state.cells}
        return [cell for cell in self.study.cells if cell not in begun]

    def _fill(self) -> None:
        """Begin as many models as a pass can serve beside those that are running."""
        running, waiting = self.state.cells, self._waiting()
        count = self.study.count_together([*running, *waiting], self.place.models_per_pass) - len(running)
        if waiting and count > 0:
            self.begin_wave(waiting[:count])

    def begin(self, cell: C) -> Fit:
        """A model that begins on the rows that all do, and sees all of the data or not."""
        engine, options = self.place.engine, self._options_of(cell)
        if self._starts is None:
            self._starts = SharedStarts(engine, self._in_known_units(self.study.fit))
        held = self._held_out(cell, scheme_of(options, engine.facts, self.guides))
        begun = self._starts.begin(options, self.guides, held)._replace(units=self._units)
        self.state = replace(self.state, bytes_read=self.state.bytes_read + begun.bytes_read)
        return replace(fit_from(seeing(engine, held), begun, options, self.guides), held_out=held)

    @property
    def _units(self) -> tuple[float, float]:
        return self.state.units or UNKNOWN_UNITS

    def _in_known_units(self, options: FitOptions) -> FitOptions:
        return in_units(self.place.seen_inside(options), self._units)

    def _options_of(self, cell: C) -> FitOptions:
        return self._in_known_units(self.study.options_of(cell))

    def _held_out(self, cell: C, scheme: Scheme) -> HeldOut | None:
        fold, engine = self.study.fold_of(cell), self.place.engine
        if fold is None:
            return None
        return held_out(scheme, fold, engine.source.shape[1], engine.facts)

    def taken_up(self, state: State, cell: C, guides: Guides) -> Fit:
        """A model in a state of its way, and what is held out of it."""
        options, engine = self._options_of(cell), self.place.engine
        held = self._held_out(cell, scheme_of(options, engine.facts, guides))
        return self.place.taken_up(state, self.study.options_of(cell), guides, held)

    def _write_chosen(self) -> None:
        chosen = [cell for cell in self.study.chosen(self.state.ended) if cell not in self.state.written]
        while chosen:
            cells = chosen[: self.study.count_together(chosen, self.place.models_per_pass)]
            chosen = chosen[len(cells) :]
            self._write(cells, [self.taken_up(self.state.ended[cell].before_last, cell, self.guides) for cell in cells])

    def _write(self, cells: Sequence[C], fits: Sequence[Fit]) -> None:
        """Write models whose next pass is the last one, and commit that they are."""
        ends, bytes_read = self.write(cells, fits)
        self.state = self.state.after_writing(cells, bytes_read, ends[0].state.history[-1].lost)
        self.commit()

    def fitted_from(self, cell: C, H: np.ndarray) -> Model:
        """Return, and write, the model of a cell that begins with an H (k, n) that was made of what others came to."""
        if cell not in self.state.written:
            engine, options = self.place.engine, self._options_of(cell)
            begun = start_from_H(engine, H, options, self.guides)._replace(units=self._units)
            fit = fit_from(engine, self.with_what_is_known(begun), options, self.guides)
            (fit,) = run_until_last(engine, [fit], self._count)
            self._write([cell], [replace(fit, state=replace(fit.state, reason=STEP_FROM_MEDIANS))])
        return self.models[cell] if self.store is None else load(self.store.path / folder_of(cell))

    def _count(self, fits: list[Fit], statistics: Statistics) -> None:
        """Note a pass that will be made again where it is stopped: a few of them lead from H to a model."""
        state, lost = self.state, fits[0].state.history[-1].lost
        self.state = replace(
            state, passes=state.passes + 1, bytes_read=state.bytes_read + statistics.bytes_read,
            lost=state.lost.beside(lost),
        )  # fmt: skip
