"""A fit from beginning to end: start, pass after pass, commit, finish."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dnmf import checkpoint
from dnmf.advice import WayOn, resume_command
from dnmf.constraints import Guides
from dnmf.cp_model import restored
from dnmf.errors import ChangedError, CheckpointError, ClusterError, InputError
from dnmf.fitting.events import Finished, PassDone, Started, emit
from dnmf.fitting.finish import finish, remove_other_arrays
from dnmf.fitting.fit import Fit
from dnmf.fitting.loop import run_until_last
from dnmf.fitting.state import State
from dnmf.fitting.step import reconsider
from dnmf.fitting.stop import SECONDS
from dnmf.locations import checked_overwrite
from dnmf.model import Model
from dnmf.options import FitOptions
from dnmf.passes.statistics import Statistics
from dnmf.record import (
    PARTS,
    RunRecord,
    changes_of_parts,
    differences,
    has_begun,
    naming,
    other_than,
    refuse_study,
    versions,
)
from dnmf.sources import Source
from dnmf.sources.guard import refuse_to_replace
from dnmf.sources.opening_again import open_again, where_now
from dnmf.sources.unfolded import Unfolding
from dnmf.sources.views import View
from dnmf.starts.begin import begin, fit_from
from dnmf.starts.choose import start_of
from dnmf.workplace import Workplace

log = logging.getLogger("dnmf")
STATE_PREFIX = "state_"  # of the arrays of the state before the last pass, in the generation of a finished run


class Run:
    """One fit: where it runs and where it is committed; its state goes from method to method.

    Parameters
    ----------
    place : Workplace
        Where to run.
    options : FitOptions
        As the caller gave them.
    """

    def __init__(self, place: Workplace, options: FitOptions):
        self.place, self.options = place, options
        self.store: checkpoint.Store | None = None
        self._fingerprint: dict[str, Any] = {}
        self._first_number = 0

    def begin_store(self, store: checkpoint.Store, *, overwrite: bool = False) -> None:
        """Commit to `store` from now on; what is there stands until the start is committed.

        Raises
        ------
        CheckpointError
            As :func:`number_in`.
        """
        self._first_number = number_in(store.path, self.place.source, self.options, overwrite=overwrite)
        self.store, self._fingerprint = store, self.place.source.fingerprint()
        self.place.write_into(store.path)

    def start(self, W: Any, H: Any, guides: Guides) -> Fit:
        """Return the fit before its first pass, committed; what is given is in the engine's orientation."""
        engine, options = self.place.engine, self.place.seen_inside(self.options)
        fit = fit_from(engine, begin(engine, options, W, H, guides), options, guides)
        self.commit(fit)
        reads = fit.state.bytes_read / engine.source_bytes
        emit(self.place.callbacks, Started(start_of(options, engine.plan), reads))
        return fit

    def restore(
        self, store: checkpoint.Store, generation: checkpoint.Generation, record: RunRecord, changed: bool
    ) -> Fit:
        """Return the fit after a committed pass, to go on with; `changed` data is checked and measured anew."""
        prefix = STATE_PREFIX if generation.record["status"] == "done" else ""
        arrays = {name.removeprefix(prefix): values for name, values in generation.arrays.items() if prefix in name}
        self.store, self._fingerprint = store, record.fingerprint
        self.place.write_into(store.path)
        state, guides = State.restore(record.state, arrays), Guides.restore(arrays)
        fit = self._restored(state, guides, record.options, changed)
        self._first_number = generation.number - fit.state.passes
        reads = fit.state.bytes_read / self.place.engine.source_bytes
        begun = Started(self.options.init, reads, fit.state.passes, self.options.restarts, resumed=True)
        emit(self.place.callbacks, begun)
        return fit

    def _restored(self, state: State, guides: Guides, before: FitOptions, changed: bool) -> Fit:
        fit = self.place.taken_up(state, self.options, guides)
        if before != self.options or state.reason == SECONDS:  # seconds count anew
            fit = reconsider(fit)
        return fit.at(fit.state.forgetting_data()) if changed else fit

    def commit(self, fit: Fit) -> None:
        """Put the state on disk, where there is a store."""
        if self.store is not None:
            number, record = self._first_number + fit.state.passes, self._record(fit.state).to_json()
            self.store.commit(number, record, fit.state.arrays(), {**fit.scheme.lasting(), **self.place.lasting})

    def _record(self, state: State) -> RunRecord:
        return self.place.record(self.options, state.scalars(), self._fingerprint)

    def go_on(self, fit: Fit) -> Model:
        """Return the model, after the passes that are left.

        Raises
        ------
        ClusterError
            The workers or the scheduler were lost; the message says how to go on.
        ChangedError
            The data changed meanwhile; the message names what did.
        """
        with saying_how_to_go_on(self.store, self.place):
            return self._go_on(fit)

    def _go_on(self, fit: Fit) -> Model:
        fits = run_until_last(self.place.engine, [fit], self._after_pass)
        stored = ([self.store.path], self.store.refuse_superseded) if self.store else ([],)
        (end,), _ = finish(self.place.engine, fits, *stored)
        model = self.place.model(self.options, end, self.store.path if self.store else None)
        if self.store is not None:
            number, before = self._first_number + end.state.passes, fits[0]
            model = commit_model(self.store, number, model, before, self._record(before.state))
        emit(self.place.callbacks, PassDone(end.state.history[-1], self.store is not None, last=True))
        ended = (model.stop_reason, end.state.passes, model.reads, model.relative_error, model.told)
        best = model.best_seed if self.options.restarts > 1 else None
        emit(self.place.callbacks, Finished(*ended, near=model.reads_within(), best_seed=best))
        return model

    def _after_pass(self, fits: list[Fit], _: Statistics) -> None:
        (fit,) = fits
        self.commit(fit)
        emit(self.place.callbacks, PassDone(fit.state.history[-1], self.store is not None))


def number_in(store: Path, source: Source, options: FitOptions, *, overwrite: bool) -> int:
    """Return the number of the first generation of a new run in a store; one that never finished a pass may be there.

    Raises
    ------
    CheckpointError
        It holds a path, or a run that may not be overwritten; the message says which data and options differ.
    """
    if not checkpoint.exists(store):
        return 0
    latest = checkpoint.read_latest(store)
    refuse_study(latest.record, store, "choose another store, or remove it yourself")
    if not overwrite and has_begun(latest.record):
        with naming(store):
            before = RunRecord.from_json(latest.record).options
        another = other_than(latest.record, source, before.differences(options))
        raise CheckpointError(
            f"{store}: holds a run already{another}. Choose another store, begin anew in its place with overwrite=True "
            f"(--overwrite), or go on with the run that is there: {resume_command(store)} (new limits: "
            "--max-passes, --tol, --max-seconds)"
        )
    return latest.number + 1


def free_store(store: Any, source: Source, *, overwrite: Any) -> Path:
    """Return the absolute path of a directory in which a new run could begin now, whatever run is there already.

    Raises
    ------
    CheckpointError
        It is no store and cannot become one, another process writes it, a model of a path would be overwritten, or
        something that is not dnmf's.
    InputError
        `overwrite` is neither True nor False, or true where `source` is read from what would be overwritten.
    """
    root = checkpoint.refuse_place(store)
    if checked_overwrite(overwrite) and checkpoint.exists(root):
        if checkpoint.exists(root.parent):
            raise CheckpointError(f"{root}: is a part of what {root.parent} holds; choose another store")
        refuse_to_replace(root, source)
        checkpoint.refuse_others(root)
    return root


@contextmanager
def saying_how_to_go_on(
    store: checkpoint.Store | None, place: Workplace, function: str = "dnmf.resume"
) -> Iterator[None]:
    """Add how to go on to errors that leave the last committed pass as it is, where there is a store.

    Parameters
    ----------
    store : Store or None
        What is committed to.
    place : Workplace
        Where the work is done.
    function : str
        That goes on.
    """
    try:
        yield
    except (ClusterError, ChangedError) as error:
        if store is None:
            raise
        way = WayOn(str(store.path), function, place.engine.executor.remote)
        told = type(error)(f"{error}{_how_to_go_on(error, way)}")
        told.way_on = way
        raise told from error


def _how_to_go_on(error: ClusterError | ChangedError, way: WayOn) -> str:
    if isinstance(error, ClusterError):
        return f"; go on with: {way.call}"
    return (
        ". The last committed pass stands: with the data as it was before, its times of change too, go on with "
        f"{way.call}; with force (--force) if it means the same as it is"
    )


def commit_model(store: checkpoint.Store, number: int, model: Model, before: Fit, record: RunRecord) -> Model:
    """Commit a finished model and return it as it is on disk.

    Beside it goes the state before the last pass, which `record` describes: with new limits the run can go on.
    """
    arrays, lasting = (
        {f"{STATE_PREFIX}{name}": values for name, values in part.items()}
        for part in (before.state.arrays(), before.scheme.lasting())
    )
    store.commit(number, {**model.record(), "run": record.to_json()}, {**model.arrays(), **arrays}, lasting)
    remove_other_arrays(store.path, model.W_name, store.refuse_superseded)
    return restored(checkpoint.read_latest(store.path), store.path)


def _refuse_changed(record: RunRecord, source: Source, force: bool) -> bool:
    """Return whether `source` has changed since the run began, which only `force` allows; its shape never may.

    Raises
    ------
    CheckpointError
        It has; the message lists the differences.
    """
    found = changes_of_parts(record.fingerprint, source.fingerprint())
    same_shape = list(source.shape) == list(record.shape) and source.transposed == record.transposed
    if not same_shape or (found and not force):
        advice = "or use force (--force) if you know it is the same" if same_shape else "for data of this shape"
        told = "; ".join(_changed(part, lines, source) for part, lines in found.items())
        raise CheckpointError(f"{told}. Begin a new fit, {advice}")
    for line in differences(record.versions, versions()):
        log.warning("resuming with another version than the fit began with (%s): the bits may differ", line)
    return bool(found)


def _changed(part: str, lines: list[str], source: Source) -> str:
    """What of the data, or of what lies beside it, is another than before, and where it is."""
    where = source.said().get(part)
    address = where["data"] if isinstance(where, dict) else source.address
    told = f"{PARTS[part]} not what the fit began with ({'; '.join(lines)})"
    return told if address is None else f"{address}: {told}"


def reopened(
    record: RunRecord, generation: checkpoint.Generation, store: Path, given: Any, function: str, *, force: bool
) -> tuple[Source, bool]:
    """Return the data of a run to go on with, and whether it has changed, which only `force` allows.

    It has the names and labels that the run was begun with, where others or none were found.

    Parameters
    ----------
    record : RunRecord
        Of the run.
    generation : Generation
        That has the record: what was seen of the data is among its arrays.
    store : pathlib.Path
        Where the run is.
    given : optional
        The data, where the caller gives it again.
    function : str
        Whom to give it to, for the message.
    force : bool
        Go on although it has.

    Raises
    ------
    CheckpointError
        The data was an object, not a path, and was not given again; or it has changed.
    """
    address = _stored_address(record, store, function) if given is None else given
    try:
        view = View.restore(generation.arrays)
        axes = Unfolding.from_json(record.unfolding)
        source = open_again(address, record.missing_chunks, record.observed, view, axes)
    except InputError as error:
        hint = "" if given is not None else where_now(record.observed)
        raise InputError(f"{error}{hint}") from error
    changed = _refuse_changed(record, source, force)
    return _with_saved_names(source, generation, axes), changed


def _stored_address(record: RunRecord, store: Path, function: str) -> str:
    if record.fingerprint.get("kind") == "dask" or "crc32c" in record.fingerprint:
        raise CheckpointError(
            f"{store}: the data was not read from a path ({record.address}); give it again: "
            f"{function}({str(store)!r}, source=…)"
        )
    return record.address


def _with_saved_names(source: Source, generation: checkpoint.Generation, axes: Unfolding | None) -> Source:
    saved = (generation.texts[name]() if name in generation.texts else None for name in ("row_names", "column_names"))
    named = source.with_names(*saved)
    if named.unfolding and axes:
        named.unfolding = named.unfolding.with_labels_of(axes)
    return named
