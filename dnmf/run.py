"""A fit from beginning to end: plan, start, pass after pass, commit, finish."""

import logging
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dnmf import checkpoint
from dnmf.constraints import Constraints, Guides
from dnmf.errors import BudgetError, CheckpointError, ClusterError, InputError
from dnmf.fitting.choose import plan_with_start, start_of
from dnmf.fitting.events import Callback, Finished, PassDone, Planned, Started, emit
from dnmf.fitting.finish import Factors, last_pass, remove_other_arrays
from dnmf.fitting.loop import Engine, run_until_last
from dnmf.fitting.start import in_units, start_at_random, start_from_H, start_from_sample, start_from_W
from dnmf.fitting.state import State
from dnmf.fitting.step import first_state, reconsider
from dnmf.fitting.surrogate import start_from_surrogate
from dnmf.memory import Machine
from dnmf.model import Model
from dnmf.options import FitOptions, format_bytes
from dnmf.passes.blas import one_blas_thread
from dnmf.passes.choose import choose_executor
from dnmf.passes.executor import Executor
from dnmf.plan import Plan, keeping
from dnmf.record import RunRecord, differences, versions
from dnmf.sources import Source
from dnmf.sources.kept import Keep

log = logging.getLogger("dnmf")
MOST_GATHERED_BYTES = 256 * 2**20
KEEP_POLICIES = ("auto", "memory", "stream")
STATE_PREFIX = "state_"  # of the arrays of the state before the last pass, in the generation of a finished run


@dataclass(frozen=True)
class Resources:
    """Where a fit runs and who listens; nothing here changes its result.

    Attributes
    ----------
    client : distributed.Client, str or None
        See :func:`dnmf.fit`.
    memory_bytes : int or None
        Limit of one worker.
    keep : {"auto", "memory", "stream"}
        Whether data is kept in memory between passes; see :func:`dnmf.fit`.
    callbacks : tuple
        Each is handed every event.
    """

    client: Any = None
    memory_bytes: int | None = None
    keep: str = "auto"
    callbacks: tuple[Callback, ...] = ()


class Run:
    """One fit: what it runs on and where it is committed; its state goes from method to method.

    A CSC source is factorized as its transpose: everything inside (`engine`, `inner`, the state) has the roles of
    W and H exchanged, `options` and the model have not.

    Parameters
    ----------
    source : Source
        The data.
    options : FitOptions
        As the caller gave them.
    resources : Resources
        Where to run.
    stored : bool
        Whether W goes to a store.
    cuts : dict, optional
        How an earlier plan cut the data.

    Raises
    ------
    BudgetError
        It does not fit; nothing has been read or written.
    InputError
        The rank is larger than the matrix.
    """

    def __init__(self, source: Source, options: FitOptions, resources: Resources, *, stored: bool,
                 cuts: dict[str, Any] | None = None):  # fmt: skip
        if options.rank > min(source.shape):
            raise InputError(
                f"{source.address}: rank={options.rank} is more than min(rows, columns) = {min(source.shape)}"
            )
        if source.transposed and options.penalty.scale == "absolute":
            raise InputError(
                f"{source.address}: a CSC matrix is factorized as its transpose, for which scale='absolute' means "
                "another penalty; convert the matrix to CSR with dnmf convert, or use scale='objective'"
            )
        options.penalty.warn_if_one_sided()
        self.options, self.callbacks = options, resources.callbacks
        self.inner = options.swapped() if source.transposed else options
        self.engine = self._plan(source, resources, stored, cuts)
        self.store: checkpoint.Store | None = None
        self._fingerprint: dict[str, Any] = {}
        self._first_number = 0

    def __enter__(self) -> "Run":
        self._held = ExitStack()
        self._held.callback(self.engine.executor.close)
        if self.engine.keep is not None:
            self._held.callback(self.engine.executor.forget, self.engine.keep.mark)
        # Held for the whole run: setting the limit takes longer than a pass over a small sample.
        self._held.enter_context(one_blas_thread())
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()

    def _plan(self, source: Source, resources: Resources, stored: bool, cuts: dict[str, Any] | None) -> Engine:
        executor = choose_executor(resources.client, source)
        try:
            return self._planned(executor, source, resources, stored, cuts)
        except BaseException:
            executor.close()
            raise

    def _planned(
        self, executor: Executor, source: Source, resources: Resources, stored: bool, cuts: dict[str, Any] | None
    ) -> Engine:
        size_of_W = source.shape[0] * self.options.rank * np.dtype(self.options.dtype).itemsize
        if not stored and executor.remote and size_of_W > MOST_GATHERED_BYTES:
            raise BudgetError(
                f"W would take {format_bytes(size_of_W)} in this process; give store='NAME.dnmf' and the workers "
                "write it there"
            )
        kept_rows = 0 if stored else source.shape[0]
        plan, machine = plan_with_start(
            executor, source, self.options, kept_rows=kept_rows, memory_bytes=resources.memory_bytes, cuts=cuts
        )
        layout = source.layout()
        plan, keep = choose_keep(resources.keep, source, plan, machine, executor.count_processes())
        executor.preflight(source)
        shape = source.shape[::-1] if source.transposed else source.shape
        emit(
            self.callbacks,
            Planned(executor.name, source.address, shape, layout.total_bytes, len(plan.groups), plan.n_panels,
                    plan.need.total, machine.memory_bytes, keep is not None),
        )  # fmt: skip
        return Engine(executor, source, plan, layout, keep)

    def checked_start(self, W: Any, H: Any) -> tuple[Any, Any]:
        """Return a given start in the engine's orientation.

        Raises
        ------
        InputError
            Wrong shape, or a NaN, an infinity or a negative value.
        """
        source, rank, limits = self.engine.source, self.options.rank, self.options.limits
        m, n = self.shape
        W = _checked_factor("W", W, (m, rank), signed=limits.is_free("W"))
        H = _checked_factor("H", H, (rank, n), signed=limits.is_free("H"))
        if source.transposed:
            return (None if H is None else H.T), (None if W is None else W.T)
        return W, H

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the data as the caller sees it."""
        source = self.engine.source
        return source.shape[::-1] if source.transposed else source.shape

    def guides(self, constraints: Constraints) -> Guides:
        """Return the arrays of the constraints in the engine's orientation.

        Raises
        ------
        InputError
            A shape does not fit, or what a penalty pulls to is not there.
        """
        options = self.options
        options.penalty.check_guides(constraints.graph is not None, constraints.target_H is not None)
        source, executor = self.engine.source, self.engine.executor
        guides = constraints.guides(self.shape, options.rank, transposed=source.transposed, dtype=options.dtype)
        if executor.remote and guides.W is not None and guides.W.nbytes > MOST_GATHERED_BYTES:
            raise BudgetError(
                f"constraints: {format_bytes(guides.W.nbytes)} of given columns would travel to the workers in every "
                f"pass (at most {format_bytes(MOST_GATHERED_BYTES)} may)"
            )
        return guides

    def begin_store(self, store: checkpoint.Store) -> None:
        """Commit to `store` from now on; a run there that never finished its first pass is begun anew.

        Raises
        ------
        CheckpointError
            It holds a run already; the message lists the options that differ.
        """
        if checkpoint.exists(store.path):
            latest = checkpoint.read_latest(store.path)
            record = RunRecord.from_json(latest.record)
            if record.status == "done" or record.state["passes"]:
                changed = "; ".join(record.options.differences(self.options))
                raise CheckpointError(
                    f"{store.path}: holds a run already{f' with other options ({changed})' if changed else ''}. Go on "
                    f"with dnmf resume {store.path} (new limits: --max-passes, --tol), or choose another store"
                )
            self._first_number = latest.number + 1
        self.store, self._fingerprint = store, self.engine.source.fingerprint()

    def start(self, W: Any, H: Any, guides: Guides) -> State:
        """Return the state before the first pass, committed."""
        options = self.inner
        if H is not None:
            begun = start_from_H(self.engine, H, options, guides)
        elif W is not None:
            begun = start_from_W(self.engine, W, options, guides)
        elif options.init == "random":
            begun = start_at_random(self.engine, options, guides)
        elif self.engine.plan.projected_rows:
            begun = start_from_surrogate(self.engine, options, guides)
        else:
            begun = start_from_sample(self.engine, options, guides)
        state = first_state(begun, options, guides)
        self.inner = in_units(options, begun.units)
        self.commit(state)
        how = start_of(options, self.engine.plan)
        emit(self.callbacks, Started(how, begun.bytes_read / self.engine.source_bytes))
        return state

    def restore(
        self, store: checkpoint.Store, generation: checkpoint.Generation, record: RunRecord, changed: bool
    ) -> State:
        """Return the state of a committed pass, to go on with; `changed` data is checked and measured anew."""
        prefix = STATE_PREFIX if generation.record["status"] == "done" else ""
        arrays = {name.removeprefix(prefix): values for name, values in generation.arrays.items() if prefix in name}
        self.store, self._fingerprint = store, record.fingerprint
        state = State.restore(record.state, arrays)
        self.inner = in_units(self.inner, state.units)
        state = reconsider(state, self.inner)
        if changed:  # what was measured on the other data means nothing here
            state = replace(state, squares=-1.0, objective=float("inf"))
        self._first_number = generation.number - state.passes
        reads = state.bytes_read / self.engine.source_bytes
        emit(self.callbacks, Started(self.options.init, reads, state.passes))
        return state

    def commit(self, state: State) -> None:
        """Put the state on disk, where there is a store."""
        if self.store is not None:
            self.store.commit(self._first_number + state.passes, self._record(state).to_json(), state.arrays())

    def _record(self, state: State) -> RunRecord:
        source = self.engine.source
        return RunRecord(
            status="running", options=self.options, address=source.address,
            missing_chunks=source.missing_chunks, fingerprint=self._fingerprint,
            shape=source.shape, transposed=source.transposed, plan=self.engine.plan.cuts_json(), versions=versions(),
            state=state.scalars(),
        )  # fmt: skip

    def _commit_model(self, model: Model, before: State, passes: int) -> Model:
        """Commit the model, and beside it the state before the last pass: with new limits the run can go on."""
        if self.store is None:
            return model
        record = {**model.record(), "run": self._record(before).to_json()}
        arrays = {f"{STATE_PREFIX}{name}": values for name, values in before.arrays().items()}
        self.store.commit(self._first_number + passes, record, {**model.arrays(), **arrays})
        remove_other_arrays(self.store.path, model.W_name)
        return Model.restore(checkpoint.read_latest(self.store.path), self.store.path)

    def go_on(self, state: State) -> Model:
        """Return the model, after the passes that are left.

        Raises
        ------
        ClusterError
            The workers or the scheduler were lost; the message says how to go on.
        """
        try:
            return self._go_on(state)
        except ClusterError as error:
            if self.store is None:
                raise
            raise ClusterError(f"{error}; go on with: dnmf resume {self.store.path}") from error

    def _go_on(self, state: State) -> Model:
        state = run_until_last(self.engine, state, self.inner, self._after_pass)
        place = None if self.store is None else self.store.path
        before = state
        state, factors = last_pass(self.engine, before, self.inner, place)
        if not state.history[-1].accepted:  # the plain update rose after all: its solver was not exact enough
            state, factors = last_pass(self.engine, replace(state, plain=before.best), self.inner, place)
        model = self._commit_model(self._model(state, factors, place), before, state.passes)
        emit(self.callbacks, PassDone(state.history[-1], self.store is not None))
        emit(self.callbacks, Finished(model.stop_reason, state.passes, model.reads, model.relative_error))
        return model

    def _after_pass(self, state: State) -> None:
        self.commit(state)
        emit(self.callbacks, PassDone(state.history[-1], self.store is not None))

    def _model(self, state: State, factors: Factors, place: Path | None) -> Model:
        source = self.engine.source
        model = Model(
            factors.W, factors.d, factors.H, factors.h_scale, factors.w_scale, self.options, factors.terms,
            state.units, state.history, state.reason,
            source.row_names(), source.column_names(), place, source.address,
        )  # fmt: skip
        if not source.transposed:
            return model
        return model.transposed() if place is None else model.transposed().with_W_in(place)


def choose_keep(policy: str, source: Source, plan: Plan, machine: Machine, processes: int) -> tuple[Plan, Keep | None]:
    """Return the plan and the permission to keep data in memory between passes, None where every pass reads it.

    Raises
    ------
    InputError
        There is no such policy, or dask blocks shall be kept, which is for dask.
    BudgetError
        The data shall be kept and does not fit.
    """
    if policy not in KEEP_POLICIES:
        raise InputError(f"keep={policy!r}: use one of {', '.join(KEEP_POLICIES)}")
    if source.blocks_are_tasks and policy == "memory":
        raise InputError(f"{source.address}: blocks of a dask array are kept by dask: array.persist(), and keep='auto'")
    if policy == "stream" or source.in_memory or source.blocks_are_tasks:
        return plan, None
    kept_plan, of_process = keeping(plan, source.layout(), machine, processes)
    if of_process == 0 and policy == "memory":
        raise BudgetError(
            f"{source.address}: {format_bytes(source.layout().total_bytes)} do not fit in the memory of "
            f"{processes} process(es) with a limit of {format_bytes(machine.memory_bytes)}, of which a pass itself "
            f"takes {format_bytes(plan.need.total)}; use keep='stream', more workers or more memory"
        )
    return kept_plan, Keep(uuid.uuid4().hex, of_process) if of_process else None


def _checked_factor(name: str, values: Any, shape: tuple[int, int], *, signed: bool) -> np.ndarray | None:
    if values is None:
        return None
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise InputError(f"{name} has dtype {array.dtype}, expected numbers")
    if array.shape != shape:
        raise InputError(f"{name} has shape {array.shape}, expected {shape}")
    if not np.isfinite(array).all() or ((array < 0).any() and not signed):
        raise InputError(f"{name} holds a NaN, an infinity{'' if signed else ' or a negative value'}")
    return array


def refuse_changed(record: RunRecord, source: Source, force: bool) -> bool:
    """Return whether `source` has changed since the run began, which only `force` allows; its shape never may.

    Raises
    ------
    CheckpointError
        It has; the message lists the differences.
    """
    found = differences(record.fingerprint, source.fingerprint())
    same_shape = list(source.shape) == list(record.shape) and source.transposed == record.transposed
    if not same_shape or (found and not force):
        advice = "or use force (--force) if you know it is the same" if same_shape else "for data of this shape"
        raise CheckpointError(
            f"{source.address}: the data is not what the fit began with ({'; '.join(found)}). Begin a new fit, {advice}"
        )
    for line in differences(record.versions, versions()):
        log.warning("resuming with another version than the fit began with (%s): the bits may differ", line)
    return bool(found)
