"""A path from beginning to end: wave after wave of models that share every read."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dnmf import checkpoint
from dnmf.constraints import NO_GUIDES, Guides
from dnmf.errors import CheckpointError
from dnmf.fitting.events import PathPassDone, Started, emit
from dnmf.fitting.finish import Ended, finish
from dnmf.fitting.loop import Fit, run_until_last
from dnmf.fitting.state import Begun
from dnmf.model import Model
from dnmf.ongoing import Ongoing
from dnmf.options import FitOptions
from dnmf.passes.statistics import Statistics
from dnmf.paths.grid import Cell, PathOptions
from dnmf.paths.state import PathState
from dnmf.plain import dense
from dnmf.record import PATH, other_than
from dnmf.run import commit_model, saying_how_to_go_on
from dnmf.schemes.normalized import normalize_rows
from dnmf.schemes.of_options import in_units, last_resort, scheme_of, wants_units
from dnmf.sources import Source
from dnmf.sources.given import in_memory, matrix_of
from dnmf.starts.begin import begin, fit_from
from dnmf.starts.choose import start_of
from dnmf.starts.start import FewRows, few_rows, start_from_H
from dnmf.starts.strongest import strongest
from dnmf.workplace import Workplace

UNKNOWN_UNITS = (1.0, 1.0)


class PathRun:
    """The models of a path: where they run and where they are committed.

    Parameters
    ----------
    place : Workplace
        Where to run.
    options : PathOptions
        What is asked for.
    given : array (k, n), optional
        The H that every seed begins with.
    guides : Guides
        The arrays of the constraints.

    Attributes
    ----------
    state : PathState
        How far the path is.
    models : dict of Cell to Model
        Those that are finished, where there is no store.
    """

    def __init__(self, place: Workplace, options: PathOptions, given: Any = None, guides: Guides = NO_GUIDES):
        self.place, self.options, self.guides = place, options, guides
        self.given = None if given is None else np.asarray(dense(in_memory("H", matrix_of(given)), "H"))
        self.state, self.models = PathState(), dict[Cell, Model]()
        self.store: checkpoint.Store | None = None
        self._fingerprint: dict[str, Any] = {}
        self._number = 0
        self._few_rows: dict[int, FewRows] = {}

    def begin_store(self, store: checkpoint.Store, *, overwrite: bool = False) -> None:
        """Commit to `store` from now on; what is there stands until the start is committed.

        Raises
        ------
        CheckpointError
            As :func:`number_in`.
        """
        self._number = number_in(store.path, self.place.source, self.options, overwrite=overwrite)
        self.store, self._fingerprint = store, self.place.source.fingerprint()
        self.place.listen(Ongoing(store.path))

    def restore(
        self, store: checkpoint.Store, generation: checkpoint.Generation, fingerprint: dict[str, Any], changed: bool
    ) -> None:
        """Take up the path where it was committed; `changed` data is checked and measured anew."""
        self.store, self._fingerprint, self._number = store, fingerprint, generation.number + 1
        self.place.listen(Ongoing(store.path))
        self.given = generation.arrays.get("given")
        self.guides = Guides.restore(generation.arrays)
        state = PathState.restore(generation.record["state"], generation.arrays, self._inside)
        self.state = state.of_at_most(self.place.crowd)
        if changed:
            self.state = self.state.forgetting_data()
        emit(self.place.callbacks, Started(self.options.fit.init, self.reads, self.state.passes))

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
        with saying_how_to_go_on(self.store):
            while self.state.cells or (cells := self.options.next_wave(self.state.done, self.place.crowd)):
                if not self.state.cells:
                    self._begin_wave(cells)
                self._end_wave(run_until_last(self.place.engine, self.state.fits, self._after_pass))

    def commit(self, **more: Any) -> None:
        """Put the state on disk, where there is a store."""
        if self.store is None:
            return
        record = {
            "kind": PATH, "status": "running", "path": self.options.to_json(), "reads": self.reads,
            "run": self.place.record(self.options.fit, {}, self._fingerprint).to_json(), "state": self.state.scalars(),
            **more,
        }  # fmt: skip
        given = {} if self.given is None else {"given": self.given}
        lasting = {**given, **self.guides.arrays(), **self.place.given_names}
        self.store.commit(self._number, record, self.state.arrays(), lasting)
        self._number += 1

    def _inside(self, cell: Cell) -> FitOptions:
        return self.place.seen_inside(self.options.of(cell))

    def _begin_wave(self, cells: list[Cell]) -> None:
        first = not self.state.done
        if any(cell.strength for cell in cells):
            self._find_units()
        fits = tuple(self._begin(cell) for cell in cells)
        self.state = replace(self.state, cells=tuple(cells), fits=fits)
        self.commit()
        if first:
            how = start_of(self.options.fit, self.place.engine.plan) if self.given is None else "given"
            emit(self.place.callbacks, Started(how, self.reads))

    def _find_units(self) -> None:
        """Find what fractions are fractions of, once for all strengths and seeds."""
        if not wants_units(self.options.fit) or self.state.units is not None:
            return
        engine, options = self.place.engine, self.place.seen_inside(self.options.fit)
        rows = self._rows_for(options)
        found = strongest(rows.engine, engine, options)
        self.state = replace(
            self.state, units=found.units, strongest=found.h, squares=found.squares,
            bytes_read=self.state.bytes_read + found.bytes_read,
        )  # fmt: skip

    def _rows_for(self, options: FitOptions) -> FewRows:
        """The few rows that the scale of a start is found on: read once for all strengths of a seed."""
        if options.seed not in self._few_rows:
            found = self._few_rows[options.seed] = few_rows(self.place.engine, options)
            self.state = replace(self.state, bytes_read=self.state.bytes_read + found.bytes_read)
        return self._few_rows[options.seed]

    def _begin(self, cell: Cell) -> Fit:
        engine, units, asked = self.place.engine, self.state.units or UNKNOWN_UNITS, self._inside(cell)
        options, resort = in_units(asked, units), self.state.strongest
        resort = None if resort is None else last_resort(asked, resort)
        H = self.state.starts.get(cell.seed)
        if H is None:
            start = self.place.checked_start(None, self.given, self.options.fit)
            begun = begin(engine, options, *start, self.guides)
            self.state = replace(self.state, bytes_read=self.state.bytes_read + begun.bytes_read)
        else:
            rows = self._rows_for(options) if scheme_of(options).needs_rows else None
            begun = start_from_H(engine, H, options, self.guides, rows)
        return fit_from(self._with_what_is_known(begun)._replace(units=units, strongest=resort), options, self.guides)

    def _with_what_is_known(self, begun: Begun) -> Begun:
        return begun if self.state.squares < 0 else begun._replace(squares=self.state.squares)

    def _after_pass(self, fits: list[Fit], statistics: Statistics) -> None:
        were = [fit.state.passes for fit in self.state.fits]
        moved = [fit for fit, passes in zip(fits, were, strict=True) if fit.state.passes > passes]
        self.state = self.state.after_pass(fits, statistics.bytes_read)
        self.commit()
        self._tell(moved)

    def _tell(self, served: list[Fit]) -> None:
        state, seconds = self.state, max(fit.state.history[-1].seconds for fit in served)
        emit(
            self.place.callbacks,
            PathPassDone(state.passes, len(served), len(state.done), len(self.options.cells), self.reads, seconds,
                         self.store is not None),
        )  # fmt: skip

    def _end_wave(self, fits: list[Fit]) -> None:
        """Write the W of all models of a wave in one pass; stopped half-way, all of it is done again."""
        cells, folders = self.state.cells, self._emptied_folders()
        ends, bytes_read = finish(self.place.engine, fits, folders)
        for number, (cell, fit, end) in enumerate(zip(cells, fits, ends, strict=True)):
            self._take(cell, fit, end, folders[number] if folders else None)
        ended = [replace(fit, state=end.state) for fit, end in zip(fits, ends, strict=True)]
        state = self.state.after_pass(ended, bytes_read)
        found = {cell.seed: carried(end) for cell, end in zip(cells, ends, strict=True) if self.options.leads_on(cell)}
        starts = {**state.starts, **found}
        self.state = replace(state, cells=(), fits=(), done=(*state.done, *cells), starts=starts)
        self.commit()
        self._tell(ended)

    def _take(self, cell: Cell, before: Fit, end: Ended, folder: Path | None) -> None:
        """Commit a finished model to its store, or keep it."""
        options = self.options.of(cell)
        model = self.place.model(options, end, folder)
        if folder is None:
            self.models[cell] = model
            return
        record = self.place.record(options, before.state.scalars(), self._fingerprint)
        with checkpoint.Store(folder) as store:
            commit_model(store, end.state.passes, model, before, record)

    def _emptied_folders(self) -> list[Path]:
        """New stores for the models of the wave, none of them open: there may be more than files may be."""
        folders = [] if self.store is None else [self.store.path / cell.folder for cell in self.state.cells]
        for folder in folders:
            if folder.is_dir():
                checkpoint.refuse_others(folder, wholly=True)
            shutil.rmtree(folder, ignore_errors=True)
            checkpoint.Store(folder).close()
        return folders


def number_in(store: Path, source: Source, options: PathOptions, *, overwrite: bool) -> int:
    """Return the number of the first generation of a new path in a store; one that never finished a pass may be there.

    Raises
    ------
    CheckpointError
        It holds a single run, or a path that may not be overwritten; the message says which data and options differ.
    """
    if not checkpoint.exists(store):
        return 0
    latest = checkpoint.read_latest(store)
    record = latest.record
    if record.get("kind") != PATH:
        raise CheckpointError(f"{store}: holds a single run; choose another store, or remove it yourself")
    if not overwrite and (record["status"] == "done" or record["state"]["passes"]):
        another = other_than(record, source, PathOptions.from_json(record["path"]).differences(options))
        raise CheckpointError(
            f"{store}: holds a path already{another}. Choose another store, begin anew in its place with "
            f"overwrite=True (--overwrite), or go on with the path that is there: dnmf resume {store}"
        )
    return latest.number + 1


def carried(end: Ended) -> np.ndarray:
    """Return the H (k, n) that a fit was ended with, its scale included: to the bit what its model gives a caller."""
    H, scale = normalize_rows(end.factor[end.order])
    return scale[:, None] * H
