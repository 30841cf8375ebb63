"""A study from beginning to end: wave after wave of models that share every read."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic

import numpy as np

from dnmf import checkpoint
from dnmf.constraints import NO_GUIDES, Guides
from dnmf.fitting.events import Started, emit
from dnmf.fitting.finish import FinishedFit, finish
from dnmf.fitting.fit import Fit
from dnmf.fitting.loop import run_until_last
from dnmf.fitting.state import Initial, State
from dnmf.model import Model
from dnmf.options import FitOptions
from dnmf.passes.statistics import Statistics
from dnmf.places import remove_tree
from dnmf.plain import dense
from dnmf.run import commit_model, saying_how_to_go_on
from dnmf.schemes.normalized import normalize_rows
from dnmf.schemes.of_options import in_units, last_resort, scheme_of, wants_units
from dnmf.sources.given import in_memory, matrix_of
from dnmf.starts.begin import begin, fit_from
from dnmf.starts.choose import start_of
from dnmf.starts.lambda_max import find_lambda_max
from dnmf.starts.start import FewRows, few_rows, start_from_H
from dnmf.studies.state import StudyState
from dnmf.studies.study import C, Study, folder_of
from dnmf.workplace import Workplace

UNKNOWN_UNITS = (1.0, 1.0)
NO_ARRAYS: Mapping[str, np.ndarray] = {}


class StudyRun(Generic[C]):
    """The models of a study: where they run and where they are committed.

    Parameters
    ----------
    place : Workplace
        Where to run.
    study : Study
        What is asked for.
    given : array (k, n), optional
        The H of every model that starts from no other one.
    guides : Guides
        The arrays of the constraints.

    Attributes
    ----------
    state : StudyState
        How far the study is.
    models : dict of cell to Model
        Those that are finished, where there is no store.
    """

    def __init__(self, place: Workplace, study: Study[C], given: Any = None, guides: Guides = NO_GUIDES):
        self.place, self.study, self.guides = place, study, guides
        self.given = None if given is None else np.asarray(dense(in_memory("H", matrix_of(given)), "H"))
        self.state, self.models = StudyState[C](), dict[C, Model]()
        self.store: checkpoint.Store | None = None
        self._fingerprint: dict[str, Any] = {}
        self._number = 0
        self._few_rows: dict[tuple[int, int], FewRows] = {}

    def begin_store(self, store: checkpoint.Store, number: int) -> None:
        """Commit to `store` from now on, this generation first; what is there stands until the start is committed."""
        self._number = number
        self.store, self._fingerprint = store, self.place.source.fingerprint()
        self.place.write_into(store.path)

    def restore(
        self, store: checkpoint.Store, generation: checkpoint.Generation, fingerprint: dict[str, Any], changed: bool
    ) -> None:
        """Take up the study where it was committed; `changed` data is checked and measured anew."""
        self.store, self._fingerprint, self._number = store, fingerprint, generation.number + 1
        self.place.write_into(store.path)
        self.given = generation.arrays.get("given")
        self.guides = Guides.restore(generation.arrays)
        record, study = generation.record["state"], self.study
        state = StudyState.restore(record, generation.arrays, study, self.taken_up)
        self.state = state.of_at_most(study.count_together(state.cells, self.place.models_per_pass))
        if changed:
            self.state = self.state.forgetting_data()
        emit(self.place.callbacks, Started(self.study.fit.init, self.reads, self.state.passes, resumed=True))

    @property
    def written(self) -> Sequence[C]:
        """The models of which W is there, once all is done."""
        return self.study.cells

    @property
    def reads(self) -> float:
        """Of the data so far, in multiples of its size."""
        return self.state.bytes_read / self.place.engine.source_bytes

    def go_on(self) -> None:
        """Fit what is left.

        Raises
        ------
        ClusterError
            The workers or the scheduler were lost; the message says how to go on.
        ChangedError
            The data changed meanwhile; the message names what did.
        """
        with saying_how_to_go_on(self.store, self.place, f"dnmf.resume_{self.study.kind}"):
            self.fit_all()

    def fit_all(self) -> None:
        """Fit all models, wave after wave, each of which ends with a pass that writes their W."""
        while self.state.cells or (cells := self.study.next_wave(self.state.done, self.place.models_per_pass)):
            if not self.state.cells:
                self.begin_wave(cells)
            self._end_wave(run_until_last(self.place.engine, self.state.fits, self._after_pass))

    def commit(self, arrays: Mapping[str, np.ndarray] = NO_ARRAYS, **more: Any) -> None:
        """Put the state on disk, where there is a store, with more in its record and beside it."""
        if self.store is None:
            return
        record = {
            "kind": self.study.kind, "status": "running", self.study.kind: self.study.to_json(), "reads": self.reads,
            "run": self.place.record(self.study.fit, {}, self._fingerprint).to_json(), "state": self.state.scalars(),
            **more,
        }  # fmt: skip
        given = {} if self.given is None else {"given": self.given}
        lasting = {**given, **self.guides.arrays(), **self.place.lasting, **self.state.lasting()}
        self.store.commit(self._number, record, {**self.state.arrays(), **arrays}, lasting)
        self._number += 1

    def _inside(self, cell: C) -> FitOptions:
        return self.place.seen_inside(self.study.options_of(cell))

    def begin_wave(self, cells: Sequence[C]) -> None:
        """Begin models, beside those that are running."""
        first = not (self.state.done or self.state.cells)
        if any(wants_units(self.study.options_of(cell)) for cell in cells):
            self._find_units()
        begun = {cell: self.begin(cell) for cell in cells}  # which notes what it reads
        self.state = self.state.beside(begun)
        self.commit()
        if first:
            how = start_of(self.study.fit, self.place.engine.plan) if self.given is None else "given"
            emit(self.place.callbacks, Started(how, self.reads))

    def _find_units(self) -> None:
        """Find what fractions are fractions of, once for all models."""
        if self.state.units is not None:
            return
        engine, options = self.place.engine, self.place.seen_inside(self.study.fit)
        rows = self._rows_for(options)
        found = find_lambda_max(rows.engine, engine, options)
        self.state = replace(
            self.state, units=found.units, strongest=found.h, squares=found.squares,
            bytes_read=self.state.bytes_read + found.bytes_read,
        )  # fmt: skip

    def _rows_for(self, options: FitOptions) -> FewRows:
        """The few rows that the scale of a start is found on: read once for all models of a rank and a seed."""
        of = options.rank, options.seed
        if of not in self._few_rows:
            found = self._few_rows[of] = few_rows(self.place.engine, options)
            self.state = replace(self.state, bytes_read=self.state.bytes_read + found.bytes_read)
        return self._few_rows[of]

    def begin(self, cell: C) -> Fit:
        """Return a model before its first pass."""
        engine, asked, units, resort = self.place.engine, self._inside(cell), UNKNOWN_UNITS, None
        if wants_units(asked):
            units = self.state.units or UNKNOWN_UNITS
            resort = None if self.state.strongest is None else last_resort(asked, self.state.strongest)
        options, origin = in_units(asked, units), self.study.origin(cell)
        if origin is None:
            start = self.place.checked_start(None, self.given, self.study.options_of(cell))
            begun = begin(engine, options, *start, self.guides)
            self.state = replace(self.state, bytes_read=self.state.bytes_read + begun.bytes_read)
        else:
            rows = self._rows_for(options) if scheme_of(options, engine.facts).needs_rows else None
            begun = start_from_H(engine, self.state.starts[origin], options, self.guides, rows)
        begun = self.with_what_is_known(begun)._replace(units=units, strongest=resort)
        return fit_from(engine, begun, options, self.guides)

    def with_what_is_known(self, begun: Initial) -> Initial:
        """Return a start with what earlier passes have found out about the data."""
        return begun if self.state.squares < 0 else begun._replace(squares=self.state.squares)

    def _after_pass(self, fits: list[Fit], statistics: Statistics) -> None:
        moved = self.note(fits, statistics)
        self.commit()
        self.tell(moved)

    def taken_up(self, state: State, cell: C, guides: Guides) -> Fit:
        """Return a model in a state of its way."""
        return self.place.taken_up(state, self.study.options_of(cell), guides)

    def note(self, fits: list[Fit], statistics: Statistics) -> list[Fit]:
        """Note where fits are after a pass, and return those that it served."""
        were = [fit.state.passes for fit in self.state.fits]
        moved = [fit for fit, passes in zip(fits, were, strict=True) if fit.state.passes > passes]
        lost = moved[0].state.history[-1].lost
        self.state = self.state.after_pass(fits, statistics.bytes_read, lost)
        return moved

    def tell(self, served: list[Fit]) -> None:
        """Tell of a pass that served some models."""
        state, seconds = self.state, max(fit.state.history[-1].seconds for fit in served)
        waiting = 0 if self.study.writes_all else sum(bool(fit.state.reason) for fit in state.fits)
        done = len(state.done) + waiting
        emit(
            self.place.callbacks,
            self.study.passed(state.passes, len(served), done, len(self.study.cells), self.reads, seconds,
                              self.store is not None),
        )  # fmt: skip

    def _end_wave(self, fits: list[Fit]) -> None:
        """Write the W of all models of a wave in one pass; stopped half-way, all of it is done again."""
        cells = self.state.cells
        ends, bytes_read = self.write(cells, fits)
        ended = [replace(fit, state=end.state) for fit, end in zip(fits, ends, strict=True)]
        found = {cell: carried(end) for cell, end in zip(cells, ends, strict=True)}
        lost = ends[0].state.history[-1].lost
        self.state = self.state.after_pass(ended, bytes_read, lost).after_wave(self.study, found)
        self.commit()
        self.tell(ended)

    def write(self, cells: Sequence[C], fits: Sequence[Fit]) -> tuple[list[FinishedFit], int]:
        """Return the ends of fits, their W written or kept, and the bytes that were read."""
        folders = self._emptied_folders(cells)
        stored = (folders, self.store.refuse_superseded) if self.store else (folders,)
        ends, bytes_read = finish(self.place.engine, fits, *stored)
        for number, (cell, fit, end) in enumerate(zip(cells, fits, ends, strict=True)):
            self._take(cell, fit, end, folders[number] if folders else None)
        return ends, bytes_read

    def _take(self, cell: C, before: Fit, end: FinishedFit, folder: Path | None) -> None:
        """Commit a finished model to its store, or keep it."""
        options = self.study.options_of(cell)
        model = self.place.model(options, end, folder)
        if folder is None:
            self.models[cell] = model
            return
        record = self.place.record(options, before.state.scalars(), self._fingerprint)
        with checkpoint.Store(folder) as store:
            commit_model(store, end.state.passes, model, before, record)

    def _emptied_folders(self, cells: Sequence[C]) -> list[Path]:
        """New stores for these models, none of them open: there may be more than files may be."""
        if self.store is None:
            return []
        self.store.refuse_superseded()
        folders = [self.store.path / folder_of(cell) for cell in cells]
        for folder in folders:
            if folder.is_dir():
                checkpoint.refuse_others(folder, wholly=True)
            remove_tree(folder)
            checkpoint.Store(folder).close()
        return folders


def carried(end: FinishedFit) -> np.ndarray:
    """Return the H (k, n) that a fit was ended with, its scale included: to the bit what its model gives a caller."""
    H, scale = normalize_rows(end.factor[end.order])
    return scale[:, None] * H
