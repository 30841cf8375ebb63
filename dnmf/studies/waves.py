"""A study from beginning to end: wave after wave of models that share every read."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic

import numpy as np

from dnmf import checkpoint
from dnmf.api import load
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
from dnmf.schemes.held_out import HeldOut, held_out
from dnmf.schemes.normalized import normalize_rows
from dnmf.schemes.of_options import in_units, last_resort, scheme_of, wants_units
from dnmf.schemes.scheme import Scheme
from dnmf.sources.given import in_memory, matrix_of
from dnmf.starts.begin import begin, fit_from
from dnmf.starts.choose import start_of
from dnmf.starts.lambda_max import find_lambda_max
from dnmf.starts.shared import SharedStarts
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
        self._starts: SharedStarts | None = None

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
        state = StudyState.restore(record, generation.arrays, study, self._taken_up)
        self.state = state.of_at_most(study.count_together(state.cells, self.place.models_per_pass))
        if changed:
            self.state = self.state.forgetting_data()
        emit(self.place.callbacks, Started(self.study.fit.init, self.reads, self.state.passes, resumed=True))

    @property
    def written(self) -> Sequence[C]:
        """The models of which W is there, once all is done."""
        return self.study.cells if self.study.writes_all else self.state.written

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
            while self.state.cells or (cells := self.study.next_wave(self.state.done, self.place.models_per_pass)):
                if not self.state.cells:
                    self._begin_wave(cells)
                fits = run_until_last(self.place.engine, self.state.fits, self._after_pass)
                if self.study.writes_all:
                    self._end_wave(fits)
                else:
                    self.state = self.state.after_end()
                    self.commit()
            self._write_chosen()

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

    def _begin_wave(self, cells: Sequence[C]) -> None:
        first = not self.state.done
        if any(wants_units(self.study.options_of(cell)) for cell in cells):
            self._find_units()
        fits = tuple(self._begin(cell) for cell in cells)
        self.state = replace(self.state, cells=tuple(cells), fits=fits)
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

    def _begin(self, cell: C) -> Fit:
        engine, asked, units, resort = self.place.engine, self._inside(cell), UNKNOWN_UNITS, None
        if wants_units(asked):
            units = self.state.units or UNKNOWN_UNITS
            resort = None if self.state.strongest is None else last_resort(asked, self.state.strongest)
        options, origin = in_units(asked, units), self.study.origin(cell)
        if not self.study.writes_all:
            return self._begin_apart(cell, options)
        if origin is None:
            start = self.place.checked_start(None, self.given, self.study.options_of(cell))
            begun = begin(engine, options, *start, self.guides)
            self.state = replace(self.state, bytes_read=self.state.bytes_read + begun.bytes_read)
        else:
            rows = self._rows_for(options) if scheme_of(options, engine.facts).needs_rows else None
            begun = start_from_H(engine, self.state.starts[origin], options, self.guides, rows)
        begun = self._with_what_is_known(begun)._replace(units=units, strongest=resort)
        return fit_from(engine, begun, options, self.guides)

    def _begin_apart(self, cell: C, options: FitOptions) -> Fit:
        """A model of many that begin on the same rows, and see all of the data or not."""
        engine = self.place.engine
        if self._starts is None:
            self._starts = SharedStarts(engine, self._shared_start)
        held = self._held_out(cell, scheme_of(options, engine.facts, self.guides))
        begun = self._starts.begin(options, self.guides, held)
        self.state = replace(self.state, bytes_read=self.state.bytes_read + begun.bytes_read)
        return replace(fit_from(engine, begun, options, self.guides), held_out=held)

    @property
    def _shared_start(self) -> FitOptions:
        """What the rows are drawn for that all models begin on."""
        units = self.state.units or UNKNOWN_UNITS
        return in_units(self.place.seen_inside(self.study.fit), units)

    def _held_out(self, cell: C, scheme: Scheme) -> HeldOut | None:
        fold, engine = self.study.fold_of(cell), self.place.engine
        if fold is None:
            return None
        return held_out(scheme, fold, engine.source.shape[1], engine.facts)

    def _taken_up(self, state: State, cell: C, guides: Guides) -> Fit:
        fit = self.place.taken_up(state, self.study.options_of(cell), guides)
        return replace(fit, held_out=self._held_out(cell, fit.scheme))

    def _with_what_is_known(self, begun: Initial) -> Initial:
        return begun if self.state.squares < 0 else begun._replace(squares=self.state.squares)

    def _after_pass(self, fits: list[Fit], statistics: Statistics) -> None:
        were = [fit.state.passes for fit in self.state.fits]
        moved = [fit for fit, passes in zip(fits, were, strict=True) if fit.state.passes > passes]
        lost = moved[0].state.history[-1].lost
        self.state = self.state.after_pass(fits, statistics.bytes_read, lost)
        self.commit()
        self._tell(moved)

    def _tell(self, served: list[Fit]) -> None:
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
        ends, bytes_read = self._written(cells, fits)
        ended = [replace(fit, state=end.state) for fit, end in zip(fits, ends, strict=True)]
        found = {cell: carried(end) for cell, end in zip(cells, ends, strict=True)}
        lost = ends[0].state.history[-1].lost
        self.state = self.state.after_pass(ended, bytes_read, lost).after_wave(self.study, found)
        self.commit()
        self._tell(ended)

    def _written(self, cells: Sequence[C], fits: Sequence[Fit]) -> tuple[list[FinishedFit], int]:
        """The ends of fits, their W written or kept, and the bytes that were read."""
        folders = self._emptied_folders(cells)
        stored = (folders, self.store.refuse_superseded) if self.store else (folders,)
        ends, bytes_read = finish(self.place.engine, fits, *stored)
        for number, (cell, fit, end) in enumerate(zip(cells, fits, ends, strict=True)):
            self._take(cell, fit, end, folders[number] if folders else None)
        return ends, bytes_read

    def _write_chosen(self) -> None:
        """Write the models that are, where not all are, as many in a pass as it can serve."""
        if self.study.writes_all:
            return
        chosen = [cell for cell in self.study.chosen(self.state.ended) if cell not in self.state.written]
        while chosen:
            cells = chosen[: self.study.count_together(chosen, self.place.models_per_pass)]
            chosen = chosen[len(cells) :]
            self._write(
                cells, [self._taken_up(self.state.ended[cell].before_last, cell, self.guides) for cell in cells]
            )

    def _write(self, cells: Sequence[C], fits: Sequence[Fit]) -> None:
        """Write models whose next pass is the last one, and commit that they are."""
        ends, bytes_read = self._written(cells, fits)
        self.state = self.state.after_writing(cells, bytes_read, ends[0].state.history[-1].lost)
        self.commit()

    def fitted_from(self, cell: C, H: np.ndarray) -> Model:
        """Return, and write, the model of a cell that begins with an H (k, n) that was made of what others came to."""
        if cell in self.state.written:
            return self.models[cell] if self.store is None else load(self.store.path / folder_of(cell))
        engine, options = self.place.engine, self._inside(cell)
        options = in_units(options, self.state.units or UNKNOWN_UNITS)
        begun = self._with_what_is_known(start_from_H(engine, H, options, self.guides))
        fits = run_until_last(engine, [fit_from(engine, begun, options, self.guides)], self._count)
        self._write([cell], fits)
        return self.models[cell] if self.store is None else load(self.store.path / folder_of(cell))

    def _count(self, fits: list[Fit], statistics: Statistics) -> None:
        """Note a pass that will be made again where it is stopped: a few of them lead from H to a model."""
        state, lost = self.state, fits[0].state.history[-1].lost
        self.state = replace(
            state, passes=state.passes + 1, bytes_read=state.bytes_read + statistics.bytes_read,
            lost=state.lost.beside(lost),
        )  # fmt: skip

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
